"""Residuals of Ritz pairs and their preconditioning in one pass per band (Numba); torch form in `eigen/precondition.py`."""
from __future__ import annotations

import math

import numba
import numpy as np

from . import use_numba_cache

use_numba_cache()
njit = numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz", "arcp"})


@njit
def preconditioned_residuals(X, HX, e, kinetic, scale, W, norms, first, step):
    """W[b] = K (HX[b] − e[b] X[b]), norms[b] = ‖HX[b] − e[b] X[b]‖ for bands first, first+step, …; X, HX, W (bands, n) complex, kinetic (n,) and scale Ha."""
    inverse = 1.0 / scale
    for b in range(first, X.shape[0], step):
        total = 0.0
        for j in range(X.shape[1]):
            r = HX[b, j] - e[b] * X[b, j]
            total += r.real * r.real + r.imag * r.imag
            x = (kinetic[j] - e[b]) * inverse
            W[b, j] = r * (2.0 / (1.0 + x + math.sqrt(1.0 + (x - 1.0) ** 2)))
        norms[b] = math.sqrt(total)


def complex_rows(array: np.ndarray) -> np.ndarray:
    """The complex view of rows stored as interleaved real numbers (Γ), or the array itself."""
    return array.view({np.dtype(np.float64): np.complex128, np.dtype(np.float32): np.complex64}.get(array.dtype, array.dtype))
