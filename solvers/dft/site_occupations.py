"""Occupation matrices n_mm' of atomic shells: how the occupied bands project on the orbitals of each atom. Hartree atomic units."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from .basis import Batch
from .eigen.algebra import matmul
from .local_orbitals import LocalOrbitals
from .problem import Problem
from .site_symmetry import symmetrise_sites


@dataclass(frozen=True, eq=False)
class ShellSet:
    """One shell of all atoms of an element: the atoms' places (n,) in the structure and the rows (n, 2l+1) of their orbitals in a row tensor."""

    symbol: str
    label: str
    l: int
    occupation: float
    atoms: np.ndarray
    rows: torch.Tensor

    @property
    def name(self) -> str:
        """"Ni-3d"."""
        return f"{self.symbol}-{self.label}"


def shell_sets(local: LocalOrbitals) -> list[ShellSet]:
    """The shells of a structure gathered by element and label."""
    gathered: dict[tuple[str, str], list] = {}
    for shell in local.shells:
        gathered.setdefault((shell.symbol, shell.label), []).append(shell)
    return [ShellSet(symbol, label, shells[0].l, shells[0].occupation, np.array([shell.atom for shell in shells]),
                     torch.tensor([shell.first for shell in shells])[:, None] + torch.arange(2 * shells[0].l + 1))
            for (symbol, label), shells in gathered.items()]


def renumbered(sets: Iterable[ShellSet]) -> tuple[list[ShellSet], torch.Tensor]:
    """(sets whose rows count from zero without gaps, the rows they had), for tensors that hold only these sets' orbitals."""
    result, kept, first = [], [], 0
    for item in sets:
        kept.append(item.rows.reshape(-1))
        result.append(replace(item, rows=torch.arange(first, first + item.rows.numel()).reshape(item.rows.shape)))
        first += item.rows.numel()
    return result, torch.cat(kept)


def block_weights(problem: Problem, occupations: torch.Tensor) -> list[torch.Tensor]:
    """Occupation times k-point weight (B, bands) of every block; occupations (S, K, bands)."""
    weights = occupations * torch.from_numpy(problem.basis.weights)[:, None]
    return [weights[block.spin][block.batch.slice].to(problem.basis.device) for block in problem.blocks]


def occupation_matrices(problem: Problem, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor, rows_of: Callable[[Batch], torch.Tensor],
                        sets: Sequence[ShellSet]) -> list[torch.Tensor]:
    """n_mm' = Σ f w ⟨φ_m|ψ⟩⟨ψ|φ_m'⟩ *per spin channel* as real tensors (S, n, 2l+1, 2l+1), one per set, symmetrised where the problem uses symmetry.

    orbitals: one tensor per block; occupations (S, K, bands), 0 to 2/S; rows_of(batch): the projection functions (B, M, storage).
    """
    n_spin = len(occupations)

    def one(item: tuple) -> list[torch.Tensor]:
        block, X, weights = item
        c = matmul(X, rows_of(block.batch).mH)
        found = []
        for members in sets:
            part = c[..., members.rows.to(c.device)]  # (B, bands, n, m)
            found.append(torch.einsum("kb,kbnp,kbnq->npq", weights.to(part.dtype), part, part.conj()).real)
        return found
    weights = block_weights(problem, occupations)
    parts = problem.workers.map(one, list(zip(problem.blocks, orbitals, weights, strict=True)))
    results = []
    for i, members in enumerate(sets):
        total = torch.stack([sum(part[i] for block, part in zip(problem.blocks, parts, strict=True) if block.spin == spin) for spin in range(n_spin)])
        total = total * (0.5 * n_spin)
        results.append(total if problem.group is None else symmetrise_sites(problem.group, members.l, members.atoms, total))
    return results
