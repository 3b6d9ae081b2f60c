"""Exchange of r²SCAN (libxc 497).

J. W. Furness, A. D. Kaplan, J. Ning, J. P. Perdew, J. Sun, J. Phys. Chem. Lett. 11, 8208 (2020), SI eqs S5–S15, with the switching polynomial
of A. P. Bartók, J. R. Yates, J. Chem. Phys. 150, 161101 (2019). p = s² -> p, ᾱ -> alpha, h_x⁰ -> H0, h_x¹ -> h1, τ_W -> weizsaecker, τ_unif -> uniform.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

from . import lda_x_slater
from .derivatives import with_derivatives
from .spin import scaled_exchange

ETA = 0.001
DP2 = 0.361  # d_p2
K1 = 0.065
H0 = 1.174
A1 = 4.9479
MU = 10 / 81
#: f_x(ᾱ) = Σ c_i ᾱ^i for 0 ≤ ᾱ ≤ 2.5, and exponentials outside: (c, c₁, c₂, d)
SWITCH = ((1.0, -0.667, -0.4445555, -0.663086601049, 1.451297044490, -0.887998041597, 0.234528941479, -0.023185843322), 0.667, 0.8, 1.24)
#: C_η C_2x: the slope of the gradient expansion that the switch would spoil
SLOPE = (20 / 27 + 5 * ETA / 3) * -sum(i * c for i, c in enumerate(SWITCH[0])) * (1 - H0)
P_SCALE = 1 / (4 * (3 * math.pi**2) ** (2 / 3))  # p = P_SCALE |∇n|² n^{−8/3}
TAU_UNIFORM = 0.3 * (3 * math.pi**2) ** (2 / 3)  # τ_unif = TAU_UNIFORM n^{5/3}


def switch(alpha: Tensor, constants: tuple) -> Tensor:
    """f(ᾱ), eqs S7 and S26: 1 at ᾱ = 0 (one orbital), 0 at 1 (uniform gas), negative beyond."""
    coefficients, c1, c2, d = constants
    below, middle, above = alpha.clamp_max(0.0), alpha.clamp(0.0, 2.5), alpha.clamp_min(2.5)
    polynomial = torch.full_like(middle, coefficients[-1])
    for c in coefficients[-2::-1]:
        polynomial = polynomial * middle + c
    return torch.where(alpha < 0, torch.exp(-c1 * below / (1 - below)), torch.where(alpha <= 2.5, polynomial, -d * torch.exp(c2 / (1 - above))))


def energy(rho: Tensor, sigma: Tensor, tau: Tensor) -> Tensor:
    """e (N,) of a density that is not spin-polarised."""
    p = P_SCALE * sigma * rho ** (-8 / 3)
    weizsaecker = sigma / (8 * rho)
    alpha = (tau - weizsaecker) / (TAU_UNIFORM * rho ** (5 / 3) + ETA * weizsaecker)
    x = (SLOPE * torch.exp(-(p**2) / DP2**4) + MU) * p
    h1 = 1 + K1 - K1 / (1 + x / K1)
    # below this p the exponential is zero, and p^{−1/4} would be infinite
    decay = 1 - torch.exp(-A1 * p.clamp_min(1e-20) ** -0.25)
    uniform = lda_x_slater.evaluate(rho)[0]
    return uniform * (h1 + switch(alpha, SWITCH) * (H0 - h1)) * decay


def evaluate(rho: Tensor, sigma: Tensor, tau: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(e, v_rho, v_sigma, v_tau); see `functional.py` for shapes and units."""
    if rho.dim() == 2:
        return scaled_exchange(evaluate, rho, sigma, tau)
    return with_derivatives(energy, rho, sigma, tau)
