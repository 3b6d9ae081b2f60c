"""Numba kernels of the cell list. One function walks a row for both the counting and the filling pass, so that they cannot disagree."""
from __future__ import annotations

import numpy as np
from numba import njit

from solvers.core.paths import use_numba_cache

use_numba_cache()


@njit(cache=True, nogil=True)
def assign_bins(fractional, origin, length, counts):
    """Linear bin index of every atom, (N,) int64."""
    n_atoms = fractional.shape[0]
    bins = np.empty(n_atoms, np.int64)
    for atom in range(n_atoms):
        index = 0
        for axis in range(3):
            slot = int(np.floor((fractional[atom, axis] - origin[axis]) / length[axis] * counts[axis]))
            slot = min(max(slot, 0), counts[axis] - 1)
            index = index * counts[axis] + slot
        bins[atom] = index
    return bins


@njit(cache=True, nogil=True)
def sort_bins(bins, n_bins):
    """Counting sort: starts (n_bins+1,) and the atoms in order of their bins, (N,)."""
    starts = np.zeros(n_bins + 1, np.int64)
    for atom in range(bins.shape[0]):
        starts[bins[atom] + 1] += 1
    for index in range(n_bins):
        starts[index + 1] += starts[index]
    cursor = starts[:-1].copy()
    order = np.empty(bins.shape[0], np.int64)
    for atom in range(bins.shape[0]):
        order[cursor[bins[atom]]] = atom
        cursor[bins[atom]] += 1
    return starts, order


@njit(cache=True, inline="always")
def _wrap(slot, count, periodic):
    """Bin and image of bin number `slot` along one direction; image −2147483648 marks a bin that does not exist."""
    if 0 <= slot < count:
        return slot, 0
    if not periodic:
        return 0, -2147483648
    image = slot // count
    return slot - image * count, image


@njit(cache=True, nogil=True)
def _row(atom, positions, cell, pbc, atom_bins, counts, reach, starts, order, cutoff2, wraps, neighbours, shifts, at, store):
    """Pairs of one atom: counted, and written from index `at` on when `store`."""
    found = 0
    bin_z = atom_bins[atom] % counts[2]
    bin_y = (atom_bins[atom] // counts[2]) % counts[1]
    bin_x = atom_bins[atom] // (counts[1] * counts[2])
    for dx in range(-reach[0], reach[0] + 1):
        x, image_x = _wrap(bin_x + dx, counts[0], pbc[0])
        if image_x == -2147483648:
            continue
        for dy in range(-reach[1], reach[1] + 1):
            y, image_y = _wrap(bin_y + dy, counts[1], pbc[1])
            if image_y == -2147483648:
                continue
            for dz in range(-reach[2], reach[2] + 1):
                z, image_z = _wrap(bin_z + dz, counts[2], pbc[2])
                if image_z == -2147483648:
                    continue
                tx = image_x * cell[0, 0] + image_y * cell[1, 0] + image_z * cell[2, 0] - positions[atom, 0]
                ty = image_x * cell[0, 1] + image_y * cell[1, 1] + image_z * cell[2, 1] - positions[atom, 1]
                tz = image_x * cell[0, 2] + image_y * cell[1, 2] + image_z * cell[2, 2] - positions[atom, 2]
                index = (x * counts[1] + y) * counts[2] + z
                for slot in range(starts[index], starts[index + 1]):
                    other = order[slot]
                    rx, ry, rz = positions[other, 0] + tx, positions[other, 1] + ty, positions[other, 2] + tz
                    if rx * rx + ry * ry + rz * rz > cutoff2 or (other == atom and image_x == 0 and image_y == 0 and image_z == 0):
                        continue
                    if store:
                        neighbours[at + found] = other
                        shifts[at + found, 0] = image_x + wraps[atom, 0] - wraps[other, 0]
                        shifts[at + found, 1] = image_y + wraps[atom, 1] - wraps[other, 1]
                        shifts[at + found, 2] = image_z + wraps[atom, 2] - wraps[other, 2]
                    found += 1
    return found


@njit(cache=True, nogil=True)
def _sort_row(neighbours, shifts, begin, end):
    """Order a row by neighbour, then shift: sums over it then depend on the positions alone, not on bins or on when the list was built."""
    for last in range(begin + 1, end):
        atom, x, y, z = neighbours[last], shifts[last, 0], shifts[last, 1], shifts[last, 2]
        slot = last - 1
        while slot >= begin:
            gap = neighbours[slot] - atom
            if gap == 0:
                gap = shifts[slot, 0] - x
                if gap == 0:
                    gap = shifts[slot, 1] - y
                    if gap == 0:
                        gap = shifts[slot, 2] - z
            if gap <= 0:
                break
            neighbours[slot + 1] = neighbours[slot]
            for axis in range(3):
                shifts[slot + 1, axis] = shifts[slot, axis]
            slot -= 1
        neighbours[slot + 1] = atom
        shifts[slot + 1, 0], shifts[slot + 1, 1], shifts[slot + 1, 2] = x, y, z


@njit(cache=True, nogil=True)
def count_pairs(begin, end, positions, cell, pbc, atom_bins, counts, reach, starts, order, cutoff2, result):
    """Write the number of neighbours of atoms begin…end into result (N,) int64."""
    nothing = np.empty((0, 3), np.int64)
    no_neighbours = np.empty(0, np.int32)
    no_shifts = np.empty((0, 3), np.int32)
    for atom in range(begin, end):
        result[atom] = _row(atom, positions, cell, pbc, atom_bins, counts, reach, starts, order, cutoff2, nothing, no_neighbours, no_shifts, 0, False)


@njit(cache=True, nogil=True)
def fill_pairs(begin, end, positions, cell, pbc, atom_bins, counts, reach, starts, order, cutoff2, wraps, offsets, neighbours, shifts):
    """Write neighbours (M,) and shifts (M, 3) of rows begin…end."""
    for atom in range(begin, end):
        _row(atom, positions, cell, pbc, atom_bins, counts, reach, starts, order, cutoff2, wraps, neighbours, shifts, offsets[atom], True)
        _sort_row(neighbours, shifts, offsets[atom], offsets[atom + 1])
