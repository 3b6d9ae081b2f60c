"""The physics of one calculation, apart from its discretisation: atoms, potentials, functional, electrons, spin, smearing. Hartree atomic units."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .counting import channel_electrons, count_bands
from .projectors import Species
from .xc.functional import Functional


@dataclass(frozen=True, eq=False)
class Model:
    """cell (3, 3) rows and positions (N, 3) in bohr, numbers (N,), one `Species` per potential, smearing kind and width (Ha).

    n_spin: 1, or 2 for collinear spin; moments (N,): starting moments in µ_B (None = zeros); total_moment: n↑ − n↓ of the cell where it is fixed; charge of the
    cell in e (a positive one lacks electrons; a homogeneous background neutralises it).
    """

    cell: np.ndarray
    positions: np.ndarray
    numbers: np.ndarray
    species: tuple[Species, ...]
    functional: Functional
    smearing: str
    width: float
    n_spin: int = 1
    moments: np.ndarray | None = None
    total_moment: float | None = None
    charge: float = 0.0

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
        return float(self.charges.sum()) - self.charge

    @property
    def max_occupation(self) -> float:
        """Electrons that one state holds: 2 without spin, 1 with it."""
        return 2.0 / self.n_spin

    @property
    def channel_electrons(self) -> tuple[float, ...]:
        """Electrons of each spin that the calculation starts with: (N,) or (N↑, N↓)."""
        start = 0.0 if self.moments is None else float(np.sum(self.moments))
        return channel_electrons(self.n_electrons, self.n_spin, start if self.total_moment is None else self.total_moment)

    @property
    def fractional(self) -> np.ndarray:
        """Fractional positions (N, 3)."""
        return self.positions @ np.linalg.inv(self.cell)

    @property
    def n_bands(self) -> int:
        """Bands to compute per spin, see `counting.count_bands`."""
        return count_bands(self.channel_electrons, self.smearing)
