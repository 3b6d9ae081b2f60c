"""In which order finite-element programs list the constants of an anisotropic stiffness: one table, from which every writer and reader derives.

Two things differ from program to program: the order of the 6-vector, and whether the upper triangle is listed by columns or by rows.
A cubic crystal on its axes hides either mistake; tests use tensors with 21 different constants.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_VOIGT = ("11", "22", "33", "23", "13", "12")


@dataclass(frozen=True)
class Packing:
    """order: the program's 6-vector as pairs of axes; by_columns: how the upper triangle is listed; full: all 36 entries instead, row by row."""

    order: tuple[str, ...]
    by_columns: bool = False
    full: bool = False

    @property
    def to_voigt(self) -> np.ndarray:
        """Program index -> Voigt index, zero-based."""
        return np.array([_VOIGT.index(pair) for pair in self.order])

    @property
    def entries(self) -> list[tuple[int, int]]:
        """Voigt row and column of each listed constant, in the order of the file, smaller index first."""
        if self.full:
            cells = [(i, j) for i in range(6) for j in range(6)]
        elif self.by_columns:
            cells = [(i, j) for j in range(6) for i in range(j + 1)]
        else:
            cells = [(i, j) for i in range(6) for j in range(i, 6)]
        voigt = self.to_voigt
        return [(min(voigt[i], voigt[j]), max(voigt[i], voigt[j])) for i, j in cells]

    @property
    def labels(self) -> list[str]:
        """The Voigt name of each listed constant: "C11", "C12" …"""
        return [f"C{i + 1}{j + 1}" for i, j in self.entries]

    def pack(self, stiffness: np.ndarray) -> np.ndarray:
        """The constants (…, 21 or 36) of a Voigt stiffness (…, 6, 6) in the order of the file."""
        rows, columns = np.array(self.entries).T
        return np.asarray(stiffness)[..., rows, columns]

    def unpack(self, values: np.ndarray) -> np.ndarray:
        """The Voigt stiffness (6, 6) of constants in the order of the file."""
        rows, columns = np.array(self.entries).T
        out = np.zeros((6, 6))
        out[rows, columns] = values
        out[columns, rows] = values
        return out


_ABAQUS = ("11", "22", "33", "12", "13", "23")
_XY_YZ_XZ = ("11", "22", "33", "12", "23", "13")

#: dialect -> packing of its 21-constant (or full) stiffness
PACKINGS: dict[str, Packing] = {
    "calculix": Packing(_ABAQUS, by_columns=True),
    "abaqus": Packing(_ABAQUS, by_columns=True),
    "mapdl": Packing(_XY_YZ_XZ),
    "nastran": Packing(_XY_YZ_XZ),
    "openradioss": Packing(_XY_YZ_XZ),
    "ls-dyna": Packing(_XY_YZ_XZ, by_columns=True),
    "comsol": Packing(_XY_YZ_XZ, by_columns=True),
    "comsol-voigt": Packing(_VOIGT, by_columns=True),
    "moose": Packing(_VOIGT),
    "elmer": Packing(_XY_YZ_XZ, full=True),
}
