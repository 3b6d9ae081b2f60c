"""Abaqus material deck: ``*ELASTIC, TYPE=ANISOTROPIC`` with constants in the order 11, 22, 33, 12, 13, 23."""
from __future__ import annotations

from pathlib import Path

from solvers.continuum.inp import DIALECTS, Deck, write_deck
from solvers.continuum.inp import read_back as _read_back
from solvers.continuum.material import Material

DIALECT = DIALECTS["abaqus"]


def export(material: Material, path: str | Path, *, units: str = "SI", orientation: str | None = None, name: str | None = None) -> str:
    """Write `material` in `units`, rotated to `orientation`, and return the text; it has been read back and compared. Errors as in `inp.write_deck`."""
    return write_deck(material, path, DIALECT, units=units, orientation=orientation, name=name)


def read_back(text: str) -> Deck:
    """The deck's material in SI; ReadError otherwise."""
    return _read_back(text, DIALECT)
