"""DFT+U, hybrid functionals and D3 beside `pw.x`: what the term adds to the energy, the forces, the moments.

The PBE of `pw.x` differs from libxc's by rounded PW92 constants (up to 2e-6 Ha/atom): energies are compared as differences to the crystal without the term.
Where the term moves many electrons that difference too would feel them (1e-6 Ha/atom in TiC and Fe2 with PBE): these are LDA, whose digits agree.
+U needs potentials with orbitals: both codes read the same UPF file, a GTH potential with Gaussian orbitals. Hybrids read the GTH table entry.
`python -m solvers.validate.orbital_terms [NAME …]` runs `pw.x` on the named cases, on all without names, and stores what it says.
"""
from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .cases.dft import ANGSTROM, FORCE, MOMENT, Case, fcc, strained
from .dft import keywords, without_mean
from .peers import espresso, store
from .peers.upf_text import GaussianOrbital, upf_text
from .report import Row, compare

TERM = 5e-7  # Ha/atom, of the energy that a term adds
_STORED = store.FOLDER / "orbital_terms_espresso.json"

#: model orbitals per element
ORBITALS = {"Si": (GaussianOrbital("3s", 0, 2.0, 1.1), GaussianOrbital("3p", 1, 2.0, 1.2)),
            "C": (GaussianOrbital("2s", 0, 2.0, 0.7), GaussianOrbital("2p", 1, 2.0, 0.75)),
            "Ti": (GaussianOrbital("4s", 0, 2.0, 1.7), GaussianOrbital("3d", 2, 2.0, 0.75)),
            "Fe": (GaussianOrbital("4s", 0, 2.0, 1.6), GaussianOrbital("3d", 2, 6.0, 0.62))}

#: as `pw.x` names them
_FUNCTIONALS = {"PBE": "SLA PW PBX PBC", "LDA": "SLA PW NOGX NOGC"}


@dataclass(frozen=True, eq=False)
class Pair:
    """A crystal and one term: further lines of `pw.x`'s &system and further keywords of ours, with the same lines for the crystal without the term."""

    name: str
    case: Case
    system: str
    keywords: dict[str, Any]
    plain: str = ""
    files: bool = False  # UPF files with model orbitals
    quick: bool = True
    selectors: dict[str, str] = field(default_factory=dict)


_PLACES = np.array([[0.13, 0.12, 0.127], [-0.125, -0.125, -0.125]])
_SILICON = Case("Si2", fcc(10.263141334), _PLACES, ("Si", "Si"), 10.0, (2, 2, 2), box=(24, 24, 24), forces=True)
_CARBIDE = Case("SiC", fcc(8.24), _PLACES, ("Si", "C"), 12.0, (2, 2, 2), box=(24, 24, 24), forces=True)
_IRON = Case("Fe", 5.42352 / 2 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]]), np.zeros((1, 3)), ("Fe",), 20.0, (3, 3, 3), smearing=("fermi-dirac", 0.01),
             box=(20, 20, 20), moments=(3.0,))
_TITANIUM_CARBIDE = Case("TiC", strained(fcc(4.27 * ANGSTROM), 0.01, 0.0, 0.0, 0.02, 0.0, 0.01), np.array([[0.0, 0.01, 0.0], [0.5, 0.5, 0.49]]),
                         ("Ti", "C"), 16.0, (2, 2, 2), xc="LDA", smearing=("cold", 0.01), box=(24, 24, 24), forces=True)
_TWO_IRON = Case("Fe2", strained(2.87 * ANGSTROM * np.eye(3), 0.02, -0.01, 0.0, 0.01, 0.015, -0.02), np.array([[0.0, 0.01, 0.0], [0.52, 0.49, 0.5]]),
                 ("Fe",) * 2, 14.0, (2, 2, 2), xc="LDA", smearing=("fermi-dirac", 0.01), box=(24, 24, 24), forces=True, moments=(3.0, 3.0))
_DIMER = Case("H2O with H2", np.diag([9.0, 8.5, 11.0]),
              np.array([[0.5, 0.5, 0.4], [0.66, 0.60, 0.4], [0.35, 0.62, 0.42], [0.5, 0.47, 0.75], [0.61, 0.52, 0.84]]),
              ("O", "H", "H", "H", "H"), 16.0, (1, 1, 1), box=(36, 32, 40), forces=True, shape="molecule")
