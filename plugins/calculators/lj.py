"""Lennard-Jones pair potential, as implemented in ASE."""
from __future__ import annotations

from ase.calculators.lj import LennardJones

from solvers.core.params import from_dict

from .params import LennardJonesParams


def lennard_jones(**params) -> LennardJones:
    """The Lennard-Jones calculator with a smooth cutoff: energy (eV), forces (eV/Å), stress (eV/Å³)."""
    chosen = from_dict(LennardJonesParams, params)
    onset = chosen.onset if chosen.onset is not None else chosen.cutoff * 2 / 3
    return LennardJones(epsilon=chosen.epsilon, sigma=chosen.sigma, rc=chosen.cutoff, ro=onset, smooth=True)
