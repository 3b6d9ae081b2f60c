"""The tasks `field` (densities, localisation, potential in space) and `charges` (what belongs to which atom)."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..core.errors import SetupError
from ..core.fields import GridField
from ..core.job import Result, State, Step
from ..core.structure import Structure
from ..core.units import BOHR_ANGSTROM, HARTREE_EV
from .calculation import Calculation
from .calculator import density_field
from .nonscf import refuse_unsupported
from .params import KPoints, Smearing
from .params_electrons import ChargesParams, FieldParams
from .params_hubbard import HubbardU
from .plan import Plan, make_plan
from .real_space import cell_dipole, electron_localisation, hirshfeld
from .restart import pack
from .selected import SelectedDensity
from .settle import notes, settings, settle, settled, workers
from .spin import density_channels
from .surface import find_vacuum
from .tasks_scf import population_values


def field(params: FieldParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle (and of bands or parts) for inputs["structure"]; returns a `Result` whose fields hold `params.kind`."""
    structure = Structure.coerce(inputs["structure"])
    plan = make_plan(structure, params)
    if params.kind == "spin" and plan.n_spin == 1:
        raise SetupError("A spin density was asked for a calculation without spin.", hint="Give magmoms, or spin = collinear.")
    if params.kind == "bands":
        return (yield from _bands(params, plan, resume))
    if params.kind == "difference" and params.parts:
        return (yield from _difference(params, plan, resume))
    calculation = yield from settle(plan, workers(), resume, 1.0)
    return _result(calculation, params.kind, _field(calculation, params.kind))


def _field(calculation: Calculation, kind: str) -> GridField:
    problem, ground, cell = calculation.problem, calculation.ground, calculation.plan.structure.cell
    if kind == "density":
        return density_field(calculation)
    if kind == "spin":
        return GridField(problem.grid.to_real(ground.rho[1]).cpu().numpy() / BOHR_ANGSTROM**3, cell, "µ_B/Å³", "spin density, up − down")
    if kind == "elf":
        values = electron_localisation(problem, ground.rho, ground.orbitals, ground.occupations).cpu().numpy()
        return GridField(values, cell, "1", "electron localisation function")
    if kind == "potential":
        _, hartree, _ = problem.fields(ground.rho, [term.output(ground.orbitals, ground.occupations) for term in problem.terms])
        return GridField(problem.grid.to_real(problem.v_local + hartree).cpu().numpy() * HARTREE_EV, cell, "eV", "electrostatic potential of an electron")
    return _density(density_channels(ground.rho - calculation.superposed), calculation, "density less that of free atoms")


def _density(channels: torch.Tensor, calculation: Calculation, name: str) -> GridField:
    values = calculation.problem.grid.to_real(channels).cpu().numpy() / BOHR_ANGSTROM**3
    return GridField(values, calculation.plan.structure.cell, "e/Å³", name)


def _result(calculation: Calculation, kind: str, made: GridField, own: Mapping[str, Any] | None = None, more: tuple[str, ...] = ()) -> Result:
    values = {"energy": calculation.energy_at_zero * HARTREE_EV, "free_energy": calculation.energies.free * HARTREE_EV,
              "fermi_energy": calculation.ground.fermi_energy * HARTREE_EV, "field_range": np.array([made.values.min(), made.values.max()]),
              "field_integral": made.integral()}
    return Result(values, converged=calculation.ground.converged, structure=calculation.plan.structure, fields={kind: made},
                  warnings=(*notes(calculation), *more), settings=settings(calculation.plan, {"kind": kind, **(own or {})}, calculation.problem.basis.device))


