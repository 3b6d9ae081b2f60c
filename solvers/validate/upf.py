"""UPF files in cells without symmetry beside `pw.x`: energy, forces, stress and moment of insulators, metals, magnets, molecules and a slab.

`python -m solvers.validate.upf` runs `pw.x` on all cases and stores what it says; `… upf NAME …` on the named ones.
"""
from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .cases import upf as cases
from .cases.dft import Case
from .cases.upf import Source, UPFCase
from .dft import derivative_rows, energy_rows, moment_rows, ours
from .peers import espresso, store
from .report import Row

_STORED = store.FOLDER / "upf_espresso.json"


def text_of(symbol: str, xc: str, source: Source) -> str:
    """The UPF text of an element."""
    from solvers.dft.pseudo.files import load
    from solvers.dft.pseudo.library import entry

    from .peers.potential_files import logarithmic_mesh, on_mesh, upf1_text, upf2_text, with_density
    if "/" in source.selector:
        potential = load(source.selector)[1]
    else:
        from ase.data import atomic_numbers
        table = entry(symbol, xc, source.selector)
        potential = with_density(on_mesh(replace(table, core=cases.CORE) if source.core else table, logarithmic_mesh(atomic_numbers[symbol])))
    return (upf1_text if source.version == 1 else upf2_text)(potential)


def case_of(item: UPFCase, folder: Path) -> Case:
    """The case with its files written into `folder`."""
    pseudos = {}
    for symbol, source in item.sources.items():
        path = folder / f"{symbol}.{'UPF' if source.version == 1 else 'upf'}"
        path.write_text(text_of(symbol, item.case.xc, source))
        pseudos[symbol] = str(path)
    return replace(item.case, pseudos=pseudos)


def peer(item: UPFCase) -> dict[str, Any]:
    """What `pw.x` says of a case: version, energy (Ha), forces (N, 3) Ha/bohr, stress (3, 3) GPa, moment (µ_B), box."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir()
        found = espresso.run(case := case_of(item, folder), folder / "run", threshold=1e-12, lines=espresso.spin_lines(case))
    return {"version": espresso.version(), **{key: found[key] for key in ("energy", "forces", "stress", "moment", "box")}}


def rows_of(item: UPFCase, live: bool) -> Iterator[Row]:
    """All comparisons of a case."""
    theirs = peer(item) if live else _stored()[item.case.name]
    with tempfile.TemporaryDirectory() as name:
        mine = ours(case_of(item, Path(name)), tuple(theirs["box"]), symmetry=False)
    version = theirs["version"] + ("" if live else " (stored)")
    yield from energy_rows(item.case, mine, theirs, version)
    yield from derivative_rows(item.case, mine, {**theirs, "forces": np.array(theirs["forces"]), "stress": np.array(theirs["stress"])}, version)
    if item.case.moments is not None:
        yield from moment_rows(item.case, mine, theirs, version)


def run(full: bool = False, only: Collection[str] | None = None) -> Iterator[Row]:
    """Every case (or those named in `only`) whose files can be made here; `pw.x` is run where it is installed, else its stored results are taken."""
    for item in cases.CASES:
        if item.available and (only is None or item.case.name in only):
            yield from rows_of(item, espresso.installed())


def _stored() -> dict[str, dict]:
    return json.loads(_STORED.read_text(encoding="utf-8")) if _STORED.is_file() else {}


def update(names: list[str]) -> None:
    """Run `pw.x` on the named cases, on all without names, and store what it says."""
    for item in cases.CASES:
        if not names or item.case.name in names:
            row = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in peer(item).items()}
            rows = {**_stored(), item.case.name: row}
            ordered = {other.case.name: rows[other.case.name] for other in cases.CASES if other.case.name in rows}
            _STORED.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
            print(f"{item.case.name}: {row['energy']:.10f} Ha, {row['moment']} µB, box {row['box']}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    update(sys.argv[1:])
