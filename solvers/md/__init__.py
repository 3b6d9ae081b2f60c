"""Motion of atoms: minimisers and molecular dynamics on any `Potential` or ASE calculator. Names are imported on first use."""
from __future__ import annotations

import importlib

_LAZY = {"RelaxParams": "params", "MDParams": "params", "relax": "minimise", "relax_positions": "minimise", "run": "dynamics"}
__all__ = [*_LAZY]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
