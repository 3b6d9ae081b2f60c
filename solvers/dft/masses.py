"""Effective masses by finite differences of band energies around an extremum. Hartree atomic units: wave vectors in 1/bohr, masses in electron masses.

Near an extremum E(k) = E₀ + ½ (k − k₀)ᵀ M⁻¹ (k − k₀). Central differences at two radii h and 2h give M⁻¹ to fourth order; their difference is the error.
Where bands touch, single bands have no tensor (they are not analytic there): then each band's curvature along given directions is returned.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .band_edges import degenerate_with

#: directions (Cartesian) along which touching bands are followed
DIRECTIONS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
DIRECTION_NAMES = ("x", "y", "z", "xy", "xyz")
#: bands closer than this (Ha) at the extremum touch
TOUCHING = 2e-5
_MOST_STEPS = 10
#: relative error of 1/m above which the step is halved (narrow gaps make bands bend within it), at most so many times
_PRECISE, _HALVINGS = 0.02, 3


@dataclass(frozen=True, eq=False)
class Mass:
    """inverse (3, 3) in 1/mₑ with its error (3, 3), at kpoint (3,) in 1/bohr with energy (Ha). kind: "maximum", "minimum", "saddle" or "touching".

    touching: bands first … last touch; inverse is then absent, along (bands, directions) holds 1/m along `DIRECTIONS` and along_error its error.
    """

    kpoint: np.ndarray
    energy: float
    kind: str
    first: int
    last: int
    inverse: np.ndarray | None = None
    error: np.ndarray | None = None
    along: np.ndarray | None = None
    along_error: np.ndarray | None = None
    found: bool = True


def stencil() -> np.ndarray:
    """Offsets (37, 3) in units of the step: the centre, then axes and face diagonals at radius 1, then the same at radius 2."""
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    pairs = [(i, j) for i in range(3) for j in range(i + 1, 3)]
    diagonals = [np.eye(3)[i] * a + np.eye(3)[j] * b for i, j in pairs for a, b in ((1, 1), (-1, -1), (1, -1), (-1, 1))]
    ring = np.concatenate([axes, np.array(diagonals)])
    return np.concatenate([np.zeros((1, 3)), ring, 2.0 * ring])


def derivatives(values: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(gradient (3,), Hessian (3, 3), its error (3, 3)) of the values (37,) at the points of `stencil`."""
    gradients, hessians = zip(*(_central(values[0], values[1 + 18 * n:19 + 18 * n], step * (n + 1)) for n in range(2)), strict=True)
    hessian = (4.0 * hessians[0] - hessians[1]) / 3.0
    return (4.0 * gradients[0] - gradients[1]) / 3.0, hessian, np.abs(hessians[0] - hessians[1]) / 3.0


def _central(centre: float, ring: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    plus, minus, diagonal = ring[:3], ring[3:6], ring[6:].reshape(3, 4)
    hessian = np.diag((plus + minus - 2.0 * centre) / h**2)
    mixed = (diagonal[:, 0] + diagonal[:, 1] - diagonal[:, 2] - diagonal[:, 3]) / (4.0 * h**2)
    for (i, j), value in zip(((0, 1), (0, 2), (1, 2)), mixed, strict=True):
        hessian[i, j] = hessian[j, i] = value
    return (plus - minus) / (2.0 * h), hessian


def follow(kpoint: np.ndarray, band: int, sign: int, step: float) -> Iterator[np.ndarray]:
    """A conversation: yields Cartesian k-points (n, 3) in 1/bohr, takes their levels (n, B) in Ha, returns the `Mass` of `band`.

    sign: 1 for a maximum (valence band), −1 for a minimum. The extremum is refined by Newton's method from `kpoint`; the step is halved where bands are far
    from parabolic within it.
    """
    centre, halvings = np.array(kpoint, float), 0
    for _ in range(_MOST_STEPS):
        levels = yield centre + stencil() * step
        first, last = degenerate_with(levels[0], band, TOUCHING)
        if first != last:
            return (yield from _touching(centre, levels[0], first, last, step))
        gradient, hessian, error = derivatives(levels[:, band], step)
        curvature = np.linalg.eigvalsh(hessian)
        kind = "maximum" if (curvature < 0).all() else "minimum" if (curvature > 0).all() else "saddle"
        move = -np.linalg.solve(hessian, gradient) if abs(np.linalg.det(hessian)) > 1e-12 else np.zeros(3)
        length = float(np.linalg.norm(move))
        if kind != ("maximum" if sign > 0 else "minimum"):
            return Mass(centre, float(levels[0, band]), "saddle", band, band, hessian, error, found=False)
        if length < 0.02 * step:
            if error.max() > _PRECISE * np.abs(hessian).max() and halvings < _HALVINGS:
                step, halvings = 0.5 * step, halvings + 1
                continue
            return Mass(centre, float(levels[0, band]), kind, band, band, hessian, error)
        centre = centre + move * min(1.0, 6.0 * step / length)
    return Mass(centre, float(levels[0, band]), kind, band, band, hessian, error, found=False)


def _touching(centre: np.ndarray, at_centre: np.ndarray, first: int, last: int, step: float) -> Iterator[np.ndarray]:
    unit = DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
    middle = at_centre[first:last + 1]
    for _ in range(_HALVINGS + 1):
        distance = step * np.array([-2.0, -1.0, 1.0, 2.0])
        levels = yield (centre + distance[None, :, None] * unit[:, None, :]).reshape(-1, 3)
        lines = levels.reshape(len(unit), 4, -1)[..., first:last + 1]
        near = (lines[:, 1] + lines[:, 2] - 2.0 * middle) / step**2
        far = (lines[:, 0] + lines[:, 3] - 2.0 * middle) / (2.0 * step) ** 2
        along, error = (4.0 * near - far) / 3.0, np.abs(near - far) / 3.0
        if error.max() <= _PRECISE * np.abs(along).max():
            break
        step *= 0.5
    return Mass(centre, float(middle.mean()), "touching", first, last, along=along.T, along_error=error.T)
