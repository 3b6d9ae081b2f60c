"""The space group of a crystal and what it does to k-points, densities, forces and stresses.

An operation (W, w) takes fractional positions x to W x + w (spglib's convention, columns). Plane waves: a function invariant under the
group has ρ(Wᵀ G) = e^{2πi G·w} ρ(G), hence the symmetrised density ρ_sym(G) = (1/N) Σ e^{−2πi G·w} ρ(Wᵀ G); k-points turn as k → Wᵀ k.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from solvers.core.errors import SetupError

from .kpoints import mesh, wrap

if TYPE_CHECKING:
    from torch import Tensor

#: pairs of atoms and images up to which all distances are compared, which needs no SciPy at the start
_FEW = 200_000


@dataclass(frozen=True, eq=False)
class SpaceGroup:
    """Operations of a crystal: rotations W (n, 3, 3) int, translations w (n, 3), `permutation` (n, N): atom a goes to atom permutation[s, a]."""

    cell: np.ndarray  # rows
    positions: np.ndarray  # (N, 3) Cartesian, unit of `cell`
    rotations: np.ndarray
    translations: np.ndarray
    permutation: np.ndarray
    name: str = ""
    time_reversal: bool = True

    @classmethod
    def find(cls, cell: np.ndarray, positions: np.ndarray, numbers: np.ndarray, symprec: float = 1e-5) -> SpaceGroup:
        """The space group that spglib finds for cell rows, positions (N, 3) and numbers (N,) (any integers that tell atoms apart).

        symprec is in the unit of `cell`. Translations are refined by the atoms they map, so that operations are exact for exact structures.
        When spglib finds nothing, the identity alone. Operations are products of one operation per rotation with the pure translations, so that only these
        are matched atom by atom: a perfect supercell has tens of thousands of operations.
        """
        import spglib
        cell, positions, numbers = np.asarray(cell, float), np.asarray(positions, float), np.asarray(numbers)
        fractions = positions @ np.linalg.inv(cell)
        dataset = spglib.get_symmetry_dataset((cell, fractions, numbers), symprec=symprec)
        if dataset is None:
            return cls.identity(cell, positions)
        rotations, translations = np.array(dataset.rotations), np.array(dataset.translations)
        pure, first = _representatives(rotations)
        shifts, moves = _matched(fractions, rotations[pure], translations[pure])
        steps, turns = _matched(fractions, rotations[first], translations[first])
        every = np.repeat(np.arange(len(first)), len(pure)), np.tile(np.arange(len(pure)), len(first))
        return cls(cell, positions, rotations[first][every[0]], steps[every[0]] + shifts[every[1]], moves[every[1][:, None], turns[every[0]]],
                   f"{dataset.international} ({dataset.number})")

    @classmethod
    def identity(cls, cell: np.ndarray, positions: np.ndarray, time_reversal: bool = False) -> SpaceGroup:
        """The group of the identity alone: symmetry switched off."""
        unit = np.eye(3, dtype=int)[None]
        return cls(np.asarray(cell, float), np.asarray(positions, float), unit, np.zeros((1, 3)), np.arange(len(positions))[None], "P1", time_reversal)

    def __len__(self) -> int:
        return len(self.rotations)

    def _keep(self, which: np.ndarray, **changes) -> SpaceGroup:
        return replace(self, rotations=self.rotations[which], translations=self.translations[which], permutation=self.permutation[which], **changes)

    # ---- meshes ------------------------------------------------------------------------------------------------------------
    def compatible_with(self, size: tuple[int, int, int], shift: tuple[float, float, float] = (0, 0, 0)) -> SpaceGroup:
        """The subgroup that maps the k-mesh (`size`, `shift` in mesh steps) on itself; time reversal is kept where the mesh has inversion."""
        counts, steps = np.asarray(size), np.asarray(shift, float)
        scaled = counts[:, None] * self.rotations.transpose(0, 2, 1) / counts  # acts on n + shift
        moved = scaled @ steps - steps
        whole = (np.abs(scaled - np.round(scaled)) < 1e-9).all((1, 2)) & (np.abs(moved - np.round(moved)) < 1e-9).all(1)
        return self._keep(whole, time_reversal=self.time_reversal and bool((np.abs(2 * steps - np.round(2 * steps)) < 1e-9).all()))

    def compatible_with_box(self, box: tuple[int, int, int]) -> SpaceGroup:
        """The subgroup whose rotations map an FFT box on itself."""
        counts = np.asarray(box)
        scaled = counts[:, None] * self.rotations / counts
        return self._keep((np.abs(scaled - np.round(scaled)) < 1e-9).all((1, 2)))

    def equal_axes(self) -> list[tuple[int, ...]]:
        """Groups of axes that need the same number of box points, e.g. [(0, 1), (2,)] for a hexagonal cell."""
        linked = (self.rotations != 0).any(0) | np.eye(3, dtype=bool)
        linked = np.linalg.matrix_power((linked | linked.T).astype(int), 3) > 0
        return sorted({tuple(int(i) for i in np.nonzero(row)[0]) for row in linked})

    def irreducible(self, size: tuple[int, int, int], shift: tuple[float, float, float] = (0, 0, 0)) -> tuple[np.ndarray, np.ndarray]:
        """(k fractions (K, 3), weights (K,) that sum to 1): one point of every star of the mesh, time reversal included.

        Raises SetupError when an operation does not map the mesh on itself: call `compatible_with` first.
        """
        if len(self.compatible_with(size, shift)) != len(self):
            raise SetupError(f"The k-mesh {'x'.join(map(str, size))} with shift {tuple(shift)} breaks some of the {len(self)} symmetry operations.",
                             hint="Use the group returned by compatible_with(size, shift).")
        counts, steps = np.asarray(size), np.asarray(shift, float)
        points = mesh(size, shift)
        start = np.arange(len(points))
        smallest = start.copy()
        for rotation in np.unique(self.rotations, axis=0):
            for sign in (1, -1) if self.time_reversal else (1,):
                index = np.round(sign * (points @ rotation) * counts - steps).astype(int) % counts
                np.minimum(smallest, np.ravel_multi_index(tuple(index.T), size), out=smallest)
        chosen, multiplicity = np.unique(smallest, return_counts=True)
        return wrap(points[chosen]), multiplicity / len(points)

    # ---- densities ---------------------------------------------------------------------------------------------------------
    @cached_property
    def _cosets(self) -> tuple[np.ndarray, SpaceGroup]:
        """(pure translations (t, 3), one operation for every distinct rotation)."""
        pure, first = _representatives(self.rotations)
        return self.translations[pure], self._keep(first)

    def density_tables(self, box: tuple[int, int, int], device: str = "cpu") -> DensityTables:
        """Index and phase tables that symmetrise densities on `box` (see `DensityTables.symmetrise`); built once per structure."""
        return DensityTables(self, box, device)

    # ---- forces and stress ---------------------------------------------------------------------------------------------------
    @cached_property
    def cartesian(self) -> np.ndarray:
        """Cartesian rotations R (n, 3, 3) that act on columns: R v."""
        transposed = self.cell.T
        return transposed @ self.rotations @ np.linalg.inv(transposed)

    def symmetrise_forces(self, forces: np.ndarray) -> np.ndarray:
        """The invariant part of forces (N, 3): the mean over the pure translations, then over one operation per rotation."""
        pure, first = _representatives(self.rotations)
        average = np.asarray(forces, float)
        for which in (pure, first):
            turned = np.einsum("sij,aj->sai", self.cartesian[which], average)
            total = np.zeros_like(average)
            np.add.at(total, self.permutation[which].reshape(-1), turned.reshape(-1, 3))
            average = total / len(which)
        return average

    def symmetrise_stress(self, stress: np.ndarray) -> np.ndarray:
        """The invariant part of a (3, 3) tensor."""
        return np.einsum("sij,jk,slk->il", self.cartesian, stress, self.cartesian, optimize=True) / len(self)


class DensityTables:
    """Symmetrises Fourier coefficients of a density on one FFT box.

    Only one G of every star is averaged over the operations; the others follow by phase. Coefficients whose star leaves the box (Nyquist planes,
    corners) and coefficients forbidden by pure translations become zero; a density that lies within |G| ≤ 2 G_cut has none of the former.
    """

    def __init__(self, group: SpaceGroup, box: tuple[int, int, int], device: str = "cpu"):
        import torch
        pure, cosets = group._cosets
        self.box = tuple(int(n) for n in box)
        self.n_points = math.prod(self.box)
        axes = [np.fft.fftfreq(n, 1 / n).astype(int) for n in self.box]
        here = np.arange(self.n_points, dtype=np.int32)
        allowed = self._places(np.eye(3, dtype=int), axes) < self.n_points
        for translation in pure:  # what the first few leave is so little that thousands cost nothing
            places = np.flatnonzero(allowed)
            turns = self._vectors(places, axes) @ translation
            allowed[places] = np.abs(turns - np.round(turns)) < 1e-3
        smallest = here.copy()
        for rotation in cosets.rotations:
            image = self._places(rotation, axes)
            allowed &= image < self.n_points
            np.minimum(smallest, image, out=smallest)
        stars = np.nonzero(allowed & (smallest == here))[0]
        vectors = self._vectors(stars, axes)
        images = np.einsum("gi,sij->gsj", vectors, cosets.rotations) % self.box
        self.index = torch.as_tensor(np.ravel_multi_index(tuple(np.moveaxis(images, -1, 0)), self.box), device=device)  # (n_stars, n_operations)
        self.phase = torch.as_tensor(np.exp(-2j * np.pi * vectors @ cosets.translations.T), device=device)

    def _vectors(self, places: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
        """G (n, 3) of linear places in the box."""
        return np.stack([axis[i] for axis, i in zip(axes, np.unravel_index(places, self.box), strict=True)], -1)

    def _places(self, rotation: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
        """Linear places of Wᵀ G for every G of the box in order; `n_points` or more where that leaves the box or lies on a Nyquist plane."""
        total, stride = np.zeros(self.box, np.int32), self.n_points
        for n, column in zip(self.box, rotation.T, strict=True):
            stride //= n
            terms = [int(w) * axis for w, axis in zip(column, axes, strict=True)]
            reach = sum(int(np.abs(term).max()) for term in terms)
            component = np.arange(-reach, reach + 1)
            table = np.where(np.abs(component) <= (n - 1) // 2, component % n * stride, self.n_points).astype(np.int32)  # strictly inside: no Nyquist plane
            total += table.take((terms[0] + reach)[:, None, None] + terms[1][:, None] + terms[2])
        return total.reshape(-1)

    def symmetrise(self, rho: Tensor) -> Tensor:
        """The invariant part of coefficients (…, n1, n2, n3), complex, in FFT order."""
        flat = rho.reshape(*rho.shape[:-3], self.n_points)
        average = (flat[..., self.index] * self.phase).mean(-1, keepdim=True)
        result = flat.new_zeros(flat.shape)
        result[..., self.index] = average * self.phase.conj()
        return result.reshape(rho.shape)


def _representatives(rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(places of the pure translations, place of the first operation of every rotation) among rotations (n, 3, 3)."""
    _, first = np.unique(rotations.reshape(len(rotations), 9), axis=0, return_index=True)
    return np.flatnonzero((rotations == np.eye(3, dtype=int)).all((1, 2))), np.sort(first)


def _matched(fractions: np.ndarray, rotations: np.ndarray, translations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(translations (n, 3) refined by the atoms they map, permutation (n, N)) of operations that a symmetry search found."""
    def wrapped(points: np.ndarray) -> np.ndarray:
        return (points - np.floor(points)) % 1.0  # a rounding error below zero wraps to one
    moved = np.einsum("sij,aj->sai", rotations, fractions) + translations[:, None]
    if moved[..., 0].size * len(fractions) < _FEW:
        apart = moved[:, :, None] - fractions
        permutation = ((apart - np.round(apart)) ** 2).sum(-1).argmin(-1)
    else:
        from scipy.spatial import cKDTree
        permutation = cKDTree(wrapped(fractions), boxsize=1.0).query(wrapped(moved))[1]
    between = moved - fractions[permutation]
    return translations - (between - np.round(between)).mean(1), permutation.astype(np.int32)
