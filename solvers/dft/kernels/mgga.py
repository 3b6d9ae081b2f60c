"""r²SCAN in one pass over the points: energy and all derivatives of one or two spins; with CPU and CUDA (`mgga_cuda.py`) launchers.

The formulas are those of `xc/mgga_x_r2scan.py` and `xc/mgga_c_r2scan.py`, which are the torch reference: there derivatives are taken automatically, here they
are written out. Suffixes name the variable of a derivative: _r (rs), _z (ζ), _p (s²), _a (ᾱ).
"""
from __future__ import annotations

import math

import numba
import torch
from numba.extending import register_jitable

from ..xc import mgga_c_r2scan as correlation_constants
from ..xc import mgga_x_r2scan as exchange_constants
from ..xc.gga_c_pbe import BETA_PBE, GAMMA
from ..xc.lda_x_slater import _C as _UNIFORM
from ..xc.spin import ZETA_LIMIT
from ..xc.values import FLOOR
from . import gga, use_numba_cache
from .gga import _CURVATURE, _FULL, _GAS, _NORM, _RS, _STIFF, clipped

use_numba_cache()

_ETA, _K1, _H0, _A1, _MU = exchange_constants.ETA, exchange_constants.K1, exchange_constants.H0, exchange_constants.A1, exchange_constants.MU
_D4 = exchange_constants.DP2**4
_P, _TAU = exchange_constants.P_SCALE, exchange_constants.TAU_UNIFORM
_X_SLOPE, _C_SLOPE = exchange_constants.SLOPE, correlation_constants.SLOPE
_X_SWITCH = (*exchange_constants.SWITCH[0], *exchange_constants.SWITCH[1:])
_C_SWITCH = (*correlation_constants.SWITCH[0], *correlation_constants.SWITCH[1:])
_B1, _B2, _B3, _CHI, _G_C = (correlation_constants.B1, correlation_constants.B2, correlation_constants.B3, correlation_constants.CHI_INFINITY,
                             correlation_constants.G_C)
_T2 = correlation_constants._T2_PER_P


@register_jitable
def switch(a, table):
    """(f, df/dᾱ)."""
    c0, c1, c2, c3, c4, c5, c6, c7, low, high, depth = table
    if a < 0.0:
        f = math.exp(-low * a / (1 - a))
        return f, -low * f / ((1 - a) * (1 - a))
    if a <= 2.5:
        f = c0 + a * (c1 + a * (c2 + a * (c3 + a * (c4 + a * (c5 + a * (c6 + a * c7))))))
        return f, c1 + a * (2 * c2 + a * (3 * c3 + a * (4 * c4 + a * (5 * c5 + a * (6 * c6 + a * 7 * c7)))))
    f = -depth * math.exp(high / (1 - a))
    return f, f * high / ((1 - a) * (1 - a))


@register_jitable
def exchange(n, sigma, tau):
    """(e, ∂e/∂n, ∂e/∂σ, ∂e/∂τ) of an unpolarised density."""
    cube = n ** (1 / 3)
    p_sigma = _P / (n * n * cube * cube)
    p = p_sigma * sigma
    w, uniform = sigma / (8 * n), _TAU * n * cube * cube
    denominator = uniform + _ETA * w
    a = (tau - w) / denominator
    a_n = (w - a * (5 / 3 * uniform - _ETA * w)) / (n * denominator)
    a_sigma = -(1 + _ETA * a) / (8 * n * denominator)
    gauss = math.exp(-p * p / _D4)
    x = (_X_SLOPE * gauss + _MU) * p
    x_p = _X_SLOPE * gauss * (1 - 2 * p * p / _D4) + _MU
    inner = 1 / (1 + x / _K1)
    h1, h1_p = 1 + _K1 - _K1 * inner, inner * inner * x_p
    safe = clipped(p, 1e-20, math.inf)
    fourth = math.sqrt(math.sqrt(safe))
    falling = math.exp(-_A1 / fourth)
    decay, decay_p = 1 - falling, -falling * _A1 / (4 * fourth * safe)
    f, f_a = switch(a, _X_SWITCH)
    bare = h1 + f * (_H0 - h1)
    per_p, per_a = (1 - f) * h1_p * decay + bare * decay_p, f_a * (_H0 - h1) * decay
    e = _UNIFORM * n * cube
    return (e * bare * decay, e * (4 / 3 * bare * decay / n - 8 / 3 * per_p * p / n + per_a * a_n), e * (per_p * p_sigma + per_a * a_sigma),
            e * per_a / denominator)


