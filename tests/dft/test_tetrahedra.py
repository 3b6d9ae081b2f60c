"""Linear tetrahedra: exact for linear bands, right limits for free electrons, sums and symmetry."""
from __future__ import annotations

import math

import numpy as np
import pytest
from ase.build import bulk

from solvers.dft.symmetry import SpaceGroup
from solvers.dft.tetrahedra import TetrahedronMesh, corner_weights

RNG = np.random.default_rng(4)


def group_of(atoms):
    return SpaceGroup.find(atoms.cell.array, atoms.positions, atoms.numbers)


def test_weights_of_a_tetrahedron_match_sampling():
    levels = np.array([[0.3, -0.2, 1.1, 0.6], [0.0, 0.0, 0.5, 1.0], [-1.0, 0.4, 0.4, 0.4], [0.2, 0.2, 0.2, 0.2], [0.0, 0.0, 1.0, 1.0]])
    energies = np.array([-1.5, -0.1, 0.25, 0.45, 0.8, 2.0])
    inside = RNG.dirichlet(np.ones(4), size=200_000)
    value = inside @ levels.T  # (n, T): linear inside each tetrahedron
    expected = np.einsum("ni,nte->tie", inside, value[:, :, None] < energies) / len(inside)
    np.testing.assert_allclose(corner_weights(levels, energies, False), expected, atol=3e-3)
    assert expected.max() > 0.2


def test_weights_sum_to_the_part_below_and_grow():
    levels, energies = RNG.normal(size=(300, 4)), np.linspace(-4, 4, 161)
    weights = corner_weights(levels, energies, False)
    assert weights.min() > -1e-14
    assert np.diff(weights.sum(1), axis=-1).min() > -1e-12
    np.testing.assert_allclose(weights[..., -1], 0.25, atol=1e-12)
    corrected = corner_weights(levels, energies, True)
    np.testing.assert_allclose(corrected.sum(1), weights.sum(1), atol=1e-12)  # the correction moves weight, it makes none
    assert np.abs(corrected - weights).max() > 1e-3


def test_zone_is_covered_once_and_symmetry_changes_nothing():
    atoms = bulk("Mg")
    full = TetrahedronMesh.make((6, 6, 4), (0, 0, 0), SpaceGroup.identity(atoms.cell.array, atoms.positions), atoms.cell.array)
    less = TetrahedronMesh.make((6, 6, 4), (0, 0, 0), group_of(atoms), atoms.cell.array)
    assert len(full.kpoints) == 144 and len(less.kpoints) < 30
    for mesh in (full, less):
        assert mesh.shares.sum() == pytest.approx(1.0) and mesh.weights.sum() == pytest.approx(1.0)
    b = 2 * math.pi * np.linalg.inv(atoms.cell.array).T

    def band(k):
        R = np.concatenate([atoms.cell.array[:2], -atoms.cell.array[:1] - atoms.cell.array[1:2], 1.0 * atoms.cell.array[2:]])
        return np.cos((k @ b) @ R.T) @ np.array([1.0, 1.0, 1.0, 0.4])
    energies = np.linspace(-4, 4.01, 33)
    one, two = (mesh.states(band(mesh.kpoints)[:, None], energies).sum(0) for mesh in (full, less))
    np.testing.assert_allclose(one, two, atol=1e-12)
    assert one[0, -1] == pytest.approx(1.0) and one[0, 0] == pytest.approx(0.0, abs=1e-12)


def test_free_electron_density_of_states():
    a, n = 2.0, 16
    cell = a * np.eye(3)
    mesh = TetrahedronMesh.make((n, n, n), (0, 0, 0), SpaceGroup.find(cell, np.zeros((1, 3)), np.array([1])), cell)
    b = 2 * math.pi / a
    G = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), -1).reshape(-1, 3)
    levels = np.sort(0.5 * (((mesh.kpoints[:, None] + G) * b) ** 2).sum(-1), 1)[:, :8]
    energies = np.array([0.8, 2.0, 4.0])  # below the energy of the zone's face, b²/8 = 1.23, and above it
    count = mesh.states(levels, energies).sum((0, 1))
    exact = a**3 * (2 * energies) ** 1.5 / (6 * math.pi**2)
    np.testing.assert_allclose(count, exact, rtol=0.02)
    fermi = mesh.fermi_energy(levels[None], 2.0)
    assert fermi == pytest.approx(0.5 * (3 * math.pi**2 * 2 / a**3) ** (2 / 3), rel=0.01)


def test_correction_improves_the_energy_of_a_metal():
    def energy(n, corrected):
        mesh = TetrahedronMesh.make((n, n, n), (0, 0, 0), SpaceGroup.find(np.eye(3), np.zeros((1, 3)), np.array([1])), np.eye(3))
        levels = -np.cos(2 * math.pi * mesh.kpoints).sum(1)[:, None]
        fermi = mesh.fermi_energy(levels[None], 1.3)
        return float((mesh.states(levels, np.array([fermi]), corrected)[:, 0, 0] * levels[:, 0]).sum())
    fine = energy(24, True)
    assert abs(energy(8, True) - fine) < 0.3 * abs(energy(8, False) - fine)


def test_intervals_of_flat_bands_hold_all_states():
    mesh = TetrahedronMesh.make((2, 2, 2), (0, 0, 0), SpaceGroup.identity(np.eye(3), np.zeros((1, 3))), np.eye(3))
    edges = np.linspace(-1, 1, 41)
    count = mesh.states(np.full((len(mesh.kpoints), 2), 0.0123), edges).sum(0)
    density = np.diff(count, axis=-1) / np.diff(edges)
    assert np.isfinite(density).all()
    np.testing.assert_allclose((density * np.diff(edges)).sum(-1), 1.0)
    assert mesh.fermi_energy(np.array([[[0.0, 1.0]] * len(mesh.kpoints)]), 2.0) == pytest.approx(0.5, abs=1e-6)
