"""Short-range exchange of PBE, screened by erfc(ω r)/r (libxc 524): the part that HSE takes away from PBE.

J. Heyd, G. E. Scuseria, M. Ernzerhof, J. Chem. Phys. 118, 8207 (2003); 124, 219906 (2006), on the exchange hole of M. Ernzerhof, J. P. Perdew, J. Chem. Phys.
109, 3313 (1998):  F(s, ν) = −(8/9) ∫ y J(s, y) erfc(ν y) dy,  ν = ω/k_F,
J = −A/y² / (1 + 4A y²/9) e^{−q y²} + (A/y² + B + C̃ y² + Ẽ y⁴) e^{−(D + q) y²},  q = s² H(s), C̃ = C (1 + s² F(s)), Ẽ = E + s² G(s).
All Gaussian terms are integrated exactly; in the first, erfc is replaced by its fit with eight coefficients times a Gaussian, as all codes do.
In a spin-polarised system k_F belongs to each spin, (6π² n_σ)^{1/3}, which keeps the exact spin scaling of exchange.

s has to stay below 8.572844, where the hole has no solution: `libxc_rule` bends it as libxc does, from s = 1 on (the energy jumps there by 5e-4 ∂F/∂s),
`original_rule` as the first authors and `pw.x`, continuously, from s = 8.3 on.
Symbols: ν -> nu; fit erfc(x) = e^{−η x²} (1 + Σ e_i x^i): η -> ETA (above nu = 14: 2 and no e_i), e_i -> FIT.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from . import lda_x_slater
from .derivatives import with_derivatives
from .exponential_integral import scaled_exponential_integral, scaled_exponential_integral_and_log
from .spin import scaled_exchange
from .values import Terms

A, B, C, D, E = 1.0161144, -0.37170836, -0.077215461, 0.57786348, -0.051955731
_H = (0.00979681, 0.0410834, 0.187440, 0.00120824, 0.0347188)
_F = (6.4753871, 0.47965830)
_G_SERIES = (-0.02628417880, -0.07117647788, 0.08534541323)
_G_SWITCH = 0.08
FIT = (-1.128223946706117, 1.452736265762971, -1.243162299390327, 0.971824836115601,
       -0.568861079687373, 0.246880514820192, -0.065032363850763, 0.008401793031216)
ETA = 1.455915450052607
_NU_SWITCH = 14.0
_S_SWITCH, _S_MAX, _S_BEND = 8.3, 8.572844, 18.79622316
_S = 1 / (2 * (3 * math.pi**2) ** (1 / 3))  # s = _S |∇n| n^{−4/3}


def original_rule(s: Tensor) -> Tensor:
    """s bent above 8.3 only."""
    return torch.where(s < _S_SWITCH, s, _S_MAX - _S_BEND / s.clamp_min(_S_SWITCH) ** 2)


def libxc_rule(s: Tensor) -> Tensor:
    """s − ln(1 + e^{s − 8.572844}) between 1 and 15, the limit above."""
    return torch.where(s < 1.0, s, torch.where(s > 15.0, torch.full_like(s, _S_MAX), s - torch.log1p(torch.exp(s.clamp_max(15.0) - _S_MAX))))


def hole(s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(q, C̃, Ẽ) of the exchange hole at the reduced gradient s."""
    s2 = s * s
    h = s2 * (_H[0] + _H[1] * s2) / (1 + s2 * s2 * (_H[2] + _H[3] * s + _H[4] * s2))
    f = _F[0] * h + _F[1]
    q = s2 * h
    c = C * (1 + s2 * f)
    # Ẽ from the sum rule; towards s = 0 that is 0/0 and a series takes over
    total = D + q
    z = 9 * q.clamp_min(1e-30) / (4 * A)
    sum_rule = math.sqrt(math.pi) / 16 * (15 * E + total * (6 * c + total * (4 * B + 8 * A * total))) * total**-3.5
    sum_rule = sum_rule - 0.75 * math.pi * math.sqrt(A) * torch.special.erfcx(torch.sqrt(z))
    exact = -(0.75 * math.pi + sum_rule) * 16 / (15 * math.sqrt(math.pi)) * total**3.5
    series = s2 * (_G_SERIES[0] + s2 * (_G_SERIES[1] + s2 * _G_SERIES[2]))
    return q, c, E + torch.where(s > _G_SWITCH, exact, series)


