"""Shares of atomic orbitals in bands: |⟨φ̃|ψ⟩|² with Löwdin-orthonormalised orbitals, averaged over the symmetry operations where only a wedge is sampled."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .basis import Batch
from .eigen.algebra import matmul
from .eigen.davidson import Bands
from .local_orbitals import Frame, LocalOrbitals
from .problem import Problem
from .site_occupations import ShellSet, shell_sets
from .site_symmetry import symmetrise_sites
from .symmetry import SpaceGroup

#: names of the real harmonics in the order of `pseudo/harmonics.py`
ORBITAL_NAMES = {0: ("s",), 1: ("y", "z", "x"), 2: ("xy", "yz", "z²", "xz", "x²-y²"),
                 3: ("y(3x²-y²)", "xyz", "yz²", "z³", "xz²", "z(x²-y²)", "x(x²-3y²)")}


@dataclass(frozen=True, eq=False)
class Projector:
    """Projects bands on all atomic orbitals of a model; `group`: the operations that tie the sampled wedge to the whole zone, None for the whole zone."""

    local: LocalOrbitals
    sets: tuple[ShellSet, ...]
    group: SpaceGroup | None

    @classmethod
    def of(cls, problem: Problem, group: SpaceGroup | None) -> Projector:
        """For the atoms of `problem`."""
        local = LocalOrbitals(list(problem.model.species), problem.grid.volume, problem.hamiltonian.fractional)
        return cls(local, tuple(shell_sets(local)), group if group is not None and len(group) > 1 else None)

    def measure(self, n_bands: int):
        """A `Measure` that returns "projections" (K, n_bands, orbitals)."""
        def shares(problem: Problem, batch: Batch, spin: int, bands: Bands) -> dict[str, np.ndarray]:
            X = bands.orbitals[:, :n_bands]
            c = matmul(X, Frame.of(self.local.values(batch)).orthonormal.mH)
            result = torch.zeros(*c.shape[:2], self.local.n_rows, dtype=torch.float64)
            for members in self.sets:
                part = c[..., members.rows.to(c.device)]  # (K, bands, atoms, m)
                if self.group is None:
                    own = part.abs() ** 2
                else:
                    matrices = torch.einsum("kbnp,kbnq->kbnpq", part, part.conj()).real.cpu()
                    own = symmetrise_sites(self.group, members.l, members.atoms, matrices.contiguous()).diagonal(dim1=-2, dim2=-1)
                result[..., members.rows] = own.to(torch.float64).cpu()
            return {"projections": result.numpy()}
        return shares

    def labels(self, by: str) -> tuple[list[str], np.ndarray]:
        """(names, row of the sum that each orbital goes to) for by = "atoms", "shells" or "orbitals"; atoms count from 0."""
        names: dict[str, int] = {}
        place = np.zeros(self.local.n_rows, int)
        for shell in self.local.shells:
            for i, orbital in enumerate(ORBITAL_NAMES[shell.l]):
                name = {"atoms": f"{shell.atom} {shell.symbol}", "shells": f"{shell.atom} {shell.symbol} {shell.label}",
                        "orbitals": f"{shell.atom} {shell.symbol} {shell.label} {orbital}"}[by]
                place[shell.first + i] = names.setdefault(name, len(names))
        return list(names), place

    def summed(self, shares: np.ndarray, by: str) -> tuple[list[str], np.ndarray]:
        """(names, shares (…, P)): the shares (…, orbitals) added up to atoms, shells or single orbitals."""
        names, place = self.labels(by)
        total = np.zeros((*shares.shape[:-1], len(names)))
        np.add.at(total, (..., place), shares)
        return names, total

    def d_shells(self) -> tuple[list[int], list[np.ndarray]]:
        """(atoms with d orbitals, rows of the d orbitals of each)."""
        found: dict[int, list[int]] = {}
        for shell in self.local.shells:
            if shell.l == 2:
                found.setdefault(shell.atom, []).extend(range(shell.first, shell.first + 5))
        return list(found), [np.array(rows) for rows in found.values()]


def shared_among_equals(shares: np.ndarray, levels: np.ndarray, tolerance: float = 1e-3) -> np.ndarray:
    """Shares (S, K, B, P) averaged over bands of equal levels (S, K, B), eV: of those no single one means anything, and tetrahedra weigh them differently."""
    new = np.diff(levels, axis=-1, prepend=-np.inf) > tolerance
    group = np.cumsum(new.reshape(-1)) - 1  # every k-point begins a new group
    flat = shares.reshape(-1, shares.shape[-1])
    total = np.zeros((group[-1] + 1, flat.shape[1]))
    np.add.at(total, group, flat)
    return (total / np.bincount(group)[:, None])[group].reshape(shares.shape)
