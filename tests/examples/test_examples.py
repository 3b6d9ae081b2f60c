"""The examples: every structure can be calculated, has the symmetry of its crystal, and every recipe is valid; the quick one runs."""
from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import spglib

from solvers import recipes
from solvers.core.bridge import read_structure
from solvers.core.paths import resource
from solvers.core.structure import require_calculable
from solvers.core.trajectory import Trajectory

FOLDER = resource("examples")
ROWS = tomllib.loads((FOLDER / "examples.toml").read_text(encoding="utf-8"))["example"]
STRUCTURES = [row["file"] for row in ROWS if not row["file"].endswith(".toml") and "600K" not in row["file"]]
GROUPS = {"silicon.cif": 227, "aluminium.cif": 225, "copper.cif": 225, "magnesium-oxide.cif": 225, "titanium-nitride.cif": 225, "gamma-prime-ni3al.cif": 221,
          "lithium-cobalt-oxide.cif": 166, "copper-vacancy.extxyz": 221, "aluminium-111-slab.extxyz": 164}


def test_the_list_names_every_file_once():
    names = [row["file"] for row in ROWS]
    assert sorted(names) == sorted(path.name for path in FOLDER.iterdir() if path.name != "examples.toml")
    assert len(set(names)) == len(names) > 8 and all(row["title"] and row["summary"] for row in ROWS)


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_can_be_calculated(name):
    structure = read_structure(FOLDER / name)
    require_calculable(structure)
    atoms = structure.to_atoms()
    found = spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=1e-3)
    assert found.number == GROUPS[name]


def test_the_trajectory_plays():
    trajectory = Trajectory.open(FOLDER / "copper-600K.extxyz")
    assert len(trajectory) == 50 and len(trajectory.frame(-1)) == 32
    energy = trajectory.column("energy")
    assert energy.std() > 0.05 and abs(trajectory.frame(7).get_forces()).max() > 0.1


@pytest.mark.parametrize("path", [*sorted(FOLDER.glob("*.toml")), *sorted(resource("recipes").glob("*.toml"))], ids=lambda path: path.name)
def test_recipes_are_valid(path: Path):
    if path.name == "examples.toml":
        with pytest.raises(Exception, match="no \\[\\[step\\]\\]"):
            recipes.load(path)
    else:
        assert len(recipes.load(path)) >= 3


@pytest.mark.slow
def test_the_quick_recipe_runs(workplace):
    folder, call = workplace
    done = call("-m", "solvers", "run", "resources/examples/copper-emt.toml", "--folder", "out")
    assert done.returncode == 0, done.stderr[-3000:]
    text = (folder / "out" / "copper.inp").read_text(encoding="utf-8")
    assert "*ELASTIC" in text.upper() and "0 K" in text
