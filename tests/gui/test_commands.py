"""The command table: ids, shortcuts, menus, toolbar, conditions, icons; and that every command runs where it is possible."""
from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QToolButton

from qcad_gui.commands import BY_ID, COMMANDS, MENUS, find
from qcad_gui.guide import next_step
from qcad_gui.window import DIALOGS, missing_icons
from solvers.core.fields import GridField
from solvers.core.trajectory import Trajectory


def test_ids_and_shortcuts_are_unique():
    assert len(BY_ID) == len(COMMANDS)
    keys = [key for command in COMMANDS for key in command.shortcut.split(";") if key]
    assert len(keys) == len(set(keys)) > 30
    assert all(not QKeySequence(key).isEmpty() for key in keys)
    assert {command.menu for command in COMMANDS} == {name for name, _ in MENUS}


def test_single_keys_belong_to_the_scene():
    for command in COMMANDS:
        for key in filter(None, command.shortcut.split(";")):
            if "Ctrl" not in key and not key.startswith("F"):
                assert command.scope == "scene" or key == "F", f"{command.id} would be triggered while typing"


def test_every_icon_is_there(qapp):
    assert missing_icons() == []


def test_menus_and_toolbar_are_made_from_the_table(window):
    for command in COMMANDS:
        action = window.actions_by_id[command.id]
        assert action in window.menus[command.menu].actions()
        assert action.toolTip() == command.tooltip and action.isCheckable() is (command.checked is not None)
    buttons = [button for button in window.toolbar.findChildren(QToolButton) if button.defaultAction() is not None]
    assert {button.defaultAction().objectName() for button in buttons} == {command.id for command in COMMANDS if command.toolbar}


@pytest.mark.parametrize("words, first", [("supercell", "build.supercell"), ("dark", "view.dark"), ("elastic", "calculate.elastic"), ("deck", "results.deck"),
                                          ("undo", "edit.undo"),
                                          ("space group", "build.crystal"), ("sprcl", "build.supercell"), ("ctrl+k nothing", None)])
def test_finding(words, first):
    found = find(words)
    assert (found[0].id if found else None) == first


def test_conditions_follow_the_session(window, session, silicon, qtbot):
    window.refresh()
    enabled = {name for name, action in window.actions_by_id.items() if action.isEnabled()}
    assert "file.open" in enabled and "build.bulk" in enabled
    assert not enabled & {"build.supercell", "calculate.scf", "edit.delete", "edit.undo", "play.toggle", "results.deck", "file.export_structure"}
    session.add("structure", "Si2", silicon)
    window.refresh()
    enabled = {name for name, action in window.actions_by_id.items() if action.isEnabled()}
    assert {"build.supercell", "calculate.scf", "edit.undo", "file.export_structure"} <= enabled and "edit.delete" not in enabled
    session.set_mode("edit")
    session.select([0])
    window.refresh()
    assert window.actions_by_id["edit.delete"].isEnabled() and window.actions_by_id["view.mode_edit"].isChecked()
    assert "New Si2" in window.actions_by_id["edit.undo"].text()
    session.read_only = "somebody"
    window.refresh()
    enabled = {name for name, action in window.actions_by_id.items() if action.isEnabled()}
    assert not enabled & {"edit.delete", "edit.undo", "build.bulk"} and not window.owner.isHidden() and "somebody" in window.owner_text.text()
    session.read_only = ""


def test_an_impossible_command_says_so(window, said):
    window.run_command("build.supercell")
    assert any("not possible" in text for text in said())


