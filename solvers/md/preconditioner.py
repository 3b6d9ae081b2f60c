"""A sparse model of the Hessian of any bonded solid, so that large cells relax in as many steps as small ones.

Packwood et al., J. Chem. Phys. 144, 164109 (2016), "Exp": P_ij = −µ exp(−A (r_ij/r_nn − 1)) between neighbours, P_ii = −Σ_j P_ij + µ c.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEEPNESS = 3.0  # A of the paper
STABILISER = 0.1  # c of the paper
BOND_STIFFNESS = 2.0  # µ in eV/Å²; L-BFGS rescales it after the first step
CELL_STIFFNESS = 12.0  # eV/Å² in the scaled cell coordinate: about 100 GPa at 15 Å³ per atom


def exp_preconditioner(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that solves P x = b for b (3N + 9,): atoms by the sparse matrix, the cell's nine coordinates by a constant.

    positions (N, 3) Å, cell (3, 3) rows Å. Atoms without neighbours within 5 Å get the diagonal alone.
    """
    from scipy.sparse import csc_matrix, diags
    from scipy.sparse.linalg import splu

    from solvers.neighbours import neighbour_list
    n_atoms = len(positions)
    nearest = _nearest_distance(positions, cell, pbc)
    diagonal = np.full(n_atoms, BOND_STIFFNESS * (12.0 if nearest is None else STABILISER))
    matrix = diags(diagonal)
    if nearest is not None:
        listing = neighbour_list(positions, cell, pbc, 2.0 * nearest)
        lengths = np.linalg.norm(listing.vectors(positions, cell), axis=1)
        weights = BOND_STIFFNESS * np.exp(-STEEPNESS * (lengths / nearest - 1.0))
        centres = listing.centres
        other = listing.neighbours != centres  # an atom's own images move with it
        coupling = csc_matrix((weights[other], (centres[other], listing.neighbours[other])), shape=(n_atoms, n_atoms))
        alone = np.bincount(centres, minlength=n_atoms) == 0
        matrix = diags(diagonal + np.asarray(coupling.sum(axis=1)).ravel() + 12.0 * BOND_STIFFNESS * alone) - coupling
        if n_atoms <= 2:  # few atoms, all by symmetry at rest or with one optical mode: a diagonal is as good and never soft
            matrix = matrix + diags(np.full(n_atoms, BOND_STIFFNESS * 6.0))
    factors = splu(csc_matrix(matrix))

    def solve(vector: np.ndarray) -> np.ndarray:
        atoms = factors.solve(vector[:-9].reshape(n_atoms, 3)).ravel()
        return np.concatenate([atoms, vector[-9:] / CELL_STIFFNESS])

    return solve


def _nearest_distance(positions, cell, pbc) -> float | None:
    """The largest nearest-neighbour distance in Å, looking no further than 5 Å; None where there is no pair."""
    from solvers.neighbours import neighbour_list
    if not len(positions):
        return None
    for reach in (3.0, 5.0):
        listing = neighbour_list(positions, cell, pbc, reach)
        rows = np.flatnonzero(np.diff(listing.offsets))
        if len(rows) == len(positions) or (reach == 5.0 and len(rows)):
            lengths = np.linalg.norm(listing.vectors(positions, cell), axis=1)
            return float(np.minimum.reduceat(lengths, listing.offsets[rows]).max())
    return None
