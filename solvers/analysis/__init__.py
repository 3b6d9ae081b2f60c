"""Pure functions on trajectories: `radial_distribution`, `mean_square_displacement`, `diffusion_coefficient`. Names are imported on first use."""
from __future__ import annotations

import importlib

_LAZY = {"radial_distribution": "radial", "mean_square_displacement": "motion", "diffusion_coefficient": "motion"}
__all__ = [*_LAZY]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
