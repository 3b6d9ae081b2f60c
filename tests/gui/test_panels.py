"""The contract of every panel, and what each shows of a session."""
from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from qcad_gui.panels.base import Panel
from qcad_gui.translate import tr
from qcad_gui.window import PANELS
from solvers.core.fields import GridField
from solvers.core.trajectory import Trajectory

sys.path.insert(0, str(Path(__file__).parent))
import contract  # noqa: E402


def make(name, session) -> Panel:
    module, _, cls = PANELS[name][0].partition(":")
    return getattr(importlib.import_module(f"qcad_gui.panels.{module}"), cls)(session)


@pytest.fixture(params=sorted(PANELS))
def panel(request, session, qtbot):
    out = make(request.param, session)
    qtbot.addWidget(out)
    out.resize(360, 420)
    out.show()
    return out


class TestContract:
    """Every panel."""

    def test_builds_with_nothing_open(self, panel, qtbot):
        qtbot.wait(150)
        assert panel.name in PANELS and tr(panel.title)
        assert panel.minimumSizeHint().width() < 460

    def test_builds_with_a_structure(self, panel, session, silicon, qtbot):
        session.add("structure", "Si2", silicon)
        qtbot.wait(150)
        contract.check_buttons(panel)

    def test_buttons_and_fields_are_explained_and_reachable(self, panel):
        contract.check_buttons(panel)
        contract.check_inputs(panel)
        contract.check_keyboard(panel)

    def test_other_theme(self, panel, qtbot):
        from PySide6.QtWidgets import QApplication

        from qcad_gui import looks, theme
        looks.use(QApplication.instance(), theme.DARK)
        panel.theme_changed()
        looks.use(QApplication.instance(), theme.LIGHT)
        panel.theme_changed()

    def test_does_nothing_while_hidden(self, panel, session, silicon, monkeypatch, qtbot):
        calls = []
        original = type(panel).refresh
        monkeypatch.setattr(type(panel), "refresh", lambda self: (calls.append(1), original(self)))
        panel.hide()
        session.add("structure", "Si2", silicon)
        session.select([0])
        qtbot.wait(250)
        assert not calls
        panel.show()
        panel.later()
        qtbot.waitUntil(lambda: bool(calls), timeout=2000)


@pytest.mark.parametrize("name", sorted(PANELS))
def test_nothing_is_left_of_a_panel(name, session, qtbot):
    def build():
        panel = make(name, session)
        panel.show()
        return panel
    contract.check_gone(build, qtbot)


@pytest.fixture
def shown():
    """shown(name, session, …): a visible panel that lives until the test is over."""
    kept = []

    def build(name, session, qtbot, width=420, height=500):
        out = make(name, session)
        qtbot.addWidget(out)
        out.resize(width, height)
        out.show()
        kept.append(out)
        return out

    yield build


def test_the_tree_follows_and_chooses(shown, session, silicon, copper, qtbot):
    panel = shown("project", session, qtbot)
    first = session.add("structure", "Si2", silicon)
    second = session.add("structure", "Cu4", copper, parent=first)
    qtbot.waitUntil(lambda: panel.tree.topLevelItemCount() == 1 and panel.tree.topLevelItem(0).childCount() == 1)
    assert panel.tree.currentItem().data(0, Qt.ItemDataRole.UserRole) == second
    panel.tree.setCurrentItem(panel.tree.topLevelItem(0))
    assert session.current == first
    panel.tree.topLevelItem(0).setText(0, "silicon")
    assert session.nodes[first].name == "silicon"
    session.undo_stack.undo()
    assert session.nodes[first].name == "Si2"


def test_the_table_edits_and_shares_the_selection(shown, session, silicon, qtbot, said):
    panel = shown("atoms", session, qtbot)
    session.add("structure", "Si2", silicon)
    session.set_mode("edit")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 2)
    assert "Si2" in panel.facts.text() and "Å³" in panel.facts.text() and "2329" in panel.facts.text().replace("2331", "2329")
    index = panel.model.index(1, 1)
    assert panel.model.setData(index, "1.5")
    qtbot.waitUntil(lambda: panel.model.data(index, Qt.ItemDataRole.EditRole) == "1.5")
    assert session.structure.positions[1, 0] == 1.5
    assert panel.model.setData(panel.model.index(0, 0), "Ge")
    assert session.structure.symbols == ["Ge", "Si"]
    assert not panel.model.setData(panel.model.index(0, 0), "Xx") and any("Xx" in text for text in said())
    session.undo_stack.undo()
    session.undo_stack.undo()
    assert session.structure == silicon
    session.select([1])
    qtbot.waitUntil(lambda: [row.row() for row in panel.table.selectionModel().selectedRows()] == [1])
    panel.table.selectRow(0)
    assert session.selection == (0,)


