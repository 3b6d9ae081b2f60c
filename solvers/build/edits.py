"""Editing single atoms, as the window's Edit mode and scripts do it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import SetupError, StructureError
from ..core.params import check, param
from ..core.structure import OVERLAP
from .defects import replace_element
from .picking import chosen, editable, element_number
from .values import Indices, Vector

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Add:
    """Parameters of `add`."""

    symbol: str = param(help="element")
    position: Vector = param(help="x y z")
    fractional: bool = param(False, help="position in units of the cell vectors instead of Å")

    def __post_init__(self):
        check(self)


def add(atoms: Atoms, params: Add) -> Atoms:
    """The structure with one more atom at its end. Raises StructureError when it would sit on another atom."""
    from ase import Atom
    element_number(params.symbol)
    out = editable(atoms)
    position = _cartesian(out, params.position, params.fractional)
    if len(out):
        from ase.geometry import get_distances
        _, distance = get_distances([position], out.positions, cell=out.cell if out.pbc.any() else None, pbc=out.pbc if out.pbc.any() else None)
        near = int(distance[0].argmin())
        if distance[0, near] < OVERLAP:
            raise StructureError(f"The new {params.symbol} would be {distance[0, near]:.3g} Å from atom {near}.", hint=f"At least {OVERLAP} Å are needed.")
    out.append(Atom(params.symbol, position))
    return out


@dataclass(frozen=True)
class Move:
    """Parameters of `move`."""

    indices: Indices = param(help="which atoms: 0,3,5-9 or all")
    by: Vector | None = param(None, help="displacement x y z")
    to: Vector | None = param(None, help="new place x y z of one atom")
    fractional: bool = param(False, help="in units of the cell vectors instead of Å")

    def __post_init__(self):
        check(self)
        if (self.by is None) == (self.to is None):
            raise SetupError(f"by = {self.by}, to = {self.to}: exactly one of them says where the atoms go.", hint="Give one and leave the other out.")
        if self.to is not None and (self.indices.every or len(self.indices) != 1):
            raise SetupError(f"to = {self.to} places one atom; indices = {self.indices} are several.", hint="Use by for several atoms.")


def move(atoms: Atoms, params: Move) -> Atoms:
    """The structure with the atoms displaced or, for `to`, placed; constraints do not hold them back."""
    out = editable(atoms)
    picked = chosen(out, params.indices)
    if params.to is not None:
        out.positions[picked] = _cartesian(out, params.to, params.fractional)
    else:
        out.positions[picked] += _cartesian(out, params.by, params.fractional)
    return out


@dataclass(frozen=True)
class Delete:
    """Parameters of `delete`."""

    indices: Indices = param(help="which atoms: 0,3,5-9 or all")

    def __post_init__(self):
        check(self)


def delete(atoms: Atoms, params: Delete) -> Atoms:
    """The structure without these atoms; deleting all leaves an empty cell."""
    out = editable(atoms)
    del out[chosen(out, params.indices)]
    return out


@dataclass(frozen=True)
class SetElement:
    """Parameters of `set_element`."""

    indices: Indices = param(help="which atoms: 0,3,5-9 or all")
    symbol: str = param(help="the new element")

    def __post_init__(self):
        check(self)


def set_element(atoms: Atoms, params: SetElement) -> Atoms:
    """The structure with these atoms turned into `symbol`."""
    number = element_number(params.symbol)
    out = editable(atoms)
    replace_element(out, chosen(out, params.indices), number)
    return out


@dataclass(frozen=True)
class Fix:
    """Parameters of `fix`."""

    indices: Indices = param(help="which atoms: 0,3,5-9 or all")
    free: bool = param(False, help="free these atoms instead of holding them")

    def __post_init__(self):
        check(self)


def fix(atoms: Atoms, params: Fix) -> Atoms:
    """The structure with these atoms held in place (or freed), on top of those held already; other kinds of constraint stay."""
    from ase.constraints import FixAtoms
    out = editable(atoms)
    held = np.zeros(len(out), bool)
    others = [item for item in out.constraints if not isinstance(item, FixAtoms)]
    for item in out.constraints:
        if isinstance(item, FixAtoms):
            held[item.index] = True
    held[chosen(out, params.indices)] = not params.free
    out.set_constraint([*others, *([FixAtoms(np.flatnonzero(held))] if held.any() else [])])
    return out


def _cartesian(atoms: Atoms, vector: Vector, fractional: bool) -> np.ndarray:
    if fractional and abs(atoms.cell.volume) < 1e-6:
        raise StructureError("Fractional coordinates need a cell and the structure has none.", hint="Give Å, or give the structure a cell first (set_cell).")
    return vector.array @ atoms.cell.array if fractional else vector.array
