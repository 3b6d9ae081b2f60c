"""The convergence study as curves: error against cost of the calculations along each ladder, from the steps so far or from the result. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.core.job import Result
from solvers.dft.ladders import STAGES, errors

QUANTITIES = ("energy", "forces", "pressure")


@dataclass(frozen=True, eq=False)
class Rungs:
    """One ladder: names of its points, cost in s, errors by quantity (only those that are known)."""

    names: tuple[str, ...]
    seconds: np.ndarray
    errors: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Study:
    """Ladders by stage ("cutoff", "mesh"), and the proposal when there is one: keywords for the form, its errors (energy, forces, pressure), its cost in s."""

    ladders: dict[str, Rungs]
    proposed: dict[str, object]
    proposed_errors: tuple[float, ...]
    proposed_seconds: float | None
    count: int


def of_steps(columns: dict[str, np.ndarray]) -> Study:
    """What the steps of a running study tell so far."""
    if "stage" not in columns:
        return Study({}, {}, (), None, 0)
    stage = columns["stage"]
    ladders = {}
    for number, name in enumerate(STAGES[:2]):
        here = stage == number
        if here.sum() > 1:
            labels = tuple(f"{value:.0f} eV" if name == "cutoff" else f"{value:.0f} k" for value in columns["cutoff" if name == "cutoff" else "n_mesh"][here])
            ladders[name] = Rungs(labels, columns["seconds"][here], {what: errors(columns[what][here]) for what in ("energy", "pressure")})
    return Study(ladders, {}, (), None, len(stage))


def of_result(result: Result) -> Study:
    """All of a finished study."""
    values = result.values
    stage = np.asarray(values["ladder_stages"])
    forces = np.asarray(values["ladder_forces"], float)
    numbers = {
        "energy": np.asarray(values["ladder_energies"], float),
        "pressure": np.asarray(values["ladder_pressures"], float),
        "forces": forces - forces.mean(1, keepdims=True),
    }
    ladders = {}
    for name in STAGES[:2]:
        here = np.array([item == name for item in stage])
        # the first calculation of the mesh ladder was done for the cutoffs already: same cutoff, same mesh
        if name == "mesh":
            first = np.asarray(values["ladder_cutoffs"])[here].min(initial=np.inf)
            here |= (np.asarray(values["ladder_cutoffs"]) == first) & np.array([item == "cutoff" for item in stage])
        if here.sum() > 1:
            if name == "cutoff":
                labels = tuple(f"{value:.0f} eV" for value in np.asarray(values["ladder_cutoffs"])[here])
            else:
                labels = tuple("×".join(str(int(n)) for n in mesh) for mesh in np.asarray(values["ladder_meshes"])[here])
            ladders[name] = Rungs(labels, np.asarray(values["ladder_seconds"], float)[here], {what: errors(array[here]) for what, array in numbers.items()})
    return Study(
        ladders,
        dict(result.settings.get("proposed", {})),
        tuple(float(item) for item in values["proposed_errors"]),
        float(values["proposed_seconds"]),
        len(stage),
    )
