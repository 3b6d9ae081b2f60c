"""Responses to an electric field by Quantum ESPRESSO 6.7 (`ph.x`, epsil and zeu, tr2_ph 1e-18): our GTH tables written as UPF, same cutoff, mesh and box.

The meshes avoid K = k+G = 0 where there are p projectors: there `ph.x` leaves out the derivative of the p projectors, which is finite (found by comparing
meshes: the difference to our ε∞ is 2e-6 without Γ and in proportion to the weight of Γ with it, 0.2 % for AlP with 4×4×4 points, while our ∂H/∂k is the
numerical derivative of H to 1e-9 at every point). ABINIT 9.6.2 with psp10 files shows the same on Si. s projectors have no such term: BN is compared with Γ.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: largest difference of a component of ε∞ relative to its largest, and of Born charges (e; `ph.x` prints five decimals)
DIELECTRIC_TOLERANCE = 4e-6
BORN_TOLERANCE = 2e-5
VERSION = "Quantum ESPRESSO 6.7 ph.x"


@dataclass(frozen=True)
class FieldCase:
    """A binary or elemental crystal: name and prototype with a (Å) for `ase.build.bulk`, functional, cutoff (eV), mesh, box; the peer's ε∞ and Born charges
    of both atoms as (diagonal, off-diagonal) components: all three axes are equivalent."""

    name: str
    prototype: str
    a: float
    xc: str
    cutoff: float
    kpts: str
    grid: tuple[int, int, int]
    dielectric: tuple[float, float]
    born: tuple[tuple[float, float], ...]

    def atoms(self) -> Any:
        """The crystal as ase.Atoms."""
        from ase.build import bulk
        return bulk(self.name, self.prototype, a=self.a)


CASES = (
    FieldCase("BN", "zincblende", 3.6, "LDA", 400.0, "2x2x2", (18, 18, 18), (11.775308398, 0.0), ((1.41465, 0.0), (-6.01613, 0.0))),
    FieldCase("Si", "diamond", 5.43, "LDA", 200.0, "2x2x2+0.5,0.5,0.5", (20, 20, 20), (23.59925675, -10.723394841),
              ((-1.16069, 1.73477), (-1.16069, 1.73477))),
    FieldCase("AlP", "zincblende", 5.4, "PBE", 200.0, "2x2x2+0.5,0.5,0.5", (20, 20, 20), (10.598944891, -4.174224613),
              ((2.04297, 0.3345), (-3.04877, 1.97116))),
)
