"""The contract of every dialog, and what each does to the session."""
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog

from qcad_gui.commands import COMMANDS
from qcad_gui.window import DIALOGS
from solvers.build import BUILDERS

sys.path.insert(0, str(Path(__file__).parent))
import contract  # noqa: E402

OPTIONS = {"builder": {"name": "supercell"}, "edit_atoms": {"name": "move"}}


@pytest.fixture
def material():
    from solvers import Material
    c = np.diag([160e9] * 3 + [80e9] * 3)
    c[:3, :3] += 100e9 - np.diag([100e9] * 3)
    return Material(stiffness=c, density=8960.0, name="Cu")


@pytest.fixture
def ready(window, session, silicon, qtbot):
    """The window with a structure and two selected atoms."""
    session.add("structure", "Si2", silicon)
    session.select([0])
    return window


@pytest.mark.parametrize("name", sorted(DIALOGS))
class TestContract:
    """Every dialog."""

    def test_builds_explains_itself_and_closes(self, name, ready, qtbot, calm, session):
        dialog = ready.open_dialog(name, **OPTIONS.get(name, {}))
        calm(session)
        qtbot.wait(50)
        assert dialog.windowTitle() and not dialog.isModal()
        assert dialog.minimumSizeHint().width() < 760 and dialog.minimumSizeHint().height() < 720
        contract.check_buttons(dialog)
        contract.check_inputs(dialog)
        contract.check_keyboard(dialog)
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda: name not in ready.dialogs, timeout=3000)

    def test_nothing_is_left(self, name, ready, qtbot, calm, session):
        contract.check_gone(lambda: ready.open_dialog(name, **OPTIONS.get(name, {})), qtbot)
        calm(session)

    def test_builds_without_a_structure(self, name, window, session, qtbot, calm):
        if name in OPTIONS:
            window.open_dialog("builder", name="bulk")
        else:
            assert isinstance(window.open_dialog(name), QDialog)
        calm(session)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_every_builder_has_a_form_that_builds(name, ready, session, qtbot, calm):
    dialog = ready.open_dialog("builder", name=name)
    problem = dialog.form.verdict()
    calm(session)
    qtbot.wait(200)
    calm(session)
    if not problem and not dialog.problem.isVisible():
        assert session.preview is not None and len(session.preview) >= 0 and dialog.python.text().startswith(f"atoms = build.{name}(")
    else:
        assert dialog.problem.text() and not dialog.accept_button.isEnabled(), "a problem must be told, and hold the button back"
    dialog.close()
    assert session.preview is None


@pytest.mark.parametrize("name", ["bulk", "crystal", "supercell", "strain", "vacancy", "substitute", "slab", "molecule"])
def test_the_usual_builders_have_a_preview_at_once(name, ready, session, qtbot, calm):
    session.select(())
    dialog = ready.open_dialog("builder", name=name)
    qtbot.waitUntil(lambda: session.preview is not None, timeout=15000)
    assert dialog.outcome.text() and dialog.accept_button.isEnabled()


def test_supercell_is_previewed_applied_and_undone(ready, session, silicon, qtbot, calm):
    dialog = ready.open_dialog("builder", name="supercell", values={"size": "2x2x1"})
    qtbot.waitUntil(lambda: session.preview is not None, timeout=15000)
    assert len(session.preview) == 8 and session.structure == silicon
    assert "8" in dialog.outcome.text()
    dialog.accept()
    qtbot.waitUntil(lambda: session.structure is not None and len(session.structure) == 8, timeout=15000)
    assert session.preview is None and session.script[-1] == "atoms = build.supercell(atoms, size='2x2x1')"
    session.undo_stack.undo()
    assert session.structure == silicon


def test_a_wrong_builder_parameter_is_told_while_typing(ready, session, qtbot, calm):
    dialog = ready.open_dialog("builder", name="supercell")
    field = dialog.form.fields["size"].widget
    field.setText("2x0x2")
    field.textEdited.emit("2x0x2")
    assert dialog.problem.isVisibleTo(dialog) and not dialog.accept_button.isEnabled() and session.preview is None
    field.setText("1x1x2")
    field.textEdited.emit("1x1x2")
    qtbot.waitUntil(lambda: session.preview is not None and len(session.preview) == 4, timeout=15000)


def test_an_impossible_build_is_told(ready, session, qtbot):
    dialog = ready.open_dialog("builder", name="bulk", values={"symbol": "MgO", "structure": "fcc"})
    qtbot.waitUntil(lambda: dialog.problem.isVisible(), timeout=15000)
    assert "fcc" in dialog.problem.text() and not dialog.accept_button.isEnabled()


def test_edit_dialogs_take_the_selection(ready, session):
    dialog = ready.open_dialog("edit_atoms", name="set_element")
    assert session.mode == "edit" and dialog.values()["indices"] == "0"


