"""The task `scf`: self-consistent energy, forces, stress and density of one structure, as a generator of steps."""
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ..core import device as machine
from ..core.job import Result, State, Step
from ..core.structure import Structure
from ..core.units import EV_PER_ANGSTROM3_GPA, HARTREE_EV, HARTREE_PER_BOHR3_EV_ANGSTROM3, HARTREE_PER_BOHR_EV_ANGSTROM
from .calculation import Calculation
from .calculator import density_field, voigt
from .parallel import Workers
from .params import DFTParams
from .plan import make_plan
from .restart import pack

#: Pulay stress (GPa) above which the result says that the cutoff is too low for stresses
_PULAY_WARNING = 0.5


def scf(params: DFTParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle for inputs["structure"]; returns a `Result`.

    Step values: free_energy (eV), energy_error (eV, estimate), fermi_energy (eV). Not converged is a result with its flag and history.
    """
    structure = Structure.coerce(inputs["structure"])
    started = time.monotonic()
    plan = make_plan(structure, params)
    estimate = plan.estimate()
    calculation = Calculation(plan, Workers(machine.apply_threads()), resume=resume)
    state = calculation.state
    opening = (f"{estimate['n_plane_waves']} plane waves, {estimate['n_kpoints']} k-points, {estimate['n_bands']} bands, box {'×'.join(map(str, plan.shape))}, "
               f"{len(plan.group)} symmetry operations, {machine.describe(calculation.problem.basis.device)}")
    first = state.step
    for step in calculation.run():
        text = "; ".join(filter(None, (opening if step.n == first + 1 else "", step.text)))
        yield Step("scf", step.n, {"free_energy": step.free_energy * HARTREE_EV, "energy_error": step.accuracy * HARTREE_EV,
                                   "fermi_energy": step.fermi_energy * HARTREE_EV, **({"magmom": step.moment} if plan.n_spin == 2 else {})},
                   state=lambda: pack(state), text=text, progress=_progress(state.accuracies, calculation))
    return _result(calculation, time.monotonic() - started)


def population_values(calculation: Calculation) -> dict[str, Any]:
    """Löwdin charges and moments, spilling, and what a Hubbard term counts, under their names in results."""
    found = calculation.populations
    values: dict[str, Any] = {"lowdin_charges": calculation.problem.model.charges - found.electrons, "spilling": found.spilling}
    if calculation.plan.n_spin == 2:
        values["lowdin_moments"] = found.moments
    if calculation.hubbard is not None:
        values.update(calculation.hubbard.report(calculation.ground))
    return values


def _progress(accuracies: list[float], calculation: Calculation) -> float:
    """Fraction of the way down to the tolerance, in orders of magnitude."""
    goal = np.log10(calculation.plan.params.tolerance / HARTREE_EV * len(calculation.plan.structure))
    start, now = np.log10(max(accuracies[0], 1e-300)), np.log10(max(min(accuracies), 1e-300))
    return float(np.clip((start - now) / max(start - goal, 1e-9), 0.0, 1.0))


def _result(calculation: Calculation, wall: float) -> Result:
    plan, ground, state, energies = calculation.plan, calculation.ground, calculation.state, calculation.energies
    forces = calculation.forces * HARTREE_PER_BOHR_EV_ANGSTROM
    tensor = calculation.stress * HARTREE_PER_BOHR3_EV_ANGSTROM3
    pulay = calculation.pulay_stress * HARTREE_PER_BOHR3_EV_ANGSTROM3
    warnings = list(calculation.warnings)
    if not ground.converged:
        warnings.append(f"Not converged after {state.step} steps: the energy is uncertain by about {state.accuracies[-1] * HARTREE_EV:.2g} eV.")
    if abs(pulay) * EV_PER_ANGSTROM3_GPA > _PULAY_WARNING:
        warnings.append(f"The missing plane waves falsify the diagonal of the stress by about {pulay * EV_PER_ANGSTROM3_GPA:.2g} GPa (Pulay stress): "
                        "raise the cutoff before relaxing the cell.")
    values = {
        "energy": calculation.energy_at_zero * HARTREE_EV, "free_energy": energies.free * HARTREE_EV, "entropy_energy": energies.entropy * HARTREE_EV,
        "energy_terms": np.array(list(asdict(energies).values())) * HARTREE_EV, "forces": forces, "mean_force": forces.mean(0), "stress": voigt(tensor),
        "pressure": -np.trace(tensor) / 3 * EV_PER_ANGSTROM3_GPA,
        "pulay_stress": pulay, "fermi_energy": ground.fermi_energy * HARTREE_EV, "eigenvalues": ground.eigenvalues.numpy() * HARTREE_EV,
        "occupations": ground.occupations.numpy(),
        "kpoints": plan.kpoints, "kpoint_weights": plan.weights, "grid": np.array(plan.shape), "cutoff": plan.cutoff * HARTREE_EV, "iterations": state.step,
        "history": np.array(state.energies) * HARTREE_EV, "residual_history": np.array(state.accuracies) * HARTREE_EV, "wall_s": wall}
    if plan.n_spin == 2:
        values.update(magmom=calculation.total_moment, magmoms=calculation.local_moments, absolute_magmom=calculation.absolute_moment)
    values.update(population_values(calculation))
    return Result(values, converged=ground.converged, structure=plan.structure, fields={"density": density_field(calculation)}, warnings=tuple(warnings),
                  settings={**plan.settings, "device": machine.describe(calculation.problem.basis.device),
                            "n_plane_waves": calculation.problem.basis.n_plane_waves})
