"""Contract tests: what a plug-in of each kind must pass, and every task. Used on our own plug-ins first.

A plug-in's test suite calls ``check_calculator``, ``check_exporter`` or ``check_task``; each raises ContractError naming the law that is broken, with figures,
and returns the names of the laws that were tested.
"""
from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .core.errors import QcadError, SetupError
from .core.job import Result, State, Step
from .core.sealed import seal, unseal
from .core.structure import Structure

#: the way to a result, not the result
_PATH = ("iterations", "history", "residual_history")
#: depend on the clock, not on the physics
_CLOCK = ("wall_s", "atom_steps_per_s", "seconds", "wall", "speed")


class ContractError(AssertionError):
    """A plug-in or task breaks its contract."""


# ---- tasks ---------------------------------------------------------------------------------------------------------------------------------------
def check_task(run: Callable, params: Any, inputs: Mapping[str, Any], *, kills: int = 3, tolerance: float = 0.0,
               tolerances: Mapping[str, float] | None = None, last_tolerance: float | None = None) -> list[str]:
    """Kill at any step, resume, same result.

    Runs the generator to its end, then again up to each of `kills` steps spread over the run, sends the state through a sealed file as a worker would, throws
    the generator away and continues a new one from the file. tolerance: largest |difference| of results and later steps, relative to their largest component
    (0: bit for bit); tolerances: other values for some properties. last_tolerance: for a task that iterates to convergence, killed after its last step: it may
    take one step more, so its history and count of iterations are not compared there.
    """
    before = {name: value.fingerprint for name, value in inputs.items() if isinstance(value, Structure)}
    steps, result = _run(run, params, inputs)
    _require(len(steps) > 0, "a task yields at least one step", "it yields none")
    numbers = [step.n for step in steps]
    _require(numbers == sorted(set(numbers)) and numbers[0] >= 1, "step numbers count upwards from 1", f"they are {numbers[:10]}")
    _require(isinstance(result, Result), "a task returns a Result", f"it returns {type(result).__name__}")
    for step in steps:
        bad = {name: value for name, value in step.values.items() if not np.isfinite(value)}
        _require(not bad, "the values of a step are finite", f"step {step.n} has {bad}")
    resumable = [i for i, step in enumerate(steps) if step.state is not None]
    _require(bool(resumable), "some steps can be resumed from", "no step has a state")
    picks = sorted({resumable[round(x)] for x in np.linspace(0, len(resumable) - 1, min(kills, len(resumable)))})
    for pick in picks:
        state = _state_at(run, params, inputs, numbers[pick])
        later, again = _run(run, params, inputs, resume=state)
        where = f"resumed after step {numbers[pick]}"
        _require(not later or later[0].n > numbers[pick], f"{where}, it continues with a later step", f"it yields step {later[0].n if later else ''}")
        if last_tolerance is not None and pick == len(steps) - 1:
            _same_result(result, again, last_tolerance, {name: float("inf") for name in _PATH}, where)
            continue
        _same_steps(steps[pick + 1:], later, tolerance, where)
        _same_result(result, again, tolerance, tolerances or {}, where)
    after = {name: value.fingerprint for name, value in inputs.items() if isinstance(value, Structure)}
    _require(before == after, "inputs are not changed", "a structure was")
    return ["steps count upwards", "values are finite", *(f"killed after step {numbers[pick]} and resumed: same result" for pick in picks), "inputs unchanged"]


def _run(run: Callable, params: Any, inputs: Mapping[str, Any], resume: State | None = None) -> tuple[list[Step], Result]:
    steps = []
    generator = run(params, inputs, resume=resume)
    while True:
        try:
            steps.append(next(generator))
        except StopIteration as stop:
            return steps, stop.value


def _state_at(run: Callable, params: Any, inputs: Mapping[str, Any], n: int) -> State:
    """The state of step n, by way of a sealed file; the generator is then thrown away in the middle of its work."""
    generator = run(params, inputs, resume=None)
    for step in generator:
        if step.n >= n and step.state is not None:
            with tempfile.TemporaryDirectory() as folder:
                seal(Path(folder) / "state.h5", step.state())
                state, _ = unseal(Path(folder) / "state.h5")
            generator.close()
            return state
    raise ContractError(f"Broken: a run repeats itself. Step {n} with a state did not come again in a second run.")


