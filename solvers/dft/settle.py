"""The first part of every task that looks at electrons: the self-consistent cycle as steps, with what resuming needs."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..core import device as machine
from ..core.job import State, Step
from ..core.units import HARTREE_EV
from .calculation import Calculation
from .parallel import Workers
from .plan import Plan
from .restart import pack


def workers() -> Workers:
    """The threads that the machine grants."""
    return Workers(machine.apply_threads())


def settle(plan: Plan, threads: Workers, resume: State | None, share: float = 0.5) -> Iterator[Step]:
    """Steps of the self-consistent cycle of `plan`; returns the `Calculation`. `share`: part of the whole job that this is, for the progress."""
    calculation = Calculation(plan, threads, resume=resume)
    state, goal = calculation.state, plan.params.tolerance / HARTREE_EV * len(plan.structure)
    estimate = plan.estimate()
    opening = (f"{estimate['n_plane_waves']} plane waves, {estimate['n_kpoints']} k-points, {estimate['n_bands']} bands, "
               f"{machine.describe(calculation.problem.basis.device)}")
    first = state.step
    for step in calculation.run():
        logs = np.log10([max(state.accuracies[0], 1e-300), max(min(state.accuracies), 1e-300), goal])
        done = float(np.clip((logs[0] - logs[1]) / max(logs[0] - logs[2], 1e-9), 0.0, 1.0))
        yield Step("scf", step.n, {"free_energy": step.free_energy * HARTREE_EV, "energy_error": step.accuracy * HARTREE_EV,
                                   "fermi_energy": step.fermi_energy * HARTREE_EV},
                   state=lambda: pack(state), text="; ".join(filter(None, (opening if step.n == first + 1 else "", step.text))), progress=share * done)
    return calculation


def notes(calculation: Calculation) -> tuple[str, ...]:
    """Warnings of a calculation that has run, one more when it is not converged."""
    state = calculation.state
    if calculation.ground.converged:
        return calculation.warnings
    return (*calculation.warnings, f"The self-consistent cycle is not converged after {state.step} steps: "
                                   f"the energy is uncertain by about {state.accuracies[-1] * HARTREE_EV:.2g} eV.")


def settings(plan: Plan, own: Mapping[str, Any], device: str) -> dict[str, Any]:
    """What a result records: the plan's settings, the task's own parameters, the device."""
    return {**plan.settings, **own, "device": machine.describe(device)}
