"""The task `converge`: which cutoff, k-mesh and smearing a crystal needs, with their cost and error.

Cheap in two dimensions: the cutoff is varied at a coarse mesh and the mesh at a low cutoff, since the two errors hardly depend on each other; whether that is
so is measured at the end by one calculation a rung above in both, and where it is not, the proposal climbs.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core import device as machine
from ..core.job import Result, State, Step
from ..core.structure import Structure
from ..core.units import EV_PER_ANGSTROM3_GPA, HARTREE_EV, HARTREE_PER_BOHR3_EV_ANGSTROM3, HARTREE_PER_BOHR_EV_ANGSTROM
from .calculation import Calculation
from .ladders import LOWEST_CUTOFF, STAGES, errors, first_good, meshes_of
from .parallel import Workers
from .params import KPoints, Smearing
from .params_electrons import ConvergeParams
from .plan import make_plan
from .settle import settings

_CLIMBS = 3


@dataclass(frozen=True)
class Setting:
    """One point of the study: cutoff in eV, mesh, smearing width in eV (0: fixed occupations)."""

    cutoff: float
    mesh: tuple[int, int, int]
    width: float


@dataclass(frozen=True, eq=False)
class Numbers:
    """What one calculation gave: energy per atom (eV, zero smearing), forces (N, 3) eV/Å, pressure GPa, estimated seconds, steps, converged."""

    energy: float
    forces: np.ndarray
    pressure: float
    seconds: float
    steps: int
    converged: bool


@dataclass
class _Study:
    """All calculations so far, each done once. density: bonding density and box of the last one, where it converged: the next one starts from it and from
    nothing else, so that a resumed study goes on as it would have."""

    structure: Structure
    params: ConvergeParams
    shift: tuple[float, float, float]
    known: dict[Setting, Numbers] = field(default_factory=dict)
    stages: dict[Setting, str] = field(default_factory=dict)
    density: tuple[np.ndarray, tuple[int, int, int]] | None = None

    def dft(self, setting: Setting) -> ConvergeParams:
        """The parameters of one calculation."""
        smearing = Smearing(self.params.smearing.kind, setting.width) if setting.width else Smearing()
        return replace(self.params, cutoff=setting.cutoff, kpts=KPoints(setting.mesh, None, self.shift), smearing=smearing, grid=None)

    def run(self, setting: Setting, stage: str) -> Iterator[Step]:
        """One step that calculates `setting`, or none where it is known; returns `Numbers`."""
        if setting not in self.known:
            calculation = Calculation(make_plan(self.structure, self.dft(setting)), Workers(machine.apply_threads()), density=self.density)
            for _ in calculation.run():
                pass
            self.density = (calculation.bonding.cpu().numpy(), calculation.problem.grid.shape) if calculation.ground.converged else None
            stress = calculation.stress * HARTREE_PER_BOHR3_EV_ANGSTROM3 * EV_PER_ANGSTROM3_GPA
            self.known[setting] = Numbers(calculation.energy_at_zero * HARTREE_EV / len(self.structure), calculation.forces * HARTREE_PER_BOHR_EV_ANGSTROM,
                                          -float(np.trace(stress)) / 3.0, float(calculation.plan.estimate()["seconds"]), calculation.state.step,
                                          calculation.ground.converged)
            self.stages[setting] = stage
            found, n = self.known[setting], len(self.known)
            text = (f"{stage}: {setting.cutoff:.0f} eV, {'x'.join(map(str, setting.mesh))}, "
                    f"{f'{setting.width:g} eV' if setting.width else 'no smearing'}: {found.energy:.6f} eV/atom, {found.pressure:.3f} GPa")
            values = {"energy": found.energy, "pressure": found.pressure, "cutoff": setting.cutoff, "n_mesh": float(np.prod(setting.mesh)),
                      "seconds": found.seconds, "stage": float(STAGES.index(stage))}
            yield Step("converge", n, values, state=self.pack, text=text)
        return self.known[setting]

    def pack(self) -> State:
        """Arrays for `restore`."""
        rows = list(self.known.items())
        density = {} if self.density is None else {"bonding": self.density[0], "box": np.array(self.density[1])}
        return {**density, "settings": np.array([[s.cutoff, *s.mesh, s.width] for s, _ in rows]),
                "stages": np.array([self.stages[s] for s, _ in rows], dtype=str),
                "numbers": np.array([[v.energy, v.pressure, v.seconds, v.steps, v.converged] for _, v in rows]),
                "forces": np.array([v.forces for _, v in rows])}

    def restore(self, state: State) -> None:
        """Take back what `pack` stored."""
        for row, stage, numbers, forces in zip(state["settings"], state["stages"], state["numbers"], state["forces"], strict=True):
            setting = Setting(float(row[0]), tuple(int(n) for n in row[1:4]), float(row[4]))
            self.known[setting] = Numbers(float(numbers[0]), np.array(forces), float(numbers[1]), float(numbers[2]), int(numbers[3]), bool(numbers[4]))
            self.stages[setting] = str(stage)
        if "bonding" in state:
            self.density = np.array(state["bonding"]), tuple(int(n) for n in state["box"])

    @property
    def goals(self) -> tuple[float, float, float]:
        """Errors allowed in energy, forces, pressure."""
        return self.params.energy_error, self.params.force_error, self.params.pressure_error

    def table(self, found: list[Numbers]) -> list[np.ndarray]:
        """Errors of energy, forces and pressure along a ladder, one array each."""
        forces = np.array([item.forces for item in found])
        return [errors(np.array([item.energy for item in found])), errors(forces - forces.mean(1, keepdims=True)),
                errors(np.array([item.pressure for item in found]))]

    def climb(self, rungs: Iterator[Setting], stage: str, most: int) -> Iterator[Step]:
        """Steps up a ladder until its limit is known well enough; returns (settings, table, first good rung or None)."""
        tried, found = [], []
        for setting in rungs:
            found.append((yield from self.run(setting, stage)))
            tried.append(setting)
            table = self.table(found)
            good = first_good(table, [0.5 * goal for goal in self.goals])  # the errors of cutoff and mesh add up
            # one rung above the first good one confirms it
            if len(tried) >= 3 and good is not None and good < len(tried) - 1 or len(tried) >= most:
                break
        return tried, table, good


def converge(params: ConvergeParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """One step per calculation for inputs["structure"]; returns a `Result` whose settings hold "proposed": keywords for `DFT(...)`."""
    structure = _rattled(Structure.coerce(inputs["structure"]), params.rattle)
    plan = make_plan(structure, params)
    study = _Study(structure, params, plan.shift)
    if resume is not None:
        study.restore(resume)
    width = params.smearing.width if params.smearing.kind != "none" else 0.0
    start = plan.cutoff * HARTREE_EV
    lowest = LOWEST_CUTOFF * start
    meshes = list(meshes_of(structure, params, plan.size))
    coarse = meshes[0]
    cutoffs, table, place = yield from study.climb((Setting(lowest * params.cutoff_factor**i, coarse, width) for i in range(params.max_rungs)), "cutoff",
                                                   params.max_rungs)
    notes = []
    if place is None:
        notes.append(f"{len(cutoffs)} cutoffs up to {cutoffs[-1].cutoff:.0f} eV did not reach the errors asked for: the highest is proposed.")
    cutoff_place = len(cutoffs) - 1 if place is None else place
    cutoff_errors = [column[cutoff_place] for column in table]
    low = cutoffs[0].cutoff
    rungs, table, place = yield from study.climb((Setting(low, mesh, width) for mesh in meshes), "mesh", min(params.max_rungs, len(meshes)))
    if place is None:
        notes.append(f"{len(rungs)} meshes up to {'x'.join(map(str, rungs[-1].mesh))} did not reach the errors asked for: the densest is proposed.")
    mesh_place = len(rungs) - 1 if place is None else place
    mesh_errors = [column[mesh_place] for column in table]
    climbs = 0
    while True:
        here = Setting(lowest * params.cutoff_factor**cutoff_place, rungs[mesh_place].mesh if mesh_place < len(rungs) else meshes[mesh_place], width)
        above = Setting(lowest * params.cutoff_factor ** (cutoff_place + 1), meshes[min(mesh_place + 1, len(meshes) - 1)], width)
        one, two = (yield from study.run(here, "check")), (yield from study.run(above, "check"))
        change = [abs(one.energy - two.energy), float(np.abs((one.forces - one.forces.mean(0)) - (two.forces - two.forces.mean(0))).max()),
                  abs(one.pressure - two.pressure)]
        if all(value <= goal for value, goal in zip(change, study.goals, strict=True)) or climbs >= _CLIMBS:
            break
        climbs += 1
        cutoff_place, mesh_place = cutoff_place + 1, min(mesh_place + 1, len(meshes) - 1)
    if climbs:
        notes.append(f"One rung above in cutoff and mesh together disagreed: the proposal was raised by {climbs}.")
    if any(value > goal for value, goal in zip(change, study.goals, strict=True)):
        notes.append("The last check still changes by more than asked for: treat the proposal as a lower bound.")
    widths = (yield from _widths(study, here, notes)) if width and params.vary_smearing else []
    return _result(study, here, (cutoff_errors, mesh_errors, change), widths, notes)


def _widths(study: _Study, here: Setting, notes: list[str]) -> Iterator[Step]:
    """Energies at the low cutoff for half and double the smearing width; returns [(width, energy per atom)]."""
    low = min(setting.cutoff for setting in study.known)
    found = []
    for factor in (0.5, 1.0, 2.0):
        numbers = yield from study.run(Setting(low, here.mesh, here.width * factor), "smearing")
        found.append((here.width * factor, numbers.energy))
    change = abs(found[1][1] - found[0][1])
    if change > study.params.energy_error:
        notes.append(f"Half the smearing width changes the energy by {change:.1e} eV/atom: take a narrower smearing (and then a denser mesh).")
    elif abs(found[2][1] - found[1][1]) <= study.params.energy_error:
        notes.append(f"Twice the smearing width ({2 * here.width:g} eV) changes the energy by only {abs(found[2][1] - found[1][1]):.1e} eV/atom: "
                     "it would do as well and converge faster.")
    return found


def _rattled(structure: Structure, size: float) -> Structure:
    if not size:
        return structure
    shifts = np.random.default_rng(20261121).normal(scale=size / np.sqrt(3.0), size=(len(structure), 3))
    return structure.with_(positions=structure.positions + shifts)


def _result(study: _Study, here: Setting, parts: tuple, widths: list[tuple[float, float]], notes: list[str]) -> Result:
    cutoff_errors, mesh_errors, change = parts
    rows = list(study.known.items())
    final = study.known[here]
    proposed: dict[str, Any] = {"cutoff": round(here.cutoff, 1), "kpts": str(KPoints(here.mesh, None, study.shift)), "smearing": str(study.params.smearing)}
    if not study.params.rattle and np.abs(final.forces - final.forces.mean(0)).max() < 1e-6:
        notes.append("Symmetry makes all forces zero, so their error was not tested: rattle = 0.05 Å would.")
    if not all(value.converged for _, value in rows):
        notes.append("Some of the self-consistent cycles did not converge; their numbers are the last ones reached.")
    values: dict[str, Any] = {
        "ladder_stages": np.array([study.stages[s] for s, _ in rows]), "ladder_cutoffs": np.array([s.cutoff for s, _ in rows]),
        "ladder_meshes": np.array([s.mesh for s, _ in rows]), "ladder_widths": np.array([s.width for s, _ in rows]),
        "ladder_energies": np.array([v.energy for _, v in rows]), "ladder_pressures": np.array([v.pressure for _, v in rows]),
        "ladder_forces": np.array([v.forces for _, v in rows]), "ladder_seconds": np.array([v.seconds for _, v in rows]),
        "cutoff": here.cutoff, "proposed_mesh": np.array(here.mesh), "proposed_seconds": final.seconds,
        # two independent errors and the measured change of both together: the larger of their sum and the change
        "proposed_errors": np.maximum(np.array(cutoff_errors) + np.array(mesh_errors), np.array(change)),
        "energy": final.energy * len(study.structure), "pressure": final.pressure}
    if widths:
        values["smearing_energies"] = np.array(widths)
    own = {"proposed": proposed, "goals": dict(zip(("energy", "force", "pressure"), study.goals, strict=True)), "rattle": study.params.rattle}
    plan = make_plan(study.structure, study.dft(here))
    return Result(values, converged=all(value.converged for _, value in rows), structure=study.structure, warnings=(*plan.warnings, *notes),
                  settings=settings(plan, own, machine.resolve(study.params.device)))
