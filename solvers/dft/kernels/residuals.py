"""Residuals of Ritz pairs and their Teter–Payne–Allan preconditioning in one pass per band (Numba); torch form in `eigen/precondition.py`."""
from __future__ import annotations

import math

import numba
import numpy as np

from . import use_numba_cache

use_numba_cache()
njit = numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz", "arcp"})


@njit
def preconditioned_residuals(X, HX, e, kinetic, W, norms, first, step):
    """W[b] = K (HX[b] − e[b] X[b]), norms[b] = ‖HX[b] − e[b] X[b]‖ for bands first, first+step, …; X, HX, W (bands, n) complex, kinetic (n,) Ha."""
    for b in range(first, X.shape[0], step):
        own = 0.0
        total = 0.0
        for j in range(X.shape[1]):
            x = X[b, j]
            r = HX[b, j] - e[b] * x
            total += r.real * r.real + r.imag * r.imag
            own += kinetic[j] * (x.real * x.real + x.imag * x.imag)
        norms[b] = math.sqrt(total)
        inverse = 1.0 / max(own, 1e-3)
        for j in range(X.shape[1]):
            t = kinetic[j] * inverse
            polynomial = 27.0 + t * (18.0 + t * (12.0 + 8.0 * t))
            W[b, j] = (HX[b, j] - e[b] * X[b, j]) * (polynomial / (polynomial + 16.0 * t * t * t * t))


def complex_rows(array: np.ndarray) -> np.ndarray:
    """The complex view of rows stored as interleaved real numbers (Γ), or the array itself."""
    return array.view(np.complex128) if array.dtype == np.float64 else array
