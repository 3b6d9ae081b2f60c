"""D3(BJ) and D4 of periodic cells: derivatives, extensivity, known values, and what is refused."""
from __future__ import annotations

import sys

import numpy as np
import pytest

from solvers.core.errors import MissingError, SetupError
from solvers.dft.terms.dispersion import KINDS, PARAMETRISED, check, dispersion

LIBRARIES = {"d3bj": "dftd3", "d3bj-abc": "dftd3", "d4": "dftd4"}


def molecule():
    """Three atoms of a bent molecule in a low-symmetry cell that lets images interact, bohr."""
    cell = np.array([[9.0, 0.4, 0.2], [0.3, 8.5, -0.5], [0.1, 0.6, 9.5]])
    return np.array([6, 8, 1]), np.array([[0.0, 0.0, 0.0], [2.7, 0.1, 0.2], [-0.7, 1.9, 0.3]]) + 2.0, cell


def needed(kind):
    return pytest.importorskip(LIBRARIES[kind], reason=f"{LIBRARIES[kind]} is not installed (extra 'dispersion')")


@pytest.mark.parametrize("kind", KINDS)
def test_forces_and_stress_are_derivatives(kind):
    needed(kind)
    numbers, positions, cell = molecule()
    term = dispersion(kind, "PBE", numbers, positions, cell)
    assert term.name == "dispersion" and -0.1 < term.energy < -3e-4
    assert np.abs(term.forces.sum(0)).max() < 1e-10 and np.abs(term.forces).max() > 1e-5
    h = 5e-3
    for atom, axis in ((0, 0), (2, 1)) if kind != "d4" else ((2, 1),):
        step = np.zeros_like(positions)
        step[atom, axis] = h
        numeric = -(dispersion(kind, "PBE", numbers, positions + step, cell).energy - dispersion(kind, "PBE", numbers, positions - step, cell).energy) / (2 * h)
        assert term.forces[atom, axis] == pytest.approx(numeric, abs=1e-7)
    for i, j in ((0, 0), (1, 2)) if kind != "d4" else ((1, 2),):
        strain = np.zeros((3, 3))
        strain[i, j] += 0.5 * h
        strain[j, i] += 0.5 * h

        def energy(sign, strain=strain):
            deformed = np.eye(3) + sign * strain
            return dispersion(kind, "PBE", numbers, positions @ deformed, cell @ deformed).energy

        volume = np.linalg.det(cell)
        assert term.stress[i, j] == pytest.approx((energy(1) - energy(-1)) / (2 * h) / volume, abs=2e-3 * np.abs(term.stress).max())
    assert np.abs(term.stress).max() > 1e-7


@pytest.mark.parametrize("kind", ["d3bj", "d3bj-abc"])
def test_a_doubled_cell_has_twice_the_energy_and_shifts_do_not_matter(kind):
    needed(kind)
    numbers, positions, cell = molecule()
    term = dispersion(kind, "PBE0", numbers, positions, cell)
    double = dispersion(kind, "PBE0", np.concatenate([numbers, numbers]), np.concatenate([positions, positions + cell[0]]), cell * [[2], [1], [1]])
    assert double.energy == pytest.approx(2 * term.energy, rel=1e-5)
    assert double.stress == pytest.approx(term.stress, rel=1e-4, abs=1e-3 * np.abs(term.stress).max())
    assert dispersion(kind, "PBE0", numbers, positions + [0.3, -1.7, 4.0], cell).energy == pytest.approx(term.energy, rel=1e-5)


def test_two_far_atoms_attract_as_their_published_c6():
    """Two argon atoms 12 bohr apart in a large cell: −C6/R⁶ of D3's C6 = 64.65 Ha bohr⁶ (Ar–Ar, Grimme 2010) and a C8 part of some per cent."""
    needed("d3bj")
    numbers, distance = np.array([18, 18]), 12.0
    cell = np.eye(3) * 90.0
    term = dispersion("d3bj", "PBE", numbers, np.array([[0, 0, 0], [0, 0, distance]], float), cell)
    ratio = term.energy / (-64.6462 / distance**6)
    assert 1.0 < ratio < 1.35


