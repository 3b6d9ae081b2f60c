"""Parameters of the task `dielectric`. Imports neither torch nor numba."""
from __future__ import annotations

from dataclasses import dataclass

from ...core.params import param
from ..params import DFTParams


@dataclass(frozen=True)
class DielectricParams(DFTParams):
    """Response of an insulator to a homogeneous electric field. Occupations are fixed, whatever `smearing` says; the ground state is solved to
    1e-10 eV/atom."""

    response_tolerance: float = param(1e-6, low=1e-10, high=1e-2, group="response",
                                      help="relative change of the screening density at which the response is converged")
    response_steps: int = param(40, low=2, high=300, group="response", advanced=True, help="most iterations of the response")
    sum_limit: float = param(0.1, unit="e", low=0.0, group="response", advanced=True,
                             help="sum of the Born charges over the atoms, per atom, above which the result carries a warning")
