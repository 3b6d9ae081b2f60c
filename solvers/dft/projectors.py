"""Nonlocal projectors of a batch of k-points as matrices, so that applying them is two matrix products. Hartree atomic units.

⟨k+G|β⟩ = (−i)^l e^{−i(k+G)·R_a} p_i(|K|) Y_lm(K̂)/√Ω with K = k+G. The coupling matrix h of each channel is diagonalised once and its eigenvectors are
folded into the radial parts: the operator is Σ_p |β_p⟩ d_p ⟨β_p| with real d. Rows are ordered by element, atom, channel, i, m.
Radial and angular parts use p/q^l and solid harmonics, which are polynomials: values and derivatives are exact at K = 0 too.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .basis import Basis, Batch
from .kernels.phases import projector_rows
from .pseudo.base import Pseudopotential
from .pseudo.harmonics import solid_harmonics, solid_harmonics_gradient


@dataclass(frozen=True)
class Species:
    """Atoms that share a potential: their places in the structure (n,)."""

    pseudo: Pseudopotential
    atoms: np.ndarray


def couplings(species: list[Species]) -> np.ndarray:
    """Eigenvalues d (n_projectors,) Ha of the coupling matrices, in row order."""
    parts = [np.zeros(0)]
    for kind in species:
        one = [np.repeat(np.linalg.eigh(channel.h)[0], 2 * channel.l + 1) for channel in kind.pseudo.channels]
        parts.append(np.tile(np.concatenate([np.zeros(0), *one]), len(kind.atoms)))
    return np.concatenate(parts)


def atom_of_rows(species: list[Species]) -> np.ndarray:
    """Place in the structure of the atom each projector row belongs to (n_projectors,)."""
    parts = [np.zeros(0, int)]
    for kind in species:
        per_atom = sum(len(channel.h) * (2 * channel.l + 1) for channel in kind.pseudo.channels)
        parts.append(np.repeat(kind.atoms, per_atom))
    return np.concatenate(parts)


def _forms(pseudo: Pseudopotential, K: torch.Tensor, volume: float) -> torch.Tensor:
    """(−i)^l p(K)/√Ω without the structure phase, (rows per atom, …) for K (…, 3)."""
    q = torch.linalg.vector_norm(K, dim=-1)
    rows = []
    for channel in pseudo.channels:
        rotation = torch.from_numpy(np.linalg.eigh(channel.h)[1].T.copy()).to(K)
        radial = torch.stack([channel.reduced(i, q) for i in range(len(channel.h))])
        radial = torch.tensordot(rotation, radial, 1)  # (n, …)
        angular = torch.movedim(solid_harmonics(channel.l, K), -1, 0)  # (2l+1, …)
        rows.append((radial[:, None] * angular[None]).flatten(0, 1) * ((-1j) ** channel.l / math.sqrt(volume)))
    return torch.cat(rows) if rows else torch.zeros(0, *q.shape, dtype=torch.complex128, device=K.device)


def _form_gradients(pseudo: Pseudopotential, K: torch.Tensor, volume: float) -> torch.Tensor:
    """∂/∂K_α of `_forms`, (3, rows per atom, …)."""
    q = torch.linalg.vector_norm(K, dim=-1)
    rows = []
    for channel in pseudo.channels:
        rotation = torch.from_numpy(np.linalg.eigh(channel.h)[1].T.copy()).to(K)
        radial = torch.tensordot(rotation, torch.stack([channel.reduced(i, q) for i in range(len(channel.h))]), 1)
        slope = torch.tensordot(rotation, torch.stack([channel.reduced_slope(i, q) for i in range(len(channel.h))]), 1)
        angular = torch.movedim(solid_harmonics(channel.l, K), -1, 0)
        gradient = torch.movedim(solid_harmonics_gradient(channel.l, K), (-1, -2), (0, 1))  # (3, 2l+1, …)
        direction = torch.movedim(K, -1, 0)  # (3, …)
        value = slope[None, :, None] * angular[None, None] * direction[:, None, None] + radial[None, :, None] * gradient[:, None]
        rows.append(value.flatten(1, 2) * ((-1j) ** channel.l / math.sqrt(volume)))
    return torch.cat(rows, 1) if rows else torch.zeros(3, 0, *q.shape, dtype=torch.complex128, device=K.device)


def structure_phases(batch: Batch, fractional: torch.Tensor) -> torch.Tensor:
    """e^{−i(k+G)·R_a}, (B, atoms, n_pw). fractional (atoms, 3)."""
    miller = batch.K.new_zeros(batch.K.shape)
    for i, sphere in enumerate(batch.spheres):
        miller[i, :len(sphere)] = torch.from_numpy(sphere.miller + sphere.k).to(batch.K)
    return torch.exp(-2j * math.pi * (fractional @ miller.mT))


def projectors(batch: Batch, basis: Basis, species: list[Species], fractional: torch.Tensor) -> torch.Tensor:
    """Projector rows in orbital storage, (B, n_projectors, storage)."""
    counts = [sum(len(channel.h) * (2 * channel.l + 1) for channel in kind.pseudo.channels) * len(kind.atoms) for kind in species]
    stored, rows = batch.blank(sum(counts))
    first = 0
    for kind, count in zip(species, counts, strict=True):
        forms = _forms(kind.pseudo, batch.K, basis.volume).movedim(0, 1).contiguous()  # (B, rows, n_pw)
        for i, sphere in enumerate(batch.spheres if count else ()):
            projector_rows(fractional[kind.atoms], sphere.miller, sphere.k, forms[i], batch.half, rows[i, first:first + count])
        first += count
    return stored


def projector_strains(batch: Batch, basis: Basis, species: list[Species], fractional: torch.Tensor):
    """Yield (α, β, −K_β ∂_α β) for α ≤ β in orbital storage: the change of the projectors under strain, apart from −½ δ_αβ β of the volume.

    The derivative does not act on the structure phase, which is invariant under strain.
    """
    phases = structure_phases(batch, fractional)
    gradients = [_form_gradients(kind.pseudo, batch.K, basis.volume).movedim(1, 2) for kind in species]  # (3, B, rows, n_pw)
    for a in range(3):
        for b in range(a, 3):
            parts = [(phases[:, kind.atoms, None, :] * (-batch.K[:, None, :, b] * gradient[a])[:, None]).flatten(1, 2) for kind,
                     gradient in zip(species, gradients, strict=True)]
            yield a, b, batch.store(torch.cat(parts, 1))


def projector_displacements(batch: Batch, P: torch.Tensor):
    """Yield (α, −i K_α β), the derivative of stored projectors `P` with respect to their own atom's position."""
    coefficients = batch.coefficients(P)
    for axis in range(3):
        yield axis, batch.store(-1j * batch.K[:, None, :, axis] * coefficients)
