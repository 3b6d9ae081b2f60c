"""Radial distribution and mean square displacement of what is known exactly."""
from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from solvers.analysis import diffusion_coefficient, mean_square_displacement, radial_distribution
from solvers.core.errors import SetupError


def test_an_ideal_gas_has_no_structure():
    rng = np.random.default_rng(0)
    gas = [Atoms("Ar300", positions=rng.uniform(0, 20, (300, 3)), cell=np.eye(3) * 20, pbc=True) for _ in range(4)]
    r, g = radial_distribution(gas, cutoff=12.0, bins=24)
    assert g[4:] == pytest.approx(1.0, abs=0.1) and g[12:].mean() == pytest.approx(1.0, abs=0.01) and r[0] == 0.25


def test_a_crystal_has_its_shells():
    crystal = bulk("Cu", a=3.6)  # one atom: every neighbour is an image
    r, g = radial_distribution([crystal], cutoff=6.0, bins=600)
    edges = np.linspace(0, 6, 601)
    neighbours = np.cumsum(g * 4 / 3 * np.pi * np.diff(edges**3) / crystal.get_volume())
    assert neighbours[np.searchsorted(r, 3.0)] == pytest.approx(12) and neighbours[np.searchsorted(r, 3.7)] == pytest.approx(18)


def test_partial_functions_tell_elements_apart():
    salt = bulk("NaCl", "rocksalt", a=5.64)
    r, unlike = radial_distribution([salt], 4.5, 90, pair=(11, 17))
    _, like = radial_distribution([salt], 4.5, 90, pair=(11, 11))
    assert r[np.argmax(unlike > 0)] == pytest.approx(2.82, abs=0.05) and r[np.argmax(like > 0)] == pytest.approx(3.99, abs=0.05)
    with pytest.raises(SetupError, match="nothing to average"):
        radial_distribution([salt], pair=(1, 1))
    with pytest.raises(SetupError, match="needs a density"):
        radial_distribution([Atoms("H")])


def test_displacements_agree_with_the_definition():
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(0, 0.1, (40, 5, 3)), axis=0) + 100.0
    found = mean_square_displacement(walk, remove_drift=False)
    for lag in (0, 1, 7, 39):
        assert found[lag] == pytest.approx(((walk[lag:] - walk[:40 - lag]) ** 2).sum(-1).mean(), abs=1e-10)
    steady = walk + np.arange(40)[:, None, None] * np.array([0.5, 0, 0])
    assert mean_square_displacement(steady) == pytest.approx(mean_square_displacement(walk), abs=1e-10)
    with pytest.raises(SetupError, match="hold no motion"):
        mean_square_displacement(walk[0])


def test_a_random_walk_diffuses():
    walk = np.cumsum(np.random.default_rng(2).normal(0, 0.05, (2000, 60, 3)), axis=0)
    found = diffusion_coefficient(mean_square_displacement(walk, remove_drift=False), interval=2.0, begin=0.01, end=0.05)
    assert found == pytest.approx(0.05**2 / (2 * 2.0), rel=0.1)
