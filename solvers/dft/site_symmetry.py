"""What the space group does to matrices in the orbitals of a shell: occupation matrices n_mm' of equivalent atoms."""
from __future__ import annotations

import numpy as np
import torch

from .pseudo.harmonics import real_harmonics
from .symmetry import SpaceGroup


def harmonic_rotations(rotations: np.ndarray, l: int) -> np.ndarray:
    """D (n, 2l+1, 2l+1) of Cartesian rotations R (n, 3, 3), proper or not: Y_m(R⁻¹x) = Σ_m' Y_m'(x) D_m'm."""
    points = np.random.default_rng(7).normal(size=(40, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    here = real_harmonics(l, torch.from_numpy(points)).numpy()
    there = real_harmonics(l, torch.from_numpy(points @ np.asarray(rotations))).numpy()  # rows of R⁻¹x = Rᵀx
    return np.linalg.pinv(here) @ there


def symmetrise_sites(group: SpaceGroup, l: int, atoms: np.ndarray, matrices: torch.Tensor) -> torch.Tensor:
    """The invariant part of real matrices (…, len(atoms), 2l+1, 2l+1) that belong to one shell of `atoms`, a set the group maps on itself."""
    D = torch.from_numpy(harmonic_rotations(group.cartesian, l)).to(matrices)
    place = np.full(int(group.permutation.max()) + 1, -1)
    place[atoms] = np.arange(len(atoms))
    goal = torch.from_numpy(place[group.permutation[:, atoms]]).to(matrices.device)  # (operations, sites)
    turned = D[:, None] @ matrices[..., None, :, :, :] @ D.mT[:, None]  # (…, operations, sites, m, m)
    result = torch.zeros_like(matrices)
    result.index_add_(-3, goal.reshape(-1), turned.flatten(-4, -3))
    return result / len(group)
