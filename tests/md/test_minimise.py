"""Relaxation: exact gradients of its coordinates, known minima, symmetry, constraints, pressure, refusals, resume."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, fcc111
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, Hookean

from solvers.core.errors import NonFiniteError, SetupError
from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.core.units import EV_PER_ANGSTROM3_GPA
from solvers.md import RelaxParams, relax, relax_positions
from solvers.md.coordinates import Coordinates
from solvers.md.evaluation import evaluate
from solvers.md.symmetry import find_symmetry


def rattled(n=2, amplitude=0.1, seed=1):
    atoms = bulk("Cu", cubic=True) * (n, n, n)
    atoms.positions += np.random.default_rng(seed).normal(0, amplitude, atoms.positions.shape)
    return atoms


def run(atoms, calculator=None, **params):
    return drain(relax(RelaxParams(**params), {"structure": Structure.from_atoms(atoms), "calculator": calculator or EMT()}))


@pytest.mark.parametrize("cell", ["fixed", "full", "volume", "shape"])
def test_gradient_is_the_derivative_of_the_enthalpy(cell):
    rng = np.random.default_rng(5)
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.03, (3, 3))), scale_atoms=True)
    pressure = 5.0 if cell in ("full", "volume") else 0.0
    coordinates = Coordinates(atoms, cell, pressure, keep_symmetry=False)
    x = coordinates.project(rng.normal(0, 0.05, 3 * len(atoms) + 9))

    def enthalpy(point, gradient=False):
        moved = coordinates.structure(point)
        found = evaluate(moved, EMT(), stress=True)
        if gradient:
            return coordinates.gradient(point, found.forces, found.stress, moved.get_volume())
        return coordinates.enthalpy(found.free_energy, moved.get_volume())

    gradient = enthalpy(x, gradient=True)
    for _ in range(4):
        way = coordinates.project(rng.normal(size=x.shape))
        way /= np.linalg.norm(way)
        h = 1e-4
        numeric = (8 * (enthalpy(x + h * way) - enthalpy(x - h * way)) - enthalpy(x + 2 * h * way) + enthalpy(x - 2 * h * way)) / (12 * h)
        assert abs(numeric) > 1e-4
        assert gradient @ way == pytest.approx(numeric, rel=1e-6, abs=1e-7)


def test_shape_keeps_the_volume_and_volume_keeps_the_shape():
    atoms = rattled(1)
    x = np.random.default_rng(0).normal(0, 0.1, 3 * len(atoms) + 9)
    shape, volume = Coordinates(atoms, "shape", keep_symmetry=False), Coordinates(atoms, "volume", keep_symmetry=False)
    assert shape.structure(shape.project(x)).get_volume() == pytest.approx(atoms.get_volume(), rel=1e-12)
    angles = volume.structure(volume.project(x)).cell.cellpar()[3:]
    assert angles == pytest.approx([90, 90, 90], abs=1e-10)


@pytest.mark.parametrize("method", ["lbfgs", "fire"])
def test_rattled_crystal_finds_its_lattice(method):
    result = run(rattled(), method=method, keep_symmetry=False, force_tolerance=1e-3)
    assert result.converged and result.values["max_force"] <= 1e-3
    perfect = bulk("Cu", cubic=True) * (2, 2, 2)
    perfect.calc = EMT()
    assert result.values["free_energy"] == pytest.approx(perfect.get_potential_energy(), abs=1e-5)
    assert result.values["history"][0] > result.values["history"][-1] + 1.0


def test_full_cell_reaches_zero_stress_and_pressure_reaches_its_target():
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + np.array([[0.03, 0.02, 0], [0.02, -0.02, 0.01], [0, 0.01, 0.01]])), scale_atoms=True)
    for pressure in (0.0, 10.0):
        result = run(atoms, cell="full", pressure=pressure, keep_symmetry=False, stress_tolerance=1e-3, force_tolerance=1e-3)
        assert result.converged
        assert result.values["stress"] * EV_PER_ANGSTROM3_GPA == pytest.approx([-pressure] * 3 + [0] * 3, abs=2e-3)
    assert result.values["volume"] < atoms.get_volume()


def test_volume_only_relaxes_the_mean_stress():
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(np.diag([3.7, 3.6, 3.5]), scale_atoms=True)
    result = run(atoms, cell="volume", stress_tolerance=1e-3)
    assert result.converged
    assert abs(result.values["stress"][:3].mean()) * EV_PER_ANGSTROM3_GPA < 1e-3 < 1.0 < np.abs(result.values["stress"][:3]).max() * EV_PER_ANGSTROM3_GPA


def test_symmetry_survives_a_noisy_calculator():
    """Noise of 10 meV/Å breaks the space group when symmetry is off and leaves it alone when it is on."""
    class Noisy(EMT):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            rng = np.random.default_rng(int(1e6 * abs(self.results["energy"])) % 2**32)
            self.results["forces"] = self.results["forces"] + rng.normal(0, 0.01, self.results["forces"].shape)
            self.results["stress"] = self.results["stress"] + rng.normal(0, 1e-3, 6)

    atoms = bulk("Cu", "hcp", a=2.6, c=4.4)
    kept = run(atoms, Noisy(), cell="full", max_steps=30, force_tolerance=0.02, stress_tolerance=0.5)
    lost = run(atoms, Noisy(), cell="full", max_steps=30, force_tolerance=0.02, stress_tolerance=0.5, keep_symmetry=False)
    assert kept.settings["space_group"] == "P6_3/mmc"
    assert find_symmetry(kept.structure.to_atoms(), 1e-6).symbol == "P6_3/mmc"
    assert find_symmetry(lost.structure.to_atoms(), 1e-6).symbol != "P6_3/mmc"
    assert not np.allclose(kept.structure.cell, atoms.cell.array, atol=1e-3)


def test_symmetric_part_of_a_gradient_is_a_projection():
    atoms = bulk("Si", "diamond", a=5.43)
    symmetry = find_symmetry(atoms, 1e-4)
    assert len(symmetry.rotations) == 48
    rng = np.random.default_rng(2)
    atoms = bulk("Ti", "hcp", a=2.95, c=4.68) * (2, 2, 1)
    symmetry = find_symmetry(atoms, 1e-4)
    once = symmetry.vectors(rng.normal(size=(len(atoms), 3)))
    assert symmetry.vectors(once) == pytest.approx(once, abs=1e-13)
    tensor = symmetry.tensor(rng.normal(size=(3, 3)))
    assert symmetry.tensor(tensor) == pytest.approx(tensor, abs=1e-13) and tensor[0, 0] == pytest.approx(tensor[1, 1]) and abs(tensor[0, 2]) < 1e-13


def test_fixed_atoms_stay_and_the_rest_relaxes():
    slab = fcc111("Cu", (2, 2, 4), vacuum=8.0)
    slab.set_constraint(FixAtoms(mask=slab.positions[:, 2] < slab.positions[:, 2].mean()))
    slab.positions[-1, 2] += 0.3
    result = run(slab, force_tolerance=5e-3)
    fixed = slab.constraints[0].index
    assert result.converged and np.array_equal(result.structure.positions[fixed], slab.positions[fixed])
    assert abs(result.structure.positions[-1, 2] - slab.positions[-1, 2]) > 0.1
    assert len(result.structure.constraints) == 1
    assert np.linalg.norm(result.values["forces"][fixed], axis=1).max() > 1e-3  # forces are reported as they are


def test_a_slab_relaxes_in_its_plane_only():
    slab = fcc111("Cu", (1, 1, 5), a=3.7, vacuum=8.0)
    assert slab.pbc.tolist() == [True, True, False]
    slab.cell[2, 2] = 30.0
    result = run(slab, cell="full", stress_tolerance=0.01)
    assert result.converged and result.structure.cell[2] == pytest.approx([0, 0, 30.0], abs=1e-12)
    assert np.linalg.norm(result.structure.cell[0]) < np.linalg.norm(slab.cell[0]) - 0.05


def test_resume_after_any_step_gives_the_same_result():
    atoms = rattled(1, 0.15)
    params = RelaxParams(cell="full", keep_symmetry=False, force_tolerance=1e-3, stress_tolerance=0.01)
    inputs = {"structure": Structure.from_atoms(atoms), "calculator": EMT()}
    states = []
    whole = drain(relax(params, inputs), lambda step: states.append((step.n, step.state())))
    assert len(states) > 8
    for n, state in (states[0], states[4], states[-1]):
        seen = []
        again = drain(relax(params, inputs, resume=state), lambda step, seen=seen: seen.append(step.n))
        assert seen[:1] == ([n + 1] if n < len(states) else [])
        for name in whole.values:
            assert np.array_equal(again.values[name], whole.values[name]), name
        assert again.converged


def test_pulay_stress_refuses_and_the_basis_is_renewed():
    class Planewaves(EMT):
        """EMT with a false stress that belongs to the first volume it saw, as a fixed plane-wave set has; its energy knows nothing of it."""
        implemented_properties = [*EMT.implemented_properties, "pulay_stress"]

        def __init__(self, pulay):
            super().__init__()
            self.pulay, self.made_at = pulay, None

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.made_at = self.made_at or atoms.get_volume()
            self.results["stress"] = self.results["stress"] + np.array([1, 1, 1, 0, 0, 0]) * 0.06 * (atoms.get_volume() / self.made_at - 1)
            self.results["pulay_stress"] = self.pulay

    class Spec:
        made = 0

        def __init__(self, pulay):
            self.pulay = pulay

        def create(self):
            self.made += 1
            return Planewaves(self.pulay)

    atoms = bulk("Cu", a=3.7)
    spec = Spec(1e-3)
    result = run(atoms, spec, cell="full", stress_tolerance=1e-3)
    assert result.converged and result.settings["basis_renewals"] == spec.made - 1 >= 2
    pure = run(atoms, cell="full", stress_tolerance=1e-3)
    assert result.values["volume"] == pytest.approx(pure.values["volume"], rel=2e-5)
    refused = run(atoms, Spec(0.01), cell="full")
    assert "1.60 GPa" in refused.refused and "Raise the cutoff" in refused.refused and not refused.converged and refused.exit_code == 3
    assert run(atoms, Spec(0.01)).converged  # a fixed cell does not care


def test_a_study_keeps_the_basis_of_its_first_cell_and_a_resumed_one_too():
    class Fixed(EMT):
        implemented_properties = [*EMT.implemented_properties, "pulay_stress"]
        chosen = []

        def __init__(self, volume=None):
            super().__init__()
            self.volume = volume

        def frozen_for(self, atoms, strain=0.0):
            assert strain > 0
            self.chosen.append(atoms.get_volume())
            return Fixed(atoms.get_volume())

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results["stress"] = self.results["stress"] + np.array([1, 1, 1, 0, 0, 0]) * 0.06 * (atoms.get_volume() / self.volume - 1)
            self.results["pulay_stress"] = 1e-3

    atoms = bulk("Cu", a=3.7)
    params = RelaxParams(cell="full", stress_tolerance=1e-3)
    inputs = {"structure": Structure.from_atoms(atoms), "calculator": Fixed()}
    states = []
    whole = drain(relax(params, inputs), lambda step: states.append(step.state()))
    assert whole.converged and len(Fixed.chosen) >= 3 and Fixed.chosen[0] == pytest.approx(atoms.get_volume())
    for state in states[::3]:
        again = drain(relax(params, inputs, resume=state))
        assert np.array_equal(again.structure.cell, whole.structure.cell)
    assert drain(relax(RelaxParams(), {**inputs, "calculator": EMT()})).converged  # a fixed cell fixes nothing


def test_unconverged_is_flagged_and_bad_input_is_named():
    result = run(rattled(), max_steps=2, keep_symmetry=False)
    assert not result.converged and result.exit_code == 3 and "Not converged after 2 steps" in result.warnings[0]
    with pytest.raises(SetupError, match="offers no stress"):
        class NoStress(EMT):
            implemented_properties = ["energy", "forces"]
        run(bulk("Cu"), NoStress(), cell="full")
    with pytest.raises(SetupError, match="no meaning with cell = 'fixed'"):
        RelaxParams(pressure=1.0)
    with pytest.raises(SetupError, match="Hookean cannot be kept"):
        atoms = rattled(1)
        atoms.set_constraint(Hookean(0, 1, 5.0, rt=2.0))
        relax_positions(atoms, EMT())
    with pytest.raises(SetupError, match="not a calculator"):
        relax_positions(rattled(1), "emt")


def test_nan_names_the_atom():
    class Broken(Calculator):
        implemented_properties = ["energy", "forces"]

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}
            self.results["forces"][3, 1] = np.nan

    with pytest.raises(NonFiniteError, match="atom 3"):
        relax_positions(rattled(1), Broken())


def test_relax_positions_leaves_its_input_alone():
    atoms = rattled(1)
    before = atoms.positions.copy()
    relaxed, converged, n_steps = relax_positions(atoms, EMT(), fmax=1e-3, max_steps=200)
    assert converged and n_steps < 60 and np.array_equal(atoms.positions, before) and atoms.calc is None
    assert np.linalg.norm(relaxed.get_forces(), axis=1).max() < 1.1e-3
