"""U from linear response: the matrices are symmetric, symmetry fills them rightly, the fit knows its error, and the task survives kills."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from solvers import tasks
from solvers.core.errors import SetupError
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.dft.hubbard_response import computed_u, fit
from solvers.dft.tasks_hubbard import _repeated
from solvers.testing import check_task

SETTINGS = {"cutoff": 90, "kpts": "2x1x1", "shells": "Si-3p", "smearing": "fermi-dirac:0.4eV", "points": 4, "device": "cpu"}


def response(**changes):
    task = tasks.get("hubbard")
    steps = task.run(from_dict(task.params_class(), {**SETTINGS, **changes}), {"structure": Structure.from_atoms(bulk("Si"))})
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def plain():
    return response(symmetry=False)


def test_the_screened_response_is_symmetric_and_smaller(plain):
    bare, screened = plain.values["response_bare"], plain.values["response_screened"]
    assert np.abs(screened - screened.T).max() < 2e-3 * np.abs(screened).max()
    assert np.abs(bare - bare.T).max() < 2e-3 * np.abs(bare).max()
    assert (np.diag(bare) < np.diag(screened)).all() and (np.diag(screened) < -0.05).all()  # a potential drives electrons out, screening holds them back


def test_the_answer_is_linear(plain):
    U, error = plain.values["hubbard_u"], plain.values["hubbard_u_error"]
    assert (U > 0.05).all() and (error < 0.1 * U).all()
    assert abs(U[0] - U[1]) < 0.02 * U[0]  # equivalent atoms, each perturbed by itself
    gentle = response(symmetry=False, amplitude=0.04).values["hubbard_u"]
    assert np.abs(gentle - U).max() < 3 * error.max() + 0.01 * U.max()


def test_symmetry_fills_the_matrix(plain):
    quick = response()
    assert quick.settings["n_symmetry_operations"] > 1
    for name in ("response_bare", "response_screened"):
        assert np.abs(quick.values[name] - plain.values[name]).max() < 5e-3 * np.abs(plain.values[name]).max()


def test_the_fit_knows_its_error():
    alphas = np.array([-2.0, -1.0, 1.0, 2.0])
    bent, cubic = fit(alphas, (3.0 * alphas + 0.1 * alphas**2)[:, None]), fit(alphas, (3.0 * alphas + 0.1 * alphas**3)[:, None])
    assert bent.slopes[0] == pytest.approx(3.0) and bent.errors[0] < 1e-12
    assert 0.1 < abs(cubic.slopes[0] - 3.0) < 6 * cubic.errors[0]
    assert fit(alphas[1:3], (3.0 * alphas[1:3])[:, None]).errors[0] == 0.0


def test_errors_are_propagated_as_differences_say():
    rng = np.random.default_rng(0)
    bare, screened = -np.eye(3) - 0.2, -0.4 * np.eye(3) - 0.05
    spread = np.full((3, 3), 1e-4)
    found = computed_u(bare, screened, spread, spread)
    samples = [computed_u(bare + 1e-4 * rng.normal(size=(3, 3)), screened + 1e-4 * rng.normal(size=(3, 3)), spread, spread).U for _ in range(3000)]
    # the sampled matrices are made symmetric, which halves the variance of elements off the diagonal; those weigh little here
    assert np.std(samples, axis=0) == pytest.approx(found.error, rel=0.15)


def test_resume():
    task = tasks.get("hubbard")
    params = from_dict(task.params_class(), {**SETTINGS, "points": 2, "kpts": "1x1x1"})
    done = check_task(task.run, params, {"structure": Structure.from_atoms(bulk("Si"))}, last_tolerance=1e-6)
    assert sum("resumed" in law for law in done) == 3


def test_a_crystal_without_d_shells_asks_for_names():
    with pytest.raises(SetupError, match="no d or f orbitals"):
        response(shells=())


def test_wrong_parameters_are_named():
    task = tasks.get("hubbard")
    for wrong, words in (({"shells": "Si3"}, "not a shell"), ({"supercell": "2,2"}, "three repetitions"), ({"supercell": "0,1,1"}, "three repetitions")):
        with pytest.raises(SetupError, match=words):
            from_dict(task.params_class(), wrong)


def test_charge_and_moment_of_a_cell_are_multiplied_in_the_supercell():
    task = tasks.get("hubbard")
    params = from_dict(task.params_class(), {"supercell": [2, 1, 1], "shells": ["Fe-3d"], "total_moment": 2.0, "charge": 0.5, "charged": "background"})
    structure, large = _repeated(Structure.from_atoms(bulk("Fe")), params)
    assert len(structure) == 2 and (large.total_moment, large.charge) == (4.0, 1.0)
