"""Nonlocal projectors of a batch of k-points as matrices, so that applying them is two matrix products. Hartree atomic units.

⟨k+G|β⟩ = (−i)^l e^{−i(k+G)·R_a} p_i(|K|) Y_lm(K̂)/√Ω with K = k+G. The coupling matrix h of each channel is diagonalised once and its eigenvectors are
folded into the radial parts: the operator is Σ_p |β_p⟩ d_p ⟨β_p| with real d. Rows are ordered by element, atom, channel, i, m.
Radial and angular parts use p/q^l and solid harmonics, which are polynomials: values and derivatives are exact at K = 0 too.
"""
from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from .basis import Basis, Batch
from .eigen.algebra import matmul
from .kernels.phases import projector_rows, projectors_cpu, tables
from .parallel import Workers
from .pseudo.base import Pseudopotential
from .pseudo.harmonics import solid_harmonics, solid_harmonics_gradient

#: bytes of the projectors of all k-points up to which they are kept
KEPT = 32 * 2**20
#: bytes of projectors made at once, and the fewest plane waves that are worth a pass
_PART, _SHORTEST = 8 * 2**20, 512


@dataclass(frozen=True)
class Species:
    """Atoms that share a potential: their places in the structure (n,)."""

    pseudo: Pseudopotential
    atoms: np.ndarray


def couplings(species: list[Species]) -> np.ndarray:
    """Eigenvalues d (n_projectors,) Ha of the coupling matrices, in row order."""
    parts = [np.zeros(0)]
    for kind in species:
        one = [np.repeat(np.linalg.eigh(channel.h)[0], 2 * channel.l + 1) for channel in kind.pseudo.channels]
        parts.append(np.tile(np.concatenate([np.zeros(0), *one]), len(kind.atoms)))
    return np.concatenate(parts)


def atom_of_rows(species: list[Species]) -> np.ndarray:
    """Place in the structure of the atom each projector row belongs to (n_projectors,)."""
    parts = [np.zeros(0, int)]
    for kind in species:
        per_atom = sum(len(channel.h) * (2 * channel.l + 1) for channel in kind.pseudo.channels)
        parts.append(np.repeat(kind.atoms, per_atom))
    return np.concatenate(parts)


def turns(pseudo: Pseudopotential) -> torch.Tensor:
    """(−i)^l of every row of one atom, complex (rows,)."""
    return torch.tensor([(-1j) ** channel.l for channel in pseudo.channels for _ in range(len(channel.h) * (2 * channel.l + 1))], dtype=torch.complex128)


def _forms(pseudo: Pseudopotential, K: torch.Tensor, volume: float) -> torch.Tensor:
    """p(K)/√Ω without (−i)^l and structure phase, real (rows per atom, …) for K (…, 3)."""
    q = torch.linalg.vector_norm(K, dim=-1)
    rows = []
    for channel in pseudo.channels:
        rotation = torch.from_numpy(np.linalg.eigh(channel.h)[1].T.copy()).to(K)
        radial = torch.stack([channel.reduced(i, q) for i in range(len(channel.h))])
        radial = torch.tensordot(rotation, radial, 1)  # (n, …)
        angular = torch.movedim(solid_harmonics(channel.l, K), -1, 0)  # (2l+1, …)
        rows.append((radial[:, None] * angular[None]).flatten(0, 1) / math.sqrt(volume))
    return torch.cat(rows) if rows else K.new_zeros(0, *q.shape)


def form_gradients(pseudo: Pseudopotential, K: torch.Tensor, volume: float) -> torch.Tensor:
    """∂/∂K_α of `_forms`, (3, rows per atom, …)."""
    q = torch.linalg.vector_norm(K, dim=-1)
    rows = []
    for channel in pseudo.channels:
        rotation = torch.from_numpy(np.linalg.eigh(channel.h)[1].T.copy()).to(K)
        radial = torch.tensordot(rotation, torch.stack([channel.reduced(i, q) for i in range(len(channel.h))]), 1)
        slope = torch.tensordot(rotation, torch.stack([channel.reduced_slope(i, q) for i in range(len(channel.h))]), 1)
        angular = torch.movedim(solid_harmonics(channel.l, K), -1, 0)
        gradient = torch.movedim(solid_harmonics_gradient(channel.l, K), (-1, -2), (0, 1))  # (3, 2l+1, …)
        direction = torch.movedim(K, -1, 0)  # (3, …)
        value = slope[None, :, None] * angular[None, None] * direction[:, None, None] + radial[None, :, None] * gradient[:, None]
        rows.append(value.flatten(1, 2) / math.sqrt(volume))
    return torch.cat(rows, 1) if rows else K.new_zeros(3, 0, *q.shape)


