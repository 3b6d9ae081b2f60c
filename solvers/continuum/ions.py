"""Relaxing the atoms at one fixed strain, with what earlier strains taught about the forces.

All strains of a study are the same crystal within a percent, so pairs (displacement, change of force) seen at one strain describe the Hessian at the next:
the memory of L-BFGS is carried over. Most strains then need two evaluations, which is what makes relaxed-ion constants affordable with plane waves.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..md.evaluation import Evaluation, evaluate
from ..md.minimise import relax_positions
from ..md.optimisers import LBFGS
from ..md.preconditioner import exp_preconditioner

_LONGEST_MOVE = 0.1  # Å
_MEMORY = 60  # pairs: with one per degree of freedom a harmonic crystal is known exactly
_PATIENCE = 25  # evaluations within which the force must have fallen to a tenth


@dataclass
class Memory:
    """Pairs seen so far: displacements and changes of the gradient, each (n, 3N)."""

    steps: np.ndarray
    changes: np.ndarray

    @classmethod
    def empty(cls, n_atoms: int) -> Memory:
        """Nothing seen yet."""
        return cls(np.zeros((0, 3 * n_atoms)), np.zeros((0, 3 * n_atoms)))


@dataclass(frozen=True)
class Relaxed:
    """The relaxed atoms, their evaluation with stress, the stress (3, 3) in eV/Å³ at the starting positions, the largest force, evaluations taken,
    converged.
    """

    atoms: object
    evaluation: Evaluation
    first_stress: np.ndarray
    max_force: float
    evaluations: int
    converged: bool


def relax_ions(atoms, calculator, force_tolerance: float, max_steps: int, memory: Memory, relax: bool = True,
               hint: np.ndarray | None = None) -> Relaxed:
    """Relax `atoms` at fixed cell until the largest force is below `force_tolerance` (eV/Å), the mean force apart; `memory` is used and extended.

    hint (N, 3): positions in Å to try after those of `atoms`, which then serve only for the clamped-ion stress.
    """
    atoms = atoms.copy()
    n = len(atoms)

    def project(vector):
        moves = vector.reshape(n, 3)
        return (moves - moves.mean(axis=0)).ravel()

    def limit(direction):
        return min(1.0, _LONGEST_MOVE / max(float(np.linalg.norm(direction.reshape(n, 3), axis=1).max()), 1e-300))

    precondition = exp_preconditioner(atoms.positions, atoms.cell.array, atoms.pbc)
    minimiser = LBFGS(lambda v: precondition(np.concatenate([v, np.zeros(9)]))[:-9], project, limit, noise=2e-8 * n, contradiction=5e-3 * n)
    minimiser.MEMORY = min(3 * n, _MEMORY)
    minimiser.steps, minimiser.changes = list(memory.steps), list(memory.changes)
    count, start = 0, np.inf
    first = None
    x = atoms.positions.ravel().copy()
    while True:
        atoms.positions = x.reshape(n, 3)
        evaluation = evaluate(atoms, calculator, stress=first is None)
        count += 1
        first = evaluation.stress if first is None else first
        gradient = -project(evaluation.forces.ravel())
        max_force = float(np.linalg.norm(gradient.reshape(n, 3), axis=1).max())
        converged = max_force <= force_tolerance
        start = max_force if count == 1 else start
        if converged or not relax or count >= max_steps or (count >= _PATIENCE and max_force > 0.1 * start):
            break
        x = minimiser.tell(x, evaluation.free_energy, gradient)
        if hint is not None and count == 1:
            x = hint.ravel().copy()
    if relax and not converged and count < max_steps:  # a rough landscape: start over from here with nothing remembered
        atoms, _, more = relax_positions(atoms, calculator, max(force_tolerance, 1e-8), max_steps - count)
        atoms = atoms.copy()
        count += more
        max_force = float(np.linalg.norm(_without_mean(evaluate(atoms, calculator, stress=False).forces), axis=1).max())
        converged = max_force <= force_tolerance
    evaluation = evaluate(atoms, calculator, stress=True)
    seen = min(len(minimiser.steps), minimiser.MEMORY)
    memory.steps = np.array(minimiser.steps[-seen:]).reshape(seen, 3 * n) if seen else memory.steps
    memory.changes = np.array(minimiser.changes[-seen:]).reshape(seen, 3 * n) if seen else memory.changes
    return Relaxed(atoms, evaluation, first, max_force, count, converged or not relax)


def _without_mean(forces: np.ndarray) -> np.ndarray:
    return forces - forces.mean(axis=0)
