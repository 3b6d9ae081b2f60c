"""Parameters of the elastic-constants task. Imports neither torch nor numba."""
from __future__ import annotations

from dataclasses import dataclass

from ..core.params import check, param


@dataclass(frozen=True)
class ElasticParams:
    """Relaxed-ion elastic constants by finite strain."""

    strain: float = param(0.01, low=1e-6, high=0.05, help="largest principal Green–Lagrange strain applied")
    amplitudes: int = param(2, low=1, high=5, help="amplitudes per strain direction, each with both signs; two or more give the amplitude error")
    relax_ions: bool = param(True, help="relax the atoms at each strain; off gives clamped-ion constants, which are another quantity")
    force_tolerance: float | None = param(None, unit="eV/Å", low=1e-12, high=0.1,
                                          help="largest force left on an atom; empty = 1e-3 for plane waves, 1e-5 otherwise")
    axes: str = param("crystal", choices=("crystal", "structure"),
                      help="frame of the material: x along a and z along c* of the conventional cell, or the axes the structure came in")
    max_ion_steps: int = param(60, low=1, help="force evaluations per strain before giving up", advanced=True)
    convergence: bool = param(False, help="also measure the change with a higher cutoff and a denser k-mesh (plane waves): two more error terms")
    cutoff_factor: float = param(1.5, low=1.01, high=4.0, help="cutoff of the convergence runs relative to the calculation's", advanced=True)
    kpoint_factor: float = param(1.3, low=1.01, high=4.0, help="k-mesh of the convergence runs relative to the calculation's, rounded up", advanced=True)
    check_strain: bool = param(True, help="measure one more strain of low symmetry and compare it with the fit", advanced=True)
    symmetry_tolerance: float = param(1e-3, unit="Å", low=1e-8, high=0.5, help="distance within which atoms count as equivalent", advanced=True)
    symmetry_limit: float = param(0.02, low=1e-6, high=1.0, help="refuse when a measured response differs from the fit by more than this fraction",
                                  advanced=True)
    residual_limit: float = param(0.05, low=1e-6, high=1.0, help="refuse when the fit leaves more than this fraction of the stresses unexplained",
                                  advanced=True)
    pulay_limit: float = param(0.5, unit="GPa", low=0.0, help="refuse when the uncorrected Pulay stress exceeds this", advanced=True)
    stress_warning: float = param(0.5, unit="GPa", low=0.0, help="warn when a stress component of the unstrained crystal exceeds this", advanced=True)

    def __post_init__(self):
        check(self)
