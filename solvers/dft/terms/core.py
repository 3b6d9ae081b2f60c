"""The non-linear core correction: a partial core density that enters exchange and correlation only.

S. G. Louie, S. Froyen, M. L. Cohen, Phys. Rev. B 26, 1738 (1982). ρ_c(G) = Σ_species c_s(|G|) S_s(G)/Ω with c_s(q) = ∫ ρ_core e^{−iq·r} d³r, kept inside the
density sphere like the valence density. It has no magnetisation. Hartree atomic units.
"""
from __future__ import annotations

import torch

from ..grid import FFTGrid
from ..projectors import Species


def has_core(species: Species) -> bool:
    """Whether a species' potential brings a core density."""
    return bool(getattr(species.pseudo, "has_core", False))


def core_form(grid: FFTGrid, species: Species) -> torch.Tensor:
    """c_s(|G|)/Ω on the half box, zero outside the density sphere."""
    return species.pseudo.core(torch.sqrt(grid.G2)) / grid.volume * grid.mask


def core_form_slope(grid: FFTGrid, species: Species) -> torch.Tensor:
    """(1/|G|) dc_s/d|G| / Ω on the half box, zero at G = 0 and outside the density sphere."""
    q = torch.sqrt(grid.G2)
    q[0, 0, 0] = 1.0
    values = species.pseudo.core_derivative(q) / q / grid.volume * grid.mask
    values[0, 0, 0] = 0.0
    return values


def core_density(grid: FFTGrid, species: list[Species], positions: torch.Tensor) -> torch.Tensor | None:
    """ρ_core(G) on the half box, None when no potential has a core. positions (N, 3) bohr."""
    parts = [core_form(grid, kind) * grid.structure_factor(positions[kind.atoms]) for kind in species if has_core(kind)]
    return sum(parts[1:], parts[0]) if parts else None
