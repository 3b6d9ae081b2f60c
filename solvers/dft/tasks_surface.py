"""The tasks `workfunction` and `stm`: what a slab shows to the outside."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.errors import SetupError
from ..core.fields import GridField
from ..core.job import Result, State, Step
from ..core.structure import Structure
from ..core.units import BOHR_ANGSTROM, HARTREE_EV
from .nonscf import refuse_unsupported
from .params_electrons import StmParams, WorkFunctionParams
from .plan import Plan, make_plan
from .selected import SelectedDensity
from .settle import notes, settings, settle, settled, workers
from .smearing import occupation
from .surface import Vacuum, find_vacuum, height, macroscopic_average, planar_average, vacuum_levels
from .tunnelling import at_density, at_height, columns

#: slope of the vacuum (eV/Å) above which the levels are doubtful
_FLAT = 0.02
#: least width (eV) of the steps that bound a bias window
_BLUR = 0.03


def _vacuum(plan: Plan, axis: str) -> Vacuum:
    fractional = plan.positions @ np.linalg.inv(plan.cell)
    return find_vacuum(plan.cell, fractional, None if axis == "auto" else "abc".index(axis))


def workfunction(params: WorkFunctionParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle for inputs["structure"]; returns a `Result` with the levels of both sides: first the upper, then the lower."""
    structure = Structure.coerce(inputs["structure"])
    vacuum = _vacuum(make_plan(structure, replace(params, dipole="none")), params.axis)
    if params.dipole not in ("none", "abc"[vacuum.axis]):
        raise SetupError(f"The dipole correction is along {params.dipole} and the vacuum along {'abc'[vacuum.axis]}.",
                         hint="Leave dipole out, or name the same axis twice.")
    wanted = replace(params, dipole="abc"[vacuum.axis] if params.correct else params.dipole)
    plan = make_plan(structure, wanted)
    calculation = yield from settle(plan, workers(), resume, 1.0)
    problem, ground = calculation.problem, calculation.ground
    _, hartree, _ = problem.fields(ground.rho, [term.output(ground.orbitals, ground.occupations) for term in problem.terms])
    potential = problem.grid.to_real(problem.v_local + hartree).cpu().numpy() * HARTREE_EV
    length = height(plan.cell, vacuum.axis) * BOHR_ANGSTROM
    profile = planar_average(potential, vacuum.axis)
    levels = vacuum_levels(profile, vacuum, length)
    fermi = ground.fermi_energy * HARTREE_EV
    warnings = list(notes(calculation))
    slope = max(abs(levels.slope_upper), abs(levels.slope_lower))
    if slope > _FLAT:
        warnings.append(f"The potential in the vacuum is not flat ({slope:.3f} eV/Å): " + ("take a thicker vacuum." if params.correct else
                                                                                            "the slab has a dipole. Turn the correction on."))
    below, above = frontier(ground.eigenvalues.numpy() * HARTREE_EV, ground.fermi_energies * HARTREE_EV)
    if above - below > 0.5:
        warnings.append(f"There is a gap of {above - below:.2f} eV around the Fermi energy, which then lies at its middle: look at ionisation_energies.")
    n = len(profile)
    values = {
        "energy": calculation.energy_at_zero * HARTREE_EV, "free_energy": calculation.energies.free * HARTREE_EV, "fermi_energy": fermi,
        "vacuum_levels": np.array([levels.upper, levels.lower]), "work_functions": np.array([levels.upper, levels.lower]) - fermi,
        "ionisation_energies": np.array([levels.upper, levels.lower]) - below, "vacuum_slopes": np.array([levels.slope_upper, levels.slope_lower]),
        "profile_positions": np.arange(n) / n * length, "potential_profile": profile,
        "potential_smoothed": macroscopic_average(profile, _layer_spacing(plan, vacuum))}
    if problem.dipole is not None:
        values["slab_dipole"] = problem.dipole.moment(ground.rho[0]) * BOHR_ANGSTROM
    own = {"axis": "abc"[vacuum.axis], "vacuum": vacuum.thickness * BOHR_ANGSTROM, "correct": params.correct}
    return Result(values, converged=ground.converged, structure=structure, warnings=tuple(warnings),
                  fields={"potential": GridField(potential, structure.cell, "eV", "electrostatic potential of an electron")},
                  settings=settings(plan, own, problem.basis.device))


