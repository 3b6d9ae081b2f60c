"""All text goes through `tr`, and the Chinese catalogue has every sentence."""
from __future__ import annotations

import ast
import json
import re
import string
from pathlib import Path

import pytest

from qcad_gui import translate
from qcad_gui.commands import COMMANDS
from solvers.core.paths import resource

ROOT = Path(__file__).resolve().parents[2] / "qcad_gui"
FILES = sorted(ROOT.rglob("*.py"))
#: calls that put text on the screen, with the position of that text
SHOWS = {"setText", "setToolTip", "setWindowTitle", "setPlaceholderText", "setStatusTip", "setTitle", "setAccessibleName", "setSpecialValueText", "QLabel",
         "QPushButton", "QCheckBox",
         "QGroupBox", "QAction", "addAction", "addMenu", "addTab", "addRow", "QDockWidget", "showMessage", "label", "post", "QRadioButton", "QToolBar"}
#: texts that are the same in every language: names, symbols, formulas
SAME = re.compile(r"[\W\d_]*|Q-CAD|CalculiX|scikit-fem|Abaqus|PNG|CSV \(\*\.csv\)|PNG \(\*\.png\)|Si|e/Å³|info|good|warning|error|[abcxyzuαβγ]")


def literals(node):
    """Literal texts in an expression that are not inside a call of tr or mark."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("tr", "mark"):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            if isinstance(part, ast.Constant):
                yield part.value
            elif isinstance(part, ast.FormattedValue):
                yield from ()
    elif isinstance(node, (ast.BinOp, ast.IfExp, ast.BoolOp)):
        for child in ast.iter_child_nodes(node):
            yield from literals(child)


def marked(path: Path) -> set[str]:
    """Every literal given to tr or mark in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("tr", "mark") and node.args:
            stack = [node.args[0]]
            while stack:
                item = stack.pop()
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    found.add(item.value)
                elif isinstance(item, ast.IfExp):
                    stack += [item.body, item.orelse]
    return found


def sources() -> set[str]:
    """Every English sentence of the window."""
    return {text for path in FILES for text in marked(path) if not SAME.fullmatch(text)}


def test_all_text_goes_through_tr():
    bare = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", getattr(node.func, "attr", "")) not in SHOWS:
                continue
            for argument in node.args:
                bare += [f"{path.relative_to(ROOT)}:{node.lineno} {text!r}" for text in literals(argument) if re.search(r"[A-Za-z]{2}", text)
                         and not SAME.fullmatch(text)]
    allowed = {"muted", "heading", "title", "bad", "good", "warning", "error", "info", "primary"}  # roles and levels, not texts
    assert not [line for line in bare if line.split(" ", 1)[1].strip("'") not in allowed], "\n".join(bare)


def test_there_is_enough_to_test():
    assert len(sources()) > 350 and len(FILES) > 30


@pytest.mark.parametrize("language", [code for code in translate.LANGUAGES if code != "en"])
class TestCatalogue:
    """Every catalogue."""

    def read(self, language) -> dict[str, str]:
        return json.loads(resource("translations", f"{language}.json").read_text(encoding="utf-8"))

    def test_nothing_is_missing(self, language):
        missing = sorted(sources() - set(self.read(language)))
        assert not missing, json.dumps(missing, ensure_ascii=False, indent=0)

    def test_placeholders_are_the_same(self, language):
        def names(text):
            return {field for _, field, _, _ in string.Formatter().parse(text) if field}
        wrong = [text for text, translation in self.read(language).items() if names(text) != names(translation)]
        assert not wrong

    def test_it_is_really_translated(self, language):
        same = [text for text, translation in self.read(language).items() if text == translation and re.search(r"[a-z]{4}", text)]
        assert len(same) < 20, same

    def test_it_is_spoken(self, language):
        assert translate.load(language) == language
        try:
            command = next(command for command in COMMANDS if command.id == "file.open")
            assert command.title != command.text and command.title == self.read(language)[command.text]
            assert translate.tr("frame {i} of {n}", i=1, n=2) != "frame 1 of 2"
        finally:
            translate.load("en")


def test_unknown_sentences_stay_english():
    translate.load("zh_CN")
    assert translate.tr("A sentence nobody translated.") == "A sentence nobody translated."
    translate.load("en")


def test_a_broken_catalogue_is_told(tmp_path, monkeypatch):
    from solvers.core.errors import ReadError
    (tmp_path / "translations").mkdir()
    (tmp_path / "translations" / "zh_CN.json").write_text("{broken")
    monkeypatch.setenv("QCAD_RESOURCES", str(tmp_path))
    with pytest.raises(ReadError, match=r"zh_CN\.json"):
        translate.load("zh_CN")
    assert translate.load("en") == "en"


def engine_texts() -> tuple[set[str], set[str]]:
    """(labels, groups and summaries; helps and meanings) that the engine declares and the window shows."""
    from qcad_gui.forms import label_of
    from solvers import tasks
    from solvers.build import BUILDERS
    from solvers.core.params import describe
    from solvers.core.properties import PROPERTIES
    translate.load("en")
    infos = [info for item in (*BUILDERS.values(), *tasks.TASKS.values()) for info in describe(item.params_class())]
    short = {label_of(info.name) for info in infos} | {info.group.capitalize() for info in infos}
    short |= {builder.summary for builder in BUILDERS.values()} | {label_of(name) for name in PROPERTIES}
    long = {info.help for info in infos} | {item.meaning for item in PROPERTIES.values()}
    return {text for text in short if len(text) > 2}, {text for text in long if text}


def test_what_the_engine_declares_is_translated_too():
    """Labels and names wholly; of the helps a few may lag behind the engine (they then show in English)."""
    known = set(json.loads(resource("translations", "zh_CN.json").read_text(encoding="utf-8")))
    short, long = engine_texts()
    assert len(short) > 100 and len(long) > 120
    assert len(short - known) <= 0.1 * len(short), short - known
    assert len(long - known) <= 0.2 * len(long), long - known
