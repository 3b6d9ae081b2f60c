"""The task `bands`: eigenvalues along a path in the self-consistent potential, gaps, effective masses."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.job import Result, State, Step
from ..core.structure import Structure
from ..core.units import BOHR_ANGSTROM, HARTREE_EV
from . import masses
from .band_cell import cell_for_bands, vacuum_axis
from .band_edges import Edge, Gap, band_gap, jumps
from .kpath import KPath, band_path
from .nonscf import refuse_unsupported
from .params_electrons import BandsParams
from .plan import make_plan
from .projections import Projector, shared_among_equals
from .settle import Sampling, Settled, settings, settled, workers

#: jumps of a band below this (eV) are not spoken of
_JUMP = 0.05


def bands(params: BandsParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle, then of the path, then of each band edge, for inputs["structure"]; returns a `Result`.

    The k-points are fractions of the reciprocal cell of `Result.structure`: the given structure, or its primitive cell (`cell="primitive"`).
    """
    structure, params, remarks = cell_for_bands(Structure.coerce(inputs["structure"]), params)
    plan = make_plan(structure, params)
    path = band_path(structure, params.path, params.path_spacing, None if plan.n_spin == 1 else tuple(plan.moments), vacuum_axis(plan))
    refuse_unsupported(plan)
    base = yield from settled(plan, workers(), resume, 0.4)
    projector, n_bands = None if params.projections == "none" else Projector.of(base.fixed.problem(path.kpoints[:1]), None), base.n_bands(params.empty_bands)
    points = Sampling(base, path.kpoints, n_bands, params.band_tolerance / HARTREE_EV, projector and projector.measure(n_bands), resume)
    work = _Work(params, path, remarks, base, points, projector)
    yield from work.points.walk("bands", f"of the path {path.text}", 0.4, 0.9)
    if params.masses:
        yield from work.weigh()
    return work.result()


