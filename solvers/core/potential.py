"""`Potential`: what molecular dynamics and minimisers know of a calculator, and the adapter for any ASE calculator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .errors import NonFiniteError


@dataclass
class State:
    """Mutable dynamic state on one device. positions (N, 3) Å, cell (3, 3) rows Å, numbers (N,), pbc (3,), masses (N,) amu, velocities (N, 3) Å/fs.

    Arrays are torch tensors for tensor potentials, numpy arrays for the ASE adapter; `Potential.device` says which.
    """

    numbers: Any
    positions: Any
    cell: Any
    pbc: Any
    masses: Any
    velocities: Any = None


@dataclass(frozen=True)
class Forces:
    """energy eV, forces (N, 3) eV/Å, virial (3, 3) eV = −stress × volume (None where not asked for or not offered), per-atom energies (N,) eV or None."""

    energy: Any
    forces: Any
    virial: Any = None
    energies: Any = None


@runtime_checkable
class Potential(Protocol):
    """Energy, forces and virial of a state, on the potential's own device."""

    device: str  # "numpy", "cpu" or "cuda"

    def compute(self, state: State, *, virial: bool = False) -> Forces: ...


class ASEPotential:
    """Any ASE calculator as a `Potential` (numpy arrays). Forces and virial belong to the free energy.

    Raises NonFiniteError naming the first atom with a non-finite force.
    """

    device = "numpy"

    def __init__(self, calculator: Any):
        self.calculator = calculator
        self._atoms = None

    def compute(self, state: State, *, virial: bool = False) -> Forces:
        from ase import Atoms

        if self._atoms is None or len(self._atoms) != len(state.numbers) or (self._atoms.numbers != state.numbers).any():
            self._atoms = Atoms(numbers=state.numbers, positions=state.positions, cell=state.cell, pbc=state.pbc)
            self._atoms.calc = self.calculator
        atoms = self._atoms
        atoms.set_cell(state.cell)
        atoms.positions[:] = state.positions
        forces = np.array(atoms.get_forces(apply_constraint=False))
        energy = float(atoms.get_potential_energy(force_consistent="free_energy" in self.calculator.implemented_properties))
        if not (np.isfinite(forces).all() and np.isfinite(energy)):
            atom = int(np.argwhere(~np.isfinite(forces))[0][0]) if not np.isfinite(forces).all() else -1
            where = f"force on atom {atom}" if atom >= 0 else "energy"
            raise NonFiniteError(f"The calculator returned a non-finite {where}.", hint="Look at the last good frame: atoms too close, or a long time step.")
        stress = None
        if virial:
            stress = np.array(atoms.get_stress(voigt=False)) * -atoms.get_volume()
        return Forces(energy, forces, stress)
