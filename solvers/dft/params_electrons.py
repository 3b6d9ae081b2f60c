"""Parameters of the tasks that look at electrons: each is a `DFTParams` with more fields, so all keywords of `DFT(...)` are its own. No torch."""
from __future__ import annotations

from dataclasses import dataclass

from ..core.params import param
from .params import DFTParams, KPoints


@dataclass(frozen=True)
class BandsParams(DFTParams):
    """Band structure along a path, gaps and effective masses."""

    path: str | None = param(None, group="bands", help="k-path like GXWKG, a comma breaks it, [1/2 0 0] is a point; empty = standard path of the lattice")
    path_spacing: float = param(0.05, unit="1/Å", low=1e-3, high=2.0, group="bands", help="largest distance of neighbouring k-points on the path")
    empty_bands: int | None = param(None, low=0, high=10000, group="bands", help="bands above the filled ones; empty = a half more than filled, at least 4")
    cell: str = param("primitive", choices=("primitive", "given"), group="bands",
                      help="primitive: a supercell is reduced first, so that its bands are not folded; given: the cell as it is")
    projections: str = param("shells", choices=("none", "atoms", "shells", "orbitals"), group="bands",
                             help="share of the atoms, of their shells, or of single orbitals in every band (Löwdin)")
    masses: bool = param(True, group="bands", help="effective masses at the band edges of a semiconductor")
    mass_step: float = param(0.04, unit="1/Å", low=1e-3, high=0.5, group="bands", advanced=True, help="step of the finite differences for the masses")
    band_tolerance: float = param(1e-4, unit="eV", low=1e-9, high=0.1, group="bands", advanced=True,
                                  help="residual norm left in every band: an upper bound of the error of its eigenvalue")


@dataclass(frozen=True)
class DosParams(DFTParams):
    """Density of states on a denser mesh, projected on atomic orbitals."""

    dos_kpts: KPoints | None = param(None, group="states", help="mesh of the density of states; empty = twice the self-consistent one along each axis")
    method: str = param("tetrahedra", choices=("tetrahedra", "gaussian"), group="states", help="linear tetrahedra, or a Gaussian on every level")
    width: float = param(0.1, unit="eV", low=1e-3, high=2.0, group="states", help="standard deviation of the Gaussians")
    interval: float = param(0.02, unit="eV", low=1e-4, high=1.0, group="states", help="step of the energy axis")
    projections: str = param("shells", choices=("none", "atoms", "shells", "orbitals"), group="states",
                         help="share of the atoms, of their shells, or of single orbitals (Löwdin)")
    empty_bands: int | None = param(None, low=0, high=10000, group="states", help="bands above the filled ones; empty = a half more than filled, at least 4")
    band_tolerance: float = param(1e-4, unit="eV", low=1e-9, high=0.1, group="states", advanced=True,
                                  help="residual norm left in every band: an upper bound of the error of its eigenvalue")


@dataclass(frozen=True)
class ConvergeParams(DFTParams):
    """Which cutoff, k-mesh and smearing a crystal needs. The keywords of `DFT(...)` say what is calculated; `cutoff` and `kpts` are where the ladders begin."""

    energy_error: float = param(2e-3, unit="eV/atom", low=1e-6, high=0.5, group="goal", help="error allowed in the energy")
    force_error: float = param(0.01, unit="eV/Å", low=1e-6, high=1.0, group="goal", help="error allowed in any force component")
    pressure_error: float = param(0.2, unit="GPa", low=1e-4, high=50.0, group="goal", help="error allowed in the pressure")
    cutoff_factor: float = param(1.15, low=1.02, high=2.0, group="ladder", advanced=True, help="ratio of neighbouring cutoffs")
    spacing_factor: float = param(0.8, low=0.4, high=0.97, group="ladder", advanced=True, help="ratio of neighbouring k-point spacings")
    vary_smearing: bool = param(True, group="ladder", help="also compare smearing widths")
    rattle: float = param(0.0, unit="Å", low=0.0, high=0.3, group="ladder",
                          help="displace atoms at random by about this, so that forces are tested where symmetry makes them zero")
    max_rungs: int = param(12, low=3, high=40, group="ladder", advanced=True, help="most cutoffs and most meshes to try")


@dataclass(frozen=True)
class WorkFunctionParams(DFTParams):
    """Electrostatic potential across a slab, vacuum levels and work functions. Without `dipole` the correction follows the axis."""

    axis: str = param("auto", choices=("auto", "a", "b", "c"), group="slab", help="cell vector across the vacuum; auto = where most vacuum is")
    correct: bool = param(True, group="slab", help="dipole correction: takes the field between periodic images away")


@dataclass(frozen=True)
class FieldParams(DFTParams):
    """A field in space: density, spin density, localisation, potential, the density of some bands, or what bonding of parts changes."""

    kind: str = param("elf", choices=("density", "spin", "elf", "potential", "bands", "difference"), group="field",
                      help="density, spin density, electron localisation, electrostatic potential, density of bands, or density minus those of parts")
    bands: tuple | None = param(None, group="field", help="kind = bands: numbers from 1, like 3,4,7-9; counted in every spin and k-point")
    window: tuple | None = param(None, unit="eV", group="field", help="kind = bands: lowest,highest energy from the Fermi energy, like -2,0")
    parts: str | None = param(None, group="field", help="kind = difference: atoms (from 0) of the parts, like 0-11;12,13; empty = every atom alone")


@dataclass(frozen=True)
class StmParams(DFTParams):
    """Scanning tunnelling image of a slab by Tersoff and Hamann: states between the Fermi energy and the bias."""

    bias: float = param(-1.0, unit="V", low=-20.0, high=20.0, group="image", help="sample bias: negative = filled states of the sample, positive = empty ones")
    mode: str = param("height", choices=("height", "current"), group="image", help="image at constant height, or of constant current")
    height: float = param(2.0, unit="Å", low=0.2, high=20.0, group="image",
                          help="of the tip above the outermost atom; for constant current the height whose mean current is kept")
    side: str = param("upper", choices=("upper", "lower"), group="image", help="face of the slab")
    axis: str = param("auto", choices=("auto", "a", "b", "c"), group="image", help="cell vector across the vacuum; auto = where most vacuum is")
    stm_kpts: KPoints | None = param(None, group="image", help="mesh of the image; empty = the self-consistent one")
    band_tolerance: float = param(1e-3, unit="eV", low=1e-9, high=0.1, group="image", advanced=True, help="residual norm left in every band")


@dataclass(frozen=True)
class ChargesParams(DFTParams):
    """Charges and moments of atoms (Hirshfeld, Löwdin) and the dipole moment of the cell."""
