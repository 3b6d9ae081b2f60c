"""`MLFF`: the force field as an ASE calculator."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from solvers.core.errors import MissingError, NonFiniteError, SetupError
from solvers.core.potential import State

from .model import LinearModel
from .modelfile import from_bytes, load
from .potential import LinearPotential


class MLFF(Calculator):
    """ASE calculator from a model file, from its bytes, or from a `LinearModel`.

    energy = free_energy (eV), energies (eV), forces (eV/Å), stress (eV/Å³, Voigt, with three periodic directions), uncertainty (N,): standard
    deviation of each force vector (eV/Å), calibrated on held-out frames; with it `results["energy_uncertainty"]` (eV).
    Raises ReadError for a file that is no intact model, SetupError for elements it does not know.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress", "uncertainty"]

    def __init__(self, path: str | Path | bytes | LinearModel, device: str = "auto", **kwargs: Any):
        super().__init__(**kwargs)
        if device not in ("auto", "cpu"):
            raise MissingError(f"Force fields run on the CPU so far; device {device!r} was asked for.", hint="Use device='auto' or 'cpu'.")
        self.model = path if isinstance(path, LinearModel) else from_bytes(path) if isinstance(path, bytes) else load(path)
        self._fast = LinearPotential(self.model)

    @property
    def trained_on(self) -> frozenset[str]:
        """Which of energy, forces and stress the training frames had labels for; everything where the model file does not say."""
        labels = self.model.info.get("labels")
        return frozenset(name for name, count in labels.items() if count) if isinstance(labels, dict) else frozenset(("energy", "forces", "stress"))

    def potential(self, device: str = "cpu") -> LinearPotential:
        """The same force field for molecular dynamics, with a neighbour list of its own."""
        if device not in ("auto", "cpu"):
            raise MissingError(f"Force fields run on the CPU so far; device {device!r} was asked for.", hint="Use device='cpu'.")
        return LinearPotential(self.model)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Fill `results`; see the class."""
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        found = self._fast.compute(State(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, None))
        if not np.isfinite(found.energies).all():
            atom = int(np.argwhere(~np.isfinite(found.energies))[0][0])
            raise NonFiniteError(f"The energy of atom {atom} is not finite.", hint="Are two atoms at the same place?")
        self.results = {"energy": found.energy, "free_energy": found.energy, "energies": found.energies, "forces": found.forces}
        if atoms.pbc.all():
            stress = -0.5 * (found.virial + found.virial.T) / atoms.get_volume()
            self.results["stress"] = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        elif "stress" in properties:
            raise SetupError(f"Stress needs three periodic directions; pbc is {atoms.pbc.tolist()}.", hint="Set pbc, or do not ask for the stress.")
        if "uncertainty" in properties:
            listing = self._fast.list.update(atoms.positions, atoms.cell.array, atoms.pbc)
            kinds = self.model.kinds(atoms.numbers)
            self.results["energy_uncertainty"], self.results["uncertainty"] = self.model.deviations(atoms.positions.copy(), atoms.cell.array, kinds, listing)
