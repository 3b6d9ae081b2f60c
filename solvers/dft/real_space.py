"""What orbitals and densities look like in space: kinetic-energy density, electron localisation, charges of atoms, dipole moment. Hartree atomic units."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .kinetic_density import gradient
from .magnetisation import free_atoms
from .problem import Problem
from .spin import density_channels

#: density (e/bohr³) below which nothing can be said about localisation: it is set to zero there
_EMPTY = 1e-5


def kinetic_density(problem: Problem, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
    """τ = ½ Σ f |∇ψ|² of every spin channel on the box (S, n1, n2, n3), Ha/bohr³; positive. orbitals per block, occupations (S, K, bands)."""
    grid = problem.grid
    total = sum(problem.squares([gradient(block.batch, X, axis) for block, X in zip(problem.blocks, orbitals, strict=True)], 0.5 * occupations)
                for axis in range(3))
    return grid.to_real(problem.symmetrise(grid.to_fourier(total)))


def localisation(density: torch.Tensor, gradient_square: torch.Tensor, tau: torch.Tensor, channels: int) -> torch.Tensor:
    """The electron localisation function of one spin channel, 0 to 1: ½ in the uniform gas, 1 where a single orbital is.

    A. D. Becke, K. E. Edgecombe, J. Chem. Phys. 92, 5397 (1990); in terms of τ: A. Savin et al., Angew. Chem. Int. Ed. 31, 187 (1992). Per spin
    D = τ − |∇n|²/(8n) against the uniform gas (3/10)(6π²)^{2/3} n^{5/3}; channels = 1: the arrays hold both spins, which are alike.
    """
    share = 2.0 / channels
    n = (density / share).clamp_min(1e-30)
    excess = (tau / share - gradient_square / share**2 / (8.0 * n)).clamp_min(0.0)
    uniform = 0.3 * (6.0 * np.pi**2) ** (2.0 / 3.0) * n ** (5.0 / 3.0)
    return torch.where(density / share > _EMPTY, 1.0 / (1.0 + (excess / uniform) ** 2), torch.zeros_like(n))


def electron_localisation(problem: Problem, rho: torch.Tensor, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
    """ELF of every spin channel on the box (S, n1, n2, n3) from density coefficients rho (S, …) and the orbitals that made them."""
    grid, channels = problem.grid, density_channels(rho)
    tau = kinetic_density(problem, orbitals, occupations)
    result = []
    for coefficients, own in zip(channels, tau, strict=True):
        squared = sum(grid.to_real(1j * grid.G[axis] * coefficients) ** 2 for axis in range(3))
        result.append(localisation(grid.to_real(coefficients), squared, own, len(channels)))
    return torch.stack(result)


@dataclass(frozen=True, eq=False)
class AtomicShares:
    """Hirshfeld's division of the cell: charges (N,) in e (positive where electrons are missing), moments (N,) in µ_B, dipoles (N, 3) of the deformed atoms in
    e·bohr. F. L. Hirshfeld, Theor. Chim. Acta 44, 129 (1977)."""

    charges: np.ndarray
    moments: np.ndarray
    dipoles: np.ndarray


def hirshfeld(problem: Problem, rho: torch.Tensor) -> AtomicShares:
    """Charges, moments and dipoles of all atoms from density coefficients rho (S, …): each atom owns its free density's share of the superposed one."""
    grid, model = problem.grid, problem.model
    fields = grid.to_real(rho)
    total = torch.zeros(grid.shape, dtype=torch.float64, device=rho.device)
    for _, part in free_atoms(problem):
        total += part.sum(0)
    weight = grid.volume / grid.size
    share = fields / total * weight
    charges, moments, dipoles = model.charges.copy(), np.zeros(len(model.charges)), np.zeros((len(model.charges), 3))
    axes = [torch.arange(n, dtype=torch.float64, device=rho.device) / n for n in grid.shape]
    cell = torch.from_numpy(model.cell).to(rho.device)
    for places, part in free_atoms(problem):
        own = part * share[0]
        charges[places] -= own.sum((1, 2, 3)).cpu().numpy()
        if len(rho) == 2:
            moments[places] = (part * share[1]).sum((1, 2, 3)).cpu().numpy()
        centre = torch.from_numpy(model.fractional[places] % 1.0).to(rho.device)
        for axis in range(3):
            # distance from the nearest image along each cell vector; what lies half a cell away counts for neither side
            along = axes[axis][None] - centre[:, axis, None]
            along = along - torch.round(along)
            along = torch.where(along.abs() > 0.5 - 1e-9, torch.zeros_like(along), along)
            line = own.sum(tuple(i + 1 for i in range(3) if i != axis))
            dipoles[places] -= ((line * along).sum(1)[:, None] * cell[axis]).cpu().numpy()
    return AtomicShares(charges, moments, dipoles)


def cell_dipole(problem: Problem, rho: torch.Tensor, middles: Sequence[float]) -> np.ndarray:
    """Dipole moment of the cell (3,) in e·bohr, counted between cuts at fractions `middles` of the cell vectors: a molecule's where they cut its vacuum."""
    grid, model = problem.grid, problem.model
    s = (model.fractional - np.asarray(middles)) % 1.0 - 0.5
    moment = model.charges @ s
    density = grid.to_real(rho[0]) * (grid.volume / grid.size)
    for axis, (n, middle) in enumerate(zip(grid.shape, middles, strict=True)):
        along = (torch.arange(n, dtype=torch.float64, device=rho.device) / n - middle) % 1.0 - 0.5
        line = density.sum(tuple(i for i in range(3) if i != axis))
        moment[axis] -= float((line * torch.where(along.abs() > 0.5 - 1e-9, torch.zeros_like(along), along)).sum())
    return moment @ model.cell
