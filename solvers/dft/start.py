"""Where self-consistency begins: superposed atomic densities, atomic orbitals plus random plane waves. Hartree atomic units."""
from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from .atom import RadialAtom, solve_atom
from .basis import Batch
from .eigen.algebra import lowest, matmul, orthonormalise_, overlap
from .kernels.phases import projector_rows
from .problem import Problem
from .pseudo.harmonics import solid_harmonics

SEED = 20261121
#: rows of random numbers made at once
_ROWS = 32
#: random coefficients from which a GPU makes its own: a large block would take the host seconds
_MANY = 2**22


def atoms_of(problem: Problem) -> list[RadialAtom]:
    """Free pseudo-atoms in the problem's own waves, one per species."""
    return [solve_atom(kind.pseudo, problem.basis.cutoff) for kind in problem.model.species]


def atomic_forms(problem: Problem) -> list[torch.Tensor]:
    """Valence density of each species' free atom on the half box, n(|G|)/Ω inside the density sphere."""
    grid = problem.grid
    q = torch.sqrt(grid.G2)
    return [atom.density(q) / grid.volume * grid.mask for atom in atoms_of(problem)]


def atomic_density(problem: Problem) -> torch.Tensor:
    """Superposed atomic densities (S, …) on the half box, scaled to the number of electrons; with spin every atom carries its starting moment, spread like its
    electrons."""
    grid, model = problem.grid, problem.model
    rho = torch.zeros(model.n_spin, *grid.G2.shape, dtype=torch.complex128, device=grid.G2.device)
    for kind, form in zip(model.species, atomic_forms(problem), strict=True):
        positions = problem.positions[kind.atoms]
        rho[0] += form * grid.structure_factor(positions)
        if model.n_spin == 2 and model.moments is not None:
            shares = torch.from_numpy(model.moments[kind.atoms] / kind.pseudo.charge).to(positions)
            rho[1] += form * grid.structure_factor(positions, shares)
    return problem.symmetrise(problem.normalise(rho))


def random_rows(batch: Batch, rows: int, seed: int) -> torch.Tensor:
    """Random vectors with fewer high-energy components, in orbital storage (B, rows, storage); the same whatever the batching."""
    return torch.cat(list(_random_pieces(batch, rows, seed)), 1)


def hashed_uniform(n: int, start: int, device: str) -> torch.Tensor:
    """n numbers in [−1, 1), equal on every device: the generator SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014) at places start, start + 1, …"""
    def wrapped(constant: int) -> int:
        return (constant + 2**63) % 2**64 - 2**63
    x = (torch.arange(n, dtype=torch.int64, device=device) + wrapped(start)) * wrapped(0x9E3779B97F4A7C15)
    x = (x ^ ((x >> 30) & (2**34 - 1))) * wrapped(0xBF58476D1CE4E5B9)
    x = (x ^ ((x >> 27) & (2**37 - 1))) * wrapped(0x94D049BB133111EB)
    return ((x ^ ((x >> 31) & (2**33 - 1))) >> 11).to(torch.float64) * 2.0**-52


def _random_pieces(batch: Batch, rows: int, seed: int) -> Iterator[torch.Tensor]:
    """`random_rows` a few rows at a time; many of them on a GPU are made there."""
    there = batch.device == "cuda" and rows * batch.n_pw > _MANY
    generators = [np.random.default_rng([seed, batch.first + i]) for i in range(len(batch))]
    damping = [1.0 / (1.0 + batch.kinetic[i, :len(sphere)].cpu() ** 2) for i, sphere in enumerate(batch.spheres)]
    for first in range(0, rows, _ROWS):
        stored, view = batch.blank(min(_ROWS, rows - first))
        for i, sphere in enumerate(batch.spheres):
            shape = (2, stored.shape[1], len(sphere))
            if there:
                place = ((seed << 20) + batch.first + i << 24) * 4096 + 2 * first * len(sphere)
                values = hashed_uniform(math.prod(shape), place, batch.device).reshape(shape)
            else:
                values = torch.from_numpy(generators[i].normal(size=shape))
            view[i, :, :len(sphere)] = torch.complex(values[0], values[1]).to(batch.device) * damping[i].to(batch.device)
        yield batch.clean(stored)


def atomic_orbitals(problem: Problem, batch: Batch) -> torch.Tensor:
    """Atomic orbitals of every atom in orbital storage (B, rows, storage), normalised."""
    fractional = problem.hamiltonian.fractional
    q = torch.linalg.vector_norm(batch.K, dim=-1)
    direction = batch.K / q.clamp_min(1e-12)[..., None]
    kinds = list(zip(problem.model.species, atoms_of(problem), strict=True))
    counts = [len(kind.atoms) * sum(2 * shell.l + 1 for shell in atom.orbitals) for kind, atom in kinds]
    stored, view = batch.blank(sum(counts))
    first = 0
    for (kind, atom), count in zip(kinds, counts, strict=True):
        if count:
            forms = torch.cat([shell.radial(q)[:, None, :] * solid_harmonics(shell.l, direction).movedim(-1, 1) for shell in atom.orbitals], 1).contiguous()
            turns = torch.cat([torch.full((2 * shell.l + 1,), (-1j) ** shell.l, dtype=torch.complex128, device=q.device) for shell in atom.orbitals])
            for i, sphere in enumerate(batch.spheres):
                projector_rows(fractional[kind.atoms], sphere.miller, sphere.k, forms[i], batch.half, view[i, first:first + count], turns)
        first += count
    return stored.div_(torch.linalg.vector_norm(stored, dim=-1, keepdim=True))


def initial_orbitals(problem: Problem, batch: Batch, n_bands: int, spin: int = 0) -> torch.Tensor:
    """Lowest Ritz vectors in the span of the atomic orbitals, topped up with random vectors; needs a potential in the Hamiltonian. (B, n_bands, storage)."""
    return initial_pair(problem, batch, n_bands, spin)[0]


def initial_pair(problem: Problem, batch: Batch, n_bands: int, spin: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """`initial_orbitals` and their images HX.

    A little noise keeps the start from having a symmetry the ground state lacks.
    """
    rows = atomic_orbitals(problem, batch)
    first = 0
    for noise in _random_pieces(batch, rows.shape[1], SEED):
        rows[:, first:first + noise.shape[1]] += noise.mul_(0.02 / torch.linalg.vector_norm(noise, dim=-1, keepdim=True))
        first += noise.shape[1]
    if rows.shape[1] < n_bands:
        extra = random_rows(batch, n_bands - rows.shape[1], SEED + 1)
        rows = torch.cat([rows, extra / torch.linalg.vector_norm(extra, dim=-1, keepdim=True)], 1)
    image = problem.hamiltonian.apply(batch, orthonormalise_(rows), spin=spin)
    _, C = lowest(overlap(rows, image), overlap(rows, rows), n_bands)
    C = C.to(rows.dtype)
    X = matmul(C, rows)
    del rows  # the largest array of a calculation's start
    return X, matmul(C, image)


def more_bands(batch: Batch, X: torch.Tensor, extra: int) -> torch.Tensor:
    """Orthonormal orbitals X (B, bands, storage) followed by `extra` random ones orthogonal to them."""
    fresh = random_rows(batch, extra, SEED + 2 + X.shape[1])
    return orthonormalise_(torch.cat([X, fresh / torch.linalg.vector_norm(fresh, dim=-1, keepdim=True)], 1))
