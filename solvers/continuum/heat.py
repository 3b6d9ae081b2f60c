"""Specific heat over temperature, as lattice vibrations give it: at constant volume, harmonic, without electrons and magnetism. SI."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ReadError, RefusedError, SetupError

_LARGEST = 1e6  # J/(kg K); hydrogen gas has 1.4e4
_MOST = 10_000


@dataclass(frozen=True, eq=False)
class SpecificHeat:
    """temperatures (n,) K ascending; values (n,) J/(kg K); origin: what it is and which run it comes from. Raises SetupError with what is wrong."""

    temperatures: np.ndarray
    values: np.ndarray
    origin: str = "origin unknown"

    def __post_init__(self):
        T, c = np.atleast_1d(np.array(self.temperatures, float)), np.atleast_1d(np.array(self.values, float))
        if T.ndim != 1 or T.shape != c.shape or not 1 <= len(T) <= _MOST:
            raise SetupError(f"The specific heat has {c.shape} values at {T.shape} temperatures.", hint=f"Give as many of both, at most {_MOST}.")
        if not (np.isfinite(T).all() and np.isfinite(c).all()) or (T < 0).any() or (np.diff(T) <= 0).any() or (c < 0).any() or (c > _LARGEST).any():
            raise SetupError("The specific heat holds values or temperatures that cannot be.",
                             hint=f"Temperatures in K ascend from 0 or above; values lie between 0 and {_LARGEST:g} J/(kg K).")
        for name, value in (("temperatures", T), ("values", c)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "origin", str(self.origin))

    def at(self, temperature: float) -> float:
        """J/(kg K) at a temperature in K, linear between rows. SetupError outside the table."""
        low, high = float(self.temperatures[0]), float(self.temperatures[-1])
        if not low <= temperature <= high:
            raise SetupError(f"{temperature:g} K lies outside the table of the specific heat, {low:g} to {high:g} K.", hint="Extrapolation is not offered.")
        return float(np.interp(temperature, self.temperatures, self.values))

    @property
    def words(self) -> str:
        """For tables and deck headers."""
        return f"specific heat: {len(self.values)} rows from {self.temperatures[0]:g} to {self.temperatures[-1]:g} K; {self.origin}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, units in the names."""
        return {"temperatures_k": self.temperatures.tolist(), "j_per_kg_k": self.values.tolist(), "origin": self.origin}

    @classmethod
    def from_dict(cls, data: Any) -> SpecificHeat:
        """From `to_dict`'s values. Raises ReadError, SetupError."""
        if not isinstance(data, dict) or set(data) != {"temperatures_k", "j_per_kg_k", "origin"} or not isinstance(data["origin"], str):
            raise ReadError("specific_heat of the material is not a table.", hint="It holds temperatures_k, j_per_kg_k and origin, or is null.")
        try:
            return cls(np.array(data["temperatures_k"], float), np.array(data["j_per_kg_k"], float), data["origin"][:500])
        except (TypeError, ValueError) as error:
            raise ReadError(f"specific_heat of the material: {error}", hint="Two lists of numbers, equally long.") from error

    @classmethod
    def of_phonons(cls, result: Any, run: str = "") -> SpecificHeat:
        """From the `Result` of the task `phonons`. Raises SetupError for another result, RefusedError for a crystal with imaginary modes or electrons that did
        not converge: its heat capacity would lack what they hold."""
        if "specific_heat" not in result.values or "temperatures" not in result.values:
            raise SetupError("This result holds no specific heat.", hint="Take the result of `qcad phonons`.")
        if not result.converged or not result.settings.get("stable", False):
            raise RefusedError("The specific heat of these phonons is not given on: " + ("the electrons of some displacement did not converge."
                               if not result.converged else "the crystal has imaginary modes, which it leaves out."), hint="Relax the structure first.")
        calculator = result.settings.get("calculator", "")
        name = calculator.get("name", "") if isinstance(calculator, dict) else str(calculator)
        return cls(result.values["temperatures"], result.values["specific_heat"],
                   f"harmonic lattice at constant volume, from phonons{' with ' + name if name else ''}{', run ' + run if run else ''}")
