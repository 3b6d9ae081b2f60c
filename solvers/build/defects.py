"""Point defects and disorder: vacancies, substitution, random displacement. The same seed gives the same structure."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import StructureError
from ..core.params import check, param
from .picking import editable, element_number, pick
from .values import Indices

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Vacancy:
    """Parameters of `vacancy`."""

    indices: Indices | None = param(None, help="atoms to remove: 0,3,5-9")
    element: str | None = param(None, help="remove only atoms of this element")
    count: int | None = param(None, low=1, help="remove this many at random")
    fraction: float | None = param(None, low=0.0, high=1.0, help="remove this share at random")
    seed: int = param(0, low=0, help="seed of the random choice")

    def __post_init__(self):
        check(self)


def vacancy(atoms: Atoms, params: Vacancy) -> Atoms:
    """The structure without the chosen atoms. Raises StructureError when nothing would be left."""
    out = editable(atoms)
    gone = pick(out, params.indices, params.element, params.count, params.fraction, params.seed)
    if len(gone) == len(out):
        raise StructureError(f"Removing {len(gone)} of {len(out)} atoms leaves none.", hint="Remove fewer.")
    del out[gone]
    return out


@dataclass(frozen=True)
class Substitute:
    """Parameters of `substitute`."""

    to: str = param(help="the new element")
    indices: Indices | None = param(None, help="atoms to replace: 0,3,5-9")
    element: str | None = param(None, help="replace only atoms of this element")
    count: int | None = param(None, low=1, help="replace this many at random")
    fraction: float | None = param(None, low=0.0, high=1.0, help="replace this share at random")
    seed: int = param(0, low=0, help="seed of the random choice")

    def __post_init__(self):
        check(self)


def substitute(atoms: Atoms, params: Substitute) -> Atoms:
    """The structure with the chosen atoms turned into element `to`; a stored mass of a replaced atom is forgotten."""
    number = element_number(params.to)
    out = editable(atoms)
    replace_element(out, pick(out, params.indices, params.element, params.count, params.fraction, params.seed), number)
    return out


def replace_element(atoms: Atoms, picked: np.ndarray, number: int) -> None:
    """Set the atomic number of `picked` atoms in place; their masses become the standard ones."""
    atoms.numbers[picked] = number
    if atoms.has("masses"):
        from ase.data import atomic_masses
        atoms.arrays["masses"][picked] = atomic_masses[number]


@dataclass(frozen=True)
class Rattle:
    """Parameters of `rattle`."""

    amplitude: float = param(0.01, unit="Å", low=0.0, high=2.0, help="standard deviation of each Cartesian component")
    seed: int = param(0, low=0, help="seed of the random displacements")

    def __post_init__(self):
        check(self)


def rattle(atoms: Atoms, params: Rattle) -> Atoms:
    """The structure with normally distributed displacements added; their mean is removed so that the crystal does not drift.

    Atoms held by constraints are displaced too.
    """
    out = editable(atoms)
    shift = np.random.default_rng(params.seed).normal(scale=params.amplitude, size=(len(out), 3))
    out.positions += shift - (shift.mean(axis=0) if len(out) > 1 else 0.0)
    return out
