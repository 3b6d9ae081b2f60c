"""What a cell list needs to know of a cell before any atom is looked at: completed cell, fractional coordinates, bins."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.core.errors import StructureError


@dataclass(frozen=True)
class Bins:
    """The bins of a cell list.

    fractional (N, 3): coordinates wrapped to [0, 1) along periodic directions; wraps (N, 3) int: cells taken off while wrapping;
    origin, length (3,): the binned range in fractional coordinates; counts (3,): bins per direction; reach (3,): bins to look into on either side.
    """

    cell: np.ndarray
    fractional: np.ndarray
    wraps: np.ndarray
    origin: np.ndarray
    length: np.ndarray
    counts: np.ndarray
    reach: np.ndarray


def complete_cell(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """`cell` (3, 3) in Å with missing or dependent vectors of open directions replaced by unit vectors normal to the others.

    Raises StructureError when a periodic vector is missing or the periodic vectors are dependent.
    """
    cell = np.array(cell, dtype=float)
    for axis in np.flatnonzero(pbc):
        if not np.linalg.norm(cell[axis]) > 1e-8:
            raise StructureError(f"Cell vector {axis} is periodic but has length {np.linalg.norm(cell[axis]):.3g} Å.",
                                 hint="Give it a length, or set pbc to False there.")
    for axis in np.flatnonzero(~pbc):
        others = cell[[other for other in range(3) if other != axis and np.linalg.norm(cell[other]) > 1e-8]]
        unit = cell[axis] / max(np.linalg.norm(cell[axis]), 1e-300)
        normal = np.linalg.svd(others)[2][-1] if len(others) else np.eye(3)[axis]  # a direction that no other vector spans
        if np.linalg.norm(cell[axis]) <= 1e-8 or abs(unit @ normal) < 1e-3 and len(others) == 2:
            cell[axis] = normal
    lengths = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) < 1e-6 * np.prod(lengths):
        raise StructureError(f"The cell is singular: volume {abs(np.linalg.det(cell)):.3g} Å³.", hint="Give three linearly independent cell vectors.")
    return cell


def make_bins(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> Bins:
    """Bins no smaller than needed to find every pair within `cutoff` (Å) by looking `reach` bins far, and at most about eight per atom."""
    pbc = np.broadcast_to(np.asarray(pbc, bool), 3)
    cell = complete_cell(cell, pbc)
    inverse = np.linalg.inv(cell)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)  # distance between opposite faces, Å
    fractional = positions @ inverse
    wraps = np.where(pbc, np.floor(fractional), 0.0)
    fractional = fractional - wraps
    over = pbc & (fractional >= 1.0)  # −1e-17 wraps to exactly 1
    fractional[over] -= 1.0
    wraps[over] += 1.0
    if len(positions):
        low, high = fractional.min(axis=0), fractional.max(axis=0)
    else:
        low, high = np.zeros(3), np.ones(3)
    origin = np.where(pbc, 0.0, low)
    length = np.where(pbc, 1.0, np.maximum(high - low, 1e-9) * (1 + 1e-9))
    sizes = heights * length
    counts = np.maximum(1, np.floor(sizes / max(cutoff, 1e-9)))
    limit = max(1.0, 8.0 * len(positions))
    while counts.prod() > limit:  # mostly vacuum: fewer, larger bins
        counts[np.argmax(counts)] = max(1.0, counts.max() // 2)
    counts = counts.astype(np.int64)
    reach = np.maximum(1, np.ceil(cutoff * counts / sizes - 1e-12))
    reach = np.where(pbc, reach, np.minimum(reach, counts - 1)).astype(np.int64)  # no images there; a flat molecule has sizes of nothing
    return Bins(cell, fractional, wraps.astype(np.int64), origin, length, counts, reach)
