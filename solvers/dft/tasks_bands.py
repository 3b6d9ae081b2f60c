"""The task `bands`: eigenvalues along a path in the self-consistent potential, gaps, effective masses."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import SetupError
from ..core.job import Result, State, Step
from ..core.structure import Structure, require_calculable
from ..core.units import BOHR_ANGSTROM, HARTREE_EV
from . import masses
from .band_edges import Edge, Gap, band_gap, jumps
from .kpath import KPath, band_path, primitive
from .nonscf import FixedPotential, refuse_unsupported
from .params import KPoints
from .params_electrons import BandsParams
from .plan import Plan, make_plan
from .settle import notes, settings, settle, workers

#: jumps of a band below this (eV) are not spoken of
_JUMP = 0.05


def bands(params: BandsParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the self-consistent cycle, then of the path, then of each band edge, for inputs["structure"]; returns a `Result`.

    The k-points are fractions of the reciprocal cell of `Result.structure`: the given structure, or its primitive cell (`cell="primitive"`).
    """
    structure, params, remarks = _cell(Structure.coerce(inputs["structure"]), params)
    path = band_path(structure, params.path, params.path_spacing, params.magmoms)
    plan = make_plan(structure, params)
    refuse_unsupported(plan)
    threads = workers()
    if resume is None or "fixed_rho" not in resume:
        calculation = yield from settle(plan, threads, resume, 0.4)
        work = _Work.after(calculation, params, path, remarks)
    else:
        work = _Work.unpack(resume, plan, params, path, threads)
    yield from work.walk()
    if params.masses:
        yield from work.weigh()
    return work.result()


def _cell(structure: Structure, params: BandsParams) -> tuple[Structure, BandsParams, tuple[str, ...]]:
    """(structure to calculate, parameters for it, remarks in words): the primitive cell where that was asked for and the given one is a supercell of it."""
    require_calculable(structure, periodic=True)
    if params.cell == "given":
        return structure, params, ()
    small, magmoms = primitive(structure, params.magmoms)
    if small is structure:
        return structure, params, ()
    if params.grid is not None:
        raise SetupError("grid was given for a cell that is a supercell of its primitive cell.", hint="Leave grid out, or choose cell = given.")
    # the same density of k-points: the coarsest axis of the given mesh decides
    size, shift = params.kpts.mesh(structure.cell)
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(structure.cell), axis=0)
    mesh, _ = KPoints(None, float((lengths / np.array(size)).min())).mesh(small.cell)
    remark = (f"Calculated in the primitive cell of {len(small)} atoms instead of the {len(structure)} given (no folded bands), "
              f"with {'x'.join(map(str, mesh))} k-points.")
    return small, replace(params, kpts=KPoints(mesh, None, shift), magmoms=magmoms), (remark,)


