"""Hot loops of the plane-wave code: Numba on the CPU, Numba-CUDA or torch on the GPU, and a short torch reference beside each.

Compiled code is cached in the user's own folder (`core.paths.numba_cache`); that must be decided before any kernel module is imported.
"""
from __future__ import annotations

from ...core.paths import use_numba_cache

__all__ = ["use_numba_cache"]
