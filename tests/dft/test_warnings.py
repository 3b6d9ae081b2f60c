"""What a ground state itself shows to be doubtful is said, and nothing else."""
from __future__ import annotations

import pytest
from ase.build import bulk

from solvers.core.errors import NotConvergedError
from solvers.core.units import HARTREE_EV
from solvers.dft import DFT


@pytest.mark.parametrize(("smearing", "said"), [("none", True), ("fermi-dirac:0.05eV", False)])
def test_fixed_occupations_of_overlapping_bands_are_flagged(smearing, said):
    """The bands of fcc aluminium with an even number of electrons overlap; whole bands at every k-point are not its ground state."""
    atoms = bulk("Al", "fcc", 4.04, orthorhombic=True)
    calculator = DFT(cutoff=6 * HARTREE_EV, kpts=(2, 2, 2), smearing=smearing, tolerance=1e-5, device="cpu")
    atoms.calc = calculator
    energy = atoms.get_potential_energy()
    assert energy < 0
    assert any("not the ground state" in text for text in calculator.results["warnings"]) is said


def test_an_insulator_with_fixed_occupations_is_not_flagged():
    atoms = bulk("Si", "diamond", 5.43)
    atoms.calc = DFT(cutoff=6 * HARTREE_EV, kpts=(2, 2, 2), smearing="none", tolerance=1e-5, device="cpu")
    atoms.get_potential_energy()
    assert not any("ground state" in text for text in atoms.calc.results["warnings"])


def test_an_unconverged_state_is_refused_every_time_it_is_asked_for():
    atoms = bulk("Si", "diamond", 5.43)
    atoms.rattle(0.05, seed=3)
    atoms.calc = DFT(cutoff=6 * HARTREE_EV, kpts=(1, 1, 1), max_steps=2, device="cpu")
    for ask in (atoms.get_potential_energy, atoms.get_potential_energy, atoms.get_forces, atoms.get_stress):
        with pytest.raises(NotConvergedError, match="in 2 steps"):
            ask()
    atoms.calc.strict = False
    assert atoms.get_potential_energy() < 0 and atoms.calc.results["converged"] is False
