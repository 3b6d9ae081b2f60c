"""Tables for other programs: comma-separated, the unit in every heading, full precision."""
from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import SetupError
from ..core.sealed import write_file


def write_table(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], units: Mapping[str, str] | None = None) -> None:
    """Write rows as CSV, atomically: one heading per column with its unit in brackets, numbers so that they read back bit for bit, unknown as an empty cell."""
    write_file(Path(path), table_text(columns, rows, units).encode("utf-8"))


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], units: Mapping[str, str] | None = None) -> str:
    """The text that `write_table` writes. A value that is an array raises SetupError: give its components as columns."""
    units = units or {}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f"{name} [{units[name]}]" if units.get(name) else name for name in columns])
    for row in rows:
        writer.writerow([_cell(name, row.get(name)) for name in columns])
    return out.getvalue()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if np.ndim(value) > 0:
        raise SetupError(f"Column {name!r} holds an array of shape {np.shape(value)}.", hint="Give its components as columns of their own.")
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value)) if math.isfinite(value) else ""
    text = str(value)
    # a spreadsheet runs a cell that starts like a formula
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t") else text
