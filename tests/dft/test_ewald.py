"""Ewald sums: known lattices, independence of the splitting, forces and stress as derivatives, invariances."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.dft.terms.ewald import ewald

SILICON = 10.263141334 / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
RNG = np.random.default_rng(5)
CELL = SILICON + RNG.normal(scale=0.5, size=(3, 3))
POSITIONS = np.array([[0.1, 0.2, 0.3], [0.7, 0.6, 0.55], [0.4, 0.1, 0.9]]) @ CELL
CHARGES = np.array([4.0, 3.0, 2.0])


def five_points(f, h=1e-3):
    return (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h)


@pytest.mark.parametrize(("charge", "reference"), [(4, -8.39789357872), (14, -102.8741963393)])
def test_silicon_cell(charge, reference):
    """ABINIT 9.6.2 for Z = 4 at a = 10.263141334 bohr: −8.39789357871755 Ha; the sum scales with Z²."""
    energy, forces, _ = ewald(SILICON, np.array([[1, 1, 1], [-1, -1, -1]]) / 8 @ SILICON, np.full(2, charge))
    assert energy == pytest.approx(reference, abs=1e-10 * charge**2)
    assert np.abs(forces).max() < 1e-12 * charge**2


def test_madelung_constant_of_rocksalt():
    """−1.747564594633 per pair and nearest distance."""
    cell = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    assert ewald(cell, np.array([[0.0, 0, 0], [1, 1, 1]]), np.array([1.0, -1.0]))[0] == pytest.approx(-1.7475645946331822, abs=1e-12)


def test_one_charge_in_a_cube():
    """A charge in a neutralising background in a cube of 16 bohr: −1.418648739722 Z²/L, half of the Wigner constant 2.837297479."""
    assert ewald(16 * np.eye(3), np.zeros((1, 3)), np.ones(1))[0] == pytest.approx(-2.837297479480619 / 32, abs=1e-12)


@pytest.mark.parametrize("eta", [0.03, 0.1, 0.3, 1.0])
def test_splitting_does_not_matter(eta):
    reference, other = ewald(CELL, POSITIONS, CHARGES), ewald(CELL, POSITIONS, CHARGES, eta)
    for a, b in zip(reference, other, strict=True):
        assert np.asarray(b) == pytest.approx(np.asarray(a), abs=1e-12)


def test_forces_are_derivatives():
    forces = ewald(CELL, POSITIONS, CHARGES)[1]

    def energy(atom, axis, step):
        moved = POSITIONS.copy()
        moved[atom, axis] += step
        return ewald(CELL, moved, CHARGES)[0]

    numeric = np.array([[-five_points(lambda h, a=a, i=i: energy(a, i, h)) for i in range(3)] for a in range(3)])
    assert np.abs(forces).max() > 0.1
    assert forces == pytest.approx(numeric, abs=1e-9)
    assert np.abs(forces.sum(0)).max() < 1e-13


def test_stress_is_the_derivative():
    stress = ewald(CELL, POSITIONS, CHARGES)[2]

    def energy(i, j, step):
        strain = np.eye(3)
        strain[i, j] += step
        return ewald(CELL @ strain.T, POSITIONS @ strain.T, CHARGES)[0]

    numeric = np.array([[five_points(lambda h, i=i, j=j: energy(i, j, h)) for j in range(3)] for i in range(3)]) / abs(np.linalg.det(CELL))
    assert np.abs(stress).max() > 1e-3
    assert stress == pytest.approx(numeric, abs=1e-11)
    assert stress == pytest.approx(stress.T, abs=1e-15)


def test_translation_images_and_supercells():
    energy, forces, stress = ewald(CELL, POSITIONS, CHARGES)
    shifted = POSITIONS + [3.3, -7.1, 12.9] + np.array([[1, 0, 0], [0, -3, 0], [2, 1, 0]]) @ CELL
    again = ewald(CELL, shifted, CHARGES)
    assert again[0] == pytest.approx(energy, abs=1e-11) and again[1] == pytest.approx(forces, abs=1e-11)
    doubled = ewald(CELL * [[2], [1], [1]], np.concatenate([POSITIONS, POSITIONS + CELL[0]]), np.tile(CHARGES, 2))
    assert doubled[0] == pytest.approx(2 * energy, abs=1e-11)
    assert doubled[2] == pytest.approx(stress, abs=1e-12)
