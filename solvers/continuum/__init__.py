"""Continuum mechanics of crystals: elastic constants with error bars, averages, directional moduli, `Material` and its check by finite elements.

SI throughout; Voigt order xx, yy, zz, yz, xz, xy; stress positive in tension. Names are imported on first use, so that importing this package is instant.
"""
from __future__ import annotations

import importlib

_LAZY = {
    "Material": "material", "SpecificHeat": "heat", "material_from_constants": "constants", "CLASSES": "constants",
    "elastic_constants": "elastic", "elastic": "elastic", "ElasticParams": "params",
    "averages": "averages", "Averages": "averages", "anisotropy": "averages",
    "young_surface": "directions", "young_modulus": "directions", "extremes": "directions",
    "wave_speeds": "waves", "debye_temperature": "waves",
    "check_deck": "deck_check", "CheckReport": "deck_check",
    "UNIT_SYSTEMS": "unit_systems",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
