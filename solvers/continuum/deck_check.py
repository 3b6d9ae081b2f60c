"""Is a deck right? A finite-element run of it, compared with closed forms.

Two experiments on a small block: six unit strains, whose stresses are the columns of the stiffness; and uniaxial traction of the rotated crystal, whose
strain is the first column of its compliance, ε_xx = σ/E(n) with 1/E(n) = S_ijkl n_i n_j n_k n_l. The truth is the material where one is given, else the Voigt
constants that the deck's header states. With CalculiX the program reads the file itself; scikit-fem gets the constants read with the published order.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..core.errors import MissingError, SetupError
from ..core.units import GPA_PASCAL
from . import fe_ccx, fe_skfem
from .directions import young_modulus
from .inp import DIALECTS, Deck, deck_text, load_deck, read_back
from .material import Material
from .tensor import compliance, is_stable, mandel_eigenvalues, strain_tensor

#: largest relative difference allowed between a finite-element run and the closed form; ccx prints seven digits
TOLERANCE = 1e-6
SOLVERS = ("auto", "ccx", "skfem")


@dataclass(frozen=True)
class Row:
    """One comparison: what, value found and expected (GPa), relative error over the whole tensor it stands for."""

    what: str
    found: float
    expected: float
    relative_error: float


@dataclass(frozen=True)
class CheckReport:
    """rows, the solver that ran ("ccx" or "skfem"), notes for people; `passed` when every row is within `tolerance`."""

    solver: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    tolerance: float = TOLERANCE

    @property
    def max_relative_error(self) -> float:
        """The largest relative error of all rows."""
        return max(row.relative_error for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether every row is within the tolerance; NaN fails."""
        return all(row.relative_error <= self.tolerance for row in self.rows)

    @property
    def text(self) -> str:
        """The comparison as text for people."""
        lines = [f"{'passed' if self.passed else 'FAILED'} with {self.solver}: relative error {self.max_relative_error:.1e} (allowed {self.tolerance:.0e})"]
        lines += [f"  {row.what:<44} {row.found:12.6f} GPa  expected {row.expected:12.6f}  relative {row.relative_error:.1e}" for row in self.rows]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def to_dict(self) -> dict:
        """Plain values."""
        return {"passed": self.passed, "solver": self.solver, "max_relative_error": self.max_relative_error, "tolerance": self.tolerance,
                "rows": [asdict(row) for row in self.rows], "notes": list(self.notes)}


def check_deck(what: str | Path | Material, solver: str = "auto", *, material: Material | None = None,
               directions: tuple[str, ...] = ("[100]", "[110]", "[111]", "[124]")) -> CheckReport:
    """Run finite elements on a deck (.inp), or on the decks a material (object or .json) makes along `directions`, and compare with closed forms.

    solver: "ccx", "skfem", or "auto": ccx where it is installed. material: the truth for a deck; its header's orientation is applied.
    Raises MissingError when ccx is asked for and absent, ReadError for what is no deck, RunError when the program refuses it.
    """
    chosen = _solver(solver)
    if isinstance(what, Material):
        return _check_material(what, solver, chosen, directions)
    path = Path(what)
    if not path.is_file():
        raise MissingError(f"There is no file {path}.", hint="Give a deck (.inp) or a material (.json).")
    if path.suffix.lower() == ".json":
        return _check_material(Material.load(path), solver, chosen, directions)
    deck = load_deck(path, DIALECTS["calculix"])
    notes: list[str] = []
    if material is not None:
        expected = (material if deck.orientation is None else material.rotated(deck.orientation)).stiffness
    elif deck.declared is not None:
        expected = deck.declared
    else:
        expected = deck.stiffness
        notes.append("the deck states no Voigt constants, so only its own reading was compared")
    if expected.shape != deck.stiffness.shape:
        raise SetupError(f"The deck holds {len(deck.stiffness)} temperature rows, the material {len(expected)}.",
                         hint="Compare a deck with the material it was made of.")
    rows: list[Row] = []
    if material is not None and material.density is not None:
        found = float("nan") if deck.density is None else float(deck.density[0])
        wanted = float(np.ravel(material.density)[0])
        if not abs(found / wanted - 1) <= TOLERANCE:
            notes.append(f"the density reads {found:g} kg/m³ instead of {wanted:g}")
            rows.append(Row("density (kg/m³)", found, wanted, float(np.nan_to_num(abs(found / wanted - 1), nan=np.inf))))
    return CheckReport(chosen, tuple(rows + _compare(deck, expected, chosen)), tuple(notes + _notes(solver, chosen)))


