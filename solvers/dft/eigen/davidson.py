"""Blocked Davidson iteration: all bands of a batch of k-points expand one subspace together.

The subspace holds the orbitals X and the preconditioned residuals of the bands that are not converged (the same number for every k-point of a batch, so that
shapes stay equal); each expansion solves the Rayleigh–Ritz problem in all of it. The last direction of the previous call is deliberately not kept: with its old
image HP a level near a small gap (0.01 Ha) made the self-consistent cycle diverge, and with a fresh image it cost more than it saved.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from ..basis import Batch
from .algebra import combine, hermitian, lowest, matmul, overlap, subtract_product

#: bytes up to which a subspace may hold every expansion of a call; larger ones are collapsed when three blocks are full
_ROOMY = 2**26


@dataclass(frozen=True)
class Bands:
    """Approximate eigenpairs of a batch: orbitals (B, bands, storage), eigenvalues (B, bands) Ha, residual norms (B, bands) at the *start* of the call."""

    orbitals: torch.Tensor
    eigenvalues: torch.Tensor
    residuals: torch.Tensor


class _Subspace:
    """Vectors V (B, n, storage) with images HV and the matrices h = ⟨V|HV⟩, g = ⟨V|V⟩."""

    def __init__(self, X: torch.Tensor, capacity: int):
        self.n_bands = X.shape[1]
        self.V = X.new_empty(X.shape[0], capacity, X.shape[2])
        self.HV = torch.empty_like(self.V)
        self.V[:, :self.n_bands] = X
        self.n = self.n_bands
        self.g = self.h = None

    def close_orbitals(self) -> None:
        """Matrices of the orbitals alone, whose images are in place."""
        X, HX = self.V[:, :self.n], self.HV[:, :self.n]
        self.h = hermitian(overlap(X, HX))
        self.g = hermitian(overlap(X, X))

    def collapse(self, C: torch.Tensor) -> None:
        """Keep the Ritz vectors C V alone, with their images."""
        for block in (self.V, self.HV):
            block[:, :self.n_bands] = matmul(C, block[:, :self.n])
        self.n = self.n_bands
        self.close_orbitals()

    def border(self, new: int) -> None:
        """Extend the matrices by `new` vectors whose images are in place. Products with the orbitals use the orbitals' own exact images."""
        V, HV, n, m = self.V, self.HV, self.n, self.n + new
        g = overlap(V[:, :m], V[:, n:m])
        h = torch.empty_like(g)
        h[:, :self.n_bands] = overlap(HV[:, :self.n_bands], V[:, n:m])
        h[:, self.n_bands:] = overlap(V[:, self.n_bands:m], HV[:, n:m])
        self.g, self.h, self.n = _grow(self.g, g), _grow(self.h, h), m


def davidson(hamiltonian, batch: Batch, X: torch.Tensor, *, expansions: int, tolerance: float, weights: torch.Tensor | None = None,
             spin: int = 0, image: torch.Tensor | None = None) -> Bands:
    """Improve orthonormal orbitals X (B, bands, storage) of one spin by at most `expansions` expansions, at least one.

    tolerance: residual norm (Ha) below which a band counts as converged; weights (B, bands): bands of zero weight never ask for more; image: HX where it is
    at hand.
    """
    n_bands = X.shape[1]
    apply = partial(hamiltonian.apply, batch, spin=spin)
    roomy = 2 * (expansions + 1) * X.numel() * X.element_size() < _ROOMY
    space = _Subspace(X, (expansions + 1 if roomy else min(expansions, 2) + 1) * n_bands)
    V, HV = space.V, space.HV
    X0 = V[:, :n_bands]
    if image is None:
        apply(X0, out=HV[:, :n_bands])
    else:
        HV[:, :n_bands] = image
    space.close_orbitals()
    e = space.h.diagonal(dim1=1, dim2=2).real.clone()
    first_norms = C = None
    for expansion in range(expansions):
        if space.n + n_bands > V.shape[1]:
            space.collapse(C)
            C = None
        slot = slice(space.n, space.n + n_bands)
        if C is None:
            _, norms = hamiltonian.residuals(batch, X0, HV[:, :n_bands], e, out=V[:, slot])
        else:  # Ritz vectors and images are made where the new vectors will stand: no block more than the subspace itself
            combine(C, V[:, :space.n], V[:, slot])
            combine(C, HV[:, :space.n], HV[:, slot])
            _, norms = hamiltonian.residuals(batch, V[:, slot], HV[:, slot], e, out=V[:, slot])
        active = n_bands
        if expansion == 0:
            first_norms = norms
        else:
            asked = norms if weights is None else norms * (weights > 1e-6)
            active = int((asked > tolerance).sum(1).max())
            if active == 0:
                break
            if active < n_bands:
                chosen = torch.topk(asked, active, dim=1).indices.sort(dim=1).values
                V[:, space.n:space.n + active] = torch.gather(V[:, slot], 1, chosen[..., None].expand(-1, -1, V.shape[2]))
        new = slice(space.n, space.n + active)
        W = batch.clean(V[:, new])
        subtract_product(W, matmul(W, X0.mH), X0)
        W /= torch.linalg.vector_norm(W, dim=-1, keepdim=True).clamp_min(1e-150)
        apply(W, out=HV[:, new])
        space.border(active)
        e, C = lowest(space.h, space.g, n_bands)
        C = C.to(V.dtype)
    if C is None:  # nothing was added after a collapse
        return Bands(X0.clone(), e, first_norms)
    return Bands(matmul(C, V[:, :space.n]), e, first_norms)


def _grow(M: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Hermitian matrix M (B, n, n) bordered by `column` (B, n+m, m)."""
    n, m = M.shape[-1], column.shape[-1]
    out = M.new_empty(M.shape[0], n + m, n + m)
    out[:, :n, :n] = M
    out[:, :n, n:] = column[:, :n]
    out[:, n:, :n] = column[:, :n].mH
    out[:, n:, n:] = hermitian(column[:, n:])
    return out
