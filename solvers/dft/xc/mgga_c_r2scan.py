"""Correlation of r²SCAN (libxc 498).

J. W. Furness, A. D. Kaplan, J. Ning, J. P. Perdew, J. Sun, J. Phys. Chem. Lett. 11, 8208 (2020), SI eqs S24–S41; the uniform gas is PW92
with the unrounded constants. ε⁰_LSDA -> single, ε¹_LSDA -> gas, Δy -> shift, w₀, w₁ -> w0, w1, γ -> GAMMA, φ -> phi, d_s -> spread, g_c -> polarisation.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

from . import lda_c_pw92
from .derivatives import with_derivatives
from .gga_c_pbe import BETA_PBE, GAMMA
from .mgga_x_r2scan import DP2, ETA, P_SCALE, TAU_UNIFORM, switch
from .spin import total_and_zeta

B1, B2, B3 = 0.0285764, 0.0889, 0.125541
CHI_INFINITY = 0.12802585262625815
G_C = 2.363
SWITCH = ((1.0, -0.64, -0.4352, -1.535685604549, 3.061560252175, -1.915710236206, 0.516884468372, -0.051848879792), 0.64, 1.5, 0.7)
SLOPE = sum(i * c for i, c in enumerate(SWITCH[0]))  # Δf_c2
_T2_PER_P = (3 * math.pi**2) ** (1 / 3) * math.pi / 4  # t² = _T2_PER_P p n^{1/3} / φ²


def per_volume(total: Tensor, zeta: Tensor, sigma: Tensor, tau: Tensor) -> Tensor:
    """e (N,) of the total density, its polarisation, |∇n|² and the total kinetic-energy density."""
    rs = lda_c_pw92.radius(total)
    p = P_SCALE * sigma * total ** (-8 / 3)
    up, down = (1 + zeta) ** (1 / 3), (1 - zeta) ** (1 / 3)
    phi = 0.5 * (up * up + down * down)
    exchange_like = 0.5 * ((1 + zeta) * up + (1 - zeta) * down)
    spread = 0.5 * ((1 + zeta) * up * up + (1 - zeta) * down * down)
    weizsaecker = sigma / (8 * total)
    alpha = (tau - weizsaecker) / (TAU_UNIFORM * total ** (5 / 3) * spread + ETA * weizsaecker)

    # one orbital, S35–S41
    root = torch.sqrt(rs)
    denominator = 1 + B2 * root + B3 * rs
    bare, d_bare = -B1 / denominator, B1 * (0.5 * B2 / root + B3) / denominator**2
    polarisation = (1 - G_C * (exchange_like - 1)) * (1 - zeta**12)
    w0 = torch.expm1(-bare / B1)
    one_orbital = (bare + B1 * torch.log1p(w0 * (1 - (1 + 4 * CHI_INFINITY * p) ** -0.25))) * polarisation

    # slowly varying density, S28–S34
    gas, d_gas, _ = lda_c_pw92.polarised(rs, zeta, lda_c_pw92.UNROUNDED)
    scale = GAMMA * phi**3
    w1 = torch.expm1(-gas / scale)
    beta = BETA_PBE * (1 + 0.1 * rs) / (1 + 0.1778 * rs)
    t2 = _T2_PER_P * p * total ** (1 / 3) / phi**2
    y = beta * t2 / (GAMMA * w1)
    bracket = 20 * rs * (d_bare * polarisation - d_gas) - 45 * ETA * (bare * polarisation - gas)
    shift = SLOPE / (27 * scale * spread * w1) * bracket * p * torch.exp(-(p**2) / DP2**4)
    slowly = gas + scale * torch.log1p(w1 * (1 - (1 + 4 * (y - shift)) ** -0.25))

    return total * (slowly + switch(alpha, SWITCH) * (one_orbital - slowly))


def energy_unpolarised(rho: Tensor, sigma: Tensor, tau: Tensor) -> Tensor:
    """e (N,) of rho, sigma, tau, each (N,)."""
    return per_volume(rho, torch.zeros_like(rho), sigma, tau)


def energy_polarised(rho: Tensor, sigma: Tensor, tau: Tensor) -> Tensor:
    """e (N,) of rho (2, N), sigma (3, N), tau (2, N)."""
    total, zeta, _ = total_and_zeta(rho)
    squared = sigma[0] + 2 * sigma[1] + sigma[2]
    # |∇n|² made non-negative against rounding, with the slope of an untouched one
    squared = squared + (squared.clamp_min(0.0) - squared).detach()
    return per_volume(total, zeta, squared, tau.sum(0))


def evaluate(rho: Tensor, sigma: Tensor, tau: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(e, v_rho, v_sigma, v_tau); see `functional.py` for shapes and units."""
    return with_derivatives(energy_polarised if rho.dim() == 2 else energy_unpolarised, rho, sigma, tau)
