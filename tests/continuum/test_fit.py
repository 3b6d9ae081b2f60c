"""Symmetry, choice of strains, finite-strain kinematics, and whether the fit's error bars mean what they say."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from scipy.spatial.transform import Rotation

from solvers.continuum.constants import CLASSES, stiffness_from_constants
from solvers.continuum.crystal import crystal_of, invariant_basis, project
from solvers.continuum.fit import Point, discretisation_covariance, fit, symmetry_residual
from solvers.continuum.strain import choose, low_symmetry, mandel_tensor, mandel_vector, piola_kirchhoff, strained, stretch
from solvers.continuum.tensor import from_mandel, mandel
from solvers.core.errors import SetupError
from solvers.validate.peers.model_crystals import quartz, triclinic

CRYSTALS = {"Si": (lambda: bulk("Si", "diamond", a=5.43), 3, 1), "rocksalt": (lambda: bulk("MgO", "rocksalt", a=4.2), 3, 1),
            "hcp": (lambda: bulk("Ti", "hcp", a=2.95, c=4.7), 5, 2),
            "tetragonal": (lambda: bulk("Sn", "bct", a=5.8, c=3.2), 6, 2), "quartz": (quartz, 6, 2), "triclinic": (triclinic, 21, 6)}


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("seed", [None, 3])
def test_number_of_constants_and_strains(name, seed):
    make, n_constants, at_most = CRYSTALS[name]
    atoms = make()
    if seed is not None:
        r = Rotation.random(random_state=seed).as_matrix()
        atoms.set_cell(atoms.cell.array @ r.T, scale_atoms=True)
    crystal = crystal_of(atoms)
    basis = crystal.basis
    assert len(basis) == n_constants
    directions = choose(basis, crystal.axes, crystal.rotations)
    assert len(directions) <= at_most
    design = np.concatenate([np.einsum("kab,b->ak", basis, mandel_vector(d)) for d in directions])
    values = np.linalg.svd(design, compute_uv=False)
    assert values[-1] > 0.05 * values[0]
    assert np.abs(np.linalg.eigvalsh(directions)).max(axis=1) == pytest.approx(1)


def test_the_strains_turn_with_the_crystal():
    atoms, r = quartz(), Rotation.random(random_state=8).as_matrix()
    other = atoms.copy()
    other.set_cell(atoms.cell.array @ r.T, scale_atoms=True)
    a, b = crystal_of(atoms), crystal_of(other)
    one, two = choose(a.basis, a.axes, a.rotations), choose(b.basis, b.axes, b.rotations)
    # directions may differ by a symmetry operation of the crystal, their invariants may not
    assert np.sort(np.linalg.eigvalsh(one).ravel()) == pytest.approx(np.sort(np.linalg.eigvalsh(two).ravel()), abs=1e-6)
    assert np.linalg.eigvalsh(low_symmetry(a.axes)) == pytest.approx(np.linalg.eigvalsh(low_symmetry(b.axes)))


def test_the_redundant_strain_has_no_symmetry():
    crystal = crystal_of(bulk("Si", "diamond", a=5.43))
    e = low_symmetry(crystal.axes)
    kept = [r for r in crystal.rotations if np.abs(r @ e @ r.T - e).max() < 0.05]
    assert len(crystal.rotations) == 24 and len(kept) == 1


@pytest.mark.parametrize("symmetry", [name for name in CLASSES if name != "isotropic"])
def test_projection_keeps_what_is_allowed_and_only_that(symmetry):
    rng = np.random.default_rng(0)
    size = {"C11": 200, "C22": 210, "C33": 190, "C44": 70, "C55": 75, "C66": 80}
    values = {name: size.get(name, 10) * rng.uniform(0.9, 1.1) for name in CLASSES[symmetry].independent}
    c = mandel(stiffness_from_constants(values, symmetry))

    def turn(axis, degrees):
        return Rotation.from_rotvec(np.deg2rad(degrees) * np.eye(3)["xyz".index(axis)]).as_matrix()

    generators = {"cubic": [turn("x", 90), turn("z", 90)], "hexagonal": [turn("z", 60), turn("x", 180)], "trigonal": [turn("z", 120), turn("x", 180)],
                  "trigonal-low": [turn("z", 120)], "tetragonal": [turn("z", 90), turn("x", 180)], "tetragonal-low": [turn("z", 90)],
                  "orthorhombic": [turn("x", 180), turn("y", 180)], "monoclinic": [turn("y", 180)], "triclinic": []}[symmetry]
    group = [np.eye(3)]
    while True:
        more = [a @ b for a in group for b in generators if not any(np.allclose(a @ b, g) for g in group)]
        if not more:
            break
        group.append(more[0])
    basis = invariant_basis(np.array(group))
    assert len(basis) == len(CLASSES[symmetry].independent)
    assert project(c, basis) == pytest.approx(c, rel=1e-10, abs=1)
    assert np.einsum("kab,lab->kl", basis, basis) == pytest.approx(np.eye(len(basis)), abs=1e-12)


def test_finite_strain_kinematics():
    """F from η gives η back; the work of S on dη equals the work of σ on the velocity gradient."""
    rng = np.random.default_rng(1)
    eta = 0.02 * rng.normal(size=(3, 3))
    eta = eta + eta.T
    u = stretch(eta)
    assert 0.5 * (u.T @ u - np.eye(3)) == pytest.approx(eta, abs=1e-15) and np.array_equal(u, u.T) or np.abs(u - u.T).max() < 1e-16
    sigma = rng.normal(size=(3, 3))
    sigma = sigma + sigma.T
    change = 1e-6 * rng.normal(size=(3, 3))
    change = change + change.T
    step = (stretch(eta + change) - stretch(eta - change)) / 2
    work = np.linalg.det(u) * np.trace(sigma @ step @ np.linalg.inv(u))
    assert np.einsum("ij,ij", piola_kirchhoff(sigma, eta), change) == pytest.approx(work, rel=1e-8)
    atoms = quartz()
    out = strained(atoms, eta)
    assert out.cell.array == pytest.approx(atoms.cell.array @ u)
    assert out.get_scaled_positions(wrap=False) == pytest.approx(atoms.get_scaled_positions(wrap=False))
    with pytest.raises(SetupError, match="no deformation"):
        stretch(-0.6 * np.eye(3))
    assert mandel_tensor(mandel_vector(sigma)) == pytest.approx(sigma)


def synthetic(c, basis, crystal, rng, noise, cubic_term=0.0):
    """Points as the task would measure them, for a crystal with random quadratic terms and noise of standard deviation `noise` (GPa)."""
    directions = list(choose(basis, crystal.axes, crystal.rotations)) + [low_symmetry(crystal.axes)]
    points = [Point(-1, 0.0, np.zeros(6), 0.1 + noise * rng.normal(size=6))]
    for d, e in enumerate(directions):
        bend = 300 * rng.normal(size=6)
        for t in (0.005, -0.005, 0.01, -0.01) if d < len(directions) - 1 else (0.01, -0.01):
            strain = t * mandel_vector(e)
            points.append(Point(d, t, strain, 0.1 + c @ strain + bend * t * t + cubic_term * t**3 + noise * rng.normal(size=6)))
    return points


@pytest.mark.parametrize("name", ["Si", "hcp", "quartz"])
def test_error_bars_are_calibrated(name):
    """Pooled over constants and more than 100 repeats, (estimate − truth)/σ has unit variance, and 95 % intervals hold about 95 % of the truths."""
    crystal = crystal_of(CRYSTALS[name][0]())
    basis = crystal.basis
    rng = np.random.default_rng(12)
    truth = project(mandel(stiffness_from_constants({"C11": 160, "C12": 60, "C44": 70, "C13": 50, "C33": 150, "C14": 8}, "trigonal")), basis) / 1e9
    z, inside = [], []
    for _ in range(120):
        found = fit(synthetic(truth, basis, crystal, rng, 0.02), basis)
        sigma = np.sqrt(np.diag(found.covariance))
        error = found.coefficients - np.einsum("kab,ab->k", basis, truth)
        z.append(error / sigma)
        half = 1.96 * np.sqrt(np.diag(found.covariance_21)).clip(1e-12)
        wrong = np.abs((from_mandel(found.mandel) - from_mandel(truth))[np.triu_indices(6)])
        inside.append((wrong <= half + 1e-9)[half > 1e-6])
    z = np.array(z)
    assert z.size >= 100
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.25
    assert 0.91 < np.concatenate(inside).mean() < 0.99


def test_discretisation_term_covers_the_change_and_leaves_no_constant_at_zero():
    basis = crystal_of(bulk("Si", "diamond", a=5.43)).basis
    change = np.einsum("kab,ab->k", basis, mandel(stiffness_from_constants({"C11": 3.0, "C12": 0.0, "C44": 0.5})) / 1e9)
    half = 1.96 * np.sqrt(np.diag(discretisation_covariance(basis, change)))
    c11, c12, c44 = half[0], half[1], half[15]
    assert 3.0 < c11 < 4.5 and 0.5 < c44 < 2.0 and 0.3 < c12 < 3.0


def test_fit_is_exact_without_noise_and_finds_the_zero_stress():
    crystal = crystal_of(quartz())
    truth = project(mandel(stiffness_from_constants({"C11": 87, "C12": 7, "C13": 12, "C14": -18, "C33": 106, "C44": 58}, "trigonal")), crystal.basis) / 1e9
    found = fit(synthetic(truth, crystal.basis, crystal, np.random.default_rng(0), 0.0), crystal.basis)
    assert found.mandel == pytest.approx(truth, abs=1e-9) and found.zero_stress == pytest.approx(np.full(6, 0.1), abs=1e-12)
    assert found.condition < 1e4


def test_too_few_points_are_refused():
    crystal = crystal_of(triclinic())
    points = [Point(0, t, t * np.array([1, 0, 0, 0, 0, 0.0]), np.zeros(6)) for t in (0.01, -0.01)] + [Point(-1, 0.0, np.zeros(6), np.zeros(6))]
    with pytest.raises(SetupError, match="do not determine 21 elastic constants"):
        fit(points, crystal.basis)


def test_symmetry_residual_sees_a_wrong_symmetry():
    """Data of a hexagonal crystal fitted with the cubic basis: the fit cannot be right, and the responses say so."""
    cubic, hexagonal = crystal_of(bulk("Si", "diamond", a=5.43)), crystal_of(bulk("Ti", "hcp", a=2.95, c=4.7))
    truth = mandel(stiffness_from_constants({"C11": 162, "C12": 92, "C13": 69, "C33": 181, "C44": 47}, "hexagonal")) / 1e9
    points = synthetic(truth, cubic.basis, cubic, np.random.default_rng(0), 0.0)
    main = [p for p in points if p.direction < 1]
    assert max(symmetry_residual(points, fit(main, cubic.basis).mandel).values()) > 0.05
    points = synthetic(truth, hexagonal.basis, hexagonal, np.random.default_rng(0), 0.0)
    assert max(symmetry_residual(points, fit(points, hexagonal.basis).mandel).values()) < 1e-6
