"""The change of the Hartree and exchange-correlation potential with the density. Hartree atomic units."""
from __future__ import annotations

import torch

from ..problem import Problem

#: largest change of the density, relative to the density it is felt at, in the differences that make the exchange-correlation kernel
_STEP = 2e-3


def potential_response(problem: Problem, rho: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(δV_Hxc, δV_xc) (S, …) on the half box, derivatives by charge and moment, for a change δρ (S, …) of density rho.

    The exchange-correlation part is the derivative of the potential along δρ by fourth-order differences: right for every functional of density and gradient.
    """
    xc = xc_response(problem, rho, change)
    total = xc.clone()
    total[0] += problem.grid.coulomb * change[0]
    return total, xc


def xc_response(problem: Problem, rho: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """δV_xc (S, …) on the half box for a change δρ (S, …)."""
    density, moved = problem.grid.to_real(rho[0]), problem.grid.to_real(change)
    if problem.core is not None:
        density = density + problem.grid.to_real(problem.core)
    floor = 1e-3 * density.abs().mean()  # where there is no density the potential's derivative does not matter, and must not fix the step
    largest = float((moved.abs().sum(0) / density.clamp_min(floor)).max())
    if largest == 0.0:
        return torch.zeros_like(change)
    h = _STEP / largest

    def at(x: float) -> torch.Tensor:
        return problem.fields(rho + x * change)[2].potential
    return (8.0 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12.0 * h)
