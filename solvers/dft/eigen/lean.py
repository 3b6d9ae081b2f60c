"""The subspace of one large k-point on the CPU with the least memory: five blocks of vectors where `subspace.Subspace` takes eight."""
from __future__ import annotations

import torch

from ..basis import Batch
from ..parallel import give_back
from .algebra import directions, hermitian, overlap
from .subspace import bordered, normalised

#: blocks of vectors; a full subspace is collapsed
BLOCKS = 3
#: numbers of orbital storage that are combined at once: the result stays in the cache for what comes next
_STRETCH = 4096
#: pieces in which images are made that are not kept
_PIECES = 4


class LeanSubspace:
    """Does what `Subspace` does. Blocks are separate and change their roles; the orbitals X stay the caller's, untouched.

    Ritz vectors are made a stretch of plane waves at a time and need no block. Of the last vectors taken in only the matrices are needed: the local part of
    their images is made a few bands at a time, and the projectors enter through the overlaps ⟨β|W⟩.
    """

    def __init__(self, hamiltonian, batch: Batch, spin: int, X: torch.Tensor, image: torch.Tensor | None):
        give_back()
        self.hamiltonian, self.batch, self.spin = hamiltonian, batch, spin
        self.n_bands = X.shape[1]
        self._rows = [self.n_bands]  # in use of every block of vectors
        self._V = [X]
        self._HV = [hamiltonian.apply(batch, X, spin=spin) if image is None else image]
        self._overlaps: list[torch.Tensor] = []  # ⟨β|W⟩ of every block but the first
        self._own: list[torch.Tensor] = []  # blocks of vectors that are not the caller's
        self._free: list[torch.Tensor] = []
        self._close()

    @property
    def full(self) -> bool:
        """Whether another block of vectors would be one too many."""
        return len(self._V) == BLOCKS

    @property
    def V(self) -> list[torch.Tensor]:
        """Vectors taken in, block by block."""
        return [block[:, :n] for block, n in zip(self._V, self._rows, strict=False)]

    @property
    def HV(self) -> list[torch.Tensor]:
        """Images in use; those of the last vectors may be missing."""
        return [block[:, :n] for block, n in zip(self._HV, self._rows, strict=False)]

    def collapse(self, C: torch.Tensor) -> None:
        """Keep the Ritz vectors C V and the directions by which they were reached, with their images: without those what comes next is steepest descent."""
        P = directions(C, self.g.to(C.dtype), self.n_bands)
        own, images = self._own[:2], self._HV[:2]
        for old, new in ((self.V, own), (self.HV, images)):
            for stretch in self._stretches():
                first, second = _combined(C, old, stretch), _combined(P, old, stretch)
                new[0][..., stretch], new[1][:, :P.shape[1], stretch] = first, second
        self._free += [*self._own[2:], *self._HV[2:]]
        self._V, self._HV, self._own, self._rows = list(own), images, own, [self.n_bands, P.shape[1]]
        (X, P), (HX, HP) = self.V, self.HV
        self._overlaps = [self.hamiltonian.projectors.overlaps(self.batch, P)]
        self._close()
        self.g = bordered(self.g, torch.cat([overlap(X, P), overlap(P, P)], 1))
        self.h = bordered(self.h, torch.cat([overlap(HX, P), overlap(P, HP)], 1))

    def residuals(self, C: torch.Tensor | None, e: torch.Tensor) -> torch.Tensor:
        """Make the preconditioned residuals of the Ritz vectors C V (None: of X); their norms before preconditioning (1, bands)."""
        self._V.append(self._take())
        self._own.append(self._V[-1])
        if C is None:
            return self.hamiltonian.residuals(self.batch, self._V[0], self._HV[0], e, out=self._V[-1])[1]
        V, HV, squares = self.V, self.HV, torch.zeros_like(e)
        for stretch in self._stretches():
            vectors = _combined(C, V, stretch)
            part, norms = self.hamiltonian.residuals(self.batch, vectors, _combined(C, HV, stretch), e, out=vectors, first=stretch.start)
            self._V[-1][..., stretch] = part
            squares += norms**2
        return squares.sqrt()

    def choose(self, rows: torch.Tensor) -> None:
        """Keep only these of the new vectors, (1, active) in rising order."""
        for stretch in self._stretches():
            self._V[-1][:, :rows.shape[1], stretch] = self._V[-1][:, rows[0], stretch]

    def expand(self, active: int, last: bool) -> None:
        """Take in the first `active` new vectors, normalised; last: no expansion follows. Products with the orbitals use the orbitals' own exact images."""
        H, batch = self.hamiltonian, self.batch
        self._rows.append(active)
        V = self.V
        W = normalised(batch.clean(V[-1]))
        self._overlaps.append(H.projectors.overlaps(batch, W))
        g = torch.cat([overlap(block, W) for block in V], 1)
        top = overlap(self._HV[0], W)
        if last:
            rest = self._local_products(V[1:], W) + overlap(torch.cat(self._overlaps, 1), self._overlaps[-1] * H.D)
        else:
            self._HV.append(self._take())
            H.apply(batch, W, out=self.HV[-1], spin=self.spin, overlaps=self._overlaps[-1])
            rest = torch.cat([overlap(block, self.HV[-1]) for block in V[1:]], 1)
        self.g, self.h = bordered(self.g, g), bordered(self.h, torch.cat([top, rest], 1))

    def final(self, X: torch.Tensor, C: torch.Tensor, e: torch.Tensor) -> torch.Tensor | None:
        """None: the last vectors have no images."""
        return None

    def vectors(self, C: torch.Tensor) -> torch.Tensor:
        """C V in memory of its own; the subspace is used up."""
        V, result = self.V, self._HV[0]
        for stretch in self._stretches():
            result[..., stretch] = _combined(C, V, stretch)
        return result

    # ---- parts -----------------------------------------------------------------------------------------------------------------
    def _take(self) -> torch.Tensor:
        return self._free.pop() if self._free else torch.empty_like(self._HV[0])

    def _close(self) -> None:
        X, HX = self._V[0], self._HV[0]
        self.h, self.g = hermitian(overlap(X, HX)), hermitian(overlap(X, X))

    def _stretches(self) -> list[slice]:
        return [slice(first, first + _STRETCH) for first in range(0, self._V[0].shape[2], _STRETCH)]

    def _local_products(self, V: list[torch.Tensor], W: torch.Tensor) -> torch.Tensor:
        """⟨V|H|W⟩ without the projectors' part, (1, vectors, active)."""
        few = -(-self.n_bands // _PIECES)
        few += few % 2  # pairs of real bands share a transform
        image, columns = W.new_empty(1, few, W.shape[2]), []
        for first in range(0, W.shape[1], few):
            piece = W[:, first:first + few]
            HW = self.hamiltonian.apply_local(self.batch, piece, image[:, :piece.shape[1]], self.spin)
            columns.append(torch.cat([overlap(block, HW) for block in V], 1))
        return torch.cat(columns, 2)


def _combined(C: torch.Tensor, blocks: list[torch.Tensor], stretch: slice) -> torch.Tensor:
    """C V of a k-point on a stretch of plane waves."""
    total, first = None, 0
    for block in blocks:
        part, first = C[0, :, first:first + block.shape[1]], first + block.shape[1]
        total = torch.mm(part, block[0, :, stretch]) if total is None else total.addmm_(part, block[0, :, stretch])
    return total[None]
