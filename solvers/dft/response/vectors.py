"""Symmetry of three densities that belong to the three directions of a field: under an operation they turn like a vector."""
from __future__ import annotations

import torch

from ..problem import Problem


class VectorSymmetry:
    """Symmetrises δρ_α (3, …, n1, n2, n3//2+1), first-order densities for fields along x, y, z, of orbitals at irreducible k-points.

    ρ_α(S r) = R_αβ ρ_β(r) for an operation r → S r with Cartesian rotation R; in Fourier space ρ_α(G) = (1/N) Σ_S e^{−2πi G·w} R_αβ ρ_β(Wᵀ G).
    """

    def __init__(self, problem: Problem):
        self.grid = problem.grid
        self.tables = problem._tables
        if self.tables is not None:
            rotations = problem.group._cosets[1].cartesian
            self.rotations = torch.from_numpy(rotations.copy()).to(device=self.tables.index.device, dtype=torch.complex128)

    def __call__(self, rho: torch.Tensor) -> torch.Tensor:
        """The invariant part, inside the density sphere."""
        rho = rho * self.grid.mask
        if self.tables is None:
            return rho
        tables = self.tables
        full = torch.fft.fftn(self.grid.to_real(rho), dim=(-3, -2, -1), norm="forward")
        flat = full.reshape(3, -1, tables.n_points)
        gathered = flat[..., tables.index] * tables.phase  # (3, S, stars, operations)
        average = torch.einsum("nab,bsgn->asg", self.rotations, gathered) / len(self.rotations)
        result = torch.zeros_like(flat)
        result[..., tables.index] = torch.einsum("nab,asg->bsgn", self.rotations, average) * tables.phase.conj()
        return result.reshape(full.shape)[..., :rho.shape[-1]] * self.grid.mask
