"""DFT+U, hybrid functionals and D3 beside `pw.x`: what the term adds to the energy, the forces, the moments.

The PBE of `pw.x` differs from libxc's by rounded PW92 constants (up to 2e-6 Ha/atom): energies are compared as differences to the crystal without the term.
Where the term moves many electrons that difference too may feel them: these crystals are LDA, whose digits agree.
Antiferromagnetic oxides, LDA too, are compared as they are: without U they have another ground state.
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
from .cases.magnets import SECOND_KIND
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
            "O": (GaussianOrbital("2s", 0, 2.0, 0.65), GaussianOrbital("2p", 1, 4.0, 0.7)),
            "Mn": (GaussianOrbital("4s", 0, 2.0, 1.7), GaussianOrbital("3d", 2, 5.0, 0.66)),
            "Fe": (GaussianOrbital("4s", 0, 2.0, 1.6), GaussianOrbital("3d", 2, 6.0, 0.62)),
            "Ni": (GaussianOrbital("4s", 0, 2.0, 1.5), GaussianOrbital("3d", 2, 8.0, 0.55))}

#: as `pw.x` names them
_FUNCTIONALS = {"PBE": "SLA PW PBX PBC", "LDA": "SLA PW NOGX NOGC"}


@dataclass(frozen=True, eq=False)
class Pair:
    """A crystal and one term: further lines of `pw.x`'s &system and further keywords of ours, with the same lines for the crystal without the term; plain is
    None where the energy itself is compared. kinds: the element whose atoms `pw.x` gets as kinds of their own, X1, X2, because their moments differ."""

    name: str
    case: Case
    system: str
    keywords: dict[str, Any]
    plain: str | None = ""
    files: bool = False  # UPF files with model orbitals
    quick: bool = True
    selectors: dict[str, str] = field(default_factory=dict)
    kinds: str = ""

    @property
    def runs(self) -> dict[str, bool]:
        """Key of a calculation -> whether it has the term."""
        return {"with": True} if self.plain is None else {"with": True, "without": False}


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


def _oxide(metal: str, a: float, cutoff: float, moment: float) -> Case:
    """A distorted rocksalt antiferromagnet of the second kind, a in Å."""
    return Case(f"{metal}O antiferromagnetic", strained(a * ANGSTROM * SECOND_KIND, 0.01, 0.0, -0.01, 0.0, 0.01, 0.02),
                np.array([[0.0, 0.0, 0.0], [0.5, 0.51, 0.5], [0.26, 0.25, 0.25], [0.75, 0.75, 0.74]]), (metal, metal, "O", "O"), cutoff, (2, 1, 1),
                shift=(0.5, 0.5, 0.5), xc="LDA", smearing=("gaussian", 0.01), symmetry=False, box=(40, 40, 40), forces=True,
                moments=(moment, -moment, 0.0, 0.0))


def _antiferromagnet(case: Case, U: float, projection: str, start: float, potential: str) -> Pair:
    metal = case.symbols[0]
    lines = (f"nspin = 2, starting_magnetization(1) = {start}, starting_magnetization(2) = {-start}, lda_plus_u = .true., "
             f"Hubbard_U(1) = {U}, Hubbard_U(2) = {U}, U_projection_type = '{projection}'")
    return Pair(f"{case.name} {metal}-3d {projection}", case, lines, {"hubbard": f"{metal}-3d={U}", "hubbard_projection": projection}, None, True,
                selectors={metal: potential}, kinds=metal)


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
    _hubbard(_TWO_IRON, "Fe-3d", 2.0, "atomic", 1, _SPIN, selectors={"Fe": "GTH-PADE-q8"}, quick=False),
    _antiferromagnet(_oxide("Mn", 4.445, 17.0, 5.0), 4.0, "ortho-atomic", 0.7, "GTH-PADE-q7"),
    _antiferromagnet(_oxide("Ni", 4.17, 18.0, 2.0), 5.0, "atomic", 0.2, "GTH-PADE-q10"),
    _dispersion(_DIMER),
    _dispersion(_LAYERS),
    _hybrid("PBE0", "PBE0", "gygi-baldereschi", "input_dft = 'pbe0', exxdiv_treatment = 'gygi-baldereschi', x_gamma_extrapolation = .false."),
    _hybrid("PBE0, extrapolated", "PBE0", "extrapolated", "input_dft = 'pbe0', exxdiv_treatment = 'gygi-baldereschi', x_gamma_extrapolation = .true.",
            quick=False),
    _hybrid("PBE0, zero", "PBE0", "zero", "input_dft = 'pbe0', exxdiv_treatment = 'none', x_gamma_extrapolation = .false.", quick=False),
    _hybrid("HSE06", "HSE06-PBE", "zero", "input_dft = 'hse', screening_parameter = 0.11, exxdiv_treatment = 'none', x_gamma_extrapolation = .false."),
)


def peer(pair: Pair, with_term: bool, folder: Path) -> dict[str, Any]:
    """`pw.x` on a pair: energy (Ha), forces (N, 3) Ha/bohr, moment (µ_B), moments of the shells of the atoms of separate kinds."""
    (folder / "run.in").write_text(peer_input(pair, with_term, _potentials(pair, folder)))
    output = espresso.execute(folder, pair.name)
    found = espresso.parse(output, len(pair.case.symbols))
    totals = [line.split("=")[1].split()[0] for line in output.splitlines() if "total magnetization" in line]
    energy = float(re.findall(r"^!+\s+total energy\s+=\s+(\S+) Ry", output, re.M)[-1]) / 2  # a hybrid prints one per renewal, after that of PBE
    traces = re.findall(r"Tr\[ns\(na\)\] \(up, down, total\) =\s+(\S+)\s+(\S+)", output)[-pair.case.symbols.count(pair.kinds):] if pair.kinds else []
    return {"energy": energy, "forces": found["forces"], "moment": float(totals[-1]) if totals else 0.0,
            "shells": [round(float(up) - float(down), 5) for up, down in traces]}


def peer_input(pair: Pair, with_term: bool, files: dict[str, str]) -> str:
    """What `pw.x` is asked; `files` maps symbols to potential files. It is told how many bands to take: its own number for metals (12 for the 16 electrons of
    Fe2) cuts the tail of Fermi–Dirac's occupations and of their entropy."""
    text = espresso.input_text(pair.case, files, threshold=1e-11)
    if pair.kinds:
        text = _separated(text, pair.kinds)
    if pair.case.moments is not None:
        text = text.replace("mixing_beta = 0.7", "mixing_beta = 0.3")
    bands = f"nbnd = {espresso.ample_bands(_electrons(pair))}" if pair.case.smearing else ""
    lines = ", ".join(filter(None, (pair.system if with_term else pair.plain, bands)))
    return text.replace("/\n&electrons", (lines + "\n" if lines else "") + "/\n&electrons", 1)


