"""Collinear spin and core densities: derivatives at fixed plane waves, symmetry between the spins, known atoms and molecules."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from solvers.core.structure import Structure
from solvers.core.units import HARTREE_EV
from solvers.dft import DFT
from solvers.dft import forces as forces_module
from solvers.dft import stress as stress_module
from solvers.dft.calculation import Calculation
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
from solvers.dft.potential import exchange_correlation
from solvers.dft.restart import pack, unpack


class WithCore:
    """A GTH potential with a Gaussian core density of `electrons` and width `width` bohr added."""

    has_core = True

    def __init__(self, pseudo, electrons=1.5, width=0.55):
        self.pseudo, self.electrons, self.width = pseudo, electrons, width

    def __getattr__(self, name):
        return getattr(self.pseudo, name)

    def core(self, q):
        return self.electrons * torch.exp(-0.5 * (q * self.width) ** 2)

    def core_derivative(self, q):
        return -q * self.width**2 * self.core(q)


def five_points(function, h: float) -> float:
    return (function(-2 * h) - 8 * function(-h) + 8 * function(h) - function(2 * h)) / (12 * h)


CASES = {"magnetic insulator at Γ, core": {"symbols": ("C", "O"), "a": 9.0, "moments": (2.0, 1.0), "total_moment": 2.0, "core": True},
         "metal, free moment, core": {"symbols": ("Fe", "C"), "a": 6.6, "smearing": "gaussian", "width": 0.01, "moments": (4.0, 0.0), "core": True},
         "LDA metal": {"symbols": ("Fe", "C"), "a": 6.6, "smearing": "fermi-dirac", "width": 0.01, "moments": (4.0, 0.0), "xc": "LDA"}}
PSEUDOS = {"PBE": {"C": "gth", "O": "gth", "Fe": "GTH-PADE-q8"}, "LDA": {"Fe": "GTH-PADE-q8"}}


@pytest.fixture(scope="module", params=list(CASES))
def solved(request, lab):
    options = dict(CASES[request.param])
    core, moments, total = (options.pop(name, None) for name in ("core", "moments", "total_moment"))
    model = lab.model(pseudos=PSEUDOS[options.get("xc", "PBE")], **options)
    species = tuple(dataclasses.replace(kind, pseudo=WithCore(kind.pseudo)) for kind in model.species[:1]) + model.species[1:] if core else model.species
    model = lab.replace(model, species=species, n_spin=2, moments=np.array(moments), total_moment=total)
    points = {"kpoints": [[0.0, 0.0, 0.0]], "weights": [1.0]} if "Γ" in request.param else {"kpoints": [[0.1, 0.2, 0.3]], "weights": [1.0]}
    basis = lab.basis(model, cutoff=7.0, **points)
    problem = lab.problem(model, basis)
    ground = lab.ground(problem, tolerance=1e-15, max_steps=150)
    assert ground.converged and abs(float(ground.rho[1, 0, 0, 0].real)) * basis.volume > 0.5  # magnetic indeed
    return lab, model, basis, problem, ground


def test_forces_and_stress_with_spin_and_core(solved):
    lab, model, basis, problem, ground = solved
    from solvers.dft.energy import energies
    from solvers.dft.scf import SCFState

    def energy(model, basis):
        other = lab.problem(model, basis)
        found = lab.ground(other, tolerance=1e-15, max_steps=150, state=SCFState(ground.rho * (problem.grid.volume / basis.volume)))
        assert found.converged
        return energies(other, found).free

    def moved(step):
        positions = model.positions.copy()
        positions[0, 1] += step
        return energy(lab.replace(model, positions=positions), basis)

    def strained(step):
        strain = np.eye(3)
        strain[0, 2] += step / 2
        strain[2, 0] += step / 2
        strain[1, 1] += step
        cell = model.cell @ strain
        return energy(lab.replace(model, cell=cell, positions=model.positions @ strain), basis.strained(cell))
    forces, stress = forces_module.forces(problem, ground), stress_module.stress(problem, ground)
    assert abs(forces[0, 1] + five_points(moved, 0.002)) < 2e-6 * np.abs(forces).max() + 1e-7
    assert abs(stress[0, 2] + stress[1, 1] - five_points(strained, 0.0005) / basis.volume) < 2e-8
    assert np.abs(forces).max() > 1e-3 and np.abs(stress).max() > 1e-4


def test_exchange_correlation_stress_of_spins_and_core(solved):
    """At a frozen density: the term itself, core derivative and both channels' gradients included."""
    _, model, basis, problem, ground = solved
    analytic = stress_module.xc_stress(problem, problem.fields(ground.rho)[2]).numpy()
    from solvers.dft.terms.core import core_density
    for i, j in ((0, 0), (1, 2)):
        def energy(step, i=i, j=j):
            strain = np.eye(3)
            strain[i, j] += step / 2
            strain[j, i] += step / 2
            at = basis.strained(model.cell @ strain).grid
            core = core_density(at, list(model.species), torch.from_numpy(model.positions @ strain))
            return exchange_correlation(at, model.functional, ground.rho * (basis.volume / at.volume), core).energy
        assert abs(0.5 * (analytic[i, j] + analytic[j, i]) - five_points(energy, 0.002) / basis.volume) < 1e-9
    assert np.abs(analytic).max() > 1e-4


