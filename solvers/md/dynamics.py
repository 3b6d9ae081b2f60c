"""Molecular dynamics: the task and public generator `run` (NVE by velocity Verlet, NVT by Langevin BAOAB)."""
from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from solvers.core.errors import NonFiniteError, SetupError
from solvers.core.job import Result, State, Step
from solvers.core.params import to_dict
from solvers.core.potential import ASEPotential, Forces
from solvers.core.potential import State as Motion
from solvers.core.structure import Structure, require_calculable
from solvers.core.units import ACCELERATION

from . import integrators
from .evaluation import live_calculator, memory_of, remind
from .params import MDParams
from .statistics import Line

_PATIENCE = 0.5  # s: a step without a frame is yielded when this long nothing was, so that a slow calculator can be stopped


def run(params: MDParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Task: molecular dynamics of ``inputs["structure"]`` with ``inputs["calculator"]`` (spec, ASE calculator or `Potential`).

    Step n is time step n; every `interval` steps one carries a frame (velocities in Å/fs as array "velocities"). The result holds means over
    the samples after `equilibration`, the drift of the conserved energy (total energy, for Langevin less the heat the thermostat gave) as the
    slope of a straight line, and the speed. Same seed, same trajectory; resumed, the same bits, provided the calculator's answer depends on
    the positions alone or it has a `memory` to keep what else counts. Raises NonFiniteError naming step and atom, after yielding the last good frame.
    """
    structure = Structure.coerce(inputs["structure"])
    require_calculable(structure, periodic=bool(structure.pbc.all()))
    simulation = _Simulation(structure, inputs["calculator"], params)
    simulation.begin(resume)
    yield from simulation.steps()
    return simulation.result()


class _Simulation:
    """Positions, velocities, forces, random numbers and sums of one run; `_state` is all of it."""

    def __init__(self, structure: Structure, calculator: Any, params: MDParams):
        self.structure, self.params, self.source = structure, params, calculator
        atoms = structure.to_atoms()
        self.potential = as_potential(calculator)
        self.gives_stress = bool(structure.pbc.all()) and _gives_stress(self.potential)
        self.free = free_atoms(atoms)
        masses = np.array(atoms.get_masses(), float)
        if not (masses > 0).all():
            raise SetupError(f"Atom {int(np.argmin(masses))} has mass {masses.min():g} amu.", hint="Masses must be positive.")
        self.masses = masses
        self.thermostat = None
        if params.ensemble == "nvt":
            self.thermostat = integrators.Thermostat.langevin(params.temperature, params.friction_time, params.timestep, masses)
        n_free = int(self.free.sum())
        self.drifts_off = params.remove_drift and n_free == len(masses) > 1
        self.freedom = 3 * n_free - (3 if self.drifts_off else 0)
        self.random = np.random.default_rng(np.random.SeedSequence(params.seed, spawn_key=(1,)))
        self.motion = Motion(np.array(structure.numbers), np.array(structure.positions), np.array(structure.cell), np.array(structure.pbc), masses)
        self.n, self.heat = 0, 0.0
        self.energy = Line()
        self.sums = np.zeros(4)  # samples, kinetic, potential, temperature
        self.timed, self.clock = 0, 0.0  # steps and seconds in this process

    # ---- start -----------------------------------------------------------------------------------------------------------------
    def begin(self, resume: State | None) -> None:
        if resume is None:
            self.motion.velocities = self._first_velocities()
            self.forces = self._forces()
            return
        if resume["positions"].shape != self.motion.positions.shape:
            raise SetupError(f"The checkpoint holds {len(resume['positions'])} atoms, this structure {len(self.masses)}.", hint="It belongs to another run.")
        self.motion.positions, self.motion.velocities = np.array(resume["positions"]), np.array(resume["velocities"])
        self.forces = Forces(float(resume["energy"]), np.array(resume["forces"]))
        self.n, self.heat, self.sums = int(resume["n"]), float(resume["heat"]), np.array(resume["sums"])
        self.energy = Line.from_array(resume["line"])
        self.random.bit_generator.state = json.loads(bytes(np.asarray(resume["random"], np.uint8)).decode())
        remind(getattr(self.potential, "calculator", None), resume)

    def _first_velocities(self) -> np.ndarray:
        own = own_velocities(self.structure)
        if self.params.velocities == "keep" and own is None:
            raise SetupError("The structure has no velocities to keep.", hint="Use velocities = 'auto' or 'draw'.")
        if own is None or self.params.velocities == "draw":
            random = np.random.default_rng(np.random.SeedSequence(self.params.seed, spawn_key=(0,)))
            own = integrators.maxwell_boltzmann(self.masses, self.params.temperature, random)
        own = np.where(self.free[:, None], own, 0.0)
        return integrators.without_drift(self.masses, own) if self.drifts_off else own

    # ---- motion ----------------------------------------------------------------------------------------------------------------
    def _sampled(self, n: int) -> bool:
        return n % self.params.interval == 0 or n == self.params.steps

    def _forces(self) -> Forces:
        found = self.potential.compute(self.motion, virial=self.gives_stress and self._sampled(self.n + 1))
        energy, forces = float(found.energy), np.where(self.free[:, None], found.forces, 0.0)
        if not np.isfinite(forces).all() or not np.isfinite(energy):
            bad = np.argwhere(~np.isfinite(forces))
            what = f"force on atom {bad[0][0]}" if len(bad) else "energy"
            raise NonFiniteError(f"The {what} is not finite.", hint="Atoms too close, or a time step too long.")
        if self.drifts_off:
            forces = forces - forces.mean(axis=0)
        return Forces(energy, forces, found.virial)

    def _advance(self) -> None:
        """One BAOAB step; on NonFiniteError the state is that of the step before."""
        params, motion, masses = self.params, self.motion, self.masses
        before = (motion.positions, motion.velocities, self.heat)
        velocities = integrators.kick(masses, motion.velocities, self.forces.forces, 0.5 * params.timestep)
        positions = motion.positions + 0.5 * params.timestep * velocities
        if self.thermostat is not None:
            kinetic = integrators.kinetic_energy(masses, velocities)
            velocities = self.thermostat.decay * velocities + self.thermostat.kick * self.random.standard_normal(velocities.shape)
            velocities = np.where(self.free[:, None], velocities, 0.0)
            if self.drifts_off:
                velocities = integrators.without_drift(masses, velocities)
            self.heat += integrators.kinetic_energy(masses, velocities) - kinetic
        motion.positions = positions + 0.5 * params.timestep * velocities
        try:
            if not np.isfinite(motion.positions).all():
                atom = int(np.argwhere(~np.isfinite(motion.positions))[0][0])
                raise NonFiniteError(f"The position of atom {atom} is not finite.", hint="Use a shorter time step.")
            self.forces = self._forces()
        except NonFiniteError:
            motion.positions, motion.velocities, self.heat = before
            raise
        motion.velocities = integrators.kick(masses, velocities, self.forces.forces, 0.5 * params.timestep)
        self.n += 1

    def steps(self) -> Iterator[Step]:
        shown = self.n
        spoke, warm = time.monotonic(), False
        while self.n < self.params.steps:
            begun = time.perf_counter()
            try:
                self._advance()
            except NonFiniteError as error:
                if self.n > shown:
                    yield self._step(frame=True)
                raise NonFiniteError(f"Step {self.n + 1}: {error.message}", hint=f"Step {self.n} is the last good frame. {error.hint}") from error
            if warm:  # the first step may compile; it is not counted
                self.timed, self.clock = self.timed + 1, self.clock + time.perf_counter() - begun
            warm = True
            sampled = self._sampled(self.n)
            if sampled:
                self._sample()
            if sampled or time.monotonic() - spoke > _PATIENCE:
                shown, spoke = self.n, time.monotonic()
                yield self._step(frame=sampled)

    # ---- what is told ----------------------------------------------------------------------------------------------------------
    def _sample(self) -> None:
        if self.n <= self.params.equilibration:
            return
        kinetic = integrators.kinetic_energy(self.masses, self.motion.velocities)
        self.energy.add(self.n * self.params.timestep, kinetic + self.forces.energy - self.heat)
        self.sums += (1.0, kinetic, self.forces.energy, integrators.temperature_of(kinetic, self.freedom))

    def _step(self, frame: bool) -> Step:
        kinetic = integrators.kinetic_energy(self.masses, self.motion.velocities)
        values = {"energy": self.forces.energy, "kinetic_energy": kinetic, "total_energy": kinetic + self.forces.energy,
                  "conserved_energy_ev": kinetic + self.forces.energy - self.heat, "temperature": integrators.temperature_of(kinetic, self.freedom),
                  "time_fs": self.n * self.params.timestep}
        state = self._state()
        calculator = getattr(self.potential, "calculator", None)
        return Step("md", self.n, values, self._frame() if frame else None, lambda: state | memory_of(calculator), progress=self.n / self.params.steps)

    def _frame(self):
        from ase.calculators.singlepoint import SinglePointCalculator
        atoms = self._structure().to_atoms()
        labels = {"energy": self.forces.energy, "free_energy": self.forces.energy, "forces": self.forces.forces}
        if self.forces.virial is not None:  # static part only, without the momenta: what a force field is trained on
            labels["stress"] = (-self.forces.virial / atoms.get_volume())[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms

    def _structure(self) -> Structure:
        arrays = {name: value for name, value in self.structure.arrays.items() if name != "momenta"}
        return self.structure.with_(positions=self.motion.positions, arrays=arrays | {"velocities": self.motion.velocities})

    def _state(self) -> State:
        random = json.dumps(self.random.bit_generator.state).encode()
        return {"n": np.array(self.n), "positions": self.motion.positions, "velocities": self.motion.velocities, "forces": self.forces.forces,
                "energy": np.array(self.forces.energy), "heat": np.array(self.heat), "sums": self.sums.copy(), "line": self.energy.to_array(),
                "random": np.frombuffer(random, np.uint8)}

    def result(self) -> Result:
        samples = max(self.sums[0], 1.0)
        kinetic, energy, temperature = self.sums[1:] / samples
        slope, slope_error = self.energy.slope()
        per_atom_and_ns = 1e6 / len(self.masses)  # from eV/fs
        values = {"energy": energy, "kinetic_energy": kinetic, "total_energy": kinetic + energy, "temperature": temperature,
                  "energy_drift": slope * per_atom_and_ns, "positions": self.motion.positions, "forces": self.forces.forces, "iterations": self.n,
                  "wall_s": self.clock}
        if self.timed and self.clock > 0:
            values["atom_steps_per_s"] = len(self.masses) * self.timed / self.clock
        warnings = () if self.energy.count > 2 else ("Fewer than three samples: the energy drift is not known.",)
        if self.energy.count <= 2:
            del values["energy_drift"]
        settings = {"params": to_dict(self.params), "samples": int(self.sums[0]), "degrees_of_freedom": self.freedom,
                    "energy_drift_standard_error": slope_error * per_atom_and_ns,
                    "calculator": self.source.to_dict() if hasattr(self.source, "to_dict") else type(self.source).__name__}
        return Result(values, True, self._structure(), warnings=warnings, settings=settings)


def as_potential(value: Any):
    """A `Potential` on numpy arrays from a spec, an ASE calculator or a `Potential`.

    A calculator with a `potential(device)` method of its own (our force fields) gives its fast one.
    """
    if hasattr(value, "compute") and hasattr(value, "device"):
        potential = value
    else:
        calculator = live_calculator(value)
        own = getattr(type(calculator), "potential", None)
        potential = calculator.potential("cpu") if callable(own) else ASEPotential(calculator)
    if potential.device != "numpy":
        raise SetupError(f"Molecular dynamics runs on numpy arrays; this potential lives on {potential.device!r}.", hint="Ask it for device 'cpu'.")
    return potential


def _gives_stress(potential: Any) -> bool:
    """Whether `compute(…, virial=True)` works: always for our own potentials, for an ASE calculator when it says so."""
    calculator = getattr(potential, "calculator", None)
    return calculator is None or "stress" in getattr(calculator, "implemented_properties", ())


def free_atoms(atoms) -> np.ndarray:
    """Mask (N,) of atoms that may move; SetupError for constraints other than FixAtoms."""
    free = np.ones(len(atoms), bool)
    for constraint in atoms.constraints:
        if type(constraint).__name__ != "FixAtoms":
            raise SetupError(f"The constraint {type(constraint).__name__} cannot be kept in molecular dynamics.", hint="Allowed: FixAtoms.")
        free[constraint.index] = False
    if not free.any():
        raise SetupError("Every atom is fixed: nothing can move.", hint="Release some atoms.")
    return free


def own_velocities(structure: Structure) -> np.ndarray | None:
    """Velocities (N, 3) in Å/fs that a structure carries: array "velocities", or ASE's "momenta" (amu·Å per ASE time unit), or None."""
    if "velocities" in structure.arrays:
        return np.array(structure.arrays["velocities"], float)
    if "momenta" in structure.arrays:
        masses = structure.to_atoms().get_masses()
        return structure.arrays["momenta"] / masses[:, None] * np.sqrt(ACCELERATION)  # ASE's time unit is 1/√ACCELERATION fs
    return None
