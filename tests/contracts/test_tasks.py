"""Kill at any step, resume, same result: for the tasks that are quick enough with a quick calculator."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from solvers import tasks
from solvers.core.calculators import CalculatorSpec
from solvers.core.job import Result, Step
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.testing import ContractError, check_task


def copper(n=2):
    atoms = bulk("Cu", cubic=True).repeat((n, 1, 1))
    atoms.rattle(0.05, seed=1)
    return Structure.from_atoms(atoms)


@pytest.mark.parametrize("name, params", [
    ("md", {"steps": 40, "interval": 4, "ensemble": "nve", "temperature": 300}),
    ("md", {"steps": 40, "interval": 4, "ensemble": "nvt", "temperature": 300, "seed": 5}),
    ("relax", {"force_tolerance": 1e-3, "keep_symmetry": False}),
])
def test_resume_is_bit_for_bit(name, params):
    task = tasks.get(name)
    done = check_task(task.run, from_dict(task.params_class(), params), {"structure": copper(), "calculator": CalculatorSpec("emt")})
    assert sum("resumed" in law for law in done) >= 2


def test_elastic_resumes_bit_for_bit():
    task = tasks.get("elastic")
    done = check_task(task.run, from_dict(task.params_class(), {}), {"structure": Structure.from_atoms(bulk("Cu")), "calculator": CalculatorSpec("emt")})
    assert sum("resumed" in law for law in done) == 3


def test_scf_resumes_bit_for_bit_and_stays_when_it_had_converged():
    atoms = bulk("Si")
    atoms.rattle(0.02, seed=1)
    task = tasks.get("scf")
    params = from_dict(task.params_class(), {"cutoff": 120, "kpts": "2x2x2", "xc": "LDA", "device": "cpu"})
    done = check_task(task.run, params, {"structure": Structure.from_atoms(atoms)}, last_tolerance=3e-4)
    assert sum("resumed" in law for law in done) == 3


@pytest.mark.parametrize("name, params", [
    ("relax", {"force_tolerance": 1e-3, "max_steps": 3}),
    ("relax", {"force_tolerance": 1e-3, "max_steps": 3, "cell": "full", "pulay_limit": 1e3}),
    ("md", {"steps": 4, "interval": 1, "temperature": 600}),
])
def test_plane_waves_carry_on_where_they_were(name, params):
    """Density and orbitals start from the former geometries: without them in the checkpoint the way on differs by what self-consistency leaves open."""
    atoms = bulk("Si")
    atoms.rattle(0.05, seed=1)
    task = tasks.get(name)
    calculator = CalculatorSpec("dft", {"cutoff": 80, "kpts": "1x1x2", "xc": "LDA", "device": "cpu"})
    inputs = {"structure": Structure.from_atoms(atoms), "calculator": calculator}
    done = check_task(task.run, from_dict(task.params_class(), params), inputs, kills=2, last_tolerance=2e-3)
    assert sum("resumed" in law for law in done) == 2


def forgetful(params, inputs, *, resume=None):
    """Forgets half of its state."""
    x = 1.0 if resume is None else float(resume["x"])
    v = 0.5
    for n in range(1 if resume is None else int(resume["n"]) + 1, 11):
        v = v * 0.9
        x = x + v
        yield Step("toy", n, {"energy": x}, state=lambda x=x, n=n: {"x": np.array(x), "n": np.array(n)})
    return Result({"energy": x})


def test_a_forgetful_task_is_caught():
    with pytest.raises(ContractError, match=r"resumed after step \d+, energy of step"):
        check_task(forgetful, None, {})


def labelled_copper(count):
    calculator = CalculatorSpec("emt").create()
    frames = []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.08, seed=seed)
        atoms.calc = calculator
        forces, energy = atoms.get_forces(), atoms.get_potential_energy()
        atoms.calc = None
        atoms.info["ref_energy"] = float(energy)
        atoms.set_array("ref_forces", np.array(forces))
        frames.append(Structure.from_atoms(atoms))
    return frames


@pytest.fixture(scope="module")
def trained():
    """A force field fitted to a few frames, and the laws its training kept."""
    task = tasks.get("train")
    params = from_dict(task.params_class(), {"preset": "fast", "repulsion": False})
    inputs = {"train": labelled_copper(24), "test": labelled_copper(4)}
    laws = check_task(task.run, params, inputs, kills=2)
    steps = task.run(params, inputs, resume=None)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value, laws


def test_training_resumes_bit_for_bit(trained):
    assert sum("resumed" in law for law in trained[1]) >= 1


def test_a_trained_force_field_is_a_calculator(trained, tmp_path):
    from solvers.testing import check_calculator
    (tmp_path / "m.qff").write_bytes(trained[0].files["model.qff"])
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=99)
    done = check_calculator(CalculatorSpec.coerce(f"mlff:{tmp_path / 'm.qff'}").create, atoms, tolerance=1e-5)
    assert len(done) >= 3
