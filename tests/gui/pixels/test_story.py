"""The whole way through the real window, as a person would click it: open → select → edit → undo → run → kill the worker → resume → scrub → DFT → elastic
→ deck read from disk → restart → undo still there."""
from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

pytestmark = [pytest.mark.gl, pytest.mark.timeout(1200)]

#: long enough to be killed on the way, short enough to be finished afterwards
MD_STEPS, MD_INTERVAL = 2000, 20


@pytest.fixture(autouse=True)
def own_data(tmp_path, monkeypatch):
    monkeypatch.setenv("QCAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("QCAD_CHECKPOINT_SECONDS", "0.2")
    monkeypatch.setenv("QCAD_SEGMENT_SECONDS", "0.2")


@pytest.fixture
def open_window(qtbot):
    """open_window(path or None): a shown main window whose project is open."""
    from qcad_gui import app, messages
    app.make_application(["qcad-gui"])
    messages.central().history.clear()
    opened = []

    def make(path=None):
        window = app.make_window()
        opened.append(window)
        window.resize(1500, 950)
        window.show()
        window.session.keeper.begin(path)
        qtbot.waitExposed(window)
        qtbot.waitUntil(lambda: window.session.keeper.project is not None and window.session.dispatcher.pending == 0, timeout=30_000)
        return window

    yield make
    for window in opened:
        window.close()


def click(qtbot, widget, modifiers=Qt.KeyboardModifier.NoModifier):
    assert widget.isVisible() and widget.isEnabled(), f"{widget.text() if hasattr(widget, 'text') else widget} cannot be clicked"
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, modifiers)


def click_atom(qtbot, window, atom, modifiers=Qt.KeyboardModifier.NoModifier):
    """Click on the middle of an atom as it is drawn."""
    view = window.view
    at = view.project(view.structure.positions[[atom]])[0]
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, modifiers, QPoint(round(at[0]), round(at[1])))


def visible_atoms(window):
    """Atoms that a click on their middle would find."""
    view = window.view
    pixels = view.project(view.structure.positions)
    return [k for k, at in enumerate(pixels) if view.atom_at(*at) == k]


def wait_for(qtbot, window, title, timeout=300_000):
    """Until the newest job of this title has ended; it must have finished well."""
    def newest():
        return max((view for view in window.session.jobs.views.values() if title in view.title), key=lambda view: view.id, default=None)

    qtbot.waitUntil(lambda: newest() is not None and not newest().status.active, timeout=timeout)
    assert newest().state == "finished", f"{newest().state}: {newest().status.message}"


