"""Blocked Davidson iteration: all bands of a batch of k-points expand one subspace together.

The subspace holds the orbitals X and the preconditioned residuals of the bands that are not converged (the same number for every k-point of a batch, so that
shapes stay equal); each expansion solves the Rayleigh–Ritz problem in all of it. A full subspace keeps the orbitals and their last directions.
The last direction of the previous call is deliberately not kept: with its old image HP a level near a small gap (0.01 Ha) made the self-consistent cycle
diverge, and with a fresh image it cost more than it saved.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from ..basis import Batch
from .algebra import lowest
from .lean import BLOCKS, LeanSubspace
from .subspace import Subspace

#: bytes up to which a subspace may hold every expansion of a call; larger ones are collapsed when `BLOCKS` blocks of vectors are full
_ROOMY = 2**26


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
    at hand, whose memory is then used; finish: say the residuals at the end too, where the images for it are kept.
    """
    n_bands = X.shape[1]
    if 2 * (expansions + 1) * X.numel() * X.element_size() < _ROOMY:
        space = Subspace(hamiltonian, batch, spin, X, image, expansions + 1)
    elif len(batch) == 1 and batch.device == "cpu":
        space = LeanSubspace(hamiltonian, batch, spin, X, image)
    else:
        space = Subspace(hamiltonian, batch, spin, X, image, min(expansions + 1, BLOCKS))
    e = space.h.diagonal(dim1=1, dim2=2).real.clone()
    first_norms = C = None
    for expansion in range(expansions):
        if space.full:
            space.collapse(C)
            C = None
        norms = space.residuals(C, e)
        active = n_bands
        if expansion == 0:
            first_norms = norms
        else:
            asked = norms if weights is None else norms * (weights > 1e-6)
            active = int((asked > tolerance).sum(1).max())
            if active == 0:
                break
            if active < n_bands:
                space.choose(torch.topk(asked, active, dim=1).indices.sort(dim=1).values)
        space.expand(active, last=expansion == expansions - 1)
        e, C = lowest(space.h, space.g, n_bands)
        C = C.to(X.dtype)
    if C is None:  # nothing was added after a collapse
        C = torch.eye(n_bands, space.h.shape[-1], dtype=X.dtype, device=X.device).expand(len(batch), -1, -1)
    X = space.vectors(C)
    return Bands(X, e, first_norms, space.final(X, C, e) if finish else None)
