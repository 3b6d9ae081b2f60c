"""Small k-points that share a tensor on the CPU: what a calculation finds does not depend on how many."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from solvers.core.structure import Structure
from solvers.core.units import HARTREE_EV
from solvers.dft import calculation as module
from solvers.dft import projectors
from solvers.dft.calculation import Calculation
from solvers.dft.nonscf import FixedPotential
from solvers.dft.parallel import Workers
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan

SMEARED = {"smearing": ("fermi-dirac", 0.01 * HARTREE_EV)}
SPIN = {**SMEARED, "spin": "collinear", "magmoms": (0.5, 0.2)}


def silicon():
    atoms = bulk("Si", "diamond", a=5.43)
    atoms.rattle(0.05, seed=3)
    return atoms


#: name -> (atoms, options)
CASES = {
    "metal": (bulk("Al", "fcc", a=4.04), {"kpts": "4x4x4", "cutoff": 4 * HARTREE_EV, **SMEARED}),
    "insulator": (silicon(), {"kpts": "1x2x3", "cutoff": 3 * HARTREE_EV}),
    "magnet with U": (silicon(), {"kpts": "1x2x3", "cutoff": 3 * HARTREE_EV, "hubbard": "Si-3p=2.0", **SPIN}),
    "hybrid": (silicon(), {"kpts": "1x1x4", "cutoff": 3 * HARTREE_EV, "xc": "HSE06"}),
    "kinetic density": (silicon(), {"kpts": "1x1x4", "cutoff": 3 * HARTREE_EV, "xc": "r2SCAN"}),
}


def planned(atoms, options, **more):
    return make_plan(Structure.from_atoms(atoms), DFTParams(**{**options, "tolerance": 1e-11, "device": "cpu", **more}))


def together(monkeypatch, size):
    monkeypatch.setattr(module, "_batch_size", lambda *given: size)


def solved(plan, **start):
    calculation = Calculation(plan, Workers(2), **start)
    for _ in calculation.run():
        pass
    assert calculation.ground.converged
    return calculation


def compare(found, expected):
    assert abs(found.energies.free - expected.energies.free) < 1e-9
    assert np.abs(found.forces - expected.forces).max() < 1e-6
    assert np.abs(found.stress - expected.stress).max() * expected.problem.basis.volume < 1e-6
    assert np.abs(found.density() - expected.density()).max() < 1e-6
    assert np.abs(found.populations.electrons - expected.populations.electrons).max() < 1e-6


@pytest.mark.parametrize("name", list(CASES))
def test_results_do_not_depend_on_how_many_share_a_tensor(monkeypatch, name):
    plan = planned(*CASES[name])
    together(monkeypatch, 1)
    expected = solved(plan)
    together(monkeypatch, 3)
    found = solved(plan)
    assert [len(batch) for batch in found.problem.basis.batches][:1] == [3] and any(batch.mask is not None for batch in found.problem.basis.batches)
    compare(found, expected)


def test_projectors_too_large_to_keep_are_made_again_for_shared_tensors(monkeypatch):
    plan = planned(*CASES["insulator"])
    together(monkeypatch, 3)
    expected = solved(plan)
    monkeypatch.setattr(projectors, "KEPT", 0)
    found = solved(plan)
    assert found.problem.hamiltonian.projectors._makes and not expected.problem.hamiltonian.projectors._makes
    compare(found, expected)


def test_the_next_geometry_and_bands_between_the_points(monkeypatch):
    """Orbitals of one grouping start a calculation with another; bands at fixed potential share tensors too."""
    atoms, options = CASES["insulator"]
    together(monkeypatch, 1)
    first = solved(planned(atoms, options))
    moved = atoms.copy()
    moved.rattle(0.01, seed=5)
    points = np.linspace(0, 0.5, 7)[:, None] * np.array([[1.0, 0.5, 0.0]])
    levels = []
    for size in (1, 3):
        together(monkeypatch, size)
        after = solved(planned(moved, options), previous=first)
        levels.append(FixedPotential.of(after).solve(points, 6, 1e-6)["eigenvalues"])
    fresh = solved(planned(moved, options))
    assert after.state.step < fresh.state.step and abs(after.energies.free - fresh.energies.free) < 1e-9
    assert np.abs(levels[0] - levels[1]).max() < 2e-6


def test_only_small_points_share_a_tensor_and_every_thread_has_work():
    plan = planned(*CASES["metal"])
    size = 16 * plan.n_plane_waves * plan.n_bands

    def batches(n_points, threads, times=1):
        each = module._batch_size(replace(plan, kpoints=np.zeros((n_points, 3)), n_bands=plan.n_bands * times), "cpu", threads)
        return each, -(-n_points // each)
    assert size < module._TOGETHER / 4
    for threads in (1, 2, 8):
        for n_points in (1, 2, 7, 30, 500):
            each, count = batches(n_points, threads)
            assert 1 <= each <= max(1, module._TOGETHER // size) and count >= min(n_points, 2 * threads)
    assert batches(500, 2)[0] > module._TOGETHER // size // 2
    assert batches(500, 2, 10 * module._TOGETHER // size)[0] == 1
