"""Errors of a model on labelled frames."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from solvers.core.structure import Structure
from solvers.core.units import EV_PER_ANGSTROM3_GPA
from solvers.neighbours import neighbour_list

from .data import labels_of
from .model import LinearModel


@dataclass(frozen=True)
class Scores:
    """energy errors (F,) eV/atom, force errors (M,) eV/Å by component, stress errors (K,) GPa by component: prediction − label."""

    energy: np.ndarray
    force: np.ndarray
    stress: np.ndarray

    def values(self) -> dict[str, float]:
        """Mean absolute and root mean square errors under the names of `core/properties.py`; those without labels are left out."""
        found = {}
        for name, errors in (("energy", self.energy), ("force", self.force)):
            if len(errors):
                found |= {f"{name}_mae": float(np.abs(errors).mean()), f"{name}_rmse": float(np.sqrt((errors**2).mean()))}
        if len(self.stress):
            found["stress_mae"] = float(np.abs(self.stress).mean())
        return found


def score(model: LinearModel, frames: Iterable[Structure]) -> Scores:
    """Errors of `model` on labelled `frames`."""
    energy, force, stress = [], [], []
    for frame in frames:
        labels = labels_of(frame)
        kinds = model.kinds(frame.numbers)
        listing = neighbour_list(frame.positions, frame.cell, frame.pbc, model.cutoff)
        energies, forces, virial = model.evaluate(np.array(frame.positions), np.array(frame.cell), kinds, listing)
        energy.append((energies.sum() - labels.energy) / len(frame))
        if labels.forces is not None:
            force.append((forces - labels.forces).ravel())
        if labels.stress is not None:
            error = (-virial / frame.volume - labels.stress) * EV_PER_ANGSTROM3_GPA
            stress.append(error[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])
    return Scores(np.array(energy), np.concatenate(force) if force else np.zeros(0), np.concatenate(stress) if stress else np.zeros(0))
