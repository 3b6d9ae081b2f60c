"""Radial distribution function g(r)."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from solvers.core.errors import SetupError
from solvers.neighbours import neighbour_list


def radial_distribution(frames: Iterable[Any], cutoff: float = 8.0, bins: int = 160, pair: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(r, g): middles of the bins in Å and g(r), 1 for an ideal gas, averaged over `frames` (Atoms or Structures, periodic in three directions).

    cutoff in Å, also beyond half the cell; pair = (Z of the centre, Z of the neighbour) for a partial g(r). Raises SetupError for open
    structures and for elements that no frame holds.
    """
    edges = np.linspace(0.0, cutoff, bins + 1)
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    counts, expected = np.zeros(bins), np.zeros(bins)
    for frame in frames:
        if not np.all(frame.pbc):
            raise SetupError(f"g(r) needs a density, and pbc is {np.asarray(frame.pbc).tolist()}.",
                             hint="Use a structure that is periodic in three directions.")
        cell = np.asarray(getattr(frame.cell, "array", frame.cell), float)
        listing = neighbour_list(frame.positions, cell, True, cutoff)
        lengths = np.linalg.norm(listing.vectors(frame.positions, cell), axis=1)
        centre, other = np.ones(len(frame.numbers), bool), np.ones(len(frame.numbers), bool)
        if pair is not None:
            centre, other = frame.numbers == pair[0], frame.numbers == pair[1]
        counts += np.histogram(lengths[centre[listing.centres] & other[listing.neighbours]], edges)[0]
        expected += centre.sum() * other.sum() / abs(np.linalg.det(cell)) * shells
    if not expected.any():
        raise SetupError("There is nothing to average: no frame, or no atom of the asked elements.", hint="Check the frames and the pair.")
    return 0.5 * (edges[1:] + edges[:-1]), counts / expected
