"""Estimate of the Pulay stress: what a finite, fixed set of plane waves does to the analytic stress. Hartree atomic units.

G. P. Francis and M. C. Payne, J. Phys.: Condens. Matter 2, 4395 (1990): the stress at constant cutoff is the stress at fixed plane waves plus
δ_αβ (2/3Ω) dE/d ln E_cut. The derivative is taken from the converged orbitals without another calculation: to second order, removing the plane wave k+G costs
(T_G + V̄ − ε)|c(k+G)|² with V̄ the mean potential, so dE/dE_cut is minus that cost per unit energy at the edge of the sphere. The coefficients fall off
exponentially, so the cost is averaged in two windows below the edge and extrapolated to it.
"""
from __future__ import annotations

import math

from .energy import band_weights, square
from .problem import Problem
from .scf import GroundState

#: windows below the edge, in fractions of the cutoff
_WINDOWS = ((0.64, 0.82), (0.82, 1.0))


def cutoff_slope(problem: Problem, ground: GroundState) -> float:
    """dE/d ln E_cut in Ha (negative: more plane waves lower the energy)."""
    weights = band_weights(problem, ground)
    cutoff = problem.basis.cutoff
    costs = [0.0, 0.0]
    for block, X in zip(problem.blocks, ground.orbitals, strict=True):
        batch = block.batch
        part = square(X)
        if batch.half:
            part = part.unflatten(-1, (-1, 2)).sum(-1)
        e = block.of(ground.eigenvalues).to(part.device)
        cost = block.of(weights)[:, :, None] * part * (batch.kinetic[:, None, :] - e[:, :, None])
        for i, (low, high) in enumerate(_WINDOWS):
            inside = (batch.kinetic >= low * cutoff) & (batch.kinetic < high * cutoff * (1 + 1e-9))
            costs[i] += float((cost * inside[:, None, :]).sum())
    inner, outer = (cost / (high - low) for cost, (low, high) in zip(costs, _WINDOWS, strict=True))
    if outer <= 0.0 or inner <= 0.0:
        return -max(outer, 0.0)
    return -outer * math.sqrt(min(outer / inner, 1.0))  # half a window further out, exponentially


def pulay_stress(problem: Problem, ground: GroundState) -> float:
    """(2/3Ω) dE/d ln E_cut in Ha/bohr³: to be added to the diagonal of the analytic stress."""
    return 2.0 / (3.0 * problem.grid.volume) * cutoff_slope(problem, ground)
