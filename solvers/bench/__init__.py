"""``qcad bench``: interleaved timings against a peer in one run. Prints ratios; never a test.

An area is a module here with ``run(device, cases, pairs) -> list[Row]``. On a shared machine only the ratio within one run means anything.
"""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass, field

from ..core.errors import MissingError

_AREAS = {"dft": "dft"}


@dataclass(frozen=True)
class Row:
    """One case: median wall seconds of ours and the peer's, median of the pairwise ratios, how many pairs, a note, everything measured as `details`."""

    case: str
    ours_s: float
    peer: str
    peer_s: float | None
    ratio: float | None
    pairs: int
    note: str = ""
    details: dict = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Plain JSON values."""
        return asdict(self)


def areas() -> list[str]:
    """The areas that can be timed."""
    return sorted(_AREAS)


def run(area: str, *, device: str = "auto", cases: list[str] | None = None, pairs: int | None = None,
        peer_limit: float | None = None) -> list[Row]:
    """Time one area, or some of its cases by key, in so many interleaved rounds; a peer gets `peer_limit` seconds. MissingError for unknown names."""
    if area not in _AREAS:
        raise MissingError(f"There is no bench area {area!r}.", hint=f"Known: {', '.join(areas())}.")
    options = {name: value for name, value in (("pairs", pairs), ("peer_limit", peer_limit)) if value is not None}
    return importlib.import_module(f".{_AREAS[area]}", __name__).run(device, cases, **options)


def table(rows: list[Row]) -> str:
    """The rows as text for people."""

    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    head = f"{'case':<36} {'ours s':>9} {'peer s':>9} {'ours/peer':>10} {'pairs':>6}  note"
    lines = [head, "-" * len(head)]
    for row in rows:
        note = "; ".join(filter(None, [row.peer, row.note]))
        lines.append(f"{row.case:<36} {row.ours_s:9.3f} {number(row.peer_s, '.3f'):>9} {number(row.ratio, '.2f'):>10} {row.pairs:6d}  {note}")
    return "\n".join(lines)
