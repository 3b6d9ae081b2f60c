"""Recipes are checked whole before anything runs; every refusal names the step."""

import pytest

from solvers import recipes
from solvers.core import paths
from solvers.core.errors import MissingError, ReadError, SetupError

CRYSTAL = '[[step]]\nid = "crystal"\ndo = "build.bulk"\nparams = { symbol = "Cu", structure = "fcc", a = 3.6 }\n'


def write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text, kind, message",
    [
        ("not toml [", ReadError, "is not a recipe"),
        ("x = 1\n", ReadError, r"holds no \[\[step\]\] table"),
        ('[[step]]\nid = "a"\n', SetupError, "Step 1 of the recipe needs id and do"),
        (CRYSTAL + CRYSTAL, SetupError, r"Step 2 \(crystal\) repeats the id"),
        (CRYSTAL + '[[step]]\nid = "b"\ndo = "relaks"\nfrom = "crystal"\n', MissingError, r"Step 2 \(b\): There is no task 'relaks'.*Did you mean 'relax'"),
        (CRYSTAL + '[[step]]\nid = "b"\ndo = "relax"\nfrom = "cristal"\n', SetupError, "'cristal', which is neither an earlier step nor a file.*crystal"),
        (CRYSTAL + '[[step]]\nid = "b"\ndo = "build.bulkk"\n', SetupError, "There is no builder 'bulkk'"),
        (CRYSTAL + '[[step]]\nid = "b"\ndo = "relax"\nfrom = "crystal"\ncalculator = "crystal"\n', SetupError, "which has none"),
        (CRYSTAL + '[[step]]\nid = "b"\ndo = "export"\nfrom = "crystal"\nparams = { to = "abaqus" }\n', SetupError, "needs the parameter 'output'"),
        (CRYSTAL + 'sourse = "x"\n', SetupError, "unknown key 'sourse'"),
        (CRYSTAL + '[[step]]\nid = "b"\ndo = "relax"\nfrom = "crystal"\ncalculator = "ent"\n', MissingError, r"Step 2 \(b\):.*Did you mean 'emt'"),
        (
            CRYSTAL + '[[step]]\nid = "b"\ndo = "relax"\nfrom = "crystal"\ncalculator = { name = "dft", params = { cutof = 300 } }\n',
            SetupError,
            r"Step 2 \(b\): Unknown parameter 'cutof'.*Did you mean 'cutoff'",
        ),
    ],
)
def test_refusals_name_the_step(tmp_path, text, kind, message):
    with pytest.raises(kind, match=message):
        recipes.load(write(tmp_path, text))


def test_missing_and_wrong_files(tmp_path):
    with pytest.raises(MissingError, match="There is no recipe"):
        recipes.load(tmp_path / "none.toml")
    with pytest.raises(ReadError, match="is a folder"):
        recipes.load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReadError, match="is not a recipe"):
        recipes.load(tmp_path / "binary.toml")


def test_the_demo_is_a_valid_recipe():
    steps = recipes.load(paths.resource("recipes", "demo.toml"))
    assert [step.do for step in steps] == ["build.bulk", "relax", "elastic", "export", "export"]


def test_a_structure_file_is_looked_for_beside_its_recipe_wherever_the_outputs_go(tmp_path, monkeypatch):
    from ase.build import bulk

    home, elsewhere = tmp_path / "recipes", tmp_path / "outputs"
    home.mkdir()
    elsewhere.mkdir()
    bulk("Cu").write(home / "copper.extxyz")
    text = '[[step]]\nid = "twice"\ndo = "build.supercell"\nfrom = "copper.extxyz"\nparams = { size = "2x1x1" }\n'
    steps = recipes.load(write(home, text))
    monkeypatch.chdir(elsewhere)
    assert len(recipes.run(steps, elsewhere, start=None, say=lambda line: None)["twice"].structure) == 2
