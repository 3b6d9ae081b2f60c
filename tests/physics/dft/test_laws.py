"""Laws of the discretised functional: symmetry, rigid shifts, derivatives at a fixed list of plane waves."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solvers.core.units import BOHR_ANGSTROM, HARTREE_PER_BOHR3_GPA
from solvers.dft import basis
from solvers.dft.grid import FFTGrid
from solvers.dft.pseudo.library import entry
from solvers.validate import dft as area
from solvers.validate import table
from solvers.validate.cases import dft as cases
from solvers.validate.cases.dft import Case
from solvers.validate.peers.potential_files import linear_mesh, on_mesh, psp8_text, with_density

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


def test_derivatives_with_core_spin_u_and_dispersion_together(tmp_path, monkeypatch):
    """Along one displacement of all atoms and one strain that has every component, so that each term and each cross term counts."""
    pytest.importorskip("dftd3", reason="dftd3 is not installed (extra 'dispersion')")
    with_core = replace(entry("Si", "PBE"), core=((0.45, (4.0, -1.0)),))
    file = tmp_path / "Si.psp8"
    file.write_text(psp8_text(with_density(on_mesh(with_core, linear_mesh(0.01, 8.0)))))
    case = replace(INSULATOR, name="everything", cutoff=9.0, kpts=(1, 1, 1), shift=(0.25, 0.4, 0.5), pseudos={"Si": str(file)}, smearing=("gaussian", 0.01),
                   moments=(0.5, 2.0))
    more = {"symmetry": False, "tolerance": 1e-13, "hubbard": "C-2p=4.0", "hubbard_projection": "ortho-atomic", "dispersion": "d3bj", "total_moment": 2.0}
    mine = area.ours(case, **more)
    assert mine["moment"] == pytest.approx(2.0)
    rng = np.random.default_rng(5)
    shift, strain = rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
    shift, strain = shift / np.linalg.norm(shift), (strain + strain.T) / 4

    def moved(h):
        atoms = case.atoms()
        atoms.positions += h * BOHR_ANGSTROM * shift
        return area.ours(case, mine["box"], atoms, derivatives=False, **more)["energy"]
    slope = -float((mine["forces"] * shift).sum())
    assert abs(slope) > 1e-3
    assert slope == pytest.approx(five_points(moved, 0.003), abs=cases.DERIVATIVE_RELATIVE * np.abs(mine["forces"]).max() + cases.DERIVATIVE_FORCE)

    original = basis.make_sphere
    monkeypatch.setattr(basis, "make_sphere", lambda k, cell, cutoff, shape, half=False: original(k, case.cell, cutoff, shape, half))
    inside = FFTGrid(case.cell, mine["box"], case.cutoff).mask  # the density's set of G too: a core density does not end before it
    monkeypatch.setattr(FFTGrid, "_sphere", lambda grid: inside)

    def strained(h):
        atoms = case.atoms()
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + h * strain), scale_atoms=True)
        return area.ours(case, mine["box"], atoms, derivatives=False, **more)["energy"]
    # wide steps: pairs that cross the cutoff radii of D3 make its energy jump by 1e-8 Ha
    numeric = five_points(strained, 6e-3) / abs(np.linalg.det(case.cell)) * HARTREE_PER_BOHR3_GPA
    largest = np.abs(mine["stress"]).max()
    assert (mine["stress"] * strain).sum() == pytest.approx(numeric, abs=cases.DERIVATIVE_RELATIVE * largest + cases.DERIVATIVE_STRESS)
    plain = area.ours(case, mine["box"], symmetry=False, tolerance=1e-13, total_moment=2.0)
    assert np.abs(plain["forces"] - mine["forces"]).max() > 1e-4 and np.abs(plain["stress"] - mine["stress"]).max() > 0.01
