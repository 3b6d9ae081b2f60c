"""The force field as the `Potential` that molecular dynamics drives: no ASE in between, neighbour list with a skin."""
from __future__ import annotations

import numpy as np

from solvers.core.potential import Forces, State
from solvers.neighbours import SkinList

from .model import LinearModel


class LinearPotential:
    """Energies, forces and virial of a `LinearModel` for numpy states. The answer depends on the positions alone, to the last bit: rows of the
    neighbour list are in canonical order and sums do not depend on the number of threads."""

    device = "numpy"

    def __init__(self, model: LinearModel, skin: float = 1.0):
        self.model = model
        self.list = SkinList(model.cutoff, skin)
        self._numbers: np.ndarray | None = None
        self._kinds = np.zeros(0, np.int64)

    def compute(self, state: State, *, virial: bool = False) -> Forces:
        """Forces of `state`; the virial costs nothing and is always there. SetupError for elements that the model does not know."""
        if self._numbers is None or not np.array_equal(self._numbers, state.numbers):
            self._kinds, self._numbers = self.model.kinds(np.asarray(state.numbers)), np.array(state.numbers)
        positions, cell = np.ascontiguousarray(state.positions, float), np.ascontiguousarray(state.cell, float)
        listing = self.list.update(positions, cell, state.pbc)
        energies, forces, tensor = self.model.evaluate(positions, cell, self._kinds, listing)
        return Forces(float(energies.sum()), forces, tensor, energies)
