"""The local pseudopotential on the FFT box: v(G) = Σ_species v_s(|G|) S_s(G)/Ω, without the G = 0 term. Hartree atomic units.

The finite part of the G = 0 term is the constant energy E_α = (N_el/Ω) Σ_a α_a, `alpha_energy`; eigenvalues do not contain it.
"""
from __future__ import annotations

import torch

from ..grid import FFTGrid
from ..projectors import Species


def form_factor(grid: FFTGrid, species: Species) -> torch.Tensor:
    """v_s(|G|)/Ω on the half box, zero at G = 0 and outside the density sphere."""
    q = torch.sqrt(grid.G2)
    q[0, 0, 0] = 1.0
    values = species.pseudo.local(q) / grid.volume * grid.mask
    values[0, 0, 0] = 0.0
    return values


def form_factor_slope(grid: FFTGrid, species: Species) -> torch.Tensor:
    """(1/|G|) dv_s/d|G| / Ω on the half box, zero at G = 0 and outside the density sphere."""
    q = torch.sqrt(grid.G2)
    q[0, 0, 0] = 1.0
    values = species.pseudo.local_derivative(q) / q / grid.volume * grid.mask
    values[0, 0, 0] = 0.0
    return values


def local_potential(grid: FFTGrid, species: list[Species], positions: torch.Tensor) -> torch.Tensor:
    """v_loc(G) on the half box. positions (N, 3) bohr."""
    return sum(form_factor(grid, kind) * grid.structure_factor(positions[kind.atoms]) for kind in species)


def alpha_energy(grid: FFTGrid, species: list[Species], electrons: float | None = None) -> float:
    """E_α in Ha; electrons: valence electrons in the cell where it is not neutral."""
    if electrons is None:
        electrons = sum(kind.pseudo.charge * len(kind.atoms) for kind in species)
    return electrons / grid.volume * sum(kind.pseudo.alpha * len(kind.atoms) for kind in species)
