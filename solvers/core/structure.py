"""`Structure`: the frozen atomic structure that projects, jobs and undo steps hold.

`ase.Atoms` is what users, builders and calculators handle; it is always a copy (`to_atoms`).
Arrays inside are read-only, but `torch.from_numpy` and VTK's `numpy_to_vtk` write through read-only arrays: use `tensor` here and
`vtk_array` in `qcad_gui/scene/draw.py`, which copy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms

#: two atoms closer than this are an input error everywhere
OVERLAP = 0.4  # Å
_CALCULATED = ("energy", "free_energy", "forces", "stress")


def _frozen(array: Any, dtype: Any = None) -> np.ndarray:
    out = np.array(array, dtype=dtype, copy=True, order="C")
    out.setflags(write=False)
    return out


@dataclass(frozen=True, eq=False)
class Structure:
    """numbers (N,), positions (N, 3) Å, cell (3, 3) rows Å, pbc (3,), further per-atom arrays, info, constraints as data.

    Raises StructureError for NaN, wrong shapes, unknown atomic numbers. Overlaps and singular cells are legal while editing;
    `require_calculable` refuses them.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    pbc: np.ndarray = field(default_factory=lambda: np.zeros(3, bool))
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    constraints: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        put("numbers", _frozen(self.numbers, np.int64))
        put("positions", _frozen(self.positions, float).reshape(-1, 3))
        put("cell", _frozen(self.cell, float))
        put("pbc", _frozen(np.broadcast_to(self.pbc, 3), bool))
        n = len(self.numbers)
        if self.positions.shape != (n, 3) or self.cell.shape != (3, 3):
            raise StructureError(
                f"{n} atomic numbers came with positions of shape {self.positions.shape} and a cell of shape {self.cell.shape}.",
                hint="Give N numbers, (N, 3) positions and a (3, 3) cell.",
            )
        for name, value in (("position", self.positions), ("cell component", self.cell)):
            if not np.isfinite(value).all():
                where = np.argwhere(~np.isfinite(value))[0]
                raise StructureError(f"A {name} is not finite: row {where[0]}, component {where[1]} is {value[tuple(where)]}.", hint="Correct the file.")
        if n and not ((self.numbers >= 0) & (self.numbers <= 118)).all():
            bad = int(self.numbers[(self.numbers < 0) | (self.numbers > 118)][0])
            raise StructureError(f"Atomic number {bad} does not exist.", hint="Allowed: 1 to 118.")
        arrays = {}
        for name, value in self.arrays.items():
            value = _frozen(value)
            if value.shape[:1] != (n,):
                raise StructureError(f"Per-atom array {name!r} has {value.shape[:1]} rows for {n} atoms.", hint="One row per atom is needed.")
            arrays[str(name)] = value
        put("arrays", MappingProxyType(arrays))
        put("info", MappingProxyType(dict(self.info)))
        put("constraints", tuple(MappingProxyType(dict(item)) for item in self.constraints))

    # ---- border with ASE -------------------------------------------------------------------------------------------------
    @classmethod
    def from_atoms(cls, atoms: Atoms) -> Structure:
        """A frozen copy of `atoms`; results of an attached calculator are not taken over."""
        own = {name: value for name, value in atoms.arrays.items() if name not in ("numbers", "positions") and name not in _CALCULATED}
        info = {name: value for name, value in atoms.info.items() if name not in _CALCULATED}
        return cls(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, own, info, tuple(item.todict() for item in atoms.constraints))

    @classmethod
    def coerce(cls, value: Structure | Atoms) -> Structure:
        """`value` as a Structure, whichever of the two it is."""
        return value if isinstance(value, cls) else cls.from_atoms(value)

    def to_atoms(self) -> Atoms:
        """A fresh `ase.Atoms` that shares no memory with this structure."""
        from ase import Atoms
        from ase.constraints import dict2constraint

        atoms = Atoms(numbers=self.numbers, positions=self.positions, cell=self.cell, pbc=self.pbc, info=dict(self.info))
        for name, value in self.arrays.items():
            atoms.set_array(name, value.copy())
        if self.constraints:
            atoms.set_constraint([dict2constraint(_plain_constraint(item)) for item in self.constraints])
        return atoms

    # ---- derived -----------------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.numbers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def volume(self) -> float:
        """Cell volume in Å³ (positive whatever the handedness)."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def symbols(self) -> list[str]:
        """Chemical symbols, one per atom."""
        from ase.data import chemical_symbols

        return [chemical_symbols[number] for number in self.numbers]

    @property
    def formula(self) -> str:
        """Chemical formula as people write it: the less electronegative element first (TiN, SiO2), see `core.formula`."""
        from .formula import formula

        return formula(self.symbols)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over canonical bytes of everything in the structure: equal content, equal fingerprint."""
        digest = hashlib.sha256()
        for name, value in [("numbers", self.numbers), ("positions", self.positions), ("cell", self.cell), ("pbc", self.pbc), *sorted(self.arrays.items())]:
            canonical = value if value.dtype.kind in "OU" else np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
            payload = json.dumps(value.tolist()).encode() if value.dtype.kind in "OU" else canonical.tobytes()
            digest.update(f"{name}:{canonical.dtype.kind}{canonical.shape}".encode() + payload)
        digest.update(json.dumps([jsonable(dict(self.info)), jsonable([dict(item) for item in self.constraints])], sort_keys=True).encode())
        return digest.hexdigest()

    def with_(self, **changes: Any) -> Structure:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    # ---- as data -------------------------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` restores an equal structure bit for bit."""
        return {
            "numbers": self.numbers.tolist(),
            "positions": self.positions.tolist(),
            "cell": self.cell.tolist(),
            "pbc": self.pbc.tolist(),
            "arrays": {name: {"dtype": value.dtype.str, "shape": list(value.shape), "data": value.ravel().tolist()} for name, value in self.arrays.items()},
            "info": jsonable(dict(self.info)),
            "constraints": jsonable([dict(item) for item in self.constraints]),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Structure:
        """The structure that `to_dict` wrote; raises StructureError when a part is missing."""
        try:
            arrays = {name: np.array(item["data"], dtype=np.dtype(item["dtype"])).reshape(item["shape"]) for name, item in data.get("arrays", {}).items()}
            return cls(
                np.array(data["numbers"], np.int64),
                np.array(data["positions"], float).reshape(-1, 3),
                data["cell"],
                data["pbc"],
                arrays,
                data.get("info", {}),
                tuple(data.get("constraints", ())),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise StructureError(f"This is not a stored structure: {error!r}.", hint="Numbers, positions, cell and pbc are needed.") from error


def require_calculable(structure: Structure, *, periodic: bool = True) -> None:
    """Raise StructureError unless a calculation can start: atoms present, no overlap, and (if `periodic`) a right-handed non-singular cell."""
    if len(structure) == 0:
        raise StructureError("The structure holds no atoms.", hint="Add an atom or open a file.")
    if periodic:
        volume = float(np.linalg.det(structure.cell))
        lengths = np.linalg.norm(structure.cell, axis=1)
        if not lengths.all() or abs(volume) < 1e-3 * float(np.prod(lengths)):
            raise StructureError(
                f"The cell is singular: its volume is {abs(volume):.3g} Å³ for edges of {lengths[0]:.3g}, {lengths[1]:.3g}, {lengths[2]:.3g} Å.",
                hint="Give three linearly independent cell vectors; a molecule needs a box with vacuum.",
            )
        if volume < 0:
            raise StructureError(f"The cell is left-handed (determinant {volume:.4g} Å³).", hint="Swap two cell vectors or reverse one.")
    pair, distance = closest_pair(structure, OVERLAP)
    if distance < OVERLAP:
        i, j = pair
        raise StructureError(f"Atoms {i} and {j} are {distance:.3g} Å apart.", hint=f"At least {OVERLAP} Å are needed: move or delete one of them.")


def closest_pair(structure: Structure, reach: float) -> tuple[tuple[int, int], float]:
    """The closest pair of atoms (periodic images included) and its distance in Å, looking no further than `reach`; ((-1, -1), inf) if none."""
    found = _closest_directly(structure, reach)
    if found is not None:
        return found
    from ase.neighborlist import primitive_neighbor_list

    i, j, d = primitive_neighbor_list("ijd", structure.pbc, structure.cell, structure.positions, float(reach), self_interaction=False)
    if not len(d):
        return (-1, -1), float("inf")
    best = int(np.argmin(d))
    return (int(i[best]), int(j[best])), float(d[best])


def _closest_directly(structure: Structure, reach: float) -> tuple[tuple[int, int], float] | None:
    """`closest_pair` of a small crystal by all its distances, for which no neighbour list and no SciPy must be imported; None for others."""
    n = len(structure)
    if not structure.pbc.all() or abs(np.linalg.det(structure.cell)) < 1e-9:
        return None
    heights = 1.0 / np.linalg.norm(np.linalg.inv(structure.cell), axis=0)
    steps = np.floor(reach / heights + 0.5).astype(int)  # fractional differences below are at most one half
    if n * n * np.prod(2.0 * steps + 1.0) > 1e5:
        return None
    shifts = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in steps), indexing="ij"), -1).reshape(-1, 1, 1, 3)
    apart = (structure.positions[None] - structure.positions[:, None]) @ np.linalg.inv(structure.cell)
    distances = np.linalg.norm((apart - np.round(apart) + shifts) @ structure.cell, axis=-1)
    distances[len(shifts) // 2, np.arange(n), np.arange(n)] = np.inf
    _, i, j = np.unravel_index(int(distances.argmin()), distances.shape)
    best = float(distances.min())
    return ((int(i), int(j)), best) if best < reach else ((-1, -1), float("inf"))


def tensor(array: np.ndarray, **kwargs):
    """A torch tensor that never shares memory with `array` (see the module's warning)."""
    import torch

    return torch.tensor(np.array(array, copy=True), **kwargs)


def _plain_constraint(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": item["name"], "kwargs": {key: (np.array(value) if isinstance(value, list) else value) for key, value in item["kwargs"].items()}}


def jsonable(value: Any, other: Callable[[Any], Any] = str) -> Any:
    """`value` as plain JSON values; `other` answers for what has no such form (it may raise)."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item, other) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item, other) for item in value]
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist(), other)
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else other(value)
