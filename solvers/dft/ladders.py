"""How far values along a ladder of ever better settings are from their limit. NumPy only."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..core.structure import Structure
from .params_electrons import ConvergeParams

#: what a calculation of a convergence study can be for; the value "stage" of a step is the place in this list
STAGES = ("cutoff", "mesh", "check", "smearing")
#: the ladders begin at these parts of the cutoff and of the density of k-points that the settings mean
LOWEST_CUTOFF, COARSEST_MESH = 0.7, 2.0
#: a ratio of successive changes above this is no convergence to extrapolate from
_STEADY = 0.7


def limit_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(limit, its uncertainty) of a sequence (n, …): Aitken's Δ² extrapolation of each component whose last changes shrink steadily, else the last value.

    A. C. Aitken, Proc. R. Soc. Edinburgh 46, 289 (1926). The uncertainty is the size of the extrapolated rest and at least half of the last change; all of
    the last change where there is no trend.
    """
    values = np.asarray(values, float)
    if len(values) == 1:
        return values[0], np.full(values.shape[1:], np.inf)
    last = values[-1] - values[-2]
    if len(values) == 2:
        return values[-1], np.abs(last)
    before = values[-2] - values[-3]
    ratio = np.divide(last, before, out=np.ones_like(last), where=np.abs(before) > 0)
    steady = (np.abs(ratio) < _STEADY) & (np.abs(before) > 0)
    rest = np.where(steady, last * ratio / (1.0 - np.where(steady, ratio, 0.0)), 0.0)
    return values[-1] + rest, np.where(steady, np.maximum(np.abs(rest), 0.5 * np.abs(last)), np.abs(last))


def errors(values: np.ndarray) -> np.ndarray:
    """Largest distance of each value (n, …) from the limit of the sequence, uncertainty of the limit added (n,)."""
    limit, uncertainty = limit_of(values)
    distance = np.abs(np.asarray(values, float) - limit) + uncertainty
    return distance.reshape(len(distance), -1).max(1) if distance[0].size else np.zeros(len(distance))


def first_good(table: Sequence[np.ndarray], goals: Sequence[float]) -> int | None:
    """The first rung from which on every error (one array per quantity) stays within its goal; None when the last rung does not."""
    good = np.all([np.asarray(column) <= goal for column, goal in zip(table, goals, strict=True)], axis=0)
    if not good[-1]:
        return None
    bad = np.flatnonzero(~good)
    return int(bad[-1]) + 1 if len(bad) else 0


def meshes_of(structure: Structure, params: ConvergeParams, size: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    """Meshes of growing density: from half the density of the settings, each as isotropic as the cell allows; a direction of one point that the settings give
    (a vacuum) stays one."""
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(structure.cell), axis=0)
    single = np.array(size) == 1
    free = ~single if not single.all() else np.ones(3, bool)
    spacing = COARSEST_MESH * float((lengths / np.array(size))[free].max()) if not single.all() else 1.0
    last, count = None, 0
    while count < params.max_rungs:
        counts = np.ceil(lengths / spacing - 1e-9).astype(int)
        mesh = tuple(int(n) if use else 1 for n, use in zip(np.maximum(counts, 1), free, strict=True))
        spacing *= params.spacing_factor
        if mesh == last:
            continue
        if max(mesh) > 60:
            return
        last, count = mesh, count + 1
        yield mesh
