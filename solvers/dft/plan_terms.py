"""The extra terms that the parameters of a calculation ask for: dipole correction, dispersion, DFT+U, exact exchange."""
from __future__ import annotations

import numpy as np

from ..core.units import HARTREE_EV
from .exchange import ExactExchange
from .hubbard import Hubbard
from .plan import Plan
from .problem import Problem
from .surface import find_vacuum
from .terms.dipole import require_neutral
from .terms.dispersion import dispersion


def add_terms(problem: Problem, plan: Plan, exchange: bool = True) -> None:
    """Let `problem` carry every extra term of `plan`; exchange: False at k-points off the mesh, where only bands are wanted: then neither exact
    exchange, which needs the whole mesh, nor dispersion, which moves no band.

    Raises SetupError where a term cannot work with the potentials.
    """
    params = plan.params
    if params.dipole != "none":
        require_neutral(params.charge)
        vacuum = find_vacuum(plan.cell, problem.model.fractional, "abc".index(params.dipole))
        problem.correct_dipole(vacuum.axis, vacuum.middle)
    if params.dispersion != "none" and exchange:
        numbers = np.asarray(plan.structure.numbers)
        problem.add(dispersion(params.dispersion, params.xc, numbers, plan.positions, plan.cell, params.charge))
    if params.hubbard is not None and params.hubbard.values:
        problem.add(Hubbard(problem, params.hubbard.nested(1 / HARTREE_EV), params.hubbard_projection, plan.moments, plan.n_spin))
    hybrid = problem.model.functional.exact_exchange
    if hybrid is not None and exchange:
        treatment, extrapolate = params.exchange_singularity, params.exchange_singularity == "extrapolated"
        problem.add(ExactExchange(problem, hybrid.fraction, hybrid.omega, size=plan.size, shift=plan.shift, group=plan.group,
                                  time_reversal=plan.group.time_reversal, treatment="gygi-baldereschi" if extrapolate else treatment,
                                  extrapolate=extrapolate, n_spin=plan.n_spin))
