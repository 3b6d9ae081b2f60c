"""DFT+U and populations: derivatives at frozen orbitals, the operator as derivative of the energy, symmetry, self-consistency, refusals."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from solvers.core.errors import SetupError
from solvers.dft import forces as forces_module
from solvers.dft.eigen.algebra import orthonormalise
from solvers.dft.energy import energies
from solvers.dft.hubbard import Hubbard
from solvers.dft.local_orbitals import LocalOrbitals, shell_label
from solvers.dft.params_hubbard import HubbardU
from solvers.dft.populations import populations
from solvers.dft.site_occupations import block_weights
from solvers.dft.site_symmetry import harmonic_rotations
from solvers.dft.start import random_rows
from solvers.dft.symmetry import SpaceGroup

PARAMETERS = {"Si": {"3p": 0.2}, "C": {"2p": 0.3}}


def frozen(problem):
    """Some orthonormal orbitals with fractional occupations, different for every block."""
    orbitals = [orthonormalise(random_rows(block.batch, 5, 11 + i)) for i, block in enumerate(problem.blocks)]
    S, K = problem.model.n_spin, len(problem.basis.kpoints)
    occupations = torch.linspace(1.0, 0.3, 5, dtype=torch.float64).expand(S, K, 5) * torch.tensor([1.0, 0.7])[:S, None, None] * (2 / S)
    return SimpleNamespace(orbitals=orbitals, occupations=occupations.clone())


@pytest.fixture(scope="module", params=["k", "gamma", "spin"])
def carbide(request, lab):
    model = lab.replace(lab.model(("Si", "C"), a=8.24), n_spin=2 if request.param == "spin" else 1)
    points = {"kpoints": [[0.0, 0.0, 0.0]], "weights": [1.0]} if request.param == "gamma" else {}
    basis = lab.basis(model, cutoff=5.0, **points)
    return lab, model, basis, frozen(lab.problem(model, basis))


def five_points(function, h: float) -> float:
    return (function(-2 * h) - 8 * function(-h) + 8 * function(h) - function(2 * h)) / (12 * h)


@pytest.mark.parametrize("projection", ["atomic", "ortho-atomic"])
def test_forces_and_stress_at_frozen_orbitals(carbide, projection):
    lab, model, basis, ground = carbide

    def term(model, basis):
        return Hubbard(lab.problem(model, basis), PARAMETERS, projection, n_spin=model.n_spin)
    here = term(model, basis)
    forces, stress = here.forces(ground), here.stress(ground)

    def moved(step):
        positions = model.positions.copy()
        positions[1, 2] += step
        return term(lab.replace(model, positions=positions), basis).energy(ground)

    def strained(step):
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = step / 2
        cell = model.cell @ strain
        return term(lab.replace(model, cell=cell, positions=model.positions @ strain), basis.strained(cell)).energy(ground)
    assert abs(float(forces[1, 2]) + five_points(moved, 0.01)) < 2e-8 + 1e-6 * float(forces.abs().max())
    assert abs(float(stress[0, 1]) - five_points(strained, 0.002) / basis.volume) < 1e-11 + 1e-6 * float(stress.abs().max())
    assert float(forces[1, 2].abs()) > 1e-5 and float(stress[0, 1].abs()) > 1e-8
    assert float((stress - stress.T).abs().max()) < 1e-12


def test_the_operator_is_the_derivative_of_the_energy(carbide):
    lab, model, basis, ground = carbide
    problem = lab.problem(model, basis)
    term = Hubbard(problem, PARAMETERS, n_spin=model.n_spin)
    unknowns = term.output(ground.orbitals, ground.occupations)
    term.update(unknowns, None)
    changes = [random_rows(block.batch, 5, 97) * 0.01 for block in problem.blocks]
    analytic = 0.0
    for block, X, change, weights in zip(problem.blocks, ground.orbitals, changes, block_weights(problem, ground.occupations), strict=True):
        image = torch.zeros_like(X)
        term.add(block.batch, block.spin, X, image)
        analytic += float((2 * weights[..., None] * (change.conj() * image).real).sum())

    def energy(step):
        return term.energy(SimpleNamespace(orbitals=[X + step * c for X, c in zip(ground.orbitals, changes, strict=True)], occupations=ground.occupations))
    assert abs(five_points(energy, 0.05) - analytic) < 1e-9 and abs(analytic) > 1e-5
    # E − ⟨V, n⟩: the band energy counts ⟨V, n⟩
    potential = 0.0
    for block, X, weights in zip(problem.blocks, ground.orbitals, block_weights(problem, ground.occupations), strict=True):
        image = torch.zeros_like(X)
        term.add(block.batch, block.spin, X, image)
        potential += float((weights[..., None] * (X.conj() * image).real).sum())
    assert term.double_counting() == pytest.approx(term.energy(ground) - potential, abs=1e-12)


def test_populations_sum_up(carbide):
    lab, model, basis, ground = carbide
    problem = lab.problem(model, basis)
    found = populations(problem, ground.orbitals, ground.occupations)
    held = float(sum(weights.sum() for weights in block_weights(problem, ground.occupations)))
    assert 0.0 < found.electrons.sum() < held
    assert found.spilling == pytest.approx(1 - found.electrons.sum() / model.n_electrons)
    assert (np.abs(found.moments) > 1e-3).all() if model.n_spin == 2 else not found.moments.any()
    assert {members.name for members in found.sets} == {"Si-3s", "Si-3p", "C-2s", "C-2p"}


def test_atomic_orbitals_hold_themselves(lab):
    model = lab.model(("Si", "C"), a=20.0)
    basis = lab.basis(model, cutoff=6.0, kpoints=[[0.1, 0.2, 0.3]], weights=[1.0])
    problem = lab.problem(model, basis)
    local = LocalOrbitals(list(model.species), basis.volume, problem.hamiltonian.fractional)
    rows = local.values(basis.batches[0])
    norms = torch.linalg.vector_norm(rows[0], dim=-1)
    assert (norms < 1.0 + 1e-6).all() and (norms > 0.9).all()
    charges = populations(problem, [orthonormalise(rows)], torch.full((1, 1, len(rows[0])), 2.0, dtype=torch.float64)).electrons
    assert charges == pytest.approx([8.0, 8.0], abs=1e-9)  # four full orbitals each


def test_rotations_of_harmonics_are_a_representation():
    group = SpaceGroup.find(np.diag([5.0, 5.0, 5.0]), np.zeros((1, 3)), np.array([1]))
    R = group.cartesian
    for l in range(4):
        D = harmonic_rotations(R, l)
        assert np.abs(D @ D.transpose(0, 2, 1) - np.eye(2 * l + 1)).max() < 1e-12
        product = harmonic_rotations((R[5] @ R[17])[None], l)[0]
        assert np.abs(D[5] @ D[17] - product).max() < 1e-12
    cyclic = [1, 2, 0]  # l = 1 is ordered y, z, x
    assert np.abs(harmonic_rotations(R, 1) - R[:, cyclic][:, :, cyclic]).max() < 1e-12


def test_symmetry_changes_nothing(lab):
    """Diamond off the origin, ground state with U: irreducible k-points and the whole mesh give the same energy and occupations."""
    cell = 0.5 * 10.26 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]])
    scaled = np.array([[0.03, 0.05, 0.07], [0.28, 0.30, 0.32]])
    model = lab.replace(lab.model(), cell=cell, positions=scaled @ cell)
    found = []
    for group in (SpaceGroup.find(cell, model.positions, np.array([14, 14])), SpaceGroup.identity(cell, model.positions, True)):
        kpoints, weights = group.compatible_with((2, 2, 2)).irreducible((2, 2, 2))
        problem = lab.problem(model, lab.basis(model, 4.0, kpoints, weights), group=group)
        problem.add(Hubbard(problem, {"Si": {"3p": 0.2}}))
        ground = lab.ground(problem, tolerance=1e-12)
        found.append((len(kpoints), energies(problem, ground).free, problem.terms[0].final_matrices(ground)[0]))
    assert found[0][0] < found[1][0]
    assert abs(found[0][1] - found[1][1]) < 1e-9
    assert float((found[0][2] - found[1][2]).abs().max()) < 1e-5
    assert found[0][2].diagonal(dim1=-2, dim2=-1).min() > 0.1


def test_forces_of_the_ground_state_are_the_slope_of_its_energy(lab):
    model = lab.model(("Si", "C"), a=8.24)
    basis = lab.basis(model, cutoff=4.0, kpoints=[[0.1, 0.2, 0.3]], weights=[1.0])

    def solved(model):
        problem = lab.problem(model, basis)
        problem.add(Hubbard(problem, PARAMETERS))
        ground = lab.ground(problem, tolerance=1e-13)
        assert ground.converged
        return problem, ground

    def energy(step):
        positions = model.positions.copy()
        positions[0, 0] += step
        return energies(*solved(lab.replace(model, positions=positions))).free
    problem, ground = solved(model)
    forces = forces_module.forces(problem, ground)
    assert abs(forces[0, 0] + five_points(energy, 0.02)) < 1e-6 and abs(forces[0, 0]) > 1e-3
    assert energies(problem, ground).extra > 0.05


def test_the_start_is_polarised_as_far_as_the_shell_allows(lab):
    model = lab.replace(lab.model(("Si", "C"), a=8.24), n_spin=2)
    problem = lab.problem(model, lab.basis(model, cutoff=4.0))
    term = Hubbard(problem, PARAMETERS, moments=np.array([1.0, -5.0]), n_spin=2)
    matrices = term.unflatten(term.start(None))
    traces = [matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[:, 0] for matrix in matrices]
    assert (traces[0][0] - traces[0][1], traces[1][0] - traces[1][1]) == (pytest.approx(1.0), pytest.approx(-2.0))  # two p electrons cannot carry five
    assert [float(trace.sum()) for trace in traces] == [pytest.approx(2.0), pytest.approx(2.0)]


def test_text_forms():
    assert str(HubbardU.coerce("O-2p=2, Ni-3d=5.0eV")) == "Ni-3d=5.0,O-2p=2.0"
    assert HubbardU.coerce({"Ni": {"3d": 5}}) == HubbardU.coerce({"Ni-3d": 5.0}) == HubbardU.coerce("Ni-3d=5")
    assert HubbardU.coerce("Ni-3d=5").nested(0.5) == {"Ni": {"3d": 2.5}}
    for wrong, words in (("Ni-3d", "without a value"), ("Ni=5", "not a shell"), ("Ni-3d=abc", "not a number"), ("Ni-3d=99", "out of range"),
                         ("Ni-3d=1,Ni-3d=2", "twice"), (7, "not understood")):
        with pytest.raises(SetupError, match=words):
            HubbardU.coerce(wrong)


def test_shells_that_do_not_exist_are_named(lab):
    model = lab.model(("Si", "C"), a=8.24)
    problem = lab.problem(model, lab.basis(model, cutoff=4.0))
    with pytest.raises(SetupError, match="Si-3d.*no such orbital") as caught:
        Hubbard(problem, {"Si": {"3d": 0.1}})
    assert "Si-3p" in caught.value.hint
    with pytest.raises(SetupError, match="does not contain"):
        Hubbard(problem, {"Ni": {"3d": 0.1}})
    with pytest.raises(SetupError, match="Allowed|projection"):
        Hubbard(problem, PARAMETERS, "pseudo")


NAMES = [("Si", 0, 0, 1, "3s"), ("Ni", 2, 0, 1, "3d"), ("Ni", 0, 0, 2, "3s"), ("Ni", 0, 1, 2, "4s"), ("Ga", 2, 0, 1, "3d"), ("Ce", 3, 0, 1, "4f"),
         ("Au", 2, 0, 1, "5d"), ("Mg", 1, 0, 1, "2p")]


@pytest.mark.parametrize(("symbol", "l", "index", "count", "label"), NAMES)
def test_shells_have_the_names_of_the_neutral_atom(symbol, l, index, count, label):
    assert shell_label(symbol, l, index, count) == label


def test_plans_speak_of_u_that_cannot_work():
    from ase.build import bulk

    from solvers.core.structure import Structure
    from solvers.dft.params import DFTParams
    from solvers.dft.plan import make_plan
    titanium = Structure.from_atoms(bulk("Ti", "fcc", a=4.1))
    common = {"cutoff": 200, "pseudos": "Ti=GTH-PADE-q4"}
    assert any("without spin polarisation" in note for note in make_plan(titanium, DFTParams(hubbard="Ti-3d=3", **common)).warnings)
    assert not any("without spin polarisation" in note for note in make_plan(titanium, DFTParams(hubbard="Ti-3d=3", spin="collinear", **common)).warnings)
    with pytest.raises(SetupError, match="hubbard names Ni"):
        make_plan(titanium, DFTParams(hubbard="Ni-3d=3", **common))
    assert make_plan(titanium, DFTParams(hubbard="Ti-3d=3", **common)).settings["hubbard"] == "Ti-3d=3.0"
