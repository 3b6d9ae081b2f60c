"""Images of a tunnelling microscope from the density of states in the window of the bias: J. Tersoff and D. R. Hamann, Phys. Rev. B 31, 805 (1985).

The current at a point is taken proportional to the density of the states between the Fermi energy and the bias there. NumPy only; any unit of length.
"""
from __future__ import annotations

import numpy as np

from .surface import Vacuum

#: density below which columns are not interpolated by logarithms any more
_FLOOR = 1e-30


def columns(density: np.ndarray, vacuum: Vacuum, surface: float, side: int, length: float) -> tuple[np.ndarray, np.ndarray]:
    """(heights (n,) above the outermost atom, falling; densities (n1, n2, n)) from the middle of the vacuum down to that atom.

    density (n1, n2, n3) on the box, surface: fraction of the outermost atom along the axis, side: 1 upper, −1 lower face, length: height of the cell.
    """
    field = np.moveaxis(np.asarray(density), vacuum.axis, -1)
    n = field.shape[-1]
    offset = (side * (np.arange(n) / n - surface)) % 1.0  # fraction above the atom, towards the vacuum
    order = np.argsort(-offset)
    keep = order[offset[order] * length <= vacuum.half_width * length]
    return offset[keep] * length, field[..., keep]


def at_height(heights: np.ndarray, densities: np.ndarray, height: float) -> np.ndarray:
    """Density (n1, n2) at `height`, by logarithmic interpolation between grid planes."""
    logs = np.log(np.maximum(densities, _FLOOR))
    i = int(np.clip(np.searchsorted(-heights, -height), 1, len(heights) - 1))
    share = (heights[i - 1] - height) / (heights[i - 1] - heights[i])
    return np.exp((1.0 - share) * logs[..., i - 1] + share * logs[..., i])


def at_density(heights: np.ndarray, densities: np.ndarray, density: float) -> np.ndarray:
    """Greatest height (n1, n2) at which the density reaches `density`; the lowest plane where it never does."""
    reached = densities >= density
    i = np.where(reached.any(-1), reached.argmax(-1), len(heights) - 1)
    i = np.maximum(i, 1)
    logs = np.log(np.maximum(densities, _FLOOR))
    above, below = (np.take_along_axis(logs, (i - d)[..., None], -1)[..., 0] for d in (1, 0))
    rise = below - above
    share = np.clip(np.where(np.abs(rise) > 1e-12, (np.log(density) - above) / np.where(np.abs(rise) > 1e-12, rise, 1.0), 1.0), 0.0, 1.0)
    return heights[i - 1] + share * (heights[i] - heights[i - 1])
