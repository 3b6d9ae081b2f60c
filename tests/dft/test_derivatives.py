"""Forces and stress are the derivatives of the discrete free energy: five-point differences at fixed integer G, FFT box and fractional k."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.dft import forces as forces_module
from solvers.dft import stress as stress_module
from solvers.dft.potential import exchange_correlation, hartree
from solvers.dft.terms.local import alpha_energy, local_potential

CASES = {"insulator": {}, "metal": {"smearing": "methfessel-paxton"}, "gamma": {"smearing": "fermi-dirac", "xc": "LDA"},
         "carbide": {"symbols": ("Si", "C"), "a": 8.24}}


def five_points(function, h: float) -> float:
    return (function(-2 * h) - 8 * function(-h) + 8 * function(h) - function(2 * h)) / (12 * h)


@pytest.fixture(scope="module", params=list(CASES))
def solved(request, lab):
    model = lab.model(**CASES[request.param])
    points = {"kpoints": [[0.0, 0.0, 0.0]], "weights": [1.0]} if request.param == "gamma" else {}
    basis = lab.basis(model, cutoff=6.0, **points)
    problem = lab.problem(model, basis)
    ground = lab.ground(problem, tolerance=1e-15)
    assert ground.converged
    return lab, model, basis, problem, ground


def test_forces(solved):
    lab, model, basis, problem, ground = solved
    forces = forces_module.forces(problem, ground)
    for atom, axis in ((0, 0), (1, 2)):
        def energy(step, atom=atom, axis=axis):
            positions = model.positions.copy()
            positions[atom, axis] += step
            return lab.free_energy(lab.replace(model, positions=positions), basis)
        assert abs(forces[atom, axis] + five_points(energy, 0.02)) < 2e-6 * np.abs(forces).max() + 3e-8
    assert np.abs(forces).max() > 1e-3


def test_total_stress(solved):
    lab, model, basis, problem, ground = solved
    stress = stress_module.stress(problem, ground)
    for i, j in ((0, 0), (0, 2)):
        def energy(step, i=i, j=j):
            strain = np.eye(3)
            strain[i, j] += step / 2
            strain[j, i] += step / 2
            cell = model.cell @ strain
            return lab.free_energy(lab.replace(model, cell=cell, positions=model.positions @ strain), basis.strained(cell))
        # 3e-9 Ha/bohr³ = 1e-4 GPa: what self-consistency to 1e-15 Ha leaves in a difference of total energies
        assert abs(stress[i, j] - five_points(energy, 0.002) / basis.volume) < 3e-9
    assert np.abs(stress).max() > 1e-4


def test_each_stress_term_at_frozen_orbitals(solved):
    lab, model, basis, problem, ground = solved
    terms = stress_module.stress_terms(problem, ground)
    rho_cell = ground.rho * basis.volume  # what stays fixed: coefficients of the orbitals, hence electrons per cell
    i, j = 0, 1

    def strained(step):
        strain = np.eye(3)
        strain[i, j] += step / 2
        strain[j, i] += step / 2
        cell = model.cell @ strain
        moved = lab.replace(model, cell=cell, positions=model.positions @ strain)
        return moved, basis.strained(cell)

    def density_terms(step):
        moved, at = strained(step)
        import torch
        rho = rho_cell / at.volume
        positions = torch.from_numpy(moved.positions)
        local = at.volume * float(at.grid.dot(local_potential(at.grid, list(model.species), positions), rho)) + alpha_energy(at.grid, list(model.species))
        return {"hartree": hartree(at.grid, rho)[0], "local": local, "xc": exchange_correlation(at.grid, model.functional, rho).energy}

    def orbital_terms(step):
        from dataclasses import replace

        from solvers.dft.energy import energies
        moved, at = strained(step)
        problem = lab.problem(moved, at)
        found = energies(problem, replace(ground, rho=rho_cell / at.volume))
        return {"kinetic": found.kinetic, "nonlocal": found.nonlocal_, "ewald": found.ewald}

    for terms_at in (density_terms, orbital_terms):
        samples = {step: terms_at(step * 0.002) for step in (-2, -1, 1, 2)}
        for name in samples[1]:
            difference = (samples[-2][name] - 8 * samples[-1][name] + 8 * samples[1][name] - samples[2][name]) / (12 * 0.002) / basis.volume
            assert abs(terms[name][i, j] - difference) < 1e-6 * np.abs(terms[name]).max() + 3e-10, name  # 3e-10 Ha/bohr³ = 1e-5 GPa
