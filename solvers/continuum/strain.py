"""Finite strain: from a Green–Lagrange strain to a deformed cell, from Cauchy's stress to the second Piola–Kirchhoff stress, and which strains to apply.

η = (FᵀF − 1)/2 with F = U = √(1 + 2η), symmetric: no rotation. ASE cells are rows, so cell' = cell @ U. S = J F⁻¹ σ F⁻ᵀ is conjugate to η.
The strains are chosen by a rank test: the fewest whose stresses, for tensors of this symmetry, determine every independent constant.
Source: D. C. Wallace, Thermodynamics of Crystals (1972), ch. 1.
"""
from __future__ import annotations

from itertools import combinations

import numpy as np

from ..core.errors import SetupError
from .tensor import bond_matrix

#: components of the redundant strain in the crystal's own axes, of no symmetry at all; six incommensurate numbers of similar size
_GENERIC = np.array([0.47, -0.31, 0.19, 0.43, -0.37, 0.29])
_MANDEL = np.sqrt(np.array([1, 1, 1, 2, 2, 2.0]))


def mandel_vector(tensor: np.ndarray) -> np.ndarray:
    """Mandel vector (…, 6) of a symmetric tensor (…, 3, 3): strain and stress alike."""
    t = np.asarray(tensor)
    return np.stack([t[..., 0, 0], t[..., 1, 1], t[..., 2, 2], t[..., 1, 2], t[..., 0, 2], t[..., 0, 1]], axis=-1) * _MANDEL


def mandel_tensor(vector: np.ndarray) -> np.ndarray:
    """Symmetric tensor (…, 3, 3) of a Mandel vector (…, 6)."""
    return (np.asarray(vector) / _MANDEL)[..., np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])]


def stretch(eta: np.ndarray) -> np.ndarray:
    """Right stretch U (3, 3) of a Green–Lagrange strain η (3, 3). SetupError when 1 + 2η is not positive."""
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * np.asarray(eta))
    if values[0] <= 0:
        raise SetupError(f"A Green–Lagrange strain with principal value {(values[0] - 1) / 2:.3f} has no deformation.",
                         hint="Principal strains must exceed −0.5.")
    return vectors * np.sqrt(values) @ vectors.T


def strained(atoms, eta: np.ndarray):
    """A copy of `atoms` with cell' = cell @ U(η) and fractional coordinates kept; constraints are dropped."""
    u = stretch(eta)
    out = atoms.copy()
    out.set_constraint()
    out.set_cell(atoms.cell.array @ u, scale_atoms=False)
    out.positions = atoms.positions @ u
    return out


def piola_kirchhoff(stress: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Second Piola–Kirchhoff stress (3, 3) of Cauchy's stress (3, 3), same unit, for F = U(η)."""
    inverse = np.linalg.inv(stretch(eta))
    return inverse @ stress @ inverse / np.linalg.det(inverse)


def choose(basis: np.ndarray, axes: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Strain directions (n, 3, 3), largest principal value 1: the fewest that determine all coefficients of `basis` (k, 6, 6), chosen by rank.

    Candidates are sums of one to three unit strains in `axes`. Among the sets of the same size the best conditioned counts; of single strains that are
    nearly as good, the one that keeps most of `rotations` (cheapest for a plane-wave code) is taken.
    """
    candidates = _candidates(axes)
    designs = np.einsum("kab,cb->cak", basis, candidates)  # stress of each candidate per coefficient: (n_candidates, 6, k)
    kept = _kept_rotations(candidates, rotations)
    chosen: list[int] = []
    while True:
        quality, rank = _quality(designs, chosen)
        ranks = rank[:, None] == rank.max()
        best = quality[ranks[:, 0]].max()
        good = np.flatnonzero(ranks[:, 0] & (quality >= 0.6 * best))
        chosen.append(int(good[np.argmax(np.round(kept[good] + 1e-3 * quality[good] / best, 9))]))
        if rank.max() == len(basis):
            break
        if len(chosen) > 6:
            raise SetupError("No set of strains determines the elastic constants.", hint="This is a fault of the program: please report the structure.")
    tensors = mandel_tensor(candidates[_exchanged(designs, chosen)])
    return tensors / np.abs(np.linalg.eigvalsh(tensors)).max(axis=1)[:, None, None]


def low_symmetry(axes: np.ndarray) -> np.ndarray:
    """The redundant strain direction (3, 3), largest principal value 1: generic in the crystal's axes."""
    tensor = mandel_tensor(bond_matrix(axes.T) @ (_GENERIC * _MANDEL))
    return tensor / np.abs(np.linalg.eigvalsh(tensor)).max()


def _candidates(axes: np.ndarray) -> np.ndarray:
    """Unit Mandel vectors (n, 6): e_i, e_i ± e_j, e_i ± e_j ± e_k in the crystal's axes, turned into its frame."""
    rows = []
    for size in (1, 2, 3):
        for which in combinations(range(6), size):
            for signs in np.array(np.meshgrid(*[[1.0]] + [[1.0, -1.0]] * (size - 1))).reshape(size, -1).T:
                vector = np.zeros(6)
                vector[list(which)] = signs
                rows.append(vector / np.linalg.norm(vector))
    return np.array(rows) @ bond_matrix(axes.T).T


def _kept_rotations(candidates: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """How many of `rotations` leave each candidate strain unchanged."""
    turned = np.einsum("gab,cb->gca", bond_matrix(rotations), candidates)
    return (np.abs(turned - candidates).max(axis=2) < 1e-6).sum(axis=0)


def _quality(designs: np.ndarray, chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Smallest non-zero singular value and rank of the design matrix when each candidate is added to `chosen`."""
    common = designs[chosen].reshape(-1, designs.shape[2])
    stacked = np.concatenate([np.broadcast_to(common, (len(designs), *common.shape)), designs], axis=1)
    values = np.linalg.svd(stacked, compute_uv=False)
    rank = (values > 1e-6).sum(axis=1)
    return np.take_along_axis(values, np.maximum(rank - 1, 0)[:, None], axis=1)[:, 0], rank


def _exchanged(designs: np.ndarray, chosen: list[int]) -> list[int]:
    """`chosen` after exchanging members, one at a time, for candidates that condition the whole set better; a single strain stays as it is."""
    if len(chosen) == 1:
        return chosen
    chosen = list(chosen)
    for _ in range(10):
        before = list(chosen)
        for k in range(len(chosen)):
            quality, rank = _quality(designs, chosen[:k] + chosen[k + 1:])
            quality = np.round(np.where(rank == designs.shape[2], quality, -1.0), 9)  # rounding noise must not choose between equals
            best = int(np.argmax(quality))
            if quality[best] > 1.001 * quality[chosen[k]]:
                chosen[k] = best
        if chosen == before:
            break
    return chosen
