"""Spin-polarised crystals and molecules without symmetry, compared with ABINIT: ferro- and antiferromagnets, a triplet, core densities."""
from __future__ import annotations

import numpy as np

from solvers.core.units import BOHR_ANGSTROM

from .crystals import SETS
from .dft import ANGSTROM, Case, fcc, strained

_BCC2 = 2.87 / BOHR_ANGSTROM * np.eye(3)
#: rhombohedral cell of a rocksalt antiferromagnet of the second kind, in units of the cubic lattice constant
SECOND_KIND = np.array([[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]])


def _file(symbol: str, xc: str = "LDA") -> str:
    return str(SETS[xc] / f"{symbol}.psp8")


MAGNETS = (
    Case("Fe bcc", 5.42352 / 2 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]]), np.zeros((1, 3)), ("Fe",), 20.0, (4, 4, 4), shift=(0.5, 0.5, 0.5),
         pseudos={"Fe": "GTH-PADE-q8"}, smearing=("fermi-dirac", 0.01), box=(20, 20, 20), forces=True, moments=(4.0,),
         note="the cell of DFTK's iron test: -18.21465922614397 Ha, 2.98199463 µB"),
    Case("Fe2 distorted", strained(_BCC2, 0.02, -0.01, 0.0, 0.01, 0.015, -0.02), np.array([[0.0, 0.01, 0.0], [0.52, 0.49, 0.5]]), ("Fe",) * 2, 24.0, (2, 2, 2),
         pseudos={"Fe": "GTH-PADE-q8"}, smearing=("fermi-dirac", 0.02), forces=True, moments=(4.0, 4.0),
         note="at half this width the d levels have two minima; ABINIT ends in one that lies 4.8e-4 Ha/atom above ours"),
    Case("Cr2 antiferromagnetic", 1.09 * strained(_BCC2, 0.03, 0.02, 0.0, 0.01, 0.0, 0.01), np.array([[0.0, 0.0, 0.0], [0.51, 0.5, 0.49]]), ("Cr",) * 2, 24.0,
         (2, 2, 2), pseudos={"Cr": "GTH-PADE-q6"}, smearing=("gaussian", 0.02), forces=True, moments=(4.0, -4.0)),
    Case("O2 triplet at Γ", np.diag([10.0, 9.0, 8.0]), np.array([[0.5, 0.5, 0.5], [0.5, 0.52, 0.78]]), ("O",) * 2, 24.0, (1, 1, 1),
         smearing=("gaussian", 0.005), forces=True, moments=(1.0, 1.0), shape="molecule"),
    Case("NiO distorted", strained(4.17 * ANGSTROM * SECOND_KIND, 0.01, 0.0, -0.01, 0.0, 0.01, 0.02),
         np.array([[0.0, 0.0, 0.0], [0.5, 0.51, 0.5], [0.26, 0.25, 0.25], [0.75, 0.75, 0.74]]), ("Ni", "Ni", "O", "O"), 30.0, (2, 2, 2),
         pseudos={"Ni": "GTH-PADE-q10"}, smearing=("gaussian", 0.01), forces=True, moments=(2.0, -2.0, 0.0, 0.0), quick=False),
    Case("Fe2 distorted psp8 LDA", strained(_BCC2, 0.02, -0.01, 0.0, 0.01, 0.015, -0.02), np.array([[0.0, 0.01, 0.0], [0.52, 0.49, 0.5]]), ("Fe",) * 2, 24.0,
         (2, 2, 2), xc="LDA", pseudos={"Fe": _file("Fe")}, smearing=("fermi-dirac", 0.01), forces=True, moments=(4.0, 4.0), quick=False,
         note="core density, sixteen electrons"),
    Case("FeO distorted psp8 LDA", strained(fcc(4.3 * ANGSTROM), 0.01, 0.02, 0.0, 0.0, 0.01, 0.02), np.array([[0.0, 0.0, 0.0], [0.51, 0.49, 0.5]]),
         ("Fe", "O"), 28.0, (2, 2, 2), xc="LDA", pseudos={"Fe": _file("Fe"), "O": _file("O")}, smearing=("fermi-dirac", 0.01), forces=True, moments=(4.0, 0.0),
         quick=False, note="core density"),
)

#: not magnetic: files with and without core density
FILE_CASES = (
    Case("Si2 psp8", fcc(10.263141334), np.array([[0.13, 0.12, 0.127], [-0.125, -0.125, -0.125]]), ("Si",) * 2, 15.0, (2, 2, 2),
         pseudos={"Si": _file("Si", "PBE")}, forces=True, note="core density"),
    Case("GaN psp8", strained(fcc(4.549 * ANGSTROM), 0.02, 0.0, -0.01, 0.01, 0.0, 0.02), np.array([[0.0, 0.01, 0.0], [0.25, 0.25, 0.26]]), ("Ga", "N"), 26.0,
         (2, 2, 2), pseudos={"Ga": _file("Ga", "PBE"), "N": _file("N", "PBE")}, forces=True, note="3d and core density"),
    Case("CaO psp8", strained(fcc(4.84 * ANGSTROM), 0.0, 0.01, -0.01, 0.02, 0.0, 0.01), np.array([[0.0, 0.0, 0.01], [0.5, 0.51, 0.5]]),
         ("Ca", "O"), 26.0, (2, 2, 2), pseudos={"Ca": _file("Ca", "PBE"), "O": _file("O", "PBE")}, forces=True, note="semicore"),
    Case("AlAs psp8", strained(fcc(5.734 * ANGSTROM), 0.01, -0.02, 0.0, 0.0, 0.02, 0.01), np.array([[0.01, 0.0, 0.0], [0.25, 0.26, 0.25]]), ("Al", "As"),
         16.0, (2, 2, 2), pseudos={"Al": _file("Al", "PBE"), "As": _file("As", "PBE")}, forces=True),
    Case("TiC psp8 LDA", strained(fcc(4.27 * ANGSTROM), 0.01, 0.0, 0.0, 0.02, 0.0, 0.01), np.array([[0.0, 0.01, 0.0], [0.5, 0.5, 0.49]]), ("Ti", "C"), 26.0,
         (2, 2, 2), xc="LDA", pseudos={"Ti": _file("Ti"), "C": _file("C")}, smearing=("fermi-dirac", 0.01), forces=True),
    Case("ZnSe psp8", strained(fcc(5.74 * ANGSTROM), 0.01, 0.0, -0.01, 0.0, 0.01, 0.02), np.array([[0.0, 0.01, 0.0], [0.25, 0.25, 0.26]]), ("Zn", "Se"),
         26.0, (2, 2, 2), pseudos={"Zn": str(SETS["PBE"] / "Zn-sp.psp8"), "Se": str(SETS["PBE"] / "Se-d.psp8")}, forces=True, quick=False),
    Case("H2O psp8 at Γ", np.diag([9.0, 10.0, 9.5]), np.array([[0.5, 0.5, 0.5], [0.66, 0.6, 0.5], [0.35, 0.61, 0.52]]), ("O", "H", "H"), 25.0, (1, 1, 1),
         pseudos={"O": _file("O", "PBE"), "H": _file("H", "PBE")}, forces=True, shape="molecule"),
)