@pytest.mark.parametrize(("kind", "energy"), [("d3bj", -0.01191603 / 2), ("d3bj-abc", -0.01139937 / 2)])
def test_d3_equals_pw_x(kind, energy):
    """Quantum ESPRESSO 6.7, vdw_corr = 'grimme-d3', dftd3_version = 4, dftd3_threebody false and true; "D3 Dispersion" is printed to 1e-8 Ry."""
    needed(kind)
    cell = np.array([[6.0, 0.4, 0.2], [0.3, 7.0, -0.5], [0.1, 0.6, 6.5]])
    positions = np.array([[0.0, 0.0, 0.0], [2.2, 0.1, 0.2], [-1.0, 1.7, 0.3]])
    assert dispersion(kind, "PBE", np.array([6, 8, 1]), positions, cell).energy == pytest.approx(energy, abs=2e-8)


def test_functionals_have_their_own_parameters_and_three_bodies_repel():
    needed("d3bj")
    numbers, positions, cell = molecule()
    energies = {xc: dispersion("d3bj", xc, numbers, positions, cell).energy for xc in PARAMETRISED}
    assert energies.pop("HSE06-PBE") == energies["HSE06"]
    assert len({round(energy, 8) for energy in energies.values()}) == len(energies)
    assert min(energies, key=energies.get) == "revPBE" and max(energies, key=energies.get) == "r2SCAN"
    triples = dispersion("d3bj-abc", "PBE", numbers, positions, cell).energy - energies["PBE"]
    assert 1e-8 < triples < 0.1 * abs(energies["PBE"])


def test_messages(monkeypatch):
    with pytest.raises(SetupError, match="Unknown dispersion correction 'd2'.*d3bj, d3bj-abc, d4"):
        check("d2", "PBE")
    with pytest.raises(SetupError, match="no d3bj parameters for LDA.*PBE, PBEsol"):
        check("d3bj", "LDA")
    for kind, package in LIBRARIES.items():
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.interface", None)
        with pytest.raises(MissingError, match=rf"needs the package {package}.*qcad-workbench\[dispersion\]"):
            check(kind, "PBE")


@pytest.mark.parametrize("kind", KINDS)
def test_an_element_without_data_is_a_sentence(kind):
    needed(kind)
    with pytest.raises(SetupError, match=f"{kind} has no data for the element of atomic number 112.*1 to 103"):
        dispersion(kind, "PBE", np.array([112]), np.zeros((1, 3)), np.eye(3) * 10)


def test_a_calculation_carries_it():
    """Energy, forces, stress of DFT with and without it differ by the term itself; it is named among the energy terms and in the settings."""
    needed("d3bj")
    from ase import Atoms

    from solvers.core.structure import Structure
    from solvers.dft.calculation import Calculation
    from solvers.dft.parallel import Workers
    from solvers.dft.params import DFTParams
    from solvers.dft.plan import make_plan

    atoms = Atoms("H2", positions=[[0, 0, 0], [0.1, 0.2, 0.75]], cell=[3.0, 3.2, 3.4], pbc=True)
    found = {}
    for kind in ("none", "d3bj"):
        params = DFTParams(cutoff=80, smearing="none", dispersion=kind, device="cpu", symmetry=False)
        calculation = Calculation(make_plan(Structure.from_atoms(atoms), params), Workers(1))
        for _ in calculation.run():
            pass
        found[kind] = calculation
    plan = found["d3bj"].plan
    term = dispersion("d3bj", "PBE", np.array([1, 1]), plan.positions, plan.cell)
    assert abs(term.energy) > 1e-4 and plan.settings["dispersion"] == "d3bj"
    assert found["d3bj"].energies.dispersion == pytest.approx(term.energy, rel=1e-12)
    assert found["d3bj"].energies.free - found["none"].energies.free == pytest.approx(term.energy, rel=1e-8)
    assert found["d3bj"].state.energies[-1] == pytest.approx(found["d3bj"].energies.free, abs=1e-8)
    assert found["d3bj"].forces - found["none"].forces == pytest.approx(term.forces, abs=1e-10)
    assert found["d3bj"].stress - found["none"].stress == pytest.approx(term.stress, abs=1e-12)
    with pytest.raises(SetupError, match="no d3bj parameters for LDA"):
        make_plan(Structure.from_atoms(atoms), DFTParams(xc="LDA", dispersion="d3bj"))
