"""The dipole correction beside `pw.x` (tefield, dipfield): what it adds to the energy and to the forces of a sheet of polar molecules.

`python -m solvers.validate.slabs` runs `pw.x` on the case and stores what it says.
"""
from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases.dft import FORCE, Case
from .dft import keywords, without_mean
from .peers import espresso, store
from .report import Row, compare

#: Ha, of the energy that the correction adds
ADDED = 5e-7
_STORED = store.FOLDER / "slabs_espresso.json"
_CELL = np.array([[8.3, 0, 0], [0.5, 8.5, 0], [0, 0, 24.0]])
CASE = Case("HCl sheet", _CELL, np.array([[3.0, 3.2, 9.0], [4.2, 3.1, 11.1]]) @ np.linalg.inv(_CELL), ("Cl", "H"), 12.0, (1, 1, 1), box=(27, 27, 72),
            forces=True, symmetry=False, shape="slab")
#: fraction of the cell over which `pw.x` lets its potential jump, around the middle of the vacuum
_JUMP = 0.02


def peer() -> dict[str, Any]:
    """`pw.x` with and without the correction: energy (Ha) and forces (Ha/bohr)."""
    low, high = CASE.scaled[:, 2].min(), CASE.scaled[:, 2].max()
    middle = (0.5 * (low + high + 1.0)) % 1.0

    def plain(text: str) -> str:
        return text.replace("tstress = .true.", "tstress = .false.")

    def corrected(text: str) -> str:
        text = plain(text).replace("&control", "&control\ntefield = .true., dipfield = .true.", 1)
        return text.replace("&system", f"&system\nedir = 3, eamp = 0.0, emaxpos = {middle - _JUMP / 2:.6f}, eopreg = {_JUMP}", 1)
    found = {name: espresso.run(CASE, threshold=1e-11, change=change) for name, change in (("none", plain), ("c", corrected))}
    return {"version": espresso.version(), **{name: {"energy": row["energy"], "forces": row["forces"].tolist()} for name, row in found.items()}}


def ours(dipole: str) -> dict[str, Any]:
    """The same from our engine."""
    from solvers.dft import DFT
    calculator = DFT(**keywords(CASE, symmetry=False, dipole=dipole))
    calculator.calculate(CASE.atoms(), ("energy",))
    return {"energy": calculator.calculation.energies.free, "forces": calculator.calculation.forces}


def run(full: bool = False) -> Iterator[Row]:
    """Added energy, worst force with the correction, worst change of a force; `pw.x` is run where it is installed, else its stored results are taken."""
    live = espresso.installed()
    theirs = peer() if live else json.loads(_STORED.read_text(encoding="utf-8"))
    name = theirs["version"] + ("" if live else " (stored)")
    mine = {dipole: ours(dipole) for dipole in ("none", "c")}
    yield compare("slabs", CASE.name, "energy added by the dipole correction", mine["c"]["energy"] - mine["none"]["energy"],
                  theirs["c"]["energy"] - theirs["none"]["energy"], ADDED, "Ha", name)
    forces = {dipole: (without_mean(mine[dipole]["forces"]), np.array(theirs[dipole]["forces"])) for dipole in ("none", "c")}
    a, b = forces["c"]
    worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
    yield compare("slabs", CASE.name, f"force {worst[0]}{'xyz'[worst[1]]} with it (worst of {a.size})", a[worst], b[worst], FORCE, "Ha/bohr", name)
    a, b = (forces["c"][side] - forces["none"][side] for side in (0, 1))
    worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
    yield compare("slabs", CASE.name, f"change of force {worst[0]}{'xyz'[worst[1]]} (worst of {a.size})", a[worst], b[worst], FORCE / 5, "Ha/bohr", name)


if __name__ == "__main__":
    _STORED.write_text(json.dumps(peer(), indent=1) + "\n", encoding="utf-8")
    print(f"stored {CASE.name}", file=sys.stderr)
