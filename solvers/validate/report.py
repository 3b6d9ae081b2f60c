"""Rows of a validation table and their printed form."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: our value beside a reference, in `unit`. `tolerance` None means printed, not judged. `reference_name` says code and version."""

    area: str
    case: str
    quantity: str
    ours: float
    reference: float
    difference: float
    tolerance: float | None
    unit: str
    reference_name: str
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the difference keeps the tolerance; rows without one always pass."""
        return self.tolerance is None or abs(self.difference) <= self.tolerance

    def to_dict(self) -> dict:
        """Plain values for --json and CSV."""
        return {**self.__dict__, "passed": self.passed}


def compare(area: str, case: str, quantity: str, ours: float, reference: float, tolerance: float | None, unit: str, reference_name: str, note: str = "") -> Row:
    """A row whose difference is ours − reference."""
    return Row(area, case, quantity, float(ours), float(reference), float(ours - reference), None if tolerance is None else float(tolerance), unit,
               reference_name, note)


def aligned(cells: list[list[str]]) -> list[str]:
    """Lines of text from rows of words, columns aligned, the first row underlined."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    text = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    text.insert(1, "-" * max(map(len, text)))
    return text


def table(rows: Iterable[Row]) -> str:
    """The rows as aligned text with a verdict in front of each and a count below."""
    rows = list(rows)
    cells = [["", "case", "quantity", "Q-CAD", "reference", "difference", "at most", "unit", "reference is"]]
    cells += [[_verdict(row), row.case, row.quantity, f"{row.ours:.9g}", f"{row.reference:.9g}", f"{row.difference:+.2e}",
               "printed" if row.tolerance is None else f"{row.tolerance:.1e}", row.unit,
               row.reference_name + (f"; {row.note}" if row.note else "")] for row in rows]
    text = aligned(cells)
    failed = sum(not row.passed for row in rows)
    text.append(f"{len(rows)} comparisons, {failed} outside their tolerance" if failed else f"{len(rows)} comparisons, all within tolerance")
    return "\n".join(text)


def _verdict(row: Row) -> str:
    if row.tolerance is None:
        return "--"
    return "ok" if row.passed else "FAIL"
