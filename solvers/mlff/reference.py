"""The linear force field in plain torch, written another way: Legendre polynomials of pair angles instead of harmonics, automatic differentiation
instead of the adjoint. The judge of `kernels.py`; quadratic in the neighbours, for tests."""
from __future__ import annotations

import numpy as np
import torch

from solvers.neighbours import NeighbourList

from .basis import Basis
from .harmonics import fill_harmonics, triple_integral
from .model import LinearModel


def reference_features(basis: Basis, vectors: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    """Features (n_local,) of one atom from the vectors (n, 3) to its neighbours and their species index (n,)."""
    r = vectors.norm(dim=1)
    u = vectors / r[:, None]
    f_radial = _radial(r, basis.radial_cutoff, basis.n_radial)
    f_angular = _radial(r, basis.angular_cutoff, basis.n_angular)
    n_species = len(basis.species)
    member = torch.nn.functional.one_hot(kinds, n_species).to(r.dtype)
    two = torch.einsum("js,jk->sk", member, f_radial).reshape(-1)
    channels = torch.einsum("js,jk->jsk", member, f_angular).reshape(len(r), -1)
    cosines = (u @ u.T).clamp(-1, 1)
    legendre = [torch.ones_like(cosines), cosines]
    for l in range(2, basis.degree + 1):
        legendre.append(((2 * l - 1) * cosines * legendre[-1] - (l - 1) * legendre[-2]) / l)
    three = [channels.T @ legendre[l] @ channels for l in range(basis.degree + 1)]
    features = [two, torch.stack([three[l][a, b] for a, b in basis.three_channels for l in range(basis.degree + 1)])]
    if basis.triples:
        rows = [None] * 25
        fill_harmonics(u[:, 0], u[:, 1], u[:, 2], basis.degree_four, rows)
        moments = {l: channels.T @ torch.stack(rows[l * l:(l + 1) ** 2]).T for l in range(basis.degree_four + 1)}
        for triple in basis.triples:
            coupling = torch.tensor(triple_integral(*triple), dtype=r.dtype)
            all_channels = torch.einsum("xyz,ax,by,cz->abc", coupling, *(moments[l] for l in triple))
            features.append(torch.stack([all_channels[c] for c in basis._four_channels(triple)]))
    return torch.cat(features)


def reference_evaluate(model: LinearModel, positions: np.ndarray, cell: np.ndarray, kinds: np.ndarray, listing: NeighbourList):
    """energies (N,), forces (N, 3), virial (3, 3) as `LinearModel.evaluate` returns them, the repulsion left out."""
    place = torch.tensor(positions, dtype=torch.float64, requires_grad=True)
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    deformation = torch.eye(3, dtype=torch.float64) + strain
    weights = torch.tensor(model.weights)
    species = torch.tensor(kinds)
    shift = torch.tensor(listing.shifts @ np.asarray(cell, float))
    energies = []
    for atom in range(len(positions)):
        pairs = slice(listing.offsets[atom], listing.offsets[atom + 1])
        others = torch.tensor(listing.neighbours[pairs].astype(np.int64))
        vectors = (place[others] + shift[pairs] - place[atom]) @ deformation
        near = vectors.norm(dim=1) < model.basis.radial_cutoff
        row = weights[kinds[atom]]
        energies.append(row[0] + reference_features(model.basis, vectors[near], species[others][near]) @ row[1:])
    energies = torch.stack(energies)
    slope, stretch = torch.autograd.grad(energies.sum(), (place, strain))
    return energies.detach().numpy(), -slope.numpy(), -stretch.numpy()


def _radial(r: torch.Tensor, cutoff: float, n: int) -> torch.Tensor:
    """(len(r), n): cos(k arccos x) is the Chebyshev polynomial; zero beyond the cutoff."""
    t = (r / cutoff).clamp(max=1.0)
    x = 2 * (t - 1) ** 2 - 1
    polynomials = [torch.ones_like(x), x]
    while len(polynomials) < n:
        polynomials.append(2 * x * polynomials[-1] - polynomials[-2])
    return torch.stack([0.5 * (p + 1) * (1 - t**2) ** 3 for p in polynomials[:n]], dim=1)
