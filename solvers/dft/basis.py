"""Plane-wave basis: one sphere of G vectors per k-point, grouped into k-batches. Hartree atomic units.

A batch holds B k-points whose coefficient vectors are padded to one length, so that orbitals are one tensor (B, bands, n_pw) contiguous in G and every
operation is one batched call: on a GPU as many as its memory holds, on the CPU as many small ones as make a call worth its while; there batches are shared
out among threads, and a batch of one k-point has no padding.

At Γ alone orbitals are real functions: half of the sphere is kept and coefficients are stored as the *real* vector [Re c(0), 0, √2 Re c(G1), √2 Im c(G1), …].
The map is an isometry, so every overlap, product and eigenproblem runs in real arithmetic with the same code; Im c(0) must stay zero
(`Basis.clean`), or a ghost state of eigenvalue 0 appears.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .grid import FFTGrid

#: kinetic energy given to padding coefficients (Ha): large, so that the preconditioner keeps them at zero
PAD_KINETIC = 1e6


@dataclass(frozen=True)
class Sphere:
    """Integer G with |k+G|²/2 ≤ cutoff, sorted by position in the box; at Γ the half sphere with G = 0 first. miller (n_pw, 3), k fractional (3,)."""

    k: np.ndarray
    miller: np.ndarray
    half: bool = False

    def __len__(self) -> int:
        return len(self.miller)


def make_sphere(k: np.ndarray, cell: np.ndarray, cutoff: float, shape: tuple[int, int, int], half: bool = False) -> Sphere:
    """The sphere of fractional k-point `k`. cell rows in bohr, cutoff in Ha, shape of the FFT box (fixes the order)."""
    reciprocal = 2.0 * math.pi * np.linalg.inv(cell).T
    reach = np.linalg.norm(cell, axis=1) * math.sqrt(2.0 * cutoff) / (2.0 * math.pi)
    axes = [np.arange(math.ceil(-x - q - 1e-9), math.floor(x - q + 1e-9) + 1) for x, q in zip(reach, k, strict=True)]
    G = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    kinetic = 0.5 * (((G + k) @ reciprocal) ** 2).sum(1)
    G = G[kinetic <= cutoff * (1.0 + 1e-12)]
    wrapped = G % np.array(shape)
    G = G[np.lexsort((wrapped[:, 2], wrapped[:, 1], wrapped[:, 0]))]
    if half:
        x, y, z = G.T
        G = G[(x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z >= 0))))]
        zero = int(np.flatnonzero((G == 0).all(1))[0])
        G = np.concatenate([G[zero:zero + 1], np.delete(G, zero, 0)])
    return Sphere(np.array(k, float), G.astype(np.int32), half)


class Batch:
    """k-points treated as one tensor.

    first: position of its first k-point in the basis; k (B, 3) fractional; K (B, n_pw, 3) = k+G in 1/bohr; kinetic (B, n_pw) Ha; mask (B, n_pw) or None where
    nothing is padded; index (B, n_pw) linear place in the full box.
    """

    def __init__(self, spheres: list[Sphere], first: int, grid: FFTGrid, dtype: torch.dtype = torch.float64):
        self.spheres = spheres
        self.first = first
        self.half = spheres[0].half
        self.device = grid.device
        longest = max(len(s) for s in spheres)
        padded = longest if len(spheres) == 1 else -(-longest // 32) * 32
        self.n_pw = padded
        count, shape = len(spheres), np.array(grid.shape)
        K = np.zeros((count, padded, 3))
        outside = (grid.shape[0] // 2 * grid.shape[1] + grid.shape[1] // 2) * grid.shape[2] + grid.shape[2] // 2  # a corner of the box no sphere reaches
        index = np.full((count, padded), outside, np.int64)
        mask = np.zeros((count, padded), bool)
        for i, sphere in enumerate(spheres):
            n = len(sphere)
            K[i, :n] = (sphere.miller + sphere.k) @ grid.reciprocal
            w = sphere.miller % shape
            index[i, :n] = (w[:, 0] * shape[1] + w[:, 1]) * shape[2] + w[:, 2]
            mask[i, :n] = True
        kinetic = np.where(mask, 0.5 * (K**2).sum(-1), PAD_KINETIC)
        self.k = np.array([s.k for s in spheres])
        self.K = torch.from_numpy(K).to(self.device)
        self.kinetic = torch.from_numpy(kinetic).to(self.device)
        self.index = torch.from_numpy(index).to(self.device)
        self.mask = None if mask.all() else torch.from_numpy(mask).to(self.device)
        if self.half:
            minus = (-spheres[0].miller) % shape
            self.minus_index = torch.from_numpy(((minus[:, 0] * shape[1] + minus[:, 1]) * shape[2] + minus[:, 2]).astype(np.int64))[None].to(self.device)

    def __len__(self) -> int:
        return len(self.spheres)

    @property
    def slice(self) -> slice:
        """Its k-points' places among all k-points of the basis."""
        return slice(self.first, self.first + len(self))

    @property
    def storage_length(self) -> int:
        """Last dimension of an orbital tensor: n_pw complex, or 2 n_pw real numbers at Γ."""
        return 2 * self.n_pw if self.half else self.n_pw

    def blank(self, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Zeros in orbital storage (B, rows, storage) and the same memory seen as complex numbers (B, rows, n_pw); at Γ those are √2 c(G) for G ≠ 0."""
        stored = torch.zeros(len(self), rows, self.storage_length, dtype=torch.float64 if self.half else torch.complex128, device=self.device)
        return stored, self.complex_view(stored)

    def complex_view(self, stored: torch.Tensor) -> torch.Tensor:
        """The memory of orbitals seen as complex numbers (B, rows, n_pw); at Γ √2 c(G) for G ≠ 0."""
        return torch.view_as_complex(stored.unflatten(-1, (-1, 2))) if self.half else stored

    def store(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Orbital storage of complex plane-wave coefficients (B, rows, n_pw) (half sphere at Γ)."""
        if self.mask is not None:
            coefficients = coefficients * self.mask[:, None, :]
        if not self.half:
            return coefficients.contiguous()
        scaled = coefficients * math.sqrt(2.0)
        scaled[..., 0] = coefficients[..., 0].real
        return torch.view_as_real(scaled.contiguous()).flatten(-2)

    def coefficients(self, stored: torch.Tensor) -> torch.Tensor:
        """Complex plane-wave coefficients of stored orbitals; inverse of `store`."""
        if not self.half:
            return stored
        complex_view = torch.view_as_complex(stored.unflatten(-1, (-1, 2))) / math.sqrt(2.0)
        complex_view[..., 0] = complex_view[..., 0].real * math.sqrt(2.0)
        return complex_view

    def clean(self, stored: torch.Tensor) -> torch.Tensor:
        """Project in place onto legal vectors: zero padding, and Im c(0) = 0 at Γ."""
        if self.half:
            stored[..., 1] = 0.0
        if self.mask is not None:
            stored *= self.mask[:, None, :]
        return stored

    @property
    def stored_kinetic(self) -> torch.Tensor:
        """Kinetic energies laid out like orbital storage (B, storage_length)."""
        return self.kinetic.repeat_interleave(2, dim=-1) if self.half else self.kinetic


def numbered(arrays: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    """The arrays `name`0, `name`1, … in order."""
    return [arrays[f"{name}{i}"] for i in range(sum(key.removeprefix(name).isdigit() for key in arrays if key.startswith(name)))]


def regrouped(stored: Sequence[np.ndarray], batches: Sequence[Batch]) -> list[torch.Tensor]:
    """Orbitals (B, bands, storage), stored as one array per batch, for `batches` of the same k-points in the same order: another device, or the same one with
    other free memory, takes other numbers of k-points at once."""
    points = iter([own for array in stored for own in array])
    result = []
    for batch in batches:
        rows = [next(points) for _ in batch.spheres]
        out = np.zeros((len(batch), rows[0].shape[0], batch.storage_length), rows[0].dtype)
        for i, sphere in enumerate(batch.spheres):
            n = len(sphere) * (2 if sphere.half else 1)
            out[i, :, :n] = rows[i][:, :n]
        result.append(torch.from_numpy(out).to(batch.device))
    return result


class Basis:
    """All k-points of a calculation: cell (rows, bohr), cutoff (Ha), fractional kpoints (K, 3) with weights (K,) summing to 1, FFT box.

    `batch_size` k-points share a tensor. `spheres` and `mask` fix the integer sets (strain derivatives); otherwise they follow from the cutoff.
    """

    def __init__(self, cell: np.ndarray, cutoff: float, kpoints: np.ndarray, weights: np.ndarray, shape: tuple[int, int, int], *, device: str = "cpu",
                 batch_size: int = 1,
                 real_gamma: bool = True, spheres: list[Sphere] | None = None, mask: torch.Tensor | None = None):
        self.cell = np.array(cell, float)
        self.cutoff = float(cutoff)
        self.kpoints = np.array(kpoints, float).reshape(-1, 3)
        self.weights = np.array(weights, float)
        self.device = device
        self.grid = FFTGrid(cell, shape, cutoff, device, mask)
        self.volume = self.grid.volume
        self.half = bool(real_gamma and len(self.kpoints) == 1 and not self.kpoints.any())
        self.spheres = spheres if spheres is not None else [make_sphere(k, self.cell, cutoff, self.grid.shape, self.half) for k in self.kpoints]
        self.batch_size = batch_size
        order = range(0, len(self.spheres), batch_size)
        self.batches = [Batch(self.spheres[i:i + batch_size], i, self.grid) for i in order]
        self.dtype = torch.float64 if self.half else torch.complex128

    @property
    def n_plane_waves(self) -> int:
        """Plane waves of the largest sphere (full sphere, also at Γ)."""
        return max(2 * len(s) - 1 if s.half else len(s) for s in self.spheres)

    def strained(self, cell: np.ndarray) -> Basis:
        """The same integer G, box and fractional k in another cell: what the analytic stress is the derivative of."""
        return Basis(cell, self.cutoff, self.kpoints, self.weights, self.grid.shape, device=self.device, batch_size=self.batch_size, real_gamma=self.half,
                     spheres=self.spheres, mask=self.grid.mask)
