"""Starting density and orbitals of a new geometry from the last three: for molecular dynamics, relaxation and any other sequence of small moves.

The new positions are written as a combination of the old ones by least squares, R ≈ R₁ + α (R₁ − R₂) + β (R₂ − R₃), and what the density has beyond superposed
atoms, and the orbitals, are combined with the same α and β (T. A. Arias, M. C. Payne, J. D. Joannopoulos, Phys. Rev. B 45, 1538 (1992)). Orbitals of older
geometries are first turned by the unitary that brings them closest to the newest ones (D. Alfè, Comput. Phys. Commun. 118, 31 (1999)): bands cross, and their
phases are arbitrary. Where the new positions are not near such a combination, the coefficients fall to zero and the last geometry alone is the start. Hartree
atomic units.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .basis import Basis, Sphere, numbered, regrouped
from .eigen.algebra import matmul, overlap
from .restart import transfer_density, transfer_orbitals

#: geometries kept
DEPTH = 3
#: largest coefficient: beyond it the combination is an accident of nearly parallel moves
_LARGEST = 3.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A solved geometry: fractional positions (N, 3), cell (rows), bonding density (S, …) coefficients times volume on `shape`, orbitals per block of `basis`,
    of which the first `filled` (one number per spin) hold electrons: empty ones are not converged and not combined; occupations (S, K, bands)."""

    fractional: np.ndarray
    cell: np.ndarray
    bonding: torch.Tensor
    shape: tuple[int, int, int]
    basis: Basis
    orbitals: list[torch.Tensor]
    filled: list[int]
    occupations: torch.Tensor


def weights_of(new: np.ndarray, cell: np.ndarray, past: Sequence[Snapshot]) -> np.ndarray:
    """Weights (len(past),), newest geometry first, that sum to 1, for new fractional positions (N, 3) in `cell`."""
    places = [snapshot.fractional - np.round(snapshot.fractional - new) for snapshot in past]  # atoms may have been wrapped into the cell on the way
    moves = [((places[i] - places[i + 1]) @ cell).ravel() for i in range(len(past) - 1)]
    wanted = ((new - places[0]) @ cell).ravel()
    weights = np.zeros(len(past))
    weights[0] = 1.0
    while moves:
        scale = np.array([np.linalg.norm(move) for move in moves])
        if scale.min() > 1e-10:
            c = np.linalg.lstsq(np.stack(moves, 1) / scale, wanted, rcond=1e-6)[0] / scale
            if np.abs(c).max() <= _LARGEST:
                weights[:len(c)] += c
                weights[1:len(c) + 1] -= c
                break
        moves.pop()
    return weights


def extrapolated_density(weights: np.ndarray, past: Sequence[Snapshot], shape: tuple[int, int, int]) -> torch.Tensor:
    """Bonding density (S, …) times volume on the half box of `shape`."""
    return sum(float(w) * transfer_density(snapshot.bonding, snapshot.shape, shape) for w, snapshot in zip(weights, past, strict=True) if w)


def extrapolated_orbitals(weights: np.ndarray, past: Sequence[Snapshot], basis: Basis) -> list[torch.Tensor] | None:
    """Orbitals per block in `basis`, not orthonormal; None where the newest ones do not fit. Older ones that do not fit end the combination."""
    newest = transfer_orbitals(past[0].basis, past[0].orbitals, basis)
    if newest is None or len(past) == 1:
        return newest
    per_spin = len(newest) // len(past[0].filled)  # the new basis may share its k-points out in other batches
    filled = [n for n in past[0].filled for _ in range(per_spin)]
    heads = [X[:, :n] for X, n in zip(newest, filled, strict=True)]
    total = [float(weights[0]) * X for X in heads]
    rest = float(weights[1:].sum())
    for w, snapshot in zip(weights[1:], past[1:], strict=True):
        moved = transfer_orbitals(snapshot.basis, snapshot.orbitals, basis)
        if moved is None or snapshot.filled != past[0].filled:
            break
        rest -= float(w)
        for i, (X, Y) in enumerate(zip(heads, moved, strict=True)):
            total[i] += float(w) * aligned(X, Y[:, :filled[i]])
    if abs(rest) > 1e-12:  # what has no orbitals counts as the newest
        total = [X + rest * Y for X, Y in zip(total, heads, strict=True)]
    return [torch.cat([X, Y[:, n:]], 1) for X, Y, n in zip(total, newest, filled, strict=True)]


def aligned(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """U Y with the unitary U that makes rows Y (B, bands, storage) most like rows X: the polar factor of ⟨Y|X⟩."""
    left, _, right = torch.linalg.svd(overlap(Y, X).mT)
    return matmul((left @ right).to(Y.dtype), Y)


def pack(past: Sequence[Snapshot]) -> dict[str, np.ndarray]:
    """Snapshots, newest first, as plain arrays for `unpack`."""
    arrays = {}
    for i, snapshot in enumerate(past):
        basis = snapshot.basis
        own = {"fractional": snapshot.fractional, "cell": snapshot.cell, "bonding": snapshot.bonding.cpu().numpy(), "shape": np.array(snapshot.shape),
               "filled": np.array(snapshot.filled), "occupations": snapshot.occupations.numpy(), "basis_cell": basis.cell, "cutoff": np.array(basis.cutoff),
               "kpoints": basis.kpoints, "weights": basis.weights, "half": np.array(basis.half),
               **{f"miller_{k}": sphere.miller for k, sphere in enumerate(basis.spheres)},
               **{f"orbitals_{k}": X.cpu().numpy() for k, X in enumerate(snapshot.orbitals)}}
        arrays |= {f"{i}.{name}": np.array(value, copy=True) for name, value in own.items()}
    return arrays


def unpack(arrays: Mapping[str, np.ndarray], device: str) -> tuple[Snapshot, ...]:
    """The snapshots that `pack` stored, on `device`."""
    past = []
    while f"{len(past)}.fractional" in arrays:
        prefix = f"{len(past)}."
        own = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
        shape, half = tuple(int(n) for n in own["shape"]), bool(own["half"])
        spheres = [Sphere(k, miller, half) for k, miller in zip(own["kpoints"], numbered(own, "miller_"), strict=True)]
        basis = Basis(own["basis_cell"], float(own["cutoff"]), own["kpoints"], own["weights"], shape, device=device, real_gamma=half, spheres=spheres)
        past.append(Snapshot(own["fractional"], own["cell"], torch.from_numpy(own["bonding"]).to(device), shape, basis,
                             regrouped(numbered(own, "orbitals_"), basis.batches * len(own["filled"])), own["filled"].tolist(),
                             torch.from_numpy(own["occupations"])))
    return tuple(past)
