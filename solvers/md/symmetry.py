"""The space group of a structure as operators that keep gradients and stresses symmetric while it relaxes.

While a symmetric deformation U commutes with the Cartesian rotations of the starting crystal, those rotations stay the crystal's own, so
everything here is done once, in the starting frame.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Symmetry:
    """rotations (R, 3, 3): Cartesian, column vectors; images (R, N): operation r takes atom a to atom images[r, a]; symbol: international."""

    rotations: np.ndarray
    images: np.ndarray
    symbol: str

    def vectors(self, vectors: np.ndarray) -> np.ndarray:
        """The symmetric part of per-atom vectors (N, 3)."""
        rotated = np.einsum("rxy,ay->rax", self.rotations, vectors)
        total = np.zeros_like(vectors)
        for image, turned in zip(self.images, rotated, strict=True):
            total[image] += turned
        return total / len(self.rotations)

    def tensor(self, tensor: np.ndarray) -> np.ndarray:
        """The symmetric part of a second-rank tensor (3, 3)."""
        return np.einsum("rxy,yz,rwz->xw", self.rotations, tensor, self.rotations) / len(self.rotations)


def find_symmetry(atoms, tolerance: float, labels: np.ndarray | None = None) -> Symmetry:
    """Symmetry of periodic `atoms` within `tolerance` (Å); atoms with different `labels` (N,) int are never equivalent.

    A structure that is not periodic in three directions, or in which spglib finds nothing, gets the identity alone ("P1").
    """
    import spglib
    n_atoms = len(atoms)
    identity = Symmetry(np.eye(3)[None], np.arange(n_atoms)[None], "P1")
    if not atoms.pbc.all() or n_atoms == 0:
        return identity
    kinds = atoms.numbers if labels is None else np.unique(np.column_stack([atoms.numbers, labels]), axis=0, return_inverse=True)[1].ravel()
    fractional = atoms.get_scaled_positions(wrap=False)
    try:
        dataset = spglib.get_symmetry_dataset((atoms.cell.array, fractional, kinds), symprec=tolerance)
    except spglib.error.SpglibError:
        return identity
    if dataset is None:
        return identity
    columns = atoms.cell.array.T
    rotations, images = [], []
    for rotation, translation in zip(dataset.rotations, dataset.translations, strict=True):
        moved = fractional @ rotation.T + translation
        image = _match(moved, fractional, kinds, atoms.cell.array, 10 * tolerance)
        if image is None:  # spglib's tolerance loosened; an operation that does not permute the atoms is none
            continue
        cartesian = columns @ rotation @ np.linalg.inv(columns)
        left, _, right = np.linalg.svd(cartesian)  # exactly orthogonal although the cell is symmetric only within the tolerance
        rotations.append(left @ right)
        images.append(image)
    complete = len(rotations) == len(dataset.rotations)  # part of a group need not be a group, and the mean over it no projection
    return Symmetry(np.array(rotations), np.array(images), dataset.international) if complete else identity


def _match(moved, fractional, kinds, cell, tolerance) -> np.ndarray | None:
    """For every moved position the atom of the same kind it falls on, or None."""
    from scipy.spatial import cKDTree
    image = np.full(len(moved), -1)
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        tree = cKDTree(np.mod(fractional[members], 1.0) % 1.0, boxsize=1.0)
        reach = min(0.49, tolerance * float(np.linalg.norm(np.linalg.inv(cell), ord=2)) + 1e-9)
        distance, found = tree.query(np.mod(moved[members], 1.0) % 1.0, distance_upper_bound=reach)
        if not np.isfinite(distance).all():
            return None
        image[members] = members[found]
    return image if len(np.unique(image)) == len(image) else None
