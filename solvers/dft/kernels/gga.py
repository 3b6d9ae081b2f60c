"""Gradient functionals of the PBE family in one pass over the points: energy and derivatives of one or two spins; with CPU and CUDA (`gga_cuda.py`) launchers.

The formulas are those of `xc/gga_x_pbe.py`, `xc/gga_c_pbe.py` and `xc/lda_c_pw92.py`, which are the torch reference; array code reads and writes each of some
thirty intermediate arrays, here they stay in registers. A member of the family is four numbers: share of PBE-like exchange, its μ and κ, β of correlation.
"""
from __future__ import annotations

import math
from functools import cache

import numba
import torch
from numba.extending import register_jitable

from ..parallel import Workers
from ..xc.gga_c_pbe import _T2, GAMMA
from ..xc.gga_x_pbe import _S2
from ..xc.lda_c_pw92 import UNROUNDED
from ..xc.lda_x_slater import _C as _UNIFORM
from ..xc.spin import ZETA_LIMIT
from ..xc.values import FLOOR
from . import use_numba_cache
from .boxes import _cuda_works

use_numba_cache()

#: below this many points torch is as fast, and nothing has to be compiled
WORTHWHILE = 16384
_RS = (3 / (4 * math.pi)) ** (1 / 3)
_NORM = 1 / (2 ** (4 / 3) - 2)
_CURVATURE = UNROUNDED.curvature
_GAS = (UNROUNDED.gas.a, UNROUNDED.gas.alpha1, *UNROUNDED.gas.beta)
_FULL = (UNROUNDED.polarised.a, UNROUNDED.polarised.alpha1, *UNROUNDED.polarised.beta)
_STIFF = (UNROUNDED.stiffness.a, UNROUNDED.stiffness.alpha1, *UNROUNDED.stiffness.beta)


@register_jitable
def clipped(value, low, high):
    """value between low and high (Numba's own min and max do not compile for CUDA without a device)."""
    return low if value < low else high if value > high else value


@register_jitable
def fit(rs, root, column):
    """(G, dG/drs) of a column of table I of PW92."""
    a, alpha1, b1, b2, b3, b4 = column
    q = 2 * a * root * (b1 + root * (b2 + root * (b3 + root * b4)))
    slope = a * (b1 / root + 2 * b2 + root * (3 * b3 + 4 * b4 * root))
    log = math.log1p(1 / q)
    linear = -2 * a * (1 + alpha1 * rs)
    return linear * log, -2 * a * alpha1 * log - linear * slope / (q * (q + 1))


@register_jitable
def exchange(n, cube, sigma, mu, kappa):
    """(e, ∂e/∂n, ∂e/∂σ) of PBE-like exchange of an unpolarised density; cube = n^{1/3}."""
    per_electron = _UNIFORM * cube
    per_sigma = _S2 / (n * n * cube * cube)
    s2 = per_sigma * sigma
    inner = 1 / (1 + mu / kappa * s2)
    enhancement = 1 + kappa - kappa * inner
    slope = mu * inner * inner
    return n * per_electron * enhancement, per_electron * (4 / 3 * enhancement - slope * (8 / 3) * s2), n * per_electron * slope * per_sigma


@register_jitable
def gradient_correlation(epsilon, cube_phi, t2, beta):
    """(H, ∂H/∂t², ∂H/∂x, x) of PBE at ε_c and φ³, with x = −ε_c/(γφ³); the derivatives are at fixed φ."""
    ratio = beta / GAMMA
    scale = GAMMA * cube_phi
    exponent = -epsilon / scale
    grown = math.expm1(exponent)
    a = ratio / grown
    x = a * t2
    denominator = 1 + x + x * x
    quotient = (1 + x) / denominator
    slope = -x * (2 + x) / (denominator * denominator)
    argument = ratio * t2 * quotient
    outer = scale * ratio / (1 + argument)
    return scale * math.log1p(argument), outer * (quotient + x * slope), -outer * t2 * t2 * slope * a * (1 + 1 / grown), exponent


@register_jitable
def unpolarised_point(n, sigma, share, mu, kappa, beta):
    """(e, v_rho, v_sigma) at one point."""
    if not n > FLOOR:
        return 0.0, 0.0, 0.0
    sigma = clipped(sigma, 0.0, math.inf)
    cube = n ** (1 / 3)
    x_energy, x_rho, x_sigma = exchange(n, cube, sigma, mu, kappa)
    rs = _RS / cube
    epsilon, slope = fit(rs, math.sqrt(rs), _GAS)
    epsilon_n = -slope * rs / (3 * n)
    per_sigma = _T2 / (n * n * cube)
    t2 = per_sigma * sigma
    h, h_t2, h_exponent, _ = gradient_correlation(epsilon, 1.0, t2, beta)
    v_rho = epsilon + h + n * (epsilon_n - h_exponent * epsilon_n / GAMMA) - (7 / 3) * t2 * h_t2
    return share * x_energy + n * (epsilon + h), share * x_rho + v_rho, share * x_sigma + n * h_t2 * per_sigma


