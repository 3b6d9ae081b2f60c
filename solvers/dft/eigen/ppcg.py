"""Projected preconditioned conjugate gradients for many bands: small eigenproblems of a few bands each, all in one batched call.

E. Vecharynski, C. Yang, J. E. Pask, J. Comput. Phys. 290, 73 (2015). Blocked Davidson solves one eigenproblem of twice to three times the number of bands,
which parallel machines do worst; here the bands are cut into groups of `GROUP`, each group minimises in the span of its own orbitals, preconditioned
residuals and previous directions (3 GROUP vectors), and orthogonality between the groups is restored by a Cholesky factorisation. The whole block is
diagonalised every `_RITZ` steps and at the end. A step costs one application per band: the images of orbitals and directions are carried along.
"""
from __future__ import annotations

from functools import partial

import torch

from ..basis import Batch
from .algebra import hermitian, lowest, matmul, overlap, row_norms
from .davidson import Bands

#: bands per group: 3 × 8 = 24 stays below the 32 up to which GPU libraries solve batched eigenproblems by Jacobi rotations
GROUP = 8
#: steps between diagonalisations of the whole block
_RITZ = 5
#: bands from which this solver takes the place of Davidson's on CUDA
WORTHWHILE = 300


def ppcg(hamiltonian, batch: Batch, X: torch.Tensor, *, expansions: int, tolerance: float, weights: torch.Tensor | None = None, spin: int = 0,
         image: torch.Tensor | None = None, finish: bool = False) -> Bands:
    """Improve orthonormal orbitals X (B, bands, storage) by at most `expansions` steps, at least one; arguments and result as of `davidson`."""
    apply = partial(hamiltonian.apply, batch, spin=spin)
    HX = apply(X) if image is None else image.clone()
    X, HX, e = _ritz(X, HX)
    first_norms = P = HP = None
    for step in range(expansions):
        W, norms = hamiltonian.residuals(batch, X, HX, e)
        if step == 0:
            first_norms = norms
        else:
            asked = norms if weights is None else norms * (weights > 1e-6)
            if float(asked.max()) <= tolerance:
                break
        W = _beside(batch.clean(W), X)
        HW = apply(W)
        if P is not None:
            M = matmul(P, X.mH)
            P, HP = P - matmul(M, X), HP - matmul(M, HX)
            scale = 1.0 / torch.linalg.vector_norm(P, dim=-1, keepdim=True).clamp_min(1e-150)
            P, HP = P * scale, HP * scale
        X, HX, P, HP = _groups(X, HX, W, HW, P, HP)
        X, HX = _orthonormal(X, HX)
        if (step + 1) % _RITZ == 0:
            X, HX, e = _ritz(X, HX)
            P = HP = None  # they belonged to the bands before they were mixed
        else:
            e = (X.conj() * HX).real.sum(-1)
    X, HX, e = _ritz(X, HX)
    return Bands(X, e, first_norms, row_norms(HX - e[..., None] * X) if finish else None)


def _beside(W: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """Rows of W orthogonal to those of X, normalised."""
    W = W - matmul(matmul(W, X.mH), X)
    return W / torch.linalg.vector_norm(W, dim=-1, keepdim=True).clamp_min(1e-150)


def _ritz(X: torch.Tensor, HX: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ritz vectors of orthonormal rows X, their images and values."""
    e, C = lowest(hermitian(overlap(X, HX)), hermitian(overlap(X, X)), X.shape[1])
    C = C.to(X.dtype)
    return matmul(C, X), matmul(C, HX), e


def _orthonormal(X: torch.Tensor, HX: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """X orthonormalised, HX taken along; by Cholesky, by diagonalisation where the rows are nearly dependent."""
    S = hermitian(matmul(X, X.mH))
    L, info = torch.linalg.cholesky_ex(S)
    if bool((info == 0).all()):
        return tuple(torch.linalg.solve_triangular(L, block, upper=False).contiguous() for block in (X, HX))
    s, U = torch.linalg.eigh(S)
    T = ((U * s.clamp_min(1e-14 * float(s.max())).rsqrt()[..., None, :]).mH).to(X.dtype)
    return matmul(T, X), matmul(T, HX)


def _groups(X: torch.Tensor, HX: torch.Tensor, W: torch.Tensor, HW: torch.Tensor, P: torch.Tensor | None, HP: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """One step of every group: new (X, HX, P, HP), bands not yet orthogonal between groups. A last group that is not full is filled up with zero rows."""
    bands = X.shape[1]
    count = -(-bands // GROUP)
    missing = count * GROUP - bands

    def cut(block: torch.Tensor) -> torch.Tensor:
        """(B groups, GROUP, storage)."""
        return torch.nn.functional.pad(block, (0, 0, 0, missing)).reshape(-1, GROUP, block.shape[-1])
    parts = [(cut(X), cut(HX)), (cut(W), cut(HW))] + ([] if P is None else [(cut(P), cut(HP))])
    V, HV = (torch.cat(blocks, 1) for blocks in zip(*parts, strict=True))  # (B groups, 2 or 3 GROUP, storage)
    g, h = hermitian(overlap_small(V, V)), hermitian(overlap_small(V, HV))
    empty = g.diagonal(dim1=1, dim2=2).real < 0.5  # rows of the filling: unit vectors far above every level
    g = g + torch.diag_embed(empty.to(g.dtype))
    h = h + torch.diag_embed(empty.to(h.dtype)) * 1e6
    _, C = lowest(h, g, GROUP)
    C = C.to(X.dtype)
    rest = C.clone()
    rest[..., :GROUP] = 0.0

    def back(coefficients: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        return torch.bmm(coefficients, blocks).reshape(X.shape[0], count * GROUP, -1)[:, :bands]
    return back(C, V), back(C, HV), back(rest, V), back(rest, HV)


def overlap_small(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """⟨A_i|B_j⟩ of every group."""
    return torch.bmm(A.conj(), B.mT)
