"""Scalar fields: on a periodic grid (`GridField`) and on a mesh (`MeshField`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import SetupError

#: what `GridField.part` knows
FIELD_PARTS = ("total", "spin", "up", "down")
#: Å; cells that differ by less are the same for a difference of fields
SAME_CELL = 1e-4


@dataclass(frozen=True, eq=False)
class GridField:
    """Values on the points (i/nx) a + (j/ny) b + (k/nz) c, without the repeated last plane.

    values (spin, nx, ny, nz), cell (3, 3) rows in Å, unit (densities: e/Å³), name. Spin axis: 1 = total, 2 = up, down.
    """

    values: np.ndarray
    cell: np.ndarray
    unit: str
    name: str
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)  # Å

    def __post_init__(self):
        values = np.array(self.values, dtype=float, copy=True)
        values = values[None] if values.ndim == 3 else values
        cell = np.array(self.cell, dtype=float, copy=True)
        if values.ndim != 4 or values.shape[0] not in (1, 2) or cell.shape != (3, 3):
            raise SetupError(
                f"Field {self.name!r} has values of shape {values.shape} and a cell of shape {cell.shape}.",
                hint="Allowed: (spin, nx, ny, nz) with 1 or 2 spins, (3, 3).",
            )
        for name, value in (("values", values), ("cell", cell)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid points along the three cell vectors."""
        return self.values.shape[1:]

    def integral(self) -> float:
        """Integral over the cell in unit × Å³, summed over spin (a density integrates to the number of electrons)."""
        return float(self.values.sum() * abs(np.linalg.det(self.cell)) / np.prod(self.shape))

    def part(self, name: str) -> GridField:
        """ "total" (sum over spins), "spin" (up − down), "up" or "down" as a field of its own; raises SetupError for a spin of a field without spin."""
        if name not in FIELD_PARTS:
            raise SetupError(f"A field has no part {name!r}.", hint=f"Allowed: {', '.join(FIELD_PARTS)}.")
        if len(self.values) == 1:
            if name != "total":
                raise SetupError(f"Field {self.name!r} has no spin.", hint="Only its total can be had.")
            return self
        up, down = self.values
        values = {"total": up + down, "spin": up - down, "up": up, "down": down}[name]
        words = {"total": self.name, "spin": f"{self.name}, up − down", "up": f"{self.name}, up", "down": f"{self.name}, down"}[name]
        return GridField(values, self.cell, self.unit, words, self.origin)

    def minus(self, other: GridField) -> GridField:
        """This field minus another on the same grid in the same cell, spins apart where both have them; raises SetupError that names what differs."""
        if self.unit != other.unit:
            raise SetupError(f"{self.name!r} is in {self.unit}, {other.name!r} in {other.unit}: a difference means nothing.", hint="Choose two of one kind.")
        if self.shape != other.shape:
            mine, theirs = ("×".join(map(str, item.shape)) for item in (self, other))
            raise SetupError(f"The grids differ: {mine} and {theirs} points.", hint="Compute both with the same cell and cutoff, or the same FFT box.")
        if np.abs(self.cell - other.cell).max() > SAME_CELL or np.abs(np.subtract(self.origin, other.origin)).max() > SAME_CELL:
            raise SetupError(f"The cells differ by up to {np.abs(self.cell - other.cell).max():.3g} Å.",
                             hint="A difference of densities needs the same cell: compute the parts in the cell of the whole.")
        both = len(self.values) == len(other.values)
        values = self.values - other.values if both else self.values.sum(0) - other.values.sum(0)
        return GridField(values, self.cell, self.unit, _difference_name(self.name, other.name), self.origin)


def _difference_name(first: str, second: str) -> str:
    return f"{first}, difference" if first == second else f"{first} − {second}"


@dataclass(frozen=True, eq=False)
class MeshField:
    """Values on the nodes of a mesh: points (n, 3) in m, cells {type: (m, k)}, values (n, …) with unit and name."""

    points: np.ndarray
    cells: dict[str, np.ndarray]
    values: np.ndarray
    unit: str
    name: str