def structure_phases(batch: Batch, fractional: torch.Tensor) -> torch.Tensor:
    """e^{−i(k+G)·R_a}, (B, atoms, n_pw). fractional (atoms, 3)."""
    miller = batch.K.new_zeros(batch.K.shape)
    for i, sphere in enumerate(batch.spheres):
        miller[i, :len(sphere)] = torch.from_numpy(sphere.miller + sphere.k).to(batch.K)
    return torch.exp(-2j * math.pi * (fractional @ miller.mT))


class Projectors:
    """The projector rows of every batch of `basis` for atoms at fractional positions (N, 3).

    On the CPU they are made again where they are applied, a stretch of plane waves at a time, unless those of all k-points together are small: making them
    costs a few percent of applying them, and all of them would be the largest array of a calculation. Kept are their forms, one set per species.
    """

    def __init__(self, basis: Basis, species: list[Species], fractional: torch.Tensor, workers: Workers):
        self.basis, self.species, self.workers = basis, species, workers
        self.fractional = fractional.to(basis.device)
        self._turns = [turns(kind.pseudo).to(basis.device) for kind in species]
        self.n_rows = sum(len(kind.atoms) * len(turn) for kind, turn in zip(species, self._turns, strict=True))
        self._row = self.n_rows * (8 if basis.half else 16)  # bytes per number of orbital storage
        everything = self._row * sum(len(batch) * batch.storage_length for batch in basis.batches)
        self._makes = basis.device == "cpu" and everything > KEPT
        self._local = threading.local()
        self._single: dict[int, torch.Tensor] = {}
        made = workers.map(self._kept_forms if self._makes else self._all, basis.batches)
        self._by_first = dict(zip((batch.first for batch in basis.batches), made, strict=True))

    def parts(self, batch: Batch, dtype: torch.dtype | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
        """(columns of orbital storage, rows there (B, n_rows, columns)) until all columns were given. A part is overwritten when the next one is asked for.
        dtype: single precision where it is asked for."""
        if not self.n_rows:
            return
        if dtype in (torch.float32, torch.complex64):
            if self._makes:
                yield from ((columns, P.to(dtype)) for columns, P in self.parts(batch))
                return
            if batch.first not in self._single:
                self._single[batch.first] = self._by_first[batch.first].to(dtype)
            yield slice(None), self._single[batch.first]
        elif not self._makes:
            yield slice(None), self._by_first[batch.first]
        elif self._row * batch.storage_length > _PART:
            yield from self._stretches(batch, *self._by_first[batch.first])
        else:  # a thread that works on a k-point comes back to it several times
            if getattr(self._local, "first", None) != batch.first:
                self._local.first = None
                self._local.rows = next(self._stretches(batch, *self._by_first[batch.first], "kept"))[1]
                self._local.first = batch.first
            yield slice(None), self._local.rows

    def of(self, batch: Batch) -> torch.Tensor:
        """All rows of a batch in orbital storage (B, n_rows, storage)."""
        return self._all(batch) if self._makes else self._by_first[batch.first]

    def overlaps(self, batch: Batch, X: torch.Tensor) -> torch.Tensor:
        """⟨β|X⟩ for X (B, bands, storage): (B, bands, n_rows)."""
        return _summed(X, self.n_rows, self.parts(batch, X.dtype))

    def displaced_overlaps(self, batch: Batch, X: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """`overlaps` and their derivatives with respect to the position of each row's own atom along x, y, z, with ∂β = −i K_α β."""
        result = [X.new_zeros(*X.shape[:2], self.n_rows) for _ in range(4)]
        for columns, P in self.parts(batch):
            stretch = slice(columns.start // 2, columns.stop // 2) if batch.half and columns.start is not None else columns
            rows = torch.view_as_complex(P.unflatten(-1, (-1, 2))) if batch.half else P
            for axis in range(-1, 3):
                changed = P
                if axis >= 0:
                    changed = rows * (-1j * batch.K[:, None, stretch, axis])
                    changed = torch.view_as_real(changed).flatten(-2) if batch.half else changed
                result[axis + 1] += matmul(X[..., columns], changed.mH)
        return result[0], result[1:]

    def strained_overlaps(self, batch: Batch, X: torch.Tensor) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Yield (α, β, ⟨−K_β ∂_α β|X⟩) for α ≤ β: the change of `overlaps` under strain, apart from −½ δ_αβ of the volume.

        The derivative does not act on the structure phase, which is invariant under strain.
        """
        if not self.n_rows:
            return
        gradients = [form_gradients(kind.pseudo, batch.K, self.basis.volume).movedim(1, 2) for kind in self.species]  # (3, B, rows, n_pw)
        phases = self._phases(batch)
        for a in range(3):
            for b in range(a, 3):
                forms = [-batch.K[:, None, :, b] * gradient[a] for gradient in gradients]
                yield a, b, _summed(X, self.n_rows, self._stretches(batch, forms, phases))

    # ---- making ----------------------------------------------------------------------------------------------------------------
    def _forms(self, batch: Batch) -> list[torch.Tensor]:
        """Per species (B, rows, n_pw)."""
        return [_forms(kind.pseudo, batch.K, self.basis.volume).movedim(0, 1).contiguous() for kind in self.species]

    def _phases(self, batch: Batch) -> list[list[tuple[torch.Tensor, ...]]]:
        """Tables of `kernels.phases` per species and sphere."""
        return [[tables(self.fractional[kind.atoms], sphere.miller, sphere.k) for sphere in batch.spheres] for kind in self.species]

    def _kept_forms(self, batch: Batch) -> tuple[list[torch.Tensor], list]:
        return self._forms(batch), self._phases(batch)

    def _all(self, batch: Batch) -> torch.Tensor:
        return self._rows(batch, *self._kept_forms(batch))

    def _rows(self, batch: Batch, forms: list[torch.Tensor], phases: list) -> torch.Tensor:
        """All rows of `forms` (B, rows, n_pw) per species in orbital storage."""
        stored, view = batch.blank(self.n_rows)
        first = 0
        for kind, turn, form, made in zip(self.species, self._turns, forms, phases, strict=True):
            count = len(kind.atoms) * len(turn)
            for i, sphere in enumerate(batch.spheres if count else ()):
                out = view[i, first:first + count]
                projector_rows(self.fractional[kind.atoms], sphere.miller, sphere.k, form[i].contiguous(), batch.half, out, turn, made[i])
            first += count
        return stored

    def _buffer(self, name: str, size: int) -> np.ndarray:
        """Complex numbers of this thread, the same memory for every call."""
        buffer = getattr(self._local, name, None)
        if buffer is None or len(buffer) < size:
            buffer = np.empty(size, complex)
            setattr(self._local, name, buffer)
        return buffer

    def _stretches(self, batch: Batch, forms: list[torch.Tensor], phases: list, buffer: str = "part") -> Iterator[tuple[slice, torch.Tensor]]:
        """Rows of `forms` (B, rows, n_pw) per species, as `parts` gives them."""
        width = 2 if batch.half else 1
        if batch.device != "cpu" or len(batch) > 1:
            yield slice(None), self._rows(batch, forms, phases)
            return
        columns = max(_SHORTEST, min(batch.n_pw, _PART // (self._row * width)))
        memory = self._buffer(buffer, self.n_rows * columns)
        miller = batch.spheres[0].miller
        for start in range(0, batch.n_pw, columns):
            count = min(columns, batch.n_pw - start)
            rows = memory[:self.n_rows * count].reshape(self.n_rows, count)
            first = 0
            for turn, form, (table,) in zip(self._turns, forms, phases, strict=True):
                n = len(table[0]) * len(turn)
                if n:
                    arguments = (*(part.numpy() for part in table), miller, form[0].numpy(), batch.half, rows[first:first + n], turn.numpy(), start)
                    self.workers.share(lambda one, step, given=arguments: projectors_cpu(*given, one, step), len(table[0]))
                first += n
            stored = torch.from_numpy(rows.view(float) if batch.half else rows)
            yield slice(start * width, (start + count) * width), stored[None]


def _summed(X: torch.Tensor, n_rows: int, parts: Iterator[tuple[slice, torch.Tensor]]) -> torch.Tensor:
    """Σ over the parts of X Pᴴ, (B, bands, n_rows)."""
    result = None
    for columns, P in parts:
        product = matmul(X[..., columns], P.mH)
        result = product if result is None else result.add_(product)
    return X.new_zeros(*X.shape[:2], n_rows) if result is None else result


def projector_displacements(batch: Batch, P: torch.Tensor):
    """Yield (α, −i K_α β), the derivative of stored projectors `P` with respect to their own atom's position."""
    coefficients = batch.coefficients(P)
    for axis in range(3):
        yield axis, batch.store(-1j * batch.K[:, None, :, axis] * coefficients)
