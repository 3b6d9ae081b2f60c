"""Stored results of peers, so that the suite and `qcad validate` compare without any peer installed.

``python -m solvers.validate.peers.store abinit [CASE …]`` runs ABINIT on the cases (all that are missing when none is named) and updates the file.
"""
from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np

from solvers.core.errors import MissingError

from ..cases.dft import CASES, ESPRESSO_CASES

_CASES = {"abinit": CASES, "espresso": ESPRESSO_CASES}
FOLDER = Path(__file__).resolve().parents[1] / "data"


def path(peer: str) -> Path:
    """The JSON file of a peer's results."""
    return FOLDER / f"dft_{peer}.json"


@cache
def stored(peer: str) -> dict[str, dict]:
    """case name -> results of `peer`; arrays as arrays."""
    if not path(peer).is_file():
        return {}
    data = json.loads(path(peer).read_text(encoding="utf-8"))
    return {name: {key: tuple(value) if key == "box" else np.array(value) if key in ("forces", "stress") else value for key, value in row.items()}
            for name, row in data.items()}


def result(peer: str, case: str) -> dict:
    """The stored result of a case; raises MissingError naming what to run."""
    if case not in stored(peer):
        raise MissingError(f"No stored {peer} result for {case!r}.",
                           hint=f"Run python -m solvers.validate.peers.store {peer} '{case}' where {peer} is installed.")
    return stored(peer)[case]


def update(peer: str, names: list[str]) -> None:
    """Run `peer` on the named cases (those without a result when the list is empty) and store what it says, one file write per case."""
    import importlib
    program = importlib.import_module(f"solvers.validate.peers.{peer}")
    known = json.loads(path(peer).read_text(encoding="utf-8")) if path(peer).is_file() else {}
    cases = _CASES[peer]
    for name in names or [name for name in cases if name not in known]:
        row = {"version": program.version(), **program.run(cases[name])}
        known = json.loads(path(peer).read_text(encoding="utf-8")) if path(peer).is_file() else {}
        known[name] = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
        path(peer).write_text(json.dumps({case: known[case] for case in cases if case in known}, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {row['energy']:.10f} Ha, box {row['box']}", file=sys.stderr, flush=True)
    stored.cache_clear()


if __name__ == "__main__":
    update(sys.argv[1], sys.argv[2:])
