"""The CUDA road of the whole engine on a pretended card (`pretend_cuda.py`): the CPU's numbers, no mistake of devices, few launches and waits."""
from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from solvers.core.structure import Structure
from solvers.core.units import BOHR_ANGSTROM, HARTREE_EV
from solvers.dft.calculation import Calculation
from solvers.dft.parallel import Workers
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan

_spec = importlib.util.spec_from_file_location("pretend_cuda", Path(__file__).with_name("pretend_cuda.py"))
pretend_cuda = sys.modules["pretend_cuda"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pretend_cuda)
PretendCuda, DeviceError = pretend_cuda.PretendCuda, pretend_cuda.DeviceError

SMEARED = {"smearing": ("fermi-dirac", 0.01 * HARTREE_EV)}
SPIN = {**SMEARED, "spin": "collinear"}


def silicon(a=5.43):
    atoms = bulk("Si", "diamond", a=a)
    atoms.rattle(0.05, seed=3)
    return atoms


#: name -> (atoms, options, with compiled kernels or on torch's own operations)
CASES = {
    "k-points in one batch": (silicon(), {"kpts": "1x2x2", "cutoff": 3 * HARTREE_EV}, True),
    "metal": (bulk("Al", "fcc", a=4.04), {"kpts": "2x2x2", "cutoff": 4 * HARTREE_EV, **SMEARED}, False),
    "magnet with D3": (Atoms("O2", [[2, 2, 2], [2, 2, 3.25]], cell=[3.4, 3.5, 4.2], pbc=True),
                       {"kpts": "1x1x1", "cutoff": 6 * HARTREE_EV, "magmoms": (1.0, 1.0), "dispersion": "d3bj", **SPIN}, True),
    "hybrid": (silicon(), {"kpts": "1x1x2", "cutoff": 3 * HARTREE_EV, "xc": "PBE0"}, True),
    "real screened hybrid": (silicon(), {"kpts": "1x1x1", "cutoff": 3 * HARTREE_EV, "xc": "HSE06"}, True),
    "Hubbard": (silicon(), {"kpts": "1x1x1", "cutoff": 3 * HARTREE_EV, "hubbard": "Si-3p=2.0", "magmoms": (0.5, 0.2), **SPIN}, True),
    "kinetic density": (silicon(), {"kpts": "1x1x2", "cutoff": 3 * HARTREE_EV, "xc": "r2SCAN"}, True),
}


def solved(atoms, options, device, previous=None):
    params = DFTParams(**options, tolerance=1e-11, device=device)
    calculation = Calculation(make_plan(Structure.from_atoms(atoms), params), Workers(2), previous)
    for _ in calculation.run():
        pass
    assert calculation.ground.converged
    return calculation


@pytest.mark.parametrize("name", list(CASES))
def test_a_card_gives_the_numbers_of_the_cpu(name):
    if name == "magnet with D3":
        pytest.importorskip("dftd3")
    atoms, options, kernels = CASES[name]
    usual = solved(atoms, options, "cpu")
    with PretendCuda(kernels=kernels) as card:
        found = solved(atoms, options, "cuda")
        assert found.problem.basis.device == "cuda" and found.ground.orbitals[0].is_cuda and card.counts["launches"] > 1000
        assert (card.operations["kernel accumulate"] > 0) == kernels
        if name == "k-points in one batch":
            assert len(found.problem.basis.batches[0]) > 1
        assert abs(found.energies.free - usual.energies.free) < 1e-9
        # batched k-points end after other expansions than single ones: forces and stress differ in first order of what is left
        assert np.abs(found.forces - usual.forces).max() < 1e-6
        assert np.abs(found.stress - usual.stress).max() * usual.problem.basis.volume < 1e-6
        assert np.abs(found.density() - usual.density()).max() < 1e-6
        assert np.abs(found.populations.electrons - usual.populations.electrons).max() < 1e-6
        if name == "k-points in one batch":  # the next geometry starts from this one
            atoms = atoms.copy()
            atoms.rattle(0.01, seed=5)
            after = solved(atoms, options, "cuda", found)
            assert after.state.step <= found.state.step
            assert abs(after.energies.free - solved(atoms, options, "cpu").energies.free) < 1e-9


def test_a_card_makes_the_random_numbers_of_large_blocks(monkeypatch):
    from solvers.dft import start
    one = start.hashed_uniform(4000, 7, "cpu")
    assert one.abs().max() < 1.0 and abs(float(one.mean())) < 0.03 and float(one.square().mean()) == pytest.approx(1 / 3, abs=0.02)
    assert torch.equal(one[10:], start.hashed_uniform(3990, 17, "cpu")) and abs(float((one[1:] * one[:-1]).mean())) < 0.03
    monkeypatch.setattr(start, "_MANY", 0)
    atoms, options = silicon(), {"kpts": "1x1x1", "cutoff": 3 * HARTREE_EV}
    with PretendCuda():
        found = solved(atoms, options, "cuda").energies.free
    assert abs(found - solved(atoms, options, "cpu").energies.free) < 1e-9