def run(atoms, **keywords):
    calculation = Calculation(make_plan(Structure.from_atoms(atoms), DFTParams(device="cpu", **keywords)))
    for _ in calculation.run():
        pass
    assert calculation.ground.converged
    return calculation


def test_a_crystal_that_is_not_magnetic_has_the_same_energy_with_spin():
    atoms = bulk("Si", "diamond", a=5.43)
    options = {"cutoff": 150.0, "kpts": "2x2x2", "smearing": ("fermi-dirac", 0.1), "tolerance": 1e-9}
    plain = run(atoms, **options)
    with_spin = run(atoms, spin="collinear", magmoms=(0.5, 0.5), **options)
    assert abs(plain.energies.free - with_spin.energies.free) < 2e-9
    assert np.abs(plain.forces - with_spin.forces).max() < 1e-6 and np.abs(plain.stress - with_spin.stress).max() < 1e-6
    assert abs(with_spin.total_moment) < 1e-3 and any("ended without" in text for text in with_spin.warnings)


def test_hydrogen_and_oxygen_have_their_moments_and_known_energies():
    """Local spin density: H −0.4787 Ha with PW92 (−0.4786 with VWN; S. Kotochigova et al., Phys. Rev. A 55, 191 (1997)) in a large box and basis."""
    hydrogen = run(Atoms("H", cell=[5.5, 5.5, 5.5], pbc=True), xc="LDA", cutoff=22 * HARTREE_EV, tolerance=1e-6)
    assert hydrogen.total_moment == pytest.approx(1.0, abs=1e-6)
    assert hydrogen.energies.free == pytest.approx(-0.4787, abs=4e-3)
    molecule = Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.21]], cell=[4.0, 4.0, 5.0], pbc=True)
    molecule.calc = DFT(cutoff=200.0, smearing=None, device="cpu", tolerance=1e-5)
    assert molecule.get_potential_energy() < 0
    assert molecule.get_magnetic_moment() == pytest.approx(2.0, abs=1e-9) and molecule.get_magnetic_moments() == pytest.approx([1.0, 1.0], abs=0.02)


IRON = {"cutoff": 12 * HARTREE_EV, "pseudos": {"Fe": "GTH-PADE-q8"}, "smearing": ("fermi-dirac", 0.4), "tolerance": 1e-7, "grid": (16, 16, 16), "kpts": "2x2x2"}


def test_iron_its_mirror_image_and_its_fixed_moment():
    atoms = bulk("Fe", "bcc", a=2.87)
    up = run(atoms, **IRON)
    assert 1.0 < up.total_moment < 4.0
    down = run(atoms, magmoms=(-2.3,), **IRON)
    assert down.total_moment == pytest.approx(-up.total_moment, abs=2e-3) and abs(up.energies.free - down.energies.free) < 1e-8
    held = run(atoms, total_moment=up.total_moment, **IRON)
    assert abs(held.energies.free - up.energies.free) < 2e-8
    assert held.total_moment == pytest.approx(up.total_moment, abs=1e-9)
    assert held.ground.fermi_energies == pytest.approx([up.ground.fermi_energy] * 2, abs=1e-3)  # the free moment is where both Fermi energies meet
    other = run(atoms, total_moment=1.0, **IRON)
    assert other.energies.free > held.energies.free + 1e-3 and abs(other.ground.fermi_energies[0] - other.ground.fermi_energies[1]) > 0.01


