"""Correlation of PBE (libxc 130) and PBEsol (libxc 133), unpolarised.

J. P. Perdew, K. Burke, M. Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), eqs 3, 7, 8; J. P. Perdew et al., Phys. Rev. Lett. 100, 136406 (2008).
The uniform gas inside is PW92 with the unrounded A, as in libxc. Symbols: γ -> GAMMA, t² -> t2, A -> a, H -> h.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

from . import lda_c_pw92

GAMMA = (1 - math.log(2)) / math.pi**2
BETA_PBE = 0.06672455060314922
BETA_SOL = 0.046
_T2 = math.pi / (16 * (3 * math.pi**2) ** (1 / 3))  # t² = _T2 |∇rho|² rho^{−7/3}


def evaluate(rho: Tensor, sigma: Tensor, beta: float = BETA_PBE) -> tuple[Tensor, Tensor, Tensor]:
    """e = rho (ε_c + H), H = γ ln(1 + (β/γ) t² (1 + A t²)/(1 + A t² + A² t⁴)); see `functional.py` for shapes and units."""
    epsilon, d_epsilon = lda_c_pw92.per_electron(rho, lda_c_pw92.A_UNROUNDED)
    ratio = beta / GAMMA
    t2_per_sigma = _T2 * rho ** (-7 / 3)
    t2 = t2_per_sigma * sigma
    grown = torch.expm1(-epsilon / GAMMA)
    a = ratio / grown
    da_drho = a * (1 + 1 / grown) * d_epsilon / GAMMA
    x = a * t2
    denominator = 1 + x + x * x
    quotient = (1 + x) / denominator
    d_quotient = -x * (2 + x) / denominator**2
    argument = ratio * t2 * quotient
    h = GAMMA * torch.log1p(argument)
    outer = GAMMA * ratio / (1 + argument)
    h_t2 = outer * (quotient + x * d_quotient)
    h_a = outer * t2 * t2 * d_quotient
    v_rho = epsilon + h + rho * (d_epsilon + h_a * da_drho) - (7 / 3) * t2 * h_t2
    return rho * (epsilon + h), v_rho, rho * h_t2 * t2_per_sigma


def evaluate_sol(rho: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """PBEsol: β = 0.046."""
    return evaluate(rho, sigma, BETA_SOL)
