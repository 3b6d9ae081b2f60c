"""Functions on radial meshes: quadrature, spherical Bessel transforms and their interpolation. Hartree atomic units.

A transform of order l of y(r) is  A_0(q) = 4π ∫ g_l(qr) y(r) r^{l+1} dr  with g_l(x) = j_l(x)/x^l, an entire function of x². Because dg_l/dx = −x g_{l+1},
the operator (1/q) d/dq takes A_m into A_{m+1} = (−1)^{m+1} 4π ∫ g_{l+m+1}(qr) y r^{l+3+2m} dr: values and derivatives are exact at q = 0 too.
"""
from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..special import bernoulli_numbers

_SERIES = 5.0  # below this argument the power series is used, above it the upward recurrence
_CHUNK = 400_000  # entries of the Bessel matrix at once


@cache
def gregory_corrections(order: int = 8) -> np.ndarray:
    """End corrections (order,) of the trapezoidal rule with unit step: added to weights 1 at each end they integrate polynomials of degree below `order`.

    Gregory's formula; the corrections solve the moment equations of a one-sided sum, Σ_j c_j j^k = ∓ (zeta-regularised sum of k-th powers) = −ζ(−k).
    """
    numbers = bernoulli_numbers(order + 1)
    # Σ_{j≥0} f(j) − ∫_0^∞ f = −Σ_k B_{k+1}/(k+1)! f^{(k)}(0), with B_1 = −1/2: the weights must cancel it for every power
    moments = np.array([numbers[k + 1] / (k + 1) for k in range(order)])
    powers = np.vander(np.arange(order, dtype=float), order, increasing=True).T
    return np.linalg.solve(powers, moments)


def quadrature(step: np.ndarray, order: int = 8, start: float = 0.0) -> np.ndarray:
    """Weights (n,) of ∫ f dr on a mesh whose step per index is `step` = dr/di (n,), by the trapezoidal rule with end corrections.

    start: the first radius of a mesh that does not begin at zero. What lies before it is a triangle: f rises at least like r, and r v + Z begins with Z there,
    5e-6 Ha bohr³ for hydrogen on the usual logarithmic mesh.
    """
    n = len(step)
    weights = np.ones(n)
    corrections = gregory_corrections(min(order, n))
    weights[:len(corrections)] += corrections
    weights[::-1][:len(corrections)] += corrections
    weights *= step
    weights[0] += 0.5 * start
    return weights


def bessel_ratios(x: np.ndarray, low: int, high: int) -> list[np.ndarray]:
    """g_l(x) = j_l(x)/x^l for l = low … high, relative accuracy 1e-12 at every x ≥ 0."""
    found = [np.empty_like(x) for _ in range(low, high + 1)]
    tiny, small = x < 0.6, x < _SERIES
    for part, terms in ((tiny, 9), (small & ~tiny, 26)):
        # the two highest by their series, the others by the recurrence downwards, which is stable here
        squares = x[part] ** 2
        above, current = (_series(squares, l, terms) for l in (high + 1, high))
        for l in range(high, low - 1, -1):
            found[l - low][part] = current
            above, current = current, (2 * l + 1) * current - squares * above
    large = x[~small]
    if large.size:
        inverse = 1 / large**2
        previous, current = np.cos(large), np.sin(large) / large
        for l in range(high + 1):
            if l >= low:
                found[l - low][~small] = current
            previous, current = current, ((2 * l + 1) * current - previous) * inverse
    return found


def _series(squares: np.ndarray, l: int, terms: int) -> np.ndarray:
    """Power series of g_l at x² = squares, by Horner's rule."""
    total = np.ones_like(squares)
    for k in range(terms, 0, -1):
        total *= squares * (-0.5 / (k * (2 * l + 2 * k + 1)))
        total += 1
    return total / math.prod(range(1, 2 * l + 2, 2))


