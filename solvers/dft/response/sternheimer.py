"""The Sternheimer equation (H − ε_n) P_c x_n = P_c b_n for all filled bands of one k-point batch at once, by preconditioned conjugate gradients.

S. Baroni, S. de Gironcoli, A. Dal Corso, P. Giannozzi, Rev. Mod. Phys. 73, 515 (2001), § II.C; preconditioner of Teter, Payne and Allan (1989).
Within the conduction space H − ε_n is positive definite for an insulator. Hartree atomic units.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from ..basis import Batch
from ..eigen.algebra import matmul
from ..problem import Problem

_MOST_ITERATIONS = 200


@dataclass(frozen=True)
class Solution:
    """x (B, rows, storage) and the largest relative residual norm left."""

    x: torch.Tensor
    residual: float


def project(X: torch.Tensor, filled: torch.Tensor) -> torch.Tensor:
    """P_c X: rows X (B, rows, storage) without their part in the filled bands."""
    return X - matmul(matmul(X, filled.mH), filled)


def kinetic_preconditioner(batch: Batch, filled: torch.Tensor) -> torch.Tensor:
    """Factors (B, bands, storage) for the residuals of each band, from its own kinetic energy."""
    kinetic = batch.stored_kinetic[:, None, :]
    own = ((filled.real**2 + filled.imag**2) * kinetic).sum(-1, keepdim=True)
    t = kinetic / (1.35 * own).clamp_min(1e-3)
    polynomial = 27.0 + t * (18.0 + t * (12.0 + 8.0 * t))
    return polynomial / (polynomial + 16.0 * t**4)


def solve(problem: Problem, spin: int, batch: Batch, filled: torch.Tensor, energies: torch.Tensor, b: torch.Tensor, start: torch.Tensor | None,
          tolerance: float) -> Solution:
    """x with ‖(H − ε)x − b‖ ≤ tolerance ‖b‖ for each row of b (B, rows, storage), which lies in the conduction space.

    filled (B, n, storage), energies (B, n) Ha; rows is a multiple of n: right-hand sides for several perturbations, bands running fastest.
    """
    repeats = b.shape[1] // filled.shape[1]
    e = energies.repeat(1, repeats)[..., None]
    factor = kinetic_preconditioner(batch, filled).repeat(1, repeats, 1)
    scale = torch.linalg.vector_norm(b, dim=-1).clamp_min(1e-30)

    def operate(rows: torch.Tensor, pick: slice | torch.Tensor) -> torch.Tensor:
        image = problem.hamiltonian.apply(batch, rows.contiguous(), spin=spin)
        return project(image - e[:, pick] * rows, filled)

    def dot(a: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return (a.real * c.real + a.imag * c.imag).sum(-1, keepdim=True)

    x = torch.zeros_like(b) if start is None else project(start, filled)
    r = b.clone() if start is None else b - operate(x, slice(None))
    z = project(factor * r, filled)
    p, rz = z.clone(), dot(r, z)
    residual = torch.linalg.vector_norm(r, dim=-1) / scale
    for _ in range(_MOST_ITERATIONS):
        active = torch.nonzero((residual > tolerance).any(0)).reshape(-1)
        if not len(active):
            break
        q = operate(p[:, active], active)
        curvature = dot(p[:, active], q)
        step = torch.where(curvature > 0, rz[:, active] / curvature.clamp_min(1e-300), torch.zeros_like(curvature))
        x[:, active] += step * p[:, active]
        r[:, active] -= step * q
        z = project(factor[:, active] * r[:, active], filled)
        new = dot(r[:, active], z)
        p[:, active] = z + new / rz[:, active].clamp_min(1e-300) * p[:, active]
        rz[:, active] = new
        residual[:, active] = torch.linalg.vector_norm(r[:, active], dim=-1) / scale[:, active]
    return Solution(x, float(residual.max()))