def _electrons(pair: Pair) -> float:
    from solvers.dft.pseudo.library import entry
    return sum(entry(symbol, pair.case.xc, pair.selectors.get(symbol, "gth")).charge for symbol in pair.case.symbols)


def _separated(text: str, symbol: str) -> str:
    """An input of `pw.x` in which every atom of `symbol` is of a kind of its own with the same potential: Ni1, Ni2, …"""
    rows = text.splitlines()
    places = [i for i, row in enumerate(rows) if row.split()[:1] == [symbol]]  # the kind itself, then its atoms
    kind, atoms = rows[places[0]].removeprefix(symbol), places[1:]
    for number, i in enumerate(atoms, 1):
        rows[i] = f"{symbol}{number}" + rows[i].removeprefix(symbol)
    rows[places[0]] = "\n".join(f"{symbol}{number}{kind}" for number in range(1, len(atoms) + 1))
    elements = int(re.search(r"ntyp = (\d+)", text)[1])
    return "\n".join(rows).replace(f"ntyp = {elements}", f"ntyp = {elements - 1 + len(atoms)}", 1) + "\n"


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
    shells = calculation.problem.terms[0].report(calculation.ground)["hubbard_moments"] if pair.kinds else []
    return {"energy": calculation.energies.free, "forces": calculation.forces, "moment": calculation.total_moment, "shells": list(shells)}


def rows_of(pair: Pair, live: bool) -> Iterator[Row]:
    """All comparisons of one pair."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if live:
            theirs, version = [peer(pair, flag, folder) for flag in pair.runs.values()], espresso.version()
        else:
            row = json.loads(_STORED.read_text(encoding="utf-8"))[pair.name]
            theirs, version = [{**row[key], "forces": np.array(row[key]["forces"])} for key in pair.runs], row["version"] + " (stored)"
        mine = [ours(pair, flag, folder) for flag in pair.runs.values()]
    n = len(pair.case.symbols)
    energies = [(found[0]["energy"] - (0.0 if pair.plain is None else found[1]["energy"])) / n for found in (mine, theirs)]
    yield compare("orbital_terms", pair.name, "free energy" if pair.plain is None else "energy of the term", *energies, TERM, "Ha/atom", version)
    for number, (a, b) in enumerate(zip(mine[0]["shells"], theirs[0].get("shells", ()), strict=True)):
        yield compare("orbital_terms", pair.name, f"moment of the shell of atom {number}", a, b, MOMENT, "µB", version)
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
            found = {key: peer(pair, flag, Path(name)) for key, flag in pair.runs.items()}
        rows = json.loads(_STORED.read_text(encoding="utf-8")) if _STORED.is_file() else {}
        rows[pair.name] = {"version": espresso.version(), **{key: {**value, "forces": value["forces"].tolist()} for key, value in found.items()}}
        _STORED.write_text(json.dumps({one.name: rows[one.name] for one in PAIRS if one.name in rows}, indent=1) + "\n", encoding="utf-8")
        print(f"{pair.name}:", *(f"{row['energy']:.9f} Ha {key}" for key, row in found.items()), file=sys.stderr, flush=True)


if __name__ == "__main__":
    update(sys.argv[1:])
