"""A live potential from numbers on a radial mesh (see `base.Pseudopotential`): Bessel transforms of r v + Z, of the projectors and of the densities.

Local part:  v(q) Ω = 4π ∫ r (r v_loc + Z) sin(qr)/(qr) dr − 4πZ/q², so the Coulomb tail is exact and the integral ends where r v + Z does.
Projectors:  radial(q) = 4π ∫ j_l(qr) r² p(r) dr; each is normalised and its norm goes into the coupling.
Densities:   ∫ ρ(r) e^{−iq·r} d³r.
"""
from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from .data import Projectors, RadialPotential, electrons
from .radial import Transform, quadrature, zero

if TYPE_CHECKING:
    from .entry import Entry

#: relative error of the valence charge on the file's mesh above which the file's density is not used: its tail was cut off
_CHARGE = 2e-3
_COARSE = 0.35  # largest phase between two points of a table of densities and orbitals: 4e-8 of their size, densities only serve as a start
#: part of its norm behind which an orbital is cut: the transform feels the root of it, and +U 3e-5 of its energy when this is 1e-9
_ORBITAL_TAIL = 1e-16


class NumericalChannel:
    """Projectors of one l; see `base.Channel`."""

    def __init__(self, channel: Projectors, r: np.ndarray, weights: np.ndarray):
        n = channel.functions.shape[1]
        norms = np.sqrt((channel.functions**2) @ weights[:n])
        self.l = channel.l
        coupling = 0.5 * (channel.coupling + channel.coupling.T)
        self.h = coupling * np.outer(norms, norms)
        self._parts = tuple(Transform(channel.l, r, weights, function / norm) for function, norm in zip(channel.functions, norms, strict=True))

    def reduced(self, i: int, q: Tensor) -> Tensor:
        """radial(i, q) / q^l in bohr^{3/2+l}."""
        return self._parts[i].value(q)

    def reduced_slope(self, i: int, q: Tensor) -> Tensor:
        """(1/q) d reduced(i, q)/dq, finite at q = 0."""
        return self._parts[i].slope(q)

    def radial(self, i: int, q: Tensor) -> Tensor:
        """4π ∫ j_l(qr) p_i(r) r² dr in bohr^{3/2}."""
        return q**self.l * self.reduced(i, q)

    def radial_derivative(self, i: int, q: Tensor) -> Tensor:
        """d radial(i, q) / dq in bohr^{5/2}."""
        slope = q ** (self.l + 1) * self.reduced_slope(i, q)
        return slope if self.l == 0 else slope + self.l * q ** (self.l - 1) * self.reduced(i, q)


class NumericalPotential:
    """One numerical potential, made from its entry and its numbers."""

    def __init__(self, entry: Entry, data: RadialPotential):
        self.entry, self.data = entry, data
        self.symbol, self.name, self.xc = entry.symbol, entry.name, entry.xc
        self.charge, self.configuration = float(entry.charge), entry.configuration
        self.source, self.licence, self.sha256 = entry.source, entry.licence, entry.sha256
        self._weights = quadrature(data.step, start=data.r[0])
        self.channels = tuple(NumericalChannel(channel, data.r, self._weights) for channel in data.channels)
        self.has_core = data.core is not None

    def __repr__(self) -> str:
        return f"NumericalPotential({self.symbol} {self.name})"

    def _transform(self, y: np.ndarray, **options: float) -> Transform:
        """Of a spherical function y(r)/r on the first points of the mesh, l = 0."""
        n = len(y)
        # the end of y is an end of the integral of its own, unless y has vanished there
        weights = self._weights if n == len(self._weights) else quadrature(self.data.step[:n], start=self.data.r[0])
        return Transform(0, self.data.r[:n], weights[:n], y, **options)

    @cached_property
    def _local(self) -> Transform:
        return self._transform(self.data.screened)

    @property
    def alpha(self) -> float:
        """∫ (v_loc + Z/r) d³r in Ha bohr³."""
        return float(self._local.exact(np.zeros(1), 1)[0, 0])

    def local(self, q: Tensor) -> Tensor:
        """v_loc(q) × Ω in Ha bohr³, q > 0 in 1/bohr."""
        return self._local.value(q) - 4 * math.pi * self.charge / q**2

    def local_derivative(self, q: Tensor) -> Tensor:
        """d local / dq in Ha bohr⁴."""
        return q * self._local.slope(q) + 8 * math.pi * self.charge / q**3

    @cached_property
    def _core(self) -> Transform | None:
        return self._transform(self.data.core * self.data.r[:len(self.data.core)]) if self.has_core else None

    def core(self, q: Tensor) -> Tensor:
        """∫ ρ_core e^{−iq·r} d³r in electrons; zeros without a core density."""
        return self._core.value(q) if self._core is not None else zero(q)

    def core_derivative(self, q: Tensor) -> Tensor:
        """d core / dq in electrons bohr."""
        return q * self._core.slope(q) if self._core is not None else zero(q)

    @cached_property
    def _valence(self) -> Transform | None:
        if not abs(electrons(self.data) / self.charge - 1) < _CHARGE:  # also when there is none
            return None
        r, density = self.data.r[:len(self.data.valence)], self.data.valence
        n = _ended(density * r**2 * self.data.step[:len(density)])
        return self._transform(density[:n] * r[:n], turn=_COARSE)

    def atomic_density(self, q: Tensor) -> Tensor | None:
        """The file's pseudo-atomic density as ∫ ρ e^{−iq·r} d³r, scaled to the valence charge; None where the file has none or its tail is cut off."""
        if self._valence is None:
            return None
        return self._valence.value(q) * (self.charge / float(self._valence.exact(np.zeros(1), 1)[0, 0]))

    @cached_property
    def atomic_orbitals(self) -> tuple:
        """`atom.Orbital`s of the file, normalised; () where it has none."""
        from ..atom import Orbital
        found = []
        for shell in self.data.shells:
            n = _ended(shell.radial**2 * self._weights[:len(shell.radial)], _ORBITAL_TAIL)
            shell = replace(shell, radial=shell.radial[:n])
            norm = math.sqrt(float(shell.radial**2 @ self._weights[:n]))
            transform = Transform(shell.l, self.data.r[:n], self._weights[:n], shell.radial / norm, _COARSE)
            found.append(Orbital(shell.l, shell.occupation, float("nan") if shell.energy is None else shell.energy, _radial(transform), shell.label))
        return tuple(found)


def _ended(parts: np.ndarray, rest: float = 1e-9) -> int:
    """Points after which the sum of `parts` (n,) has all but `rest` of its value: long tails would only make the tables finer."""
    left = np.cumsum(np.abs(parts)[::-1])[::-1]
    return max(20, int(np.count_nonzero(left > rest * left[0])))


def _radial(transform: Transform):
    def radial(q: Tensor) -> Tensor:
        return q**transform.l * transform.value(q)
    return radial
