"""Bands at fixed potential: the self-consistent eigenvalues again, time reversal, free electrons, the task as a whole."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from solvers import tasks
from solvers.core.errors import RunError, SetupError
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.core.units import HARTREE_EV
from solvers.dft.band_cell import cell_for_bands
from solvers.dft.calculation import Calculation
from solvers.dft.masses import follow
from solvers.dft.nonscf import FixedPotential
from solvers.dft.parallel import Workers
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
from solvers.testing import check_task


@pytest.fixture(scope="module")
def crystal():
    """GaAs-like low symmetry: silicon with one atom off its site, no inversion."""
    atoms = bulk("Si")
    atoms.positions[1] += (0.1, 0.03, -0.05)
    atoms.numbers[1] = 6
    plan = make_plan(Structure.from_atoms(atoms), DFTParams(cutoff=150, kpts="2x2x2", xc="LDA", smearing="none", tolerance=1e-11, device="cpu"))
    calculation = Calculation(plan, Workers(1))
    for _ in calculation.run():
        pass
    return calculation


def scf_levels(calculation):
    return calculation.ground.eigenvalues.numpy()


def test_mesh_points_give_the_self_consistent_eigenvalues(crystal):
    fixed, filled = FixedPotential.of(crystal), 4
    found = fixed.solve(crystal.plan.kpoints, 6, 1e-7)["eigenvalues"]
    assert found.shape == (1, len(crystal.plan.kpoints), 6)
    np.testing.assert_allclose(found[..., :filled], scf_levels(crystal)[..., :filled], atol=1e-9)
    np.testing.assert_allclose(fixed.solve(np.zeros((1, 3)), 6, 1e-7)["eigenvalues"][:, 0],
                               fixed.solve(np.zeros((2, 3)), 6, 1e-7)["eigenvalues"][:, 1], atol=1e-9)  # real and complex arithmetic at Γ


def test_time_reversal_and_lattice_periodicity(crystal):
    k = np.array([0.13, -0.21, 0.38])
    levels = FixedPotential.of(crystal).solve(np.array([k, -k, k + [1, 0, -1], k * 1.1]), 6, 1e-8)["eigenvalues"][0]
    np.testing.assert_allclose(levels[1], levels[0], atol=1e-10)
    np.testing.assert_allclose(levels[2], levels[0], atol=1e-10)
    assert np.abs(levels[3] - levels[0]).max() > 1e-3


class Empty(FixedPotential):
    """The same crystal without any potential."""

    def problem(self, kpoints, sphere_at=None):
        problem = super().problem(kpoints, sphere_at)
        problem.hamiltonian.D.zero_()
        problem.hamiltonian.set_potential(0.0 * problem.grid.to_real(problem.v_local)[None])
        return problem


def test_free_electrons_have_free_bands_and_mass_one(crystal):
    empty = Empty.of(crystal)
    b = crystal.problem.grid.reciprocal
    k = np.array([0.11, 0.05, -0.2])
    levels = empty.solve(k[None], 7, 1e-9)["eigenvalues"][0, 0]
    G = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    np.testing.assert_allclose(levels, np.sort(0.5 * (((G + k) @ b) ** 2).sum(1))[:7], atol=1e-9)
    conversation = follow(np.array([0.01, 0.02, 0.0]), 0, -1, 0.03)
    points = next(conversation)
    while True:
        try:
            points = conversation.send(empty.solve(points @ np.linalg.inv(b), 1, 1e-9, sphere_at=np.zeros(3))["eigenvalues"][0])
        except StopIteration as stop:
            mass = stop.value
            break
    assert mass.kind == "minimum" and mass.found
    np.testing.assert_allclose(mass.inverse, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(mass.kpoint, 0, atol=1e-6)


def test_one_set_of_plane_waves_makes_bands_smooth(crystal):
    k = np.array([0.3, 0.1, 0.0]) + np.linspace(0, 0.02, 9)[:, None] * np.array([1.0, 0, 0])
    fixed = FixedPotential.of(crystal)
    rough = np.abs(np.diff(fixed.solve(k, 4, 1e-8)["eigenvalues"][0], n=3, axis=0)).max()
    smooth = np.abs(np.diff(fixed.solve(k, 4, 1e-8, sphere_at=k[4])["eigenvalues"][0], n=3, axis=0)).max()
    assert smooth < 1e-6 < 10 * smooth + rough


def test_both_spins_of_a_magnetic_crystal():
    atoms = bulk("H", "sc", a=3.5)
    params = DFTParams(cutoff=80, kpts="2x2x2", xc="LDA", smearing="fermi-dirac:0.05eV", tolerance=1e-10, device="cpu", magmoms=(1.0,))
    calculation = Calculation(make_plan(Structure.from_atoms(atoms), params), Workers(1))
    for _ in calculation.run():
        pass
    assert calculation.total_moment > 0.5
    fixed = FixedPotential.of(calculation)
    again = FixedPotential.unpack(fixed.pack(), fixed.plan, fixed.workers)
    found = again.solve(calculation.plan.kpoints, 2, 1e-8)["eigenvalues"]
    assert found.shape[0] == 2
    levels = scf_levels(calculation)
    np.testing.assert_allclose(found[0, :, 0], levels[0, :, 0], atol=1e-7)
    assert (found[1, :, 0] <= levels[1, :, 0] + 1e-9).all()  # empty bands are not converged in the cycle: they lie above
    assert (found[1, :, 0] - found[0, :, 0]).min() > 0.02  # the minority band lies higher


@pytest.mark.parametrize("own", [{"hubbard": "Si-3p=3"}, {"xc": "r2SCAN"}])
def test_terms_that_follow_the_orbitals_hold_at_new_points_too(own):
    params = from_dict(DFTParams, {"cutoff": 100, "kpts": "2x2x2", "smearing": "none", "tolerance": 1e-11, "device": "cpu", **own})
    calculation = Calculation(make_plan(Structure.from_atoms(bulk("Si")), params), Workers(1))
    for _ in calculation.run():
        pass
    fixed = FixedPotential.of(calculation)
    again = FixedPotential.unpack(fixed.pack(), fixed.plan, fixed.workers)
    assert len(again.unknowns) == 1 and again.unknowns[0].abs().max() > 1e-3
    np.testing.assert_allclose(again.solve(calculation.plan.kpoints, 5, 1e-7)["eigenvalues"][..., :4], scf_levels(calculation)[..., :4], atol=1e-9)


def test_what_cannot_work_is_refused(crystal):
    fixed = FixedPotential.of(crystal)
    with pytest.raises(SetupError, match="bands were asked for and there are"):
        fixed.solve(np.zeros((1, 3)), 5000, 1e-6)
    with pytest.raises(RunError, match="kept a residual"):
        fixed.solve(np.zeros((1, 3)), 4, 1e-18)


def settings(**own):
    return from_dict(tasks.get("bands").params_class(), {"cutoff": 120, "kpts": "2x2x2", "xc": "LDA", "smearing": "none", "path": "LG", "path_spacing": 0.15,
                                                        "device": "cpu", **own})


def test_task_resumes_and_reduces_a_supercell():
    task = tasks.get("bands")
    steps = []
    own = settings(empty_bands=2, kpts="1x1x1", path_spacing=0.3, mass_step=0.015)
    result = drain(task.run(own, {"structure": Structure.from_atoms(bulk("Si", cubic=True))}), steps.append)
    assert len(result.structure) == 2 and result.settings["kpts"]["size"] == (2, 2, 2)  # the density of the one point given
    assert any("primitive cell of 2 atoms instead of the 8" in warning for warning in result.warnings)
    v = result.values
    assert v["eigenvalues"].shape == (1, len(v["kpath"]), 6) and [name for _, name in v["labels"]] == ["L", "Γ"]
    assert 0.2 < float(v["band_gap"]) < float(v["direct_gap"]) < 4.0
    shares = dict(zip(v["projections"], v["band_projections"], strict=True))  # (S, N, B) of each
    assert set(shares) == {"0 Si 3s", "0 Si 3p", "1 Si 3s", "1 Si 3p"} and np.allclose(shares["0 Si 3p"], shares["1 Si 3p"], atol=1e-4)
    s, p = (shares[f"0 Si {shell}"][0, -1] + shares[f"1 Si {shell}"][0, -1] for shell in ("3s", "3p"))  # at Γ
    assert s[0] > 0.9 and p[0] < 1e-3 and p[1:4].min() > 0.9 and s[1:4].max() < 1e-3, "the lowest band is s, the valence band edge p"
    touching = v["inverse_mass_along"][[name.startswith("valence") for name in v["touching_edges"]]]
    assert touching.shape[0] == 3 and (touching < 0).all()  # the valence band maximum of silicon
    assert steps[-1].progress == pytest.approx(1.0)
    laws = check_task(task.run, settings(masses=False), {"structure": Structure.from_atoms(bulk("Si"))}, kills=2, tolerance=1e-9)
    assert sum("resumed" in law for law in laws) == 2


def test_a_metal_has_no_gap():
    params = settings(smearing="fermi-dirac:0.2eV", kpts="3x3x3", path="GX", path_spacing=0.4)
    result = drain(tasks.get("bands").run(params, {"structure": Structure.from_atoms(bulk("Al"))}))
    assert result.values["band_gap"] == 0.0 and result.settings["gap_kind"] == "metal" and "inverse_mass" not in result.values
    width = result.values["fermi_energy"] - result.values["eigenvalues"].min()
    assert width == pytest.approx(11.0, abs=1.0)  # eV, the free-electron-like band of aluminium
    assert HARTREE_EV > 27


def test_moments_of_zero_stay_zero_in_the_primitive_cell():
    own = settings(magmoms=[0.0, 0.0], smearing="fermi-dirac:0.1eV", kpts="2x2x2")
    small, params, _ = cell_for_bands(Structure.from_atoms(bulk("Fe", cubic=True)), own)
    assert len(small) == 1 and make_plan(small, params).n_spin == 1
