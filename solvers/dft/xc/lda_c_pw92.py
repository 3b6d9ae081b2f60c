"""Correlation of the uniform electron gas (libxc 12; 13 with the unrounded constants).

J. P. Perdew, Y. Wang, Phys. Rev. B 45, 13244 (1992), eqs 8–10 and table I.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .spin import spin_potentials, total_and_zeta
from .values import Terms


@dataclass(frozen=True)
class Fit:
    """One column of table I: the fit G(rs) = −2A (1 + α₁ rs) ln(1 + 1/(2A Σ β_i rs^{i/2}))."""

    a: float
    alpha1: float
    beta: tuple[float, float, float, float]


_GAS = (0.21370, (7.5957, 3.5876, 1.6382, 0.49294))
_POLARISED = (0.20548, (14.1189, 6.1977, 3.3662, 0.62517))
_STIFFNESS = (0.11125, (10.357, 3.6231, 0.88026, 0.49671))


@dataclass(frozen=True)
class Constants:
    """Fits for ε(rs, 0), ε(rs, 1) and −α_c(rs), and f″(0)."""

    gas: Fit
    polarised: Fit
    stiffness: Fit
    curvature: float


#: as printed in table I
PUBLISHED = Constants(Fit(0.031091, *_GAS), Fit(0.015545, *_POLARISED), Fit(0.016887, *_STIFFNESS), 1.709921)
#: "PW92 mod" of libxc, used inside PBE
UNROUNDED = Constants(Fit(0.0310907, *_GAS), Fit(0.01554535, *_POLARISED), Fit(0.0168869, *_STIFFNESS), 8 / (9 * (2 ** (4 / 3) - 2)))


def fit(rs: Tensor, column: Fit) -> tuple[Tensor, Tensor]:
    """(G, dG/drs) of one column, Ha per electron."""
    root = torch.sqrt(rs)
    b1, b2, b3, b4 = column.beta
    q = 2 * column.a * root * (b1 + root * (b2 + root * (b3 + root * b4)))
    dq = column.a * (b1 / root + 2 * b2 + root * (3 * b3 + 4 * b4 * root))  # dq/drs
    log = torch.log1p(1 / q)
    linear = -2 * column.a * (1 + column.alpha1 * rs)
    return linear * log, -2 * column.a * column.alpha1 * log - linear * dq / (q * (q + 1))


def radius(rho: Tensor) -> Tensor:
    """rs, bohr: the radius of the sphere that holds one electron."""
    return (3 / (4 * math.pi * rho)) ** (1 / 3)


def per_electron(rho: Tensor, constants: Constants) -> tuple[Tensor, Tensor]:
    """(ε_c in Ha per electron, dε_c/drho) of the unpolarised gas."""
    rs = radius(rho)
    energy, slope = fit(rs, constants.gas)
    return energy, -slope * rs / (3 * rho)


def polarised(rs: Tensor, zeta: Tensor, constants: Constants) -> tuple[Tensor, Tensor, Tensor]:
    """(ε_c, ∂ε_c/∂rs, ∂ε_c/∂ζ) of the gas with polarisation ζ, eq. 8: ε = ε₀ + α_c f(ζ)/f″(0) (1 − ζ⁴) + (ε₁ − ε₀) f(ζ) ζ⁴."""
    (gas, d_gas), (full, d_full), (minus_alpha, d_minus_alpha) = (fit(rs, c) for c in (constants.gas, constants.polarised, constants.stiffness))
    norm = 1 / (2 ** (4 / 3) - 2)
    up, down = (1 + zeta) ** (1 / 3), (1 - zeta) ** (1 / 3)
    f = norm * ((1 + zeta) * up + (1 - zeta) * down - 2)
    df = norm * (4 / 3) * (up - down)
    z3 = zeta**3
    z4 = z3 * zeta
    alpha, d_alpha = -minus_alpha / constants.curvature, -d_minus_alpha / constants.curvature
    energy = gas + f * (alpha * (1 - z4) + (full - gas) * z4)
    per_rs = d_gas + f * (d_alpha * (1 - z4) + (d_full - d_gas) * z4)
    per_zeta = df * (alpha * (1 - z4) + (full - gas) * z4) + 4 * z3 * f * (full - gas - alpha)
    return energy, per_rs, per_zeta


def per_electron_polarised(rho: Tensor, zeta: Tensor, constants: Constants) -> tuple[Tensor, Tensor, Tensor]:
    """(ε_c, ∂ε_c/∂rho, ∂ε_c/∂ζ) of the gas with polarisation ζ."""
    rs = radius(rho)
    energy, per_rs, per_zeta = polarised(rs, zeta, constants)
    return energy, -per_rs * rs / (3 * rho), per_zeta


def evaluate(rho: Tensor, sigma: Tensor | None = None) -> Terms:
    """e = rho ε_c(rho); see `functional.py` for shapes and units."""
    if rho.dim() == 2:
        total, zeta, free = total_and_zeta(rho)
        energy, per_total, per_zeta = per_electron_polarised(total, zeta, PUBLISHED)
        return total * energy, spin_potentials(energy + total * per_total, total * per_zeta * free, total, zeta), None
    epsilon, slope = per_electron(rho, PUBLISHED)
    return rho * epsilon, epsilon + rho * slope, None
