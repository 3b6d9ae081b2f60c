"""Correlation of PBE (libxc 130) and PBEsol (libxc 133).

J. P. Perdew, K. Burke, M. Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), eqs 3, 7, 8; J. P. Perdew et al., Phys. Rev. Lett. 100, 136406 (2008).
The uniform gas inside is PW92 with the unrounded constants, as in libxc. Symbols: γ -> GAMMA, t² -> t2, A -> a, H -> h, φ -> phi.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

from . import lda_c_pw92
from .spin import spin_potentials, total_and_zeta
from .values import Terms

GAMMA = (1 - math.log(2)) / math.pi**2
BETA_PBE = 0.06672455060314922
BETA_SOL = 0.046
_T2 = math.pi / (16 * (3 * math.pi**2) ** (1 / 3))  # t² = _T2 |∇rho|² rho^{−7/3} / φ²


def evaluate(rho: Tensor, sigma: Tensor, beta: float = BETA_PBE) -> Terms:
    """e = rho (ε_c + H), H = γ φ³ ln(1 + (β/γ) t² (1 + A t²)/(1 + A t² + A² t⁴)); see `functional.py` for shapes and units."""
    if rho.dim() == 2:
        return _polarised(rho, sigma, beta)
    epsilon, d_epsilon = lda_c_pw92.per_electron(rho, lda_c_pw92.UNROUNDED)
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


def _polarised(rho: Tensor, sigma: Tensor, beta: float) -> Terms:
    """The same with ζ: derivatives go through ε_c(n, ζ), φ(ζ) and t²(n, φ, |∇n|²)."""
    total, zeta, free = total_and_zeta(rho)
    gradient = (sigma[0] + 2 * sigma[1] + sigma[2]).clamp_min(0.0)
    epsilon, epsilon_n, epsilon_zeta = lda_c_pw92.per_electron_polarised(total, zeta, lda_c_pw92.UNROUNDED)
    up, down = (1 + zeta) ** (1 / 3), (1 - zeta) ** (1 / 3)
    phi = 0.5 * (up * up + down * down)
    phi_zeta = (1 / up - 1 / down) / 3
    ratio = beta / GAMMA
    t2_per_sigma = _T2 * total ** (-7 / 3) / (phi * phi)
    t2 = t2_per_sigma * gradient
    scale = GAMMA * phi**3
    exponent = -epsilon / scale
    grown = torch.expm1(exponent)
    a = ratio / grown
    a_exponent = -a * (1 + 1 / grown)
    x = a * t2
    denominator = 1 + x + x * x
    quotient = (1 + x) / denominator
    d_quotient = -x * (2 + x) / denominator**2
    argument = ratio * t2 * quotient
    h = scale * torch.log1p(argument)
    outer = scale * ratio / (1 + argument)
    h_t2 = outer * (quotient + x * d_quotient)
    h_exponent = outer * t2 * t2 * d_quotient * a_exponent
    per_total = epsilon + h + total * (epsilon_n - h_exponent * epsilon_n / scale) - (7 / 3) * t2 * h_t2
    h_phi = (3 * h - 2 * t2 * h_t2 - 3 * exponent * h_exponent) / phi
    per_zeta = total * (epsilon_zeta - h_exponent * epsilon_zeta / scale + h_phi * phi_zeta) * free
    per_sigma = total * h_t2 * t2_per_sigma
    return total * (epsilon + h), spin_potentials(per_total, per_zeta, total, zeta), torch.stack([per_sigma, 2 * per_sigma, per_sigma])


def evaluate_sol(rho: Tensor, sigma: Tensor) -> Terms:
    """PBEsol: β = 0.046."""
    return evaluate(rho, sigma, BETA_SOL)
