"""How far values along a ladder of ever better settings are from their limit. NumPy only."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: what a calculation of a convergence study can be for; the value "stage" of a step is the place in this list
STAGES = ("cutoff", "mesh", "check", "smearing")
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
