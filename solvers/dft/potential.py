"""Hartree and exchange-correlation energy and potential of a density, on the FFT box. Hartree atomic units.

The density is the set of coefficients ρ(G) inside the density sphere; the gradient in a GGA is the discrete one, and the potential is the exact derivative
of the discrete energy, so forces and stress are too (White and Bird, Phys. Rev. B 50, 4954 (1994)). For every spin s
    v_s = ∂f/∂n_s − ∇·h_s,   h_s = 2 ∂f/∂σ_ss ∇n_s + ∂f/∂σ_↑↓ ∇n_s̄
and without spin h = 2 ∂f/∂σ ∇n.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from .grid import FFTGrid
from .spin import density_channels, potential_derivatives
from .xc.functional import Functional


@dataclass(frozen=True)
class XC:
    """energy Ha; potential (∂E/∂n, ∂E/∂m)(G) on the half box (S, …) (inside the density sphere); integral = ∫ v_xc ρ over the valence density,
    core_integral = ∫ v_xc ρ_core; gradient ∇n_s and flux h_s (S, 3, …) on the box for the stress (None for LDA); v_tau = ∂f/∂τ_s (S, …) on the box for
    functionals of the kinetic-energy density, else None.
    """

    energy: float
    potential: torch.Tensor
    integral: float
    core_integral: float
    gradient: torch.Tensor | None
    flux: torch.Tensor | None
    v_tau: torch.Tensor | None = None


def exchange_correlation(grid: FFTGrid, functional: Functional, rho: torch.Tensor, core: torch.Tensor | None = None,
                         tau: torch.Tensor | None = None) -> XC:
    """Exchange-correlation of valence density coefficients rho (S, …) on the half box, plus core (…); tau (S, …): ½ Σ f |∇ψ|² of every spin on the box."""
    n_spin = len(rho)
    spins = density_channels(rho if core is None else torch.cat([rho[:1] + core, rho[1:]]))
    gradient = sigma = None
    if functional.needs_gradient:
        gradient = torch.stack([torch.stack([grid.to_real(1j * grid.G[axis] * row) for axis in range(3)]) for row in spins])
        pairs = [(0, 0)] if n_spin == 1 else [(0, 0), (0, 1), (1, 1)]
        sigma = torch.stack([(gradient[a] * gradient[b]).sum(0).reshape(-1) for a, b in pairs])
    values = functional.evaluate(grid.to_real(spins).reshape(n_spin, -1), sigma, None if tau is None else tau.reshape(n_spin, -1))
    energy = float(values.energy.sum()) * grid.volume / grid.size
    potential = grid.to_fourier(values.v_rho.reshape(n_spin, *grid.shape))
    flux = None
    if gradient is not None:
        flux = _flux(values.v_sigma.reshape(-1, 1, *grid.shape), gradient)
        for row, field in zip(potential, flux, strict=True):
            for axis in range(3):
                row -= 1j * grid.G[axis] * grid.to_fourier(field[axis])
    potential = potential_derivatives(potential) * grid.mask
    core_integral = 0.0 if core is None else float(grid.dot(potential[0], core)) * grid.volume
    return XC(energy, potential, float(grid.dot(potential, rho)) * grid.volume, core_integral, gradient, flux,
              None if values.v_tau is None else values.v_tau.reshape(n_spin, *grid.shape))


def _flux(v_sigma: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """h_s (S, 3, …) from ∂f/∂σ (1 or 3, 1, …) and ∇n_s (S, 3, …)."""
    if len(gradient) == 1:
        return 2.0 * v_sigma * gradient
    return torch.stack([2.0 * v_sigma[0] * gradient[0] + v_sigma[1] * gradient[1], 2.0 * v_sigma[2] * gradient[1] + v_sigma[1] * gradient[0]])


def hartree(grid: FFTGrid, rho: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Hartree energy (Ha) and potential v_H(G) of density coefficients rho (S, …); the G = 0 term is left out (neutral cell or neutralising background)."""
    potential = grid.coulomb * rho[0]
    return 0.5 * grid.volume * float(grid.dot(potential, rho[0])), potential
