"""Space groups on meshes, densities, forces and stress; every crystal stands at an arbitrary origin."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from solvers.core.errors import SetupError
from solvers.dft.kpoints import mesh, wrap
from solvers.dft.symmetry import SpaceGroup
from solvers.validate.cases.dft import CASES

ORIGIN = np.array([0.137, 0.2719, 0.4141])
FCC = 5.13 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
HEXAGONAL = np.array([[6.0, 0, 0], [-3, 3 * 3**0.5, 0], [0, 0, 9.8]])
CUBE = 10.26 * np.eye(3)
FACES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
QUARTZ = CASES["quartz any origin"]

CRYSTALS = {  # cell, fractions, numbers, box, mesh, number of operations on that mesh, number of irreducible points
    "diamond": (FCC, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), [14, 14], (24, 24, 24), (3, 3, 3), 48, 4),
    "diamond odd box": (FCC, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), [14, 14], (25, 25, 25), (4, 4, 4), 48, 8),
    "diamond cube": (CUBE, np.concatenate([FACES, FACES + 0.25]), [14] * 8, (30, 30, 30), (3, 3, 3), 192, 4),
    "zincblende": (FCC, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), [31, 33], (24, 24, 24), (4, 4, 4), 24, 8),
    "hcp": (HEXAGONAL, np.array([[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]), [12, 12], (20, 20, 30), (4, 4, 3), 24, 8),
    "quartz": (QUARTZ.cell, QUARTZ.scaled, [14] * 3 + [8] * 6, (24, 24, 27), (2, 2, 2), 6, 4),
    "low symmetry": (CASES["Si2 triclinic"].cell, CASES["Si2 triclinic"].scaled, [14, 14], (20, 20, 20), (2, 2, 2), 2, 8),
}


def crystal(name):
    cell, fractions, numbers, *_ = CRYSTALS[name]
    return SpaceGroup.find(cell, (fractions + ORIGIN) @ cell, numbers)


def reciprocal(cell, box):
    whole = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in box), indexing="ij"), -1)
    return whole, np.linalg.norm(whole @ (2 * np.pi * np.linalg.inv(cell).T), axis=-1)


def sphere(cell, box):
    """Largest |G| that the box holds in every direction."""
    return 0.99 * min(2 * np.pi * ((n - 1) // 2) / np.linalg.norm(row) for n, row in zip(box, cell, strict=True))


@pytest.mark.parametrize("name", CRYSTALS)
def test_operations_map_the_crystal_on_itself(name):
    group = crystal(name)
    cell, fractions, numbers, _, _, count, _ = CRYSTALS[name]
    x = fractions + ORIGIN
    assert len(group) == count
    for rotation, translation, permutation in zip(group.rotations, group.translations, group.permutation, strict=True):
        gap = x @ rotation.T + translation - x[permutation]
        assert np.abs((gap - np.round(gap)) @ cell).max() < 1e-5
        assert np.array_equal(np.asarray(numbers)[permutation], numbers) and len(set(permutation)) == len(x)
    assert group.cartesian @ group.cartesian.transpose(0, 2, 1) == pytest.approx(np.broadcast_to(np.eye(3), group.cartesian.shape), abs=1e-9)


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("shift", [(0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0, 0)])
def test_irreducible_points_carry_the_whole_mesh(name, shift):
    size, irreducible = CRYSTALS[name][4], CRYSTALS[name][6]
    group = crystal(name).compatible_with(size, shift)
    points, weights = group.irreducible(size, shift)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    if shift == (0, 0, 0) and name != "low symmetry":
        assert len(points) == irreducible
    # any function with the crystal's symmetry has the same average over both sets
    cell = CRYSTALS[name][0]
    lattice = np.random.default_rng(1).integers(-3, 4, (6, 3))

    def invariant(k):
        turned = [sign * k @ rotation for rotation in group.rotations for sign in ((1, -1) if group.time_reversal else (1,))]
        return sum(np.cos(2 * np.pi * image @ lattice.T).sum(1) + np.sin(2 * np.pi * image @ lattice.T).sum(1) for image in turned)

    whole = invariant(mesh(size, shift)).mean()
    assert weights @ invariant(points) == pytest.approx(whole, abs=1e-9 * len(group))
    assert abs(np.linalg.det(cell)) > 0


def test_silicon_mesh_of_the_literature():
    """3×3×3 Γ-centred on diamond: four points with weights 1, 8, 6, 12 of 27."""
    points, weights = crystal("diamond").irreducible((3, 3, 3))
    assert sorted(np.round(27 * weights).astype(int)) == [1, 6, 8, 12] and len(points) == 4


def test_meshes_that_break_operations_are_detected():
    group = crystal("hcp")
    kept = group.compatible_with((4, 4, 3), (0.5, 0.5, 0.0))
    assert 1 < len(kept) < len(group)
    assert len(crystal("diamond").compatible_with((2, 3, 4))) < 48
    assert len(crystal("diamond").compatible_with((2, 2, 2), (0.5, 0.5, 0.5))) < 48
    assert not crystal("diamond").compatible_with((4, 4, 4), (0.25, 0.0, 0.0)).time_reversal
    with pytest.raises(SetupError, match="breaks some of the 24 symmetry operations.*compatible_with"):
        group.irreducible((4, 4, 3), (0.5, 0.5, 0.0))


def test_kept_operations_form_a_group():
    for group in (crystal("hcp").compatible_with((4, 4, 3), (0.5, 0.5, 0.0)), crystal("diamond").compatible_with((2, 3, 4))):
        known = {rotation.tobytes() for rotation in group.rotations}
        assert all((a @ b).tobytes() in known for a in group.rotations for b in group.rotations)


def test_axes_that_need_equal_boxes():
    assert crystal("diamond").equal_axes() == [(0, 1, 2)]
    assert crystal("hcp").equal_axes() == [(0, 1), (2,)]
    assert crystal("low symmetry").equal_axes() == [(0,), (1,), (2,)]
    assert len(crystal("hcp").compatible_with_box((20, 24, 30))) < len(crystal("hcp")) == len(crystal("hcp").compatible_with_box((20, 20, 30)))


@pytest.mark.parametrize("name", CRYSTALS)
def test_density_symmetrisation(name):
    cell, fractions, numbers, box, *_ = CRYSTALS[name]
    group = crystal(name)
    tables = group.density_tables(box)
    whole, length = reciprocal(cell, box)
    inside = length < sphere(cell, box)
    rho = torch.as_tensor(np.fft.fftn(np.random.default_rng(3).random(box)) * inside)
    result = tables.symmetrise(rho)
    # idempotent, keeps the charge, stays real, takes something away
    assert (tables.symmetrise(result) - result).abs().max() < 1e-11
    assert abs(result[0, 0, 0] - rho[0, 0, 0]) < 1e-9
    assert np.abs(np.fft.ifftn(result.numpy()).imag).max() < 1e-13
    if len(group) > 1:
        assert (result - rho).abs().max() > 1.0
    # equal to the explicit average ρ_sym(G) = (1/N) Σ e^{−2πi G·w} ρ(Wᵀ G)
    near = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    near = near[inside[tuple(near.T)]]
    explicit = 0
    for rotation, translation in zip(group.rotations, group.translations, strict=True):
        explicit = explicit + np.exp(-2j * np.pi * near @ translation) * rho.numpy()[tuple((near @ rotation).T)]
    assert result.numpy()[tuple(near.T)] == pytest.approx(explicit / len(group), abs=1e-8)
    # a superposition of atomic densities is already invariant
    width = sphere(cell, box) / 3
    atoms = sum(z * np.exp(-2j * np.pi * whole @ x) for z, x in zip(numbers, fractions + ORIGIN, strict=True)) * np.exp(-((length / width) ** 2)) * inside
    assert (tables.symmetrise(torch.as_tensor(atoms)) - torch.as_tensor(atoms)).abs().max() < 2e-3 * 1e-4 * sum(numbers)


@pytest.mark.parametrize("name", CRYSTALS)
def test_forces_and_stress(name):
    group = crystal(name)
    rng = np.random.default_rng(9)
    forces, stress = rng.normal(size=group.positions.shape), rng.normal(size=(3, 3))
    stress = stress + stress.T
    once = group.symmetrise_forces(forces)
    assert group.symmetrise_forces(once) == pytest.approx(once, abs=1e-13)
    tensor = group.symmetrise_stress(stress)
    assert group.symmetrise_stress(tensor) == pytest.approx(tensor, abs=1e-12)
    assert np.trace(tensor) == pytest.approx(np.trace(stress), abs=1e-12)
    if name.startswith(("diamond", "zincblende")):
        assert tensor == pytest.approx(np.eye(3) * np.trace(stress) / 3, abs=1e-12)
        assert once == pytest.approx(0 * once, abs=1e-12)
    if name == "quartz":
        assert np.abs(once).max() > 0.05  # free Wyckoff parameters keep a force


def test_identity_changes_nothing():
    group = SpaceGroup.identity(FCC, np.zeros((1, 3)))
    assert len(group) == 1 and len(group.irreducible((3, 3, 3))[0]) == 27
    tables = group.density_tables((9, 9, 9))
    rho = torch.as_tensor(np.fft.fftn(np.random.default_rng(0).random((9, 9, 9))))
    assert (tables.symmetrise(rho) - rho).abs().max() < 1e-12


def test_mesh_and_wrap():
    points = mesh((2, 3, 1), (0.5, 0, 0))
    assert len(points) == 6 and sorted(set(np.round(points[:, 0], 12))) == [-0.25, 0.25]
    assert (points > -0.5).all() and (points <= 0.5).all()
    assert wrap(np.array([0.5, -0.5, 0.75, 1.0])) == pytest.approx([0.5, 0.5, -0.25, 0.0])


def test_perfect_supercells_keep_all_their_operations():
    """Products of rotations and translations form the group: every one maps atoms on atoms of the same kind, and forces of the crystal vanish."""
    from ase.build import bulk
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat((2, 2, 1))
    atoms.positions += (0.3, -0.7, 1.1)
    group = SpaceGroup.find(atoms.cell.array, atoms.positions, atoms.numbers)
    assert len(group) == 16 * 16  # the cell is tetragonal: 16 rotations; 16 lattice points
    fractions = atoms.get_scaled_positions()
    for s in range(0, len(group), 7):
        between = fractions @ group.rotations[s].T + group.translations[s] - fractions[group.permutation[s]]
        assert np.abs(between - np.round(between)).max() < 1e-12
        assert (atoms.numbers == atoms.numbers[group.permutation[s]]).all()
    assert np.abs(group.symmetrise_forces(np.random.default_rng(1).normal(size=(len(atoms), 3)))).max() < 1e-12
    large = bulk("Cu", cubic=True).repeat((4, 4, 4))
    assert len(SpaceGroup.find(large.cell.array, large.positions, large.numbers)) == 48 * 256