def test_every_possible_command_runs(window, session, silicon, qtbot, calm, monkeypatch, said):
    """Everything but quitting and the system's file dialogs, on a session that has a structure, frames, forces, a field and a selection."""
    from PySide6.QtWidgets import QFileDialog
    for name in ("getOpenFileNames", "getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, staticmethod(lambda *args, **kwargs: ([] if args and "Open" in str(args[1:2]) else "", "")))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *args, **kwargs: ""))
    ran = 0
    for command in COMMANDS:
        if command.id in ("file.quit", "file.new", "view.full"):
            continue
        if not session.nodes or session.structure is None:
            session.add("structure", "Si2", silicon)
        session.set_mode("edit")
        session.select([0])
        session.forces, session.moments = np.ones((2, 3)), np.ones(2)
        session.field = GridField(np.ones((4, 4, 4)), silicon.cell, "e/Å³", "density")
        if command.menu == "play":
            session.set_frames(Trajectory.from_frames([silicon, silicon]), at=0)
        if not command.enabled(session):
            assert command.id.startswith("results.") or command.id in ("edit.redo", "view.velocities"), command.id
            continue
        window.run_command(command.id)
        ran += 1
        for dialog in list(window.dialogs.values()):
            dialog.close()
        session.set_frames(None)
        calm(session)
    assert ran > 55
    assert not [text for text in said() if "mistake" in text]


def test_dialog_names_of_commands_exist(window, session, silicon):
    session.add("structure", "Si2", silicon)
    assert set(DIALOGS) >= {"builder", "palette", "settings", "deck", "keep"}


def test_the_next_step_leads_the_whole_way(window, session, silicon):
    assert "Ctrl+O" in next_step(session)
    session.add("structure", "Si2", silicon)
    assert "relax" in next_step(session)
    window.refresh()
    assert window.guide.buttons["structure"].text().startswith("✓") and window.guide.buttons["relax"].property("stage") == "next"
    session.set_mode("measure")
    assert "distance" in next_step(session)
    session.set_mode("view")
    window.session.set_current("")
    window.refresh()
    assert window.hint.text()


def test_a_refused_result_is_no_stage_done(window, session, silicon):
    from qcad_gui.guide import done_stages
    from solvers.core.job import Result
    from solvers.core.nodes import Node
    start = session.add("structure", "Si2", silicon)
    run = Node.new("run", "Si2 Elastic constants", {"job": "j1", "task": "elastic", "converged": True, "refused": "too soft"}, parent=start, made_by="j1")
    session.import_nodes([run])
    assert done_stages(session) == {"structure"}
    session.jobs.results["j1"] = Result({"energy": -1.0}, refused="too soft")
    session.set_current(run.id)
    assert "refused" in next_step(session)
    good = Node.new("run", "again", {"job": "j2", "task": "elastic", "converged": True, "refused": ""}, parent=start, made_by="j2")
    session.import_nodes([good])
    assert done_stages(session) == {"structure", "elastic"}


def test_stages_of_one_crystal_say_nothing_about_another(window, session, silicon, copper):
    from qcad_gui.guide import done_stages
    from solvers.core.nodes import Node
    start = session.add("structure", "Cu4", copper)
    session.import_nodes([Node.new("run", "Cu4 Relaxation", {"job": "j1", "task": "relax", "converged": True, "refused": ""}, parent=start, made_by="j1")])
    assert done_stages(session) == {"structure", "relax"}
    session.decks_written.append("copper.inp")
    session.add("structure", "Si2", silicon)
    assert done_stages(session) == {"structure"} and "relax" in next_step(session)
    session.set_current(start)
    assert done_stages(session) == {"structure", "relax"}, "a deck is of a material"


def test_the_first_crystal_is_seen_while_it_is_set_up(window, session, qtbot, calm):
    assert window.pages.currentWidget() is window.welcome
    window.run_command("build.bulk")
    dialog = window.dialogs["builder"]
    qtbot.waitUntil(lambda: session.preview is not None, timeout=20_000)
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.scene_page, timeout=5000)
    dialog.reject()
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.welcome, timeout=10_000)
    window.run_command("build.bulk")
    qtbot.waitUntil(lambda: session.preview is not None, timeout=20_000)
    window.dialogs["builder"].accept()
    qtbot.waitUntil(lambda: len(session.nodes) == 1, timeout=20_000)
    calm(session)
    qtbot.wait(100)
    assert window.pages.currentWidget() is window.scene_page


def test_a_preview_that_is_given_up_leaves_the_structure_in_the_picture(window, session, silicon, copper):
    session.add("structure", "Si2", silicon)
    session.set_preview(copper, ghost=False)
    window.view.calls.clear()
    session.set_preview(None)
    shown = [(args[0], kwargs) for name, args, kwargs in window.view.calls if name == "set_structure"]
    assert shown == [(silicon, {"keep_camera": False})]


def test_compounds_are_named_as_people_write_them(window, session, calm, qtbot):
    from qcad_gui.panels.project import ProjectPanel
    from solvers.core.nodes import Node
    session.build("bulk", {"symbol": "Ni3Al", "structure": "l12", "a": 3.57}, new=True)
    qtbot.waitUntil(lambda: session.structure is not None, timeout=20_000)
    assert session.node().name == "Ni3Al"
    session.build("bulk", {"symbol": "TiN", "structure": "rocksalt", "a": 4.24}, new=True)
    qtbot.waitUntil(lambda: session.node().name == "TiN", timeout=20_000)
    assert session.structure.formula == "TiN"
    above = Node.new("run", "TiN Relaxation", {"task": "relax"}, made_by="j1")
    assert ProjectPanel._shown_name(Node.new("run", "TiN Molecular dynamics", {"task": "md"}, parent=above.id), above) == "Molecular dynamics"
    assert ProjectPanel._shown_name(Node.new("structure", "TiN Relaxation: structure", None, parent=above.id), above) == "structure"


def test_an_opened_trajectory_is_a_structure_to_begin_with(session):
    from qcad_gui.guide import done_stages
    from solvers.core.nodes import Node
    session.import_nodes([Node.new("trajectory", "film", (), made_by="opened")])
    assert done_stages(session) == {"structure"}


def test_velocities_of_a_structure_are_shown_as_arrows(window, session, copper):
    import numpy as np
    moving = copper.with_(arrays={"velocities": np.full((4, 3), 0.01)})
    session.add("structure", "still", copper)
    window.refresh()
    assert not window.actions_by_id["view.velocities"].isEnabled()
    session.add("structure", "moving", moving)
    window.refresh()
    window.run_command("view.velocities")
    assert session.display.velocities and window.actions_by_id["view.velocities"].isChecked()
    told = [args[0] for name, args, _ in window.view.calls if name == "set_velocities"]
    assert len(told) == 1 and np.array_equal(told[0], moving.arrays["velocities"])
    window.run_command("view.velocities")
    assert [args[0] for name, args, _ in window.view.calls if name == "set_velocities"][-1] is None


@pytest.mark.parametrize("width", [1000, 1440])
def test_every_button_of_the_toolbar_is_seen(window, width, qtbot):
    window.resize(width, 700)
    qtbot.wait(50)
    button = window.toolbar.widgetForAction(window.actions_by_id["results.deck"])
    assert button.isVisible() and button.geometry().right() < window.toolbar.width()
    texts = [button for button in window.toolbar.findChildren(QToolButton) if button.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon]
    assert (len(texts) >= 9) if width == 1440 else 4 <= len(texts)