def _same_steps(expected: list[Step], found: list[Step], tolerance: float, where: str) -> None:
    want, have = {step.n: step for step in expected}, {step.n: step for step in found}
    frames = [step.n for step in expected if step.frame is not None]
    _require(frames == [step.n for step in found if step.frame is not None], f"{where}, the same steps carry frames", f"{frames[:5]} against {list(have)[:5]}")
    for n in sorted(want.keys() & have.keys()):
        for name in want[n].values.keys() & have[n].values.keys() - set(_CLOCK):
            _close(want[n].values[name], have[n].values[name], tolerance, f"{where}, {name} of step {n} is the same")
        if want[n].frame is not None:
            _close(want[n].frame.positions, have[n].frame.positions, tolerance, f"{where}, the positions of step {n} are the same")


def _same_result(expected: Result, found: Result, tolerance: float, tolerances: Mapping[str, float], where: str) -> None:
    names = sorted(set(expected.values) - set(_CLOCK))
    _require(names == sorted(set(found.values) - set(_CLOCK)), f"{where}, the result holds the same properties", f"{names} against {sorted(found.values)}")
    _require(bool(names), "a result holds numbers", "it holds none that do not depend on the clock")
    _require((expected.converged, bool(expected.refused)) == (found.converged, bool(found.refused)), f"{where}, the verdict is the same",
             f"{expected.converged} against {found.converged}")
    for name in names:
        if tolerances.get(name) == float("inf"):
            continue
        _close(expected.values[name], found.values[name], tolerances.get(name, tolerance), f"{where}, result {name} is the same")


# ---- calculators -----------------------------------------------------------------------------------------------------------------------------------
def check_calculator(make: Callable[[], Any], atoms: Any, *, tolerance: float = 1e-5, step: float = 1e-3) -> list[str]:
    """A calculator gives finite energies and forces that are the derivative of what it calls (free) energy, and repeats itself.

    make: a fresh ASE calculator each time; atoms: a small structure it can handle, not at rest. tolerance: of derivatives, relative to the largest component;
    step: displacement (Å) and strain of the 5-point differences.
    """
    done = []
    work = atoms.copy()
    work.calc = make()
    for name in ("energy", "forces"):
        _require(name in work.calc.implemented_properties, "a calculator implements energy and forces", f"{name} is missing")
    forces, energy = work.get_forces().copy(), _free_energy(work)
    _require(np.isfinite(energy) and np.isfinite(forces).all(), "energy and forces are finite", f"energy = {energy}")
    _require(forces.shape == (len(atoms), 3), "forces have the shape (N, 3)", f"they have {forces.shape}")
    _require(bool((np.abs(forces) > 1e-4).any()), "the test is not vacuous: the structure is not at rest", "every force is below 1e-4 eV/Å; displace an atom")
    unchanged = np.array_equal(work.positions, atoms.positions) and np.array_equal(work.cell.array, atoms.cell.array)
    _require(unchanged, "the structure is left alone", "it was changed")
    done.append("finite energy and forces, structure left alone")

    again = atoms.copy()
    again.calc = make()
    _close(forces, again.get_forces(), 1e-10, "a fresh calculator gives the same forces")
    moved = again.copy()
    moved.calc = again.calc
    moved.positions += 0.05
    moved.get_forces()
    moved.positions[:] = atoms.positions
    _close(forces, moved.get_forces(), 1e-8, "coming back to the same positions gives the same forces")
    done.append("repeats itself")

    scale = np.abs(forces).max()
    for atom, axis in _largest(forces, 2):
        def displaced(x: float, atom: int = atom, axis: int = axis) -> float:
            other = atoms.copy()
            other.positions[atom, axis] += x
            other.calc = make()
            return _free_energy(other)
        difference = abs(-_derivative(displaced, step) - forces[atom, axis])
        _require(difference <= tolerance * scale, f"the force on atom {atom} along {'xyz'[axis]} is minus the derivative of the energy",
                 f"they differ by {difference:.3g} eV/Å, the force is {forces[atom, axis]:.6g} eV/Å")
    done.append("forces are derivatives of the energy")

    if "stress" in work.calc.implemented_properties and atoms.pbc.all():
        stress = work.get_stress(voigt=True)
        scale = max(np.abs(stress).max(), 1e-3)
        pairs = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
        for component in (int(np.argmax(np.abs(stress[:3]))), 3 + int(np.argmax(np.abs(stress[3:])))):
            i, j = pairs[component]

            def strained(x: float, i: int = i, j: int = j) -> float:
                strain = np.zeros((3, 3))
                strain[i, j] += x / 2
                strain[j, i] += x / 2
                other = atoms.copy()
                other.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
                other.calc = make()
                return _free_energy(other)
            difference = abs(_derivative(strained, step) / atoms.get_volume() - stress[component])
            _require(difference <= tolerance * scale, f"stress component {component} is the strain derivative of the energy, positive in tension",
                     f"they differ by {difference:.3g} eV/Å³, the stress is {stress[component]:.6g} eV/Å³")
        done.append("stress is the derivative of the energy")
    return done


