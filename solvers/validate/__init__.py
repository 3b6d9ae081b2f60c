"""Side-by-side validation against independent programs and laws: `qcad validate [AREA]`.

Every module of this package that defines ``run(full: bool) -> Iterable[Row]`` is an area of that name; cases and tolerances are data in `cases/`, stored peer
values in `data/`, the programs we compare with in `peers/`. The test suite imports the same cases, so that a tolerance stands once.
"""
from __future__ import annotations

import importlib
import pkgutil

from solvers.core.errors import MissingError

from .report import Row, table

__all__ = ["Row", "areas", "run", "table"]

_NOT_AREAS = {"report"}


def areas() -> tuple[str, ...]:
    """Names that `run` accepts: the modules of this package."""
    return tuple(sorted(item.name for item in pkgutil.iter_modules(__path__) if not item.ispkg and item.name not in _NOT_AREAS))


def run(area: str, full: bool = False) -> list[Row]:
    """All rows of an area; full=False takes the quick cases only. Raises MissingError for an unknown area."""
    if area not in areas():
        raise MissingError(f"There is nothing to validate called {area!r}.", hint=f"Areas: {', '.join(areas())}.")
    return list(importlib.import_module(f"{__name__}.{area}").run(full))
