"""The physics of one calculation, apart from its discretisation: atoms, potentials, functional, electrons, smearing. Hartree atomic units."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .projectors import Species
from .xc.functional import Functional


@dataclass(frozen=True, eq=False)
class Model:
    """cell (3, 3) rows and positions (N, 3) in bohr, numbers (N,), one `Species` per potential, smearing kind and width (Ha)."""

    cell: np.ndarray
    positions: np.ndarray
    numbers: np.ndarray
    species: tuple[Species, ...]
    functional: Functional
    smearing: str
    width: float

    @cached_property
    def charges(self) -> np.ndarray:
        """Valence charge of every atom (N,)."""
        charges = np.zeros(len(self.numbers))
        for kind in self.species:
            charges[kind.atoms] = kind.pseudo.charge
        return charges

    @property
    def n_electrons(self) -> float:
        """Valence electrons in the cell."""
        return float(self.charges.sum())

    @property
    def fractional(self) -> np.ndarray:
        """Fractional positions (N, 3)."""
        return self.positions @ np.linalg.inv(self.cell)

    @property
    def n_bands(self) -> int:
        """Bands to compute: the filled ones for fixed occupations, else max(1.2 N, N + 4) of N half the electrons."""
        filled = int(np.ceil(self.n_electrons / 2 - 1e-9))
        return filled if self.smearing == "none" else max(int(np.ceil(1.2 * filled)), filled + 4)
