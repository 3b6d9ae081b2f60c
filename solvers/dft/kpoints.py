"""Meshes of k-points in fractions of the reciprocal cell."""
from __future__ import annotations

import numpy as np


def mesh(size: tuple[int, int, int], shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """k = (n + shift)/size, all n, as fractions (K, 3) in (−½, ½]; the last axis runs fastest. H. J. Monkhorst, J. D. Pack, Phys. Rev. B 13, 5188 (1976)."""
    counts = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), -1).reshape(-1, 3)
    return wrap((counts + np.asarray(shift, float)) / np.asarray(size))


def wrap(fractions: np.ndarray) -> np.ndarray:
    """Fractions moved by whole numbers into (−½, ½]."""
    return fractions - np.ceil(fractions - 0.5 - 1e-12)
