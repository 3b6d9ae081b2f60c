"""Every number of finished jobs as one long table: a row per scalar or component, with unit, uncertainty, method and the id of its run."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .errors import QcadError
from .jobfolder import JobFolder
from .properties import PROPERTIES
from .structure import Structure

COLUMNS = ("run", "created", "title", "task", "formula", "property", "component", "value", "unit", "uncertainty", "method", "converged", "refused", "meaning")
#: larger arrays (densities of states, eigenvalues of many k-points) are named with their shape; their numbers are in the job's result.h5
LARGEST_ARRAY = 1000
_ERRORS = {"stiffness": "stiffness_error"}
UNKNOWN = "unknown"


def rows_of(folder: JobFolder) -> list[dict[str, Any]]:
    """Rows of one job; none while it has no result, one that says so when it cannot be read."""
    try:
        if folder.status().state != "finished":
            return []
        spec, result = folder.spec, folder.result()
    except QcadError as error:
        return [_row(run=folder.id, created=folder.created, meaning=f"cannot be read: {error}")]
    structure = next((value for value in spec.inputs.values() if isinstance(value, Structure)), result.structure)
    formula = structure.formula if structure is not None else ""
    common = {"run": folder.id, "created": folder.created, "title": spec.title, "task": spec.task, "formula": formula,
              "method": method_of(spec, result.settings), "converged": result.converged, "refused": result.refused}
    rows = []
    for name, value in result.values.items():
        known = PROPERTIES[name]
        own = {**common, "property": name, "unit": known.unit, "meaning": known.meaning}
        if value.size > LARGEST_ARRAY:
            rows.append(_row(**own, component=f"array {' x '.join(map(str, value.shape))}"))
            continue
        errors = result.values.get(_ERRORS.get(name, ""))
        for index in np.ndindex(value.shape):
            component = ",".join(str(i + 1) for i in index)
            number = value[index].item()
            uncertainty = errors[index].item() if errors is not None and errors.shape == value.shape else UNKNOWN
            if isinstance(number, complex):
                rows += [_row(**own, component=f"{component} {part}".strip(), value=getattr(number, part), uncertainty=uncertainty)
                         for part in ("real", "imag")]
            else:
                rows.append(_row(**own, component=component, value=number, uncertainty=uncertainty))
    return rows


def method_of(spec: Any, settings: Mapping[str, Any]) -> str:
    """What computed the numbers, in a few words: calculator, functional, cutoff and mesh where they are recorded."""
    calculator = spec.inputs.get("calculator")
    recorded = {**(dict(calculator.params) if calculator is not None else {}), **spec.params, **settings}
    words = [getattr(calculator, "name", "") or str(recorded.get("method", ""))]
    words += [f"{name}={recorded[name]}" for name in ("xc", "cutoff", "kpts", "path") if recorded.get(name) not in (None, "")]
    return " ".join(word for word in words if word) or UNKNOWN


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = COLUMNS) -> str:
    """CSV with a header line. A text cell that a spreadsheet would run as a formula gets a leading apostrophe."""
    columns = list(columns)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name, "")) for name in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value) if isinstance(value, float) else "" if value is None else value


def _row(**known: Any) -> dict[str, Any]:
    return {name: known.get(name, UNKNOWN if name in ("uncertainty", "unit") and "property" in known else "") for name in COLUMNS}