def test_palette_finds_and_runs(ready, session, qtbot):
    dialog = ready.open_dialog("palette")
    assert dialog.list.topLevelItemCount() == len(COMMANDS) - 1
    qtbot.keyClicks(dialog.line, "measure")
    assert dialog.list.currentItem().data(0, Qt.ItemDataRole.UserRole) == "view.mode_measure"
    qtbot.keyClick(dialog.line, Qt.Key.Key_Return)
    assert session.mode == "measure"
    dialog = ready.open_dialog("palette")
    qtbot.keyClicks(dialog.line, "zzzz")
    assert dialog.list.topLevelItemCount() == 0 and dialog.empty.isVisible()
    dialog.line.clear()
    qtbot.keyClick(dialog.line, Qt.Key.Key_Down)
    assert dialog.list.indexOfTopLevelItem(dialog.list.currentItem()) == 1
    qtbot.keyClick(dialog.line, Qt.Key.Key_Up)
    qtbot.keyClick(dialog.line, Qt.Key.Key_Up)
    assert dialog.list.indexOfTopLevelItem(dialog.list.currentItem()) == dialog.list.topLevelItemCount() - 1


def test_deck_dialog_previews_writes_and_checks(window, session, material, qtbot, calm, tmp_path):
    session.add("material", "Cu", material.to_dict())
    dialog = window.open_dialog("deck")
    qtbot.waitUntil(lambda: "*ELASTIC" in dialog.text.toPlainText().upper(), timeout=20000)
    assert dialog.units.currentData() == "mm-t-s" and "MPa" in dialog.text.toPlainText()
    dialog.units.setCurrentIndex(dialog.units.findData("SI"))
    assert not dialog.accept_button.isEnabled()
    qtbot.waitUntil(lambda: "m, kg, s" in dialog.text.toPlainText(), timeout=20000)
    dialog.orientation.setText("[110],[11")
    qtbot.waitUntil(lambda: dialog.problem.isVisible(), timeout=20000)
    dialog.orientation.setText("[110],[001]")
    qtbot.waitUntil(lambda: dialog.accept_button.isEnabled(), timeout=20000)
    path = tmp_path / "cu.inp"
    dialog.save(path)
    qtbot.waitUntil(path.exists, timeout=20000)
    calm(session)
    assert path.read_text() == dialog.text.toPlainText()
    assert session.decks_written == [str(path)] and "export(" in session.script[-1]
    dialog.solver.setCurrentIndex(dialog.solver.findData("skfem"))
    dialog.run_check()
    qtbot.waitUntil(lambda: dialog.verdict.isVisible(), timeout=60000)
    assert dialog.passed.property("role") == "good" and "skfem" in dialog.passed.text()


def test_deck_dialog_without_a_material(window, qtbot):
    dialog = window.open_dialog("deck")
    qtbot.waitUntil(lambda: dialog.problem.isVisible(), timeout=5000)
    assert not dialog.accept_button.isEnabled()


def test_settings_are_remembered(window, session):
    dialog = window.open_dialog("settings")
    dialog.theme.setCurrentIndex(dialog.theme.findData("dark"))
    dialog.mouse.setCurrentIndex(dialog.mouse.findData("ovito"))
    dialog.threads.setValue(1)
    dialog.language.setCurrentIndex(dialog.language.findData("zh_CN"))
    from qcad_gui.settings import Settings
    fresh = Settings(session.settings.path)
    assert [fresh.get(name) for name in ("theme", "mouse", "threads", "language")] == ["dark", "ovito", 1, "zh_CN"]
    assert fresh.worker_threads == 1
    assert ("set_preset", ("ovito",), {}) in window.view.calls
    from qcad_gui import looks
    assert looks.current().is_dark and "set_theme" in window.view.names()
    assert dialog.note.text()


@pytest.mark.parametrize("kind, ending", [("cif", ".cif"), ("vasp", ".vasp"), ("extxyz", ".extxyz"), ("xyz", ".xyz"), ("json", ".json")])
def test_structures_are_exported_and_read_back(ready, session, silicon, kind, ending, qtbot, calm, tmp_path):
    from solvers.core.bridge import read_structure
    dialog = ready.open_dialog("export_structure")
    dialog.format.setCurrentIndex(dialog.format.findData(kind))
    path = tmp_path / f"si{ending}"
    dialog.save(path)
    calm(session)
    back = read_structure(path)
    assert back.formula == "Si2"
    if kind != "xyz":
        assert np.allclose(back.to_atoms().get_all_distances(mic=True), silicon.to_atoms().get_all_distances(mic=True), atol=1e-4)


def test_keep_dialog_says_where_and_gives_a_name(ready, session, qtbot, calm, tmp_path, said):
    dialog = ready.open_dialog("keep")
    assert str(session.keeper.folder) in dialog.where.text()
    dialog.path.setText(str(tmp_path / "nowhere" / "x.qcad"))
    assert not dialog.accept_button.isEnabled()
    old = session.keeper.folder
    dialog.path.setText(str(tmp_path / "silicon study.qcad"))
    assert dialog.accept_button.isEnabled()
    dialog.accept()
    qtbot.waitUntil(lambda: session.keeper.name == "silicon study", timeout=20000)
    calm(session)
    assert (tmp_path / "silicon study.qcad" / "project.sqlite").exists() and not old.exists()
    assert any("silicon study" in text for text in said())
    qtbot.waitUntil(lambda: "silicon study" in ready.windowTitle())
    session.set_mode("edit")
    session.edit("delete", {"indices": "0"}, "Delete")
    calm(session)
    assert len(session.keeper.project.nodes()[0].payload) == 1
