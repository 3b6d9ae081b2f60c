"""One potential in many files: which forms are written, in which crystal, and what the programs that read them may differ by.

Two-atom silicon and SiC without symmetry, LDA, whose correlation has the same digits in all three programs; the box is fixed. A core density is added to the
analytic potential of silicon where `core` says so: 4π ρ_core = (4 − (r/a)²) e^{−r²/2a²}, a = 0.45 bohr, or the one-Gaussian form of pspcod 12.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .dft import Case, fcc, strained

ENERGY = 5e-7  # Ha/atom
FORCE = 1e-5  # Ha/bohr
STRESS = 0.01  # GPa
TAIL = 0.01  # relative: the shift by a broken tail depends on the very point where the integral ends
CORE = ((0.45, (4.0, -1.0)),)
CORE_12 = (0.45, 0.3)  # rcore in bohr, qcore as a fraction of the ten core electrons

SILICON = Case("silicon", strained(fcc(10.263141334), 0.01, -0.02, 0.0, 0.02, 0.01, -0.01), np.array([[0.13, 0.12, 0.127], [-0.125, -0.125, -0.125]]),
               ("Si",) * 2, 15.0, (2, 2, 2), xc="LDA", box=(27, 27, 27), forces=True)


@dataclass(frozen=True)
class Form:
    """A file: its name here, the writer ("psp8", "upf2", "upf1", "pspcod12"), its mesh ("linear" or "logarithmic"), whether it has a core density, who judges
    ("abinit" or "espresso")."""

    name: str
    writer: str
    mesh: str
    core: bool
    peer: str


FORMS = (Form("psp8", "psp8", "linear", False, "abinit"), Form("psp8 with core", "psp8", "linear", True, "abinit"),
         Form("psp8 with spin-orbit blocks", "psp8 3", "linear", True, "abinit"), Form("UPF 2", "upf2", "logarithmic", False, "espresso"),
         Form("UPF 2 with core", "upf2", "logarithmic", True, "espresso"), Form("UPF 2, equidistant mesh", "upf2", "linear", True, "espresso"),
         Form("UPF 1 with core", "upf1", "logarithmic", True, "espresso"), Form("pspcod 12", "pspcod12", "", True, "espresso"))
