"""Correlation of the uniform electron gas (libxc 12; 13 with the unrounded A).

J. P. Perdew, Y. Wang, Phys. Rev. B 45, 13244 (1992), eq. 10 and table I, zeta = 0.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

A_PUBLISHED = 0.031091  # table I
A_UNROUNDED = 0.0310907  # libxc "PW92 mod", used inside PBE
_ALPHA1 = 0.21370
_BETA = (7.5957, 3.5876, 1.6382, 0.49294)


def per_electron(rho: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """(ε_c in Ha per electron, dε_c/drho) of the unpolarised gas."""
    rs = (3 / (4 * math.pi * rho)) ** (1 / 3)
    root = torch.sqrt(rs)
    b1, b2, b3, b4 = _BETA
    q = 2 * a * root * (b1 + root * (b2 + root * (b3 + root * b4)))
    dq = a * (b1 / root + 2 * b2 + root * (3 * b3 + 4 * b4 * root))  # dq/drs
    log = torch.log1p(1 / q)
    linear = -2 * a * (1 + _ALPHA1 * rs)
    slope = -2 * a * _ALPHA1 * log - linear * dq / (q * (q + 1))  # dε/drs
    return linear * log, -slope * rs / (3 * rho)


def evaluate(rho: Tensor, sigma: Tensor | None = None) -> tuple[Tensor, Tensor, None]:
    """e = rho ε_c(rho); see `functional.py` for shapes and units."""
    epsilon, slope = per_electron(rho, A_PUBLISHED)
    return rho * epsilon, epsilon + rho * slope, None
