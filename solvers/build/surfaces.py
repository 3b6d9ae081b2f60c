"""Slabs."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.errors import SetupError, StructureError
from ..core.params import check, param
from .picking import editable

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Miller:
    """A plane (h k l), or (h k i l) with i = −h − k, in the vectors of the cell it is applied to: ``1 1 1`` or ``111``."""

    h: int
    k: int
    l: int

    @classmethod
    def coerce(cls, value: Any) -> Miller:
        """From a Miller, whole numbers, or text ``1 1 1``, ``1 -1 0``, ``111``; SetupError otherwise or for 0 0 0."""
        if isinstance(value, cls):
            return value
        try:
            if isinstance(value, str):
                text = value.strip("() ")
                value = [int(x) for x in (re.findall(r"-?\d", text) if re.fullmatch(r"(-?\d){3,4}", text) else re.split(r"[\s,]+", text))]
            numbers = [int(item) for item in value if int(item) == item]
        except (TypeError, ValueError):
            numbers = []
        if len(numbers) == 4 and sum(numbers[:3]) == 0:
            numbers.pop(2)
        if len(numbers) != 3 or not any(numbers):
            raise SetupError(f"{value!r} is not a plane.", hint="Allowed: three whole numbers that are not all 0, such as 1 1 1, or four with h + k + i = 0.")
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.h} {self.k} {self.l}"


@dataclass(frozen=True)
class Slab:
    """Parameters of `slab`."""

    plane: Miller = param(help="Miller indices in the vectors of the given cell; start from the conventional cell for the usual meaning")
    layers: int = param(4, low=1, high=1000, help="number of lattice planes of the cut cell")
    vacuum: float = param(10.0, unit="Å", low=0.0, high=500.0, help="empty space between the slab and its image")
    periodic: bool = param(True, help="periodic along the normal too, which plane waves need")

    def __post_init__(self):
        check(self)


def slab(atoms: Atoms, params: Slab) -> Atoms:
    """A slab with the plane in xy and its normal along z, centred in its vacuum. Raises StructureError unless a periodic crystal is given."""
    from ase.build import surface
    if not atoms.pbc.all() or abs(atoms.cell.volume) < 1e-6:
        raise StructureError(f"A slab is cut from a crystal; this structure has pbc = {atoms.pbc.tolist()}.", hint="Start from a periodic crystal.")
    crystal = editable(atoms)
    crystal.set_constraint()
    out = surface(crystal, (params.plane.h, params.plane.k, params.plane.l), params.layers, vacuum=params.vacuum / 2.0, periodic=params.periodic)
    out.pbc = (True, True, params.periodic)
    out.info = {}
    return out
