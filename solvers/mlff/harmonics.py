"""Real solid harmonics to degree 4, their gradients and their triple integrals.

Normalised to Σ_m Y_lm(u) Y_lm(v) = P_l(u·v); index l²+m, m = 0…2l in the order of Varshalovich's m = −l…l. On unit vectors x, y, z.
"""
from __future__ import annotations

from functools import cache

import numpy as np

_3, _5, _15, _35 = np.sqrt(3.0), np.sqrt(5.0), np.sqrt(15.0), np.sqrt(35.0)
_5_8, _3_8, _35_8 = np.sqrt(5 / 8), np.sqrt(3 / 8), np.sqrt(35 / 8)
N_HARMONICS = 25


def fill_harmonics(x, y, z, degree, out):
    """Write the harmonics of the vectors (x, y, z), each (n,), into out (>= (degree+1)², n). Written for arrays and for Numba alike."""
    out[0] = 1.0 + 0.0 * x
    if degree >= 1:
        out[1], out[2], out[3] = x, y, z
    if degree >= 2:
        out[4] = _3 * x * y
        out[5] = _3 * y * z
        out[6] = 0.5 * (2.0 * z * z - x * x - y * y)
        out[7] = _3 * x * z
        out[8] = 0.5 * _3 * (x * x - y * y)
    if degree >= 3:
        out[9] = _5_8 * y * (3.0 * x * x - y * y)
        out[10] = _15 * x * y * z
        out[11] = _3_8 * y * (4.0 * z * z - x * x - y * y)
        out[12] = 0.5 * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y)
        out[13] = _3_8 * x * (4.0 * z * z - x * x - y * y)
        out[14] = 0.5 * _15 * z * (x * x - y * y)
        out[15] = _5_8 * x * (x * x - 3.0 * y * y)
    if degree >= 4:
        out[16] = 0.5 * _35 * x * y * (x * x - y * y)
        out[17] = _35_8 * y * z * (3.0 * x * x - y * y)
        out[18] = 0.5 * _5 * x * y * (6.0 * z * z - x * x - y * y)
        out[19] = _5_8 * y * z * (4.0 * z * z - 3.0 * x * x - 3.0 * y * y)
        out[20] = 0.125 * (8.0 * z * z * z * z - 24.0 * z * z * (x * x + y * y) + 3.0 * (x * x + y * y) * (x * x + y * y))
        out[21] = _5_8 * x * z * (4.0 * z * z - 3.0 * x * x - 3.0 * y * y)
        out[22] = 0.25 * _5 * (x * x - y * y) * (6.0 * z * z - x * x - y * y)
        out[23] = _35_8 * x * z * (x * x - 3.0 * y * y)
        out[24] = 0.125 * _35 * (x * x * x * x - 6.0 * x * x * y * y + y * y * y * y)


@cache
def gradient_table(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of every solid harmonic as a sum of solid harmonics of one degree less.

    (entries (n, 3) int: axis, index of the harmonic, index of the lower one; coefficients (n,)). Found by complex-step differentiation, exact
    for polynomials, and a least-squares fit that is exact because the gradient of a solid harmonic is a sum of solid harmonics.
    """
    points = np.random.default_rng(0).normal(size=(3, 60))
    values = np.empty((N_HARMONICS, 60))
    fill_harmonics(*points, LARGEST, values)
    entries, coefficients = [], []
    for axis in range(3):
        moved = points.astype(complex)
        moved[axis] += 1e-30j
        slopes = np.empty((N_HARMONICS, 60), complex)
        fill_harmonics(*moved, LARGEST, slopes)
        for l in range(1, degree + 1):
            lower = slice((l - 1) ** 2, l * l)
            fit = np.linalg.lstsq(values[lower].T, slopes.imag[l * l:(l + 1) ** 2].T / 1e-30, rcond=None)[0]
            for low, high in np.argwhere(np.abs(fit) > 1e-10):
                entries.append((axis, l * l + high, (l - 1) ** 2 + low))
                coefficients.append(fit[low, high])
    return np.array(entries, np.int64).reshape(-1, 3), np.array(coefficients)


LARGEST = 4


@cache
def triple_integral(l1: int, l2: int, l3: int) -> np.ndarray:
    """∫ Y_l1m1 Y_l2m2 Y_l3m3 dΩ/4π, (2l1+1, 2l2+1, 2l3+1): up to a factor the only rotation-invariant coupling of three moments.

    Exact product quadrature: Gauss–Legendre in cos θ, equidistant in φ.
    """
    n = l1 + l2 + l3 + 2
    z, weights = np.polynomial.legendre.leggauss(n)
    phi = 2.0 * np.pi * np.arange(2 * n) / (2 * n)
    s = np.sqrt(1.0 - z**2)
    points = np.stack([np.outer(s, np.cos(phi)), np.outer(s, np.sin(phi)), np.outer(z, np.ones_like(phi))]).reshape(3, -1)
    values = np.empty((N_HARMONICS, points.shape[1]))
    fill_harmonics(*points, LARGEST, values)
    weight = np.outer(weights, np.ones_like(phi)).ravel() / (2 * len(phi))
    block = [values[l * l:(l + 1) ** 2] for l in (l1, l2, l3)]
    return np.einsum("ap,bp,cp,p->abc", *block, weight)
