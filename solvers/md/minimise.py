"""Relaxation of positions and cell: the task `relax` and the helper `relax_positions`."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from solvers.core.errors import SetupError
from solvers.core.job import Result, State, Step
from solvers.core.params import to_dict
from solvers.core.structure import Structure, require_calculable
from solvers.core.units import EV_PER_ANGSTROM3_GPA

from .coordinates import Coordinates
from .evaluation import Evaluation, evaluate, frame_of, live_calculator, memory_of, remind
from .optimisers import FIRE, LBFGS, Minimiser
from .params import RelaxParams

_MAX_RENEWALS = 10
_STRAIN_MARGIN = 0.03  # by which cell vectors may grow before the FFT box chosen for them becomes too small


def relax_positions(atoms, calc, fmax: float = 0.01, max_steps: int = 300, *, keep_symmetry: bool = False, subtract_mean_force: bool = True):
    """(relaxed copy with `calc` attached, converged, number of force evaluations) of `atoms` at fixed cell.

    fmax in eV/Å on the largest force of a free atom; forces belong to the free energy. Symmetry is off by default: a slightly strained
    crystal must not be taken for its unstrained parent.
    """
    params = RelaxParams(force_tolerance=fmax, max_steps=max_steps, keep_symmetry=keep_symmetry, subtract_mean_force=subtract_mean_force)
    steps = _Relaxation(atoms, calc, params)
    for _ in steps.run(None):
        pass
    relaxed = steps.atoms.copy()
    relaxed.calc = calc
    return relaxed, steps.converged, steps.n


def relax(params: RelaxParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Task: relax ``inputs["structure"]`` with ``inputs["calculator"]``; returns a `Result` with the relaxed structure.

    Stops when the largest force and (variable cell) the largest allowed stress component are within tolerance; then, with a plane-wave
    calculator, whose plane waves stay those of the first cell on the way, chooses the basis anew for the final cell and continues until that agrees: energy,
    forces and stress of the result are those of a fresh calculation of its structure, and `max_stress` is what is left. Unconverged is a flagged result.
    A variable cell is refused (`Result.refused`) when the calculator's Pulay stress exceeds the limit.
    """
    structure = Structure.coerce(inputs["structure"])
    require_calculable(structure, periodic=bool(structure.pbc.all()))
    relaxation = _Relaxation(structure.to_atoms(), inputs["calculator"], params)
    yield from relaxation.run(resume)
    return relaxation.result()


