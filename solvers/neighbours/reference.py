"""The neighbour list in plain NumPy: every pair in every image, kept if short. The judge of the cell list; quadratic, for tests."""
from __future__ import annotations

import numpy as np

from .geometry import complete_cell
from .lists import NeighbourList


def reference_list(positions: np.ndarray, cell: np.ndarray, pbc, cutoff: float) -> NeighbourList:
    """What `neighbour_list` returns (rows in another order), from all images that can reach `cutoff` (Å)."""
    positions = np.asarray(positions, float)
    pbc = np.broadcast_to(np.asarray(pbc, bool), 3)
    cell = complete_cell(cell, pbc)
    inverse = np.linalg.inv(cell)
    spread = np.ptp(positions @ inverse, axis=0)
    reach = np.where(pbc, np.ceil(cutoff * np.linalg.norm(inverse, axis=0) + spread), 0).astype(int)
    images = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), -1).reshape(-1, 3)
    vectors = (positions[None, :, None] + (images @ cell)[None, None]) - positions[:, None, None]  # (i, j, image, 3)
    close = (vectors**2).sum(-1) <= cutoff**2
    close &= ~(np.eye(len(positions), dtype=bool)[:, :, None] & (images == 0).all(1))
    i, j, image = np.nonzero(close)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(i, minlength=len(positions)))])
    return NeighbourList(offsets, j.astype(np.int32), images[image].astype(np.int32), float(cutoff))
