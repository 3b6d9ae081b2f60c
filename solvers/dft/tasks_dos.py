"""The task `dos`: density of states on a denser mesh in the self-consistent potential, projected on atomic orbitals; d-band centres."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import erf

from ..core.job import Result, State, Step
from ..core.structure import Structure
from ..core.units import HARTREE_EV
from .counting import channel_electrons
from .nonscf import refuse_unsupported
from .params_electrons import DosParams
from .plan import Plan, make_plan
from .projections import Projector, shared_among_equals
from .settle import Sampling, Settled, settings, settled, workers
from .smearing import occupy
from .tetrahedra import TetrahedronMesh

#: share of an atom's d states that must lie in the computed bands for its d-band centre to mean anything
_COMPLETE = 0.85


def dos(params: DosParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle, then of the denser mesh, for inputs["structure"]; returns a `Result`.

    `dos` (S, E) is in states/eV of the cell; without spin it counts both spins. Each value is the mean over its interval of the energy axis.
    """
    structure = Structure.coerce(inputs["structure"])
    plan = make_plan(structure, params)
    refuse_unsupported(plan)
    base = yield from settled(plan, workers(), resume, 0.4)
    size, shift = params.dos_kpts.mesh(structure.cell) if params.dos_kpts is not None else (tuple(2 * n if n > 1 else 1 for n in plan.size), (0.0, 0.0, 0.0))
    group = plan.group.compatible_with(size, shift)
    mesh = TetrahedronMesh.make(size, shift, group, plan.cell)
    wedge = group if len(mesh.kpoints) < len(mesh.place) else None
    projector = None if params.projections == "none" else Projector.of(base.fixed.problem(mesh.kpoints[:1]), wedge)
    n_bands = base.n_bands(params.empty_bands)
    points = Sampling(base, mesh.kpoints, n_bands, params.band_tolerance / HARTREE_EV, projector and projector.measure(n_bands), resume)
    yield from points.walk("dos", f"of the mesh {'x'.join(map(str, size))}", 0.4, 1.0)
    return _result(params, base, mesh, points.found, projector)


def _result(params: DosParams, base: Settled, mesh: TetrahedronMesh, found: Mapping[str, np.ndarray], projector: Projector | None) -> Result:
    levels = found["eigenvalues"] * HARTREE_EV  # (S, K, B)
    plan, warnings = base.fixed.plan, list(base.warnings)
    method = params.method
    if method == "tetrahedra" and max(mesh.size) == 1:
        method = "gaussian"
        warnings.append("One k-point has no tetrahedra: Gaussians were taken.")
    edges = _edges(levels, params, method)
    per_state = 2.0 / len(levels)
    if method == "tetrahedra":
        fermi = _filled(plan, levels, mesh.fermi_energy)
        states = [mesh.states(own, edges) for own in levels]
    else:
        fermi = _filled(plan, levels, lambda own, n: occupy(own, mesh.weights, n, "gaussian", np.sqrt(2.0) * params.width, 2.0 / len(own))[1])
        z = (edges[None, None, :] - levels[..., None]) / (np.sqrt(2.0) * params.width)
        states = list(0.5 * (1.0 + erf(z)) * mesh.weights[:, None, None])
    parts = np.diff(np.stack(states), axis=-1) * (per_state / params.interval)  # (S, K, B, E)
    count = per_state * np.stack([own.sum((0, 1)) for own in states])
    values: dict[str, Any] = {**base.values, "dos_fermi_energy": float(fermi.max()), "energies": 0.5 * (edges[1:] + edges[:-1]), "dos": parts.sum((1, 2)),
                              "integrated_dos": 0.5 * (count[:, 1:] + count[:, :-1]), "dos_mesh": np.array(mesh.size)}
    values["dos_at_fermi"] = values["dos"][np.arange(len(levels)), np.searchsorted(edges, fermi) - 1]
    if projector is not None:
        shares = shared_among_equals(found["projections"], levels)
        values |= _projected(params, projector, parts, shares)
        values |= _d_bands(projector, shares, levels, mesh.weights, fermi, warnings)
        values["spilling"] = _spilling(found["projections"], levels, mesh.weights, fermi)
    own = {"dos_kpts": {"size": mesh.size}, "method": method, "width": params.width, "interval": params.interval, "n_bands": int(levels.shape[2]),
           "complete_below": float(levels[..., -1].min())}
    return Result(values, converged=base.converged, structure=plan.structure, warnings=tuple(warnings),
                  settings=settings(plan, own, str(base.fixed.rho.device.type)))


def _filled(plan: Plan, levels: np.ndarray, fermi_energy) -> np.ndarray:
    """Fermi energy of each spin (S,): one for both, unless the total moment is fixed."""
    if plan.n_spin == 1 or plan.total_moment is None:
        return np.full(len(levels), fermi_energy(levels, plan.n_electrons))
    # a channel alone counts as a crystal without spin, whose states hold two electrons
    found = [fermi_energy(own[None], 2.0 * n) if n > 1e-9 else np.inf
             for own, n in zip(levels, channel_electrons(plan.n_electrons, 2, plan.total_moment), strict=True)]
    highest = min(found)  # of an empty spin: no state of it lies below
    return np.array([min(highest, float(own.min())) if np.isinf(fermi) else fermi for own, fermi in zip(levels, found, strict=True)])


def _edges(levels: np.ndarray, params: DosParams, method: str) -> np.ndarray:
    """Ends of the intervals (E + 1,), eV: from below the lowest level to where the first band is missing."""
    reach = 5.0 * params.width if method == "gaussian" else 10.0 * params.interval
    low, high = float(levels.min()) - reach, float(levels[..., -1].max()) + reach
    first = np.floor(low / params.interval)
    return params.interval * np.arange(first, np.ceil(high / params.interval) + 1)


def _projected(params: DosParams, projector: Projector, parts: np.ndarray, shares: np.ndarray) -> dict[str, Any]:
    names, summed = projector.summed(shares, params.projections)
    return {"projected": np.einsum("skbp,skbe->pse", summed, parts, optimize=True), "projections": np.array(names)}


def _d_bands(projector: Projector, shares: np.ndarray, levels: np.ndarray, weights: np.ndarray, fermi: np.ndarray,
             warnings: list[str]) -> dict[str, Any]:
    """Centre and width of the d states of every atom that has them, from the Fermi energy, per spin."""
    atoms, rows = projector.d_shells()
    if not atoms:
        return {}
    own = np.stack([shares[..., r].sum(-1) for r in rows]) * weights[:, None]  # (D, S, K, B)
    total = own.sum((2, 3))
    centre = (own * levels).sum((2, 3)) / total - fermi
    width = np.sqrt((own * (levels - (fermi + centre)[..., None, None]) ** 2).sum((2, 3)) / total)
    complete = total / np.array([len(r) for r in rows])[:, None]
    if complete.min() < _COMPLETE:
        warnings.append(f"The computed bands hold only {complete.min():.0%} of the d states of atom {atoms[int(complete.min(1).argmin())]}: "
                        "the d-band centre lies too low. Raise empty_bands.")
    return {"d_band_atoms": np.array(atoms), "d_band_centre": centre, "d_band_width": width, "d_band_share": complete}


def _spilling(shares: np.ndarray, levels: np.ndarray, weights: np.ndarray, fermi: np.ndarray) -> float:
    """Share of the occupied states outside the span of the atomic orbitals."""
    filled = (levels < fermi[:, None, None]) * weights[:, None]
    return float(1.0 - (shares.sum(-1) * filled).sum() / filled.sum())
