"""Scalar fields: on a periodic grid (`GridField`) and on a mesh (`MeshField`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import SetupError


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


@dataclass(frozen=True, eq=False)
class MeshField:
    """Values on the nodes of a mesh: points (n, 3) in m, cells {type: (m, k)}, values (n, …) with unit and name."""

    points: np.ndarray
    cells: dict[str, np.ndarray]
    values: np.ndarray
    unit: str
    name: str
