"""Linear response of insulators to a homogeneous electric field: dielectric tensor ε∞ and Born effective charges. Names are imported on first use."""
from __future__ import annotations

import importlib

_LAZY = {"DielectricParams": "params", "dielectric": "task", "FieldResponse": "field"}
__all__ = sorted(_LAZY)


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
