"""One benchmark of our own engine, in a process of its own: `python -m solvers.bench.ours KEY …` prints one JSON line per step and per finished run.

The first run of a process is *cold* (imports, compiled kernels from the cache), later ones are *warm*. `--shares` adds a run on one thread with every operation
sorted into FFT (local potential and density), GEMM, eigh and rest.
"""
from __future__ import annotations

import argparse
import json
import resource
import sys
import time

from .process import high_water


def main(argv: list[str] | None = None) -> int:
    """Run a case `--repeat` times; `--first-step` stops after one step."""
    started = time.perf_counter()
    parser = argparse.ArgumentParser(prog="python -m solvers.bench.ours")
    parser.add_argument("key")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--shares", action="store_true")
    parser.add_argument("--first-step", action="store_true")
    parser.add_argument("--motion", action="store_true", help="after the first run move every atom by 0.02 bohr and run on from it")
    args = parser.parse_args(argv)
    import torch
    bare = high_water()
    from ..core import device as machine
    from ..dft.parallel import Workers
    from .crystals import cases
    n_threads = machine.apply_threads()
    case = next(item.case for item in cases() if item.key == args.key)
    device = machine.resolve(args.device)
    _say(event="imported", seconds=time.perf_counter() - started, threads=n_threads, device=machine.describe(device), bare_rss=bare)
    previous = None
    for number in range(args.repeat):
        previous = None  # one calculation at a time: the peak is that of one, as it is the peers'
        previous = _run(case, Workers(n_threads), device, number, args.first_step)
        if args.first_step:
            return 0
    if args.motion:
        _run(case, Workers(n_threads), device, args.repeat, False, previous=previous, shift=0.02)
    previous = None
    if args.shares:
        from .shares import Shares
        if device == "cpu":
            torch.set_num_threads(1)
        with Shares(device) as shares:
            _run(case, Workers(1 if device == "cpu" else n_threads), device, -1, False, shares=shares)
        _say(event="shares", **shares.summary())
    return 0


def _run(case, workers, device: str, number: int, first_step: bool, previous=None, shift: float = 0.0, shares=None):
    """A whole calculation with forces and stress; says what it took."""
    import torch

    from ..core.structure import Structure
    from ..core.units import BOHR_ANGSTROM, HARTREE_EV
    from ..dft.calculation import Calculation
    from ..dft.params import DFTParams
    from ..dft.plan import make_plan
    from .peers import THRESHOLD
    atoms = case.atoms()
    if shift:
        atoms.rattle(shift * BOHR_ANGSTROM, seed=5)
    params = DFTParams(xc=case.xc, cutoff=case.cutoff * HARTREE_EV, kpts={"size": case.kpts, "shift": case.shift}, grid=case.box, pseudos=case.pseudos or "gth",
                       smearing=(case.smearing[0], case.smearing[1] * HARTREE_EV) if case.smearing else None, symmetry=case.symmetry, device=device,
                       magmoms=case.moments, tolerance=THRESHOLD / 2 * HARTREE_EV / len(atoms))
    cuda = device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    started, cpu = time.perf_counter(), _cpu()
    calculation = Calculation(make_plan(Structure.from_atoms(atoms), params), workers, previous=previous)
    if shares is not None:
        shares.watch(calculation.problem.hamiltonian.local)
    history = []
    for step in calculation.run():
        history.append((time.perf_counter() - started, step.free_energy))
        _say(event="step", run=number, n=step.n, seconds=history[-1][0], free_energy=step.free_energy)
        if first_step:
            return None
    solved = time.perf_counter() - started
    forces, stress = calculation.forces, calculation.stress
    if cuda:
        torch.cuda.synchronize()
    problem, ground = calculation.problem, calculation.ground
    bands = ground.eigenvalues.shape[-1] * len(problem.basis.kpoints) * problem.model.n_spin
    _say(event="done", run=number, wall=time.perf_counter() - started, scf=solved, cpu=_cpu() - cpu, steps=calculation.state.step,
         applications=problem.hamiltonian.applications / bands, bands=bands, converged=ground.converged, energy=calculation.energies.free,
         largest_force=float(abs(forces).max()), pressure=float(-stress.trace() / 3), peak_rss=high_water(), box=list(problem.grid.shape),
         plane_waves=problem.basis.n_plane_waves, peak_device=torch.cuda.max_memory_allocated() if cuda else 0)
    return calculation


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _say(**values) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    sys.exit(main())
