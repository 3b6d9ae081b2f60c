"""Our own calculators keep the contract, and the contract catches one that does not."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes

from solvers.core.calculators import CalculatorSpec
from solvers.testing import ContractError, check_calculator


def sheared(symbol, *structure, **lattice):
    atoms = bulk(symbol, *structure, cubic=True, **lattice)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + [[0.02, 0.01, 0], [0.01, -0.01, 0], [0, 0.02, 0.01]]), scale_atoms=True)
    atoms.rattle(0.1, seed=3)
    return atoms


@pytest.mark.parametrize("name, atoms", [("emt", sheared("Cu")), ("lj", sheared("Ar", "fcc", a=5.26))])
def test_contract(name, atoms):
    done = check_calculator(CalculatorSpec(name).create, atoms, tolerance=1e-6)
    assert len(done) == 4


class Wrong(Calculator):
    """A harmonic trap whose forces are too large by one in a thousand."""

    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float((atoms.positions**2).sum()), "forces": -2.002 * atoms.positions}


def test_wrong_forces_are_caught():
    with pytest.raises(ContractError, match="minus the derivative of the energy.*differ by"):
        check_calculator(Wrong, sheared("Cu"))
