"""Electrons in the real window, with mouse and keys: potential and mesh from their dialogs, an atom with spin, its moment, spin density and a slice moved by
the wheel, bands beside a density of states with the crosshair of the mouse."""
from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

pytestmark = [pytest.mark.gl, pytest.mark.timeout(600)]


@pytest.fixture
def window(qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("QCAD_DATA", str(tmp_path / "data"))
    from qcad_gui import app
    app.make_application(["qcad-gui"])
    out = app.make_window()
    out.resize(1500, 950)
    out.show()
    out.session.keeper.begin(None)
    qtbot.waitExposed(out)
    qtbot.waitUntil(lambda: out.session.keeper.project is not None and out.session.dispatcher.pending == 0, timeout=30_000)
    yield out
    out.close()


def run(qtbot, window, task, **values):
    """Fill the form of a task, press Start, wait until its result is shown."""
    session, calculate = window.session, window.panels["calculate"]
    window.prepare(task)
    calculate.forms[task].write(values)
    known = set(session.jobs.views)
    qtbot.waitUntil(lambda: calculate.run.isEnabled(), timeout=10_000)
    qtbot.mouseClick(calculate.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any(view.id not in known and not view.status.active for view in session.jobs.views.values()), timeout=200_000)
    job = next(view for view in session.jobs.views.values() if view.id not in known)
    assert job.state == "finished", job.status.message
    qtbot.waitUntil(lambda: session.outcome.job() == job.id and session.outcome.result() is not None, timeout=30_000)
    qtbot.wait(200)


def test_a_magnetic_atom(qtbot, window):
    from ase import Atoms

    from solvers.core.structure import Structure
    session, view = window.session, window.view
    session.add("structure", "H", Structure.from_atoms(Atoms("H", [[2, 2, 2]], cell=[4, 4, 4.2], pbc=True)))
    qtbot.waitUntil(lambda: view.canvas is not None and view.canvas.isValid(), timeout=20_000)
    window.prepare("scf")
    form = window.panels["calculate"].forms["scf"]
    bare = view.screenshot()
    qtbot.mouseClick(form.buttons["magmoms"], Qt.MouseButton.LeftButton)
    dialog = window.dialogs["moments"]
    dialog.value_edit.selectAll()
    qtbot.keyClicks(dialog.value_edit, "1")
    qtbot.mouseClick(dialog.set_button, Qt.MouseButton.LeftButton)
    arrows = view.screenshot()
    assert np.abs(arrows.astype(int) - bare).max() > 60, "an arrow is drawn while moments are set up"
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert form.fields["magmoms"].widget.text() == "1"
    run(qtbot, window, "scf", cutoff=200.0, kpts="1x1x1", tolerance=1e-5, spin="collinear")
    assert session.moments is not None and session.moments[0] > 0.3
    job = session.jobs.views[session.outcome.job()]
    assert {"energy_error", "magmom"} <= set(job.columns), "the live curves show residual and moment"

    window.show_panel("display")
    panel = window.panels["display"]
    qtbot.waitUntil(lambda: panel.part.isEnabled(), timeout=5000)
    session.set_display(moments=False)
    plain = view.screenshot()
    qtbot.mouseClick(panel.field, Qt.MouseButton.LeftButton, pos=QPoint(8, panel.field.height() // 2))
    panel.part.setCurrentIndex(panel.part.findData("spin"))
    surface = view.screenshot()
    assert np.abs(surface.astype(int) - plain).max() > 40, "the spin density has a surface"
    window.run_command("view.slice")
    cut = view.screenshot()
    assert np.abs(cut.astype(int) - surface).max() > 40
    middle = QPointF(view.canvas.rect().center())
    wheel = QWheelEvent(middle, view.canvas.mapToGlobal(middle), QPoint(), QPoint(0, 5 * 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.ShiftModifier,
                        Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(view.canvas, wheel)
    assert session.display.slice_offset == pytest.approx(0.6) and panel.offset.value() == 120
    assert np.abs(view.screenshot().astype(int) - cut).max() > 40, "Shift and the wheel move the plane"


def test_bands_beside_states(qtbot, window):
    session = window.session
    window.run_command("file.example")
    qtbot.waitUntil(lambda: session.structure is not None and session.dispatcher.pending == 0, timeout=20_000)
    root = session.current
    window.prepare("dos")
    form = window.panels["calculate"].forms["dos"]
    qtbot.mouseClick(form.buttons["kpts"], Qt.MouseButton.LeftButton)
    dialog = window.dialogs["kmesh"]
    qtbot.waitUntil(lambda: dialog.view.picture is not None, timeout=30_000)
    before = dialog.view.grab().toImage()
    start = QPoint(80, 80)
    qtbot.mousePress(dialog.view, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(dialog.view, start + QPoint(60, 30))
    qtbot.mouseRelease(dialog.view, Qt.MouseButton.LeftButton, pos=start + QPoint(60, 30))
    assert dialog.view.grab().toImage() != before, "the zone turns with the mouse"
    dialog.way.setCurrentIndex(dialog.way.findData("size"))
    for box in dialog.counts:
        box.setValue(2)
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert form.fields["kpts"].widget.text() == "2x2x2"
    few = {"cutoff": 120.0, "kpts": "2x2x2", "tolerance": 1e-5}
    run(qtbot, window, "dos", dos_kpts="3x3x3", **few)
    session.set_current(root)
    run(qtbot, window, "bands", path_spacing=0.4, masses=False, **few)
    panel = window.panels["plots"]
    qtbot.waitUntil(lambda: panel.bands is not None and panel.density is not None and panel.isVisible(), timeout=20_000)
    assert panel.bands.edges is not None and {name for _, name in panel.bands.labels} >= {"Γ", "L"} and len(panel.density.parts) == 4
    at = panel.view.mapFromScene(panel.view.left.sceneBoundingRect().center())
    qtbot.mouseMove(panel.view.viewport(), at + QPoint(3, 3))
    qtbot.mouseMove(panel.view.viewport(), at)
    qtbot.waitUntil(lambda: "band" in panel.words.text() and "states" in panel.words.text(), timeout=5000)
    window.run_command("results.plots")
    qtbot.wait(300)
    assert window.docks["plots"].isFloating() and panel.view.height() > 300
