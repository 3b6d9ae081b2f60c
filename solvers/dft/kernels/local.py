"""The local part of the Hamiltonian behind one interface, `LocalOperator`: (T + V)ψ and the density of a batch of k-points.

`PrunedOperator` is the fused Numba loop (CPU); `PlainOperator` is a few lines of torch, used on CUDA and as the reference in tests.
`make` takes the fastest one that works here.
"""
from __future__ import annotations

import os
import threading
from functools import partial
from typing import Protocol

import numpy as np
import torch

from ..basis import Basis, Batch
from ..parallel import Workers
from . import boxes, fft_plans
from .accumulate import accumulate

#: bytes of a slab of the pruned loop: measured best of 16 KiB to 512 KiB for boxes of 20³, 36³ and 45³ (10, 5 and 4 % against single y-planes)
SLAB_BYTES = 2**17


class LocalOperator(Protocol):
    """What the eigensolvers and the density need of a kernel."""

    def set_potential(self, potential: torch.Tensor) -> None:
        """Use the local potential V(r) of each spin, (S, n1, n2, n3) or (n1, n2, n3), Ha."""

    def apply(self, batch: Batch, X: torch.Tensor, out: torch.Tensor, spin: int = 0) -> None:
        """out = (T + V) X for orbitals X (B, bands, storage) of one spin."""

    def density(self, batch: Batch, X: torch.Tensor, weights: torch.Tensor, rho: np.ndarray | torch.Tensor) -> None:
        """rho += Σ weights (B, bands) |ψ(r)|² for ℓ²-normalised ψ, times the cell volume; rho from `new_density`."""

    def new_density(self) -> np.ndarray | torch.Tensor: ...

    def finish_density(self, parts: list) -> torch.Tensor:
        """Sum of partial densities as (n1, n2, n3) on the basis' device."""


def by_spin(potential: torch.Tensor) -> torch.Tensor:
    """A potential with its spin axis in front, (S, n1, n2, n3), from (S, n1, n2, n3) or (n1, n2, n3)."""
    return potential if potential.ndim == 4 else potential[None]


