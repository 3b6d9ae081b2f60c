"""Builders: pure functions that make or change an `ase.Atoms` and never touch the one they were given.

``solvers.build.supercell(atoms, size="2x2x2")`` calls a builder by keywords; `BUILDERS` lists them with their params classes.
"""
from __future__ import annotations

from .registry import BUILDERS, Builder, builder

__all__ = ["BUILDERS", "Builder", "builder", *BUILDERS]


def __getattr__(name: str):
    if name in BUILDERS:
        return BUILDERS[name]
    raise AttributeError(f"module 'solvers.build' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
