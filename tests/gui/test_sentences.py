"""What the engine says in the window's language: every entry is a sentence of the engine, its values stand in the translation, and what users meet most
is there."""
from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from qcad_gui import messages, sentences, translate
from solvers.core.paths import resource

ENGINE = Path(__file__).resolve().parents[2] / "solvers"
LANGUAGES = [code for code in translate.LANGUAGES if code != "en"]
#: modules whose sentences for users all have a translation: what the cycle changes by itself, refusals of settings, structures, potentials, memory
COVERED = (
    "dft/scf dft/preconditioners dft/calculation dft/plan dft/memory dft/settle dft/nonscf dft/surface dft/moments dft/smearing dft/box dft/params "
    "dft/params_hubbard dft/tasks_scf dft/tasks_bands dft/band_cell dft/tasks_dos dft/tasks_converge dft/tasks_fields dft/tasks_surface dft/tasks_hubbard "
    "dft/terms/dipole dft/terms/dispersion dft/response/task dft/pseudo/library dft/pseudo/files core/worker "
    "continuum/quality continuum/elastic_result phonons/task").split()
#: what is said to programmers, or holds nothing but values
APART = re.compile(r"Task .* instead of a Result\.|This is an error in the task\.|\W*§[\W§]*")


@pytest.fixture(params=LANGUAGES)
def spoken(request):
    translate.load(request.param)
    yield request.param
    translate.load("en")


@cache
def strings(path: Path) -> str:
    """Every text in a module but its docstrings, values as §."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.JoinedStr, ast.Constant, ast.BinOp)) and id(node) not in plain:
            found += variants(node)
    return "\n".join(found)


def variants(node: ast.expr) -> list[str]:
    """The texts an expression can be, values as §."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(part.value if isinstance(part, ast.Constant) else "§" for part in node.values)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [first + second for first in variants(node.left) for second in variants(node.right)]
    return variants(node.body) + variants(node.orelse) if isinstance(node, ast.IfExp) else []


def told(path: Path) -> set[str]:
    """What a module says to users: errors with their hints, warnings, texts of steps."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        said = [word.value for word in node.keywords if word.arg in ("hint", "text")]
        if name.endswith("Error") or (name == "append" and getattr(getattr(node.func, "value", None), "id", "") in ("warnings", "notes", "texts")):
            said += node.args[:1]
        found |= {text for value in said for text in variants(value) if len(text.split()) > 2 and not APART.fullmatch(text)}
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_entry_is_a_sentence_of_the_engine(language):
    """All own words of an entry stand in one module: a sentence that was changed there must be changed here."""
    catalogue = json.loads(resource("translations", f"engine.{language}.json").read_text(encoding="utf-8"))
    texts = [strings(path) for path in sorted(ENGINE.rglob("*.py"))]
    wrong = [text for text in catalogue if not any(all(part.strip() in whole for part in re.split(r"\{\d\}", text)) for whole in texts)]
    assert len(catalogue) > 400 and not wrong, wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_are_those_of_the_sentence(language):
    catalogue = json.loads(resource("translations", f"engine.{language}.json").read_text(encoding="utf-8"))
    wrong = [text for text, translation in catalogue.items() if sorted(re.findall(r"\{\d\}", text)) != sorted(re.findall(r"\{\d\}", translation))]
    assert not wrong and not any(text == translation for text, translation in catalogue.items())


def test_what_users_meet_most_is_translated(spoken):
    missing = []
    for name in COVERED:
        for text in told(ENGINE / f"{name}.py"):
            filled = text.replace("§", "7").strip()
            if not re.search(r"[^\x00-\x7f“”–−·²µÅ×Γ³°]", sentences.said(filled)):
                missing.append(f"{name}: {filled}")
    assert not missing, "\n".join(sorted(missing))


def test_real_errors_and_remarks(spoken):
    """From the engine itself, not from a list."""
    from ase import Atoms

    from solvers.core.errors import QcadError
    from solvers.core.structure import Structure
    from solvers.dft.params import DFTParams
    from solvers.dft.plan import make_plan
    close = Structure.from_atoms(Atoms("Si2", [[0, 0, 0], [0, 0, 0.2]], cell=[5, 5, 5], pbc=True))
    with pytest.raises(QcadError) as caught:
        make_plan(close, DFTParams())
    message = messages.from_error(caught.value)
    assert "0.2" in message.what and message.what != caught.value.message and message.advice != caught.value.hint
    assert sentences.explained(caught.value).startswith(message.what)
    warned = make_plan(Structure.from_atoms(Atoms("Fe", cell=np.eye(3) * 2.5, pbc=True)), DFTParams(cutoff=100.0)).warnings
    assert len(warned) >= 2 and all(sentences.said(text) != text for text in warned)


def test_values_may_be_sentences_and_unknown_text_stays(spoken):
    both = sentences.said("3 bands added: the highest one was still partly filled; mixing: dielectric (gap 0.085 Ha, dielectric constant about 12.3)")
    assert "；" in both and "gap" not in both and "0.085" in both and "12.3" in both and "3" in both
    assert sentences.said("x.upf is ultrasoft: it needs augmentation charges.") != "x.upf is ultrasoft: it needs augmentation charges."
    for text in ("The cell is big.", "Nothing that the engine ever said; not even in parts."):
        assert sentences.said(text) == text
    assert sentences.said("Something new happened. Check the path.").startswith("Something new happened. ")


def test_english_stays_english():
    translate.load("en")
    assert sentences.said("Main memory ran out.") == "Main memory ran out."
