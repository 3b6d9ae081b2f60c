"""Laws of the discretised functional: symmetry, rigid shifts, derivatives at a fixed list of plane waves."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.core.units import BOHR_ANGSTROM, HARTREE_PER_BOHR3_GPA
from solvers.dft import basis
from solvers.validate import dft as area
from solvers.validate import table
from solvers.validate.cases import dft as cases
from solvers.validate.cases.dft import Case

TRICLINIC = cases.CASES["Si2 triclinic"]
INSULATOR = Case("insulator", TRICLINIC.cell, TRICLINIC.scaled, ("Si", "C"), 12.0, (1, 1, 2), shift=(0.25, 0.0, 0.5), xc="PBE", forces=True)
METAL = Case("metal", TRICLINIC.cell * 0.8, TRICLINIC.scaled, ("Al", "Al"), 8.0, (2, 1, 1), shift=(0.5, 0.3, 0.0), xc="LDA", smearing=("fermi-dirac", 0.02),
             forces=True)
COLD = Case("cold", METAL.cell, METAL.scaled, ("Al", "Si"), 8.0, (2, 1, 1), shift=(0.5, 0.3, 0.0), smearing=("cold", 0.02), forces=True)


@pytest.mark.parametrize("case", cases.SYMMETRY_CASES, ids=lambda case: case.name)
def test_symmetry_changes_nothing(case):
    row = area.symmetry_row(case)
    assert row.passed, "\n" + table([row])


def test_egg_box_of_silicon():
    rows = list(area.egg_box_rows(cases.CASES["Si2 any origin"]))
    assert all(row.passed for row in rows), "\n" + table(rows)
    assert max(abs(row.difference) for row in rows) > 1e-14  # something moved


def energy(case, atoms, box):
    return area.ours(case, box, atoms, derivatives=False, symmetry=False, tolerance=1e-13)["energy"]


def five_points(f, h):
    return (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h)


@pytest.mark.parametrize("case", [INSULATOR, METAL, COLD], ids=lambda case: case.name)
def test_forces_are_the_derivative_of_the_free_energy(case):
    mine = area.ours(case, symmetry=False, tolerance=1e-13)
    largest = np.abs(mine["forces"]).max()
    assert largest > 1e-3
    for atom, axis in ((0, 0), (0, 2), (1, 1)):
        def moved(h, atom=atom, axis=axis):
            atoms = case.atoms()
            atoms.positions[atom, axis] += h * BOHR_ANGSTROM
            return energy(case, atoms, mine["box"])
        assert mine["forces"][atom, axis] == pytest.approx(-five_points(moved, 0.003), abs=cases.DERIVATIVE_RELATIVE * largest + cases.DERIVATIVE_FORCE)


@pytest.mark.parametrize("case", [INSULATOR, METAL], ids=lambda case: case.name)
def test_stress_is_the_derivative_at_fixed_plane_waves(case, monkeypatch):
    """Integer G, box and fractional k stay those of the unstrained cell: the spheres are chosen in it whatever cell asks."""
    mine = area.ours(case, symmetry=False, tolerance=1e-13)
    original = basis.make_sphere
    monkeypatch.setattr(basis, "make_sphere", lambda k, cell, cutoff, shape, half=False: original(k, case.cell, cutoff, shape, half))
    largest = np.abs(mine["stress"]).max()
    for i, j in ((0, 0), (2, 2), (0, 1), (1, 2)):
        def strained(h, i=i, j=j):
            strain = np.eye(3)
            strain[i, j] += h / 2
            strain[j, i] += h / 2
            atoms = case.atoms()
            atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            return energy(case, atoms, mine["box"])
        numeric = five_points(strained, 2e-3) / abs(np.linalg.det(case.cell)) * HARTREE_PER_BOHR3_GPA
        assert mine["stress"][i, j] == pytest.approx(numeric, abs=cases.DERIVATIVE_RELATIVE * largest + cases.DERIVATIVE_STRESS)