@register_jitable
def polarised_point(up, down, up_up, up_down, down_down, share, mu, kappa, beta):
    """(e, v_up, v_down, v_σ↑↑, v_σ↑↓, v_σ↓↓) at one point."""
    up, down = clipped(up, 0.0, math.inf), clipped(down, 0.0, math.inf)
    n = up + down
    if not n > FLOOR:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    up_up, down_down = clipped(up_up, 0.0, math.inf), clipped(down_down, 0.0, math.inf)
    bound = 0.5 * (up_up + down_down)
    up_down = clipped(up_down, -bound, bound)
    energy, v_up, v_down, w_up, w_down = 0.0, 0.0, 0.0, 0.0, 0.0
    if up > 0.5 * FLOOR:
        e, v, w = exchange(2 * up, (2 * up) ** (1 / 3), 4 * up_up, mu, kappa)
        energy, v_up, w_up = energy + 0.5 * e, v, 2 * w
    if down > 0.5 * FLOOR:
        e, v, w = exchange(2 * down, (2 * down) ** (1 / 3), 4 * down_down, mu, kappa)
        energy, v_down, w_down = energy + 0.5 * e, v, 2 * w

    zeta = (up - down) / n
    free = 1.0 if abs(zeta) < ZETA_LIMIT else 0.0
    zeta = clipped(zeta, -ZETA_LIMIT, ZETA_LIMIT)
    cube = n ** (1 / 3)
    rs = _RS / cube
    root = math.sqrt(rs)
    gas, d_gas = fit(rs, root, _GAS)
    full, d_full = fit(rs, root, _FULL)
    minus_alpha, d_minus_alpha = fit(rs, root, _STIFF)
    plus, minus = (1 + zeta) ** (1 / 3), (1 - zeta) ** (1 / 3)
    f = _NORM * ((1 + zeta) * plus + (1 - zeta) * minus - 2)
    z3 = zeta * zeta * zeta
    z4 = z3 * zeta
    alpha, d_alpha = -minus_alpha / _CURVATURE, -d_minus_alpha / _CURVATURE
    mixed = alpha * (1 - z4) + (full - gas) * z4
    epsilon = gas + f * mixed
    epsilon_n = -(d_gas + f * (d_alpha * (1 - z4) + (d_full - d_gas) * z4)) * rs / (3 * n)
    epsilon_zeta = _NORM * (4 / 3) * (plus - minus) * mixed + 4 * z3 * f * (full - gas - alpha)

    phi = 0.5 * (plus * plus + minus * minus)
    phi_zeta = (1 / plus - 1 / minus) / 3
    cube_phi = phi * phi * phi
    per_sigma = _T2 / (n * n * cube * phi * phi)
    t2 = per_sigma * clipped(up_up + 2 * up_down + down_down, 0.0, math.inf)
    h, h_t2, h_exponent, exponent = gradient_correlation(epsilon, cube_phi, t2, beta)
    through = 1 - h_exponent / (GAMMA * cube_phi)
    per_total = epsilon + h + n * epsilon_n * through - (7 / 3) * t2 * h_t2
    per_zeta = (epsilon_zeta * through + (3 * h - 2 * t2 * h_t2 - 3 * exponent * h_exponent) / phi * phi_zeta) * free
    w = n * h_t2 * per_sigma
    return (share * energy + n * (epsilon + h), share * v_up + per_total + (1 - zeta) * per_zeta, share * v_down + per_total - (1 + zeta) * per_zeta,
            share * w_up + w, 2 * w, share * w_down + w)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def unpolarised_cpu(rho, sigma, family, energy, v_rho, v_sigma):
    """All arrays (N,); family = (share, μ, κ, β)."""
    share, mu, kappa, beta = family
    for i in range(rho.shape[0]):
        energy[i], v_rho[i], v_sigma[i] = unpolarised_point(rho[i], sigma[i], share, mu, kappa, beta)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def polarised_cpu(rho, sigma, family, energy, v_rho, v_sigma):
    """rho, v_rho (2, N), sigma, v_sigma (3, N), energy (N,)."""
    share, mu, kappa, beta = family
    for i in range(rho.shape[1]):
        energy[i], v_rho[0, i], v_rho[1, i], v_sigma[0, i], v_sigma[1, i], v_sigma[2, i] = polarised_point(
            rho[0, i], rho[1, i], sigma[0, i], sigma[1, i], sigma[2, i], share, mu, kappa, beta)


@cache
def _workers() -> Workers:
    return Workers()


def usable(rho: torch.Tensor) -> bool:
    """Whether `evaluate` is worth calling for these densities (S, N): double precision, and many points on the CPU or a GPU that Numba can drive, where one
    launch takes the place of a hundred."""
    if rho.dtype != torch.float64:
        return False
    return rho.shape[1] >= WORTHWHILE if rho.device.type == "cpu" else rho.device.type == "cuda" and _cuda_works()


def evaluate(rho: torch.Tensor, sigma: torch.Tensor, family: tuple[float, float, float, float]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(e (N,), v_rho like rho, v_sigma like sigma) of densities (1 or 2, N) and sigma (1 or 3, N), floors and masks included."""
    rho, sigma = rho.detach().contiguous(), sigma.detach().contiguous()
    energy, v_rho, v_sigma = rho.new_empty(rho.shape[1]), torch.empty_like(rho), torch.empty_like(sigma)
    if rho.device.type == "cuda":
        from . import gga_cuda
        gga_cuda.launch(rho, sigma, family, energy, v_rho, v_sigma)
        return energy, v_rho, v_sigma
    arrays = [a.numpy() for a in (rho, sigma, energy, v_rho, v_sigma)]
    kernel = unpolarised_cpu if rho.shape[0] == 1 else polarised_cpu
    if rho.shape[0] == 1:
        arrays = [a.reshape(-1) for a in arrays]
    n = rho.shape[1]

    def work(first: int, step: int) -> None:
        part = slice(first * n // step, (first + 1) * n // step)
        r, s, e, v, w = (a[..., part] for a in arrays)
        kernel(r, s, family, e, v, w)

    _workers().share(work, _workers().n_threads)
    return energy, v_rho, v_sigma
