"""Frames come back bit for bit, whatever they are packed into."""
from __future__ import annotations

import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from solvers.core.errors import NonFiniteError, SetupError
from solvers.core.trajectory import Trajectory, TrajectoryWriter


def frames(n=25):
    rng = np.random.default_rng(2)
    out = []
    for i in range(n):
        atoms = bulk("Cu", cubic=True) if i < 15 else bulk("NaCl", "rocksalt", 5.6, cubic=True)
        atoms.rattle(0.1, seed=i)
        atoms.set_array("velocities", rng.normal(size=(len(atoms), 3)))
        atoms.set_constraint(FixAtoms([1]))
        atoms.info["note"] = f"frame {i}"
        if i % 2 == 0:
            atoms.calc = SinglePointCalculator(atoms, energy=float(i), forces=rng.normal(size=(len(atoms), 3)), stress=rng.normal(size=6))
        out.append(atoms)
    return out


def check(trajectory, expected):
    assert len(trajectory) == len(expected)
    for i in [0, 14, 15, -1, *range(len(expected))]:
        found, want = trajectory.frame(i), expected[i]
        for name in ("numbers", "positions", "pbc"):
            np.testing.assert_array_equal(getattr(found, name), getattr(want, name))
        np.testing.assert_array_equal(found.cell.array, want.cell.array)
        np.testing.assert_array_equal(found.get_array("velocities"), want.get_array("velocities"))
        assert found.info["note"] == want.info["note"] and found.constraints[0].index.tolist() == [1]
        if want.calc is None:
            assert found.calc is None
        else:
            assert found.get_potential_energy() == want.get_potential_energy()
            np.testing.assert_array_equal(found.get_forces(apply_constraint=False), want.get_forces(apply_constraint=False))
            np.testing.assert_array_equal(found.get_stress(), want.get_stress())
    energies = trajectory.column("energy")
    assert np.isnan(energies[1]) and energies[2] == 2.0 and trajectory.columns["energy"] == "eV" and trajectory.columns["stress"] == "eV/Å³"
    assert trajectory.column("stress").shape == (len(expected), 6)


def test_sealed_segments(tmp_path):
    expected = frames()
    writer = TrajectoryWriter(tmp_path, count=4, seconds=1e9)
    for i, atoms in enumerate(expected):
        writer.append(atoms, i + 1, {"temperature": 300.0 + i})
    assert 0 < writer.committed <= len(expected) == len(writer)
    writer.flush()
    trajectory = Trajectory.open(tmp_path)
    check(trajectory, expected)
    assert trajectory.steps.tolist() == list(range(1, 26)) and trajectory.column("temperature")[3] == 303.0 and trajectory.columns["temperature"] == "K"
    assert len(list(tmp_path.glob("seg-*.h5"))) >= 7


def test_in_memory():
    expected = frames()
    trajectory = Trajectory.from_frames(expected)
    check(trajectory, expected)
    check(Trajectory.from_packed(trajectory.packed()), expected)


def test_segments_by_size_and_time(tmp_path):
    writer = TrajectoryWriter(tmp_path, count=10**6, n_bytes=2000, seconds=1e9)
    for i in range(10):
        writer.append(bulk("Si"), i)
    assert writer.committed > 0
    writer = TrajectoryWriter(tmp_path, count=10**6, seconds=0.5)
    writer.append(bulk("Si"), 10)
    time.sleep(0.6)
    writer.append(bulk("Si"), 11)
    assert writer.committed == 2


def test_what_is_not_finite_is_never_stored(tmp_path):
    writer = TrajectoryWriter(tmp_path)
    atoms = bulk("Si")
    writer.append(atoms, 1, {"energy": 1.0})
    bad = atoms.copy()
    bad.positions[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match="Step 2: position of atom 1 is not finite"):
        writer.append(bad, 2)
    with pytest.raises(NonFiniteError, match="Step 2: energy is nan"):
        writer.append(atoms, 2, {"energy": np.nan})
    writer.flush()
    assert len(Trajectory.open(tmp_path)) == 1


def test_indices_and_columns_are_checked():
    trajectory = Trajectory.from_frames([Atoms("H"), Atoms("H")])
    with pytest.raises(IndexError, match="frame 2 of a trajectory with 2 frames"):
        trajectory.frame(2)
    with pytest.raises(SetupError, match="no column 'enrgy'.*It has: step"):
        trajectory.column("enrgy")
    assert len(Trajectory()) == 0 and Trajectory().steps.shape == (0,)


def test_nothing_a_consumer_does_changes_the_frames():
    trajectory = Trajectory.from_frames(frames(3))
    before = trajectory.structure(1).fingerprint
    atoms = trajectory.frame(1)
    atoms.positions += 1
    atoms.numbers[:] = 3
    atoms.cell[:] = 0
    assert trajectory.structure(1).fingerprint == before
