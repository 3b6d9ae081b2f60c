"""Blocked Davidson iteration: all bands of a batch of k-points expand one subspace together.

Each expansion adds the preconditioned residuals of the bands that are not converged yet (the same number for every k-point of a batch, so that shapes stay equal)
and solves the Rayleigh–Ritz problem in everything kept so far.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from ..basis import Batch
from .algebra import hermitian, lowest, matmul, overlap


@dataclass(frozen=True)
class Bands:
    """Approximate eigenpairs of a batch: orbitals (B, bands, storage), eigenvalues (B, bands) Ha, residual norms (B, bands) at the *start* of the call."""

    orbitals: torch.Tensor
    eigenvalues: torch.Tensor
    residuals: torch.Tensor


def davidson(hamiltonian, batch: Batch, X: torch.Tensor, *, expansions: int, tolerance: float, weights: torch.Tensor | None = None) -> Bands:
    """Improve orthonormal orbitals X (B, bands, storage) by at most `expansions` expansions, at least one.

    tolerance: residual norm (Ha) below which a band counts as converged; weights (B, bands): bands of zero weight never ask for more.
    """
    n_bands = X.shape[1]
    B = X.shape[0]
    V = X.new_empty(B, (expansions + 1) * n_bands, X.shape[2])
    HV = torch.empty_like(V)
    V[:, :n_bands] = X
    X = V[:, :n_bands]
    hamiltonian.apply(batch, X, out=HV[:, :n_bands])
    HX = HV[:, :n_bands]
    h = hermitian(overlap(X, HX))
    g = torch.eye(n_bands, dtype=h.dtype, device=h.device).expand(B, -1, -1)
    e = h.diagonal(dim1=1, dim2=2).real.clone()
    n = n_bands
    first_norms = None
    C = None
    for _ in range(expansions):
        W, norms = hamiltonian.residuals(batch, X, HX, e)
        asked = norms if weights is None else norms * (weights.abs() > 1e-6)
        if first_norms is None:
            first_norms = norms
            active = n_bands
        else:
            active = int((asked > tolerance).sum(1).max())
            if active == 0:
                break
        if active < n_bands:
            chosen = torch.topk(asked, active, dim=1).indices.sort(dim=1).values
            W = torch.gather(W, 1, chosen[..., None].expand(-1, -1, W.shape[2]))
        W = batch.clean(W)
        W = W - matmul(matmul(W, V[:, :n_bands].mH), V[:, :n_bands])
        W = W / torch.linalg.vector_norm(W, dim=-1, keepdim=True).clamp_min(1e-150)
        new = slice(n, n + active)
        V[:, new] = W
        hamiltonian.apply(batch, V[:, new], out=HV[:, new])
        h, g = _grow(h, overlap(V[:, :new.stop], HV[:, new])), _grow(g, overlap(V[:, :new.stop], V[:, new]))
        n = new.stop
        e, C = lowest(h, g, n_bands)
        if _ < expansions - 1:
            C = C.to(V.dtype)
            X, HX = matmul(C, V[:, :n]), matmul(C, HV[:, :n])
    X = matmul(C.to(V.dtype), V[:, :n])
    return Bands(X, e, first_norms)


def _grow(M: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Hermitian matrix M (B, n, n) bordered by `column` (B, n+m, m)."""
    n, m = M.shape[-1], column.shape[-1]
    out = M.new_empty(M.shape[0], n + m, n + m)
    out[:, :n, :n] = M
    out[:, :n, n:] = column[:, :n]
    out[:, n:, :n] = column[:, :n].mH
    out[:, n:, n:] = hermitian(column[:, n:])
    return out