_LAYERS = Case("BN bilayer", np.array([[4.70, 0.0, 0.0], [-2.36, 4.09, 0.0], [0.1, 0.0, 17.0]]),
               np.array([[0.0, 0.0, 0.31], [0.34, 0.66, 0.32], [0.33, 0.67, 0.67], [0.01, 0.0, 0.68]]), ("B", "N", "B", "N"), 16.0, (2, 2, 1), box=(18, 18, 64),
               forces=True, shape="slab")
_MESH = "nqx1 = 2, nqx2 = 2, nqx3 = 2"
_SPIN = "nspin = 2, starting_magnetization(1) = 0.3"


def _hybrid(name: str, xc: str, treatment: str, lines: str, **more: Any) -> Pair:
    return Pair(f"Si2 {name}", _SILICON, f"{lines}, {_MESH}", {"xc": xc, "exchange_singularity": treatment}, **more)


def _hubbard(case: Case, shell: str, U: float, projection: str, number: int, plain: str = "", **more: Any) -> Pair:
    lines = f"lda_plus_u = .true., Hubbard_U({number}) = {U}, U_projection_type = '{projection}'"
    own = {"hubbard": f"{shell}={U}", "hubbard_projection": projection}
    return Pair(f"{case.name} {shell} {projection}", case, ", ".join(filter(None, (plain, lines))), own, plain, True, **more)


def _dispersion(case: Case, **more: Any) -> Pair:
    lines = "vdw_corr = 'grimme-d3', dftd3_version = 4, dftd3_threebody = .false."
    return Pair(f"{case.name} D3", case, lines, {"dispersion": "d3bj"}, **more)


PAIRS = (
    _hubbard(_CARBIDE, "C-2p", 5.0, "atomic", 2),
    _hubbard(_CARBIDE, "C-2p", 5.0, "ortho-atomic", 2),
    _hubbard(_IRON, "Fe-3d", 2.2, "atomic", 1, _SPIN, selectors={"Fe": "GTH-PADE-q8"}),
    _hubbard(_IRON, "Fe-3d", 2.2, "ortho-atomic", 1, _SPIN, selectors={"Fe": "GTH-PADE-q8"}, quick=False),
    _hubbard(_TITANIUM_CARBIDE, "Ti-3d", 3.0, "atomic", 1, selectors={"Ti": "GTH-PADE-q4"}),
    _hubbard(_TWO_IRON, "Fe-3d", 2.0, "atomic", 1, _SPIN, selectors={"Fe": "GTH-PADE-q8"}),
    _dispersion(_DIMER),
    _dispersion(_LAYERS),
    _hybrid("PBE0", "PBE0", "gygi-baldereschi", "input_dft = 'pbe0', exxdiv_treatment = 'gygi-baldereschi', x_gamma_extrapolation = .false."),
    _hybrid("PBE0, extrapolated", "PBE0", "extrapolated", "input_dft = 'pbe0', exxdiv_treatment = 'gygi-baldereschi', x_gamma_extrapolation = .true.",
            quick=False),
    _hybrid("PBE0, zero", "PBE0", "zero", "input_dft = 'pbe0', exxdiv_treatment = 'none', x_gamma_extrapolation = .false.", quick=False),
    _hybrid("HSE06", "HSE06-PBE", "zero", "input_dft = 'hse', screening_parameter = 0.11, exxdiv_treatment = 'none', x_gamma_extrapolation = .false."),
)


def peer(pair: Pair, with_term: bool, folder: Path) -> dict[str, Any]:
    """`pw.x` on a pair: energy (Ha), forces (N, 3) Ha/bohr, moment (µ_B)."""
    names = _potentials(pair, folder)
    text = espresso.input_text(pair.case, names, threshold=1e-11)
    lines = pair.system if with_term else pair.plain
    text = text.replace("/\n&electrons", (lines + "\n" if lines else "") + "/\n&electrons", 1)
    if pair.case.moments is not None:
        text = text.replace("mixing_beta = 0.7", "mixing_beta = 0.3")
    (folder / "run.in").write_text(text)
    output = espresso.execute(folder, pair.name)
    found = espresso.parse(output, len(pair.case.symbols))
    totals = [line.split("=")[1].split()[0] for line in output.splitlines() if "total magnetization" in line]
    energy = float(re.findall(r"^!+\s+total energy\s+=\s+(\S+) Ry", output, re.M)[-1]) / 2  # a hybrid prints one per renewal, after that of PBE
    return {"energy": energy, "forces": found["forces"], "moment": float(totals[-1]) if totals else 0.0}