class _Relaxation:
    """One relaxation under way; everything that changes between two steps is in `_state`."""

    def __init__(self, atoms, calculator, params: RelaxParams):
        self.params = params
        self.source = calculator
        self.variable = params.cell != "fixed"
        self.coordinates = Coordinates(atoms, params.cell, params.pressure, params.keep_symmetry, params.symmetry_tolerance)
        self.x = self.coordinates.start()
        self.basis_x = self.x  # where the basis was chosen
        self.atoms = atoms.copy()
        self.base = live_calculator(calculator)
        self.calculator = self._with_basis_of(self.atoms)
        self.minimiser = self._minimiser()
        self.n, self.renewals = 0, 0
        self.converged, self.done = False, False
        self.refused = ""
        self.history: list[float] = []
        self.fresh = True  # whether the basis was chosen for the very cell that is evaluated next
        self.renewed = False
        self.shift = 0.0  # eV/Å³ added to the diagonal of the stress (pulay_correction)
        self.evaluation: Evaluation | None = None
        self.max_force = self.max_stress = float("inf")

    def _minimiser(self) -> Minimiser:
        limit = self.coordinates.step_limit(self.params.max_displacement, self.params.max_strain)
        if self.params.method == "fire":
            return FIRE(self.coordinates.project, limit)
        from .preconditioner import exp_preconditioner
        reference = self.coordinates.reference
        solve = exp_preconditioner(reference.positions, reference.cell.array, reference.pbc)
        n_atoms = max(len(reference), 1)
        return LBFGS(solve, self.coordinates.project, limit, noise=2e-8 * n_atoms, contradiction=5e-3 * n_atoms)

    def run(self, resume: State | None) -> Iterator[Step]:
        if resume is not None:
            self._restore(resume)
        while True:
            gradient, objective = self._evaluate()
            if self.done:  # resumed after the last step
                return
            self.n += 1
            self.history.append(self.evaluation.free_energy)
            self._refuse_pulay()
            within = self.max_force <= self.params.force_tolerance and (not self.variable or self.max_stress <= self.params.stress_tolerance)
            renew = within and self.variable and self.evaluation.pulay_stress is not None and not self.fresh
            self.converged = within and not renew and not self.refused
            self.done = bool(self.converged or self.refused or self.n >= self.params.max_steps or (renew and self.renewals >= _MAX_RENEWALS))
            text = ""
            if renew and not self.done:
                self._renew_basis()
                text = "basis chosen anew for the relaxed cell"
            elif not self.done:
                if self.fresh and self.renewed:  # the new basis disagrees: what was learnt belongs to another surface
                    self.minimiser = self._minimiser()
                self.fresh = self.renewed = False
                self.x = self.minimiser.tell(self.x, objective, gradient)
            yield self._step(text)
            if self.done:
                return

    def _with_basis_of(self, atoms):
        """The calculator to use while the cell stays near that of `atoms`: one set of plane waves, FFT box and k-mesh, where it offers to fix them."""
        if self.variable and hasattr(self.base, "fixed_basis_for"):
            return self.base.fixed_basis_for(atoms)
        if self.variable and hasattr(self.base, "frozen_for"):
            return self.base.frozen_for(atoms, _STRAIN_MARGIN)
        return self.base

    def _renew_basis(self) -> None:
        if hasattr(self.source, "create"):
            self.base = self.source.create()
        self.basis_x = self.x.copy()
        self.calculator = self._with_basis_of(self.atoms)
        self.renewals += 1
        self.fresh = self.renewed = True

    def _evaluate(self) -> tuple[np.ndarray, float]:
        self.atoms = self.coordinates.structure(self.x)
        self.evaluation = evaluate(self.atoms, self.calculator, stress=self.variable)
        volume = abs(float(np.linalg.det(self.atoms.cell.array)))
        stress = self.evaluation.stress
        if self.variable and self.params.pulay_correction:
            if self.fresh:  # kept until the basis changes: a constant pressure, so that gradient and objective belong together
                self.shift = self.evaluation.pulay_shift
            stress = stress + self.shift * np.eye(3)
        forces, stress = self.coordinates.clean(self.evaluation.forces, stress, self.params.subtract_mean_force)
        self.max_force = float(np.linalg.norm(forces, axis=1).max(initial=0.0))
        self.max_stress = float(np.abs(self.coordinates.stress_deviation(stress)).max() * EV_PER_ANGSTROM3_GPA) if self.variable else 0.0
        return self.coordinates.gradient(self.x, forces, stress, volume), self.coordinates.enthalpy(self.evaluation.free_energy + self.shift * volume, volume)

    def _refuse_pulay(self) -> None:
        pulay = self.evaluation.pulay_stress
        limit = self.params.pulay_limit * (4.0 if self.params.pulay_correction else 1.0)  # the estimate is good to about a quarter
        if self.variable and pulay is not None and pulay * EV_PER_ANGSTROM3_GPA > limit:
            self.refused = (f"The missing plane waves falsify the stress by about {pulay * EV_PER_ANGSTROM3_GPA:.2f} GPa (Pulay stress); at most "
                            f"{limit:g} GPa are allowed when the cell relaxes{' with their correction' if self.params.pulay_correction else ''}. "
                            f"Raise the cutoff{'' if self.params.pulay_correction else ', or use pulay_correction'}.")

    def _step(self, text: str) -> Step:
        values = {"free_energy": self.evaluation.free_energy, "energy": self.evaluation.energy, "max_force": self.max_force}
        if self.variable:
            values |= {"max_stress": self.max_stress, "volume": float(self.atoms.get_volume())}
        if self.evaluation.magmom is not None:
            values["magmom"] = self.evaluation.magmom
        state = self._state()
        return Step("relax", self.n, values, frame_of(self.atoms, self.evaluation), lambda: state | memory_of(self.calculator), text)

    def _state(self) -> State:
        own = {name: np.array(getattr(self, name)) for name in ("x", "basis_x", "n", "renewals", "fresh", "renewed", "shift", "done", "converged", "history")}
        own["refused"] = np.frombuffer(self.refused.encode(), np.uint8)
        return own | {f"minimiser.{name}": np.array(value) for name, value in self.minimiser.state().items()}

    def _restore(self, state: State) -> None:
        if len(state["x"]) != len(self.x):
            raise SetupError(f"The checkpoint holds {len(state['x'])} coordinates, this structure has {len(self.x)}.", hint="It belongs to another structure.")
        self.x, self.n, self.renewals = np.array(state["x"]), int(state["n"]), int(state["renewals"])
        self.fresh, self.renewed, self.done, self.converged = (bool(state[name]) for name in ("fresh", "renewed", "done", "converged"))
        self.history, self.shift = [float(value) for value in state["history"]], float(state["shift"])
        self.refused = bytes(np.asarray(state["refused"], np.uint8)).decode()
        self.basis_x = np.array(state["basis_x"])
        self.calculator = self._with_basis_of(self.coordinates.structure(self.basis_x))
        remind(self.calculator, state)
        self.minimiser.restore({name.removeprefix("minimiser."): value for name, value in state.items() if name.startswith("minimiser.")})

    def result(self) -> Result:
        last = self.evaluation
        if last.stress is None and self.atoms.pbc.all() and "stress" in getattr(self.calculator, "implemented_properties", ()):
            last = evaluate(self.atoms, self.calculator, stress=True)  # once, at the end: nobody needed it on the way
        values: dict[str, Any] = {
            "energy": last.energy, "free_energy": last.free_energy, "forces": last.forces, "mean_force": last.forces.mean(axis=0), "max_force": self.max_force,
            "positions": self.atoms.positions, "cell": self.atoms.cell.array, "iterations": self.n, "history": self.history}
        if last.stress is not None:
            values |= {"stress": last.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], "volume": float(self.atoms.get_volume())}
        if self.variable:
            values["max_stress"] = self.max_stress
            if last.pulay_stress is not None:
                values["pulay_stress"] = last.pulay_stress
        warnings = () if self.converged or self.refused else (
            f"Not converged after {self.n} steps: largest force {self.max_force:.3g} eV/Å (allowed {self.params.force_tolerance:g})"
            + (f", stress off by {self.max_stress:.3g} GPa (allowed {self.params.stress_tolerance:g})." if self.variable else ".")
            + (f" Cell and basis did not agree after {self.renewals} renewals: raise the cutoff." if self.renewals >= _MAX_RENEWALS else ""),)
        settings = {"params": to_dict(self.params), "space_group": self.coordinates.symmetry.symbol, "basis_renewals": self.renewals,
                    "calculator": self.source.to_dict() if hasattr(self.source, "to_dict") else type(self.calculator).__name__}
        return Result(values, self.converged, Structure.from_atoms(self.atoms), refused=self.refused, warnings=warnings, settings=settings)
