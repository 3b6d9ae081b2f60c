"""The measurements of the task `phonons`: the supercell at rest, each displacement, one check; what resuming needs is kept in arrays."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.errors import RefusedError, SetupError
from ..core.job import State, Step
from ..core.structure import Structure, require_calculable
from ..md.evaluation import evaluate, frame_of, live_calculator
from .lattice import Lattice
from .params import PhononParams
from .supercell import choose, frozen

_SEED = 11


class Study:
    """All displaced supercells of one crystal. forces (points, N, 3) eV/Å grow by one row per point: at rest, displacements, check."""

    def __init__(self, structure: Structure, source: Any, params: PhononParams):
        require_calculable(structure)
        self.params, self.source = params, source
        self.warnings: list[str] = []
        if structure.constraints:
            self.warnings.append("The structure's constraints were ignored: every atom vibrates.")
            structure = structure.with_(constraints=())
        moments = getattr(getattr(live_calculator(source), "params", None), "magmoms", None)
        if moments is not None and len(moments) == len(structure) and np.ptp(moments) > 0:  # as in its own plan they come first; the symmetry must know them
            structure = structure.with_(arrays={**structure.arrays, "initial_magmoms": np.array(moments, float)})
        self.structure = structure
        self.matrix = params.matrix if params.matrix is not None else choose(structure, params.min_length, params.symmetry_tolerance)
        self.lattice = Lattice(structure, self.matrix, params.symmetry_tolerance)
        self.displacements = self._displacements()
        self.calculator = frozen(source, structure.to_atoms(), self.lattice.supercell, self.matrix, self.lattice.origin)
        if "forces" not in getattr(self.calculator, "implemented_properties", ("forces",)):
            raise SetupError(f"{type(self.calculator).__name__} offers no forces, so it gives no phonons.", hint="Use another calculator.")
        n = len(self.lattice.supercell)
        self.forces, self.free_energy, self.converged = np.zeros((0, n, 3)), np.zeros(0), np.zeros(0, bool)
        self.polar: dict[str, np.ndarray] = {}
        self._field_state: State = {}
        self.field_steps = 0
        if params.nac:
            self._field_params()  # refused now rather than after hours

    def _displacements(self) -> np.ndarray:
        p = self.params
        needed = self.lattice.displacements(p.displacement, p.plus_minus == "always")
        self.n_displaced = len(needed)
        parts = [np.zeros((1, *needed.shape[1:])), needed]
        if p.check_displacement:
            random = np.random.default_rng(_SEED).normal(size=needed.shape[1:])
            random -= random.mean(0)
            parts.append((p.displacement * random / np.linalg.norm(random, axis=1).max())[None])
        return np.concatenate(parts)

    @property
    def done(self) -> int:
        """Supercells evaluated so far."""
        return len(self.forces)

    def name(self, point: int) -> str:
        """What a point is, in words."""
        if point == 0:
            return "supercell at rest"
        return f"displacement {point} of {self.n_displaced}" if point <= self.n_displaced else "random displacement of all atoms, to check"

    def run(self) -> Iterator[Step]:
        """Evaluate every supercell that is missing; one step each."""
        if self.params.nac and not self.polar:
            yield from self._dielectric()
        while self.done < len(self.displacements):
            yield self._measure(self.done)

    def _measure(self, point: int) -> Step:
        atoms = self.lattice.supercell
        atoms.positions += self.displacements[point]
        found = evaluate(atoms, self.calculator, stress=False)
        self.forces = np.concatenate([self.forces, found.forces[None]])
        self.free_energy = np.append(self.free_energy, found.free_energy)
        self.converged = np.append(self.converged, bool(getattr(self.calculator, "results", {}).get("converged", True)))
        values = {"free_energy": found.free_energy, "max_force": float(np.linalg.norm(found.forces, axis=1).max())}
        state = self.state()
        return Step("phonons", self.field_steps + self.done, values, frame_of(atoms, found), lambda: state, self.name(point),
                    self.done / len(self.displacements))

    # ---- polar crystals --------------------------------------------------------------------------------------------------------------------
    def _dielectric(self) -> Iterator[Step]:
        """Born charges and dielectric tensor of the given cell, as steps of their own."""
        from ..dft.response import dielectric
        steps = dielectric(self._field_params(), {"structure": self.structure}, resume=self._field_state or None)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                result = stop.value
                break
            self.field_steps = step.n
            yield replace(step, state=lambda inner=step.state: {**self.state(), **{f"field.{name}": value for name, value in inner().items()}},
                          progress=None if step.progress is None else 0.3 * step.progress)
        self._field_state = {}
        if result.refused or not result.converged:
            raise RefusedError(f"No Born charges: {result.refused or 'the response to the field did not converge.'}", hint="Switch nac off.")
        self.warnings += result.warnings
        self.polar = {name: result.values[name] for name in ("born_charges", "born_charge_sum", "dielectric_tensor")}

    def _field_params(self):
        """The response's parameters: those of the calculator."""
        live = live_calculator(self.source)
        if not (hasattr(live, "plan") and hasattr(live, "frozen_for")):
            raise SetupError(f"nac needs Born charges, which {type(live).__name__} does not give; only the plane-wave calculator does.", hint="Switch nac off.")
        from ..core.params import from_dict
        from ..dft.response import DielectricParams
        return from_dict(DielectricParams, live.todict())

    # ---- resume ------------------------------------------------------------------------------------------------------------------------
    def state(self) -> State:
        """Everything measured so far."""
        return {"forces": self.forces.copy(), "free_energy": self.free_energy.copy(), "converged": self.converged.copy(),
                "displacements": self.displacements.copy(), "field_steps": np.array(self.field_steps), "warnings": np.array(self.warnings, dtype=str),
                **{f"polar.{name}": value.copy() for name, value in self.polar.items()}}

    def restore(self, state: State) -> None:
        """Continue after the points in `state`. SetupError when they belong to another study."""
        if state["displacements"].shape != self.displacements.shape or not np.allclose(state["displacements"], self.displacements, atol=1e-9):
            raise SetupError("The checkpoint belongs to other displacements than these.", hint="Structure or settings changed; start the job again.")
        self.forces, self.free_energy = np.array(state["forces"]), np.array(state["free_energy"])
        self.converged = np.array(state["converged"], bool)
        self.field_steps, self.warnings = int(state["field_steps"]), [str(text) for text in state["warnings"]]
        self.polar = {name.removeprefix("polar."): np.array(value) for name, value in state.items() if name.startswith("polar.")}
        self._field_state = {name.removeprefix("field."): value for name, value in state.items() if name.startswith("field.")}


def source_name(source: Any) -> Any:
    """The calculator as plain data for `Result.settings`."""
    return source.to_dict() if hasattr(source, "to_dict") else type(live_calculator(source)).__name__
