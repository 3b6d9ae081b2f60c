"""The force field as a calculator: derivatives, invariances, error bars, dynamics."""
from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from solvers.core.errors import MissingError, SetupError
from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.md import MDParams, RelaxParams, relax, run
from solvers.mlff import MLFF, LinearModel
from solvers.mlff.basis import Basis
from solvers.neighbours.threads import chunks
from solvers.testing import check_calculator


def two_species():
    basis = Basis((13, 29), 5.0, 4.5, 4, 3, 3, 2, 2)
    rng = np.random.default_rng(0)
    return LinearModel(basis, rng.normal(size=(2, 1 + basis.n_local)) * 0.02, True)


def alloy(seed=0, n=6):
    rng = np.random.default_rng(seed)
    cell = np.array([[4.6, 0.2, 0], [0, 4.4, -0.3], [0.4, 0, 5.0]])
    return Atoms(rng.choice([13, 29], n), positions=rng.uniform(0, 1, (n, 3)) @ cell, cell=cell, pbc=True)


def answers(atoms, model):
    atoms = atoms.copy()
    atoms.calc = MLFF(model)
    return atoms.get_potential_energies(), atoms.get_forces(), atoms.get_stress()


def test_forces_and_stress_are_derivatives():
    assert len(check_calculator(lambda: MLFF(two_species()), alloy(), tolerance=1e-6)) == 4


def test_close_atoms_repel_and_the_repulsion_is_exact():
    """At 0.5 Å the nuclear repulsion acts (the outer radius is 2 Å) and the forces are still derivatives."""
    model = two_species()
    dimer = Atoms("Cu2", positions=[[0, 0, 0], [0.45, 0.2, 0.1]], cell=np.eye(3) * 12, pbc=True)
    with_it = answers(dimer, model)
    without = answers(dimer, LinearModel(model.basis, model.weights, False))
    assert with_it[0].sum() - without[0].sum() > 100
    assert len(check_calculator(lambda: MLFF(model), dimer, tolerance=1e-6)) == 4


def test_invariances():
    atoms, model = alloy(), two_species()
    energies, forces, stress = answers(atoms, model)
    assert np.ptp(energies) > 1e-3 < np.abs(forces).max()

    turn = Rotation.random(random_state=3).as_matrix()
    turned = Atoms(atoms.numbers, positions=atoms.positions @ turn, cell=atoms.cell.array @ turn, pbc=True)
    assert answers(turned, model)[0] == pytest.approx(energies, abs=1e-11)
    assert answers(turned, model)[1] == pytest.approx(forces @ turn, abs=1e-10)

    order = np.random.default_rng(4).permutation(len(atoms))
    assert answers(atoms[order], model)[1] == pytest.approx(forces[order], abs=1e-10)

    moved = atoms.copy()
    moved.positions += [17.3, -4.2, 0.9]
    assert answers(moved, model)[1] == pytest.approx(forces, abs=1e-10)

    mirrored = Atoms(atoms.numbers, positions=-atoms.positions, cell=atoms.cell.array, pbc=True)
    assert answers(mirrored, model)[1] == pytest.approx(-forces, abs=1e-10)

    large = atoms * (2, 1, 3)
    assert answers(large, model)[0][:len(atoms)] == pytest.approx(energies, abs=1e-10)
    assert answers(large, model)[1][-len(atoms):] == pytest.approx(forces, abs=1e-10)
    assert answers(large, model)[2] == pytest.approx(stress, abs=1e-11)
    assert np.abs(forces.sum(axis=0)).max() < 1e-10


def test_threads_do_not_change_a_bit(monkeypatch):
    atoms, model = alloy() * (5, 5, 4), two_species()
    atoms.rattle(0.05)
    assert len(chunks(len(atoms))) > 2
    found = []
    for n in ("1", "3"):
        monkeypatch.setenv("QCAD_THREADS", n)
        found.append(answers(atoms, model))
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))


def test_what_cannot_be_computed_is_named(copper_fit):
    calculator = MLFF(copper_fit.files["model.qff"])
    gold = bulk("Au")
    gold.calc = calculator
    with pytest.raises(SetupError, match="knows nothing of Au.*trained on Cu"):
        gold.get_potential_energy()
    molecule = Atoms("Cu2", positions=[[0, 0, 0], [2.3, 0, 0]])
    molecule.calc = calculator
    assert np.isfinite(molecule.get_potential_energy())
    with pytest.raises(SetupError, match="three periodic directions"):
        molecule.get_stress()
    with pytest.raises(MissingError, match="on the CPU"):
        MLFF(copper_fit.files["model.qff"], device="cuda")
    with pytest.raises(SetupError, match="no error bar"):
        MLFF(two_species()).get_property("uncertainty", alloy())


def test_uncertainty_grows_away_from_the_training_data(copper_fit):
    calculator = MLFF(copper_fit.files["model.qff"])
    rng = np.random.default_rng(8)
    sizes = []
    for amplitude in (0.02, 0.1, 0.3, 0.5):
        atoms = bulk("Cu", cubic=True) * (2, 2, 1)
        atoms.positions += rng.normal(0, amplitude, atoms.positions.shape)
        sizes.append(np.median(calculator.get_property("uncertainty", atoms)))
        assert calculator.results["uncertainty"].shape == (16,) and calculator.results["energy_uncertainty"] > 0
    assert sizes == sorted(sizes) and sizes[-1] > 5 * sizes[0]


def test_dynamics_conserves_energy_and_resumes_to_the_bit(copper_fit):
    structure = Structure.from_atoms(bulk("Cu", cubic=True) * (2, 2, 2))
    params = MDParams(steps=300, interval=20, temperature=800.0, timestep=2.0, seed=3)
    states = {}
    inputs = {"structure": structure, "calculator": MLFF(copper_fit.files["model.qff"])}
    whole = drain(run(params, inputs), lambda step: states.__setitem__(step.n, step.state()))
    again = drain(run(params, inputs, resume=states[140]))
    assert np.array_equal(whole.values["positions"], again.values["positions"])
    assert np.abs(whole.values["positions"] - structure.positions).max() > 0.1
    assert abs(whole.values["energy_drift"]) < 4 * whole.settings["energy_drift_standard_error"] + 5e-3
    fast, slow = (MLFF(copper_fit.files["model.qff"]).potential(), MLFF(copper_fit.files["model.qff"]))
    atoms = whole.structure.to_atoms()
    atoms.calc = slow
    from solvers.core.potential import State
    found = fast.compute(State(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, None))
    assert np.array_equal(found.forces, atoms.get_forces()) and found.energy == atoms.get_potential_energy()


def test_the_cell_relaxes(copper_fit):
    atoms = bulk("Cu", cubic=True, a=3.7)
    inputs = {"structure": Structure.from_atoms(atoms), "calculator": MLFF(copper_fit.files["model.qff"])}
    result = drain(relax(RelaxParams(cell="full", stress_tolerance=0.01), inputs))
    assert result.converged and result.structure.cell[0, 0] == pytest.approx(3.59, abs=0.02)


def test_a_model_says_what_it_was_trained_on(copper_fit):
    model = MLFF(copper_fit.files["model.qff"])
    assert model.trained_on == {"energy", "forces", "stress"} and model.model.info["labels"]["stress"] > 0
