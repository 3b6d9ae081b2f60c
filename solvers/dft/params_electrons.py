"""Parameters of the tasks that look at the electrons of one structure. Each is a `DFTParams` with more fields: all keywords of `DFT(...)` are its own. No torch."""
from __future__ import annotations

from dataclasses import dataclass

from ..core.params import param
from .params import DFTParams


@dataclass(frozen=True)
class BandsParams(DFTParams):
    """Band structure along a path, gaps and effective masses."""

    path: str | None = param(None, group="bands", help="k-path like GXWKG, a comma breaks it, [1/2 0 0] is a point; empty = standard path of the lattice")
    path_spacing: float = param(0.05, unit="1/Å", low=1e-3, high=2.0, group="bands", help="largest distance of neighbouring k-points on the path")
    empty_bands: int | None = param(None, low=0, high=10000, group="bands", help="bands above the filled ones; empty = a half more than filled, at least 4")
    cell: str = param("primitive", choices=("primitive", "given"), group="bands",
                      help="primitive: a supercell is reduced first, so that its bands are not folded; given: the cell as it is")
    masses: bool = param(True, group="bands", help="effective masses at the band edges of a semiconductor")
    mass_step: float = param(0.04, unit="1/Å", low=1e-3, high=0.5, group="bands", advanced=True, help="step of the finite differences for the masses")
    band_tolerance: float = param(1e-4, unit="eV", low=1e-9, high=0.1, group="bands", advanced=True,
                                  help="residual norm left in every band: an upper bound of the error of its eigenvalue")
