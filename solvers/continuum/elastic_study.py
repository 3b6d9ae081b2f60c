"""The measurements of the task `elastic`: which strains in which order, each relaxed and evaluated, everything needed to resume kept in arrays."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import SetupError
from ..core.job import State, Step
from ..core.structure import Structure, require_calculable
from ..core.units import EV_PER_ANGSTROM3_GPA
from ..md.evaluation import frame_of
from . import quality
from .basis_choice import denser, fixed_calculator, has_basis, is_converged
from .crystal import crystal_of
from .fit import Point
from .ions import Memory, relax_ions
from .params import ElasticParams
from .strain import choose, low_symmetry, mandel_vector, piola_kirchhoff, strained


@dataclass(frozen=True)
class Plan:
    """One measurement. direction −1: unstrained; stage: "base", or the convergence run it belongs to ("cutoff", "k-mesh"); affine: start from clamped ions."""

    direction: int
    amplitude: float
    stage: str = "base"
    affine: bool = False

    @property
    def name(self) -> str:
        """In words, for progress and messages."""
        where = "unstrained" if self.direction < 0 else f"strain {self.direction + 1}, amplitude {self.amplitude:+.4f}"
        return where if self.stage == "base" else f"{where}, denser {self.stage}"


class Study:
    """All strain points of one crystal. Arrays grow by one row per point; Cauchy stresses in eV/Å³, displacements in fractional coordinates."""

    def __init__(self, structure: Structure, source: Any, params: ElasticParams):
        require_calculable(structure)
        self.params, self.source, self.structure = params, source, structure
        self.atoms = structure.to_atoms()
        self.warnings: list[str] = []
        if self.atoms.constraints:
            self.warnings.append("The structure's constraints were ignored: all atoms relax at each strain.")
            self.atoms.set_constraint()
        self.crystal = crystal_of(self.atoms, params.symmetry_tolerance)
        self.basis = self.crystal.basis
        axes = self.crystal.axes
        main = choose(self.basis, axes, self.crystal.rotations)
        self.redundant = len(main) if params.check_strain else None
        self.directions = np.concatenate([main, low_symmetry(axes)[None]]) if params.check_strain else main
        self.calculator = fixed_calculator(source, self.atoms, params.strain)
        if "stress" not in getattr(self.calculator, "implemented_properties", ()):
            raise SetupError(f"{type(self.calculator).__name__} offers no stress, so it gives no elastic constants.", hint="Use another calculator.")
        self.plans = self._plans()
        n = len(self.atoms)
        self.force_tolerance = params.force_tolerance or (1e-3 if has_basis(self.calculator) else 1e-5)
        self.memory = Memory.empty(n)
        self.stress, self.clamped = np.zeros((0, 3, 3)), np.zeros((0, 3, 3))
        self.displacement = np.zeros((0, n, 3))
        self.free_energy, self.max_force, self.converged = np.zeros(0), np.zeros(0), np.zeros((0, 2), bool)  # converged: electrons, ions
        self.pulay = np.zeros(0)
        self._denser: dict[str, Any] = {}

    def _plans(self) -> list[Plan]:
        p = self.params
        levels = [p.strain * k / p.amplitudes for k in range(1, p.amplitudes + 1)]
        n_main = len(self.directions) - (self.redundant is not None)
        plans = [Plan(-1, 0.0)]
        for d in range(n_main):
            plans += [Plan(d, sign * level, affine=level == levels[0]) for level in levels for sign in (1, -1)]
        if self.redundant is not None:
            plans += [Plan(self.redundant, sign * p.strain, affine=sign > 0) for sign in (1, -1)]
        if p.convergence:
            if has_basis(self.calculator):
                plans += [Plan(d, sign * p.strain, stage) for stage in ("cutoff", "k-mesh") for d in range(n_main) for sign in (1, -1)]
            else:
                self.warnings.append("convergence has no meaning for this calculator: it has neither cutoff nor k-mesh.")
        return plans

    # ---- measuring ---------------------------------------------------------------------------------------------------------------
    @property
    def done(self) -> int:
        """Points measured so far."""
        return len(self.stress)

    def run(self) -> Iterator[Step]:
        """Measure every point that is missing; one step each. Stops after the unstrained crystal when the Pulay stress is over the limit."""
        while self.done < len(self.plans) and not self.pulay_reason:
            yield self._measure(self.plans[self.done])

    @property
    def pulay_reason(self) -> str:
        """Why the basis is too small, "" when it is not."""
        return quality.pulay(float(np.nanmax(self.pulay)) if self.done and not np.isnan(self.pulay).all() else None, self.params)

    def eta(self, plan: Plan) -> np.ndarray:
        """Green–Lagrange strain (3, 3) of a point."""
        return np.zeros((3, 3)) if plan.direction < 0 else plan.amplitude * self.directions[plan.direction]

    def _measure(self, plan: Plan) -> Step:
        start = strained(self.atoms, self.eta(plan))
        guess, better = self._guess(plan)
        hint = None if better is None else start.positions + better @ start.cell.array
        start.positions = start.positions + guess @ start.cell.array
        calculator = self._calculator(plan.stage)
        base = plan.stage == "base"
        found = relax_ions(start, calculator, self.force_tolerance, self.params.max_ion_steps, self.memory if base else Memory.empty(len(start)),
                           relax=self.params.relax_ions and base, hint=hint)
        fractional = found.atoms.get_scaled_positions(wrap=False) - strained(self.atoms, self.eta(plan)).get_scaled_positions(wrap=False)
        fractional -= fractional.mean(axis=0)
        self.stress = np.concatenate([self.stress, found.evaluation.stress[None]])
        unrelaxed = found.first_stress if base and (plan.direction < 0 or plan.affine) else np.full((3, 3), np.nan)
        self.clamped = np.concatenate([self.clamped, unrelaxed[None]])
        self.displacement = np.concatenate([self.displacement, fractional[None]])
        self.free_energy = np.append(self.free_energy, found.evaluation.free_energy)
        self.max_force = np.append(self.max_force, found.max_force)
        self.converged = np.concatenate([self.converged, [[is_converged(calculator), found.converged]]])
        self.pulay = np.append(self.pulay, np.nan if found.evaluation.pulay_stress is None else found.evaluation.pulay_stress)
        values = {"amplitude": plan.amplitude, "direction": float(plan.direction + 1), "free_energy": found.evaluation.free_energy,
                  "max_force": found.max_force,
                  "largest_stress_gpa": float(np.abs(found.evaluation.stress).max() * EV_PER_ANGSTROM3_GPA), "evaluations": float(found.evaluations)}
        state = self.state()
        return Step("elastic", self.done, values, frame_of(found.atoms, found.evaluation), lambda: state,
                    f"{plan.name}: {found.evaluations} evaluations", self.done / len(self.plans))

    def _calculator(self, stage: str) -> Any:
        if stage == "base":
            return self.calculator
        if stage not in self._denser:
            change = {"cutoff": self.params.cutoff_factor} if stage == "cutoff" else {"kpoints": self.params.kpoint_factor}
            self._denser = {stage: denser(self.calculator, self.atoms, self.params.strain, **change)}  # the other one's memory is let go
        return self._denser[stage]

    def _guess(self, plan: Plan) -> tuple[np.ndarray, np.ndarray | None]:
        """Fractional displacements (N, 3) to start from and to try second: those of the unstrained crystal, plus the internal strain learnt at other
        amplitudes.
        """
        if not self.done:
            return np.zeros((len(self.atoms), 3)), None
        base = self.displacement[0]
        if plan.stage != "base":
            return self.displacement[self.plans.index(Plan(plan.direction, plan.amplitude, affine=self._is_affine(plan)))], None
        known = [i for i in range(1, self.done) if self.plans[i].direction == plan.direction]
        if not known or not self.params.relax_ions:
            return base, None
        t = np.array([self.plans[i].amplitude for i in known])
        powers = np.arange(1, min(len(known), 2) + 1)
        weights = np.linalg.lstsq(t[:, None] ** powers, (self.displacement[known] - base).reshape(len(known), -1), rcond=None)[0]
        learnt = base + ((plan.amplitude**powers) @ weights).reshape(base.shape)
        return (base, learnt) if plan.affine else (learnt, None)

    def _is_affine(self, plan: Plan) -> bool:
        return any(p.affine for p in self.plans if (p.direction, p.amplitude, p.stage) == (plan.direction, plan.amplitude, "base"))

    # ---- what was measured, for the fit ----------------------------------------------------------------------------------------------
    def points(self, stage: str = "base", clamped: bool = False) -> list[Point]:
        """Measured points as Mandel vectors, second Piola–Kirchhoff stress in GPa; `clamped`: those whose first evaluation had clamped ions."""
        out = []
        for i, plan in enumerate(self.plans[:self.done]):
            stress = self.clamped[i] if clamped else self.stress[i]
            if plan.stage == stage and not np.isnan(stress).any():
                eta = self.eta(plan)
                out.append(Point(plan.direction, plan.amplitude, mandel_vector(eta), mandel_vector(piola_kirchhoff(stress, eta)) * EV_PER_ANGSTROM3_GPA))
        return out

    # ---- resume ------------------------------------------------------------------------------------------------------------------------
    _ARRAYS = ("stress", "clamped", "displacement", "free_energy", "max_force", "converged", "pulay")

    def state(self) -> State:
        """Everything measured so far."""
        return {name: getattr(self, name).copy() for name in self._ARRAYS} | {"memory_steps": self.memory.steps.copy(),
                                                                              "memory_changes": self.memory.changes.copy(),
                                                                             "directions": self.directions.copy()}

    def restore(self, state: State) -> None:
        """Continue after the points in `state`. SetupError when they belong to another study."""
        if state["directions"].shape != self.directions.shape or not np.allclose(state["directions"], self.directions,
                                                                                 atol=1e-9) or len(state["stress"]) > len(self.plans):
            raise SetupError("The checkpoint belongs to other strains than these.", hint="Structure or settings changed; start the job again.")
        for name in self._ARRAYS:
            setattr(self, name, np.array(state[name]))
        self.memory = Memory(np.array(state["memory_steps"]), np.array(state["memory_changes"]))
