"""Distances and angles through periodic images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase.build import molecule

from qcad_gui.scene import measure
from solvers.core.structure import Structure


def test_nearest_image_is_the_shortest_of_very_many():
    rng = np.random.default_rng(1)
    cell = np.array([[3.0, 0, 0], [4.4, 2.0, 0], [-2.0, 3.1, 2.5]])  # strongly skewed: rounding alone fails here
    all_shifts = np.array(list(itertools.product(range(-14, 15), repeat=3))) @ cell
    rounding_fails = 0
    for vector in rng.uniform(-6, 6, (40, 3)):
        best = np.linalg.norm(vector + all_shifts, axis=1).min()
        assert np.linalg.norm(measure.nearest_image(vector, cell, np.ones(3, bool))) == pytest.approx(best, abs=1e-12)
        fractional = vector @ np.linalg.inv(cell)
        rounding_fails += np.linalg.norm((fractional - np.rint(fractional)) @ cell) > best + 1e-6
    assert rounding_fails > 0, "the cell is not skewed enough to test anything"


def test_open_directions_have_no_images():
    cell = np.diag([4.0, 4.0, 4.0])
    assert measure.nearest_image(np.array([3.0, 3.0, 0.0]), cell, np.array([True, False, False])) == pytest.approx([-1.0, 3.0, 0.0])
    assert measure.nearest_image(np.array([3.0, 3.0, 0.0]), np.zeros((3, 3)), np.ones(3, bool)) == pytest.approx([3.0, 3.0, 0.0])
    for singular in ([[3.0, 0, 0], [6, 0, 0], [0, 0, 5]], [[3.0, 0, 0], [0, 4, 0], [3, 4, 0]]):
        assert measure.nearest_image(np.array([2.0, 3.0, 0.0]), np.array(singular), np.ones(3, bool)) == pytest.approx([2.0, 3.0, 0.0])


def test_silicon(silicon):
    assert measure.distance(silicon, 0, 1) == pytest.approx(5.43 * np.sqrt(3) / 4)
    neighbours = [k for k in range(8) if k and measure.distance(silicon, 0, k) < 2.4]
    assert len(neighbours) == 4, "three of them only through a face"
    assert measure.angle(silicon, neighbours[0], 0, neighbours[1]) == pytest.approx(np.degrees(np.arccos(-1 / 3)))
    assert measure.short_text(silicon, (0, 1)) == "2.351 Å"
    assert measure.short_text(silicon, (neighbours[0], 0, neighbours[1])) == "109.47°"
    assert "Si 0 – Si 1: 2.351 Å" in measure.sentence(silicon, (0, 1))


def test_dihedral_has_the_iupac_sign_and_ases_value_up_to_the_turn():
    atoms = molecule("H2O2")
    structure = Structure.from_atoms(atoms)
    chain = (2, 0, 1, 3)
    ours, theirs = measure.dihedral(structure, *chain), atoms.get_dihedral(*chain)
    assert abs(ours) > 30
    assert ours % 360 == pytest.approx(theirs % 360)
    right_handed = Structure(np.ones(4), [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, -1, 1]])  # seen along +z, from x to -y is clockwise seen from behind
    assert measure.dihedral(right_handed, 0, 1, 2, 3) == pytest.approx(-90.0)


def test_undefined_and_impossible():
    line = Structure(np.ones(4), [[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 3]])
    assert np.isnan(measure.dihedral(line, 0, 1, 2, 3)) and measure.short_text(line, (0, 1, 2, 3)) == "undefined"
    with pytest.raises(ValueError, match="1 atoms cannot be measured. Allowed: 2 for a distance"):
        measure.value(line, (0,))


def test_of_equally_near_images_the_atom_itself_is_taken():
    from ase.build import bulk

    primitive = Structure.from_atoms(bulk("Si"))
    assert measure.chain(primitive, (0, 1))[1] == pytest.approx(primitive.positions[1]), "all four neighbours of atom 0 are images of atom 1"


def test_chain_follows_the_images(silicon):
    far = max(range(8), key=lambda k: np.linalg.norm(silicon.positions[k] - silicon.positions[0]))
    points = measure.chain(silicon, (0, far))
    assert np.linalg.norm(points[1] - points[0]) == pytest.approx(measure.distance(silicon, 0, far))
