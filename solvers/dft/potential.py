"""Hartree and exchange-correlation energy and potential of a density, on the FFT box. Hartree atomic units.

The density is the set of coefficients ρ(G) inside the density sphere; the gradient in a GGA is the discrete one, and the potential is the exact derivative
of the discrete energy, so forces and stress are too:  v = ∂f/∂ρ − ∇·(2 ∂f/∂σ ∇ρ)  (White and Bird, Phys. Rev. B 50, 4954 (1994)).
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from .grid import FFTGrid
from .xc.functional import Functional


@dataclass(frozen=True)
class XC:
    """energy Ha; potential v_xc(G) on the half box (inside the density sphere); integral = ∫ v_xc ρ; v_sigma and gradient ∇ρ (3, …) on the box for the
    stress (None for LDA).
    """

    energy: float
    potential: torch.Tensor
    integral: float
    v_sigma: torch.Tensor | None
    gradient: torch.Tensor | None


def exchange_correlation(grid: FFTGrid, functional: Functional, rho: torch.Tensor) -> XC:
    """Exchange-correlation of density coefficients rho on the half box."""
    density = grid.to_real(rho)
    gradient = sigma = None
    if functional.family == "gga":
        gradient = torch.stack([grid.to_real(1j * grid.G[axis] * rho) for axis in range(3)])
        sigma = (gradient**2).sum(0).reshape(1, -1)
    energy_density, v_rho, v_sigma, _ = functional.evaluate(density.reshape(1, -1), sigma)
    energy = float(energy_density.sum()) * grid.volume / grid.size
    potential = grid.to_fourier(v_rho.reshape(grid.shape))
    if gradient is not None:
        v_sigma = v_sigma.reshape(grid.shape)
        for axis in range(3):
            potential -= 1j * grid.G[axis] * grid.to_fourier(2.0 * v_sigma * gradient[axis])
    potential = potential * grid.mask
    return XC(energy, potential, float(grid.dot(potential, rho)) * grid.volume, v_sigma if gradient is not None else None, gradient)


def hartree(grid: FFTGrid, rho: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Hartree energy (Ha) and potential v_H(G) of density coefficients rho; the G = 0 term is left out (neutral cell)."""
    potential = grid.coulomb * rho
    return 0.5 * grid.volume * float(grid.dot(potential, rho)), potential
