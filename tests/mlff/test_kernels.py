"""Harmonics and kernels against independent formulas."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre

from solvers.core.errors import SetupError
from solvers.mlff.basis import Basis
from solvers.mlff.harmonics import N_HARMONICS, fill_harmonics, gradient_table, triple_integral
from solvers.mlff.model import LinearModel, design
from solvers.mlff.reference import reference_evaluate
from solvers.neighbours import neighbour_list

BASES = [Basis((14,), 5.0, 4.0, 5, 4, 4, 3, 2), Basis((14, 32), 5.0, 4.5, 4, 2, 4, 2, 4), Basis((14,), 4.0, 4.0, 3, 2, 0, 0, 0)]


def harmonics(vectors):
    out = np.empty((N_HARMONICS, len(vectors)))
    fill_harmonics(*vectors.T, 4, out)
    return out


def example(basis, seed=0, n=7):
    rng = np.random.default_rng(seed)
    model = LinearModel(basis, rng.normal(size=(len(basis.species), 1 + basis.n_local)) * 0.05, False)
    cell = np.array([[5.0, 0, 0], [1, 5.5, 0], [0.3, -0.4, 4.8]])  # smaller than the cutoff: own images are neighbours
    positions = rng.uniform(0, 1, (n, 3)) @ cell
    return model, positions, cell, rng.integers(0, len(basis.species), n)


def test_harmonics_obey_the_addition_theorem():
    rng = np.random.default_rng(3)
    u, v = (w / np.linalg.norm(w, axis=1)[:, None] for w in rng.normal(size=(2, 20, 3)))
    products = harmonics(u) * harmonics(v)
    for l in range(5):
        assert products[l * l:(l + 1) ** 2].sum(axis=0) == pytest.approx(eval_legendre(l, (u * v).sum(axis=1)), abs=1e-13)


def test_gradients_of_harmonics_are_harmonics():
    rng = np.random.default_rng(4)
    points, h = rng.normal(size=(10, 3)), 1e-4
    entries, coefficients = gradient_table(4)
    found = np.zeros((3, N_HARMONICS, 10))
    values = harmonics(points)
    for (axis, high, low), c in zip(entries, coefficients, strict=True):
        found[axis, high] += c * values[low]
    for axis in range(3):
        step = h * np.eye(3)[axis]
        numeric = (8 * (harmonics(points + step) - harmonics(points - step)) - harmonics(points + 2 * step) + harmonics(points - 2 * step)) / (12 * h)
        assert found[axis] == pytest.approx(numeric, abs=1e-8)
    assert np.abs(found).max() > 1


@pytest.mark.parametrize("triple", [(1, 1, 2), (2, 2, 2), (1, 3, 4), (2, 3, 3), (4, 4, 4)])
def test_couplings_do_not_turn(triple):
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(3, 3))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    turned = vectors @ Rotation.random(random_state=1).as_matrix()

    def invariant(points):
        values = harmonics(points)
        return np.einsum("abc,a,b,c->", triple_integral(*triple), *(values[l * l:(l + 1) ** 2, i] for i, l in enumerate(triple)))

    assert abs(invariant(vectors)) > 1e-4
    assert invariant(turned) == pytest.approx(invariant(vectors), rel=1e-11)


@pytest.mark.parametrize("basis", BASES)
def test_kernel_agrees_with_the_reference(basis):
    model, positions, cell, kinds = example(basis)
    listing = neighbour_list(positions, cell, True, basis.radial_cutoff + 0.5)
    found = model.evaluate(positions, cell, kinds, listing)
    expected = reference_evaluate(model, positions, cell, kinds, listing)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(theirs).max() > 1e-2
        assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("basis", BASES)
def test_design_rows_times_weights_are_the_model(basis):
    model, positions, cell, kinds = example(basis, seed=1)
    listing = neighbour_list(positions, cell, True, basis.radial_cutoff)
    energies, forces, virial = model.evaluate(positions, cell, kinds, listing)
    rows = design(basis, positions, cell, kinds, listing)
    weights = model.weights.ravel()
    assert len(weights) == basis.n_features == len(rows[0])
    for ours, row in zip((energies.sum(), forces, virial), rows, strict=True):
        assert np.tensordot(weights, row, 1) == pytest.approx(ours, rel=1e-10, abs=1e-11)


def test_energy_is_smooth_where_atoms_enter_and_leave():
    basis = BASES[0]
    model, *_ = example(basis)
    for cutoff in (basis.angular_cutoff, basis.radial_cutoff):
        slopes = []
        for distance in (cutoff - 1e-4, cutoff + 1e-4):
            positions = np.array([[0.0, 0, 0], [2.2, 0.3, 0], [0, distance, 0]])
            listing = neighbour_list(positions, np.zeros((3, 3)), False, 7.0)
            slopes.append(model.evaluate(positions, np.zeros((3, 3)), np.zeros(3, np.int64), listing)[1])
        assert np.abs(slopes[0] - slopes[1]).max() < 1e-5 < np.abs(slopes[0]).max()


def test_impossible_descriptors_are_refused():
    with pytest.raises(SetupError, match="Cutoffs of 6.0 and 5.0"):
        Basis((14,), 5.0, 6.0, 4, 4, 4, 2, 2)
    with pytest.raises(SetupError, match="cannot be made"):
        Basis((14,), 5.0, 5.0, 4, 4, 5, 2, 2)
    with pytest.raises(SetupError, match="ascending"):
        Basis((32, 14), 5.0, 5.0, 4, 4, 4, 2, 2)
    with pytest.raises(SetupError, match="features"):
        Basis(tuple(range(1, 13)), 5.0, 5.0, 10, 10, 4, 0, 0)
    with pytest.raises(SetupError, match="far too many"):
        Basis(tuple(range(1, 100)), 5.0, 5.0, 32, 32, 4, 32, 4)
