"""Thermal properties of harmonic vibrations from frequencies with weights: M. Born and K. Huang, Dynamical Theory of Crystal Lattices (1954)."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.units import BOLTZMANN_EV, PLANCK_EV_THZ

#: THz below which a mode is taken for a translation of the whole crystal (or is imaginary) and left out
LEAST = 1e-3


@dataclass(frozen=True)
class Thermal:
    """Per primitive cell: zero_point (eV), and at temperatures (T,) K helmholtz (eV, zero point included), internal (eV), entropy and heat_capacity (at
    constant volume) in eV/K; left_out: share of the modes that were left out because they are imaginary or zero."""

    temperatures: np.ndarray
    zero_point: float
    helmholtz: np.ndarray
    internal: np.ndarray
    entropy: np.ndarray
    heat_capacity: np.ndarray
    left_out: float


def thermal_properties(frequencies: np.ndarray, weights: np.ndarray, temperatures: np.ndarray) -> Thermal:
    """Sums over modes: frequencies (Q, B) THz, weights (Q,) that sum to 1, temperatures (T,) K (0 allowed)."""
    f = np.asarray(frequencies, float)
    w = np.broadcast_to(np.asarray(weights, float)[:, None], f.shape)
    good = f > LEAST
    energy, w_good = PLANCK_EV_THZ * f[good], w[good]
    zero_point = float(0.5 * (w_good * energy).sum())
    n_t = len(temperatures)
    helmholtz, internal, entropy, capacity = np.full(n_t, zero_point), np.full(n_t, zero_point), np.zeros(n_t), np.zeros(n_t)
    for i, temperature in enumerate(temperatures):  # the modes of a fine mesh times all temperatures need not fit into memory
        if temperature <= 0:
            continue
        kT = BOLTZMANN_EV * temperature
        x = energy / kT
        filled = np.exp(-x)
        occupation = filled / -np.expm1(-x)
        helmholtz[i] += kT * float((w_good * np.log1p(-filled)).sum())
        internal[i] += float((w_good * energy * occupation).sum())
        entropy[i] = (internal[i] - helmholtz[i]) / temperature
        capacity[i] = BOLTZMANN_EV * float((w_good * x**2 * occupation * (1.0 + occupation)).sum())
    return Thermal(np.asarray(temperatures, float), zero_point, helmholtz, internal, entropy, capacity, float(w[~good].sum() / w.sum()))


def debye_temperature(frequencies: np.ndarray, weights: np.ndarray) -> float:
    """The Debye temperature (K) that gives the same heat capacity at high temperature: θ = (h/k_B) √(5⟨ν²⟩/3); imaginary modes count negative."""
    f = np.asarray(frequencies, float)
    mean = float((np.asarray(weights)[:, None] * f * np.abs(f)).sum() / f.shape[1])
    return float(PLANCK_EV_THZ / BOLTZMANN_EV * np.sqrt(max(5.0 / 3.0 * mean, 0.0)))
