"""The analytic potentials of Goedecker, Teter and Hutter, and Hartwigsen, Goedecker and Hutter.

Real space (HGH 1998, eqs 1, 3; C_i in Ha, r in bohr):
    v_loc(r) = −Z/r erf(r/√2 r_loc) + exp(−½(r/r_loc)²) Σ_i C_i (r/r_loc)^{2i−2}
    p_i^l(r) = √2 r^{l+2i−2} exp(−½(r/r_l)²) / (r_l^{l+(4i−1)/2} √Γ(l+(4i−1)/2)),   ∫ p² r² dr = 1
Reciprocal space: with n = i−1, x = (q a)²,
    4π ∫ r^{2n+l+2} e^{−r²/2a²} j_l(qr) dr = 4π √(π/2) 2ⁿ n! a^{2n+2l+3} q^l e^{−x/2} L_n^{(l+½)}(x/2)
so that every projector of every l is one generalised Laguerre polynomial.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .gth_table import GTHEntry


def _laguerre(n: int, a: float) -> np.ndarray:
    """Coefficients, lowest power first, of the generalised Laguerre polynomial L_n^{(a)}; empty for n < 0."""
    return np.array([(-1) ** k * math.gamma(n + a + 1) / (math.gamma(n - k + 1) * math.gamma(a + k + 1) * math.factorial(k)) for k in range(n + 1)])


def _polynomial(coefficients: np.ndarray, t: Tensor) -> Tensor:
    value = torch.zeros_like(t)
    for coefficient in coefficients[::-1]:
        value = value * t + float(coefficient)
    return value


def _gaussian_polynomial(coefficients: tuple[float, ...]) -> np.ndarray:
    """Coefficients in t = (qa)²/2 of the transform of Σ_i C_i (r/a)^{2i−2} e^{−r²/2a²}, without (2π)^{3/2} a³ e^{−t}."""
    total = np.zeros(max(1, len(coefficients)))
    for n, coefficient in enumerate(coefficients):
        total[: n + 1] += coefficient * 2**n * math.factorial(n) * _laguerre(n, 0.5)
    return total


@dataclass(frozen=True, eq=False)
class GTHChannel:
    """Projectors of angular momentum `l` with Gaussian radius `radius` (bohr) and coupling matrix `h` (n, n) Ha."""

    l: int
    radius: float
    h: np.ndarray

    def _scale(self, i: int) -> float:
        power = self.l + (4 * i + 3) / 2
        normal = math.sqrt(2) / (self.radius**power * math.sqrt(math.gamma(power)))
        return 4 * math.pi * math.sqrt(math.pi / 2) * 2**i * math.factorial(i) * self.radius ** (2 * i + 2 * self.l + 3) * normal

    def reduced(self, i: int, q: Tensor) -> Tensor:
        """radial(i, q) / q^l in bohr^{3/2+l}; i counts from 0, q in 1/bohr."""
        t = (q * self.radius) ** 2 / 2
        return self._scale(i) * torch.exp(-t) * _polynomial(_laguerre(i, self.l + 0.5), t)

    def reduced_slope(self, i: int, q: Tensor) -> Tensor:
        """(1/q) d reduced(i, q)/dq, finite at q = 0."""
        t = (q * self.radius) ** 2 / 2
        inner = _polynomial(_laguerre(i, self.l + 0.5), t) + _polynomial(_laguerre(i - 1, self.l + 1.5), t)  # dL_n^a/dt = −L_{n−1}^{a+1}
        return -self._scale(i) * self.radius**2 * torch.exp(-t) * inner

    def radial(self, i: int, q: Tensor) -> Tensor:
        """4π ∫ j_l(qr) p_i(r) r² dr in bohr^{3/2}; see `base.Channel`."""
        return q**self.l * self.reduced(i, q)

    def radial_derivative(self, i: int, q: Tensor) -> Tensor:
        """d radial(i, q) / dq in bohr^{5/2}."""
        slope = q ** (self.l + 1) * self.reduced_slope(i, q)
        return slope if self.l == 0 else slope + self.l * q ** (self.l - 1) * self.reduced(i, q)


class GTH:
    """One GTH potential (see `base.Pseudopotential`), made from its table entry."""

    def __init__(self, entry: GTHEntry):
        self.entry = entry
        self.symbol, self.name, self.xc = entry.symbol, entry.name, entry.xc
        self.charge, self.configuration = float(entry.charge), entry.configuration
        self.source, self.licence, self.sha256 = entry.source, entry.licence, entry.sha256
        shells = enumerate(zip(entry.channel_radii, entry.channel_matrices, strict=True))
        self.channels = tuple(GTHChannel(l, radius, np.array(matrix)) for l, (radius, matrix) in shells if matrix)
        self.has_core = entry.has_core
        self.atomic_orbitals = ()

    def __repr__(self) -> str:
        return f"GTH({self.symbol} {self.name})"

    @cached_property
    def _local_polynomial(self) -> np.ndarray:
        """Coefficients in t = x/2 of the short-range part: C_i belongs to 2^{i−1} (i−1)! L_{i−1}^{(½)}(t)."""
        return _gaussian_polynomial(self.entry.local_coefficients)

    @cached_property
    def _core_polynomials(self) -> list[tuple[float, np.ndarray]]:
        """(radius, coefficients in t) of every Gaussian of 4π ρ_core."""
        return [(radius, _gaussian_polynomial(coefficients)) for radius, coefficients in self.entry.core]

    @property
    def alpha(self) -> float:
        """∫ (v_loc + Z/r) d³r in Ha bohr³."""
        r = self.entry.local_radius
        return 2 * math.pi * self.charge * r**2 + (2 * math.pi) ** 1.5 * r**3 * float(self._local_polynomial[0])

    def local(self, q: Tensor) -> Tensor:
        """v_loc(q) × Ω in Ha bohr³, q > 0 in 1/bohr."""
        r = self.entry.local_radius
        t = (q * r) ** 2 / 2
        return torch.exp(-t) * (-4 * math.pi * self.charge / q**2 + (2 * math.pi) ** 1.5 * r**3 * _polynomial(self._local_polynomial, t))

    def local_derivative(self, q: Tensor) -> Tensor:
        """d local / dq in Ha bohr⁴."""
        r = self.entry.local_radius
        t = (q * r) ** 2 / 2
        polynomial = self._local_polynomial
        slope = _polynomial(polynomial[1:] * np.arange(1, len(polynomial)), t) - _polynomial(polynomial, t)
        coulomb = 4 * math.pi * self.charge * (2 / q**3 + r**2 / q)
        return torch.exp(-t) * (coulomb + (2 * math.pi) ** 1.5 * r**5 * q * slope)

    def core(self, q: Tensor) -> Tensor:
        """∫ ρ_core e^{−iq·r} d³r in electrons; zeros without a core density."""
        total = torch.zeros_like(q)
        for radius, polynomial in self._core_polynomials:
            t = (q * radius) ** 2 / 2
            total = total + math.sqrt(math.pi / 2) * radius**3 * torch.exp(-t) * _polynomial(polynomial, t)
        return total

    def core_derivative(self, q: Tensor) -> Tensor:
        """d core / dq in electrons bohr."""
        total = torch.zeros_like(q)
        for radius, polynomial in self._core_polynomials:
            t = (q * radius) ** 2 / 2
            slope = _polynomial(polynomial[1:] * np.arange(1, len(polynomial)), t) - _polynomial(polynomial, t)
            total = total + math.sqrt(math.pi / 2) * radius**5 * q * torch.exp(-t) * slope
        return total

    def atomic_density(self, q: Tensor) -> None:
        """GTH files hold no atomic density."""
        return None
