"""Crystals on which the plane-wave engine is compared with other programs, and what it may differ by.

Figures: same potential, cutoff, k-mesh and FFT box on both sides. Energies are the free energy F = E − TS per atom.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from solvers.core.units import BOHR_ANGSTROM

ENERGY = 5e-7  # Ha/atom
ENERGY_SYMMETRY = 5e-6  # Ha/atom, where ours uses symmetry and the peer does not
FORCE = 1e-5  # Ha/bohr, mean force removed on both sides
STRESS = 0.01  # GPa
MOMENT = 1e-3  # µB per cell
COMPONENT = 2e-6  # Ha per atom, single energy terms (first-order in the density error, unlike the total)
SYMMETRY = 1e-9  # Ha/atom, symmetry on against off
MIXED_ENERGY = 1e-7  # Ha/atom, mixed precision beside double
MIXED_FORCE = 1e-6  # Ha/bohr
DERIVATIVE_RELATIVE = 1e-6  # of the largest component, analytic against 5-point difference
DERIVATIVE_FORCE = 1e-8  # Ha/bohr
DERIVATIVE_STRESS = 1e-5  # GPa
EGG_BOX_SILICON = 2e-7  # Ha/atom


@dataclass(frozen=True, eq=False)
class Case:
    """A crystal and how to calculate it: cell rows in bohr, scaled positions, cutoff in Ha, `smearing` (kind, Ha) or None.

    `symmetry` says whether the peer may use it; `box` fixes the FFT box, else the peer's own choice is taken by both. `quick` cases run in the test suite.
    """

    name: str
    cell: np.ndarray
    scaled: np.ndarray
    symbols: tuple[str, ...]
    cutoff: float
    kpts: tuple[int, int, int]
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    xc: str = "PBE"
    pseudos: dict[str, str] = field(default_factory=dict)
    smearing: tuple[str, float] | None = None
    symmetry: bool = True
    box: tuple[int, int, int] | None = None
    forces: bool = False
    quick: bool = True
    note: str = ""
    moments: tuple[float, ...] | None = None  # starting moments in µB; None = not spin-polarised
    shape: str = "crystal"  # or "molecule", "slab"

    @property
    def kind(self) -> str:
        """What is calculated: insulator, metal, magnet, molecule, magnetic molecule, slab, magnetic slab. Insulators are what needs no smearing."""
        if self.shape != "crystal":
            return self.shape if self.moments is None else f"magnetic {self.shape}"
        return "magnet" if self.moments is not None else "metal" if self.smearing else "insulator"

    @property
    def energy_tolerance(self) -> float:
        """Ha/atom."""
        return ENERGY if self.symmetry or self.forces else ENERGY_SYMMETRY

    def atoms(self):
        """A fresh ase.Atoms in Å."""
        from ase import Atoms
        return Atoms(list(self.symbols), scaled_positions=self.scaled, cell=self.cell * BOHR_ANGSTROM, pbc=True)


def fcc(a: float) -> np.ndarray:
    """Primitive cell (rows) of a face-centred cubic lattice with cubic edge `a`."""
    return a / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])


def strained(cell: np.ndarray, *voigt: float) -> np.ndarray:
    """`cell` (rows) under the symmetric strain xx yy zz yz xz xy (tensor components)."""
    xx, yy, zz, yz, xz, xy = voigt
    return cell @ (np.eye(3) + np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))


ANGSTROM = 1 / BOHR_ANGSTROM
_DIAMOND = np.array([[1, 1, 1], [-1, -1, -1]]) / 8
_HCP = np.array([[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]])
_ORIGIN = np.array([0.1234, 0.2817, 0.4159])  # an arbitrary one: no operation keeps it and no translation fits a box


def _hexagonal(a: float, c: float) -> np.ndarray:
    return np.array([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]])


def _quartz() -> tuple[np.ndarray, np.ndarray]:
    """α-quartz, P3_121: a = 4.916 Å, c = 5.405 Å, Si at (u, 0, 1/3), O at (x, y, z). W. H. Baur, Acta Cryst. B 32, 2200 (1976), rounded."""
    u, x, y, z = 0.4697, 0.4135, 0.2669, 0.7858
    third = 1 / 3
    silicon = [(u, 0, third), (0, u, 2 * third), (-u, -u, 0)]
    oxygen = [(x, y, z), (-y, x - y, z + third), (-x + y, -x, z + 2 * third), (y, x, -z), (x - y, -y, -z + 2 * third), (-x, -x + y, -z + third)]
    return _hexagonal(4.916 * ANGSTROM, 5.405 * ANGSTROM), np.array(silicon + oxygen)


_QUARTZ_CELL, _QUARTZ = _quartz()
_SILICON = fcc(10.263141334)

ENERGY_CASES = (
    Case("Si2 LDA", _SILICON, _DIAMOND, ("Si",) * 2, 25.0, (3, 3, 3), xc="LDA", box=(36, 36, 36), note="the cell of DFTK's silicon tests"),
    Case("Si2", _SILICON, _DIAMOND, ("Si",) * 2, 25.0, (3, 3, 3), box=(36, 36, 36), note="the cell of DFTK's silicon tests"),
    Case("Si2 displaced", _SILICON, np.array([[0.13, 0.12, 0.127], [-0.125, -0.125, -0.125]]), ("Si",) * 2, 15.0,
         (3, 3, 3), box=(27, 27, 27), forces=True),
    Case("Al", fcc(4.04 * ANGSTROM), np.zeros((1, 3)), ("Al",), 15.0, (12, 12, 12), smearing=("fermi-dirac", 0.01)),
    Case("MgO", fcc(4.259 * ANGSTROM), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), ("Mg", "O"), 60.0, (4, 4, 4), pseudos={"Mg": "GTH-PBE-q2"}),
    Case("C diamond", fcc(3.567 * ANGSTROM), _DIAMOND, ("C",) * 2, 40.0, (4, 4, 4)),
    Case("Si2 any origin", _SILICON, _DIAMOND + _ORIGIN, ("Si",) * 2, 15.0, (3, 3, 3), symmetry=False),
    Case("Mg hcp any origin", _hexagonal(3.19 * ANGSTROM, 5.18 * ANGSTROM), _HCP + _ORIGIN, ("Mg",) * 2, 15.0, (6, 6, 4), pseudos={"Mg": "GTH-PBE-q2"},
         smearing=("fermi-dirac", 0.01), symmetry=False),
    Case("quartz any origin", _QUARTZ_CELL, _QUARTZ + _ORIGIN, ("Si",) * 3 + ("O",) * 6, 25.0, (2, 2, 2), symmetry=False, quick=False),
)

FORCE_CASES = (
    Case("Si2 PBEsol", _SILICON, np.array([[0.13, 0.12, 0.127], [-0.125, -0.125, -0.125]]), ("Si",) * 2, 15.0, (2, 2, 2), xc="PBEsol",
         pseudos={"Si": "GTH-PBE-q4"}, forces=True, note="a potential made for PBE on both sides"),
    Case("Si2 triclinic", strained(_SILICON, 0.03, -0.02, 0.01, 0.02, -0.015, 0.01), _DIAMOND + [[0.012, -0.01, 0.02], [0, 0, 0]], ("Si",) * 2,
         15.0, (3, 3, 3), shift=(0.5, 0.5, 0.5), forces=True),
    Case("SiC LDA triclinic", strained(fcc(4.36 * ANGSTROM), -0.02, 0.03, 0.0, -0.01, 0.02, 0.015), np.array([[0.01, 0.0, -0.02], [0.25, 0.26, 0.24]]),
         ("Si", "C"), 30.0, (2, 2, 2), xc="LDA", forces=True),
    Case("Al4 rattled", strained(4.05 * ANGSTROM * np.eye(3), 0.02, -0.01, 0.0, 0.01, 0.02, -0.015),
         np.array([[0.01, 0.02, 0.0], [0.0, 0.49, 0.52], [0.51, 0.0, 0.48], [0.5, 0.52, 0.0]]), ("Al",) * 4, 10.0, (3, 3, 3),
         smearing=("fermi-dirac", 0.01), forces=True),
    Case("MgO sheared", strained(fcc(4.259 * ANGSTROM), 0.01, 0.0, -0.02, 0.02, 0.0, 0.03), np.array([[0.01, 0.02, 0.0], [0.5, 0.49, 0.51]]),
         ("Mg", "O"), 40.0, (2, 2, 2), pseudos={"Mg": "GTH-PBE-q2"}, forces=True),
    Case("GaAs triclinic", strained(fcc(5.75 * ANGSTROM), 0.0, 0.02, -0.02, 0.015, 0.01, -0.02), np.array([[0.01, -0.01, 0.015], [0.25, 0.25, 0.25]]),
         ("Ga", "As"), 20.0, (2, 2, 2), pseudos={"Ga": "GTH-PBE-q3"}, shift=(0.5, 0.0, 0.5), forces=True),
    Case("Cu2 distorted", strained(np.diag([3.63 * ANGSTROM / 2**0.5] * 2 + [3.63 * ANGSTROM]), 0.02, 0.0, -0.01, 0.01, 0.0, 0.02),
         np.array([[0.0, 0.0, 0.0], [0.52, 0.49, 0.51]]), ("Cu",) * 2, 40.0, (3, 3, 2), smearing=("gaussian", 0.02), forces=True, note="d projectors"),
    Case("Ti2 LDA distorted", strained(_hexagonal(2.95 * ANGSTROM, 4.68 * ANGSTROM), 0.01, -0.02, 0.0, 0.02, 0.01, 0.0),
         _HCP + [[0.02, 0.0, 0.01], [0, 0, 0]],
         ("Ti",) * 2, 25.0, (3, 3, 2), xc="LDA", pseudos={"Ti": "GTH-PADE-q4"}, smearing=("methfessel-paxton", 0.02), forces=True,
         note="d projectors, Methfessel-Paxton"),
    Case("H2O at Γ", np.diag([9.0, 10.0, 9.5]), np.array([[0.5, 0.5, 0.5], [0.66, 0.6, 0.5], [0.35, 0.61, 0.52]]), ("O", "H", "H"), 25.0, (1, 1, 1),
         forces=True, note="real half sphere", shape="molecule"),
    Case("BaO distorted", strained(fcc(5.54 * ANGSTROM), 0.01, 0.0, -0.01, 0.015, 0.0, 0.01), np.array([[0.01, 0.0, 0.0], [0.5, 0.51, 0.5]]), ("Ba", "O"),
         25.0, (2, 2, 2), forces=True, quick=False, note="f projectors, semicore"),
)

CASES = {case.name: case for case in (*ENERGY_CASES, *FORCE_CASES)}

#: cases for `pw.x`, which knows the same cold smearing as we do (ABINIT's is another polynomial)
COLD = replace(CASES["Al4 rattled"], name="Al4 rattled cold", smearing=("cold", 0.02), box=(24, 24, 24))
ESPRESSO_CASES = {case.name: case for case in (CASES["Si2"], CASES["Si2 displaced"], replace(CASES["Al4 rattled"], box=(24, 24, 24)), COLD)}
#: Ha/atom; `pw.x` has other digits in PW92, which shifts PBE energies by up to 2e-6 Ha/atom, and thereby forces
ESPRESSO_ENERGY = 3e-6
ESPRESSO_FORCE = 2e-5

#: symmetry on against off: boxes that the translations of each crystal fit
SYMMETRY_CASES = (
    Case("Si2 on its box", _SILICON, _DIAMOND, ("Si",) * 2, 12.0, (3, 3, 3), box=(24, 24, 24)),
    Case("C diamond on its box", fcc(3.567 * ANGSTROM), _DIAMOND, ("C",) * 2, 25.0, (2, 2, 2), box=(24, 24, 24)),
    Case("Mg hcp on its box", _hexagonal(3.19 * ANGSTROM, 5.18 * ANGSTROM), _HCP, ("Mg",) * 2, 10.0, (4, 4, 2), pseudos={"Mg": "GTH-PBE-q2"},
         smearing=("fermi-dirac", 0.01), box=(18, 18, 30)),
)
EGG_BOX_CASES = ("Si2", "C diamond", "MgO")