# ---- bands -----------------------------------------------------------------------------------------------------------------------
def _bands(params: FieldParams, plan: Plan, resume: State | None) -> Iterator[Step]:
    refuse_unsupported(plan)
    numbers, window = _numbers(params.bands), _window(params.window)
    if (numbers is None) == (window is None):
        raise SetupError("kind = bands needs either bands or a window.", hint="Give bands = 3,4 (numbers from 1) or window = -2,0 (eV from the Fermi energy).")
    base = yield from settled(plan, workers(), resume, 0.4)
    n_bands = max(numbers) if numbers else base.n_bands(None)
    per_state = 2.0 / plan.n_spin

    def filling(levels: np.ndarray) -> np.ndarray:
        if numbers:
            chosen = np.zeros(levels.shape)
            chosen[..., np.array(numbers) - 1] = per_state
            return chosen
        shifted = (levels - base.fixed.fermi_energies[:, None, None]) * HARTREE_EV
        return per_state * ((shifted >= window[0]) & (shifted <= window[1]))
    while True:
        states = SelectedDensity(base, plan.kpoints, plan.weights, plan.group, n_bands, 1e-4 / HARTREE_EV, filling, resume)
        yield from states.walk("field", 0.4, 1.0)
        if numbers or (states.top - base.fixed.fermi_energies.max()) * HARTREE_EV > window[1]:
            break
        resume, n_bands = None, n_bands + max(8, n_bands // 2)
        base = replace(base, steps=states.n)
    name = f"bands {','.join(map(str, numbers))}" if numbers else f"states from {window[0]:g} to {window[1]:g} eV"
    made = GridField(states.channels() / BOHR_ANGSTROM**3, plan.structure.cell, "e/Å³", f"density of {name}")
    values = {**base.values, "field_range": np.array([made.values.min(), made.values.max()]), "field_integral": made.integral()}
    return Result(values, converged=base.converged, structure=plan.structure, fields={"bands": made}, warnings=base.warnings,
                  settings=settings(plan, {"kind": "bands", "bands": numbers, "window": window}, str(base.fixed.rho.device.type)))


def _numbers(words: tuple | None) -> list[int] | None:
    """Band numbers from 1 of words like 3, "4", "7-9"."""
    if words is None:
        return None
    found: set[int] = set()
    for word in words:
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", str(word))
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 100000:
            raise SetupError(f"{word!r} is no band number.", hint="Bands count from 1: 3,4,7-9.")
        found |= set(range(first, last + 1))
    return sorted(found)


def _window(words: tuple | None) -> tuple[float, float] | None:
    if words is None:
        return None
    try:
        low, high = (float(word) for word in words)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not low < high:
        raise SetupError(f"window = {words!r} is not an energy window.", hint="Give lowest,highest in eV from the Fermi energy: -2,0.")
    return low, high


# ---- differences -----------------------------------------------------------------------------------------------------------------
def _difference(params: FieldParams, plan: Plan, resume: State | None) -> Iterator[Step]:
    parts = _parts(params.parts, len(plan.structure))
    stored = {name: value for name, value in (resume or {}).items() if name.startswith("part_")}
    n = int(stored.pop("part_steps", 0))
    threads = workers()
    calculation = Calculation(plan, threads, resume={key: value for key, value in resume.items() if not key.startswith("part_")} if resume else None)
    for step in _steps(calculation, 0):
        if not stored:  # else these steps were told before
            n = step.n
            yield step
    # a resumed cycle takes a step more than it had: its density is another one by the cycle's tolerance
    stored.setdefault("part_whole", calculation.ground.rho.cpu().numpy())
    total = torch.from_numpy(np.array(stored["part_whole"], copy=True)).to(calculation.ground.rho)
    warnings: list[str] = []
    for i, atoms in enumerate(parts):
        key = f"part_{i}"
        if key not in stored:
            own = _part(params, plan, atoms)
            single = Calculation(own, threads)
            for step in _steps(single, n):
                n = step.n
                yield replace(step, state=None)
            if not single.ground.converged:
                warnings.append(f"The cycle of part {i + 1} ({own.structure.formula}) is not converged.")
            stored[key] = single.ground.rho.cpu().numpy()
            n += 1
            known = {**stored, "part_steps": np.array(n)}
            yield Step("field", n, {"points": float(i + 1)}, state=lambda known=known: {**pack(calculation.state), **known},
                       text=f"part {i + 1} of {len(parts)}: {own.structure.formula}", progress=(i + 2) / (len(parts) + 1))
        rho = torch.from_numpy(np.array(stored[key], copy=True)).to(total)
        total[:len(rho)] -= rho
    made = _density(density_channels(total), calculation, "density less that of the parts")
    return _result(calculation, "difference", made, {"parts": params.parts}, tuple(warnings))


def _steps(calculation: Calculation, offset: int) -> Iterator[Step]:
    for step in calculation.run():
        yield Step("scf", offset + step.n, {"free_energy": step.free_energy * HARTREE_EV, "energy_error": step.accuracy * HARTREE_EV},
                   state=lambda: pack(calculation.state), text=step.text)


def _parts(text: str, n_atoms: int) -> list[np.ndarray]:
    """Atom indices of each part; every atom belongs to exactly one."""
    found = []
    for piece in filter(None, (item.strip() for item in text.split(";"))):
        own: list[int] = []
        for word in piece.split(","):
            match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", word)
            if not match or int(match[2] or match[1]) < int(match[1]):
                raise SetupError(f"parts holds {word!r}.", hint="Atoms count from 0; ranges and commas in a part, semicolons between parts: 0-11;12,13.")
            own += range(int(match[1]), int(match[2] or match[1]) + 1)
        found.append(np.array(own))
    together = np.sort(np.concatenate(found)) if found else np.zeros(0, int)
    if len(found) < 2 or not np.array_equal(together, np.arange(n_atoms)):
        raise SetupError(f"parts = {text!r} does not divide the {n_atoms} atoms into two parts or more.", hint="Name every atom once: 0-11;12,13.")
    return found


def _part(params: FieldParams, plan: Plan, atoms: np.ndarray) -> Plan:
    """The plan of some of the atoms alone, neutral, on the box, mesh and cutoff of the whole."""
    source = plan.structure
    structure = Structure(source.numbers[atoms], source.positions[atoms], source.cell, source.pbc)
    electrons = sum(plan.entries[symbol].charge for symbol in structure.symbols)
    smearing = params.smearing if params.smearing.kind != "none" or round(electrons) % 2 == 0 else Smearing("fermi-dirac", 0.05)
    magmoms = None if plan.moments is None or plan.n_spin == 1 else tuple(plan.moments[atoms])
    hubbard = None if params.hubbard is None else HubbardU(tuple(item for item in params.hubbard.values if item[0] in structure.symbols))
    return make_plan(structure, replace(params, cutoff=plan.cutoff * HARTREE_EV, kpts=KPoints(plan.size, None, plan.shift), grid=plan.shape, magmoms=magmoms,
                                        smearing=smearing, hubbard=hubbard, charge=0.0, total_moment=None, spin="collinear" if plan.n_spin == 2 else "none"))


# ---- charges ---------------------------------------------------------------------------------------------------------------------
def charges(params: ChargesParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle for inputs["structure"]; returns a `Result` with charges, moments and the dipole of the cell."""
    structure = Structure.coerce(inputs["structure"])
    plan = make_plan(structure, params)
    calculation = yield from settle(plan, workers(), resume, 1.0)
    problem, ground = calculation.problem, calculation.ground
    shares = hirshfeld(problem, ground.rho)
    values = {"energy": calculation.energy_at_zero * HARTREE_EV, "free_energy": calculation.energies.free * HARTREE_EV,
              "fermi_energy": ground.fermi_energy * HARTREE_EV, "hirshfeld_charges": shares.charges, "hirshfeld_dipoles": shares.dipoles * BOHR_ANGSTROM,
              **population_values(calculation)}
    if plan.n_spin == 2:
        values |= {"hirshfeld_moments": shares.moments, "magmom": calculation.total_moment}
    finite = [axis for axis in range(3) if _empty(plan, axis)]
    if finite and not params.charge:
        middles = [find_vacuum(plan.cell, problem.model.fractional, axis).middle if axis in finite else 0.0 for axis in range(3)]
        moment = cell_dipole(problem, ground.rho, middles) @ np.linalg.inv(plan.cell)
        moment[[axis for axis in range(3) if axis not in finite]] = 0.0  # along a periodic direction the dipole of a cell means nothing
        values["dipole_moment"] = moment @ plan.cell * BOHR_ANGSTROM
    return Result(values, converged=ground.converged, structure=structure, warnings=notes(calculation),
                  settings=settings(plan, {"finite_axes": "".join("abc"[axis] for axis in finite)}, problem.basis.device))


def _empty(plan: Plan, axis: int) -> bool:
    try:
        find_vacuum(plan.cell, plan.positions @ np.linalg.inv(plan.cell), axis)
    except SetupError:
        return False
    return True
