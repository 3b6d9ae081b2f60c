"""Vacuum levels, work functions and tunnelling images."""
from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111

from solvers import tasks
from solvers.core.errors import RefusedError, SetupError
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.dft.surface import Vacuum, find_vacuum, macroscopic_average, planar_average, vacuum_levels
from solvers.dft.tasks_surface import frontier
from solvers.dft.tunnelling import at_density, at_height, columns
from solvers.testing import check_task

QUICK = {"xc": "LDA", "device": "cpu", "tolerance": 1e-6}


def run(name, atoms, **own):
    task = tasks.get(name)
    return drain(task.run(from_dict(task.params_class(), {**QUICK, **own}), {"structure": Structure.from_atoms(atoms)}))


def aluminium(layers=2, vacuum=6.0):
    atoms = fcc111("Al", (1, 1, layers), a=4.05, vacuum=vacuum)
    atoms.pbc = True
    return atoms


def test_the_widest_gap_is_the_vacuum():
    cell = np.diag([10.0, 10.0, 40.0])
    vacuum = find_vacuum(cell, np.array([[0, 0, 0.95], [0, 0, 0.15], [0.5, 0.5, 0.05]]))
    assert vacuum.axis == 2 and vacuum.middle == pytest.approx(0.55) and vacuum.thickness == pytest.approx(32.0)
    with pytest.raises(SetupError, match="without atoms along any axis is"):
        find_vacuum(np.eye(3) * 5, np.zeros((1, 3)))


def test_levels_of_a_known_profile():
    n, length = 200, 40.0
    vacuum = Vacuum(2, 0.5, 0.3, 24.0)
    s = np.arange(n) / n
    inside = (s < 0.2) | (s > 0.8)
    profile = np.where(inside, -5.0 + np.cos(40 * s), np.where(s < 0.5, 1.5, 0.7))
    levels = vacuum_levels(profile, vacuum, length)
    assert (levels.upper, levels.lower) == (pytest.approx(1.5), pytest.approx(0.7)) and levels.ripple < 1e-12
    tilted = vacuum_levels(np.where(inside, -5.0, 0.1 * (s - 0.5) * length), vacuum, length)
    assert tilted.slope_upper == pytest.approx(0.1) and tilted.slope_lower == pytest.approx(0.1)
    with pytest.raises(RefusedError, match="grid planes"):
        vacuum_levels(profile[::40], vacuum, length)


def test_averages():
    field = np.random.default_rng(1).random((4, 5, 60))
    assert planar_average(field, 2).shape == (60,) and planar_average(field, 1)[2] == pytest.approx(field[:, 2].mean())
    s = np.arange(60) / 60
    assert np.abs(macroscopic_average(3.0 + np.sin(2 * np.pi * 6 * s), 1 / 6) - 3.0).max() < 1e-12
    assert macroscopic_average(np.cos(2 * np.pi * s), 0.5)[0] == pytest.approx(2 / np.pi)


def test_both_faces_of_a_symmetric_slab_agree_and_the_value_is_that_of_aluminium():
    result = run("workfunction", aluminium(3), cutoff=130, kpts="3x3x1", smearing="fermi-dirac:0.2eV")
    v = result.values
    upper, lower = v["work_functions"]
    assert upper == pytest.approx(lower, abs=0.02) and upper == pytest.approx(4.2, abs=0.5)  # 4.2 to 4.3 eV for Al(111)
    assert np.abs(v["vacuum_slopes"]).max() < 0.01 and abs(v["slab_dipole"]) < 1e-3
    assert len(v["profile_positions"]) == len(v["potential_profile"]) and result.fields["potential"].unit == "eV"
    assert result.settings["axis"] == "c" and result.settings["dipole"] == "c"