def _solver(solver: str) -> str:
    if solver not in SOLVERS:
        raise SetupError(f"Unknown solver {solver!r}.", hint=f"Allowed: {', '.join(SOLVERS)}.")
    if solver == "ccx" and fe_ccx.find() is None:
        raise MissingError("CalculiX (ccx) is not installed.", hint="Install the package calculix-ccx, set QCAD_CCX, or use skfem.")
    return ("ccx" if fe_ccx.find() else "skfem") if solver == "auto" else solver


def _notes(asked: str, chosen: str) -> list[str]:
    if chosen == "skfem":
        return ["scikit-fem used the constants read with the published column order" + ("; CalculiX is not installed" if asked == "auto" else "")]
    return []


def _experiments(deck: Deck, index: int, solver: str) -> tuple[np.ndarray, np.ndarray]:
    """Stiffness (6, 6) in Pa and strain (3, 3) per Pa of traction along x, as the finite-element program finds them for one temperature row."""
    if solver == "skfem":
        scale = np.abs(deck.stiffness[index]).max()  # of order one, so that rounding does not depend on units
        c = deck.stiffness[index] / scale
        return fe_skfem.stiffness(c) * scale, fe_skfem.strain_under_traction(c) / scale
    temperature = None if deck.temperatures is None else float(deck.temperatures[index])
    stress = deck.units.stress
    traction = float(np.abs(deck.stiffness[index]).max() * stress)
    strain = fe_ccx.strain_under_traction(deck.block, deck.name, temperature, traction) / traction
    return fe_ccx.stiffness(deck.block, deck.name, temperature) / stress, strain * stress


def _compare(deck: Deck, expected: np.ndarray, solver: str, title: str = "") -> list[Row]:
    rows = []
    for index, wanted in enumerate(expected):
        where = title + (f" at {deck.temperatures[index]:g} K" if deck.temperatures is not None else "")
        if not is_stable(deck.stiffness[index]):
            lowest, truth = mandel_eigenvalues(deck.stiffness[index])[0], mandel_eigenvalues(wanted)[0]
            rows.append(Row(f"Born's test: smallest Mandel eigenvalue{where}", lowest / GPA_PASCAL, truth / GPA_PASCAL, abs(lowest / truth - 1)))
            continue
        found, strain = _experiments(deck, index, solver)
        worst = np.unravel_index(np.argmax(np.abs(found - wanted)), (6, 6))
        name = f"C{min(worst) + 1}{max(worst) + 1}"
        rows.append(Row(f"six unit strains, worst {name}{where}", found[worst] / GPA_PASCAL, wanted[worst] / GPA_PASCAL,
                        float(np.abs(found - wanted).max() / np.abs(wanted).max())))
        closed = strain_tensor(compliance(wanted)[:, 0])
        rows.append(Row(f"E(x) under uniaxial traction{where}", 1 / strain[0, 0] / GPA_PASCAL, 1 / closed[0, 0] / GPA_PASCAL,
                        float(np.abs(strain - closed).max() / np.abs(closed).max())))
    return rows


def _check_material(material: Material, asked: str, solver: str, directions: tuple[str, ...]) -> CheckReport:
    """Decks with x along each direction; E(n) comes from the unrotated tensor, so that the rotation is checked as well."""
    rows: list[Row] = []
    for direction in directions:
        deck = read_back(deck_text(material, DIALECTS["calculix"], "mm-t-s", direction), DIALECTS["calculix"])
        turned = material.rotated(direction)
        rows += _compare(deck, turned.stiffness, solver, f" x || {direction}")
        n = (turned.R_lattice_to_frame @ material.R_lattice_to_frame.T)[0]  # the part's x axis in the tensor's own frame
        for index, row in enumerate(rows[-2 * len(turned.stiffness) + 1::2]):
            closed = float(young_modulus(material.stiffness[index], n)) / GPA_PASCAL
            rows.append(Row(f"E(n) closed form, unrotated tensor x || {direction}", row.found, closed, abs(row.found / closed - 1)))
    return CheckReport(solver, tuple(rows), tuple(_notes(asked, solver)))
