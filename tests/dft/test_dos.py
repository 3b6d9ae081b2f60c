"""Densities of states: sums, symmetry, projections, the two methods beside each other, resume."""
from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from solvers import tasks
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.testing import check_task

QUICK = {"xc": "LDA", "device": "cpu", "tolerance": 1e-7}


def run(atoms, **own):
    task = tasks.get("dos")
    return drain(task.run(from_dict(task.params_class(), {**QUICK, **own}), {"structure": Structure.from_atoms(atoms)}))


@pytest.fixture(scope="module")
def silicon():
    return run(bulk("Si"), cutoff=120, kpts="3x3x3", smearing="none", projections="orbitals", dos_kpts="4x4x4", empty_bands=2)


def test_the_integral_is_the_number_of_electrons(silicon):
    v = silicon.values
    step = np.diff(v["energies"])
    np.testing.assert_allclose(step, 0.02, atol=1e-9)
    below = v["energies"] < v["dos_fermi_energy"]
    assert (v["dos"][0] * 0.02)[below].sum() == pytest.approx(8.0, abs=1e-6)
    assert np.interp(v["dos_fermi_energy"], v["energies"], v["integrated_dos"][0]) == pytest.approx(8.0, abs=1e-6)
    assert (v["dos"] * 0.02).sum() == pytest.approx(12.0, abs=1e-6)  # all six bands
    assert v["dos"].min() >= 0.0 and v["dos_at_fermi"][0] == 0.0


def test_projections_are_shares_and_obey_the_symmetry(silicon):
    v = silicon.values
    total = v["projected"].sum(0)
    assert (v["projected"] > -1e-9).all() and (total <= v["dos"] + 1e-9).all()
    below = v["energies"] < v["dos_fermi_energy"]
    assert (total[:, below].sum() * 0.02) == pytest.approx(8.0 * (1.0 - float(v["spilling"])), abs=1e-6)
    assert 0.0 < float(v["spilling"]) < 0.05
    rows = dict(zip(v["projections"], v["projected"], strict=True))
    for orbital in ("y", "z", "x"):  # cubic site, equivalent atoms
        np.testing.assert_allclose(rows[f"1 Si 3p {orbital}"], rows["0 Si 3p x"], atol=1e-9)
    np.testing.assert_allclose(rows["1 Si 3s s"], rows["0 Si 3s s"], atol=1e-9)
    assert np.abs(rows["0 Si 3s s"] - rows["0 Si 3p x"]).max() > 0.1


def test_the_wedge_gives_what_the_whole_zone_gives():
    atoms = bulk("Al", "hcp", a=2.86, c=4.67)
    own = {"cutoff": 100, "kpts": "3x3x2", "dos_kpts": "4x4x2", "projections": "orbitals", "interval": 0.25, "smearing": "fermi-dirac:0.3eV", "empty_bands": 2,
           "grid": "15,15,24", "method": "gaussian", "width": 0.3}  # tetrahedra break the symmetry of the mesh, equal Gaussians do not
    less, full = run(atoms, **own), run(atoms, symmetry=False, **own)
    n = len(less.values["energies"])
    assert n > 20
    np.testing.assert_allclose(less.values["dos"], full.values["dos"][:, :n], atol=2e-3)
    np.testing.assert_allclose(less.values["projected"], full.values["projected"][..., :n], atol=2e-3)
    assert np.abs(less.values["projected"]).max() > 0.05
    assert less.settings["n_symmetry_operations"] > full.settings["n_symmetry_operations"]


def test_copper_has_a_full_d_band_and_gaussians_agree():
    own = {"cutoff": 800, "kpts": "3x3x3", "dos_kpts": "3x3x3", "smearing": "fermi-dirac:0.2eV", "projections": "shells", "band_tolerance": 1e-3,
           "tolerance": 1e-5}
    one = run(bulk("Cu", a=3.6), **own).values
    assert list(one["d_band_atoms"]) == [0] and -4.5 < one["d_band_centre"][0, 0] < -1.0 and 0.3 < one["d_band_width"][0, 0] < 2.0
    assert one["d_band_share"][0, 0] > 0.9
    two = run(bulk("Cu", a=3.6), method="gaussian", width=0.3, **own).values
    np.testing.assert_allclose(two["d_band_centre"] + two["dos_fermi_energy"], one["d_band_centre"] + one["dos_fermi_energy"], atol=1e-4)
    assert np.interp(two["dos_fermi_energy"], two["energies"], two["integrated_dos"][0]) == pytest.approx(11.0, abs=0.01)


def test_spins_have_their_own_states():
    v = run(bulk("H", "sc", a=3.5), cutoff=80, kpts="2x2x2", magmoms=(1.0,), dos_kpts="4x4x4", projections="atoms").values
    assert v["dos"].shape[0] == 2 and v["projected"].shape[:2] == (1, 2)
    below = v["energies"] < v["dos_fermi_energy"]
    up, down = (v["dos"] * 0.02)[:, below].sum(1)
    assert up + down == pytest.approx(1.0, abs=1e-3) and up - down > 0.5


def test_task_resumes():
    task = tasks.get("dos")
    params = from_dict(task.params_class(), {**QUICK, "cutoff": 100, "kpts": "2x2x2", "smearing": "none", "dos_kpts": "5x5x5", "empty_bands": 1})
    laws = check_task(task.run, params, {"structure": Structure.from_atoms(bulk("Si"))}, kills=2, tolerance=1e-9)
    assert sum("resumed" in law for law in laws) == 2


def test_an_empty_spin_has_states_and_no_electrons():
    v = run(Atoms("H", cell=[4, 4, 4], pbc=True), magmoms=[1.0], cutoff=60, kpts="1x1x1", smearing="none", empty_bands=2, projections="none").values
    assert v["dos"].shape[0] == 2 and v["dos"][1].sum() > 0.0
    below = v["energies"] < v["dos_fermi_energy"]
    assert (v["dos"][0] * 0.02)[below].sum() == pytest.approx(1.0, abs=0.05)
