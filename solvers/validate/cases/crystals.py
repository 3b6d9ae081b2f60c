"""Cubic crystals whose equations of state are compared, with ONCV psp8 potentials of Debian's abinit-data (PseudoDojo 0.4).

Cutoffs and meshes are chosen so that all of them run on two cores; both codes use the same ones, so the difference between the codes does not depend on them.
One cutoff serves all volumes of a crystal, so the number of plane waves jumps along the curve, and the energies with it where the cutoff is not converged;
such a curve has no volume (`ROUGH`). Largest distance from a cubic in V^(−2/3), of the spread: GaN 0.19 at 32 Ha, 2e-4 at 45; AlAs 0.22 at 20 Ha, 1e-4 at
45; CaSe 0.38 at 28 Ha, 6e-5 at 45; Fe 0.14 at 33 Ha, 0.04 at 36. GaAs, InAs and ZnSe have no curve yet: at 45 Ha InAs and ZnSe stay within 2e-4 in ours (GaAs,
with a width of 0.005 Ha and a mesh of 4, 1.4e-3). The same plane waves at all volumes (cutoff ∝ V^(−2/3)) make a smooth curve at any cutoff, but at 32 Ha one
without a minimum in these volumes (AlAs, GaAs, CaSe, Fe) or at 0.95 of the middle one (GaN): no equation of state of the crystal, so the cutoff rises.
The stored curves at 36 Ha but Fe's are those of ABINIT with the files' own step (Zn, ZnO and MgO then miss `ENERGY` by 2.5e-6, 1.4e-6 and 7.5e-7 Ha/atom);
those of GaN and CaSe were filled in by polynomials through eight points instead of series (up to 3e-7 Ha/atom): see `peers.potentials`.
All-electron volumes: E. Bosoni et al., Nat. Rev. Phys. 6, 45 (2024), PBE, non-magnetic; printed beside, not judged, where the cutoff is a converged one.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solvers.core.units import BOHR_ANGSTROM

from .dft import Case

VOLUME = 2e-4  # relative, |V0 − V0(ABINIT)|
MODULUS = 5e-3  # relative
ENERGY = 5e-7  # Ha/atom at every volume
ROUGH = 0.1  # largest distance of an energy from the fitted curve, of the spread of the energies, with which a curve is one
#: relative, beside an all-electron code with the same functional, mesh and smearing: what the potential file is worth as physics. Over the 960 crystals of
#: Bosoni et al. the volumes of this table stand 0.14 % (median) and 0.43 % (90th percentile) from all-electron ones; Elk's settings leave 0.23 % open
ALL_ELECTRON_VOLUME = 7e-3
ALL_ELECTRON_MODULUS = 3e-2
#: volumes relative to the middle one
STRAINS = np.linspace(0.94, 1.06, 7)
_FOLDER = Path("/usr/share/abinit/psp")
SETS = {"PBE": _FOLDER / "Pseudodojo_nc_sr_04_pbe_standard_psp8", "LDA": _FOLDER / "Pseudodojo_nc_sr_04_pw_standard_psp8"}
_FILES = {("Zn", "PBE"): "Zn-sp", ("Se", "PBE"): "Se-d"}
_FCC = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
_BCC = np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2
_PROTOTYPES = {
    "fcc": (_FCC, np.zeros((1, 3))), "bcc": (_BCC, np.zeros((1, 3))),
    "diamond": (_FCC, np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]])), "zincblende": (_FCC, np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]])),
    "rocksalt": (_FCC, np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]])), "fluorite": (_FCC, np.array([[0.0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]])),
}


@dataclass(frozen=True)
class Crystal:
    """A cubic crystal: prototype, symbols in the prototype's order, middle volume of the primitive cell (Å³), cutoff (Ha), mesh, Fermi–Dirac width (Ha) or 0;
    `all_electron`: V0 (Å³), B0 (GPa) of the converged reference, None where there is none or the cutoff is below convergence. `quick` ones run by default."""

    prototype: str
    symbols: tuple[str, ...]
    volume: float
    cutoff: float
    mesh: int
    xc: str = "PBE"
    width: float = 0.0
    all_electron: tuple[float, float] | None = None
    quick: bool = False

    @property
    def name(self) -> str:
        """Formula, prototype and functional."""
        return f"{''.join(dict.fromkeys(self.symbols))} {self.prototype} {self.xc}"

    def case(self, strain: float) -> Case:
        """The crystal with `strain` times the middle volume."""
        rows, scaled = _PROTOTYPES[self.prototype]
        cell = rows * (strain * self.volume / abs(np.linalg.det(rows))) ** (1 / 3) / BOHR_ANGSTROM
        return Case(f"{self.name} {strain:.2f}", cell, scaled, self.symbols, self.cutoff, (self.mesh,) * 3, xc=self.xc, pseudos=self.files,
                    smearing=("fermi-dirac", self.width) if self.width else None)

    @property
    def files(self) -> dict[str, str]:
        """Potential file of every element."""
        return {symbol: str(SETS[self.xc] / f"{_FILES.get((symbol, self.xc), symbol)}.psp8") for symbol in dict.fromkeys(self.symbols)}

    @property
    def available(self) -> bool:
        """Whether Debian's potentials are here."""
        return all(Path(path).is_file() for path in self.files.values())


