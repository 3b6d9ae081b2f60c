"""Further cells without symmetry beside ABINIT: slabs, sheets, metals with semicore and radicals, GTH and psp8; and what kind of thing every case is."""
from __future__ import annotations

import numpy as np

from .crystals import SETS
from .dft import ANGSTROM, Case, strained

_SHEET = np.array([[4.70, 0.0, 0.0], [-2.36, 4.09, 0.0], [0.1, 0.0, 13.0]])


def _file(symbol: str, xc: str) -> str:
    return str(SETS[xc] / f"{symbol}.psp8")


#: stored values of all; those with psp8 files run where Debian's abinit-data is installed
MORE = (
    Case("graphene rattled", _SHEET, np.array([[0.0, 0.0, 0.5], [0.34, 0.66, 0.51]]), ("C",) * 2, 20.0, (3, 3, 1), smearing=("gaussian", 0.01), forces=True,
         shape="slab"),
    Case("Fe slab", strained(np.diag([5.2, 5.2, 15.0]), 0.01, -0.01, 0.0, 0.0, 0.0, 0.02), np.array([[0.0, 0.0, 0.41], [0.51, 0.49, 0.58]]), ("Fe",) * 2, 18.0,
         (2, 2, 1), xc="LDA", smearing=("fermi-dirac", 0.01), forces=True, moments=(4.0, 4.0), pseudos={"Fe": "GTH-PADE-q8"}, quick=False, shape="slab"),
    Case("BN sheet psp8 LDA", _SHEET, np.array([[0.0, 0.0, 0.5], [0.34, 0.66, 0.51]]), ("B", "N"), 24.0, (2, 2, 1), xc="LDA",
         pseudos={"B": _file("B", "LDA"), "N": _file("N", "LDA")}, forces=True, shape="slab"),
    Case("Al slab psp8", strained(np.diag([5.4, 5.4, 19.0]), 0.01, -0.01, 0.0, 0.0, 0.0, 0.02),
         np.array([[0.0, 0.0, 0.30], [0.51, 0.5, 0.50], [0.0, 0.02, 0.695]]), ("Al",) * 3, 12.0, (3, 3, 1), smearing=("fermi-dirac", 0.01),
         pseudos={"Al": _file("Al", "PBE")}, forces=True, shape="slab"),
    Case("Ca2 psp8 distorted", strained(4.45 * ANGSTROM * np.eye(3), 0.02, -0.01, 0.0, 0.01, 0.015, -0.02), np.array([[0.0, 0.01, 0.0], [0.52, 0.49, 0.5]]),
         ("Ca",) * 2, 18.0, (3, 3, 3), smearing=("methfessel-paxton", 0.02), pseudos={"Ca": _file("Ca", "PBE")}, forces=True, quick=False),
    Case("CH3 radical psp8 LDA", np.diag([8.5, 9.0, 8.0]), np.array([[0.5, 0.5, 0.5], [0.74, 0.51, 0.52], [0.38, 0.70, 0.5], [0.39, 0.31, 0.51]]),
         ("C", "H", "H", "H"), 24.0, (1, 1, 1), xc="LDA", smearing=("gaussian", 0.005), pseudos={"C": _file("C", "LDA"), "H": _file("H", "LDA")}, forces=True,
         moments=(1.0, 0.0, 0.0, 0.0), shape="molecule"),
)
