"""Moments of single atoms: the magnetisation shared out by the free atoms' densities.

F. L. Hirshfeld, Theor. Chim. Acta 44, 129 (1977): atom a owns the share n_a(r)/Σ_b n_b(r) of whatever stands at r, n_a being the density of its free atom. The
shares add up to the whole, so the moments of all atoms add up to that of the cell. Hartree atomic units.
"""
from __future__ import annotations

import numpy as np
import torch

from .problem import Problem
from .start import atomic_forms

#: electrons/bohr³ that every atom has everywhere: where nobody is, all share alike
_EMPTY = 1e-9
_CHUNK_BYTES = 256 * 2**20


def local_moments(problem: Problem, rho: torch.Tensor) -> np.ndarray:
    """Moments (N,) in µ_B of density coefficients rho (S, …); zeros without spin."""
    moments = np.zeros(len(problem.positions))
    if len(rho) == 1:
        return moments
    grid = problem.grid
    total = torch.zeros(grid.shape, dtype=torch.float64, device=rho.device)
    for _, part in free_atoms(problem):
        total += part.sum(0)
    share = grid.to_real(rho[1]) / total * (grid.volume / grid.size)
    for places, part in free_atoms(problem):
        moments[places] = (part * share).sum((1, 2, 3)).cpu().numpy()
    return moments


def free_atoms(problem: Problem):
    """(places of some atoms, their free densities (n, n1, n2, n3) on the box, positive) until every atom had its turn."""
    grid = problem.grid
    step = max(1, _CHUNK_BYTES // (24 * grid.size))
    for kind, form in zip(problem.model.species, atomic_forms(problem), strict=True):
        for first in range(0, len(kind.atoms), step):
            places = kind.atoms[first:first + step]
            one, two, three = grid.phases(problem.positions[places])
            phases = one[:, :, None, None] * two[:, None, :, None] * three[:, None, None, :]
            yield places, grid.to_real(phases * form).clamp_min(_EMPTY)
