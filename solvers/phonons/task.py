"""The task `phonons`: finite displacements, force constants, and what follows from them.

`Result.values` (names and units in `core/properties.py`; B branches = 3 × atoms of the primitive cell, Q points of the path, E energies, T temperatures):

    phonon_frequencies (Q, B) THz along the path, imaginary ones negative     phonon_kpath (Q, 3) fractions of the primitive reciprocal cell
    phonon_distance (Q,) 1/Å along the path                                   phonon_gamma (B,) THz at Γ (polar terms left out)
    phonon_dos_frequencies (E,) THz, phonon_dos (E,) 1/THz: integral 3 per atom of the primitive cell
    temperatures (T,) K; helmholtz_energy (T,), internal_energy (T,) eV; entropy (T,), heat_capacity (T,) eV/K, all per primitive cell, constant volume
    specific_heat (T,) J/(kg K): what a finite-element deck wants
    zero_point_energy eV per primitive cell; debye_temperature K; lowest_frequency THz (negative: unstable)
    primitive_cell (3, 3) Å; primitive_numbers (n,)                            force_constants (n, N, 3, 3) eV/Å²
    max_force eV/Å in the undisplaced crystal; born_charges, dielectric_tensor where `nac` was asked for

`Result.settings`: "labels" [[place in the path, name], …], "breaks" [places where a new line begins], "supercell" (3, 3), "n_supercell_atoms",
"n_displacements", "q_mesh", "stable" (bool), "checks" {"residual_force", "sum_rule", "check_displacement", "antisymmetry", "dos_integral",
"left_out"}. `Result.files["phonopy.yaml"]` is phonopy's own file.
THz times `core.units.THZ_MEV` is meV, times `THZ_INVERSE_CM` is 1/cm.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..core.job import Result, State, Step
from ..core.params import to_dict
from ..core.structure import Structure
from ..core.units import ATOMIC_MASS_SI, ELEMENTARY_CHARGE
from .params import PhononParams
from .study import Study, source_name
from .thermal import debye_temperature, thermal_properties

_DOS_POINTS = 401
#: eV/(K amu) in J/(kg K)
_SI_PER_AMU = ELEMENTARY_CHARGE / ATOMIC_MASS_SI


def phonons(params: PhononParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Task: phonons of ``inputs["structure"]`` with ``inputs["calculator"]`` (a CalculatorSpec or a live ASE calculator).

    One step per supercell, with its frame and a state to resume from. An unstable crystal is a result with a warning, not a failure. Raises SetupError for
    structures, supercells and calculators that cannot work.
    """
    study = Study(Structure.coerce(inputs["structure"]), inputs["calculator"], params)
    if resume is not None:
        study.restore(resume)
    yield from study.run()
    return assemble(study)


def assemble(study: Study) -> Result:
    """The `Result` of a finished study."""
    params, lattice = study.params, study.lattice
    rest = study.forces[0]
    forces = study.forces[1:] - rest
    forces -= forces.mean(1, keepdims=True)
    moved = study.displacements[1:]
    sum_rule = lattice.set_forces(forces[:study.n_displaced])
    checks: dict[str, Any] = {"residual_force": float(np.linalg.norm(rest - rest.mean(0), axis=1).max()), "sum_rule": sum_rule,
                              "antisymmetry": _antisymmetry(forces[:study.n_displaced], moved[:study.n_displaced])}
    if params.check_displacement:
        expected = lattice.harmonic_forces(moved[-1])
        checks["check_displacement"] = float(np.linalg.norm(forces[-1] - expected) / max(np.linalg.norm(expected), 1e-300))
    gamma = lattice.frequencies(np.zeros(3))[0]
    if study.polar:
        lattice.set_polar(study.polar["born_charges"], study.polar["dielectric_tensor"])
    bands = lattice.bands(params.path, params.path_spacing)
    frequencies, weights, mesh = lattice.mesh(params.mesh)
    energies, states = lattice.density_of_states(_DOS_POINTS)
    heat = thermal_properties(frequencies, weights, params.temperatures)
    checks |= {"dos_integral": float(np.trapezoid(states, energies)), "left_out": heat.left_out}
    lowest = float(min(bands.frequencies.min(), frequencies.min()))
    stable = lowest > -params.imaginary_limit
    values = {
        "phonon_frequencies": bands.frequencies, "phonon_kpath": bands.q, "phonon_distance": bands.distance, "phonon_gamma": gamma,
        "phonon_dos_frequencies": energies, "phonon_dos": states, "temperatures": heat.temperatures, "helmholtz_energy": heat.helmholtz,
        "internal_energy": heat.internal, "entropy": heat.entropy, "heat_capacity": heat.heat_capacity,
        "specific_heat": heat.heat_capacity * _SI_PER_AMU / lattice.primitive.get_masses().sum(),
        "zero_point_energy": heat.zero_point,
        "debye_temperature": debye_temperature(frequencies, weights), "lowest_frequency": lowest, "force_constants": lattice.force_constants,
        "primitive_cell": lattice.primitive.cell.array, "primitive_numbers": lattice.primitive.numbers, "max_force": checks["residual_force"], **study.polar}
    settings = {"params": to_dict(params), "calculator": source_name(study.source), "labels": [list(item) for item in bands.labels], "breaks": bands.breaks,
                "supercell": np.asarray(study.matrix).tolist(), "n_supercell_atoms": len(rest), "n_displacements": study.n_displaced, "q_mesh": list(mesh),
                "stable": stable, "checks": checks}
    return Result(values, converged=bool(study.converged.all()), structure=study.structure, settings=settings, files={"phonopy.yaml": lattice.text().encode()},
                  warnings=[*study.warnings, *_warnings(study, checks, lowest, stable, bands)])


def _antisymmetry(forces: np.ndarray, displacements: np.ndarray) -> float | None:
    """‖F(u) + F(−u)‖/‖F(u) − F(−u)‖ over the displacements that were made both ways; None where there is none."""
    u = displacements.reshape(len(displacements), -1)
    pairs = [(i, j) for i in range(len(u)) for j in range(i + 1, len(u)) if np.allclose(u[i], -u[j], atol=1e-10)]
    if not pairs:
        return None
    even = np.array([forces[i] + forces[j] for i, j in pairs])
    odd = np.array([forces[i] - forces[j] for i, j in pairs])
    return float(np.linalg.norm(even) / max(np.linalg.norm(odd), 1e-300))


def _warnings(study: Study, checks: dict[str, Any], lowest: float, stable: bool, bands) -> list[str]:
    p, out = study.params, []
    if not study.converged.all():
        out.append(f"The electrons did not converge for: {', '.join(study.name(i) for i in np.flatnonzero(~study.converged))}.")
    if checks["residual_force"] > p.force_limit:
        out.append(f"The crystal is not at rest: forces up to {checks['residual_force']:.3g} eV/Å are left. Relax it first.")
    if checks.get("check_displacement", 0.0) > p.check_limit:
        out.append(f"The forces of a random displacement differ from the harmonic ones by {checks['check_displacement']:.1%}: anharmonic, noisy, or the wrong "
                   "symmetry. Try another displacement length or a tighter calculation.")
    if not stable:
        q, branch = np.unravel_index(int(np.argmin(bands.frequencies)), bands.frequencies.shape)
        out.append(f"Dynamically unstable: the lowest frequency is {lowest:.3g} THz (imaginary), on the path {bands.frequencies[q, branch]:.3g} THz at q = "
                   f"({', '.join(f'{x:.3f}' for x in bands.q[q])}). Thermal properties leave {checks['left_out']:.1%} of the modes out.")
    return out
