"""From the measured strain points to the answer: fits, error terms kept apart, quality gates, `Material` and `Result`."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..core.errors import RefusedError
from ..core.formula import formula
from ..core.job import Result
from ..core.params import to_dict
from ..core.units import AMU_PER_ANGSTROM3_KG_M3, EV_PER_ANGSTROM3_GPA, GPA_PASCAL
from . import quality
from .averages import averages
from .basis_choice import has_basis, provenance
from .elastic_study import Study
from .fit import Fit, Point, difference_covariance, discretisation_covariance, fit, symmetry_residual
from .material import Material
from .orientation import orientation_matrix
from .tensor import is_stable, mandel_eigenvalues, rotate


def assemble(study: Study) -> Result:
    """The `Result` of a finished study; `refused` says in words what a gate objects to."""
    warnings = list(study.warnings)
    settings = {"elastic": to_dict(study.params), "space_group": study.crystal.space_group, "n_independent": len(study.basis),
                "directions": study.directions.tolist(),
                "force_tolerance": study.force_tolerance, "calculator": provenance(study.source, study.calculator, study.atoms)}
    if study.pulay_reason:
        return Result({"pulay_stress": float(np.nanmax(study.pulay))}, refused=study.pulay_reason, warnings=warnings, settings=settings)
    points = study.points()
    best = fit(points, study.basis)
    stiffness = best.stiffness * GPA_PASCAL
    residuals, independent = _residuals(study, points)
    reasons = [quality.untrained(study.calculator),
               quality.unconverged(_names(study, 0), study.done, "The electrons"), quality.unconverged(_names(study, 1), study.done, "The ions"),
               quality.born(stiffness),
               quality.symmetry(residuals, study.redundant, study.params), quality.residual(best, np.array([p.stress for p in points]), study.params)]
    if is_stable(stiffness):
        reasons.append(quality.bounds(stiffness))
    material = _material(study, best, residuals)
    reasons.append(quality.errors(material))
    refused = " ".join(reason for reason in reasons if reason)
    warnings += _warnings(study, best)
    values = _values(study, material)
    if study.params.axes == "crystal":
        material = _in_crystal_axes(material)
    settings["checks"] = {"symmetry_residual": max(residuals.values(), default=None), "redundant_strain_residual": independent,
                          "fit_residual_gpa": best.residual,
                          "degrees_of_freedom": best.freedom, "condition_number": best.condition,
                          "mandel_eigenvalues_gpa": mandel_eigenvalues(best.stiffness).tolist()}
    return Result(values, converged=bool(study.converged.all()), structure=None, material=None if refused else material.to_dict(), refused=refused,
                  warnings=tuple(warnings),
                  settings=settings)


def _names(study: Study, column: int) -> list[str]:
    return [study.plans[i].name for i in np.flatnonzero(~study.converged[:, column])]


def _residuals(study: Study, points: list[Point]) -> tuple[dict[int, float], float | None]:
    """Residual of every measured response against the tensor fitted without the redundant strain, and that of the redundant strain alone."""
    without = [p for p in points if p.direction != study.redundant]
    residuals = symmetry_residual(points, fit(without, study.basis).mandel)
    return residuals, residuals.get(study.redundant) if study.redundant is not None else None


def error_terms(study: Study, points: list[Point], best: Fit) -> dict[str, np.ndarray]:
    """source -> covariance (21, 21) in Pa²: "fit" from the scatter; "amplitude" from fits of other order and of fewer amplitudes; "cutoff" and "k-mesh" where
    measured.
    """
    square = GPA_PASCAL**2
    # one amplitude of strains that keep symmetry leaves nothing to scatter: a residual of zero is then no error of zero
    terms = {"fit": best.covariance_21 * square} if study.params.amplitudes >= 2 or study.redundant is not None else {}
    main = [p for p in points if p.direction != study.redundant]
    if study.params.amplitudes >= 2:
        smallest = study.params.strain / study.params.amplitudes * 1.0001
        others = [fit(main, study.basis, order=3), fit([p for p in main if abs(p.amplitude) <= smallest], study.basis), fit(main, study.basis, order=1)]
        spread = np.array([other.stiffness - best.stiffness for other in others])
        terms["amplitude"] = difference_covariance(np.take_along_axis(spread, np.abs(spread).argmax(axis=0)[None], axis=0)[0]) * square
    for stage in ("cutoff", "k-mesh"):
        denser = study.points(stage)
        if denser:
            pairs = [p for p in main if p.direction >= 0 and abs(abs(p.amplitude) - study.params.strain) < 1e-12]
            change = fit(denser, study.basis, order=1).coefficients - fit(pairs, study.basis, order=1).coefficients
            terms[stage] = discretisation_covariance(study.basis, change) * square
    return terms


def _material(study: Study, best: Fit, residuals: dict[int, float]) -> Material:
    atoms, points = study.atoms, study.points()
    volume = atoms.get_volume()
    origin = provenance(study.source, study.calculator, atoms)
    clamped = _clamped(study)
    note: dict[str, Any] = {
        "method": "finite Green-Lagrange strain, second Piola-Kirchhoff stress, " + ("ions relaxed" if study.params.relax_ions else "ions CLAMPED"),
        "conditions": "0 K, static" if study.params.relax_ions else "0 K, static, clamped ions", **origin, "run_ids": [],
        "space_group": study.crystal.space_group,
        "formula": study.structure.formula, "strain": study.params.strain, "n_strain_points": len(points),
        "zero_strain_stress_gpa": (best.zero_stress / np.sqrt([1, 1, 1, 2, 2, 2])).tolist(), "symmetry_residual": max(residuals.values(), default=None),
        "clamped_stiffness_pa": None if clamped is None else clamped.tolist(),
        "error_sources": ["fit", "amplitude", *(["cutoff", "k-mesh"] if has_basis(study.calculator) else [])]}
    return Material(best.stiffness * GPA_PASCAL, density=float(atoms.get_masses().sum() / volume * AMU_PER_ANGSTROM3_KG_M3),
                    name=formula(atoms.get_chemical_symbols(), empirical=True) or "material",
                    validity=(0.0, 0.0), lattice=study.crystal.lattice, covariance=error_terms(study, points, best), provenance=note,
                    atoms_per_volume=len(atoms) / (volume * 1e-30))


def _in_crystal_axes(material: Material) -> Material:
    """The material with x along a, y in the a-b plane and z along c* of its conventional cell: what handbooks print, whatever frame the structure came in."""
    turn = orientation_matrix("[100],[010]", material.axes)
    note = dict(material.provenance)
    if note["clamped_stiffness_pa"] is not None:
        note["clamped_stiffness_pa"] = rotate(np.array(note["clamped_stiffness_pa"]), turn).tolist()
    stress = np.array(note["zero_strain_stress_gpa"])[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    note["zero_strain_stress_gpa"] = (turn @ stress @ turn.T)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]].tolist()
    note["rotation_from_structure"] = turn.tolist()
    return replace(material.rotated(turn), lattice=material.lattice @ turn.T, R_lattice_to_frame=np.eye(3), provenance=note)


def _clamped(study: Study) -> np.ndarray | None:
    """Clamped-ion stiffness (6, 6) in Pa from the first evaluations of the smallest amplitudes; None where they were not made."""
    points = [p for p in study.points(clamped=True) if p.direction != study.redundant]
    return fit(points, study.basis).stiffness * GPA_PASCAL if points else None


def _warnings(study: Study, best: Fit) -> list[str]:
    out = []
    stress = best.zero_stress / np.sqrt([1, 1, 1, 2, 2, 2])
    if np.abs(stress).max() > study.params.stress_warning:
        out.append(f"The unstrained crystal is under a stress of up to {np.abs(stress).max():.2f} GPa; the constants belong to this state. "
                   "Relax the cell for those at zero pressure.")
    if study.params.amplitudes < 2:
        out.append("One amplitude only: the error from the size of the strain is unknown.")
    if has_basis(study.calculator) and not study.params.convergence:
        out.append("The errors from cutoff and k-mesh were not measured (convergence = true does it) and are not in the error bars.")
    if not study.params.relax_ions:
        out.append("These are clamped-ion constants, not those a static or acoustic experiment measures.")
    if study.pulay.size and not np.isnan(study.pulay).all() and np.nanmax(study.pulay) * EV_PER_ANGSTROM3_GPA > 0.2 * study.params.pulay_limit:
        out.append(f"The Pulay stress is about {np.nanmax(study.pulay) * EV_PER_ANGSTROM3_GPA:.2f} GPa.")
    return out


def _values(study: Study, material: Material) -> dict[str, Any]:
    zero = study.stress[0][[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    values = {"stiffness": material.stiffness_voigt, "density": material.density, "stress": zero}
    if material.covariance:
        values |= {"stiffness_error": material.error(), "stiffness_covariance": np.sum(list(material.covariance.values()), axis=0)}
    clamped = material.provenance["clamped_stiffness_pa"]
    if clamped is not None:
        values["stiffness_clamped"] = np.array(clamped)
    if not np.isnan(study.pulay).all():
        values["pulay_stress"] = float(np.nanmax(study.pulay))
    try:
        mean = averages(material)
    except RefusedError:  # unstable: the Born gate has said so
        return values
    return values | {"bulk_modulus": mean.K_hill, "shear_modulus": mean.G_hill, "young_modulus": mean.young, "poisson_ratio": mean.poisson}