def test_launches_and_waits_of_a_step_do_not_grow_with_k_points():
    """Each wait empties the queue of the device; launches cost some microseconds each. Both belong to a step and not to a k-point or a band."""
    counts = {}
    with PretendCuda() as card:
        for mesh in ("2x2x2", "3x3x3"):
            params = DFTParams(kpts=mesh, cutoff=3 * HARTREE_EV, symmetry=False, device="cuda", **SMEARED)
            calculation = Calculation(make_plan(Structure.from_atoms(silicon()), params))
            assert len(calculation.problem.basis.batches) == 1
            steps = calculation.run()
            next(steps)
            next(steps)
            card.reset()
            next(steps)
            counts[mesh] = card.counts["launches"], card.counts["waits"]
    assert max(launches for launches, _ in counts.values()) < 350 and max(waits for _, waits in counts.values()) < 30
    assert abs(counts["3x3x3"][0] - counts["2x2x2"][0]) < 100


def test_the_pretended_card_is_strict():
    from solvers.dft.kernels import accumulate_cuda as real  # noqa: F401 — what is replaced while the card is there comes back afterwards
    with PretendCuda() as card:
        from solvers.dft.kernels import accumulate_cuda, boxes
        x = torch.arange(6.0, dtype=torch.float64, device="cuda").reshape(2, 3)
        assert x.device.type == "cuda" and x.is_cuda and x.mT[0].device.type == "cuda" and type(x.cpu()) is torch.Tensor
        for mistake in (lambda: x + torch.ones(2, 3), lambda: torch.ones(2, 3).add_(x), lambda: x.numpy(), lambda: np.asarray(x),
                        lambda: torch.cat([x[0], torch.ones(3)]), lambda: x.copy_(np.ones((2, 3))), lambda: torch.ones(3)[x[0].long()]):
            with pytest.raises((DeviceError, TypeError)):
                mistake()
        assert torch.equal((x + torch.tensor(1.0)).cpu(), torch.arange(1.0, 7.0, dtype=torch.float64).reshape(2, 3))  # a number of the host is allowed
        x[:, 1] = 0.0
        view = x[:, :2]
        view += 1.0
        assert x.tolist() == [[1.0, 1.0, 2.0], [4.0, 1.0, 5.0]]
        card.reset()
        assert float(x.sum()) == 14.0 and bool((x > 0).any())
        assert card.counts["waits"] == 2 and card.counts["launches"] == 3
        fields, weights, rho = torch.ones(1, 2, 9, dtype=torch.complex128, device="cuda"), torch.ones(1, 2, dtype=torch.float64, device="cuda"), x.new_zeros(9)
        kernel = accumulate_cuda.accumulate
        for mistake in (lambda: kernel[(1, 70000, 1), 256], lambda: kernel[1, 2048], lambda: kernel[(1, 1, 1), 4](fields, weights, weights, rho),
                        lambda: kernel[(1, 1, 1), 256](fields, weights, weights, torch.zeros(9)),
                        lambda: kernel[(1, 1, 1), 256](fields.conj(), weights, weights, rho)):
            with pytest.raises(DeviceError):
                mistake()
        kernel[boxes.launch_grid(9, 1, 1)[0], 256](fields, weights, 0.5 * weights, rho)
        assert rho.tolist() == [2.0] * 9
        slope = torch.autograd.grad((y := x.detach().clone().requires_grad_()).square().sum(), y)[0]
        assert slope.is_cuda and torch.equal(slope.cpu(), 2 * x.cpu())
    assert not torch.cuda.is_available()
    from solvers.dft.kernels import accumulate_cuda as again
    assert again is real


def test_the_benchmark_of_a_card_runs_to_its_row(monkeypatch, capsys):
    from solvers.bench import crystals, dft, ours, shares
    atoms = silicon()
    case = crystals.Case("Si2", atoms.cell.array / BOHR_ANGSTROM, atoms.get_scaled_positions(), ("Si",) * 2, 3.0, (1, 1, 1), symmetry=False)
    small = crystals.BenchCase("tiny", case, group="cuda", on_cores=True)
    monkeypatch.setattr(crystals, "cases", lambda: (small,))
    monkeypatch.setattr(dft, "cases", lambda: (small,))
    monkeypatch.setattr(shares, "CARD", (2**16, 32, 64))

    def inside(key, *options, **more):
        capsys.readouterr()
        assert ours.main([key, *options]) == 0
        events = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
        return None, [{**event, "at": float(i)} for i, event in enumerate(events)]
    monkeypatch.setattr(dft, "ours", inside)
    with PretendCuda():
        row, = dft.run("cuda")
    details = row.details
    assert row.case == small.case.name and details["converged"] and details["with_forces_s"] >= details["scf_s"] > 0 < details["motion_step_s"]
    assert row.peer == "ours on 2 cores" and row.ratio == pytest.approx(1 / details["speed_up"])
    assert 0 < details["limit_s"] and sum(details["shares"].values()) == pytest.approx(1.0) and all(share > 0 for share in details["shares"].values())
