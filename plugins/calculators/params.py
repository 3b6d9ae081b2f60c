"""Parameters of the calculators in `plugins.toml` that have none of their own. Imports nothing heavy."""
from __future__ import annotations

from dataclasses import dataclass

from solvers.core.errors import SetupError
from solvers.core.params import check, param


@dataclass(frozen=True)
class EffectiveMediumParams:
    """Effective-medium theory needs no choice but the use of a second cutoff."""

    fixed_cutoff: bool = param(True, help="one cutoff for all elements, as in the Asap code", advanced=True)

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class LennardJonesParams:
    """V(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6), switched off between onset and cutoff; the defaults are argon's."""

    epsilon: float = param(0.0104, unit="eV", low=1e-9, help="depth of the well")
    sigma: float = param(3.40, unit="Å", low=1e-3, help="distance where the energy is zero")
    cutoff: float = param(8.5, unit="Å", low=1e-3, help="no interaction beyond this distance")
    onset: float | None = param(None, unit="Å", low=1e-3, help="distance where the smooth switch begins; none = two thirds of the cutoff")

    def __post_init__(self):
        check(self)
        if self.onset is not None and not self.onset < self.cutoff:
            raise SetupError(f"onset = {self.onset} Å is not below cutoff = {self.cutoff} Å.", hint="Allowed: any distance smaller than the cutoff.")


@dataclass(frozen=True)
class ForceFieldParams:
    """A force field is its model file."""

    path: str = param(help="model file: .qff of this program or a NEP text file")

    def __post_init__(self):
        check(self)
