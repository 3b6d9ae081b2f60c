"""Hot loops of the plane-wave code: Numba on the CPU, Numba-CUDA or torch on the GPU, and a short torch reference beside each.

Compiled code is cached in the user's own folder (`core.paths.numba_cache`); that must be decided before any kernel module is imported.
"""
from __future__ import annotations

import os

from ...core import paths


def use_numba_cache() -> None:
    """Point Numba's cache at the user's private folder, unless NUMBA_CACHE_DIR says otherwise."""
    import numba
    if not os.environ.get("NUMBA_CACHE_DIR"):
        os.environ["NUMBA_CACHE_DIR"] = str(paths.numba_cache())
        numba.config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
