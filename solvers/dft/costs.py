"""What a task that looks at electrons will take: its self-consistent cycles and its k-points at fixed potential, before it starts. Imports no torch."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ..core.structure import Structure
from ..core.units import HARTREE_EV
from .band_cell import cell_for_bands, vacuum_axis
from .kpath import band_path
from .ladders import LOWEST_CUTOFF, meshes_of
from .params import DFTParams, KPoints
from .params_electrons import BandsParams, ConvergeParams, DosParams, FieldParams, StmParams
from .params_response import HubbardUParams
from .plan import Plan, make_plan
from .response.params import DielectricParams

#: Hamiltonian applications per band: a cycle (as `Plan.estimate` counts), and bands at fixed potential to 1e-4 eV (12.5 for Si, 11.9 for Al, 9.9 for MgO)
_CYCLE, _FIXED = 26, 12
#: rungs of the ladders of cutoffs and meshes that a study of convergence climbs: seldom fewer, seldom more
_RUNGS = (3, 7)
#: cycles that the response to one field costs, at least and at most; a cycle that begins at the density of another costs this share of one that does not
_RESPONSE, _AGAIN = (2.0, 5.0), (0.4, 1.0)


@dataclass(frozen=True)
class Cost:
    """cycles: self-consistent calculations, at least and at most; kpoints: solved at fixed potential beside them; fields: responses; seconds, at least and at
    most; plan: of the (first) cycle, whose memory is that of the task."""

    plan: Plan
    cycles: tuple[int, int]
    kpoints: int
    fields: int
    seconds: tuple[float, float]


def cost(params: DFTParams, structure: Structure) -> Cost:
    """What the task whose parameters these are takes for `structure`. Raises the errors that the task would raise for input that cannot work."""
    if isinstance(params, BandsParams):
        structure, params, _ = cell_for_bands(structure, params)
        plan = make_plan(structure, params)
        path = band_path(structure, params.path, params.path_spacing, None if plan.n_spin == 1 else tuple(plan.moments), vacuum_axis(plan))
        return _with_points(plan, len(path.kpoints), params.empty_bands)
    plan = make_plan(structure, params)
    if isinstance(params, DosParams):
        doubled = tuple(2 * n if n > 1 else 1 for n in plan.size)
        size, shift = params.dos_kpts.mesh(structure.cell) if params.dos_kpts is not None else (doubled, (0.0, 0.0, 0.0))
        return _with_points(plan, _irreducible(plan, size, shift), params.empty_bands)
    if isinstance(params, StmParams):
        size, shift = params.stm_kpts.mesh(structure.cell) if params.stm_kpts is not None else (plan.size, plan.shift)
        return _with_points(plan, _irreducible(plan, size, shift), None)
    once = _seconds(plan)
    if isinstance(params, ConvergeParams):
        few, many = (list(_study(structure, params, plan, rungs)) for rungs in _RUNGS)
        return Cost(plan, (len(few), len(many)), 0, 0, (sum(few), sum(many)))
    if isinstance(params, HubbardUParams):
        return _hubbard(structure, params)
    if isinstance(params, DielectricParams):
        return Cost(plan, (1, 1), 0, 3, (once + _RESPONSE[0] * 3 * once, once + _RESPONSE[1] * 3 * once))
    if isinstance(params, FieldParams) and params.kind == "difference" and params.parts:
        n = params.parts.count(";") + 1
        return Cost(plan, (1 + n, 1 + n), 0, 0, (once * (1 + 0.3 * n), once * (1 + n)))
    return Cost(plan, (1, 1), 0, 0, (once, once))


def _seconds(plan: Plan) -> float:
    return float(plan.estimate()["seconds"])


def _irreducible(plan: Plan, size: tuple[int, int, int], shift: tuple[float, float, float]) -> int:
    return len(plan.group.compatible_with(size, shift).irreducible(size, shift)[0])


def _with_points(plan: Plan, n: int, empty: int | None) -> Cost:
    """A cycle, and `n` k-points in its potential."""
    filled = int(np.ceil(plan.n_electrons / 2))
    n_bands = filled + (max(4, filled // 2) if empty is None else empty)
    points = replace(plan, kpoints=np.full((n, 3), 0.1), weights=np.full(n, 1.0 / max(n, 1)), n_bands=n_bands + max(3, n_bands // 8))
    seconds = _seconds(plan) + _FIXED / _CYCLE * _seconds(points)
    return Cost(plan, (1, 1), n, 0, (seconds, seconds))


def _study(structure: Structure, params: ConvergeParams, plan: Plan, rungs: int) -> Iterator[float]:
    """Seconds of the cycles of a study that climbs `rungs` rungs of either ladder: cutoffs on the coarsest mesh, meshes at the lowest cutoff, two that check
    both together, and two of other widths."""
    rungs = min(rungs, params.max_rungs)
    cutoffs = [LOWEST_CUTOFF * plan.cutoff * HARTREE_EV * params.cutoff_factor**i for i in range(rungs + 1)]
    meshes = list(islice(meshes_of(structure, params, plan.size), rungs))
    settings = {(cutoff, meshes[0]) for cutoff in cutoffs[:rungs]} | {(cutoffs[0], mesh) for mesh in meshes}
    settings |= {(cutoffs[max(rungs - 2, 0)], meshes[max(len(meshes) - 2, 0)]), (cutoffs[max(rungs - 1, 0)], meshes[-1])}
    for cutoff, mesh in sorted(settings):
        yield _seconds(make_plan(structure, replace(params, cutoff=cutoff, kpts=KPoints(mesh, None, plan.shift), grid=None)))
    if params.vary_smearing and params.smearing.kind != "none":
        for _ in range(2):
            yield _seconds(make_plan(structure, replace(params, cutoff=cutoffs[0], kpts=KPoints(meshes[max(len(meshes) - 2, 0)], None, plan.shift), grid=None)))


def _hubbard(structure: Structure, params: HubbardUParams) -> Cost:
    """For every class of equivalent atoms a cycle of the supercell and one for every perturbation, with the symmetry that the perturbed atom leaves."""
    n = int(np.prod(params.supercell))
    repeated = Structure.from_atoms(structure.to_atoms().repeat(params.supercell))
    magmoms = None if params.magmoms is None else tuple(params.magmoms) * n
    total = None if params.total_moment is None else params.total_moment * n
    plan = make_plan(repeated, replace(params, magmoms=magmoms, total_moment=total, charge=params.charge * n, hubbard=None))
    symbols = {name.split("-")[0] for name in params.shells} if params.shells else None
    own = [atom for atom, symbol in enumerate(repeated.symbols) if (symbol in symbols if symbols is not None else _has_d(plan, symbol))]
    classes = sorted({int(plan.group.permutation[:, atom].min()) for atom in own})
    cycles, low, high = 0, 0.0, 0.0
    for atom in classes:
        stays = plan.group.permutation[:, atom] == atom
        factor = len(stays) / max(int(stays.sum()), 1)  # less symmetry, more k-points
        one = _seconds(plan) * min(factor, 2 * int(np.prod(plan.size)) / max(len(plan.kpoints), 1))
        cycles += 1 + params.points
        low, high = low + one * (1 + _AGAIN[0] * params.points), high + one * (1 + _AGAIN[1] * params.points)
    return Cost(plan, (cycles, cycles), 0, 0, (low, high))


def _has_d(plan: Plan, symbol: str) -> bool:
    return any(tuple(plan.entries[symbol].configuration)[2:])
