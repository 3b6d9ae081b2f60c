"""Workers killed at random moments: every case runs as a job in a process of its own, gets SIGKILL, is resumed, and must end where a run that nobody
disturbed ends, having repeated at most one step per kill. Part of `qcad validate damage`; the suite kills three times per kind.

A checkpoint is kept after every step, which workers do by themselves where steps take long (`core/worker.py::Pace`; toy steps would be kept once a second).
The moments are those of a fixed seed: a random step, and a random fraction of a typical step after it. What the processor makes of them is its own affair.
"""
from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import RunError
from solvers.core.job import JobSpec, Result
from solvers.core.jobs import Job, JobManager
from solvers.core.structure import Structure
from solvers.core.units import HARTREE_EV

from .report import Row, compare

ENERGY = 1e-9  # Ha per cell, of the final free energy and of every step's
REPEATED = 1  # steps that a kill may cost beside the one under way
QUICK, PER_JOB = 3, 4  # kills per kind in the suite; kills that one job has to survive at most
SEED = 20261122
_LONGEST = 600.0  # s until a job counts as stuck
_GLANCE = 0.004  # s


@dataclass(frozen=True)
class Case:
    """A job to be killed. kind: its task's; kills: how often in the full tier."""

    name: str
    kind: str
    atoms: str
    params: Mapping[str, Any] = field(default_factory=dict)
    calculator: CalculatorSpec | None = None
    kills: int = 5


def _dft(**keywords: Any) -> CalculatorSpec:
    return CalculatorSpec("dft", {"device": "cpu", "xc": "LDA", "cutoff": 120.0, "kpts": "1x1x2", **keywords})


_OWN = {"device": "cpu", "xc": "LDA", "cutoff": 120.0, "kpts": "1x1x2"}
_SPIN = {"kpts": "1x1x1", "xc": "PBE", "magmoms": [1.0, 1.0], "smearing": "fermi-dirac:0.2eV"}
_DYNAMICS = {"steps": 12, "interval": 1, "temperature": 600.0}
CASES = (
    Case("scf", "scf", "Si2", {**_OWN, "kpts": "2x2x2"}),
    Case("scf, spin", "scf", "H2", {**_OWN, **_SPIN}),
    Case("scf, +U", "scf", "Si2", {**_OWN, "hubbard": "Si-3p=3.0"}),
    Case("scf, HSE06", "scf", "Si2", {**_OWN, "cutoff": 100.0, "xc": "HSE06"}),
    Case("relax", "relax", "Si2", {"force_tolerance": 1e-3}, _dft()),
    Case("relax, spin", "relax", "H2", {"force_tolerance": 1e-2, "max_steps": 12}, _dft(**_SPIN)),
    Case("relax, +U", "relax", "Si2", {"force_tolerance": 1e-3}, _dft(hubbard="Si-3p=3.0")),
    Case("relax, cell", "relax", "Si2", {"force_tolerance": 1e-2, "cell": "full", "pulay_limit": 50.0, "max_steps": 10}, _dft()),
    Case("md", "md", "Si2", _DYNAMICS, _dft()),
    Case("md, Langevin", "md", "Si2", {**_DYNAMICS, "ensemble": "nvt", "seed": 3, "friction_time": 20.0}, _dft()),
    Case("md, spin", "md", "H2", {**_DYNAMICS, "timestep": 0.3}, _dft(**_SPIN)),
    Case("md, PBE0", "md", "H2", {**_DYNAMICS, "timestep": 0.3}, _dft(kpts="1x1x1", xc="PBE0")),
    Case("bands", "bands", "Si2", {**_OWN, "kpts": "2x2x2"}, kills=2),
    Case("dos", "dos", "Si2", {**_OWN, "kpts": "2x2x2"}, kills=2),
    Case("converge", "converge", "Si2", {"device": "cpu", "xc": "LDA", "energy_error": 0.1, "force_error": 0.5, "pressure_error": 10.0, "max_rungs": 4,
                                         "vary_smearing": False}, kills=2),
    Case("dielectric", "dielectric", "Si2", {**_OWN, "kpts": "2x2x2"}, kills=2),
    Case("phonons", "phonons", "Si2", {"supercell": "1x1x1"}, _dft(), kills=2),
)
#: what the suite kills
SUITE = tuple(case for case in CASES if case.name in ("scf", "relax", "md"))


@dataclass(frozen=True)
class Outcome:
    """What became of a case: kills that met a running worker; most steps that one of them cost; largest difference (Ha) of final energies and of the energies
    of all steps; largest difference of final positions (Å); what else was wrong."""

    kills: int
    repeated: int
    energy: float
    along: float
    positions: float
    faults: tuple[str, ...]


def structure(name: str) -> Structure:
    """Two atoms that are not at rest."""
    from ase import Atoms
    from ase.build import bulk
    if name == "H2":
        return Structure.from_atoms(Atoms("H2", [[0.0, 0.0, 0.0], [0.02, 0.05, 1.3]], cell=[4.0, 4.2, 4.4], pbc=True))
    atoms = bulk("Si")
    atoms.rattle(0.05, seed=1)
    return Structure.from_atoms(atoms)


