"""Exact exchange: the kernel's value at zero, the operator as derivative of the energy, stress, symmetry, compression, self-consistency, restart."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from scipy.special import erfc

from solvers import tasks
from solvers.core.errors import SetupError
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.dft import forces as forces_module
from solvers.dft import scf as scf_module
from solvers.dft import stress as stress_module
from solvers.dft.basis import Basis
from solvers.dft.eigen.algebra import orthonormalise
from solvers.dft.energy import energies
from solvers.dft.exchange import ExactExchange
from solvers.dft.exchange_kernel import CoulombKernel
from solvers.dft.kpoints import mesh
from solvers.dft.site_occupations import block_weights
from solvers.dft.stars import images
from solvers.dft.start import random_rows
from solvers.dft.symmetry import SpaceGroup
from solvers.dft.terms.ewald import ewald
from solvers.dft.xc import functional
from solvers.testing import check_task

SKEW = np.array([[0.0, 5.0, 5.2], [5.0, 0.3, 5.0], [5.0, 5.0, 0.0]])
VARIANTS = [{}, {"omega": 0.3}, {"treatment": "spherical"}, {"treatment": "zero", "omega": 0.3}]


def five_points(function, h: float) -> float:
    return (function(-2 * h) - 8 * function(-h) + 8 * function(h) - function(2 * h)) / (12 * h)


# ---- the kernel ------------------------------------------------------------------------------------------------------------------------------------
def test_the_value_at_zero_is_the_madelung_constant_of_the_supercell():
    size = np.array([3, 2, 4])
    supercell = SKEW * size[:, None]
    energy = ewald(supercell, np.zeros((1, 3)), np.ones(1))[0]
    assert CoulombKernel(SKEW, (8, 8, 8), tuple(size)).at_zero == pytest.approx(-2 * energy * abs(np.linalg.det(supercell)), rel=1e-12)


def test_a_screened_kernel_loses_its_images():
    n = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    R = np.linalg.norm(n[(n != 0).any(1)] @ SKEW, axis=1)
    expected = np.pi / 0.3**2 - abs(np.linalg.det(SKEW)) * (erfc(0.3 * R) / R).sum()
    assert CoulombKernel(SKEW, (8, 8, 8), (1, 1, 1), 0.3).at_zero == pytest.approx(expected, rel=1e-10)
    assert CoulombKernel(SKEW, (8, 8, 8), (1, 1, 1), 0.3, "zero").at_zero == pytest.approx(np.pi / 0.3**2)


def test_the_kernel_is_periodic_in_the_mesh():
    kernel = CoulombKernel(SKEW, (8, 9, 10), (2, 3, 2))
    q = np.array([0.5, -2 / 3, 0.0])
    direct, kept = kernel.evaluate(q), kernel(q)
    assert torch.equal(direct, kept) or float((direct - kept).abs().max()) < 1e-12 * float(direct.max())
    K = (np.array([2, 1, -3]) + q) @ (2 * np.pi * np.linalg.inv(SKEW).T)
    assert float(kept[2, 1, -3]) == pytest.approx(4 * np.pi / (K @ K))


def test_impossible_choices_are_refused():
    with pytest.raises(SetupError, match="singularity"):
        CoulombKernel(SKEW, (8, 8, 8), (1, 1, 1), treatment="none")
    with pytest.raises(SetupError, match="full-range"):
        CoulombKernel(SKEW, (8, 8, 8), (1, 1, 1), 0.3, "spherical")
    with pytest.raises(SetupError, match="even k-mesh, got 3x2x2"):
        CoulombKernel(SKEW, (8, 8, 8), (3, 2, 2), extrapolate=True)
    with pytest.raises(SetupError, match="reach only 1 of the 8 points"):
        images(np.zeros((1, 3)), (2, 2, 2), (0, 0, 0), None, True)


@pytest.mark.parametrize("omega", [None, 0.3])
def test_the_extrapolated_kernel_under_strain(omega):
    powers = {q: torch.rand(5, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) for q in ((0.0, 0.0, 0.0), (0.5, 0.0, -0.5))}

    def energy(step):
        cell = SKEW @ (np.eye(3) + step * np.diag([0.3, 0.0, 1.0]))
        kernel = CoulombKernel(cell, (5, 6, 7), (2, 2, 2), omega, extrapolate=True)
        return float(sum((power * kernel(np.array(q))).sum() for q, power in powers.items())) / abs(np.linalg.det(cell))
    derivative = CoulombKernel(SKEW, (5, 6, 7), (2, 2, 2), omega, extrapolate=True).strain_derivative(powers)
    assert 0.3 * float(derivative[0, 0]) + float(derivative[2, 2]) == pytest.approx(five_points(energy, 1e-3), rel=1e-8)


# ---- at frozen orbitals ------------------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module", params=["mesh", "gamma", "spin"])
def frozen(request, lab):
    """Random orthonormal orbitals with fractional occupations at the points of a mesh that time reversal reduces."""
    size = (1, 1, 1) if request.param == "gamma" else (2, 2, 1)
    model = lab.replace(lab.model(("Si", "C"), a=8.24), n_spin=2 if request.param == "spin" else 1)
    group = SpaceGroup.identity(model.cell, model.positions, time_reversal=True).compatible_with(size)
    basis = lab.basis(model, 3.0, *group.irreducible(size))
    problem = lab.problem(model, basis)
    S = model.n_spin
    filling = torch.tensor([1.0, 0.9, 0.4, 0.0], dtype=torch.float64) * (2 / S)
    ground = SimpleNamespace(orbitals=[orthonormalise(random_rows(block.batch, 4, 5 + i)) for i, block in enumerate(problem.blocks)],
                             occupations=(filling * torch.tensor([1.0, 0.8])[:S, None, None]).expand(S, len(basis.kpoints), 4).clone())
    return lab, model, basis, ground, size


def term_of(lab, model, basis, size, **variant):
    return ExactExchange(lab.problem(model, basis), 0.25, size=size, n_spin=model.n_spin, **variant)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_stress_at_frozen_orbitals(frozen, variant):
    lab, model, basis, ground, size = frozen
    stress = term_of(lab, model, basis, size, **variant).stress(ground)
    for i, j in ((0, 1), (2, 2)):
        def energy(step, i=i, j=j):
            strain = np.eye(3)
            strain[i, j] += step / 2
            strain[j, i] += step / 2
            cell = model.cell @ strain
            return term_of(lab, lab.replace(model, cell=cell, positions=model.positions @ strain), basis.strained(cell), size, **variant).energy(ground)
        assert abs(float(stress[i, j]) - five_points(energy, 0.002) / basis.volume) < 1e-11
    assert float(stress[2, 2].abs()) > 1e-5


def test_the_operator_is_the_derivative_of_the_energy(frozen):
    lab, model, basis, ground, size = frozen
    term = term_of(lab, model, basis, size)
    problem = term.problem
    image = term.image_of(ground.orbitals, ground.occupations)
    changes = [random_rows(block.batch, 4, 97) * 0.01 for block in problem.blocks]
    analytic = sum(float((2 * w[..., None] * (d.conj() * Y).real).sum())
                   for w, d, Y in zip(block_weights(problem, ground.occupations), changes, image, strict=True))

    def energy(step):
        return term.energy(SimpleNamespace(orbitals=[X + step * d for X, d in zip(ground.orbitals, changes, strict=True)], occupations=ground.occupations))
    assert abs(five_points(energy, 0.2) - analytic) < 1e-10 and abs(analytic) > 1e-5


def test_compression_is_exact_on_its_bands_and_knows_when_it_is(frozen):
    lab, model, basis, ground, size = frozen
    term = term_of(lab, model, basis, size)
    assert term.awaits_orbitals
    first = term.renew(ground.orbitals, ground.occupations)
    assert first == pytest.approx(-term.energy(ground)) and not term.awaits_orbitals
    for block, X, Y in zip(term.problem.blocks, ground.orbitals, term.image_of(ground.orbitals, ground.occupations), strict=True):
        out = torch.zeros_like(X)
        term.add(block.batch, block.spin, X, out)
        assert float((out - Y).abs().max()) < 1e-10 and float(Y.abs().max()) > 1e-3  # the empty band too
    assert term.renew(ground.orbitals, ground.occupations) < 1e-12
    # what a renewal says is E_x of the change of the density matrix: quadratic
    kept = {name: value.copy() for name, value in term.pack().items()}
    turned = [[orthonormalise(X + step * random_rows(block.batch, 4, 31)) for block, X in zip(term.problem.blocks, ground.orbitals, strict=True)]
              for step in (2e-3, 1e-3)]
    errors = []
    for orbitals in turned:
        term.unpack(kept)
        errors.append(term.renew(orbitals, ground.occupations))
    assert errors[0] == pytest.approx(4 * errors[1], rel=0.05) and errors[1] > 1e-12


def test_real_orbitals_at_gamma_give_what_complex_ones_give(lab):
    model = lab.model(("Si", "C"), a=8.24)
    real, general = (lab.basis(model, 4.0, [[0.0, 0.0, 0.0]], [1.0], real_gamma=flag) for flag in (True, False))
    half = real.batches[0]
    X = orthonormalise(random_rows(half, 4, 3))
    c, full = half.coefficients(X)[0], general.spheres[0].miller
    place = {tuple(G): i for i, G in enumerate(half.spheres[0].miller.tolist())}
    columns = [c[:, place[tuple(G)]] if tuple(G) in place else c[:, place[tuple(-G)]].conj() for G in full]
    scale = torch.where(torch.from_numpy((full == 0).all(1)), 1.0, 1.0)
    Z = (torch.stack(columns, 1) * scale)[None]
    occupations = torch.tensor([[[2.0, 2.0, 1.0, 0.0]]], dtype=torch.float64)
    results = []
    for basis, orbitals in ((real, X), (general, Z)):
        term = term_of(lab, model, basis, (1, 1, 1))
        ground = SimpleNamespace(orbitals=[orbitals.contiguous()], occupations=occupations)
        results.append((term.energy(ground), term.stress(ground)))
    assert float((Z.abs() ** 2).sum()) == pytest.approx(4.0)
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-12) and results[0][0] < -0.05
    assert float((results[0][1] - results[1][1]).abs().max()) < 1e-12


# ---- self-consistent -----------------------------------------------------------------------------------------------------------------------------------
def solved(lab, model, basis, size, group=None, tolerance=1e-12):
    problem = lab.problem(model, basis, group=group)
    problem.add(ExactExchange(problem, 0.25, size=size, group=group, time_reversal=True, n_spin=model.n_spin))
    ground = lab.ground(problem, tolerance=tolerance)
    assert ground.converged
    return problem, ground


@pytest.mark.parametrize("kind", ["diamond", "hexagonal"])
def test_symmetry_changes_nothing(lab, kind):
    """Crystals off the origin (by whole points of the box), with glide planes or three-fold axes: irreducible k-points give what the whole mesh gives."""
    if kind == "diamond":
        cell, scaled, size, shape = 5.13 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]]), np.array([[1, 3, 5], [7, 9, 11]]) / 24, (2, 2, 2), (12, 12, 12)
        symbols = ("Si", "Si")
    else:
        cell, symbols = np.array([[5.9, 0, 0], [-2.95, 5.9 * np.sqrt(0.75), 0], [0, 0, 8.0]]), ("Si", "C")
        scaled, size, shape = np.array([[4 / 9, 2 / 3, 1 / 12], [7 / 9, 1 / 3, 1 / 12]]), (3, 3, 1), (9, 9, 12)
    numbers = np.array([14, 14 if kind == "diamond" else 6])
    model = lab.replace(lab.model(symbols), cell=cell, positions=scaled @ cell, functional=functional("PBE0"))
    found = []
    for group in (SpaceGroup.find(cell, model.positions, numbers), SpaceGroup.identity(cell, model.positions, time_reversal=True)):
        group = group.compatible_with(size)
        basis = lab.basis(model, 3.0, *group.irreducible(size), shape=shape)
        problem, ground = solved(lab, model, basis, size, group, 1e-11)
        found.append((len(basis.kpoints), energies(problem, ground).free, stress_module.stress(problem, ground)))
    assert found[0][0] < found[1][0]
    assert abs(found[0][1] - found[1][1]) < 1e-10
    assert np.abs(found[0][2] - found[1][2]).max() < 2e-8


def test_forces_and_stress_are_slopes_of_the_total_energy(lab):
    size, group = (1, 1, 2), None
    model = lab.replace(lab.model(), functional=functional("PBE0"))
    identity = SpaceGroup.identity(model.cell, model.positions, time_reversal=True)
    basis = lab.basis(model, 3.0, *identity.irreducible(size))

    def energy(model, basis):
        return energies(*solved(lab, model, basis, size, group)).free
    problem, ground = solved(lab, model, basis, size, group)
    forces, stress = forces_module.forces(problem, ground), stress_module.stress(problem, ground)

    def moved(step):
        positions = model.positions.copy()
        positions[0, 1] += step
        return energy(lab.replace(model, positions=positions), basis)

    def strained(step):
        strain = np.diag([1.0, 1.0, 1.0 + step])
        cell = model.cell @ strain
        return energy(lab.replace(model, cell=cell, positions=model.positions @ strain), basis.strained(cell))
    assert abs(forces[0, 1] + five_points(moved, 0.03)) < 2e-6 and abs(forces[0, 1]) > 1e-3
    assert abs(stress[2, 2] - five_points(strained, 0.004) / basis.volume) < 3e-8


def test_hydrogen_atom_is_free_of_self_interaction(lab):
    """One electron: exact exchange cancels its Hartree energy, both discretised the same way on one mesh."""
    cell = np.diag([9.0, 9.0, 9.0])
    from solvers.dft.model import Model
    from solvers.dft.projectors import Species
    from solvers.dft.pseudo.library import find
    model = Model(cell, np.array([[4.5, 4.5, 4.5]]), np.array([1]), (Species(find("H", "PBE"), np.array([0])),), functional("PBE"), "none", 0.02, n_spin=2,
                  moments=np.array([1.0]), total_moment=1.0)
    problem = lab.problem(model, Basis(cell, 8.0, mesh((1, 1, 1)), np.ones(1), (24, 24, 24)))
    ground = lab.ground(problem, tolerance=1e-9)
    hartree = energies(problem, ground).hartree
    exchange = ExactExchange(problem, 1.0, size=(1, 1, 1), treatment="zero", n_spin=2).energy(ground)
    assert hartree + exchange == pytest.approx(0.0, abs=1e-10) and hartree > 0.05


def test_a_hybrid_run_resumes_bit_for_bit():
    atoms = bulk("Si")
    atoms.rattle(0.02, seed=1)
    task = tasks.get("scf")
    params = from_dict(task.params_class(), {"cutoff": 90, "kpts": "2x1x1", "xc": "PBE0", "device": "cpu", "smearing": "none"})
    done = check_task(task.run, params, {"structure": Structure.from_atoms(atoms)}, last_tolerance=3e-4)
    assert sum("resumed" in law for law in done) == 3


@pytest.mark.parametrize("own", [{"total_moment": 1.0}, {"spin": "none", "kpts": "2x1x1", "smearing": "fermi-dirac:0.01eV"}])
def test_points_and_spins_without_electrons_are_no_obstacle(own):
    """One electron per cell: the lower spin is empty, or the point at the edge of the zone is."""
    task = tasks.get("scf")
    params = from_dict(task.params_class(), {"cutoff": 60, "kpts": "1x1x1+0.5,0.5,0.5", "xc": "HSE06", "device": "cpu", "tolerance": 1e-4} | own)
    cell = Structure.from_atoms(Atoms("H", cell=[1.4, 2.4, 2.4], pbc=True) if "spin" in own else Atoms("H", cell=[3, 3, 3], pbc=True))
    result = drain(task.run(params, {"structure": cell}))
    filling = result.values["occupations"]
    assert result.converged and np.isfinite(result.values["stress"]).all()
    assert (filling.max(-1) < 1e-10).any() and (filling.max(-1) > 0.5).any()


def test_bands_added_before_the_operator_is_first_built(monkeypatch):
    """The step that builds it may be one that finds the highest band partly filled."""
    monkeypatch.setattr(scf_module, "_LATEST_FIRST", 2)
    atoms = Structure.from_atoms(Atoms("He", cell=[3, 3, 3], pbc=True))
    task = tasks.get("scf")
    params = from_dict(task.params_class(), {"cutoff": 80, "kpts": "1x1x1+0.5,0.5,0.5", "xc": "HSE06", "device": "cpu", "tolerance": 1e-4, "symmetry": False,
                                             "smearing": "gaussian:5eV"})
    steps = []
    result = drain(task.run(params, {"structure": atoms}), watch=steps.append)
    assert any("bands added" in step.text and "rebuilt" in step.text for step in steps)
    assert result.converged
