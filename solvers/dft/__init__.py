"""Plane-wave density-functional theory. Public names are imported on first use, so that `import solvers.dft` needs neither torch nor numba."""
from __future__ import annotations

import importlib

_LAZY = {"DFT": "calculator", "DFTParams": "params", "KPoints": "params", "Smearing": "params", "Pseudos": "params",
         "brillouin_zone": "brillouin", "BrillouinZone": "brillouin", "band_path": "kpath", "special_points": "kpath", "KPath": "kpath"}
__all__ = list(_LAZY)


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