@dataclass
class _Work:
    """What is known so far. Energies in Ha; eigenvalues (S, n, B) of the first n points of the path; mesh: those of the self-consistent mesh."""

    plan: Plan
    params: BandsParams
    path: KPath
    fixed: FixedPotential
    mesh: np.ndarray
    scf: tuple[float, float, float]  # energy, free energy, converged
    n: int
    warnings: tuple[str, ...]
    found: np.ndarray | None = None
    masses: list[tuple[Edge, masses.Mass]] | None = None

    @classmethod
    def after(cls, calculation, params: BandsParams, path: KPath, remarks: tuple[str, ...]) -> _Work:
        """The state at the end of the self-consistent cycle."""
        return cls(calculation.plan, params, path, FixedPotential.of(calculation), _levels(calculation.ground.eigenvalues),
                   (calculation.energy_at_zero, calculation.energies.free, float(calculation.ground.converged)), calculation.state.step,
                   (*remarks, *notes(calculation)))

    def pack(self) -> State:
        """Arrays for `unpack`."""
        state = {**self.fixed.pack(), "mesh": self.mesh, "scf": np.array(self.scf), "n": np.array(self.n), "warnings": np.array(self.warnings, dtype=str)}
        return state if self.found is None else {**state, "found": self.found.copy()}

    @classmethod
    def unpack(cls, arrays: State, plan: Plan, params: BandsParams, path: KPath, threads) -> _Work:
        """The work that `pack` stored."""
        return cls(plan, params, path, FixedPotential.unpack(arrays, plan, threads), arrays["mesh"], tuple(map(float, arrays["scf"])), int(arrays["n"]),
                   tuple(map(str, arrays["warnings"])), arrays.get("found"))

    @property
    def tolerance(self) -> float:
        return self.params.band_tolerance / HARTREE_EV

    @property
    def n_bands(self) -> int:
        """Bands on the path."""
        filled = int(np.ceil(self.plan.n_electrons / 2 - 1e-9))
        empty = max(4, filled // 2) if self.params.empty_bands is None else self.params.empty_bands
        return max(filled, int((self.mesh < self.fixed.fermi_energy).sum(-1).max())) + empty

    def walk(self) -> Iterator[Step]:
        """The points of the path that are not yet done, in chunks."""
        total = len(self.path.kpoints)
        for part in self.fixed.chunks(total, self.n_bands):
            if self.found is not None and self.found.shape[1] >= part.stop:
                continue
            levels = self.fixed.solve(self.path.kpoints[part], self.n_bands, self.tolerance)["eigenvalues"]
            self.found = levels if self.found is None else np.concatenate([self.found[:, :part.start], levels], 1)
            self.n += 1
            yield Step("bands", self.n, {"points": float(part.stop)}, state=self.pack, text=f"{part.stop} of {total} k-points of the path {self.path.text}",
                       progress=0.4 + 0.5 * part.stop / total)

    # ---- gaps and masses -----------------------------------------------------------------------------------------------------
    @property
    def gap(self) -> Gap:
        """The gap over path and mesh."""
        depth = min(self.mesh.shape[2], self.found.shape[2])
        if (self.mesh < self.fixed.fermi_energy).sum(-1).max() >= depth:  # no empty band on the mesh: the path alone tells
            return band_gap(self.found, self.path.kpoints, self.fixed.fermi_energy)
        both = np.concatenate([self.found[..., :depth], self.mesh[..., :depth]], 1)
        return band_gap(both, np.concatenate([self.path.kpoints, self.plan.kpoints]), self.fixed.fermi_energy)

    def weigh(self) -> Iterator[Step]:
        """Effective masses at both band edges of a semiconductor."""
        self.masses, gap = [], self.gap
        if gap.valence is None:
            return
        reciprocal = 2 * np.pi * np.linalg.inv(self.plan.cell).T
        step = self.params.mass_step * BOHR_ANGSTROM
        for number, (edge, sign) in enumerate(((gap.valence, 1), (gap.conduction, -1))):
            conversation = masses.follow(np.array(edge.kpoint) @ reciprocal, edge.band, sign, step)
            points, depth = next(conversation), min(edge.band + 3, self.n_bands)
            while True:
                try:
                    kpoints = points @ np.linalg.inv(reciprocal)
                    levels = self.fixed.solve(kpoints, depth, 0.3 * self.tolerance, sphere_at=np.array(edge.kpoint))["eigenvalues"]
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
            yield Step("bands", self.n + 1 + number, text=text, progress=0.95 + 0.05 * number)

    # ---- the result ----------------------------------------------------------------------------------------------------------
    def result(self) -> Result:
        """Everything in eV, Å and electron masses."""
        path, gap, warnings = self.path, self.gap, list(self.warnings)
        for spin, k, band in jumps(self.found, path.segments, _JUMP / HARTREE_EV)[:5]:
            warnings.append(f"Band {band + 1}{f' of spin {spin + 1}' if len(self.found) > 1 else ''} jumps at point {k} of the path "
                            f"(k = {np.round(path.kpoints[k], 4).tolist()}): a band may be missing there. Raise empty_bands or lower path_spacing.")
        values = {"energy": self.scf[0] * HARTREE_EV, "free_energy": self.scf[1] * HARTREE_EV, "fermi_energy": self.fixed.fermi_energy * HARTREE_EV,
                  "kpath": path.kpoints, "distance": path.distance, "labels": np.array([[str(index), name] for index, name in path.labels]),
                  "eigenvalues": self.found * HARTREE_EV, "band_gap": gap.size * HARTREE_EV, "direct_gap": gap.direct * HARTREE_EV, "cell": path.cell}
        if gap.valence is not None:
            values |= {"band_edges": np.array([gap.valence.energy, gap.conduction.energy]) * HARTREE_EV,
                       "band_edge_kpoints": np.array([gap.valence.kpoint, gap.conduction.kpoint])}
        values |= self._mass_values(warnings)
        own = {"path": path.text, "path_spacing": self.params.path_spacing, "n_bands": int(self.found.shape[2]), "band_tolerance": self.params.band_tolerance,
               "gap_kind": "metal" if gap.valence is None else "direct" if gap.is_direct else "indirect"}
        return Result(values, converged=bool(self.scf[2]), structure=self.plan.structure, warnings=tuple(warnings),
                      settings=settings(self.plan, own, str(self.fixed.rho.device.type)))

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


def _levels(eigenvalues: Any) -> np.ndarray:
    """Eigenvalues as an array (S, K, B)."""
    array = eigenvalues.cpu().numpy()
    return array.reshape(-1, *array.shape[-2:])


def _masses_text(inverse: np.ndarray) -> str:
    principal = np.linalg.eigvalsh(inverse)
    return ", ".join(f"{1 / value:.3g}" if abs(value) > 1e-6 else "flat" for value in principal) + " mₑ"