def _potentials(pair: Pair, folder: Path) -> dict[str, str]:
    from solvers.dft.pseudo.library import entry, find

    from .peers.potentials import pspcod10
    names = {}
    for symbol in dict.fromkeys(pair.case.symbols):
        selector = pair.selectors.get(symbol, "gth")
        names[symbol] = f"{symbol}.UPF" if pair.files else f"{symbol}.gth"
        xc = pair.case.xc
        text = upf_text(find(symbol, xc, selector), ORBITALS[symbol], _FUNCTIONALS[xc]) if pair.files else pspcod10(entry(symbol, xc, selector), xc)
        (folder / names[symbol]).write_text(text)
    return names


def ours(pair: Pair, with_term: bool, folder: Path) -> dict[str, Any]:
    """The same from our engine."""
    from solvers.dft import DFT
    names = _potentials(pair, folder)
    pseudos = {symbol: str(folder / name) for symbol, name in names.items()} if pair.files else pair.selectors or "gth"
    calculator = DFT(**{**keywords(replace(pair.case, pseudos=pseudos)), "tolerance": 1e-9, **(pair.keywords if with_term else {})})
    calculator.calculate(pair.case.atoms(), ("energy",))
    calculation = calculator.calculation
    return {"energy": calculation.energies.free, "forces": calculation.forces, "moment": calculation.total_moment}


def rows_of(pair: Pair, live: bool) -> Iterator[Row]:
    """All comparisons of one pair."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if live:
            theirs, version = [peer(pair, flag, folder) for flag in (True, False)], espresso.version()
        else:
            row = json.loads(_STORED.read_text(encoding="utf-8"))[pair.name]
            theirs, version = [{**row[key], "forces": np.array(row[key]["forces"])} for key in ("with", "without")], row["version"] + " (stored)"
        mine = [ours(pair, flag, folder) for flag in (True, False)]
    n = len(pair.case.symbols)
    added = [(with_it["energy"] - without["energy"]) / n for with_it, without in (mine, theirs)]
    yield compare("orbital_terms", pair.name, "energy of the term", *added, TERM, "Ha/atom", version)
    if n > 1:
        a, b = without_mean(mine[0]["forces"]), without_mean(theirs[0]["forces"])
        worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
        yield compare("orbital_terms", pair.name, f"force {worst[0]}{'xyz'[worst[1]]} (worst of {a.size})", a[worst], b[worst], FORCE, "Ha/bohr", version)
    if pair.case.moments is not None:  # pw.x prints two digits
        yield compare("orbital_terms", pair.name, "total moment", mine[0]["moment"], theirs[0]["moment"], MOMENT + 5e-3, "µB", version)


def run(full: bool = False) -> Iterator[Row]:
    """Every comparison; `pw.x` is run where it is installed, else its stored results are taken."""
    live = espresso.installed()
    for pair in PAIRS:
        if pair.quick or full:
            yield from rows_of(pair, live)


def update(names: list[str]) -> None:
    """Run `pw.x` on the named pairs, on all without names, and store what it says."""
    for pair in PAIRS:
        if names and pair.name not in names:
            continue
        with tempfile.TemporaryDirectory() as name:
            found = {key: peer(pair, flag, Path(name)) for key, flag in (("with", True), ("without", False))}
        rows = json.loads(_STORED.read_text(encoding="utf-8")) if _STORED.is_file() else {}
        rows[pair.name] = {"version": espresso.version(), **{key: {**value, "forces": value["forces"].tolist()} for key, value in found.items()}}
        _STORED.write_text(json.dumps({one.name: rows[one.name] for one in PAIRS if one.name in rows}, indent=1) + "\n", encoding="utf-8")
        print(f"{pair.name}: {found['with']['energy']:.9f} Ha, {found['without']['energy']:.9f} without", file=sys.stderr, flush=True)


if __name__ == "__main__":
    update(sys.argv[1:])
