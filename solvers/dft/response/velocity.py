"""∂H_k/∂k applied to orbitals: the commutator i[H, r], nonlocal potential included. Hartree atomic units.

H_k = e^{−ik·r} H e^{ik·r}. Kinetic part: (k+G)_α. Nonlocal part: Σ_p d_p (|∂_αβ⟩⟨β| + |β⟩⟨∂_αβ|), where ∂_α acts on the form factor only: the derivative of the
structure phase multiplies a projector by −iR_α, which cancels between the two terms.
"""
from __future__ import annotations

import torch

from ..basis import Batch
from ..eigen.algebra import matmul
from ..problem import Problem
from ..projectors import form_gradients, structure_phases, turns


def projector_gradients(problem: Problem, batch: Batch) -> list[torch.Tensor]:
    """∂β/∂k_α for α = x, y, z, each (B, n_projectors, storage), structure phases not differentiated."""
    species, basis = problem.model.species, problem.basis
    phases = structure_phases(batch, problem.hamiltonian.fractional)
    forms = [form_gradients(kind.pseudo, batch.K, basis.volume).movedim(1, 2) * turns(kind.pseudo).to(basis.device)[:, None] for kind in species]
    return [batch.store(torch.cat([(phases[:, kind.atoms, None, :] * form[axis][:, None]).flatten(1, 2) for kind, form in zip(species, forms, strict=True)], 1))
            for axis in range(3)]


def velocity(problem: Problem, batch: Batch, X: torch.Tensor) -> torch.Tensor:
    """(∂H/∂k_α) X for α = x, y, z: (3, B, bands, storage) of orbitals X (B, bands, storage). Complex storage only (no half sphere)."""
    hamiltonian = problem.hamiltonian
    P, D = hamiltonian.projectors_of(batch), hamiltonian.D
    gradients = projector_gradients(problem, batch) if P.shape[1] else []
    out = torch.stack([batch.K[:, None, :, axis] * X for axis in range(3)])
    if gradients:
        B = matmul(X, P.mH) * D
        for axis, dP in enumerate(gradients):
            out[axis] += matmul(B, dP) + matmul(matmul(X, dP.mH) * D, P)
    return out
