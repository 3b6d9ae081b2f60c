"""Consistent unit systems of finite-element decks, derived from their base units.

A deck carries no units; it is right when length, mass and time units fit together. Every factor follows from the three base units, so that no table
can be mistyped; the well-known table (1 Pa = 1e-6 MPa, 1 kg/m³ = 1e-12 t/mm³ …) is a test.
"""
from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..core.errors import SetupError


@dataclass(frozen=True)
class UnitSystem:
    """name; length, mass and time units in m, kg and s as exact fractions; their symbols; temperature is K in all of them."""

    name: str
    length: Fraction
    mass: Fraction
    time: Fraction
    symbols: tuple[str, str, str]
    force_symbol: str
    stress_symbol: str

    def factor(self, length: int = 0, mass: int = 0, time: int = 0) -> float:
        """What a value in SI of dimension lengthᵃ massᵇ timeᶜ is multiplied by."""
        return float(self.length**-length * self.mass**-mass * self.time**-time)

    @property
    def stress(self) -> float:
        """Pa -> this system."""
        return self.factor(length=-1, mass=1, time=-2)

    @property
    def density(self) -> float:
        """kg/m³ -> this system."""
        return self.factor(length=-3, mass=1)

    @property
    def force(self) -> float:
        """N -> this system."""
        return self.factor(length=1, mass=1, time=-2)

    @property
    def energy(self) -> float:
        """J -> this system."""
        return self.factor(length=2, mass=1, time=-2)

    @property
    def conductivity(self) -> float:
        """W/m/K -> this system."""
        return self.factor(length=1, mass=1, time=-3)

    @property
    def specific_heat(self) -> float:
        """J/kg/K -> this system."""
        return self.factor(length=2, time=-2)

    @property
    def words(self) -> str:
        """For deck headers: "mm, t, s, K; force N, stress MPa, density t/mm³"."""
        length, mass, time = self.symbols
        return f"{length}, {mass}, {time}, K; force {self.force_symbol}, stress {self.stress_symbol}, density {mass}/{length}^3"


_ONE, _MILLI, _MICRO = Fraction(1), Fraction(1, 1000), Fraction(1, 10**6)
UNIT_SYSTEMS: dict[str, UnitSystem] = {system.name: system for system in (
    UnitSystem("SI", _ONE, _ONE, _ONE, ("m", "kg", "s"), "N", "Pa"),
    UnitSystem("mm-t-s", _MILLI, Fraction(1000), _ONE, ("mm", "t", "s"), "N", "MPa"),
    UnitSystem("mm-kg-ms", _MILLI, _ONE, _MILLI, ("mm", "kg", "ms"), "kN", "GPa"),
    UnitSystem("um-kg-s", _MICRO, _ONE, _ONE, ("um", "kg", "s"), "uN", "MPa"),
)}


def unit_system(name: str) -> UnitSystem:
    """The unit system called `name`, whatever its case; SetupError otherwise."""
    for known, system in UNIT_SYSTEMS.items():
        if known.lower() == str(name).lower():
            return system
    raise SetupError(f"Unknown unit system {name!r}.", hint=f"Allowed: {', '.join(UNIT_SYSTEMS)}.")