@register_jitable
def fit(rs, root, column):
    """(G, G′, G″) of a column of table I of PW92 by rs."""
    a, alpha1, b1, b2, b3, b4 = column
    q = 2 * a * root * (b1 + root * (b2 + root * (b3 + root * b4)))
    q1 = a * (b1 / root + 2 * b2 + root * (3 * b3 + 4 * b4 * root))
    q2 = a * (-0.5 * b1 / (rs * root) + 1.5 * b3 / root + 4 * b4)
    product = q * (q + 1)
    log = math.log1p(1 / q)
    log1 = -q1 / product
    log2 = -q2 / product + q1 * q1 * (2 * q + 1) / (product * product)
    linear, slope = -2 * a * (1 + alpha1 * rs), -2 * a * alpha1
    return linear * log, slope * log + linear * log1, 2 * slope * log1 + linear * log2


@register_jitable
def correlation(n, zeta, sigma, tau):
    """(e, ∂e/∂n, (∂e/∂ζ)/n, ∂e/∂σ, ∂e/∂τ) at the total density, its polarisation, |∇n|² and the total τ."""
    cube = n ** (1 / 3)
    rs = _RS / cube
    root = math.sqrt(rs)
    p_sigma = _P / (n * n * cube * cube)
    p = p_sigma * sigma
    up, down = (1 + zeta) ** (1 / 3), (1 - zeta) ** (1 / 3)
    phi, phi_z = 0.5 * (up * up + down * down), (1 / up - 1 / down) / 3
    spread, spread_z = 0.5 * ((1 + zeta) * up * up + (1 - zeta) * down * down), 5 / 6 * (up * up - down * down)
    d_x, d_x_z = 0.5 * ((1 + zeta) * up + (1 - zeta) * down), 2 / 3 * (up - down)
    w, uniform = sigma / (8 * n), _TAU * n * cube * cube
    denominator = uniform * spread + _ETA * w
    a = (tau - w) / denominator
    a_n = (w - a * (5 / 3 * uniform * spread - _ETA * w)) / (n * denominator)
    a_sigma, a_z = -(1 + _ETA * a) / (8 * n * denominator), -a * uniform * spread_z / denominator
    f, f_a = switch(a, _C_SWITCH)

    # one orbital
    d, d1, d2 = 1 + _B2 * root + _B3 * rs, 0.5 * _B2 / root + _B3, -0.25 * _B2 / (rs * root)
    b, b_r, b_rr = -_B1 / d, _B1 * d1 / (d * d), _B1 * (d2 - 2 * d1 * d1 / d) / (d * d)
    z11 = zeta**11
    G = (1 - _G_C * (d_x - 1)) * (1 - z11 * zeta)
    G_z = -_G_C * d_x_z * (1 - z11 * zeta) - 12 * z11 * (1 - _G_C * (d_x - 1))
    w0 = math.expm1(-b / _B1)
    reach = 1 + 4 * _CHI * p
    limit = 1 / math.sqrt(math.sqrt(reach))
    argument = 1 + w0 * (1 - limit)
    bare = b + _B1 * math.log(argument)
    s0, s0_z = bare * G, bare * G_z
    s0_r = (b_r - (w0 + 1) * b_r * (1 - limit) / argument) * G
    s0_p = _B1 * w0 * _CHI * limit / (reach * argument) * G

    # slowly varying density
    g0, g0_r, g0_rr = fit(rs, root, _GAS)
    g1, g1_r, g1_rr = fit(rs, root, _FULL)
    m, m_r, m_rr = fit(rs, root, _STIFF)
    k, k_r, k_rr = -m / _CURVATURE, -m_r / _CURVATURE, -m_rr / _CURVATURE
    z3 = zeta * zeta * zeta
    z4 = z3 * zeta
    shape, shape_z = _NORM * (2 * d_x - 2), _NORM * 2 * d_x_z
    mix, mix_r, mix_rr = k * (1 - z4) + (g1 - g0) * z4, k_r * (1 - z4) + (g1_r - g0_r) * z4, k_rr * (1 - z4) + (g1_rr - g0_rr) * z4
    gas, gas_r, gas_rr = g0 + shape * mix, g0_r + shape * mix_r, g0_rr + shape * mix_rr
    gas_z = shape_z * mix + 4 * z3 * shape * (g1 - g0 - k)
    gas_rz = shape_z * mix_r + 4 * z3 * shape * (g1_r - g0_r - k_r)
    scale, scale_z = GAMMA * phi * phi * phi, 3 * GAMMA * phi * phi * phi_z
    w1 = math.expm1(-gas / scale)
    w1_r, w1_z = -(w1 + 1) * gas_r / scale, (w1 + 1) * (gas * scale_z / scale - gas_z) / scale
    beta, beta_r = BETA_PBE * (1 + 0.1 * rs) / (1 + 0.1778 * rs), -0.0778 * BETA_PBE / ((1 + 0.1778 * rs) * (1 + 0.1778 * rs))
    y_p = beta * _T2 * cube / (phi * phi * GAMMA * w1)
    y = y_p * p
    y_r, y_z = y * (beta_r / beta - 1 / rs - w1_r / w1), y * (-2 * phi_z / phi - w1_z / w1)
    gauss = math.exp(-p * p / _D4)
    q, q_p = p * gauss, (1 - 2 * p * p / _D4) * gauss
    K = 20 * rs * (b_r * G - gas_r) - 45 * _ETA * (b * G - gas)
    K_r = (20 - 45 * _ETA) * (b_r * G - gas_r) + 20 * rs * (b_rr * G - gas_rr)
    K_z = 20 * rs * (b_r * G_z - gas_rz) - 45 * _ETA * (b * G_z - gas_z)
    Q = _C_SLOPE / (27 * scale * spread * w1)
    Y = y - Q * K * q
    Y_r = y_r - q * Q * (K_r - K * w1_r / w1)
    Y_z = y_z - q * Q * (K_z - K * (scale_z / scale + spread_z / spread + w1_z / w1))
    Y_p = y_p - Q * K * q_p
    reach = 1 + 4 * Y
    limit = 1 / math.sqrt(math.sqrt(reach))
    argument = 1 + w1 * (1 - limit)
    outer = scale / argument
    through = w1 * limit / reach
    s1 = gas + scale * math.log(argument)
    s1_r = gas_r + outer * (w1_r * (1 - limit) + through * Y_r)
    s1_z = gas_z + scale_z * math.log(argument) + outer * (w1_z * (1 - limit) + through * Y_z)
    s1_p = outer * through * Y_p

    e_r, e_z, e_p, e_a = s1_r + f * (s0_r - s1_r), s1_z + f * (s0_z - s1_z), s1_p + f * (s0_p - s1_p), f_a * (s0 - s1)
    e = s1 + f * (s0 - s1)
    return (n * e, e - e_r * rs / 3 - 8 / 3 * e_p * p + n * e_a * a_n, e_z + e_a * a_z, n * (e_p * p_sigma + e_a * a_sigma), n * e_a / denominator)


