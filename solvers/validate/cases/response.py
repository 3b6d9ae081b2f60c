"""Responses to an electric field by Quantum ESPRESSO 6.7 (`ph.x`, epsil and zeu, tr2_ph 1e-18): our GTH tables written as UPF, same cutoff, mesh and box.

ABINIT 9.6.2 is no judge here: with GTH projectors (psp10) its own values differ from those of both codes by up to 0.6 % (zincblende BN, Z*(B): 1.4121 against
1.4147); without projectors (LiH) all agree.
"""
from __future__ import annotations

from dataclasses import dataclass

#: largest difference of ε∞ (relative) and of Born charges (e, `ph.x` prints five decimals)
DIELECTRIC_TOLERANCE = 2e-6
BORN_TOLERANCE = 1e-5


@dataclass(frozen=True)
class FieldCase:
    """A cubic binary: prototype and a (Å) for `ase.build.bulk`, functional, cutoff (eV), mesh, box; ε∞ and Born charge of each atom by the peer."""

    name: str
    prototype: str
    a: float
    xc: str
    cutoff: float
    kpts: str
    grid: tuple[int, int, int]
    dielectric: float
    born: tuple[float, ...]


CASES = (
    FieldCase("BN", "zincblende", 3.6, "LDA", 400.0, "2x2x2", (18, 18, 18), 11.775309413, (1.41465, -6.01613)),
)
