"""The cell in which bands are computed: a supercell is reduced to its primitive cell first. Imports no torch."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.errors import SetupError
from ..core.structure import Structure, require_calculable
from .kpath import primitive
from .params import KPoints
from .params_electrons import BandsParams
from .plan import Plan, make_plan
from .surface import find_vacuum


def vacuum_axis(plan: Plan) -> int | None:
    """The cell vector across the vacuum of a slab, None for a crystal."""
    try:
        return find_vacuum(plan.cell, plan.positions @ np.linalg.inv(plan.cell)).axis
    except SetupError:
        return None


def cell_for_bands(structure: Structure, params: BandsParams) -> tuple[Structure, BandsParams, tuple[str, ...]]:
    """(structure to calculate, parameters for it, remarks in words): the primitive cell where that was asked for and the given one is a supercell of it."""
    require_calculable(structure, periodic=True)
    if params.cell == "given":
        return structure, params, ()
    if params.charge:
        return structure, params, ()
    plan = make_plan(structure, params)
    small, magmoms = primitive(structure, None if plan.n_spin == 1 else tuple(plan.moments))
    if small is structure:
        return structure, params, ()
    total = None if params.total_moment is None else params.total_moment * len(small) / len(structure)
    if params.grid is not None:
        raise SetupError("grid was given for a cell that is a supercell of its primitive cell.", hint="Leave grid out, or choose cell = given.")
    # the same density of k-points: the coarsest axis of the given mesh decides
    size, shift = params.kpts.mesh(structure.cell)
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(structure.cell), axis=0)
    mesh, _ = KPoints(None, float((lengths / np.array(size)).min())).mesh(small.cell)
    remark = (f"Calculated in the primitive cell of {len(small)} atoms instead of the {len(structure)} given (no folded bands), "
              f"with {'x'.join(map(str, mesh))} k-points.")
    spin = "none" if plan.n_spin == 1 else params.spin  # moments of zero were the user's word: without them elements would start magnetic again
    return small, replace(params, kpts=KPoints(mesh, None, shift), spin=spin, magmoms=magmoms, total_moment=total), (remark,)
