"""A cell relaxed with plane waves ends consistent with its own basis, whatever it started from."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from solvers.core.calculators import CalculatorSpec
from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.core.units import EV_PER_ANGSTROM3_GPA
from solvers.dft import DFT
from solvers.md import RelaxParams, relax

SETTINGS = {"xc": "LDA", "cutoff": 100.0, "kpts": "2x2x2", "smearing": "none", "device": "cpu", "tolerance": 1e-9}


def relaxed(a, **params):
    params = RelaxParams(**{"cell": "full", "stress_tolerance": 0.02, "pulay_limit": 100.0} | params)
    inputs = {"structure": Structure.from_atoms(bulk("Si", a=a)), "calculator": CalculatorSpec("dft", SETTINGS)}
    return drain(relax(params, inputs))


@pytest.fixture(scope="module")
def both():
    return relaxed(5.2), relaxed(5.6)


def test_two_starts_end_at_one_cell(both):
    small, large = both
    assert small.converged and large.converged and small.settings["basis_renewals"] >= 1
    assert small.values["volume"] == pytest.approx(float(large.values["volume"]), rel=5e-4)
    assert max(result.values["iterations"] for result in both) < 20


def test_the_result_is_a_fresh_calculation_of_its_structure(both):
    for result in both:
        atoms = result.structure.to_atoms()
        atoms.calc = DFT(**SETTINGS)
        assert atoms.get_potential_energy() == pytest.approx(float(result.values["energy"]), abs=1e-7)
        assert np.abs(atoms.get_stress()).max() * EV_PER_ANGSTROM3_GPA < 0.021
        assert float(result.values["max_stress"]) < 0.02


def test_fixed_plane_waves_make_the_stress_the_derivative_of_the_energy():
    atoms = bulk("Si", a=5.43)
    calculator = DFT(**SETTINGS).fixed_basis_for(atoms)
    fresh = DFT(**SETTINGS)
    atoms.calc = fresh
    own = atoms.get_potential_energy()
    atoms.calc = calculator
    assert atoms.get_potential_energy() == pytest.approx(own, abs=1e-7)  # at its own cell nothing is different
    start, energies = atoms.cell.array.copy(), []
    for strain in (-0.02, 0.02):
        atoms.set_cell(start * (1.03 + strain * 0.05), scale_atoms=True)
        energies.append(atoms.get_potential_energy(force_consistent=True))
    atoms.set_cell(start * 1.03, scale_atoms=True)
    pressure = -(energies[1] - energies[0]) / (atoms.get_volume() * ((1.031 / 1.03) ** 3 - (1.029 / 1.03) ** 3))
    assert -atoms.get_stress()[:3].mean() == pytest.approx(pressure, rel=1e-3) and abs(pressure) * EV_PER_ANGSTROM3_GPA > 1.0


def test_pulay_correction_moves_the_cell_by_about_the_missing_pressure(both):
    corrected = relaxed(5.5, pulay_correction=True)
    assert corrected.converged
    assert float(corrected.values["volume"]) > 1.03 * float(both[0].values["volume"])  # missing plane waves shrink a cell
    assert corrected.values["stress"][:3].mean() == pytest.approx(float(corrected.values["pulay_stress"]), rel=0.1)
    refused = relaxed(5.43, pulay_limit=0.5)
    assert "pulay_correction" in refused.refused and refused.exit_code == 3


def test_resumes_with_the_basis_it_had():
    inputs = {"structure": Structure.from_atoms(bulk("Si", a=5.3)), "calculator": CalculatorSpec("dft", SETTINGS)}
    params, states, energies = RelaxParams(cell="full", pulay_limit=100.0), [], []
    whole = drain(relax(params, inputs), lambda step: (states.append(step.state()), energies.append(step.values["free_energy"])))
    later: list[float] = []
    again = drain(relax(params, inputs, resume=states[1]), lambda step: later.append(step.values["free_energy"]))
    assert later == pytest.approx(energies[2:], abs=1e-6) and len(later) >= 2  # another set of plane waves would differ by 0.1 eV
    assert again.structure.cell == pytest.approx(np.array(whole.structure.cell), abs=1e-5)
