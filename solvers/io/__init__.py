"""Files: writers for structures, volumetric data and tables, and fast readers for what ASE reads slowly. One format per file.

Foreign files are parsed in a limited child process: use `solvers.core.bridge`, which calls the readers here.
"""
from __future__ import annotations

import importlib

_LAZY = {"write_structure": "structures", "write_frames": "structures", "structure_text": "structures", "FORMATS": "structures",
         "read_cube": "cube", "write_cube": "cube", "read_extxyz": "extxyz", "iterate_extxyz": "extxyz", "write_table": "csv"}
__all__ = list(_LAZY)


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'solvers.io' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
