"""Hubbard U of shells as people write it. Imports neither torch nor numba."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from solvers.core.errors import SetupError

_SHELL = re.compile(r"([A-Z][a-z]?)-?([1-7][spdf])")
_HINT = "Write Ni-3d=5.0 (eV), several shells with commas, or give {'Ni': {'3d': 5.0}}."


def shell_name(text: str) -> tuple[str, str]:
    """("Ni", "3d") of "Ni-3d"; raises SetupError otherwise."""
    match = _SHELL.fullmatch(text.strip())
    if match is None:
        raise SetupError(f"{text!r} is not a shell of an element.", hint="Write the symbol and the shell: Ni-3d, O-2p, Ce-4f.")
    return match[1], match[2]


@dataclass(frozen=True)
class HubbardU:
    """U_eff = U − J of shells in eV: ((symbol, shell, U), …). Text form: ``Ni-3d=5.0,O-2p=2``."""

    values: tuple[tuple[str, str, float], ...] = ()

    @classmethod
    def coerce(cls, value: Any) -> HubbardU:
        """A HubbardU from itself, "Ni-3d=5.0", {"Ni": {"3d": 5.0}}, {"Ni-3d": 5.0}; raises SetupError otherwise."""
        if isinstance(value, cls):
            return value
        found: list[tuple[str, str, float]] = []
        if isinstance(value, str):
            for part in filter(None, (item.strip() for item in value.split(","))):
                name, equals, number = part.partition("=")
                if not equals:
                    raise SetupError(f"hubbard holds {part!r} without a value.", hint=_HINT)
                found.append((*shell_name(name), _energy(number, part)))
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                if isinstance(inner, Mapping):
                    found += [(*shell_name(f"{key}-{label}"), _energy(number, value)) for label, number in inner.items()]
                else:
                    found.append((*shell_name(str(key)), _energy(inner, value)))
        else:
            raise SetupError(f"hubbard = {value!r} is not understood.", hint=_HINT)
        names = [item[:2] for item in found]
        if len(set(names)) < len(names):
            raise SetupError(f"hubbard = {value!r} names a shell twice.", hint=_HINT)
        return cls(tuple(sorted(found)))

    def nested(self, factor: float = 1.0) -> dict[str, dict[str, float]]:
        """{"Ni": {"3d": U·factor}}."""
        result: dict[str, dict[str, float]] = {}
        for symbol, label, U in self.values:
            result.setdefault(symbol, {})[label] = U * factor
        return result

    def __str__(self) -> str:
        return ",".join(f"{symbol}-{label}={U!r}" for symbol, label, U in self.values)


def _energy(value: Any, shown: Any) -> float:
    try:
        number = float(str(value).strip().lower().removesuffix("ev"))
    except ValueError:
        raise SetupError(f"hubbard = {shown!r}: {value!r} is not a number.", hint=_HINT) from None
    if not (math.isfinite(number) and abs(number) <= 30.0):
        raise SetupError(f"hubbard = {shown!r}: U = {value!r} eV is out of range.", hint="Allowed: −30 to 30 eV; d and f shells usually take 2 to 8 eV.")
    return number
