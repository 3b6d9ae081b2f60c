"""Points and segments of a picture: images of the cell, cell edges, half bonds. Plain numpy."""
from __future__ import annotations

import numpy as np

from .bonds import Bonds, bond_vectors

#: the twelve edges of a parallelepiped as pairs of corner indices, corner = 4 i + 2 j + k
_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_EDGES = np.array([[m, n] for m in range(8) for n in range(m + 1, 8) if np.abs(_CORNERS[m] - _CORNERS[n]).sum() == 1])


def cell_edges(cell: np.ndarray, repeat: tuple[int, int, int] = (1, 1, 1), origin: np.ndarray | tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """(12, 2, 3) Å: the edges of the cell repeated as a whole; (0, 2, 3) for a cell without extent."""
    if np.linalg.norm(cell, axis=1).max() < 1e-9:
        return np.zeros((0, 2, 3))
    corners = (_CORNERS * np.array(repeat)) @ cell + np.asarray(origin)
    edges = corners[_EDGES]
    return edges[np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1) > 1e-9]


def image_shifts(cell: np.ndarray, repeat: tuple[int, int, int]) -> np.ndarray:
    """(n·m·k, 3) Å; the first row is zero."""
    return np.stack(np.meshgrid(*(np.arange(k) for k in repeat), indexing="ij"), axis=-1).reshape(-1, 3) @ cell


def images(values: np.ndarray, count: int) -> np.ndarray:
    """Per-atom values repeated `count` times, image after image."""
    return np.tile(values, (count,) + (1,) * (values.ndim - 1))


def shifted_images(positions: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """(n_images · N, 3) Å, image after image."""
    return (positions[None] + shifts[:, None]).reshape(-1, 3)


def half_bonds(bonds: Bonds, positions: np.ndarray, cell: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """starts and vectors, (n_images · 2 M, 3) Å: from each end of every bond to its middle, for every image.

    Inside the picture two halves meet; through a face that nothing was drawn behind, the half leaves the cell: a periodic bond needs no special case.
    """
    vectors = 0.5 * bond_vectors(bonds, positions, cell)
    starts = np.concatenate([positions[bonds.i], positions[bonds.j]])
    return shifted_images(starts, shifts), np.tile(np.concatenate([vectors, -vectors]), (len(shifts), 1))


def half_bond_owner(bonds: Bonds) -> np.ndarray:
    """(2 M,) the atom that gives each half of `half_bonds` its colour."""
    return np.concatenate([bonds.i, bonds.j])
