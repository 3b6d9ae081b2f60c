"""The picture's bonds: the same as a brute-force search, across faces, in tiny and skewed cells."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from qcad_gui.scene.bonds import bond_vectors, find_bonds


def bonds_of(atoms, **options):
    return find_bonds(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, **options)


def as_set(i, j, shift):
    """Directed triples of both directions, so that the choice of the leading end does not matter."""
    forward = {(int(a), int(b), *map(int, s)) for a, b, s in zip(i, j, shift, strict=True)}
    return forward | {(b, a, -x, -y, -z) for a, b, x, y, z in forward}


def brute_force(atoms, scale):
    cutoffs = scale * covalent_radii[atoms.numbers]
    i, j, shift = neighbor_list("ijS", atoms, cutoffs)
    return as_set(i, j, shift)


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_ase_in_random_skewed_cells(seed):
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2.5, 6.0, 3)) + rng.uniform(-1.5, 1.5, (3, 3))
    atoms = Atoms(numbers=rng.choice([6, 8, 14, 26], 12), positions=rng.uniform(-9, 9, (12, 3)), cell=cell, pbc=rng.random(3) < 0.7)
    ours, theirs = bonds_of(atoms), brute_force(atoms, 1.15)
    theirs = {item for item in theirs if item[0] != item[1] or item[2:] != (0, 0, 0)}
    assert len(theirs) > 10
    assert as_set(ours.i, ours.j, ours.shift) == theirs
    assert 2 * len(ours) == len(theirs), "every bond stands once"


@pytest.mark.parametrize("name, lattice, expected", [("Si", None, 4), ("C", None, 4), ("Fe", None, 4)])
def test_coordination_in_a_primitive_cell_smaller_than_the_reach(name, lattice, expected):
    atoms = bulk(name)
    bonds = bonds_of(atoms, scale=1.15)
    per_atom = 2 * len(bonds) / len(atoms)
    assert per_atom == {"Si": 4, "C": 4, "Fe": 14}[name]  # bcc at 1.15 × 2 × 1.32 Å holds the first two shells: 8 + 6
    length = np.linalg.norm(bond_vectors(bonds, atoms.positions, atoms.cell.array), axis=1)
    assert length.min() > 1.4


def test_molecule_without_a_cell():
    bonds = bonds_of(molecule("CH3CH2OH"))
    assert len(bonds) == 8


def test_cations_of_a_salt_are_not_joined_but_a_metal_is():
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    bonds = bonds_of(salt, scale=1.25)
    assert len(bonds) == 24 and (salt.numbers[bonds.i] != salt.numbers[bonds.j]).all()
    assert len(bonds_of(bulk("Na"), scale=1.25)) > 0


def test_nothing_and_one_atom():
    assert len(find_bonds(np.zeros(0, int), np.zeros((0, 3)), np.zeros((3, 3)), np.zeros(3, bool))) == 0
    assert len(bonds_of(Atoms("He", pbc=True, cell=[5, 5, 5]))) == 0
    assert len(bonds_of(Atoms("Cu", pbc=[True, False, False], cell=[2.5, 0, 0]))) == 1


def test_positions_far_outside_the_cell_keep_their_own_shift():
    atoms = bulk("Si")
    atoms.positions[1] += 3 * atoms.cell[0] - 2 * atoms.cell[2]
    bonds = bonds_of(atoms)
    assert np.linalg.norm(bond_vectors(bonds, atoms.positions, atoms.cell.array), axis=1) == pytest.approx(5.43 * np.sqrt(3) / 4, rel=1e-12)
