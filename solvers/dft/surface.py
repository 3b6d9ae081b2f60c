"""Slabs: planar averages of a potential, vacuum levels on both sides, where the vacuum is. NumPy only; one unit of length and energy throughout."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import RefusedError, SetupError

#: least thickness of vacuum (bohr) in which levels can be read: evanescent tails and FFT ripples need room
LEAST_VACUUM = 8.0
#: part of the half vacuum, from its middle outwards, in which a level is read, and the part at the middle left out where the potential jumps
_PLATEAU, _JUMP = 0.45, 0.12


@dataclass(frozen=True)
class Vacuum:
    """The widest empty layer along one axis: middle and half width as fractions of the cell vector, thickness between the outermost nuclei."""

    axis: int
    middle: float
    half_width: float
    thickness: float


@dataclass(frozen=True)
class VacuumLevels:
    """Potential at the vacuum on the upper and the lower side of the slab, slopes there (energy per length), and the largest ripple that was read over."""

    upper: float
    lower: float
    slope_upper: float
    slope_lower: float
    ripple: float


def find_vacuum(cell: np.ndarray, fractional: np.ndarray, axis: int | None = None) -> Vacuum:
    """The widest layer without nuclei; of all axes when axis is None. Raises SetupError when it is thinner than `LEAST_VACUUM`. cell rows in bohr."""
    options = [_widest(cell, fractional, i) for i in ((0, 1, 2) if axis is None else (axis,))]
    best = max(options, key=lambda item: item.thickness)
    if best.thickness < LEAST_VACUUM:
        from ..core.units import BOHR_ANGSTROM
        raise SetupError(f"The widest layer without atoms along {'any axis' if axis is None else 'abc'[axis]} is {best.thickness * BOHR_ANGSTROM:.1f} Å.",
                         hint=f"A slab needs at least {LEAST_VACUUM * BOHR_ANGSTROM:.0f} Å of vacuum, better 12 to 15 Å: `qcad build slab` makes one.")
    return best


def height(cell: np.ndarray, axis: int) -> float:
    """Distance between the planes spanned by the other two cell vectors."""
    cell = np.asarray(cell, float)
    return float(1.0 / np.linalg.norm(np.linalg.inv(cell)[:, axis]))


def _widest(cell: np.ndarray, fractional: np.ndarray, axis: int) -> Vacuum:
    s = np.sort(np.asarray(fractional)[:, axis] % 1.0)
    gaps = np.diff(np.append(s, s[0] + 1.0))
    i = int(gaps.argmax())
    return Vacuum(axis, float((s[i] + 0.5 * gaps[i]) % 1.0), float(0.5 * gaps[i]), float(gaps[i] * height(cell, axis)))


def planar_average(field: np.ndarray, axis: int) -> np.ndarray:
    """Mean over the planes parallel to the other two cell vectors (n,)."""
    return np.asarray(field).mean(tuple(i for i in range(3) if i != axis))


def macroscopic_average(profile: np.ndarray, period: float) -> np.ndarray:
    """Running mean of a periodic profile (n,) over `period` (fraction of the cell), exact at any period by its Fourier series.

    A. Baldereschi, S. Baroni, R. Resta, Phys. Rev. Lett. 61, 734 (1988).
    """
    waves = np.fft.rfft(profile) * np.sinc(np.arange(len(profile) // 2 + 1) * period)
    return np.fft.irfft(waves, len(profile))


def vacuum_levels(profile: np.ndarray, vacuum: Vacuum, length: float) -> VacuumLevels:
    """Levels of a planar average (n,) on both sides of the middle of the vacuum; `length`: height of the cell.

    The upper side of the slab is the one below the middle of the vacuum along the axis. Raises RefusedError when too few grid planes lie in the vacuum.
    """
    n = len(profile)
    offset = (np.arange(n) / n - vacuum.middle + 0.5) % 1.0 - 0.5  # fraction from the middle of the vacuum
    levels, slopes, ripples = [], [], []
    for side in (-1.0, 1.0):
        inside = (side * offset > _JUMP * vacuum.half_width) & (side * offset < _PLATEAU * vacuum.half_width)
        if inside.sum() < 3:
            raise RefusedError(f"Only {int(inside.sum())} grid planes lie in the vacuum on one side of the slab.", hint="Take more vacuum.")
        x, y = offset[inside] * length, profile[inside]
        slope, level = np.polyfit(x, y, 1)
        levels.append(float(level + slope * x.mean()))
        slopes.append(float(slope))
        ripples.append(float(np.abs(y - level - slope * x).max()))
    return VacuumLevels(levels[0], levels[1], slopes[0], slopes[1], max(ripples))