def test_an_adsorbed_layer_makes_the_faces_differ():
    atoms = aluminium(2, 7.5)
    top = atoms.positions[:, 2].max()
    atoms += Atoms("H", positions=[[0, 0, 0]])
    atoms.positions[-1] = atoms.positions[np.argmax(atoms.positions[:, 2])] + [0, 0, 0]
    atoms.positions[-1, 2] = top + 1.7
    own = {"cutoff": 120, "kpts": "2x2x1", "smearing": "fermi-dirac:0.2eV", "spin": "none"}
    with_it, without = run("workfunction", atoms, **own), run("workfunction", atoms, correct=False, **own)
    upper, lower = with_it.values["work_functions"]
    assert abs(upper - lower) > 0.05 and np.abs(with_it.values["vacuum_slopes"]).max() < 0.02
    area = abs(np.linalg.det(atoms.cell.array)) / atoms.cell.array[2, 2]
    jump = 14.39964547 * 4 * np.pi * float(with_it.values["slab_dipole"]) / area  # e²/4πε₀ in eV Å
    assert upper - lower == pytest.approx(-jump, abs=0.02)
    assert np.abs(without.values["vacuum_slopes"]).max() > 3 * np.abs(with_it.values["vacuum_slopes"]).max()
    assert any("not flat" in warning for warning in without.warnings)


def exponential():
    """exp(−2 z) above a corrugated surface, atom at 0.1 of a cell of 20 Å."""
    n = 100
    z = ((np.arange(n) / n - 0.1) % 1.0) * 20.0
    bump = np.array([[0.0, 0.4], [0.2, 0.1]])
    return np.exp(-2.0 * (z[None, None] - bump[..., None])), bump


def test_image_of_an_exponential_is_exact():
    density, bump = exponential()
    heights, lines = columns(density, Vacuum(2, 0.6, 0.5, 20.0), 0.1, 1, 20.0)
    assert heights[0] > heights[-1] == pytest.approx(0.0) and lines.shape[:2] == (2, 2)
    np.testing.assert_allclose(at_height(heights, lines, 3.337), np.exp(-2 * (3.337 - bump)), rtol=1e-9)
    np.testing.assert_allclose(at_density(heights, lines, 1e-3), bump - 0.5 * np.log(1e-3), atol=1e-9)
    mirrored, flipped = columns(density[..., (20 - np.arange(100)) % 100], Vacuum(2, 0.6, 0.5, 20.0), 0.1, -1, 20.0)
    np.testing.assert_allclose(mirrored, heights, atol=1e-9)
    np.testing.assert_allclose(flipped, lines)


def test_image_of_a_slab_sees_the_atom_and_resumes():
    own = {"cutoff": 100, "kpts": "2x2x1", "smearing": "fermi-dirac:0.2eV", "bias": 1.0, "height": 2.0}
    result = run("stm", aluminium(1, 5.0), **own)
    image = result.values["stm_image"]
    assert image.min() > 0 and result.values["stm_current"] == pytest.approx(image.mean())
    topography = run("stm", aluminium(1, 5.0), **{**own, "mode": "current"}).values["stm_image"]
    assert topography.mean() == pytest.approx(2.0, abs=0.3)
    assert np.corrcoef(image.ravel(), topography.ravel())[0, 1] > 0.9
    filled = run("stm", aluminium(1, 5.0), **{**own, "bias": -1.0}).values["stm_current"]
    assert filled > 0 and abs(filled - result.values["stm_current"]) > 0.01 * filled
    task = tasks.get("stm")
    params = from_dict(task.params_class(), {**QUICK, **own})
    laws = check_task(task.run, params, {"structure": Structure.from_atoms(aluminium(1, 5.0))}, kills=2, tolerance=1e-6)
    assert sum("resumed" in law for law in laws) == 2
    with pytest.raises(SetupError, match="not between the surface and the middle"):
        run("stm", aluminium(1, 5.0), **{**own, "height": 15.0})


def test_an_empty_state_of_one_spin_is_not_ionised():
    levels = np.array([[[-8.0, -1.0]], [[-4.0, -0.5]]])
    assert frontier(levels, np.array([-3.0, -12.0])) == (-8.0, -4.0)  # fixed moment, empty lower spin
    assert frontier(levels, np.array([-3.0, -3.0])) == (-4.0, -1.0)
    assert frontier(levels, np.array([0.0, 0.0])) == (-0.5, 0.0)