def _fitted(nu: Tensor | None, q: Tensor) -> Tensor:
    """∫ y [−A/y² e^{−q y²}/(1 + 4A y²/9) + A/y² e^{−(D + q) y²}] erfc(νy) dy with the fit of erfc, whose Gaussian joins both exponents; nu None: no erfc."""
    def without_powers(bare: Tensor) -> Tensor:
        return 0.5 * A * (scaled_exponential_integral_and_log(9 / (4 * A) * bare) + math.log(4 * A / 9) - torch.log(D + bare))

    if nu is None:
        return without_powers(q)
    near = nu < _NU_SWITCH
    w = nu.clamp_max(_NU_SWITCH)
    bare = q + torch.where(near, ETA * w * w, 2 * nu * nu)
    full = D + bare
    x = 9 / (4 * A) * bare
    e1, erfc = scaled_exponential_integral(x), math.pi * torch.special.erfcx(torch.sqrt(x))
    # term i of the fit leaves y^{i−1}/(1 + y²/c), c = 9/(4A): a polynomial (plain Gaussians) and a remainder (−c)^k/(1 + y²/c) or (−c)^k y/(1 + y²/c)
    root = 1.5 / math.sqrt(A) * w
    odd, even, gaussians = torch.zeros_like(w), torch.zeros_like(w), torch.zeros_like(w)
    for i, coefficient in enumerate(FIT, 1):
        remainder = -A * coefficient * (-1) ** ((i - 1) // 2) * root**i
        if i % 2:
            odd = odd + remainder
        else:
            even = even + remainder
        gaussians = gaussians + coefficient * w**i * _gaussians(i, bare, full)
    return without_powers(bare) + torch.where(near, 0.5 * (odd * erfc + even * e1) + gaussians, torch.zeros_like(w))


def _gaussians(i: int, bare: Tensor, full: Tensor) -> Tensor:
    """∫ [A y^{i−1} e^{−full y²} − A (c y^{i−3} − c² y^{i−5} + … down to y⁰ or y¹) e^{−bare y²}] dy, c = 9/(4A)."""
    value = 0.5 * A * math.gamma(i / 2) * full ** (-i / 2)
    c = 9 / (4 * A)
    power, factor = i - 3, c
    while power >= 0:
        value = value - A * factor * 0.5 * math.gamma((power + 1) / 2) * bare ** (-(power + 1) / 2)
        power, factor = power - 2, -factor * c
    return value


def enhancement(s: Tensor, nu: Tensor | None) -> Tensor:
    """F(s, ν) of the screened exchange; without screening (nu None) the hole's own factor, a few 1e-3 above PBE's. s must be bent already."""
    q, c, e = hole(s)
    a1 = D + q
    # ∫ y^{2n−1} e^{−a₁ y²} erfc(νy) dy for n = 1, 2, 3
    first, second, third = 1 / (2 * a1), 1 / (2 * a1**2), 1 / a1**3
    if nu is not None:
        a3 = a1 + nu * nu
        u, ratio = nu / torch.sqrt(a3), a1 / a3
        first = first * (1 - u)
        second = second * (1 - u * (1 + 0.5 * ratio))
        third = third * (1 - u * (1 + ratio * (0.5 + 0.375 * ratio)))
    return -8 / 9 * (_fitted(nu, q) + B * first + c * second + e * third)


def energy(rho: Tensor, sigma: Tensor, omega: float, rule: Callable[[Tensor], Tensor]) -> Tensor:
    """e (N,) of a density that is not spin-polarised."""
    # the root is kept off zero, where its slope is infinite; F depends on s² there, so the product is right
    s = rule(_S * torch.sqrt(sigma.clamp_min(1e-40)) * rho ** (-4 / 3))
    nu = omega * (3 * math.pi**2 * rho) ** (-1 / 3) if omega else None
    return lda_x_slater.evaluate(rho)[0] * enhancement(s, nu)


def evaluate(rho: Tensor, sigma: Tensor, omega: float, rule: Callable[[Tensor], Tensor] = libxc_rule) -> Terms:
    """(e, v_rho, v_sigma) with ω in 1/bohr (0: the hole's own full-range exchange); see `functional.py` for shapes and units."""
    if rho.dim() == 2:
        return scaled_exchange(lambda n, s: evaluate(n, s, omega, rule), rho, sigma)
    return with_derivatives(partial(energy, omega=omega, rule=rule), rho, sigma)
