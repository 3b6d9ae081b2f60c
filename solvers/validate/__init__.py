"""Side-by-side validation against independent programs and laws: `qcad validate [AREA]`.

Every module of this package that defines ``run(full: bool) -> Iterable[Row]`` is an area of that name; cases and tolerances are data in `cases/`, stored peer
values in `data/`, the programs we compare with in `peers/`. The test suite imports the same cases, so that a tolerance stands once.
"""
from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterable

from solvers.core.errors import MissingError, SetupError

from .report import Row, table

__all__ = ["Row", "areas", "run", "summary", "table", "whole"]

#: areas that run as parts of another one
_PARTS = {"dft": ("upf", "potentials", "functionals", "orbital_terms", "slabs", "bands", "response", "precision", "crystals")}
_NOT_AREAS = {"report", "summaries", "kills"}  # the kills belong to the area "damage"


def areas() -> tuple[str, ...]:
    """Names that `run` accepts: the modules of this package."""
    return tuple(sorted(item.name for item in pkgutil.iter_modules(__path__) if not item.ispkg and item.name not in _NOT_AREAS))


def whole() -> tuple[str, ...]:
    """The areas that together run everything once: those that are no part of another one."""
    parts = {part for found in _PARTS.values() for part in found}
    return tuple(area for area in areas() if area not in parts)


def run(area: str, full: bool = False, only: Collection[str] | None = None, tell: Callable[[Row], None] = lambda row: None) -> list[Row]:
    """All rows of an area and its parts; full=False takes the quick cases only, `only` the cases of these names, quick or not; tell: called
    with every row as it comes.

    Raises MissingError for an unknown area or when no case has such a name, SetupError where an area's cases cannot be named.
    """
    if area not in areas():
        raise MissingError(f"There is nothing to validate called {area!r}.", hint=f"Areas: {', '.join(areas())}.")
    modules = [importlib.import_module(f"{__name__}.{part}") for part in (area, *_PARTS.get(area, ()))]
    if only is None:
        return _told((row for module in modules for row in module.run(full)), tell)
    named = [module for module in modules if "only" in inspect.signature(module.run).parameters]
    if not named:
        raise SetupError(f"The cases of {area!r} cannot be chosen by name.", hint="Leave the names out; those of dft, upf and crystals can.")
    rows = _told((row for module in named for row in module.run(full, only=only)), tell)
    if not rows:
        raise MissingError(f"No case of {area!r} that can run here is called {' or '.join(map(repr, only))}.",
                           hint="The table without names says how they are called.")
    return rows


def _told(rows: Iterable[Row], tell: Callable[[Row], None]) -> list[Row]:
    found = []
    for row in rows:
        tell(row)
        found.append(row)
    return found


def summary(rows: Collection[Row]) -> str:
    """One line per cell without symmetry among the rows, as text; empty where there is none."""
    from . import summaries
    return summaries.table(rows)
