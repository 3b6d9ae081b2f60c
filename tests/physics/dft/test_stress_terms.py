"""Every energy term against its stress and force at frozen orbitals: fixed lists of integer G, fixed box, fixed fractional k."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from solvers.core.structure import Structure
from solvers.core.units import BOHR_ANGSTROM, HARTREE_PER_BOHR3_GPA
from solvers.dft import DFT, basis
from solvers.dft.calculation import build
from solvers.dft.energy import energies
from solvers.dft.stress import stress_terms
from solvers.validate import dft as area
from solvers.validate.cases import dft as cases
from solvers.validate.cases.dft import Case

TRICLINIC = cases.CASES["Si2 triclinic"]
CASES = [
    Case("s and p, PBE", TRICLINIC.cell, TRICLINIC.scaled, ("Si", "C"), 10.0, (1, 1, 2), shift=(0.25, 0.0, 0.5)),
    Case("d, LDA, metal", TRICLINIC.cell * 0.9, TRICLINIC.scaled, ("Cu", "Al"), 12.0, (2, 1, 1), shift=(0.5, 0.3, 0.0), xc="LDA", smearing=("gaussian", 0.03)),
    Case("f, PBE, Γ in reals", TRICLINIC.cell * 1.05, TRICLINIC.scaled, ("Ba", "O"), 12.0, (1, 1, 1)),
]


def five_points(values, h):
    """The derivative at 0 of values at −2h, −h, h, 2h."""
    a, b, c, d = values
    return (a - 8 * b + 8 * c - d) / (12 * h)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def frozen(request):
    """(case, calculation of the unstrained cell, function strain tensor -> energy terms of the same orbitals in the strained cell)."""
    case = request.param
    calculator = DFT(**area.keywords(case, symmetry=False, tolerance=1e-9))
    atoms = case.atoms()
    calculator.calculate(atoms, ("energy",))
    calculation = calculator.calculation
    ground, volume = calculation.ground, calculation.problem.grid.volume
    original = basis.make_sphere

    def terms(strain):
        moved = atoms.copy()
        moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        plan = replace(calculation.plan, structure=Structure.from_atoms(moved), cell=moved.cell.array / BOHR_ANGSTROM,
                       positions=moved.positions / BOHR_ANGSTROM)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(basis, "make_sphere", lambda k, cell, cutoff, shape, half=False: original(k, case.cell, cutoff, shape, half))
            problem = build(plan, calculation.workers)
        scale = volume / problem.grid.volume
        found = energies(problem, replace(ground, rho=ground.rho * scale, rho_in=ground.rho_in * scale))
        return {"kinetic": found.kinetic, "nonlocal": found.nonlocal_,
                "local": found.local + found.alpha, "hartree": found.hartree, "xc": found.xc, "ewald": found.ewald}

    return case, calculation, terms


@pytest.mark.parametrize("axes", [(0, 0), (1, 1), (1, 2), (0, 1)])
def test_every_stress_term(frozen, axes):
    case, calculation, terms = frozen
    analytic = stress_terms(calculation.problem, calculation.ground)
    i, j = axes
    direction = np.zeros((3, 3))
    direction[i, j] += 0.5
    direction[j, i] += 0.5
    h = 4e-4
    values = [terms(step * direction) for step in (-2 * h, -h, h, 2 * h)]
    volume = abs(np.linalg.det(case.cell))
    largest = max(np.abs(term).max() for term in analytic.values()) * HARTREE_PER_BOHR3_GPA
    for name, term in analytic.items():
        numeric = five_points([value[name] for value in values], h) / volume * HARTREE_PER_BOHR3_GPA
        ours = 0.5 * (term[i, j] + term[j, i]) * HARTREE_PER_BOHR3_GPA
        assert ours == pytest.approx(numeric, abs=cases.DERIVATIVE_RELATIVE * largest + cases.DERIVATIVE_STRESS), name
    assert all(np.abs(term).max() > 1e-6 for term in analytic.values())


def test_the_unstrained_terms_are_the_calculation_itself(frozen):
    _, calculation, terms = frozen
    assert sum(terms(np.zeros((3, 3))).values()) == pytest.approx(calculation.energies.free - calculation.energies.entropy, abs=1e-10)
    assert torch.is_tensor(calculation.ground.rho)