@dataclass
class _Work:
    """A path whose points are being computed, and what follows from them. Energies in Ha."""

    params: BandsParams
    path: KPath
    remarks: tuple[str, ...]
    base: Settled
    points: Sampling
    projector: Projector | None
    masses: list[tuple[Edge, masses.Mass]] | None = None

    @property
    def found(self) -> np.ndarray:
        """Eigenvalues (S, K, B) on the path."""
        return self.points.found["eigenvalues"]

    # ---- gaps and masses -----------------------------------------------------------------------------------------------------
    @property
    def gap(self) -> Gap:
        """The gap over path and mesh."""
        mesh, fermi = self.base.levels, self.base.fixed.fermi_energies
        depth = min(mesh.shape[2], self.found.shape[2])
        if (mesh < fermi[:, None, None]).sum(-1).max() >= depth:  # no empty band on the mesh: the path alone tells
            return band_gap(self.found, self.path.kpoints, fermi)
        both = np.concatenate([self.found[..., :depth], mesh[..., :depth]], 1)
        return band_gap(both, np.concatenate([self.path.kpoints, self.base.fixed.plan.kpoints]), fermi)

    def weigh(self) -> Iterator[Step]:
        """Effective masses at both band edges of a semiconductor."""
        self.masses, gap = [], self.gap
        if gap.valence is None:
            return
        fixed = self.base.fixed
        reciprocal = 2 * np.pi * np.linalg.inv(fixed.plan.cell).T
        step = self.params.mass_step * BOHR_ANGSTROM
        for number, (edge, sign) in enumerate(((gap.valence, 1), (gap.conduction, -1))):
            conversation = masses.follow(np.array(edge.kpoint) @ reciprocal, edge.band, sign, step)
            points, depth = next(conversation), min(edge.band + 3, self.points.n_bands)
            while True:
                try:
                    kpoints = points @ np.linalg.inv(reciprocal)
                    levels = fixed.solve(kpoints, depth, 0.3 * self.points.tolerance, sphere_at=np.array(edge.kpoint))["eigenvalues"]
                    points = conversation.send(levels[edge.spin])
                except StopIteration as stop:
                    mass = stop.value
                    break
            self.masses.append((edge, mass))
            name = "valence" if sign > 0 else "conduction"
            if mass.found and mass.kind != "touching":
                text = f"{name} band edge: masses {_masses_text(mass.inverse)}"
            else:
                text = f"{name} band edge: " + ("bands touch, masses along lines" if mass.kind == "touching" else "no extremum was found near the sampled one")
            yield Step("bands", self.points.n + 1 + number, text=text, progress=0.95 + 0.05 * number)

    # ---- the result ----------------------------------------------------------------------------------------------------------
    def result(self) -> Result:
        """Everything in eV, Å and electron masses."""
        path, gap, warnings = self.path, self.gap, [*self.remarks, *self.base.warnings]
        for spin, k, band in jumps(self.found, path.segments, _JUMP / HARTREE_EV)[:5]:
            warnings.append(f"Band {band + 1}{f' of spin {spin + 1}' if len(self.found) > 1 else ''} jumps at point {k} of the path "
                            f"(k = {np.round(path.kpoints[k], 4).tolist()}): a band may be missing there. Raise empty_bands or lower path_spacing.")
        values = {**self.base.values,
                  "kpath": path.kpoints, "distance": path.distance, "labels": np.array([[str(index), name] for index, name in path.labels]),
                  "eigenvalues": self.found * HARTREE_EV, "band_gap": gap.size * HARTREE_EV, "direct_gap": gap.direct * HARTREE_EV, "cell": path.cell}
        if gap.valence is not None:
            values |= {"band_edges": np.array([gap.valence.energy, gap.conduction.energy]) * HARTREE_EV,
                       "band_edge_kpoints": np.array([gap.valence.kpoint, gap.conduction.kpoint])}
        if self.projector is not None:
            levels = values["eigenvalues"]
            names, shares = self.projector.summed(shared_among_equals(self.points.found["projections"], levels), self.params.projections)
            values |= {"projections": np.array(names), "band_projections": np.moveaxis(shares, -1, 0).astype(np.float32)}
        values |= self._mass_values(warnings)
        own = {"path": path.text, "path_spacing": self.params.path_spacing, "n_bands": int(self.found.shape[2]), "band_tolerance": self.params.band_tolerance,
               "gap_kind": "metal" if gap.valence is None else "direct" if gap.is_direct else "indirect"}
        return Result(values, converged=self.base.converged, structure=self.base.fixed.plan.structure, warnings=tuple(warnings),
                      settings=settings(self.base.fixed.plan, own, str(self.base.fixed.rho.device.type)))

    def _mass_values(self, warnings: list[str]) -> dict[str, Any]:
        if not self.masses:
            return {}
        inverse = 2.0 * np.pi * np.linalg.inv(self.path.cell).T
        plain = [(name, edge, mass) for name, (edge, mass) in zip(("valence", "conduction"), self.masses, strict=True) if mass.kind != "touching"]
        touching = [(name, edge, mass) for name, (edge, mass) in zip(("valence", "conduction"), self.masses, strict=True) if mass.kind == "touching"]
        values: dict[str, Any] = {}
        if plain:
            values |= {"mass_edges": np.array([name for name, _, _ in plain]), "inverse_mass": np.array([mass.inverse for _, _, mass in plain]),
                       "inverse_mass_error": np.array([mass.error for _, _, mass in plain]),
                       "mass_kpoints": np.array([mass.kpoint / BOHR_ANGSTROM @ np.linalg.inv(inverse) for _, _, mass in plain]),
                       "mass_energies": np.array([mass.energy for _, _, mass in plain]) * HARTREE_EV}
            for name, edge, mass in plain:
                if not mass.found:
                    warnings.append(f"Near the {name} band edge at k = {np.round(edge.kpoint, 4).tolist()} no extremum was found (it ended at a {mass.kind}): "
                                    "the edge lies elsewhere in the zone, and its masses are not those of an edge. Add k-points or another path.")
        if touching:
            values |= {"touching_edges": np.array([f"{name}, band {mass.first + n + 1}" for name, _, mass in touching
                                                   for n in range(mass.last - mass.first + 1)]),
                       "inverse_mass_along": np.concatenate([mass.along for _, _, mass in touching]),
                       "inverse_mass_along_error": np.concatenate([mass.along_error for _, _, mass in touching]),
                       "mass_directions": masses.DIRECTIONS}
        return values


def _masses_text(inverse: np.ndarray) -> str:
    principal = np.linalg.eigvalsh(inverse)
    return ", ".join(f"{1 / value:.3g}" if abs(value) > 1e-6 else "flat" for value in principal) + " mₑ"
