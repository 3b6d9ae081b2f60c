"""Blocked Davidson iteration: all bands of a batch of k-points expand one subspace together.

The subspace holds the orbitals X and the preconditioned residuals of the bands that are not converged (the same number for every k-point of a batch, so that
shapes stay equal); each expansion solves the Rayleigh–Ritz problem in all of it. A full subspace keeps the orbitals and their last directions; a few bands
that lag behind get some expansions more.
The last direction of the previous call is deliberately not kept: with its old image HP a level near a small gap (0.01 Ha) made the self-consistent cycle
diverge, and with a fresh image it cost more than it saved.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from ..basis import Batch
from .subspace import FEW, Subspace

#: bytes up to which the added vectors of a call are all kept; more are compressed when this number of blocks is full
_ROOMY, BLOCKS = 2**25, 2
#: bands that lag behind, whose residuals exceed this times the median: up to so many expansions more are made for them alone, at most an eighth of the bands,
#: from so many bands on. Three of 128 bands at a small gap held back all others of Si64: 12 steps and 33 applications per band became 9 and 25
_LAG, _FOLLOW, _MANY = 3.0, 3, 64


@dataclass(frozen=True)
class Bands:
    """Approximate eigenpairs of a batch: orbitals (B, bands, storage), eigenvalues (B, bands) Ha, residual norms (B, bands) at the *start* of the call,
    and `final` ones where they were asked for and are known."""

    orbitals: torch.Tensor
    eigenvalues: torch.Tensor
    residuals: torch.Tensor
    final: torch.Tensor | None = None


def davidson(hamiltonian, batch: Batch, X: torch.Tensor, *, expansions: int, tolerance: float, weights: torch.Tensor | None = None,
             spin: int = 0, image: torch.Tensor | None = None, finish: bool = False) -> Bands:
    """Improve orthonormal orbitals X (B, bands, storage) of one spin by at most `expansions` expansions, at least one.

    tolerance: residual norm (Ha) below which a band counts as converged; weights (B, bands): bands of zero weight never ask for more; image: HX where it is
    at hand, whose memory is then used; finish: say the residuals at the end too.
    """
    n_bands, dtype = X.shape[1], hamiltonian.added_dtype(batch, X)
    few = n_bands // FEW if n_bands >= _MANY and expansions > 1 else 0
    roomy = expansions * n_bands * X.shape[0] * X.shape[2] * dtype.itemsize < _ROOMY
    capacity = (expansions if roomy else min(expansions, BLOCKS)) * n_bands + _FOLLOW * few
    space = Subspace(hamiltonian, batch, spin, X, image, capacity, dtype)
    e, C = space.h.diagonal(dim1=1, dim2=2).real.clone(), None
    first_norms = asked = space.residuals(None, e)
    for expansion in range(expansions):
        active = n_bands
        if expansion > 0:
            if not space.room(n_bands):
                space.compress(C)
                e, C = space.lowest()
            asked = space.residuals(C, e)
            if weights is not None:
                asked = asked * (weights > 1e-6)
            active = int((asked > tolerance).sum(1).max())
            if active == 0:
                break
            if active < n_bands:
                space.choose(_worst(asked, active))
        space.expand(active)
        e, C = space.lowest()
    usual = torch.quantile(asked, 0.5, dim=1, keepdim=True)
    behind = min(few, int((asked > (_LAG * usual).clamp_min(tolerance)).sum(1).max()))
    if behind:
        rows = _worst(asked, behind)
        for _ in range(_FOLLOW):
            if not space.room(behind) or bool((space.residuals(_rows(C, rows), torch.gather(e, 1, rows)) < usual).all()):
                break
            space.expand(behind)
            e, C = space.lowest()
    X, final = space.vectors(C, e, finish)
    return Bands(X, e, first_norms, final)


def _worst(norms: torch.Tensor, count: int) -> torch.Tensor:
    """Places (B, count), rising, of the largest of each row."""
    return torch.topk(norms, count, dim=1).indices.sort(dim=1).values


def _rows(C: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows (B, count) of C (B, n, size)."""
    return torch.gather(C, 1, rows[..., None].expand(-1, -1, C.shape[2]))