def test_edit_panel_changes_moves_adds_deletes(shown, session, silicon, qtbot, said):
    panel = shown("edit", session, qtbot)
    session.add("structure", "Si2", silicon)
    qtbot.waitUntil(lambda: panel.enter.isVisible())
    assert not panel.tools.isEnabled()
    panel.enter.click()
    assert session.mode == "edit"
    session.select([1])
    qtbot.waitUntil(lambda: panel.move_button.isEnabled())
    panel.element.setText("Ge")
    panel.change.click()
    assert session.structure.symbols == ["Si", "Ge"] and session.selection == (1,)
    before = session.structure.positions[1].copy()
    panel.vector[0].setText("0,25")
    panel.move_button.click()
    assert session.structure.positions[1] - before == pytest.approx([0.25, 0, 0])
    panel.fractional.setChecked(True)
    panel.vector[0].setText("0")
    panel.vector[2].setText("0.5")
    panel.move_button.click()
    assert session.structure.positions[1] - before == pytest.approx([0.25, 0, 0] + 0.5 * silicon.cell[2])
    panel.fractional.setChecked(False)
    panel.element.setText("H")
    for field, value in zip(panel.place, ("3", "3", "0.5"), strict=True):
        field.setText(value)
    panel.add.click()
    assert session.structure.symbols[-1] == "H" and len(session.structure) == 3
    session.select([0, 2])
    qtbot.waitUntil(lambda: panel.delete.isEnabled())
    panel.delete.click()
    assert session.structure.symbols == ["Ge"]
    panel.vector[0].setText("abc")
    session.select([0])
    panel._move()
    assert any("abc" in text for text in said())
    while session.undo_stack.canUndo() and len(session.nodes) == 1 and session.structure != silicon:
        session.undo_stack.undo()
    assert session.structure == silicon


def test_display_panel_binds_both_ways(shown, session, silicon, qtbot):
    panel = shown("display", session, qtbot)
    session.add("structure", "Si2", silicon)
    panel.representation.setCurrentIndex(panel.representation.findData("space filling"))
    assert session.display.style.representation == "space filling"
    session.set_display(bonds=False, repeat=(2, 2, 1))
    assert not panel.bonds.isChecked() and [box.value() for box in panel.repeat] == [2, 2, 1]
    qtbot.waitUntil(lambda: "4" in panel.drawn.text())
    panel.force_scale.setValue(2.0)
    assert session.display.style.force_scale == 2.0
    panel.force_scale.setValue(panel.force_scale.minimum())
    assert session.display.style.force_scale is None
    assert not panel.forces.isEnabled() and not panel.field.isEnabled()
    session.forces = np.ones((2, 3))
    session.field = GridField(np.ones((4, 4, 4)), silicon.cell, "e/Å³", "density")
    session.shown_changed.emit()
    qtbot.waitUntil(lambda: panel.forces.isEnabled() and panel.field.isEnabled())
    panel.level.setText("0,5")
    panel.level.editingFinished.emit()
    assert session.display.level == 0.5
    panel.level.setText("")
    panel.level.editingFinished.emit()
    assert session.display.level is None


@pytest.fixture
def frames(silicon):
    from ase.calculators.singlepoint import SinglePointCalculator
    out = []
    for k in range(6):
        atoms = silicon.to_atoms()
        atoms.positions[1, 0] += 0.01 * k
        atoms.calc = SinglePointCalculator(atoms, energy=-10.0 + 0.1 * k, forces=np.full((2, 3), 0.1 * k))
        out.append(atoms)
    return Trajectory.from_frames(out, "six")


def test_timeline_plays_scrubs_and_loops(shown, session, frames, qtbot):
    panel = shown("timeline", session, qtbot, 700, 240)
    assert panel.empty.isVisible()
    session.set_frames(frames, at=0)
    assert panel.body.isVisible() and panel.slider.maximum() == 5
    assert "energy" in panel.column.currentData()
    assert list(panel.curve.getData()[1]) == pytest.approx([-10 + 0.1 * k for k in range(6)])
    panel.slider.setValue(3)
    assert session.frame == 3 and panel.cursor.value() == 3
    panel.cursor.setValue(4.2)
    assert session.frame == 4
    panel.play("first")
    assert session.frame == 0
    panel.speed.setCurrentIndex(panel.speed.count() - 1)
    panel.play("toggle")
    assert panel.playing
    qtbot.waitUntil(lambda: session.frame == 5 and not panel.playing, timeout=5000)
    panel.play("loop")
    panel.play("toggle")
    qtbot.waitUntil(lambda: session.frame == 1, timeout=5000)
    assert panel.playing
    panel.play("last")
    assert not panel.playing and session.frame == 5
    session.set_frames(None)
    assert panel.empty.isVisible() and session.frame == 0


def test_python_panel_shows_a_script(shown, session, qtbot):
    panel = shown("python", session, qtbot)
    session.echo("atoms = build.bulk(symbol='Si')")
    qtbot.waitUntil(lambda: "build.bulk" in panel.text.toPlainText())
    panel.copy.click()
    from PySide6.QtGui import QGuiApplication
    assert "from solvers import" in QGuiApplication.clipboard().text()


def test_the_context_menu_of_the_tree(shown, session, silicon, qtbot):
    panel = shown("project", session, qtbot)
    session.add("structure", "Si2", silicon)
    qtbot.waitUntil(lambda: panel.tree.topLevelItemCount() == 1)
    panel._menu(panel.tree.visualItemRect(panel.tree.topLevelItem(0)).center())
    from PySide6.QtWidgets import QMenu
    menu = panel.findChild(QMenu)
    assert [action.isEnabled() for action in menu.actions()] == [True, True]
    menu.actions()[1].trigger()
    menu.close()
    assert not session.nodes
    panel._menu(QPoint(2, 400))
