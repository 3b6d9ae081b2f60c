"""Löwdin populations: electrons and magnetic moments per atom and shell, and the share of the electrons that no atomic orbital sees (spilling).

P.-O. Löwdin, J. Chem. Phys. 18, 365 (1950); at every k-point the atomic orbitals of all atoms are orthonormalised by S^{−1/2}. Spilling:
D. Sánchez-Portal, E. Artacho and J. M. Soler, Solid State Commun. 95, 685 (1995).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .local_orbitals import Frame, LocalOrbitals
from .problem import Problem
from .site_occupations import ShellSet, occupation_matrices, shell_sets


@dataclass(frozen=True)
class Populations:
    """Löwdin populations. sets: the shells by element; matrices: their occupation matrices per spin channel (S, n, 2l+1, 2l+1); n_atoms; electrons
    in the cell."""

    sets: tuple[ShellSet, ...]
    matrices: tuple[torch.Tensor, ...]
    n_atoms: int
    n_electrons: float

    @property
    def shell_charges(self) -> list[tuple[ShellSet, np.ndarray]]:
        """Electrons per spin channel and atom of every shell (S, n); a calculation without spin has one row with both channels."""
        return [(members, (2 / len(matrix) * matrix.diagonal(dim1=-2, dim2=-1).sum(-1)).cpu().numpy())
                for members, matrix in zip(self.sets, self.matrices, strict=True)]

    def _per_atom(self, sign: float) -> np.ndarray:
        total = np.zeros(self.n_atoms)
        for members, charge in self.shell_charges:
            np.add.at(total, members.atoms, charge[0] + (sign * charge[1] if len(charge) == 2 else 0.0 if sign > 0 else -charge[0]))
        return total

    @property
    def electrons(self) -> np.ndarray:
        """Electrons at every atom (N,)."""
        return self._per_atom(1.0)

    @property
    def moments(self) -> np.ndarray:
        """Magnetic moment n↑ − n↓ of every atom (N,), µ_B; zero without spin."""
        return self._per_atom(-1.0)

    @property
    def spilling(self) -> float:
        """Share of the electrons outside the span of the atomic orbitals."""
        return 1.0 - float(self.electrons.sum()) / self.n_electrons


def populations(problem: Problem, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> Populations:
    """Löwdin populations of orbitals (one tensor per block) with occupations (S, K, bands)."""
    local = LocalOrbitals(list(problem.model.species), problem.grid.volume, problem.hamiltonian.fractional)
    sets = shell_sets(local)
    matrices = occupation_matrices(problem, orbitals, occupations, lambda batch: Frame.of(local.values(batch)).orthonormal, sets)
    return Populations(tuple(sets), tuple(matrices), len(problem.model.numbers), problem.model.n_electrons)