class PlainOperator:
    """Full three-dimensional torch FFTs of some boxes at a time, at Γ two bands in each; any device."""

    def __init__(self, basis: Basis, workers: Workers | None = None, chunk_bytes: int | None = None):
        self.grid = basis.grid
        chunk_bytes = chunk_bytes or (512 * 2**20 if basis.device == "cuda" else 8 * 2**20)
        self.chunk_boxes = max(1, chunk_bytes // (16 * self.grid.size))
        self.V = None
        self._tables: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def set_potential(self, potential: torch.Tensor) -> None:
        self.V = by_spin(potential) / self.grid.size  # so that neither transform needs a pass for its scale

    def _inverse(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(the table `inverse` of a batch, the lengths of its spheres)."""
        if batch.first not in self._tables:
            minus = batch.minus_index.cpu().numpy() if batch.half else None
            lengths = [len(sphere) for sphere in batch.spheres]
            table = torch.from_numpy(boxes.inverse_table(batch.index.cpu().numpy(), lengths, self.grid.size, minus))
            self._tables[batch.first] = table.to(batch.device), torch.tensor(lengths).to(batch.device)
        return self._tables[batch.first]

    def _fields(self, batch: Batch, X: torch.Tensor) -> torch.Tensor:
        """Orbitals on the box, (B, bands, n1, n2, n3) complex; at Γ √2 (ψ1 + i ψ2), (1, pairs, n1, n2, n3)."""
        inverse = self._inverse(batch)[0]
        full = boxes.scatter_pairs(batch.complex_view(X)[0], inverse[0])[None] if batch.half else boxes.scatter(X, inverse)
        return torch.fft.ifftn(full.unflatten(-1, self.grid.shape), dim=(-3, -2, -1), norm="forward")

    def _chunks(self, batch: Batch, n_bands: int):
        step = 2 * self.chunk_boxes if batch.half else max(1, self.chunk_boxes // len(batch))
        return (slice(i, i + step) for i in range(0, n_bands, step))

    def apply(self, batch: Batch, X: torch.Tensor, out: torch.Tensor, spin: int = 0) -> None:
        for part in self._chunks(batch, X.shape[1]):
            fields = torch.fft.fftn(self._fields(batch, X[:, part]).mul_(self.V[spin]), dim=(-3, -2, -1)).flatten(-3)
            if batch.half:
                x, y = (batch.complex_view(block[:, part])[0] for block in (X, out))
                boxes.gather_pairs(fields[0], batch.index[0], batch.minus_index[0], batch.kinetic[0], x, y)
            else:
                boxes.gather_image(fields, batch.index, self._inverse(batch)[1], batch.kinetic, X[:, part], out[:, part])

    def density(self, batch: Batch, X: torch.Tensor, weights: torch.Tensor, rho: torch.Tensor) -> None:
        for part in self._chunks(batch, X.shape[1]):
            fields, re = self._fields(batch, X[:, part]).flatten(2), weights[:, part]
            im = re
            if batch.half:
                both = 0.5 * torch.nn.functional.pad(re, (0, re.shape[1] % 2))  # the field is √2 times the orbital
                re, im = both[:, 0::2], both[:, 1::2]
            accumulate(fields, re, im, rho.view(-1))

    def new_density(self) -> torch.Tensor:
        return torch.zeros(self.grid.shape, dtype=torch.float64, device=self.grid.device)

    def finish_density(self, parts: list) -> torch.Tensor:
        return sum(parts[1:], parts[0])


class PrunedOperator:
    """The fused Numba loop of `pruned.py` around MKL's one-dimensional plans; one k-point at a time, its bands shared out among the workers' threads."""

    single = True  # orbitals may be of single precision

    def __init__(self, basis: Basis, workers: Workers):
        from . import pruned
        self.kernels = pruned
        self.basis = basis
        self.grid = basis.grid
        self.workers = workers
        self.functions = fft_plans.functions()
        self.V: dict[type, np.ndarray] = {}
        self.depth = slab_depth(self.grid.shape)
        self._tables = [_Tables(batch, i, basis, self.depth) for batch in basis.batches for i in range(len(batch))]
        self._local = threading.local()
        self._potential = threading.Lock()

    def set_potential(self, potential: torch.Tensor) -> None:
        n1, n2, n3 = self.grid.shape
        parts = by_spin(potential).numpy().reshape(-1, n1, n2 // self.depth, self.depth * n3)
        self.V = {complex: np.ascontiguousarray(parts.transpose(0, 2, 1, 3)) / self.grid.size}  # [spin, slab, x, yz]

    def _potential_of(self, dtype: type) -> np.ndarray:
        """V in the precision of complex numbers `dtype`."""
        with self._potential:
            if dtype not in self.V:
                self.V[dtype] = self.V[complex].astype(np.float32)
            return self.V[dtype]

    def _work(self, table: _Tables, dtype: type) -> tuple[np.ndarray, ...]:
        """Scratch arrays of this thread, kept between calls."""
        store = self._local.__dict__.setdefault("arrays", {})
        key = (len(table.ox), len(table.oy), dtype)
        if key not in store:
            n1, n2, n3 = self.grid.shape
            store[key] = (np.zeros((key[1], n3), dtype), np.zeros((key[0], n2, n3), dtype), np.zeros((n1, self.depth * n3), dtype))
        return store[key]

    def _full(self, length: int, dtype: type) -> np.ndarray:
        store = self._local.__dict__.setdefault("full", {})
        if dtype not in store or len(store[dtype]) < length:
            store[dtype] = np.zeros(length, dtype)
        return store[dtype]

    def apply(self, batch: Batch, X: torch.Tensor, out: torch.Tensor, spin: int = 0) -> None:
        dtype = np.complex64 if X.dtype in (torch.float32, torch.complex64) else complex
        V = self._potential_of(dtype)[spin]
        for table, x, y in zip(self._tables[batch.slice], _complex_views(X, batch), _complex_views(out, batch), strict=True):
            y[:, table.length:] = 0  # the padding of a k-point that shares its batch
            self.workers.share(partial(self._apply, table, x, y, V, dtype), (len(x) + 1) // 2 if batch.half else len(x))

    def _apply(self, table: _Tables, x: np.ndarray, y: np.ndarray, V: np.ndarray, dtype: type, first: int, step: int) -> None:
        rows, planes, slab = self._work(table, dtype)
        (kinetic, plans), common = table.of(dtype), (table.ox, table.oy, first, step, rows, planes, slab)
        if self.basis.half:
            self.kernels.apply_gamma(x, y, V, kinetic, table.segments, table.positions, table.half, table.conjugate, table.plus, table.minus, *common,
                                     self._full(len(table.positions), dtype), plans, self.functions)
        else:
            self.kernels.apply_complex(x, y, V, kinetic, table.segments, table.positions, *common, plans, self.functions)

    def density(self, batch: Batch, X: torch.Tensor, weights: torch.Tensor, rho: np.ndarray) -> None:
        for table, x, w in zip(self._tables[batch.slice], _complex_views(X, batch), weights.numpy(), strict=True):
            self.workers.share(partial(self._density, table, x, w, rho), (len(x) + 1) // 2 if batch.half else len(x))

    def _density(self, table: _Tables, x: np.ndarray, w: np.ndarray, rho: np.ndarray, first: int, step: int) -> None:
        rows, planes, slab = self._work(table, complex)
        common = (table.ox, table.oy, first, step, rows, planes, slab, table.of(complex)[1], self.functions)
        if self.basis.half:
            self.kernels.density_gamma(x, w, rho[first], table.segments, table.positions, table.half, table.conjugate, *common)
        else:
            self.kernels.density_complex(x, w, rho[first], table.segments, table.positions, *common)

    def new_density(self) -> np.ndarray:
        n1, n2, n3 = self.grid.shape
        return np.zeros((self.workers.width(), n2 // self.depth, n1, self.depth * n3))  # one part per thread, stored [slab, x, yz]

    def finish_density(self, parts: list) -> torch.Tensor:
        total = sum(part.sum(0) for part in parts)
        return torch.from_numpy(np.ascontiguousarray(total.transpose(1, 0, 2)).reshape(self.grid.shape))


def slab_depth(shape: tuple[int, int, int]) -> int:
    """y-planes per slab: as many as the second-level cache holds beside V, a divisor of their number."""
    n1, n2, n3 = shape
    return max(m for m in range(1, n2 + 1) if n2 % m == 0 and (m == 1 or 16 * n1 * m * n3 <= SLAB_BYTES))


class _Tables:
    """Index tables of sphere `i` of a batch for the pruned loop; see the arguments of `pruned.apply_complex` and `pruned.apply_gamma`."""

    def __init__(self, batch: Batch, i: int, basis: Basis, depth: int):
        sphere = batch.spheres[i]
        self.length = len(sphere)
        shape = np.array(basis.grid.shape)
        G = sphere.miller.astype(np.int64)
        if sphere.half:
            both = np.concatenate([G, -G[1:]])
            wrapped = both % shape
            order = np.lexsort((wrapped[:, 2], wrapped[:, 1], wrapped[:, 0]))
            place = np.empty(len(both), np.int32)
            place[order] = np.arange(len(both), dtype=np.int32)
            n = len(G)
            self.plus = place[:n].copy()
            self.minus = np.concatenate([place[:1], place[n:]])
            source = np.concatenate([np.arange(n), np.arange(1, n)])[order]
            self.half = source.astype(np.int32)
            self.conjugate = (order >= n).astype(np.int8)
            wrapped = wrapped[order]
        else:
            wrapped = G % shape
        self.ox = np.unique(wrapped[:, 0])
        self.oy = np.unique(wrapped[:, 1])
        x, y = np.searchsorted(self.ox, wrapped[:, 0]), np.searchsorted(self.oy, wrapped[:, 1])
        self.positions = (y * shape[2] + wrapped[:, 2]).astype(np.int32)
        self.segments = np.searchsorted(x, np.arange(len(self.ox) + 1)).astype(np.int64)
        self._shape, self._depth, self._kinetic = basis.grid.shape, depth, batch.kinetic[i].numpy()
        self._by_precision: dict[type, tuple[np.ndarray, np.ndarray]] = {}

    def of(self, dtype: type) -> tuple[np.ndarray, np.ndarray]:
        """(kinetic energies, handles of the z, y and x plans) for complex numbers `dtype`, made when first asked for."""
        if dtype not in self._by_precision:
            (n1, n2, n3), plan, single = self._shape, fft_plans.plan, dtype is np.complex64
            plans = [plan(n3, 1, n3, len(self.oy), single), plan(n2, n3, 1, n3, single), plan(n1, self._depth * n3, 1, self._depth * n3, single)]
            self._by_precision[dtype] = self._kinetic.astype(np.float32 if single else float, copy=False), np.array(plans, np.int64)
        return self._by_precision[dtype]


def _complex_views(X: torch.Tensor, batch: Batch) -> np.ndarray:
    array = X.numpy()
    return array.view(np.complex64 if array.dtype == np.float32 else complex) if batch.half else array


def pruned_available(basis: Basis) -> bool:
    """Whether the pruned loop can run this basis here."""
    return basis.device == "cpu" and fft_plans.available() and not os.environ.get("QCAD_PLAIN_FFT")


def make(basis: Basis, workers: Workers) -> LocalOperator:
    """The fastest operator that works for this basis on this machine."""
    return PrunedOperator(basis, workers) if pruned_available(basis) else PlainOperator(basis, workers)