def test_the_whole_way(qtbot, open_window, tmp_path):
    from ase.build import bulk
    from ase.io import write
    write(tmp_path / "copper.cif", bulk("Cu", cubic=True))
    window = open_window()
    session = window.session
    assert window.pages.currentWidget() is window.welcome and window.welcome.isVisible()

    # open
    window.view.files_dropped.emit([str(tmp_path / "copper.cif")])
    qtbot.waitUntil(lambda: session.structure is not None, timeout=30_000)
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.scene_page and window.view.canvas is not None and window.view.canvas.isValid(),
                    timeout=10_000)
    qtbot.wait(400)
    assert len(session.structure) == 4 and window.view.available
    picture = window.view.screenshot()
    assert picture.std() > 5, "the scene is drawn"

    # select with the mouse
    click(qtbot, window.toolbar.widgetForAction(window.actions_by_id["view.mode_select"]))
    assert session.mode == "select" == window.view.mode
    seen = visible_atoms(window)
    assert len(seen) >= 2
    click_atom(qtbot, window, seen[0])
    assert session.selection == (seen[0],)
    click_atom(qtbot, window, seen[1], Qt.KeyboardModifier.ControlModifier)
    assert set(session.selection) == {seen[0], seen[1]} == set(window.view.selection)

    # edit
    window.show_panel("edit")
    edit = window.panels["edit"]
    qtbot.waitUntil(lambda: edit.enter.isVisible(), timeout=5000)
    click(qtbot, edit.enter)
    session.select([seen[0]])
    qtbot.waitUntil(lambda: edit.change.isEnabled(), timeout=5000)
    edit.element.clear()
    qtbot.keyClicks(edit.element, "Ag")
    click(qtbot, edit.change)
    assert session.structure.symbols[seen[0]] == "Ag"
    original = session.undo_stack.command(0).after.payload

    # undo, redo, undo with the keyboard
    window.activateWindow()
    window.actions_by_id["edit.undo"].trigger()
    assert session.structure == original
    window.actions_by_id["edit.redo"].trigger()
    assert session.structure.symbols[seen[0]] == "Ag"
    window.actions_by_id["edit.undo"].trigger()

    # measure
    session.set_mode("measure")
    seen = visible_atoms(window)
    for atom in seen[:2]:
        click_atom(qtbot, window, atom)
    assert "Å" in edit.measure.text()
    session.set_mode("view")

    # run molecular dynamics, kill the worker, resume
    window.actions_by_id["calculate.md"].trigger()
    calculate = window.panels["calculate"]
    calculate.calculator.setCurrentIndex(calculate.calculator.findData("emt"))
    form = calculate.forms["md"]
    for name, text in (("steps", str(MD_STEPS)), ("interval", str(MD_INTERVAL)), ("temperature", "300")):
        form.fields[name].widget.setText(text)
        form.fields[name].widget.textEdited.emit(text)
    qtbot.waitUntil(lambda: str(MD_STEPS) in calculate.cost.text(), timeout=15_000)
    click(qtbot, calculate.run)
    window.show_panel("jobs")
    jobs = window.panels["jobs"]
    qtbot.waitUntil(lambda: any(view.status.step >= 5 * MD_INTERVAL for view in session.jobs.views.values()), timeout=120_000)
    qtbot.wait(600)
    job_id = next(iter(session.jobs.views))
    assert session.keeper.project.jobs().job(job_id).kill(), "the worker was still running"
    qtbot.waitUntil(lambda: session.jobs.views[job_id].state == "interrupted", timeout=20_000)
    killed_at = session.jobs.views[job_id].status.step
    assert killed_at < MD_STEPS
    qtbot.waitUntil(lambda: jobs.resume.isEnabled() and "interrupted" in window.hint.text(), timeout=5000)
    click(qtbot, jobs.resume)
    qtbot.waitUntil(lambda: session.jobs.views[job_id].status.attempt == 2, timeout=60_000)
    wait_for(qtbot, window, "Molecular dynamics")
    view = session.jobs.views[job_id]
    assert view.status.attempt == 2 and view.steps[-1] == MD_STEPS
    assert (np.diff(view.steps) > 0).all() and set(range(MD_INTERVAL, MD_STEPS + 1, MD_INTERVAL)) <= set(view.steps), "no step is lost and none is there twice"

    # scrub
    qtbot.waitUntil(lambda: session.outcome.node_of(job_id) is not None and session.frames is not None and len(session.frames) > 50, timeout=30_000)
    window.show_panel("timeline")
    timeline = window.panels["timeline"]
    timeline.slider.setValue(3)
    early = session.shown.positions
    assert session.frame == 3 and timeline.cursor.value() == 3
    click(qtbot, timeline.buttons["last"])
    assert session.frame == len(session.frames) - 1
    assert np.abs(session.shown.positions - early).max() > 0.01, "the atoms have moved"
    click(qtbot, timeline.buttons["first"])
    click(qtbot, timeline.buttons["toggle"])
    qtbot.waitUntil(lambda: session.frame > 3, timeout=10_000)
    click(qtbot, timeline.buttons["toggle"])

    # plane waves: silicon, tiny
    window.run_command("file.example")
    qtbot.waitUntil(lambda: session.structure is not None and session.structure.formula == "Si2" and session.node().kind == "structure", timeout=20_000)
    silicon_node = session.current
    window.actions_by_id["calculate.scf"].trigger()
    form = calculate.forms["scf"]
    for name, text in (("cutoff", "150"), ("kpts", "2x2x2"), ("tolerance", "1e-6")):
        form.fields[name].widget.setText(text)
        form.fields[name].widget.textEdited.emit(text)
    qtbot.waitUntil(lambda: "plane waves" in calculate.cost.text(), timeout=30_000)
    assert "k-points" in calculate.cost.text() and "memory" in calculate.cost.text()
    click(qtbot, calculate.run)
    wait_for(qtbot, window, "Energy")
    qtbot.waitUntil(lambda: session.outcome.result() is not None and "free_energy" in session.outcome.result().values, timeout=30_000)
    result = session.outcome.result()
    assert result.converged and -230 < float(result.values["energy"]) < -200 and session.nodes[session.current].parent == silicon_node
    window.show_panel("results")
    results = window.panels["results"]
    qtbot.waitUntil(lambda: results.buttons["field"].isVisible(), timeout=5000)
    shown = [results.tree.topLevelItem(row).text(0) for row in range(results.tree.topLevelItemCount())]
    assert "Energy" in shown and "Free energy" in shown
    before = window.view.screenshot()
    click(qtbot, results.buttons["field"])
    qtbot.wait(300)
    assert session.display.field and np.abs(window.view.screenshot().astype(int) - before).mean() > 0.2, "the density is drawn"
    curve = session.jobs.views[session.outcome.job()].columns["energy_error"]
    assert curve[-1] < 1e-3 * curve[0]
    results.export_csv(str(tmp_path / "scf.csv"))
    qtbot.waitUntil((tmp_path / "scf.csv").exists, timeout=10_000)
    assert f"energy,,{float(result.values['energy'])!r},unknown,eV" in (tmp_path / "scf.csv").read_text()

    # elastic constants and a deck
    session.set_current(next(node.id for node in session.nodes.values() if node.name == "copper"))
    window.actions_by_id["calculate.elastic"].trigger()
    calculate.calculator.setCurrentIndex(calculate.calculator.findData("emt"))
    qtbot.waitUntil(lambda: "strained cells" in calculate.cost.text(), timeout=20_000)
    click(qtbot, calculate.run)
    wait_for(qtbot, window, "Elastic")
    qtbot.waitUntil(lambda: session.outcome.material() is not None, timeout=30_000)
    window.show_panel("results")
    qtbot.waitUntil(lambda: results.buttons["surface"].isVisible() and "±" in results.words.toPlainText(), timeout=5000)
    click(qtbot, results.buttons["surface"])
    qtbot.waitUntil(lambda: session.display.surface, timeout=90_000)
    click(qtbot, results.buttons["deck"])
    deck = window.dialogs["deck"]
    qtbot.waitUntil(lambda: deck.accept_button.isEnabled(), timeout=30_000)
    deck.save(tmp_path / "copper.inp")
    qtbot.waitUntil((tmp_path / "copper.inp").exists, timeout=20_000)
    text = (tmp_path / "copper.inp").read_text()
    assert text == deck.text.toPlainText() and "*ELASTIC" in text and session.outcome.job() in text, "the deck names the run behind its numbers"
    click(qtbot, deck.check)
    qtbot.waitUntil(lambda: deck.verdict.isVisible(), timeout=120_000)
    assert deck.passed.property("role") == "good", deck.passed.text()
    deck.close()
    window.refresh()
    assert window.guide.buttons["deck"].text().startswith("✓")

    # one last edit, then restart
    copper = next(node.id for node in session.nodes.values() if node.name == "copper")
    session.set_current(copper)
    session.set_mode("edit")
    session.edit("delete", {"indices": "0"}, "Delete one")
    qtbot.waitUntil(lambda: session.dispatcher.pending == 0, timeout=20_000)
    folder = session.keeper.folder
    steps = session.undo_stack.count()
    window.close()
    QApplication.processEvents()
    again = open_window(folder)
    assert again.session.undo_stack.undoText() == "Delete one" and again.session.undo_stack.count() == steps
    assert len(again.session.nodes[copper].payload) == 3
    again.actions_by_id["edit.undo"].trigger()
    assert len(again.session.nodes[copper].payload) == 4
    qtbot.waitUntil(lambda: len(again.session.jobs.views) == 3, timeout=20_000)
    assert {node.kind for node in again.session.nodes.values()} >= {"structure", "run", "material"}
