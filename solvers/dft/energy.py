"""The Kohn–Sham free energy of given orbitals, term by term. Hartree atomic units."""
from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from .potential import XC
from .problem import Problem
from .scf import GroundState

Fields = tuple[list[torch.Tensor], tuple[float, torch.Tensor, XC]]

TERMS = ("kinetic", "nonlocal_", "local", "hartree", "xc", "ewald", "alpha", "entropy", "extra", "dispersion")


@dataclass(frozen=True)
class Energies:
    """Contributions to the free energy (Ha); `alpha` is the G = 0 part of the local potential, `entropy` is −TS, `extra` the sum of terms that follow
    the orbitals (Hubbard, exact exchange), `dispersion` of those that depend on the atoms alone."""

    kinetic: float
    nonlocal_: float
    local: float
    hartree: float
    xc: float
    ewald: float
    alpha: float
    entropy: float
    extra: float = 0.0
    dispersion: float = 0.0

    @property
    def free(self) -> float:
        """E − TS."""
        return sum(asdict(self).values())


def band_weights(problem: Problem, ground: GroundState) -> torch.Tensor:
    """Occupation times k-point weight (S, K, bands) on the basis' device."""
    return (ground.occupations * torch.from_numpy(problem.basis.weights)[:, None]).to(problem.basis.device)


def square(X: torch.Tensor) -> torch.Tensor:
    """|X|²."""
    return X.real**2 + X.imag**2 if X.is_complex() else X**2


def weighted_squares(X: torch.Tensor, weights: torch.Tensor, step: int = 16) -> torch.Tensor:
    """Σ over the bands of weights (B, bands) |X|², (B, storage), `step` bands at a time."""
    total = torch.zeros(X.shape[0], X.shape[2], dtype=torch.float64, device=X.device)
    for first in range(0, X.shape[1], step):
        total += (weights[:, first:first + step, None] * square(X[:, first:first + step])).sum(1)
    return total


def output_fields(problem: Problem, ground: GroundState) -> Fields:
    """The terms' unknowns that the orbitals make, and `Problem.fields` of them and of the density: what energy, forces and stress begin with."""
    unknowns = [term.output(ground.orbitals, ground.occupations) for term in problem.terms]
    return unknowns, problem.fields(ground.rho, unknowns)


def energies(problem: Problem, ground: GroundState, fields: Fields | None = None) -> Energies:
    """Energy terms of the orbitals and of the density they make; fields: `output_fields` where they are at hand."""
    weights = band_weights(problem, ground)

    def orbital_terms(item: tuple) -> tuple[float, float]:
        block, X = item
        w = block.of(weights)
        kinetic = (weighted_squares(X, w) * block.batch.stored_kinetic).sum()
        overlaps = square(problem.hamiltonian.projectors.overlaps(block.batch, X)) * problem.hamiltonian.D
        return float(kinetic), float((w[:, :, None] * overlaps).sum())
    parts = problem.workers.map(orbital_terms, zip(problem.blocks, ground.orbitals, strict=True))
    _, (e_hartree, _, xc) = fields or output_fields(problem, ground)
    local = problem.grid.volume * float(problem.grid.dot(problem.v_local, ground.rho[0]))
    extra, dispersion = sum(term.energy(ground) for term in problem.terms), sum(term.energy for term in problem.static)
    return Energies(sum(p[0] for p in parts), sum(p[1] for p in parts), local, e_hartree, xc.energy, problem.ewald_energy, problem.alpha_energy,
                    ground.entropy_energy, float(extra), float(dispersion))
