"""Exchange of PBE (libxc 101) and PBEsol (libxc 116).

J. P. Perdew, K. Burke, M. Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), eqs 10–14; J. P. Perdew et al., Phys. Rev. Lett. 100, 136406 (2008).
Symbols: s² -> s2, F_x -> enhancement, κ -> kappa, μ -> mu.
"""
from __future__ import annotations

import math

from torch import Tensor

from . import lda_x_slater
from .spin import scaled_exchange
from .values import Terms

KAPPA = 0.804
MU_PBE = 0.06672455060314922 * math.pi**2 / 3  # β π²/3 with the unrounded β
MU_SOL = 10 / 81
_S2 = 1 / (4 * (3 * math.pi**2) ** (2 / 3))  # s² = _S2 |∇rho|² rho^{−8/3}


def evaluate(rho: Tensor, sigma: Tensor, mu: float = MU_PBE, kappa: float = KAPPA) -> Terms:
    """e = e_x(uniform) F_x(s), F_x = 1 + κ − κ/(1 + μ s²/κ); see `functional.py` for shapes and units."""
    if rho.dim() == 2:
        return scaled_exchange(lambda n, s: evaluate(n, s, mu, kappa), rho, sigma)
    uniform, v_uniform, _ = lda_x_slater.evaluate(rho)
    per_sigma = _S2 * rho ** (-8 / 3)
    s2 = per_sigma * sigma
    inner = 1 / (1 + mu / kappa * s2)
    enhancement = 1 + kappa - kappa * inner
    slope = mu * inner * inner  # dF/ds²
    return uniform * enhancement, v_uniform * enhancement - uniform * slope * (8 / 3) * s2 / rho, uniform * slope * per_sigma


def evaluate_sol(rho: Tensor, sigma: Tensor) -> Terms:
    """PBEsol: μ = 10/81."""
    return evaluate(rho, sigma, MU_SOL)
