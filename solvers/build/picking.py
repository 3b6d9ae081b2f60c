"""Which atoms: explicit indices, or a seeded random choice among those of an element."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import SetupError, StructureError
from .values import Indices

if TYPE_CHECKING:
    from ase import Atoms


def editable(atoms: Atoms) -> Atoms:
    """A copy without calculator that a builder may change."""
    out = atoms.copy()
    out.calc = None
    return out


def chosen(atoms: Atoms, indices: Indices) -> np.ndarray:
    """Indices as an int array; StructureError when one is out of range or none is left."""
    if indices.every:
        return np.arange(len(atoms))
    picked = np.array(indices.values, dtype=int)
    if len(picked) and picked.max() >= len(atoms):
        raise StructureError(f"Atom {picked.max()} does not exist: the structure holds {len(atoms)} atoms.", hint=f"Allowed: 0 to {len(atoms) - 1}.")
    if not len(picked):
        raise SetupError("No atom was chosen.", hint="Give indices such as 0,3,5-9.")
    return picked


def element_number(symbol: str) -> int:
    """Atomic number of an element symbol; SetupError when there is no such element."""
    from ase.data import atomic_numbers
    number = atomic_numbers.get(symbol, 0)
    if number < 1:
        raise SetupError(f"There is no element {symbol!r}.", hint="Element symbols start with a capital letter: Si, Mg.")
    return number


def pick(atoms: Atoms, indices: Indices | None, element: str | None, count: int | None, fraction: float | None, seed: int) -> np.ndarray:
    """Sorted indices: the given ones, or `count` or `fraction` of the atoms of `element` (all atoms when None) drawn with `seed`.

    Raises SetupError unless exactly one of indices, count, fraction is given, StructureError when there are too few atoms or the fraction rounds to none.
    """
    if sum(value is not None for value in (indices, count, fraction)) != 1:
        raise SetupError(f"indices = {indices}, count = {count}, fraction = {fraction}: exactly one of them says which atoms.",
                         hint="Give one and leave the others out.")
    if indices is not None:
        picked = chosen(atoms, indices)
        wrong = [int(i) for i in picked if element is not None and atoms.numbers[i] != element_number(element)]
        if wrong:
            raise StructureError(f"Atom {wrong[0]} is {atoms.symbols[wrong[0]]}, not {element}.", hint="Correct the indices or leave the element out.")
        return np.sort(picked)
    pool = np.arange(len(atoms)) if element is None else np.flatnonzero(atoms.numbers == element_number(element))
    if not len(pool):
        raise StructureError(f"The structure {atoms.get_chemical_formula()} holds no {element or 'atoms'}.", hint="Choose an element that is there.")
    wanted = count if count is not None else round(fraction * len(pool))
    if not 1 <= wanted <= len(pool):
        amount = f"count = {count}" if count is not None else f"fraction = {fraction:g}"
        raise StructureError(f"{amount} of {len(pool)} {element or 'atoms'} means {wanted}.",
                             hint=f"Allowed: 1 to {len(pool)} atoms; use a larger supercell for a smaller fraction.")
    return np.sort(np.random.default_rng(seed).choice(pool, wanted, replace=False))