#: spot checks beside Elk
BESIDE_ELK = ("Si diamond PBE", "Al fcc PBE", "Ca fcc PBE", "CaO rocksalt PBE", "AlN zincblende PBE", "C diamond LDA", "BN zincblende LDA", "MgO rocksalt LDA")


def _cube(a: float) -> float:
    return a**3 / 4


CRYSTALS = (
    Crystal("diamond", ("Si", "Si"), 40.91, 20.0, 6, all_electron=(40.9149, 88.51), quick=True),
    Crystal("fcc", ("Al",), 16.50, 20.0, 10, width=0.01, all_electron=(16.4954, 77.51), quick=True),
    Crystal("fcc", ("Ca",), 42.2, 30.0, 6, width=0.01),
    Crystal("fcc", ("Zn",), 15.16, 36.0, 6, width=0.01, all_electron=(15.1620, 69.32)),
    Crystal("rocksalt", ("Ca", "O"), 28.19, 36.0, 4, all_electron=(28.1903, 105.19)),
    Crystal("rocksalt", ("Zn", "O"), 20.28, 36.0, 3),
    Crystal("fluorite", ("Si", "O", "O"), 24.05, 36.0, 3, all_electron=(24.0545, 265.89)),
    Crystal("zincblende", ("Al", "N"), _cube(4.40), 30.0, 4),
    Crystal("zincblende", ("Al", "As"), _cube(5.734), 45.0, 3),
    Crystal("zincblende", ("Ga", "N"), _cube(4.549), 45.0, 3),
    Crystal("zincblende", ("Ga", "As"), _cube(5.751), 32.0, 3),
    Crystal("zincblende", ("In", "As"), _cube(6.19), 28.0, 3, width=0.005),
    Crystal("zincblende", ("In", "N"), _cube(5.05), 32.0, 3, width=0.005),
    Crystal("zincblende", ("Zn", "Se"), _cube(5.74), 32.0, 3),
    Crystal("rocksalt", ("Ca", "Se"), _cube(5.97), 45.0, 3),
    Crystal("diamond", ("C", "C"), _cube(3.54), 36.0, 4, xc="LDA"),
    Crystal("zincblende", ("B", "N"), _cube(3.585), 36.0, 4, xc="LDA"),
    Crystal("rocksalt", ("Mg", "O"), _cube(4.17), 36.0, 4, xc="LDA"),
    Crystal("rocksalt", ("Ti", "C"), _cube(4.27), 32.0, 4, xc="LDA", width=0.01),
    Crystal("fcc", ("Ti",), 16.5, 30.0, 6, xc="LDA", width=0.01),
    Crystal("bcc", ("Fe",), 9.9, 36.0, 6, xc="LDA", width=0.01),
    Crystal("fcc", ("Au",), 16.9, 28.0, 6, xc="LDA", width=0.01),
    Crystal("fcc", ("Pb",), 29.0, 24.0, 6, xc="LDA", width=0.01),
)
