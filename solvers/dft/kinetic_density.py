"""The kinetic-energy density τ of functionals that depend on it, and the operator that belongs to it. Hartree atomic units.

τ_s = ½ Σ f |∇ψ|² is mixed with the density. E_xc[n, τ] adds to the Hamiltonian the operator −½ ∇·(v_τ ∇ψ), v_τ = ∂f/∂τ (R. Neumann, R. H. Nobes, N. C. Handy,
Mol. Phys. 87, 1 (1996)): three transforms with the local-potential kernel at work on ∂_α ψ, so one application costs four local ones. τ follows the orbitals
alone: no force; its stress is −(1/Ω) [δ_αβ ∫v_τ τ + ∫v_τ Σ f Re ∂_αψ* ∂_βψ], the first part from 1/Ω in τ, the second from k+G.
A core density (non-linear core correction) enters n and ∇n but has no τ, as in other plane-wave codes.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from .basis import Batch
from .extra import Term
from .kernels.local import make
from .potential import XC
from .spin import density_channels

if TYPE_CHECKING:
    from .problem import Problem
    from .scf import GroundState

#: ∂²f/∂τ² in Ha bohr³ for the estimate of the energy error that a change of τ stands for: its size where electrons are dense, as most of the change is there.
#: Measured on silicon and water: the estimate then stays within a factor of four of the true error
_CURVATURE = 0.2
_THOMAS_FERMI = 0.3 * (3 * math.pi**2) ** (2 / 3)


class KineticDensity(Term):
    """Unknowns: coefficients of τ_s (S, …) on the half box, Ha/bohr³, inside the density sphere."""

    def __init__(self, problem: Problem):
        grid = problem.grid
        super().__init__(problem, "kinetic density", _CURVATURE * grid.volume * grid.pair_weights * grid.mask)
        self.local = make(problem.basis, problem.workers)
        self._integral = 0.0

    def start(self, rho: torch.Tensor) -> torch.Tensor:
        """The gradient expansion to second order, τ = τ_TF + |∇n|²/72n, of every spin."""
        grid, channels = self.problem.grid, density_channels(rho)
        scale = float(len(channels))  # each spin as half of an unpolarised density
        n = scale * grid.to_real(channels).clamp_min(1e-12)
        squared = sum((scale * grid.to_real(1j * grid.G[axis] * channels)) ** 2 for axis in range(3))
        tau = (_THOMAS_FERMI * n ** (5 / 3) + torch.minimum(squared / (72 * n), n)) / scale
        return self.problem.symmetrise(grid.to_fourier(tau))

    def update(self, unknowns: torch.Tensor, xc: XC) -> None:
        """Take v_τ of the input density."""
        grid = self.problem.grid
        v = grid.to_fourier(xc.v_tau) * grid.mask
        self._integral = grid.volume * float(grid.dot(v, unknowns))
        self.local.set_potential(grid.to_real(v))

    def add(self, batch: Batch, spin: int, X: torch.Tensor, out: torch.Tensor) -> None:
        """out −= ½ Σ ∂_α v_τ ∂_α X."""
        image = torch.empty_like(X)
        for axis in range(3):
            slope = gradient(batch, X, axis)
            self._weigh(batch, slope, image, spin)
            out -= 0.5 * gradient(batch, image, axis)

    def _weigh(self, batch: Batch, X: torch.Tensor, out: torch.Tensor, spin: int) -> None:
        """out = v_τ X on the sphere."""
        self.local.apply(batch, X, out, spin)
        out -= batch.stored_kinetic[:, None, :] * X

    def double_counting(self) -> float:
        """−∫v_τ τ: the energy itself is part of E_xc."""
        return -self._integral

    def output(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        """τ of the orbitals, symmetrised."""
        problem = self.problem
        return problem.symmetrise(problem.grid.to_fourier(sum(
            problem.squares([gradient(block.batch, X, axis) for block, X in zip(problem.blocks, orbitals, strict=True)], 0.5 * occupations)
            for axis in range(3))))

    def stress(self, ground: GroundState) -> torch.Tensor:
        """−(1/Ω) [δ ∫v_τ τ + ∫v_τ Σ f Re ∂_αψ* ∂_βψ] (3, 3) Ha/bohr³."""
        problem = self.problem
        self.update(tau := self.output(ground.orbitals, ground.occupations), problem.fields(ground.rho, self._all_unknowns(ground, tau))[2])
        weights = ground.occupations * torch.from_numpy(problem.basis.weights)[:, None]
        total = torch.zeros(3, 3, dtype=torch.float64, device=problem.basis.device)
        for block, X in zip(problem.blocks, ground.orbitals, strict=True):
            slopes = [gradient(block.batch, X, axis) for axis in range(3)]
            w = block.of(weights).to(problem.basis.device)[..., None]
            image = torch.empty_like(X)
            for a in range(3):
                self._weigh(block.batch, slopes[a], image, block.spin)
                for b in range(3):
                    product = image.real * slopes[b].real + image.imag * slopes[b].imag if X.is_complex() else image * slopes[b]
                    total[a, b] += (w * product).sum()
        identity = torch.eye(3, dtype=torch.float64, device=problem.basis.device)
        return -(identity * self._integral + total) / problem.basis.volume

    def _all_unknowns(self, ground: GroundState, tau: torch.Tensor) -> list[torch.Tensor]:
        return [tau if term is self else term.output(ground.orbitals, ground.occupations) for term in self.problem.terms]


def gradient(batch: Batch, X: torch.Tensor, axis: int) -> torch.Tensor:
    """∂ψ/∂x_axis in orbital storage: i(k+G) times the coefficients."""
    factor = 1j * batch.K[:, None, :, axis]
    if not batch.half:
        return X * factor
    return torch.view_as_real(torch.view_as_complex(X.unflatten(-1, (-1, 2))) * factor).flatten(-2)
