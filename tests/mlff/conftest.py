"""Labelled frames from effective-medium theory, and one force field fitted to them, shared by the tests of this folder."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator


def label(atoms):
    atoms = atoms.copy()
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "free_energy": atoms.get_potential_energy(force_consistent=True), "forces": atoms.get_forces(),
               "stress": atoms.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def copper(rng, n=2, amplitude=None, strain=0.04):
    atoms = bulk("Cu", cubic=True) * (n, n, 1)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, strain / 2, (3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(0, rng.uniform(0.02, 0.2) if amplitude is None else amplitude, atoms.positions.shape)
    return atoms


@pytest.fixture(scope="session")
def copper_frames():
    rng = np.random.default_rng(1)
    return [label(copper(rng)) for _ in range(60)]


@pytest.fixture(scope="session")
def copper_test():
    rng = np.random.default_rng(2)
    return [label(copper(rng)) for _ in range(20)]


@pytest.fixture(scope="session")
def copper_fit(copper_frames, copper_test):
    from solvers.mlff import train
    return train(copper_frames, copper_test, preset="fast")
