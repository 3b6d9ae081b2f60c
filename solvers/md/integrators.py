"""Integrators of Newton's and Langevin's equations; pure arithmetic on arrays in Å, fs, amu, eV.

One step is the splitting B A O A B of Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34, with B: kick, A: drift, O: exact
Ornstein–Uhlenbeck step of friction γ. γ = 0 leaves B A A B, which is velocity Verlet (Swope et al., J. Chem. Phys. 76, 637 (1982)).
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.core.units import ACCELERATION, BOLTZMANN_EV, KINETIC_EV


@dataclass(frozen=True)
class Thermostat:
    """Langevin thermostat for one time step: v -> decay v + kick ξ. decay = exp(−γ dt); kick (N, 1) in Å/fs; γ = 1/friction_time."""

    decay: float
    kick: np.ndarray

    @classmethod
    def langevin(cls, temperature: float, friction_time: float, timestep: float, masses: np.ndarray) -> Thermostat:
        """For temperature in K, friction_time and timestep in fs, masses (N,) in amu."""
        decay = float(np.exp(-timestep / friction_time))
        return cls(decay, np.sqrt((1.0 - decay**2) * BOLTZMANN_EV * temperature * ACCELERATION / masses)[:, None])


def kinetic_energy(masses: np.ndarray, velocities: np.ndarray) -> float:
    """Σ m v²/2 in eV for masses (N,) amu, velocities (N, 3) Å/fs."""
    return float(0.5 * KINETIC_EV * (masses[:, None] * velocities**2).sum())


def temperature_of(kinetic: float, freedom: int) -> float:
    """Temperature in K of `freedom` degrees of freedom with kinetic energy `kinetic` in eV; 0 where nothing can move."""
    return 2.0 * kinetic / (freedom * BOLTZMANN_EV) if freedom > 0 else 0.0


def maxwell_boltzmann(masses: np.ndarray, temperature: float, random: np.random.Generator) -> np.ndarray:
    """Velocities (N, 3) in Å/fs drawn from the Maxwell–Boltzmann distribution at `temperature` in K."""
    return random.standard_normal((len(masses), 3)) * np.sqrt(BOLTZMANN_EV * temperature * ACCELERATION / masses)[:, None]


def without_drift(masses: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    """velocities without the motion of the centre of mass."""
    return velocities - masses @ velocities / masses.sum()


def kick(masses: np.ndarray, velocities: np.ndarray, forces: np.ndarray, time: float) -> np.ndarray:
    """velocities after `time` fs under constant forces (N, 3) eV/Å."""
    return velocities + (time * ACCELERATION) * forces / masses[:, None]