def strike(case: Case, kills: int, folder: Path, seed: int = SEED, per_job: int = PER_JOB) -> Outcome:
    """Run `case` once undisturbed, then in as many jobs as it takes to kill it `kills` times."""
    spec = JobSpec(case.kind, dict(case.params), {"structure": structure(case.atoms), **({"calculator": case.calculator} if case.calculator else {})},
                   title=case.name)
    manager = JobManager(folder, threads=1, environment={"QCAD_CHECKPOINT_SECONDS": "0"})
    rng = np.random.default_rng([seed, *case.name.encode()])
    whole = manager.start(spec)
    _require_end(whole)
    reference, history = whole.result(), _history(whole)
    times = [event.time for event in whole.steps()]
    typical = float(np.median(np.diff(times))) if len(times) > 1 else 0.1
    done, repeated, energy, along, moved, faults = 0, 0, 0.0, 0.0, 0.0, []
    for _ in range(4 * kills):  # a kill may come too late; then another job gets one
        if done >= kills:
            break
        job = manager.start(spec)
        for _ in range(min(per_job, kills - done)):
            first = _kept(job) + 1
            if first >= len(history) or not _wait_for(job, int(rng.integers(first, len(history)))):
                break
            time.sleep(float(rng.uniform(0.0, 1.0)) * typical)
            if not job.kill():
                break
            told, kept = max((event.data["n"] for event in job.events() if event.kind == "step"), default=0), _kept(job)
            done, repeated = done + 1, max(repeated, told - kept)
            if job.status.state == "finished":
                break
            if job.status.state != "interrupted":
                faults.append(f"killed, the job is {job.status.state}")
            job.resume()
        _require_end(job)
        again = _history(job)
        result = job.result()
        energy = max(energy, _difference(reference, result), abs(again[max(again)] - history[max(history)]) / HARTREE_EV)
        along = max([along, *(abs(again[n] - history[n]) / HARTREE_EV for n in history.keys() & again.keys())])
        if "positions" in reference.values:
            moved = max(moved, float(np.abs(result.values["positions"] - reference.values["positions"]).max()))
        numbers = [event.data["n"] for event in job.steps()]
        if numbers != sorted(set(numbers)):
            faults.append(f"steps are told twice or out of order: {numbers}")
        if result.converged != reference.converged:
            faults.append(f"converged = {result.converged}")
        left = [path.name for path in job.path.rglob(".*")]
        if left:
            faults.append(f"left behind: {left}")
    if done < kills:
        faults.append(f"only {done} of {kills} kills met a running worker")
    return Outcome(done, repeated, energy, along, moved, tuple(faults))


def _wait_for(job: Job, step: int) -> bool:
    """Whether step `step` was told by a worker that then still ran."""
    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        attempt = job.folder.last
        events = attempt.events() if attempt else []
        if any(event.kind == "step" and event.data["n"] >= step for event in events):
            return True
        if events and events[-1].kind in ("finished", "failed", "paused", "cancelled"):
            return False
        time.sleep(_GLANCE)
    raise RunError(f"Job {job.id} told no step {step} within {_LONGEST:g} s.", hint=job.stderr_tail())


def _require_end(job: Job) -> None:
    status = job.wait(_LONGEST)
    if status.state != "finished":
        raise RunError(f"Job {job.id} is {status.state}: {status.message}", hint=job.stderr_tail(5))


def _kept(job: Job) -> int:
    checkpoint = job.folder.checkpoint()
    return 0 if checkpoint is None else checkpoint.n


def _history(job: Job) -> dict[int, float]:
    """Energy (eV) that forces belong to, of every step; 0 where a step has none."""
    steps = {event.data["n"]: event.data["values"] for event in job.steps()}
    return {n: float(values.get("free_energy", values.get("energy", 0.0))) for n, values in steps.items()}


def _difference(one: Result, other: Result) -> float:
    """Largest difference (Ha) of energies and eigenvalues of two results."""
    names = [name for name in ("free_energy", "energy", "eigenvalues") if name in one.values]
    return max((float(np.abs(one.values[name] - other.values[name]).max()) / HARTREE_EV for name in names), default=0.0)


def run(full: bool = False) -> Iterator[Row]:
    """Rows of the cases; full=False takes those of the suite."""
    for case in CASES if full else SUITE:
        with tempfile.TemporaryDirectory() as folder:
            found = strike(case, case.kills if full else QUICK, Path(folder))
        text = f"{found.kills} kills, steps differ by up to {found.along:.1e} Ha and {found.positions:.1e} Å on the way"
        yield compare("kills", case.name, "faults", float(len(found.faults)), 0.0, 0.5, "jobs", "no kill at all", "; ".join(found.faults)[:200])
        yield compare("kills", case.name, "steps repeated", float(found.repeated), 0.0, REPEATED + 0.5, "steps", "no kill at all", text)
        yield compare("kills", case.name, "free energy", found.energy, 0.0, ENERGY, "Ha", "no kill at all")
