"""The subspace of a block eigensolver: the orbitals X with their exact images, and the vectors added to them.

Added vectors W and their images may be of single precision. A vector is whatever it was rounded to, the images' rounding enters Ritz vectors only in
proportion to their share of W, which is the error that is being removed, and every call begins with exact images of the orbitals it was given: levels and
residuals reach what they reach in double, in as many steps. Small matrices are double throughout.
"""
from __future__ import annotations

import torch

from ..basis import Batch
from .algebra import accumulate, directions, hermitian, lowest, matmul, overlap, row_norms

#: bytes of orbitals that are combined at once on the CPU, so that the result stays in the cache for what comes next; the shortest stretch worth a call
_STRETCH, _SHORTEST = 2**21, 4096
#: eigenvalue of an overlap matrix, beside its largest, from which on a direction is more than the rounding of single precision
_NOISE = 1e-5
#: added vectors that are few beside the orbitals: at most a part in so many
FEW = 8


class Subspace:
    """Vectors (X, W) with images (HX, HW) and the matrices h = ⟨V|HV⟩, g = ⟨V|V⟩ over all of them.

    X (B, bands, storage) stays the caller's, untouched; image: HX where it is at hand, whose memory becomes the subspace's. capacity: rows of W at most;
    dtype: what W is stored in. Ritz vectors are made a stretch of plane waves at a time and need no block of their own.
    """

    def __init__(self, hamiltonian, batch: Batch, spin: int, X: torch.Tensor, image: torch.Tensor | None, capacity: int,
                 dtype: torch.dtype):
        self.hamiltonian, self.batch, self.spin = hamiltonian, batch, spin
        self.n_bands, self.n = X.shape[1], 0
        self.X = X
        self.HX = hamiltonian.apply(batch, X, spin=spin) if image is None else image
        self.W = X.new_empty(X.shape[0], capacity, X.shape[2], dtype=dtype)
        self.HW = torch.empty_like(self.W)
        self.h, self.g = hermitian(overlap(X, self.HX)), hermitian(overlap(X, X))
        self._levels = self.h.diagonal(dim1=1, dim2=2).real.clone()
        length = X.shape[2]
        step = max(_STRETCH // (self.n_bands * X.element_size()), _SHORTEST) & -2 if len(batch) == 1 and batch.device == "cpu" else length
        self._stretches = [slice(first, min(first + step, length)) for first in range(0, length, step)]
        self._sides: list[tuple[torch.Tensor, torch.Tensor]] | None = None

    def room(self, rows: int) -> bool:
        """Whether so many more vectors fit."""
        return self.n + rows <= self.W.shape[1]

    def residuals(self, C: torch.Tensor | None, e: torch.Tensor) -> torch.Tensor:
        """Put the preconditioned residuals of the Ritz vectors C V (None: of X), of levels e (B, rows), in the next place of W; their norms before
        preconditioning (B, rows)."""
        slot = self.W[:, self.n:self.n + e.shape[1]]
        if C is None:
            return self.hamiltonian.residuals(self.batch, self.X, self.HX, e, out=slot)[1]
        squares = torch.zeros_like(e)
        for stretch in self._stretches:
            vectors, images = (self._combined(C, *blocks, stretch) for blocks in ((self.X, self.W), (self.HX, self.HW)))
            part, norms = self.hamiltonian.residuals(self.batch, vectors, images, e, out=vectors, first=stretch.start)
            slot[..., stretch] = part
            squares += norms**2
        return squares.sqrt()

    def choose(self, rows: torch.Tensor) -> None:
        """Keep only these of the new vectors, (B, active) in rising order."""
        fresh = self.W[:, self.n:]
        for stretch in self._stretches:
            part = fresh[..., stretch]
            part[:, :rows.shape[1]] = torch.gather(part, 1, rows[..., None].expand(-1, -1, part.shape[2]))

    def expand(self, active: int) -> None:
        """Take in the first `active` new vectors, normalised. Products with the orbitals use the orbitals' own exact images."""
        n, m = self.n, self.n + active
        W, HW = self.W[:, n:m], self.HW[:, n:m]
        normalised(self.batch.clean(W))
        self.hamiltonian.apply(self.batch, W, out=HW, spin=self.spin)
        beside, coupled = self._with_orbitals(W)
        g = torch.cat([beside, self._products(self.W[:, :m], W)], 1)
        h = torch.cat([coupled, self._products(self.W[:, :m], HW)], 1)
        self.g, self.h, self.n = bordered(self.g, g), bordered(self.h, h), m

    def lowest(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Lowest levels (B, bands) and coefficients C (B, bands, n) of the Ritz vectors C V."""
        e, C = lowest(self.h, self.g, self.n_bands, 1e-9 if self.W.dtype == self.X.dtype else _NOISE)
        return e, C.to(self.X.dtype)

    def compress(self, C: torch.Tensor) -> None:
        """Keep of W only the directions by which the Ritz vectors C V were reached: X and they span those vectors, and what comes next is a conjugate direction
        (A. V. Knyazev, SIAM J. Sci. Comput. 23, 517 (2001), eq. 4.2). Exact images of X are kept, and no product of vectors is made anew."""
        n = self.n_bands
        P = directions(C[..., n:], self.g[:, n:, n:].to(C.dtype))
        for block in (self.W, self.HW):
            for stretch in self._stretches:
                block[:, :P.shape[1], stretch] = matmul(P.to(block.dtype), block[:, :self.n, stretch])
        T = torch.zeros(len(P), n + P.shape[1], n + self.n, dtype=P.dtype, device=P.device)
        T[:, :n, :n] = torch.eye(n, dtype=P.dtype, device=P.device)
        T[:, n:, n:] = P
        self.h, self.g = (hermitian(T.conj() @ M.to(T.dtype) @ T.mT) for M in (self.h, self.g))
        self.n = P.shape[1]

    def vectors(self, C: torch.Tensor, e: torch.Tensor, finish: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(C V, residual norms (B, bands) of it where `finish`); the subspace is used up, its HX becomes the result."""
        squares = torch.zeros_like(e)
        for stretch in self._stretches:
            vectors = self._combined(C, self.X, self.W, stretch)
            if finish:
                images = self._combined(C, self.HX, self.HW, stretch)
                squares += row_norms(images.sub_(e[..., None] * vectors)) ** 2
            self.HX[..., stretch] = vectors
        return self.HX, squares.sqrt() if finish else None

    # ---- parts -----------------------------------------------------------------------------------------------------------------
    def _combined(self, C: torch.Tensor, first: torch.Tensor, added: torch.Tensor, stretch: slice) -> torch.Tensor:
        """C (first, added) on a stretch, in the precision of `first`."""
        result = matmul(C[..., :self.n_bands], first[..., stretch])
        return accumulate(result, C[..., self.n_bands:], added[:, :self.n, stretch]) if self.n else result

    def _with_orbitals(self, W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """⟨X|W⟩ and ⟨HX|W⟩. In single precision the second one is made of residuals, e⟨X|W⟩ + ⟨HX − eX|W⟩: what couples an orbital to what it lacks is then as
        exact as it is small, where a product with HX would be lost in the rounding of e."""
        if W.dtype == self.X.dtype or W.shape[1] <= self.n_bands // FEW:  # products of a few are cheaper than the others' conversion
            W = W.to(self.X.dtype)
            return overlap(self.X, W), overlap(self.HX, W)
        if self._sides is None:
            self._sides = [self._beside(stretch) for stretch in self._stretches]
        g = h = torch.zeros((), dtype=self.X.dtype, device=W.device)
        for (X, R), stretch in zip(self._sides, self._stretches, strict=True):
            g, h = g + overlap(X, W[..., stretch]), h + overlap(R, W[..., stretch])
        return g, h + self._levels[..., None] * g

    def _beside(self, stretch: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """X and HX − eX on a stretch, in the precision of W."""
        X = self.X[..., stretch]
        return X.to(self.W.dtype), torch.addcmul(self.HX[..., stretch], self._levels[..., None].to(X.dtype), X, value=-1).to(self.W.dtype)

    def _products(self, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        """⟨A_i|B_j⟩ of added vectors, in their precision, summed over stretches in double."""
        if B.dtype == self.X.dtype:
            return overlap(A, B)
        return sum(overlap(A[..., s], B[..., s]).to(self.X.dtype) for s in self._stretches)


def normalised(W: torch.Tensor) -> torch.Tensor:
    """Rows divided by their length, in place."""
    W *= (1.0 / row_norms(W).clamp_min(1e-30))[..., None]
    return W


def bordered(M: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Hermitian matrix M (B, n, n) bordered by `column` (B, n+m, m)."""
    n, m = M.shape[-1], column.shape[-1]
    out = M.new_empty(M.shape[0], n + m, n + m)
    out[:, :n, :n] = M
    out[:, :n, n:] = column[:, :n]
    out[:, n:, :n] = column[:, :n].mH
    out[:, n:, n:] = hermitian(column[:, n:])
    return out
