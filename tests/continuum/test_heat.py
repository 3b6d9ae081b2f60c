"""The specific heat of phonons on its way into a material, its file and its decks."""
from __future__ import annotations

import sys

import numpy as np
import pytest
from ase.build import bulk

from solvers.continuum import Material
from solvers.continuum.heat import SpecificHeat
from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import ReadError, RefusedError, SetupError
from solvers.core.job import Result, drain
from solvers.core.structure import Structure
from solvers.core.units import AVOGADRO, BOLTZMANN_SI
from solvers.phonons.params import PhononParams
from solvers.phonons.task import phonons


@pytest.fixture(scope="module")
def copper():
    result = drain(phonons(PhononParams(supercell="2x2x2", mesh=20.0, t_max=600.0, t_step=100.0, check_displacement=False),
                           {"structure": Structure.from_atoms(bulk("Cu", "fcc", a=3.59)), "calculator": CalculatorSpec("emt")}))
    stiffness = 1e9 * (np.diag([176.0, 176, 176, 82, 82, 82]) + np.pad(125.0 * (1 - np.eye(3)), (0, 3)))
    return result, Material(stiffness=stiffness, density=8960.0, name="Cu").with_specific_heat(result, run="job-7")


def test_phonons_leave_the_recursion_limit_alone(copper):
    """A library raises it a hundredfold; readers of nested JSON rely on it."""
    assert "symfc" in sys.modules and sys.getrecursionlimit() < 20_000


def test_rows_unit_and_origin(copper):
    result, material = copper
    heat = material.specific_heat
    np.testing.assert_array_equal(heat.temperatures, np.arange(0.0, 601.0, 100.0))
    limit = 3 * BOLTZMANN_SI * AVOGADRO / 63.546e-3  # Dulong and Petit
    assert heat.values[0] < 1e-6 and 0.9 * limit < heat.at(300.0) < heat.values[-1] < limit
    assert "constant volume" in heat.origin and "emt" in heat.origin and "job-7" in heat.origin
    assert f"{heat.at(300.0):.2f} J/(kg K) at 300 K" in material.table()
    with pytest.raises(SetupError, match="outside the table of the specific heat, 0 to 600 K"):
        heat.at(700.0)


@pytest.mark.parametrize("program", ["calculix", "abaqus"])
@pytest.mark.parametrize("units, factor", [("SI", 1.0), ("mm-t-s", 1e6)])
def test_decks_hold_it_in_their_units(copper, tmp_path, program, units, factor):
    _, material = copper
    text = material.export(str(tmp_path / "cu.inp"), format=program, units=units, orientation="[110],[001]")
    rows = text.split("*SPECIFIC HEAT\n")[1].split("*")[0].strip().splitlines()
    assert len(rows) == 7
    value, temperature = map(float, rows[3].split(","))
    assert temperature == 300.0 and value == pytest.approx(factor * material.specific_heat.at(300.0), rel=1e-12)


def test_the_file_gives_it_back_and_old_files_have_none(copper, tmp_path):
    _, material = copper
    material.save(str(tmp_path / "cu.json"))
    again = Material.load(str(tmp_path / "cu.json")).specific_heat
    np.testing.assert_array_equal(again.values, material.specific_heat.values)
    assert again.origin == material.specific_heat.origin
    plain = Material(stiffness=material.stiffness)
    assert "specific_heat" not in plain.to_dict() and Material.from_dict(plain.to_dict()).specific_heat is None
    broken = {**material.to_dict(), "specific_heat": {"temperatures_k": [1, 0], "j_per_kg_k": [1, 1], "origin": ""}}
    with pytest.raises(ReadError, match="cannot be"):
        Material.from_dict(broken)


def test_what_is_no_heat_is_refused():
    values = {"temperatures": np.array([100.0]), "specific_heat": np.array([300.0])}
    with pytest.raises(RefusedError, match="imaginary modes"):
        SpecificHeat.of_phonons(Result(values, settings={"stable": False}))
    with pytest.raises(RefusedError, match="did not converge"):
        SpecificHeat.of_phonons(Result(values, converged=False, settings={"stable": True}))
    with pytest.raises(SetupError, match="no specific heat"):
        SpecificHeat.of_phonons(Result({}))
