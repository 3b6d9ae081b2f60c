"""Neighbour lists of periodic and open structures: `neighbour_list` (Numba cell list), `reference_list` (plain NumPy), `SkinList` (rebuilt when needed)."""
from __future__ import annotations

import importlib

_LAZY = {"NeighbourList": "lists", "neighbour_list": "lists", "SkinList": "lists", "reference_list": "reference"}
__all__ = [*_LAZY]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
