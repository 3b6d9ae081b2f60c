"""Crystals, slabs and molecules without symmetry whose potentials are UPF files, compared with `pw.x`: energy, forces, stress, moment.

LDA throughout: the digits of PW92 in `pw.x` are then ours (its PBE is off by up to 2e-6 Ha/atom). The files are written here: GTH table entries put on a
mesh, with or without a core density of our own making, and Debian's psp8 files written anew. Boxes are fixed.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .crystals import SETS
from .dft import ANGSTROM, Case, fcc, strained

#: 4π ρ_core = Σ_i c_i (r/a)^{2i} e^{−r²/2a²} as (a, (c₀, c₁, …))
CORE = ((0.45, (4.0, -1.0)),)
_BCC2 = 2.87 * ANGSTROM * np.eye(3)


@dataclass(frozen=True)
class Source:
    """What an element's UPF file is made of: a selector of the GTH library or the path of a psp8 file; whether `CORE` is added; UPF version."""

    selector: str = "gth"
    core: bool = False
    version: int = 2


@dataclass(frozen=True, eq=False)
class UPFCase:
    """A case and the source of every element's file."""

    case: Case
    sources: dict[str, Source]

    @property
    def available(self) -> bool:
        """Whether the psp8 files that are written anew are here."""
        return all(Path(source.selector).is_file() for source in self.sources.values() if "/" in source.selector)


def _file(symbol: str) -> Source:
    return Source(str(SETS["LDA"] / f"{symbol}.psp8"))


CASES = (
    UPFCase(Case("SiC UPF, core density", strained(fcc(8.24), 0.01, 0.02, -0.01, 0.0, 0.015, 0.02), np.array([[0.01, 0.0, -0.02], [0.25, 0.26, 0.24]]),
                 ("Si", "C"), 16.0, (2, 2, 2), xc="LDA", box=(27, 27, 27), forces=True), {"Si": Source(core=True), "C": Source()}),
    UPFCase(Case("Al4 UPF, cold smearing", strained(4.05 * ANGSTROM * np.eye(3), 0.02, -0.01, 0.0, 0.01, 0.02, -0.015),
                 np.array([[0.01, 0.02, 0.0], [0.0, 0.49, 0.52], [0.51, 0.0, 0.48], [0.5, 0.52, 0.0]]), ("Al",) * 4, 10.0, (2, 2, 2), xc="LDA",
                 smearing=("cold", 0.02), box=(24, 24, 24), forces=True), {"Al": Source(version=1)}),
    UPFCase(Case("Al slab UPF, cold smearing", strained(np.diag([5.4, 5.4, 19.0]), 0.01, -0.01, 0.0, 0.0, 0.0, 0.02),
                 np.array([[0.0, 0.0, 0.30], [0.51, 0.5, 0.50], [0.0, 0.02, 0.695]]), ("Al",) * 3, 10.0, (3, 3, 1), xc="LDA", smearing=("cold", 0.02),
                 box=(20, 20, 60), forces=True, shape="slab"), {"Al": Source(core=True)}),
    UPFCase(Case("H2O UPF at Γ", np.diag([8.0, 9.0, 8.5]), np.array([[0.5, 0.5, 0.5], [0.68, 0.61, 0.5], [0.33, 0.62, 0.52]]), ("O", "H", "H"), 20.0, (1, 1, 1),
                 xc="LDA", box=(36, 40, 36), forces=True, shape="molecule"), {"O": Source(), "H": Source(version=1)}),
    UPFCase(Case("O2 triplet UPF, core density", np.diag([8.0, 7.5, 9.0]), np.array([[0.5, 0.5, 0.38], [0.51, 0.52, 0.635]]), ("O",) * 2, 20.0, (1, 1, 1),
                 xc="LDA", smearing=("gaussian", 0.005), box=(36, 32, 40), forces=True, moments=(1.0, 1.0), shape="molecule"), {"O": Source(core=True)}),
    UPFCase(Case("Fe2 UPF, core density", strained(_BCC2, 0.02, -0.01, 0.0, 0.01, 0.015, -0.02), np.array([[0.0, 0.01, 0.0], [0.52, 0.49, 0.5]]),
                 ("Fe",) * 2, 16.0, (2, 2, 2), xc="LDA", smearing=("fermi-dirac", 0.01), box=(24, 24, 24), forces=True, moments=(4.0, 4.0)),
            {"Fe": Source("GTH-PADE-q8", core=True)}),
    UPFCase(Case("MgO UPF of psp8", strained(fcc(4.17 * ANGSTROM), 0.01, 0.0, -0.02, 0.02, 0.0, 0.03), np.array([[0.01, 0.02, 0.0], [0.5, 0.49, 0.51]]),
                 ("Mg", "O"), 24.0, (2, 2, 2), xc="LDA", box=(32, 32, 32), forces=True), {"Mg": _file("Mg"), "O": _file("O")}),
    UPFCase(Case("TiC UPF of psp8", strained(fcc(4.27 * ANGSTROM), 0.01, 0.0, 0.0, 0.02, 0.0, 0.01), np.array([[0.0, 0.01, 0.0], [0.5, 0.5, 0.49]]),
                 ("Ti", "C"), 24.0, (2, 2, 2), xc="LDA", smearing=("cold", 0.01), box=(32, 32, 32), forces=True), {"Ti": _file("Ti"), "C": _file("C")}),
)
