"""Dense algebra on batched blocks (B, rows, n): products, overlaps and the small generalised eigenproblem."""
from __future__ import annotations

import torch

#: columns that are solved for at once
_STRETCH = 8192


def matmul(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """A @ B for (B, …) tensors; a batch of one goes to plain GEMM, which takes conjugates and transposes without copying."""
    return torch.mm(A[0], B[0]).unsqueeze(0) if A.shape[0] == 1 else torch.matmul(A, B)


def accumulate(total: torch.Tensor, C: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
    """total += C @ V in place, the product in the precision of V."""
    if V.dtype != total.dtype:
        return total.add_(matmul(C.to(V.dtype), V))
    if total.shape[0] == 1:
        total[0].addmm_(C[0], V[0])
        return total
    return total.baddbmm_(C, V)


def overlap(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """S_ij = ⟨A_i|B_j⟩ of rows."""
    return matmul(B, A.mH).mT if A.is_complex() else matmul(A, B.mT)


def row_norms(A: torch.Tensor) -> torch.Tensor:
    """Euclidean norms of the rows of (…, n). Of complex numbers torch would take the modulus of every one; seen as real pairs they need no root."""
    return torch.linalg.vector_norm(torch.view_as_real(A).flatten(-2) if A.is_complex() and A.stride(-1) == 1 else A, dim=-1)


def hermitian(M: torch.Tensor) -> torch.Tensor:
    """The Hermitian part of square matrices."""
    return 0.5 * (M + M.mH)


def lowest(H: torch.Tensor, S: torch.Tensor, n: int, noise: float = 1e-9) -> tuple[torch.Tensor, torch.Tensor]:
    """Lowest n solutions of H u = e S u: (B, n) and rows C (B, n, size) such that new vectors are C @ V with H_ij = ⟨V_i|H V_j⟩.

    Cholesky where it succeeds; where the basis is numerically dependent, those problems alone are solved in the part of S whose eigenvalues exceed `noise`
    times the largest.
    """
    L, info = torch.linalg.cholesky_ex(S)
    failed = info != 0
    if noise > 1e-9:  # elements of S carry errors that a pivot must exceed
        failed = failed | ~(L.diagonal(dim1=-2, dim2=-1).real.amin(-1) ** 2 > noise)
    if not bool(failed.any()):
        return _by_cholesky(H, L, n)
    if len(S) == 1:
        e, C = _lowest_dependent(H[0], S[0], n, noise)
        return e[None], C[None]
    place = torch.nonzero(failed).reshape(-1)
    L[place] = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)  # something to go on with
    e, C = _by_cholesky(H, L, n)
    solved = [_lowest_dependent(H[i], S[i], n, noise) for i in place.tolist()]
    e[place], C[place] = torch.stack([e for e, _ in solved]), torch.stack([c for _, c in solved])
    return e, C


def _by_cholesky(H: torch.Tensor, L: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    A = torch.linalg.solve_triangular(L, H, upper=False)
    A = torch.linalg.solve_triangular(L, A.mH, upper=False)
    e, U = torch.linalg.eigh(A)  # reads one triangle
    U = torch.linalg.solve_triangular(L.mH, U[..., :n], upper=True)
    return e[..., :n], U.mT


def _lowest_dependent(H: torch.Tensor, S: torch.Tensor, n: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    s, W = torch.linalg.eigh(S)
    keep = s > noise * s[-1]  # the n orthonormal vectors of the block guarantee n eigenvalues ≥ 1
    T = W[:, keep] / torch.sqrt(s[keep])
    e, U = torch.linalg.eigh(hermitian(T.mH @ H @ T))
    return e[:n], (T @ U[:, :n]).mT


def directions(P: torch.Tensor, S: torch.Tensor) -> torch.Tensor:
    """Coefficients (B, m ≤ rows, n) of orthonormal vectors that span the rows of P (B, rows, n) in a basis of overlaps S (B, n, n), each row of P counted with
    length one; nearly dependent ones are left out. The same m for all of a batch."""
    P = P / torch.sqrt(((P.conj() @ S) * P).sum(-1).real.clamp_min(1e-300))[..., None]
    s, U = torch.linalg.eigh(hermitian(P.conj() @ S @ P.mT))
    m = int((s > 1e-4).sum(-1).min())
    return (U[..., s.shape[-1] - m:] / torch.sqrt(s[..., None, s.shape[-1] - m:])).mT @ P


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
