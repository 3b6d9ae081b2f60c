"""The dipole correction: forces and stress are derivatives of its energy, the vacuum becomes flat, distant images are felt no more."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from solvers.core.errors import SetupError
from solvers.core.structure import Structure
from solvers.dft.calculation import Calculation
from solvers.dft.parallel import Workers
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
from solvers.dft.surface import find_vacuum, height, planar_average, vacuum_levels


def molecule(length=11.0, shift=(0.0, 0.0, 0.0), strain=None, tilt=0.0):
    """LiH lying askew in a box: a sheet of dipoles whose step in the potential (about 3 eV) is too small to pull electrons out."""
    atoms = Atoms("LiH", positions=[[1.6, 1.7, 3.0], [3.1, 1.6, 3.4]], cell=[[4.4, 0, 0], [0.3, 4.5, 0], [tilt, 0, length]], pbc=True)
    atoms.positions[1] += shift
    if strain is not None:
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return atoms


def run(atoms, dipole="c", **own):
    potentials = {"pseudos": {"Li": "GTH-PADE-q1"}} if "Li" in atoms.symbols else {}
    params = DFTParams(**{"cutoff": 200, "xc": "LDA", "smearing": "none", "tolerance": 1e-11, "symmetry": False, "device": "cpu", "dipole": dipole,
                          **potentials, **own})
    calculation = Calculation(make_plan(Structure.from_atoms(atoms), params), Workers(1))
    for _ in calculation.run():
        pass
    assert calculation.ground.converged
    return calculation


@pytest.fixture(scope="module")
def corrected():
    return run(molecule())


def profile(calculation):
    problem = calculation.problem
    _, hartree, _ = problem.fields(calculation.ground.rho)
    potential = planar_average(problem.grid.to_real(problem.v_local + hartree).numpy(), 2)
    return vacuum_levels(potential, find_vacuum(problem.model.cell, problem.model.fractional, 2), height(problem.model.cell, 2))


def test_energy_terms_sum_to_the_energy_of_the_cycle(corrected):
    dipole, rho = corrected.problem.dipole, corrected.ground.rho[0]
    energy = 2 * np.pi / corrected.problem.grid.volume * dipole.moment(rho) ** 2
    assert energy > 3e-4
    assert corrected.energies.free == pytest.approx(corrected.state.energies[-1], abs=1e-9)


def test_forces_are_the_derivative(corrected):
    step = 0.004
    box = {"grid": corrected.plan.shape}
    for axis in (0, 2):
        shift = np.eye(3)[axis] * step
        plus, minus = (run(molecule(shift=sign * shift), **box).energies.free for sign in (1, -1))
        from solvers.core.units import BOHR_ANGSTROM
        numeric = -(plus - minus) / (2 * step / BOHR_ANGSTROM)
        assert corrected.forces[1, axis] == pytest.approx(numeric, abs=2e-6)
    assert np.abs(corrected.problem.dipole.forces(corrected.ground.rho[0]) + corrected.problem.dipole.ion_forces).max() > 1e-3


def test_stress_is_the_derivative(corrected):
    step, volume = 2e-3, corrected.problem.grid.volume
    from solvers.dft.basis import Basis
    from solvers.dft.problem import Problem
    from solvers.dft.scf import SCFState, self_consistency
    for a, b in ((0, 0), (2, 2)):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] = sign * step
            old = corrected.problem
            cell = old.model.cell @ (np.eye(3) + strain)
            model = replace(old.model, cell=cell, positions=old.model.positions @ (np.eye(3) + strain))
            problem = Problem(model, Basis.strained(old.basis, cell), corrected.workers)
            problem.correct_dipole(2, find_vacuum(cell, model.fractional, 2).middle)
            cycle = self_consistency(problem, SCFState(corrected.ground.rho * (volume / problem.grid.volume)), tolerance=1e-12, max_steps=60)
            while True:
                try:
                    next(cycle)
                except StopIteration as stop:
                    ground = stop.value
                    break
            from solvers.dft.energy import energies as terms
            energies.append(terms(problem, ground).free)
        numeric = (energies[0] - energies[1]) / (2 * step) / volume
        assert corrected.stress[a, b] == pytest.approx(numeric, abs=2e-7)


def test_the_vacuum_is_flat_and_the_levels_differ_by_the_dipole(corrected):
    levels, bare = profile(corrected), profile(run(molecule(), dipole="none"))
    assert abs(levels.slope_upper) < 2e-4 and abs(levels.slope_lower) < 2e-4
    assert abs(bare.slope_upper) > 20 * abs(levels.slope_upper)
    model = corrected.problem.model
    area = corrected.problem.grid.volume / height(model.cell, 2)
    jump = 4 * np.pi * corrected.problem.dipole.moment(corrected.ground.rho[0]) / area
    # an electron is repelled where negative charge (hydrogen) faces the vacuum
    assert levels.upper - levels.lower == pytest.approx(-jump, rel=0.01) and levels.upper > levels.lower


def test_the_energy_does_not_depend_on_the_vacuum_nor_on_a_tilt_of_the_cell(corrected):
    def energy(dipole, length):
        return run(molecule(length), dipole=dipole, tolerance=1e-8, cutoff=300).energies.free
    with_it = abs(energy("c", 15.0) - energy("c", 10.0))
    without = abs(energy("none", 15.0) - energy("none", 10.0))
    assert with_it < 0.1 * without and without > 1e-4
    tilted = run(molecule(tilt=1.1), tolerance=1e-8)
    assert tilted.energies.free == pytest.approx(corrected.energies.free, abs=2e-4)  # another set of plane waves


def test_a_symmetric_slab_is_left_alone_and_a_charged_or_full_cell_refused():
    atoms = Atoms("H2", positions=[[1.5, 1.5, 4.0], [1.5, 1.5, 4.75]], cell=[3, 3, 9], pbc=True)
    on, off = (run(atoms, dipole=dipole, tolerance=1e-9).energies.free for dipole in ("c", "none"))
    assert on == pytest.approx(off, abs=1e-9)
    with pytest.raises(SetupError, match="charge of 1 e"):
        run(atoms, charge=1.0, charged="background", smearing="fermi-dirac:0.1eV")
    with pytest.raises(SetupError, match="widest layer without atoms along a is"):
        run(atoms, dipole="a")
