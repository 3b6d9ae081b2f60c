"""The measurements of the task `phonons`: the supercell at rest, each displacement, one check; what resuming needs is kept in arrays."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.errors import SetupError
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
        return Step("phonons", self._n, values, frame_of(atoms, found), lambda: state, self.name(point), self.done / len(self.displacements))

    @property
    def _n(self) -> int:
        return self.done + (1 if self.params.nac else 0)

    def _dielectric(self) -> Iterator[Step]:
        raise SetupError("nac needs Born charges, which only the plane-wave calculator gives.", hint="Switch nac off.")

    # ---- resume ------------------------------------------------------------------------------------------------------------------------
    def state(self) -> State:
        """Everything measured so far."""
        return {"forces": self.forces.copy(), "free_energy": self.free_energy.copy(), "converged": self.converged.copy(),
                "displacements": self.displacements.copy(), **{f"polar.{name}": value.copy() for name, value in self.polar.items()}}

    def restore(self, state: State) -> None:
        """Continue after the points in `state`. SetupError when they belong to another study."""
        if state["displacements"].shape != self.displacements.shape or not np.allclose(state["displacements"], self.displacements, atol=1e-9):
            raise SetupError("The checkpoint belongs to other displacements than these.", hint="Structure or settings changed; start the job again.")
        self.forces, self.free_energy = np.array(state["forces"]), np.array(state["free_energy"])
        self.converged = np.array(state["converged"], bool)
        self.polar = {name.removeprefix("polar."): np.array(value) for name, value in state.items() if name.startswith("polar.")}


def source_name(source: Any) -> Any:
    """The calculator as plain data for `Result.settings`."""
    return source.to_dict() if hasattr(source, "to_dict") else type(live_calculator(source)).__name__
