"""The first part of every task that looks at electrons: the self-consistent cycle as steps, and what is kept of it for resuming later parts."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import device as machine
from ..core.job import State, Step
from ..core.units import HARTREE_EV
from .calculation import Calculation
from .nonscf import FixedPotential, Measure
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
                                   "fermi_energy": step.fermi_energy * HARTREE_EV, **({"magmom": step.moment} if plan.n_spin == 2 else {})},
                   state=lambda: pack(state), text="; ".join(filter(None, (opening if step.n == first + 1 else "", step.text))), progress=share * done)
    return calculation


@dataclass(frozen=True, eq=False)
class Settled:
    """What later parts need of a finished cycle: fixed potential, eigenvalues (S, K, B) of the mesh, energies (Ha), its flag, steps taken, warnings."""

    fixed: FixedPotential
    levels: np.ndarray
    energy: float
    free_energy: float
    converged: bool
    steps: int
    warnings: tuple[str, ...]

    @classmethod
    def after(cls, calculation: Calculation) -> Settled:
        """What a calculation that has run leaves."""
        return cls(FixedPotential.of(calculation), calculation.ground.eigenvalues.cpu().numpy(), calculation.energy_at_zero, calculation.energies.free,
                   calculation.ground.converged, calculation.state.step, notes(calculation))

    def pack(self) -> State:
        """Arrays for `unpack`."""
        return {**self.fixed.pack(), "settled_levels": self.levels, "settled_numbers": np.array([self.energy, self.free_energy, self.converged, self.steps]),
                "settled_warnings": np.array(self.warnings, dtype=str)}

    @classmethod
    def unpack(cls, arrays: State, plan: Plan, threads: Workers) -> Settled:
        """What `pack` stored, for the same plan."""
        energy, free, converged, steps = map(float, arrays["settled_numbers"])
        return cls(FixedPotential.unpack(arrays, plan, threads), arrays["settled_levels"], energy, free, bool(converged), int(steps),
                   tuple(map(str, arrays["settled_warnings"])))

    @property
    def n_filled(self) -> int:
        """Most bands below the Fermi energy at any point of the mesh, at least those that hold all electrons."""
        return max(int(np.ceil(self.fixed.plan.n_electrons / 2 - 1e-9)), int((self.levels < self.fixed.fermi_energies[:, None, None]).sum(-1).max()))

    def n_bands(self, empty: int | None) -> int:
        """Bands to compute: the filled ones and `empty` more (None: half as many again, at least 4)."""
        return self.n_filled + (max(4, self.n_filled // 2) if empty is None else empty)

    @property
    def values(self) -> dict[str, Any]:
        """Energies for a result, eV."""
        return {"energy": self.energy * HARTREE_EV, "free_energy": self.free_energy * HARTREE_EV, "fermi_energy": self.fixed.fermi_energy * HARTREE_EV}


def settled(plan: Plan, threads: Workers, resume: State | None, share: float) -> Iterator[Step]:
    """Steps of the cycle, or none when `resume` comes from a later part; returns `Settled`."""
    if resume is not None and "settled_numbers" in resume:
        return Settled.unpack(resume, plan, threads)
    return Settled.after((yield from settle(plan, threads, resume, share)))


class Sampling:
    """Bands at a list of k-points in chunks, each a step that can be resumed. `found`: arrays (S, n, …) of the first n points, "eigenvalues" in Ha."""

    def __init__(self, base: Settled, kpoints: np.ndarray, n_bands: int, tolerance: float, measure: Measure | None = None, resume: State | None = None):
        self.base, self.kpoints, self.n_bands, self.tolerance, self.measure = base, kpoints, n_bands, tolerance, measure
        self.found = {name[6:]: value for name, value in (resume or {}).items() if name.startswith("found_")}
        self.n = base.steps if not self.found else int(resume["found_steps"])
        self.found.pop("steps", None)

    def pack(self) -> State:
        """Everything `resume` needs."""
        return {**self.base.pack(), **{f"found_{name}": value.copy() for name, value in self.found.items()}, "found_steps": np.array(self.n)}

    def walk(self, kind: str, words: str, begin: float, end: float) -> Iterator[Step]:
        """Steps over the points that are not done; progress runs from `begin` to `end`."""
        total = len(self.kpoints)
        done = self.found["eigenvalues"].shape[1] if self.found else 0
        for part in self.base.fixed.chunks(total, self.n_bands):
            if done >= part.stop:
                continue
            new = self.base.fixed.solve(self.kpoints[part], self.n_bands, self.tolerance, self.measure)
            self.found = new if not self.found else {name: np.concatenate([value, new[name]], 1) for name, value in self.found.items()}
            self.n += 1
            yield Step(kind, self.n, {"points": float(part.stop)}, state=self.pack, text=f"{part.stop} of {total} k-points {words}",
                       progress=begin + (end - begin) * part.stop / total)


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
