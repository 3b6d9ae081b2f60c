"""Moduli along directions: Young's modulus E(n), shear modulus G(n, m), Poisson's ratio ν(n, m), their extremes, and surfaces to draw.

E(n) = 1/S_nnnn, G(n, m) = 1/(4 S_nmnm), ν(n, m) = −S_nnmm/S_nnnn with n ⊥ m unit vectors. For a given n, 1/G and ν are quadratic forms in m, so their
extremes over m are eigenvalues of a 2×2 matrix; only n is searched. Source: A. Marmier et al., Comput. Phys. Commun. 181 (2010) 2102.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .tensor import compliance, full_compliance, single


@dataclass(frozen=True)
class Extreme:
    """value (Pa, or 1 for Poisson's ratio), direction n (3,), and the second direction m (3,) where there is one. In the tensor's frame."""

    value: float
    direction: np.ndarray
    second: np.ndarray | None = None


def _compliance_of(material) -> np.ndarray:
    return full_compliance(compliance(single(material)))


def _unit(directions: np.ndarray) -> np.ndarray:
    d = np.asarray(directions, dtype=float)
    return d / np.linalg.norm(d, axis=-1, keepdims=True)


def young_modulus(material, directions: np.ndarray) -> np.ndarray:
    """Young's modulus (…,) in Pa along `directions` (…, 3) of the tensor's frame; a `Material` at one temperature or a Voigt matrix in Pa."""
    n = _unit(directions)
    return 1 / np.einsum("ijkl,...i,...j,...k,...l->...", _compliance_of(material), n, n, n, n, optimize=True)


def shear_modulus(material, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Shear modulus (…,) in Pa in the plane of the perpendicular directions n and m (…, 3)."""
    n, m = _unit(n), _unit(m)
    return 1 / (4 * np.einsum("ijkl,...i,...j,...k,...l->...", _compliance_of(material), n, m, n, m, optimize=True))


def poisson_ratio(material, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Contraction along m (…, 3) per extension along n (…, 3), n ⊥ m."""
    n, m = _unit(n), _unit(m)
    s = _compliance_of(material)
    return -np.einsum("ijkl,...i,...j,...k,...l->...", s, n, n, m, m, optimize=True) / np.einsum("ijkl,...i,...j,...k,...l->...", s, n, n, n, n, optimize=True)


def _perpendicular(n: np.ndarray) -> np.ndarray:
    """Two unit vectors (…, 2, 3) perpendicular to n (…, 3) and to each other."""
    axis = np.eye(3)[np.argmin(np.abs(n), axis=-1)]
    first = _unit(np.cross(n, axis))
    return np.stack([first, np.cross(n, first)], axis=-2)


def _over_second(s: np.ndarray, n: np.ndarray, which: str) -> tuple[np.ndarray, np.ndarray]:
    """Values (…, 2) at the two extremal m for each n, ascending, and the vectors m (…, 2, 3). `which` is "shear" or "poisson"."""
    plane = _perpendicular(n)
    if which == "shear":
        form = 4 * np.einsum("ijkl,...i,...aj,...k,...bl->...ab", s, n, plane, n, plane, optimize=True)
    else:
        stretch = np.einsum("ijkl,...i,...j,...k,...l->...", s, n, n, n, n, optimize=True)
        form = -np.einsum("ijkl,...i,...j,...ak,...bl->...ab", s, n, n, plane, plane, optimize=True) / stretch[..., None, None]
    values, vectors = np.linalg.eigh(form)
    m = np.einsum("...ac,...ai->...ci", vectors, plane)
    if which == "shear":
        return 1 / values[..., ::-1], m[..., ::-1, :]
    return values, m


def _search(value: Callable[[np.ndarray], np.ndarray], grid: np.ndarray) -> tuple[float, np.ndarray]:
    """Smallest `value` over the sphere: the best five points of `grid` refined by Nelder–Mead in the tangent plane."""
    from scipy.optimize import minimize
    coarse = value(grid)
    best = (float("inf"), grid[0])
    for start in grid[np.argsort(coarse)[:5]]:
        plane = _perpendicular(start)
        found = minimize(lambda t, start=start, plane=plane: float(value(_unit(start + t @ plane))), np.zeros(2), method="Nelder-Mead",
                         options={"xatol": 1e-9, "fatol": abs(coarse.min()) * 1e-13, "initial_simplex": 0.03 * np.array([[0, 0], [1, 0], [0, 1]])})
        if found.fun < best[0]:
            best = (float(found.fun), _unit(start + found.x @ plane))
    return best


def extremes(material) -> dict[str, Extreme]:
    """"young_min", "young_max", "shear_min", "shear_max" (Pa), "poisson_min", "poisson_max" over all directions of the tensor's frame."""
    s = _compliance_of(material)
    grid = half_sphere(2000)
    out = {}

    def young(n):
        return 1 / np.einsum("ijkl,...i,...j,...k,...l->...", s, n, n, n, n, optimize=True)

    for name, sign in (("min", 1), ("max", -1)):
        value, n = _search(lambda n, sign=sign: sign * young(n), grid)
        out[f"young_{name}"] = Extreme(sign * value, n)
        for which in ("shear", "poisson"):
            column = 0 if sign > 0 else 1
            value, n = _search(lambda n, which=which, column=column, sign=sign: sign * _over_second(s, n, which)[0][..., column], grid)
            out[f"{which}_{name}"] = Extreme(sign * value, n, _over_second(s, n, which)[1][column])
    return out


def half_sphere(n: int) -> np.ndarray:
    """About `n` evenly spread unit vectors (n, 3) with z ≥ 0 (Fibonacci lattice), the three axes and the cube's diagonals among them."""
    i = np.arange(n) + 0.5
    z = 1 - i / n
    radius, angle = np.sqrt(1 - z * z), np.pi * (1 + np.sqrt(5)) * i
    special = _unit(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, -1, 0], [1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1],
                              [1, 1, 1], [-1, 1, 1], [1, -1, 1], [-1, -1, 1]], dtype=float))
    return np.concatenate([special, np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)])


def sphere_mesh(level: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 3) and triangles (m, 3) of an icosahedron subdivided `level` times: n = 10·4^level + 2."""
    golden = (1 + 5**0.5) / 2
    points = np.array([(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0), (0, -1, golden), (0, 1, golden), (0, -1, -golden), (0, 1, -golden),
                       (golden, 0, -1), (golden, 0, 1), (-golden, 0, -1), (-golden, 0, 1)], dtype=float)
    triangles = np.array([(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8),
                          (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)])
    points = _unit(points)
    for _ in range(level):
        edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, inverse = np.unique(edges, axis=0, return_inverse=True)
        middle = len(points) + inverse.reshape(-1, 3)
        points = np.concatenate([points, _unit(points[unique].sum(axis=1))])
        (a, b, c), (ab, bc, ca) = triangles.T, middle.T
        triangles = np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    return points, triangles


def young_surface(material, n: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (P, 3) in Pa, triangles (T, 3) wound outwards and values (P,) in Pa of the surface E(n)·n; `n` subdivisions of an icosahedron (5: 10242
    points).
    """
    directions, triangles = sphere_mesh(n)
    values = young_modulus(material, directions)
    return directions * values[:, None], triangles, values
