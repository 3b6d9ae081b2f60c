"""Training: exact recovery of what is linear, errors on real labels, calibrated error bars, resume, limits."""
from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from solvers.core.errors import SetupError
from solvers.mlff import MLFF, LinearModel, TrainParams, labelled, ridge, train
from solvers.mlff.basis import Basis
from solvers.mlff.data import labels_of
from solvers.mlff.modelfile import from_bytes
from solvers.mlff.training import run
from solvers.testing import check_task


def labelled_by(model, atoms):
    copy = atoms.copy()
    copy.calc = MLFF(model)
    copy.calc = SinglePointCalculator(copy, energy=copy.get_potential_energy(), forces=copy.get_forces(), stress=copy.get_stress())
    return copy


def random_alloy(rng, n=10):
    cell = np.eye(3) * 5.6 + rng.normal(0, 0.2, (3, 3))
    lattice = np.stack(np.meshgrid([0, 0.5], [0, 0.5], [0, 0.33, 0.67], indexing="ij"), -1).reshape(-1, 3)[:n]
    return Atoms(rng.choice([13, 29], n), positions=(lattice + rng.normal(0, 0.05, (n, 3))) @ cell, cell=cell, pbc=True)


@pytest.mark.parametrize("repulsion", [False, True])
def test_a_model_that_is_linear_is_found_again(repulsion, monkeypatch):
    """Labels made by a random model of the same form, two species, different reference energies: predictions agree to rounding."""
    basis = Basis((13, 29), 5.0, 4.5, 4, 2, 2, 1, 2)
    monkeypatch.setattr(Basis, "preset", lambda name, species: basis)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(2, 1 + basis.n_local)) * 0.02
    weights[:, 0] = (-3.0, -110.0)
    truth = LinearModel(basis, weights, repulsion)
    frames = [labelled_by(truth, random_alloy(rng)) for _ in range(50)]
    result = train(frames[:40], frames[40:], preset="fast", repulsion=repulsion)
    assert result.values["n_parameters"] == basis.n_features
    scale = np.sqrt(np.mean([(frame.get_forces() ** 2).mean() for frame in frames]))
    assert result.values["force_rmse"] < 1e-5 * scale and result.values["energy_rmse"] < 1e-5 * scale
    assert result.values["stress_mae"] < 1e-4 and scale > 0.05


def test_copper_is_learnt(copper_fit, copper_test):
    forces = np.concatenate([frame.get_forces().ravel() for frame in copper_test])
    energies = np.array([frame.get_potential_energy() / len(frame) for frame in copper_test])
    assert copper_fit.values["force_mae"] < 0.04 * np.abs(forces).mean() and np.abs(forces).mean() > 0.3
    assert copper_fit.values["energy_mae"] < 0.04 * energies.std()
    assert copper_fit.values["stress_mae"] < 0.5
    assert copper_fit.warnings == () and copper_fit.converged
    model = from_bytes(copper_fit.files["model.qff"])
    assert copper_fit.values["n_parameters"] == model.weights.size == model.basis.n_features


def test_scores_are_those_of_the_calculator(copper_fit, copper_test):
    calculator = MLFF(copper_fit.files["model.qff"])
    errors = [np.abs(calculator.get_property("forces", frame) - frame.get_forces()) for frame in copper_test]
    assert copper_fit.values["force_mae"] == pytest.approx(np.concatenate(errors).mean(), rel=1e-10)


def test_error_bars_are_calibrated_on_frames_never_seen(copper_fit, copper_test):
    """Mean square error over standard deviation near one; about nine in ten force vectors within two standard deviations."""
    calculator = MLFF(copper_fit.files["model.qff"])
    ratios = np.concatenate([np.linalg.norm(calculator.get_property("forces", frame) - frame.get_forces(), axis=1)
                             / calculator.get_property("uncertainty", frame) for frame in copper_test])
    assert len(ratios) == 320
    assert 0.5 < np.sqrt((ratios**2).mean()) < 1.6
    assert 0.85 < (ratios < 2).mean() <= 1.0


def test_held_out_blocks_are_used_when_there_is_no_test_set(copper_frames):
    result = train(copper_frames, preset="fast")
    assert "force_mae" in result.values and result.settings["frames"] < len(copper_frames)


def test_energies_alone_are_enough_to_start(copper_frames):
    frames = [labelled(frame).with_(arrays={}) for frame in copper_frames]
    frames = [frame.with_(info={name: value for name, value in frame.info.items() if name != "ref_stress"}) for frame in frames]
    result = train(frames[:50], frames[50:], preset="fast")
    assert "force_mae" not in result.values and result.values["energy_rmse"] < 0.05
    assert any("No frame has a stress" in warning for warning in result.warnings)


def test_killed_and_resumed_gives_the_same_model(copper_frames, copper_test):
    inputs = {"train": [labelled(frame) for frame in copper_frames[:24]], "test": [labelled(frame) for frame in copper_test[:4]]}
    laws = check_task(run, TrainParams(preset="fast"), inputs)
    assert sum("resumed" in law for law in laws) == 3


def test_time_limit_and_bad_input_are_told(copper_frames):
    result = train(copper_frames * 4, copper_frames[:3], preset="fast", time_limit=0.01, repulsion=False)
    assert 2 <= result.settings["frames"] < 240 and "time limit of 0.01 s" in result.warnings[0]
    with pytest.raises(SetupError, match=r"1 training frame"):
        train(copper_frames[:1], copper_frames[:3])
    with pytest.raises(SetupError, match="has no energy"):
        train([bulk("Cu")] * 3)
    with pytest.raises(SetupError, match="preset = 'huge'"):
        TrainParams(preset="huge")
    with pytest.raises(SetupError, match="Every weight is zero"):
        train(copper_frames[:4], copper_frames[:1], preset="fast", energy_weight=0, force_weight=0, stress_weight=0)


def test_ridge_agrees_with_least_squares_and_its_own_covariance():
    rng = np.random.default_rng(6)
    rows, truth = rng.normal(size=(12, 400)), rng.normal(size=12)
    labels = truth @ rows + rng.normal(0, 0.1, 400)
    normal = ridge.Normal.empty(4, 12)
    for fold in range(4):
        part = slice(100 * fold, 100 * fold + 100)
        normal.add(fold, rows[:, part], labels[part])
    solution, folds = ridge.fit(normal, np.zeros(12, bool))
    assert solution.weights == pytest.approx(np.linalg.lstsq(rows.T, labels, rcond=None)[0], abs=1e-2)
    assert len(folds) == 4 and solution.held_out == pytest.approx(0.01, rel=0.3)
    assert solution.whitening @ solution.whitening.T == pytest.approx(np.linalg.inv(rows @ rows.T), rel=0.1, abs=1e-6)
    scatter = np.linalg.norm(truth - solution.weights)
    assert scatter < 5 * 0.1 * np.sqrt(np.trace(np.linalg.inv(rows @ rows.T)))


def test_labels_survive_the_journey(copper_frames):
    frame = copper_frames[0]
    labels = labels_of(type(labelled(frame)).from_dict(labelled(frame).to_dict()))
    assert labels.energy == frame.get_potential_energy(force_consistent=True)
    assert np.array_equal(labels.forces, frame.get_forces())
    assert np.array_equal(labels.stress, frame.get_stress(voigt=False))