class Transform:
    """The transform of order l of y(r), r^{l+1} y integrated with `weights`, as a function of q: `value` = A_0 and `slope` = (1/q) dA_0/dq = A_1.

    Tables of the exact value and two exact derivatives at equidistant q, joined by polynomials of degree five, so that value and slope agree with the integral
    to turn⁶/50000 of ∫|y| r^{l+1} dr, `turn` the largest phase q r between two points of a table. The tables grow with the largest q asked for.
    """

    def __init__(self, l: int, r: np.ndarray, weights: np.ndarray, y: np.ndarray, turn: float = 0.12):
        keep = np.flatnonzero(y)
        n = int(keep[-1]) + 1 if len(keep) else 1
        self.l = l
        self._r = r[:n]
        self._y = y[:n] * weights[:n] * 4 * math.pi
        self.step = min(turn / 6, turn / max(float(self._r[-1]), 1e-3))
        self._tables: dict[tuple[int, torch.device], Tensor] = {}
        self._reach = 0.0
        self._direct = 0  # values integrated one by one so far
        self._host: np.ndarray | None = None

    def exact(self, q: np.ndarray, orders: int = 4, first: int = 0) -> np.ndarray:
        """A_first … A_{first+orders−1} at q (n,), (orders, n), by direct integration."""
        out = np.empty((orders, len(q)))
        rows = max(1, _CHUNK // len(self._r))
        moments = [self._y * self._r ** (self.l + 1 + 2 * m) * (-1) ** m for m in range(first, first + orders)]
        for start in range(0, len(q), rows):
            part = slice(start, start + rows)
            for m, g in enumerate(bessel_ratios(np.outer(q[part], self._r), self.l + first, self.l + first + orders - 1)):
                out[m, part] = g @ moments[m]
        return out

    def _table(self, which: int, reach: float, device: torch.device) -> Tensor:
        """Polynomial coefficients (intervals, 6) of A_which on `device`, covering q up to `reach`."""
        if self._host is None or reach >= self._reach:
            goal = 1.15 * reach + 2.0
            q = self.step * np.arange(int(goal / self.step) + 2)
            a = self.exact(q)
            self._tables = {}
            self._host = np.stack([hermite(np.stack([a[m], q * a[m + 1], a[m + 1] + q**2 * a[m + 2]]), self.step) for m in range(2)])
            self._reach = float(q[-1])
        key = which, device
        if key not in self._tables:
            self._tables[key] = torch.from_numpy(self._host[which]).to(device)
        return self._tables[key]

    def _evaluate(self, which: int, q: Tensor) -> Tensor:
        reach = float(q.max()) if q.numel() else 0.0
        if reach >= self._reach and self._direct + q.numel() < reach / self.step:  # a table would cost more than these few integrals
            self._direct += q.numel()
            return torch.from_numpy(self.exact(q.detach().cpu().numpy().ravel().astype(float), 1, which)[0]).reshape(q.shape).to(q)
        table = self._table(which, reach, q.device)
        place = (q / self.step).to(torch.float64)
        left = place.floor().clamp_(0, len(table) - 1)
        t = place - left
        rows = table[left.long()]
        value = rows[..., 5]
        for power in range(4, -1, -1):
            value = value * t + rows[..., power]
        return value.to(q.dtype)

    def value(self, q: Tensor) -> Tensor:
        """A_0(q) for q ≥ 0 of any shape."""
        return self._evaluate(0, q)

    def slope(self, q: Tensor) -> Tensor:
        """(1/q) dA_0/dq, finite at q = 0."""
        return self._evaluate(1, q)


def hermite(data: np.ndarray, step: float) -> np.ndarray:
    """Coefficients (n−1, 6), lowest power first, in t = (q − q_i)/step of the quintic polynomials that share value, first and second derivative `data` (3, n)
    at both ends of every interval."""
    f, d, c = data[0], data[1] * step, data[2] * step**2
    f0, f1, d0, d1, c0, c1 = f[:-1], f[1:], d[:-1], d[1:], c[:-1], c[1:]
    rise = f1 - f0
    return np.stack([f0, d0, c0 / 2, 10 * rise - 6 * d0 - 4 * d1 - 1.5 * c0 + 0.5 * c1, -15 * rise + 8 * d0 + 7 * d1 + 1.5 * c0 - c1,
                     6 * rise - 3 * (d0 + d1) - 0.5 * (c0 - c1)], 1)


def zero(q: Tensor) -> Tensor:
    """The transform of nothing."""
    return torch.zeros_like(q)