def _free_energy(atoms: Any) -> float:
    """What forces and stress belong to."""
    return float(atoms.get_potential_energy(force_consistent="free_energy" in atoms.calc.implemented_properties))


def _derivative(function: Callable[[float], float], h: float) -> float:
    """Five-point central difference at 0, error of order h⁴."""
    return (function(-2 * h) - 8 * function(-h) + 8 * function(h) - function(2 * h)) / (12 * h)


def _largest(values: np.ndarray, count: int) -> list[tuple[int, int]]:
    order = np.argsort(-np.abs(values), axis=None)[:count]
    return [tuple(int(i) for i in np.unravel_index(k, values.shape)) for k in order]


# ---- exporters -------------------------------------------------------------------------------------------------------------------------------------
def check_exporter(export: Callable, material: Any, *, read_back: Callable | None = None, longest_field: int | None = None) -> list[str]:
    """An exporter ``export(material, path, *, units, orientation, name) -> text`` writes what it returns, says its units, turns the crystal, refuses the rest.

    material: an anisotropic `Material`; read_back: ``text -> object with stiffness (n_T, 6, 6) in Pa``, where the format can be read again; longest_field:
    most characters of a number in the format.
    """
    done = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = {}
        for units in ("SI", "mm-t-s"):
            path = folder / f"{units}.out"
            texts[units] = export(material, path, units=units)
            _require(path.is_file() and path.read_text(encoding="utf-8") == texts[units], "the file holds the text that is returned", f"{path.name} does not")
            _require(units in texts[units], "the deck says its unit system", f"{units!r} does not occur in it")
            _require(texts[units].isascii(), "the deck is plain ASCII", "it is not")
        _require(texts["SI"] != texts["mm-t-s"], "units change the numbers", "both decks are the same")
        _require(export(material, folder / "again.out", units="SI") == texts["SI"], "the same material gives the same deck", "it does not")
        done += ["the file is the text", "units are declared and used", "repeats itself"]

        turned = export(material, folder / "turned.out", units="SI", orientation="[110],[001]")
        _require(turned != texts["SI"], "an orientation turns an anisotropic crystal", "the deck is the same")
        done.append("orientation turns the crystal")

        if read_back is not None:
            found = np.asarray(read_back(texts["mm-t-s"]).stiffness)
            _close(np.asarray(material.stiffness), found.reshape(np.shape(material.stiffness)), 1e-9, "the deck, read back, is the material in Pa")
            done.append("read back, it is the material")
        if longest_field is not None:
            fields = [field for line in texts["SI"].splitlines() if not line.startswith("*") for field in re.split(r"[,\s]+", line)]
            longest = max(map(len, fields), default=0)
            _require(0 < longest <= longest_field, f"numbers have at most {longest_field} characters", f"one has {longest}")
            done.append("fields are short enough")

        for what, arguments in (("an unknown unit system", {"units": "furlong-stone-fortnight"}),
                                ("an orientation that is none", {"units": "SI", "orientation": "up"})):
            path = folder / "refused.out"
            try:
                export(material, path, **arguments)
            except QcadError as error:
                _require(isinstance(error, SetupError) and len(str(error)) > 20, f"{what} is refused in words", f"it says {error}")
            else:
                raise ContractError(f"Broken: {what} is refused. The exporter accepts it.")
            _require(not path.exists(), "a refused deck leaves no file", f"{path.name} is there")
        done.append("refuses unknown units and orientations, and leaves no file")
    return done


# ---- words -------------------------------------------------------------------------------------------------------------------------------------------
def _require(holds: bool, law: str, found: str) -> None:
    if not holds:
        raise ContractError(f"Broken: {law}. Found: {found}.")


def _close(expected: Any, found: Any, tolerance: float, law: str) -> None:
    expected, found = np.asarray(expected), np.asarray(found)
    _require(expected.shape == found.shape, law, f"shapes {expected.shape} and {found.shape}")
    if expected.size == 0 or np.array_equal(expected, found):
        return
    if expected.dtype.kind not in "iufc":
        raise ContractError(f"Broken: {law}. Found: {expected.ravel()[:4]} and {found.ravel()[:4]}.")
    difference, scale = float(np.abs(expected - found).max()), float(np.abs(expected).max())
    _require(difference <= tolerance * max(scale, 1e-300), law, f"a difference of {difference:.3g}, the largest component is {scale:.6g}")
