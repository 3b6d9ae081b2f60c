"""Small values that builders take, each with one text form: `Vector`, `Indices`, `CellMatrix`, `StrainTensor`, `Sites`.

Each accepts what its `coerce` describes and prints as the text that `coerce` reads back, so flags, recipes and forms share one spelling.
"""
from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.errors import SetupError


def _numbers(text: str) -> list[float]:
    """Numbers of a text separated by blanks, commas or semicolons; fractions such as 1/3 are allowed."""
    return [float(Fraction(part)) if "/" in part else float(part) for part in re.split(r"[\s,;]+", text.strip("()[] \t")) if part]


def _show(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _finite(values: Iterable[float], what: str, example: str) -> tuple[float, ...]:
    out = tuple(float(value) for value in values)
    if not all(math.isfinite(value) for value in out):
        raise SetupError(f"{what} {out!r} holds a value that is not finite.", hint=f"Example: {example}.")
    return out


@dataclass(frozen=True)
class Vector:
    """Three numbers: ``0.5 0 0``."""

    components: tuple[float, float, float]

    @classmethod
    def coerce(cls, value: Any) -> Vector:
        """From a Vector, three numbers, or text ``1 0 0`` / ``1/3, 2/3, 0``; SetupError otherwise."""
        if isinstance(value, cls):
            return value
        try:
            numbers = _numbers(value) if isinstance(value, str) else [float(item) for item in value]
        except (TypeError, ValueError, ZeroDivisionError):
            numbers = []
        if len(numbers) != 3:
            raise SetupError(f"{value!r} is not a vector.", hint="Allowed: three numbers, for example 0.5 0 0.")
        return cls(_finite(numbers, "Vector", "0.5 0 0"))

    def __str__(self) -> str:
        return " ".join(map(_show, self.components))

    @property
    def array(self) -> np.ndarray:
        """The components, (3,)."""
        return np.array(self.components)


@dataclass(frozen=True)
class Indices:
    """Atom indices counted from 0: ``0,3,5-9``; ``all`` means every atom."""

    values: tuple[int, ...]
    every: bool = False

    @classmethod
    def coerce(cls, value: Any) -> Indices:
        """From Indices, whole numbers, or text ``0,3,5-9`` or ``all``; SetupError for anything else and for repeated or negative numbers."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value.strip().lower() == "all":
            return cls((), True)
        found: list[int] = []
        try:
            if isinstance(value, str):
                for part in re.split(r"[\s,;]+", value.strip()):
                    first, dash, last = part.partition("-")
                    found += list(range(int(first), int(last) + 1)) if dash else [int(part)]
            else:
                found = [_whole(item) for item in np.atleast_1d(np.asarray(value)).tolist()]
        except (TypeError, ValueError):
            raise SetupError(f"{value!r} does not list atoms.", hint="Allowed: indices counted from 0, for example 0,3,5-9, or all.") from None
        if any(item < 0 for item in found) or len(set(found)) != len(found):
            raise SetupError(f"Atom list {value!r} repeats an index or holds a negative one.", hint="Indices count from 0 and appear once.")
        return cls(tuple(found))

    def __str__(self) -> str:
        if self.every:
            return "all"
        runs: list[list[int]] = []
        for item in self.values:
            if runs and item == runs[-1][1] + 1:
                runs[-1][1] = item
            else:
                runs.append([item, item])
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)

    def __len__(self) -> int:
        return len(self.values)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or float(value) != int(value):
        raise ValueError
    return int(value)


@dataclass(frozen=True)
class CellMatrix:
    """Rows of a supercell in units of the old cell vectors, whole numbers with positive determinant: ``2x2x2`` or ``-1 1 1; 1 -1 1; 1 1 -1``."""

    rows: tuple[tuple[int, int, int], ...]

    @classmethod
    def coerce(cls, value: Any) -> CellMatrix:
        """From a CellMatrix, n, (n1, n2, n3), a 3×3 array, or text ``2x2x2`` / nine numbers; SetupError when singular, left-handed or not whole."""
        if isinstance(value, cls):
            return value
        try:
            numbers = np.array(_numbers(value.lower().replace("x", " ")) if isinstance(value, str) else value, dtype=float)
        except (TypeError, ValueError, ZeroDivisionError):
            numbers = np.zeros(0)
        if numbers.size == 1:
            numbers = np.repeat(numbers, 3)
        if numbers.size not in (3, 9) or not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
            raise SetupError(f"{value!r} is not a supercell.", hint="Allowed: whole numbers, 2x2x2 or nine of them row by row, -1 1 1; 1 -1 1; 1 1 -1.")
        matrix = np.diag(numbers.ravel()) if numbers.size == 3 else numbers.reshape(3, 3)
        determinant = round(float(np.linalg.det(matrix)))
        if determinant < 1 or (numbers.size == 3 and (numbers < 1).any()):
            raise SetupError(f"Supercell {value!r} has determinant {determinant}.",
                             hint="It must be at least 1: repeat counts from 1, or swap two rows of the matrix.")
        return cls(tuple(tuple(int(item) for item in row) for row in matrix))

    def __str__(self) -> str:
        matrix = self.array
        if (matrix == np.diag(np.diag(matrix))).all():
            return "x".join(str(item) for item in np.diag(matrix))
        return "; ".join(" ".join(map(str, row)) for row in self.rows)

    @property
    def array(self) -> np.ndarray:
        """The matrix, (3, 3) int."""
        return np.array(self.rows, dtype=int)


@dataclass(frozen=True)
class StrainTensor:
    """A strain: six Voigt components xx yy zz yz xz xy (shears are engineering shears, 2ε) or a 3×3 matrix row by row."""

    rows: tuple[tuple[float, float, float], ...]

    @classmethod
    def coerce(cls, value: Any) -> StrainTensor:
        """From a StrainTensor, six or nine numbers, or their text; SetupError otherwise."""
        if isinstance(value, cls):
            return value
        try:
            numbers = np.array(_numbers(value) if isinstance(value, str) else value, dtype=float).ravel()
        except (TypeError, ValueError, ZeroDivisionError):
            numbers = np.zeros(0)
        if numbers.size not in (6, 9):
            raise SetupError(f"{value!r} is not a strain.",
                             hint="Allowed: six Voigt numbers xx yy zz yz xz xy (engineering shear), or nine row by row; 0.01 0 0 0 0 0.")
        _finite(numbers, "Strain", "0.01 0 0 0 0 0")
        if numbers.size == 6:
            xx, yy, zz, yz, xz, xy = numbers
            numbers = np.array([xx, xy / 2, xz / 2, xy / 2, yy, yz / 2, xz / 2, yz / 2, zz])
        return cls(tuple(tuple(float(item) for item in row) for row in numbers.reshape(3, 3)))

    def __str__(self) -> str:
        e = self.array
        if np.array_equal(e, e.T):
            return " ".join(map(_show, (e[0, 0], e[1, 1], e[2, 2], 2 * e[1, 2], 2 * e[0, 2], 2 * e[0, 1])))
        return "; ".join(" ".join(map(_show, row)) for row in self.rows)

    @property
    def array(self) -> np.ndarray:
        """The tensor, (3, 3)."""
        return np.array(self.rows)


@dataclass(frozen=True)
class Site:
    """One orbit of a crystal: element, fractional coordinates of any of its atoms, and its multiplicity where the Wyckoff letter was given."""

    symbol: str
    position: tuple[float, float, float]
    wyckoff: str = ""


@dataclass(frozen=True)
class Sites:
    """Occupied orbits: ``Ti 0 0 0; O 0.3053 0.3053 0``. An optional label such as 4f before the numbers is checked against the orbit."""

    sites: tuple[Site, ...]

    @classmethod
    def coerce(cls, value: Any) -> Sites:
        """From Sites, such text, or a list of (symbol, x, y, z); SetupError naming the site that cannot be read."""
        if isinstance(value, cls):
            return value
        parts = [part for part in re.split(r"[;\n]", value) if part.strip()] if isinstance(value, str) else list(value)
        sites = []
        for part in parts:
            words = part.replace(",", " ").split() if isinstance(part, str) else [str(word) for item in part for word in np.atleast_1d(item).tolist()]
            label = words.pop(1) if len(words) > 4 and re.fullmatch(r"\d+[a-zA-Z]", words[1]) else ""
            try:
                numbers = _numbers(" ".join(words[1:]))
            except (ValueError, ZeroDivisionError):
                numbers = []
            if len(numbers) != 3 or not words[0].isalpha():
                raise SetupError(f"Site {part!r} cannot be read.",
                                 hint="Allowed: element, optional Wyckoff label, three fractions: O 4f 0.305 0.305 0; sites are separated by semicolons.")
            _finite(numbers, "Site", "O 0.305 0.305 0")
            sites.append(Site(words[0], tuple(numbers), label))
        if not sites:
            raise SetupError("No sites were given.", hint="Example: Ti 0 0 0; O 0.305 0.305 0.")
        return cls(tuple(sites))

    def __str__(self) -> str:
        return "; ".join(" ".join([site.symbol, *([site.wyckoff] if site.wyckoff else []), *map(repr, site.position)]) for site in self.sites)
