"""Stored results of peers, so that the suite and `qcad validate` compare without any peer installed.

``python -m solvers.validate.peers.store abinit [CASE …]`` runs ABINIT on the cases (all that are missing when none is named) and updates the file;
``… store abinit:crystals`` and ``… store elk:crystals`` do so for the equations of state.
"""
from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np

from solvers.core.errors import MissingError

from ..cases.crystals import BESIDE_ELK, CRYSTALS, STRAINS
from ..cases.dft import CASES, ESPRESSO_CASES
from ..cases.low_symmetry import MORE
from ..cases.magnets import FILE_CASES, MAGNETS

_CRYSTALS = {case.name: case for crystal in CRYSTALS for case in map(crystal.case, STRAINS)}
_ELK = {case.name: case for crystal in CRYSTALS if crystal.name in BESIDE_ELK for case in map(crystal.case, STRAINS)}
_MORE = {case.name: case for case in (*MAGNETS, *FILE_CASES, *MORE)}
_CASES = {("dft", "abinit"): {**CASES, **_MORE}, ("dft", "espresso"): ESPRESSO_CASES, ("crystals", "abinit"): _CRYSTALS,
          ("crystals", "elk"): _ELK}
FOLDER = Path(__file__).resolve().parents[1] / "data"


def path(peer: str, area: str = "dft") -> Path:
    """The JSON file of a peer's results in an area."""
    return FOLDER / f"{area}_{peer}.json"


@cache
def stored(peer: str, area: str = "dft") -> dict[str, dict]:
    """case name -> results of `peer`; arrays as arrays."""
    if not path(peer, area).is_file():
        return {}
    data = json.loads(path(peer, area).read_text(encoding="utf-8"))
    return {name: {key: tuple(value) if key == "box" else np.array(value) if key in ("forces", "stress") else value for key, value in row.items()}
            for name, row in data.items()}


def known(peer: str, case: str, area: str = "dft") -> bool:
    """Whether a result of the case is stored."""
    return case in stored(peer, area)


def result(peer: str, case: str, area: str = "dft") -> dict:
    """The stored result of a case; raises MissingError naming what to run."""
    if not known(peer, case, area):
        raise MissingError(f"No stored {peer} result for {case!r}.",
                           hint=f"Run python -m solvers.validate.peers.store {peer}:{area} '{case}' where {peer} is installed.")
    return stored(peer, area)[case]


def update(peer: str, names: list[str], area: str = "dft") -> None:
    """Run `peer` on the named cases (those without a result when the list is empty) and store what it says, one file write per case."""
    import importlib
    program = importlib.import_module(f"solvers.validate.peers.{peer}")
    file = path(peer, area)
    cases = _CASES[area, peer]
    for name in names or [name for name in cases if not known(peer, name, area)]:
        row = {"version": program.version(), **program.run(cases[name])}
        if area == "crystals":  # only the curve is compared
            row = {key: row[key] for key in ("version", "energy", "box") if key in row}
        rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        rows[name] = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
        file.write_text(json.dumps({case: rows[case] for case in cases if case in rows}, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {row['energy']:.10f} Ha, box {row.get('box')}", file=sys.stderr, flush=True)
    stored.cache_clear()


if __name__ == "__main__":
    program_name, _, area_name = sys.argv[1].partition(":")
    update(program_name, sys.argv[2:], area_name or "dft")