def frontier(levels: np.ndarray, fermi: np.ndarray) -> tuple[float, float]:
    """(highest filled, lowest empty level) of levels (S, K, B) with the Fermi energies (S,) of the spins; where no empty one was computed the highest of
    these. With a fixed moment there are two, and an empty level of one spin may lie below that of the other."""
    filled = levels < fermi[:, None, None]
    return float(levels[filled].max()), float(fermi.max() if filled.all() else levels[~filled].min())


def _layer_spacing(plan: Plan, vacuum: Vacuum) -> float:
    """Mean distance of atomic layers as a fraction of the cell; a tenth of it where there is one layer."""
    s = np.sort(((plan.positions @ np.linalg.inv(plan.cell))[:, vacuum.axis] - vacuum.middle) % 1.0)
    steps = np.diff(s)
    steps = steps[steps * height(plan.cell, vacuum.axis) > 0.5]  # atoms of one layer lie closer than half a bohr
    return float(steps.mean()) if len(steps) else 0.1


def stm(params: StmParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle, then of the states in the bias window, for inputs["structure"]; returns a `Result` with the image."""
    structure = Structure.coerce(inputs["structure"])
    if params.bias == 0.0:
        raise SetupError("A bias of 0 V makes no current.", hint="Give a bias like -1 (filled states) or 1 (empty states).")
    plan = make_plan(structure, params)
    refuse_unsupported(plan)
    vacuum = _vacuum(plan, params.axis)
    base = yield from settled(plan, workers(), resume, 0.4)
    size, shift = params.stm_kpts.mesh(structure.cell) if params.stm_kpts is not None else (plan.size, plan.shift)
    group = plan.group.compatible_with(size, shift)
    kpoints, weights = group.irreducible(size, shift)
    width = max(_BLUR, params.smearing.width if params.smearing.kind != "none" else 0.0) / HARTREE_EV
    bias, fermi, per_state = params.bias / HARTREE_EV, base.fixed.fermi_energy, 2.0 / plan.n_spin
    each = base.fixed.fermi_energies[:, None, None]  # two different ones where the moment is fixed: every spin counts from its own

    def window(levels: np.ndarray) -> np.ndarray:
        return per_state * np.abs(occupation("fermi-dirac", (each + bias - levels) / width) - occupation("fermi-dirac", (each - levels) / width))
    n_bands = base.n_filled + (4 if bias < 0 else max(4, base.n_filled // 2))
    while True:
        states = SelectedDensity(base, kpoints, weights, group, n_bands, params.band_tolerance / HARTREE_EV, window, resume)
        yield from states.walk("stm", 0.4, 1.0)
        if bias < 0 or states.top > fermi + bias + 8.0 * width:
            break
        resume, n_bands = None, n_bands + max(8, n_bands // 2)  # the window holds more bands than were computed
        base = replace(base, steps=states.n)
    density = states.channels().sum(0) / BOHR_ANGSTROM**3
    length = height(plan.cell, vacuum.axis) * BOHR_ANGSTROM
    side = 1 if params.side == "upper" else -1
    s = ((plan.positions @ np.linalg.inv(plan.cell))[:, vacuum.axis] - vacuum.middle) % 1.0
    surface = ((s.max() if side > 0 else s.min()) + vacuum.middle) % 1.0
    heights, lines = columns(density, vacuum, surface, side, length)
    if not heights.min() < params.height < heights.max():
        raise SetupError(f"A height of {params.height:g} Å is not between the surface and the middle of the vacuum at {heights.max():.2f} Å.",
                         hint="Choose a lower height or take more vacuum.")
    flat = at_height(heights, lines, params.height)
    current = float(flat.mean())
    image = flat if params.mode == "height" else at_density(heights, lines, current)
    lateral = structure.cell[[i for i in range(3) if i != vacuum.axis]]
    values = {**base.values, "stm_image": image, "stm_cell": lateral, "stm_current": current}
    own = {"bias": params.bias, "mode": params.mode, "height": params.height, "side": params.side, "axis": "abc"[vacuum.axis],
           "stm_kpts": {"size": tuple(size)}, "image_unit": "e/Å³" if params.mode == "height" else "Å above the outermost atom"}
    return Result(values, converged=base.converged, structure=structure, warnings=base.warnings,
                  fields={"states": GridField(density, structure.cell, "e/Å³", f"states between the Fermi energy and {params.bias:g} V")},
                  settings=settings(plan, own, str(base.fixed.rho.device.type)))
