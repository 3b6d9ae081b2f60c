"""The cell list finds exactly the pairs that trying every image finds, whatever the cell."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.core.errors import SetupError, StructureError
from solvers.neighbours import SkinList, neighbour_list, reference_list

CELLS = {
    "cubic": np.eye(3) * 12.0,
    "tiny": np.eye(3) * 1.3,
    "needle": np.diag([2.0, 3.0, 25.0]),
    "sheared": np.array([[9.0, 0, 0], [7.5, 6.0, 0], [-6.0, 4.0, 8.0]]),
    "left": np.array([[0, 6.0, 0], [5.0, 0, 0], [1.0, 1.0, 7.0]]),
}


def pairs(listing, positions, cell):
    """The list as a sorted array of (i, j, shift)."""
    rows = np.column_stack([listing.centres, listing.neighbours, listing.shifts])
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 0, 1), (0, 0, 0)])
def test_same_pairs_as_reference(name, pbc):
    rng = np.random.default_rng(3)
    cell = CELLS[name]
    n = 3 if name == "tiny" else 25
    positions = rng.uniform(-1.5, 2.5, (n, 3)) @ cell  # unwrapped on purpose
    cutoff = 4.0
    found, expected = neighbour_list(positions, cell, pbc, cutoff), reference_list(positions, cell, pbc, cutoff)
    assert len(expected) > 0 or not any(pbc)
    assert np.array_equal(pairs(found, positions, cell), pairs(expected, positions, cell))
    lengths = np.linalg.norm(found.vectors(positions, cell), axis=1)
    assert (lengths <= cutoff + 1e-12).all()
    assert found.neighbours.dtype == np.int32 and found.shifts.dtype == np.int32


def test_every_pair_is_listed_twice_with_opposite_shift():
    rng = np.random.default_rng(0)
    positions, cell = rng.uniform(0, 6, (12, 3)), CELLS["sheared"]
    listing = neighbour_list(positions, cell, True, 5.0)
    forward = {tuple(row) for row in np.column_stack([listing.centres, listing.neighbours, listing.shifts])}
    backward = {(j, i, -a, -b, -c) for i, j, a, b, c in forward}
    assert forward == backward and len(forward) == len(listing) > 100


def test_order_depends_on_the_positions_alone():
    rng = np.random.default_rng(4)
    positions, cell = rng.uniform(0, 9, (40, 3)), CELLS["sheared"]
    wide, narrow = neighbour_list(positions, cell, True, 5.5), neighbour_list(positions, cell, True, 4.0)
    near = np.linalg.norm(wide.vectors(positions, cell), axis=1) <= 4.0
    assert 0 < near.sum() < len(wide)
    assert np.array_equal(wide.neighbours[near], narrow.neighbours) and np.array_equal(wide.shifts[near], narrow.shifts)


def test_open_structures_need_no_cell():
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0], [0, 0, 5.0]])
    assert len(neighbour_list(positions, np.zeros((3, 3)), False, 2.0)) == 2
    flat = np.array([[0.0, 0, 0], [1.0, 0, 0], [9.0, 0, 0]])  # no extent along y and z
    assert len(neighbour_list(flat, np.zeros((3, 3)), False, 5.0)) == 2
    assert len(neighbour_list(np.zeros((0, 3)), np.zeros((3, 3)), False, 2.0)) == 0
    assert len(neighbour_list(np.zeros((1, 3)), np.zeros((3, 3)), False, 2.0)) == 0


def test_bad_input_is_named():
    with pytest.raises(SetupError, match="positive"):
        neighbour_list(np.zeros((2, 3)), np.eye(3), True, 0.0)
    with pytest.raises(StructureError, match="periodic but has length"):
        neighbour_list(np.zeros((2, 3)), np.zeros((3, 3)), True, 2.0)
    with pytest.raises(StructureError, match="singular"):
        neighbour_list(np.zeros((2, 3)), np.ones((3, 3)), True, 2.0)


def test_skin_list_never_misses_a_pair_and_is_not_rebuilt_each_time():
    rng = np.random.default_rng(7)
    cell = CELLS["sheared"] * 1.2
    positions = rng.uniform(0, 1, (30, 3)) @ cell
    skin = SkinList(4.0, 1.0)
    for step in range(60):
        positions += rng.normal(0, 0.02, positions.shape)
        deformed = cell @ (np.eye(3) + 1e-3 * step * np.diag([1.0, -0.5, -0.5]))
        positions = positions @ np.linalg.solve(cell, deformed)
        cell = deformed if step % 5 == 0 else cell
        listing = skin.update(positions, cell, True)
        near = np.linalg.norm(listing.vectors(positions, cell), axis=1) <= 4.0
        assert near.sum() == len(neighbour_list(positions, cell, True, 4.0))
    assert 1 < skin.n_builds < 60
