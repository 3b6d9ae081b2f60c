"""Functionals and dispersion beside the peers that have them: revPBE and r2SCAN beside ABINIT with the same libxc numbers, D3(BJ) beside `pw.x`.

ABINIT 9.6 prints a stress without the term of the kinetic-energy density, so r2SCAN is compared in energy, forces and moment. Dispersion is compared as the
difference that it makes to one PBE calculation, where the package dftd3 is installed.
`python -m solvers.validate.functionals` runs both programs and stores what they say.
"""
from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from solvers.core.units import BOHR_ANGSTROM, HARTREE_PER_BOHR3_GPA

from .cases.dft import FORCE, Case, fcc, strained
from .dft import derivative_rows, energy_rows, moment_rows, ours, without_mean
from .peers import abinit, espresso, store
from .report import Row, compare

DISPERSION_ENERGY = 2e-8  # Ha/atom
DISPERSION_FORCE = 1e-7  # Ha/bohr
DISPERSION_STRESS = 2e-3  # GPa: `pw.x` prints 1e-8 Ry/bohr³
_STORED = store.FOLDER / "functionals.json"
_PLACES = np.array([[0.13, 0.12, 0.127], [-0.125, -0.125, -0.125]])

CASES = (
    Case("Si2 r2SCAN", fcc(10.263141334), _PLACES, ("Si", "Si"), 12.0, (2, 2, 2), xc="r2SCAN", forces=True, box=(24, 24, 24)),
    Case("AlH r2SCAN", strained(fcc(7.4), 0.0, 0.0, 0.0, -0.01, 0.005, 0.01), np.array([[0, 0, 0], [0.47, 0.52, 0.54]]), ("Al", "H"), 12.0, (2, 2, 2),
         xc="r2SCAN", forces=True, box=(20, 20, 20), smearing=("fermi-dirac", 0.02)),
    Case("Fe r2SCAN", fcc(7.9), np.zeros((1, 3)), ("Fe",), 14.0, (2, 2, 1), xc="r2SCAN", forces=True, box=(27, 27, 27), smearing=("fermi-dirac", 0.02),
         moments=(3.0,)),
    Case("SiC revPBE", strained(fcc(8.24), 0.01, 0.0, -0.01, 0.0, 0.02, 0.0), np.array([[0.01, 0.0, -0.02], [0.25, 0.26, 0.24]]), ("Si", "C"), 16.0,
         (2, 2, 2), xc="revPBE", forces=True, box=(24, 24, 24)),
)
_SKEW = np.array([[6.0, 0.4, 0.2], [0.3, 7.0, -0.5], [0.1, 0.6, 6.5]])
MOLECULE = Case("C, O and H in a skew cell", _SKEW, np.array([[0, 0, 0], [2.2, 0.1, 0.2], [-1, 1.7, 0.3]]) @ np.linalg.inv(_SKEW),
                ("C", "O", "H"), 8.0, (1, 1, 1), smearing=("gaussian", 0.01), symmetry=False, forces=True, shape="molecule")
#: our kind of dispersion -> whether `pw.x` counts three bodies
KINDS = {"d3bj": False, "d3bj-abc": True}


def dispersion_of_peer(three_bodies: bool | None) -> dict[str, Any]:
    """Energy (Ha), forces (N, 3) Ha/bohr and stress (3, 3) GPa of `pw.x` for the molecule, without D3 (None) or with it."""
    lines = "" if three_bodies is None else f"vdw_corr = 'grimme-d3', dftd3_version = 4, dftd3_threebody = .{str(three_bodies).lower()}."
    found = espresso.run(MOLECULE, lines=lines)
    return {key: found[key] for key in ("energy", "forces", "stress")}


def dispersion_rows(theirs: dict[str, dict], version: str) -> Iterator[Row]:
    """The difference that D3 makes, both kinds."""
    from solvers.dft.terms.dispersion import dispersion
    atoms, n = MOLECULE.atoms(), len(MOLECULE.symbols)
    plain = theirs["none"]
    for kind in KINDS:
        label = f"{MOLECULE.name}: {kind}"
        term = dispersion(kind, MOLECULE.xc, atoms.numbers, atoms.positions / BOHR_ANGSTROM, atoms.cell.array / BOHR_ANGSTROM)
        added = {key: np.asarray(theirs[kind][key]) - np.asarray(plain[key]) for key in plain}
        yield compare("functionals", label, "energy", term.energy / n, added["energy"] / n, DISPERSION_ENERGY, "Ha/atom", version)
        for quantity, mine, reference, tolerance, unit in (
                ("force", without_mean(term.forces), without_mean(added["forces"]), DISPERSION_FORCE, "Ha/bohr"),
                ("stress", term.stress * HARTREE_PER_BOHR3_GPA, added["stress"], DISPERSION_STRESS, "GPa")):
            worst = np.unravel_index(np.abs(mine - reference).argmax(), mine.shape)
            yield compare("functionals", label, f"{quantity} {worst[0]}{worst[1]} (worst)", mine[worst], reference[worst], tolerance, unit, version)


def functional_rows(case: Case, peer: dict, version: str) -> Iterator[Row]:
    """Energy, forces, and where ABINIT has them stress and moment."""
    mine = ours(case, peer["box"], symmetry=False)
    peer = {**peer, "forces": np.asarray(peer["forces"]), "stress": np.asarray(peer["stress"])}
    yield from energy_rows(case, mine, peer, version)
    if case.moments is not None:
        yield from moment_rows(case, mine, peer, version)
    if case.xc != "r2SCAN":
        yield from derivative_rows(case, mine, peer, version)
    elif len(case.symbols) > 1:
        a, b = without_mean(mine["forces"]), without_mean(peer["forces"])
        worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
        yield compare("dft", case.name, f"force {worst[0]}{'xyz'[worst[1]]} (worst of {a.size})", a[worst], b[worst], FORCE, "Ha/bohr", version)


def run(full: bool = False) -> Iterator[Row]:
    """Every comparison; the peers are run where they are installed, else their stored results are taken."""
    stored = json.loads(_STORED.read_text(encoding="utf-8"))
    for case in CASES:
        peer = abinit.run(case) if abinit.installed() else stored[case.name]
        yield from functional_rows(case, peer, peer["version"] + ("" if abinit.installed() else " (stored)"))
    if importlib.util.find_spec("dftd3") is None:
        return
    if espresso.installed():
        yield from dispersion_rows({"none": dispersion_of_peer(None), **{kind: dispersion_of_peer(three) for kind, three in KINDS.items()}}, espresso.version())
    else:
        yield from dispersion_rows(stored[MOLECULE.name], stored[MOLECULE.name]["version"] + " (stored)")


def update() -> None:
    """Run both programs and store what they say."""
    def plain(row: dict) -> dict:
        return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items() if key != "input"}
    rows = {case.name: plain(abinit.run(case)) for case in CASES}
    rows[MOLECULE.name] = {"version": espresso.version(), "none": plain(dispersion_of_peer(None)),
                           **{kind: plain(dispersion_of_peer(three)) for kind, three in KINDS.items()}}
    _STORED.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} results stored", file=sys.stderr)


if __name__ == "__main__":
    update()