@register_jitable
def unpolarised_point(n, sigma, tau):
    """(e, v_rho, v_sigma, v_tau) at one point."""
    if not n > FLOOR:
        return 0.0, 0.0, 0.0, 0.0
    sigma, tau = clipped(sigma, 0.0, math.inf), clipped(tau, 0.0, math.inf)
    e, v, w, u = exchange(n, sigma, tau)
    ec, vc, _, wc, uc = correlation(n, 0.0, sigma, tau)
    return e + ec, v + vc, w + wc, u + uc


@register_jitable
def polarised_point(up, down, up_up, up_down, down_down, tau_up, tau_down):
    """(e, v_up, v_down, v_σ↑↑, v_σ↑↓, v_σ↓↓, v_τ↑, v_τ↓) at one point."""
    up, down = clipped(up, 0.0, math.inf), clipped(down, 0.0, math.inf)
    n = up + down
    if not n > FLOOR:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    up_up, down_down = clipped(up_up, 0.0, math.inf), clipped(down_down, 0.0, math.inf)
    bound = 0.5 * (up_up + down_down)
    up_down = clipped(up_down, -bound, bound)
    tau_up, tau_down = clipped(tau_up, 0.0, math.inf), clipped(tau_down, 0.0, math.inf)
    energy, v_up, v_down, w_up, w_down, u_up, u_down = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if up > 0.5 * FLOOR:
        e, v_up, w, u_up = exchange(2 * up, 4 * up_up, 2 * tau_up)
        energy, w_up = energy + 0.5 * e, 2 * w
    if down > 0.5 * FLOOR:
        e, v_down, w, u_down = exchange(2 * down, 4 * down_down, 2 * tau_down)
        energy, w_down = energy + 0.5 * e, 2 * w
    zeta = (up - down) / n
    free = 1.0 if abs(zeta) < ZETA_LIMIT else 0.0
    zeta = clipped(zeta, -ZETA_LIMIT, ZETA_LIMIT)
    e, v, per_zeta, w, u = correlation(n, zeta, clipped(up_up + 2 * up_down + down_down, 0.0, math.inf), tau_up + tau_down)
    per_zeta *= free
    return (energy + e, v_up + v + (1 - zeta) * per_zeta, v_down + v - (1 + zeta) * per_zeta, w_up + w, 2 * w, w_down + w, u_up + u, u_down + u)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def unpolarised_cpu(rho, sigma, tau, energy, v_rho, v_sigma, v_tau):
    """All arrays (1, N), energy (N,)."""
    for i in range(rho.shape[1]):
        energy[i], v_rho[0, i], v_sigma[0, i], v_tau[0, i] = unpolarised_point(rho[0, i], sigma[0, i], tau[0, i])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def polarised_cpu(rho, sigma, tau, energy, v_rho, v_sigma, v_tau):
    """rho, tau and their slopes (2, N), sigma and its slope (3, N), energy (N,)."""
    for i in range(rho.shape[1]):
        energy[i], v_rho[0, i], v_rho[1, i], v_sigma[0, i], v_sigma[1, i], v_sigma[2, i], v_tau[0, i], v_tau[1, i] = polarised_point(
            rho[0, i], rho[1, i], sigma[0, i], sigma[1, i], sigma[2, i], tau[0, i], tau[1, i])


def evaluate(rho: torch.Tensor, sigma: torch.Tensor, tau: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(e (N,), v_rho, v_sigma, v_tau like their variables) of densities (1 or 2, N), sigma (1 or 3, N), tau like rho; floors and masks included."""
    rho, sigma, tau = (variable.detach().contiguous() for variable in (rho, sigma, tau))
    energy, slopes = rho.new_empty(rho.shape[1]), [torch.empty_like(variable) for variable in (rho, sigma, tau)]
    if rho.device.type == "cuda":
        from . import mgga_cuda
        mgga_cuda.launch(rho, sigma, tau, energy, *slopes)
        return energy, *slopes
    arrays = [a.numpy() for a in (rho, sigma, tau, energy, *slopes)]
    kernel, n = unpolarised_cpu if rho.shape[0] == 1 else polarised_cpu, rho.shape[1]
    gga._workers().share(lambda first, step: kernel(*(a[..., first * n // step:(first + 1) * n // step] for a in arrays)), gga._workers().n_threads)
    return energy, *slopes
