"""Dense algebra on batched blocks (B, rows, n): products, overlaps and the small generalised eigenproblem."""
from __future__ import annotations

import torch

#: columns that are solved for at once
_STRETCH = 8192


def matmul(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """A @ B for (B, …) tensors; a batch of one goes to plain GEMM, which takes conjugates and transposes without copying."""
    return torch.mm(A[0], B[0]).unsqueeze(0) if A.shape[0] == 1 else torch.matmul(A, B)


def combine(C: torch.Tensor, V: torch.Tensor, out: torch.Tensor) -> None:
    """out = C @ V without another array where the batch is one."""
    if C.shape[0] == 1:
        torch.mm(C[0], V[0], out=out[0])
    else:
        out.copy_(torch.matmul(C, V))


def overlap(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """S_ij = ⟨A_i|B_j⟩ of rows."""
    return matmul(B, A.mH).mT if A.is_complex() else matmul(A, B.mT)


def row_norms(A: torch.Tensor) -> torch.Tensor:
    """Euclidean norms of the rows of (…, n). Of complex numbers torch would take the modulus of every one; seen as real pairs they need no root."""
    return torch.linalg.vector_norm(torch.view_as_real(A).flatten(-2) if A.is_complex() and A.stride(-1) == 1 else A, dim=-1)


def hermitian(M: torch.Tensor) -> torch.Tensor:
    """The Hermitian part of square matrices."""
    return 0.5 * (M + M.mH)


def lowest(H: torch.Tensor, S: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lowest n solutions of H u = e S u: (B, n) and rows C (B, n, size) such that new vectors are C @ V with H_ij = ⟨V_i|H V_j⟩.

    Cholesky where it succeeds; where the basis is numerically dependent, those problems alone are solved in the well-conditioned part of S.
    """
    L, info = torch.linalg.cholesky_ex(S)
    failed = info != 0
    if not bool(failed.any()):
        return _by_cholesky(H, L, n)
    if len(S) == 1:
        e, C = _lowest_dependent(H[0], S[0], n)
        return e[None], C[None]
    place = torch.nonzero(failed).reshape(-1)
    L[place] = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)  # something to go on with
    e, C = _by_cholesky(H, L, n)
    solved = [_lowest_dependent(H[i], S[i], n) for i in place.tolist()]
    e[place], C[place] = torch.stack([e for e, _ in solved]), torch.stack([c for _, c in solved])
    return e, C


def _by_cholesky(H: torch.Tensor, L: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    A = torch.linalg.solve_triangular(L, H, upper=False)
    A = torch.linalg.solve_triangular(L, A.mH, upper=False)
    e, U = torch.linalg.eigh(A)  # reads one triangle
    U = torch.linalg.solve_triangular(L.mH, U[..., :n], upper=True)
    return e[..., :n], U.mT


def _lowest_dependent(H: torch.Tensor, S: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    s, W = torch.linalg.eigh(S)
    keep = s > 1e-9 * s[-1]  # the n orthonormal vectors of the block guarantee n eigenvalues ≥ 1
    T = W[:, keep] / torch.sqrt(s[keep])
    e, U = torch.linalg.eigh(hermitian(T.mH @ H @ T))
    return e[:n], (T @ U[:, :n]).mT


def directions(C: torch.Tensor, S: torch.Tensor, n: int) -> torch.Tensor:
    """What the Ritz vectors C V (B, n, size) gained beside the first n vectors of V: coefficients (B, m ≤ n, size) of orthonormal vectors orthogonal to C V.

    S = ⟨V|V⟩. They are the conjugate directions of A. V. Knyazev, SIAM J. Sci. Comput. 23, 517 (2001), eq. 4.2; nearly dependent ones are left out.
    """
    P = C.clone()
    P[..., :n] = 0
    P /= torch.sqrt(((P.conj() @ S) * P).sum(-1).real.clamp_min(1e-300))[..., None]
    P -= (C.conj() @ S @ P.mT).mT @ C
    s, U = torch.linalg.eigh(hermitian(P.conj() @ S @ P.mT))
    m = int((s > 1e-4).sum(-1).min())
    return (U[..., n - m:] / torch.sqrt(s[..., None, n - m:].clamp_min(1e-4))).mT @ P


def orthonormalise(X: torch.Tensor) -> torch.Tensor:
    """Rows spanning the same space, orthonormal, in memory of their own."""
    return orthonormalise_(X.clone(memory_format=torch.contiguous_format))


def orthonormalise_(X: torch.Tensor) -> torch.Tensor:
    """`orthonormalise` in place: Cholesky twice, QR where the rows are nearly dependent."""
    for _ in range(2):
        L, info = torch.linalg.cholesky_ex(hermitian(matmul(X, X.mH)))
        if not bool((info == 0).all()):
            return X.copy_(torch.linalg.qr(X.mT)[0].mT)
        for first in range(0, X.shape[2], _STRETCH):
            part = X[..., first:first + _STRETCH]
            part.copy_(torch.linalg.solve_triangular(L, part, upper=False))
    return X