def test_antiferromagnet_keeps_its_order_and_symmetry_keeps_the_moments():
    """A lattice of hydrogen atoms far enough apart to be radicals, neighbours opposite along one axis."""
    atoms = Atoms("H2", cell=[5.6, 3.4, 3.4], scaled_positions=[[0, 0, 0], [0.5, 0, 0]], pbc=True)
    options = {"cutoff": 200.0, "tolerance": 1e-8, "smearing": ("gaussian", 0.05), "grid": (30, 16, 16)}
    with_symmetry, without = (run(atoms, magmoms=(1.0, -1.0), symmetry=symmetry, **options) for symmetry in (True, False))
    assert len(with_symmetry.plan.group) == 16 and len(make_plan(Structure.from_atoms(atoms), DFTParams(cutoff=200.0, magmoms=(1, 1))).group) == 32
    for one in (with_symmetry, without):
        assert abs(one.total_moment) < 1e-5 and one.absolute_moment > 1.0
        assert one.local_moments[0] == pytest.approx(-one.local_moments[1], abs=1e-4) and one.local_moments[0] > 0.5
    assert abs(with_symmetry.energies.free - without.energies.free) < 4e-9


def test_charged_cell_has_exact_derivatives_and_says_what_is_missing(lab):
    from solvers.dft.energy import energies
    model = lab.replace(lab.model(("Si", "C"), a=8.6, xc="LDA", smearing="gaussian", width=0.02), charge=1.0)
    basis = lab.basis(model, cutoff=6.0, kpoints=[[0.1, 0.2, 0.3]], weights=[1.0])
    problem = lab.problem(model, basis)
    ground = lab.ground(problem)
    assert float(ground.rho[0, 0, 0, 0].real) * basis.volume == pytest.approx(7.0, abs=1e-9)

    def strained(step):
        cell = model.cell * (1 + step)
        other = lab.problem(lab.replace(model, cell=cell, positions=model.positions * (1 + step)), basis.strained(cell))
        return energies(other, lab.ground(other)).free
    stress = stress_module.stress(problem, ground)
    assert abs(np.trace(stress) - five_points(strained, 0.001) / basis.volume) < 2e-8
    plan = make_plan(Structure.from_atoms(bulk("Si", "diamond", a=5.43)), DFTParams(cutoff=150.0, charge=1.0, charged="background"))
    assert plan.n_electrons == 7.0 and any("no correction" in text for text in plan.warnings)


@pytest.mark.parametrize(("charge", "moment"), [(3.0, 2.0), (4.0, 1.0), (0.0, 3.0)])
def test_an_ion_has_no_larger_moment_than_electrons(charge, moment):
    atom = Structure.from_atoms(Atoms("N", cell=[6, 6, 6], pbc=True))
    plan = make_plan(atom, DFTParams(smearing=None, charge=charge, charged="background" if charge else "refuse", cutoff=100.0))
    assert plan.total_moment == moment <= plan.n_electrons


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1)])
def test_a_stored_cycle_goes_on_with_other_batches(lab, sizes):
    """A card takes several k-points at once, and how many depends on its free memory."""
    model = lab.replace(lab.model(smearing="gaussian", width=0.02), n_spin=2, moments=np.array([0.5, 0.2]))
    first, second = (lab.problem(model, lab.basis(model, cutoff=4.0, batch_size=size)) for size in sizes)
    stopped = lab.ground(first, max_steps=4)
    assert not stopped.converged
    state = unpack(pack(stopped.state), second)
    assert [len(X) for X in state.orbitals] == [len(block.batch) for block in second.blocks]
    on, straight = lab.ground(second, state=state, tolerance=1e-12), lab.ground(first, tolerance=1e-12)
    assert on.state.energies[-1] == pytest.approx(straight.state.energies[-1], abs=1e-9)
    assert on.state.accuracies[4] < stopped.state.accuracies[0] * 1e-2
