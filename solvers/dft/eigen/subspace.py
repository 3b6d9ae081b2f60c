"""The subspace of a block eigensolver in one piece of memory: vectors, images, and their matrices."""
from __future__ import annotations

import torch

from ..basis import Batch
from .algebra import combine, directions, hermitian, matmul, overlap, row_norms


class Subspace:
    """Vectors V (B, n, storage) with images HV and the matrices h = ⟨V|HV⟩, g = ⟨V|V⟩, one block of memory each; the vectors that come next are made in it."""

    def __init__(self, hamiltonian, batch: Batch, spin: int, X: torch.Tensor, image: torch.Tensor | None, capacity: int):
        self.hamiltonian, self.batch, self.spin = hamiltonian, batch, spin
        self.n_bands = self.n = X.shape[1]
        self.V = X.new_empty(X.shape[0], capacity * self.n_bands, X.shape[2])
        self.HV = torch.empty_like(self.V)
        self.V[:, :self.n_bands] = X
        if image is None:
            hamiltonian.apply(batch, self.X, out=self.HX, spin=spin)
        else:
            self.HV[:, :self.n_bands] = image
        self._close()

    @property
    def X(self) -> torch.Tensor:
        """The orbitals the subspace began with."""
        return self.V[:, :self.n_bands]

    @property
    def HX(self) -> torch.Tensor:
        """Their images."""
        return self.HV[:, :self.n_bands]

    @property
    def full(self) -> bool:
        """Whether another block of vectors does not fit."""
        return self.n + self.n_bands > self.V.shape[1]

    def _close(self) -> None:
        """Matrices of all vectors at hand."""
        V, HV = self.V[:, :self.n], self.HV[:, :self.n]
        self.h, self.g = hermitian(overlap(V, HV)), hermitian(overlap(V, V))

    def collapse(self, C: torch.Tensor) -> None:
        """Keep the Ritz vectors C V and the directions by which they were reached, with their images: without those what comes next is steepest descent."""
        kept = torch.cat([C, directions(C, self.g.to(C.dtype), self.n_bands)], 1)
        for block in (self.V, self.HV):
            block[:, :kept.shape[1]] = matmul(kept, block[:, :self.n])
        self.n = kept.shape[1]
        self._close()

    def residuals(self, C: torch.Tensor | None, e: torch.Tensor) -> torch.Tensor:
        """Put the preconditioned residuals of the Ritz vectors C V (None: of X) in the next place; their norms before preconditioning (B, bands)."""
        slot = slice(self.n, self.n + self.n_bands)
        if C is None:
            return self.hamiltonian.residuals(self.batch, self.X, self.HX, e, out=self.V[:, slot])[1]
        combine(C, self.V[:, :self.n], self.V[:, slot])  # made where the new vectors will stand: no block more than the subspace itself
        combine(C, self.HV[:, :self.n], self.HV[:, slot])
        return self.hamiltonian.residuals(self.batch, self.V[:, slot], self.HV[:, slot], e, out=self.V[:, slot])[1]

    def choose(self, rows: torch.Tensor) -> None:
        """Keep only these of the new vectors, (B, active) in rising order."""
        fresh = self.V[:, self.n:self.n + self.n_bands]
        self.V[:, self.n:self.n + rows.shape[1]] = torch.gather(fresh, 1, rows[..., None].expand(-1, -1, fresh.shape[2]))

    def expand(self, active: int, last: bool) -> None:
        """Take in the first `active` new vectors, normalised; last: no expansion follows. Products with the orbitals use the orbitals' own exact images."""
        V, HV, n, m = self.V, self.HV, self.n, self.n + active
        W = normalised(self.batch.clean(V[:, n:m]))
        self.hamiltonian.apply(self.batch, W, out=HV[:, n:m], spin=self.spin)
        g = overlap(V[:, :m], W)
        h = torch.empty_like(g)
        h[:, :self.n_bands] = overlap(self.HX, W)
        h[:, self.n_bands:] = overlap(V[:, self.n_bands:m], HV[:, n:m])
        self.g, self.h, self.n = bordered(self.g, g), bordered(self.h, h), m

    def final(self, X: torch.Tensor, C: torch.Tensor, e: torch.Tensor) -> torch.Tensor | None:
        """Residual norms (B, bands) of X = C V, from the images at hand; None where some are missing."""
        R = matmul(C, self.HV[:, :self.n])
        R -= e[..., None] * X
        return row_norms(R)

    def vectors(self, C: torch.Tensor) -> torch.Tensor:
        """C V in memory of its own; the subspace is used up."""
        return matmul(C, self.V[:, :self.n])


def normalised(W: torch.Tensor) -> torch.Tensor:
    """Rows divided by their length, in place."""
    W *= (1.0 / row_norms(W).clamp_min(1e-150))[..., None]
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
