"""The Brillouin zone: volume, Euler's formula, Γ nearest to every inner point."""
from __future__ import annotations

import math

import numpy as np
import pytest
from ase.build import bulk

from solvers.core.errors import StructureError
from solvers.dft.brillouin import brillouin_zone

RANDOM = np.random.default_rng(5).normal(size=(3, 3)) + 3 * np.eye(3)
CELLS = {"fcc": bulk("Cu").cell.array, "bcc": bulk("Fe").cell.array, "hcp": bulk("Mg").cell.array, "cube": np.eye(3) * 3.0, "triclinic": RANDOM,
         "skewed": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) @ np.array([[3.0, 0, 0], [9.0, 3.1, 0], [15.3, -6.1, 3.3]])}


@pytest.mark.parametrize("name, faces, corners", [("fcc", 14, 24), ("bcc", 12, 14), ("hcp", 8, 12), ("cube", 6, 8)])
def test_known_polyhedra(name, faces, corners):
    zone = brillouin_zone(CELLS[name])
    assert (len(zone.faces), len(zone.vertices)) == (faces, corners)


@pytest.mark.parametrize("name", CELLS)
def test_volume_and_euler(name):
    zone = brillouin_zone(CELLS[name])
    assert zone.volume == pytest.approx((2 * math.pi) ** 3 / abs(np.linalg.det(CELLS[name])), rel=1e-9)
    assert len(zone.vertices) - len(zone.edges) + len(zone.faces) == 2
    assert zone.holds(zone.vertices).all()
    assert not zone.holds(1.01 * zone.vertices).any()


@pytest.mark.parametrize("name", ["hcp", "skewed"])
def test_folding_finds_the_nearest_image(name):
    zone = brillouin_zone(CELLS[name])
    points = np.random.default_rng(1).normal(size=(50, 3)) * 3
    folded = zone.fold(points)
    assert zone.holds(folded, 1e-7).all()
    moved = (points - folded) @ np.linalg.inv(zone.reciprocal)
    assert np.abs(moved - np.round(moved)).max() < 1e-9
    assert np.abs(moved).max() > 0.5


def test_a_flat_cell_is_refused():
    with pytest.raises(StructureError, match="no volume"):
        brillouin_zone(np.zeros((3, 3)))
