"""The real view under a real (virtual) display, driven by real mouse events."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from qcad_gui.scene.pick import visible
from qcad_gui.theme import DARK, LIGHT
from solvers.core.errors import RunError
from solvers.core.fields import GridField

pytestmark = pytest.mark.gl


def seen(view) -> np.ndarray:
    """(height, width, 3) of what the screen shows of the view."""
    QApplication.processEvents()
    image = view.grab().toImage().convertToFormat(view.grab().toImage().Format.Format_RGB888)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def at(view, atom: int) -> QPoint:
    """Widget pixel of an atom that nothing hides."""
    projector = view.projector()
    drawn = view.drawing.drawn
    assert visible(projector, drawn.positions, drawn.radii)[atom]
    x, y = view.project(drawn.positions[atom][None])[0]
    return QPoint(round(x), round(y))


def drag(qtbot, view, start: QPoint, end: QPoint, button=Qt.MouseButton.LeftButton, modifiers=Qt.KeyboardModifier.NoModifier, steps: int = 4) -> None:
    qtbot.mousePress(view.canvas, button, modifiers, start)
    for k in range(1, steps + 1):
        to = QPoint(start.x() + (end.x() - start.x()) * k // steps, start.y() + (end.y() - start.y()) * k // steps)
        _move(view, to, button, modifiers)
    qtbot.mouseRelease(view.canvas, button, modifiers, end)


def _move(view, to: QPoint, button, modifiers) -> None:
    """QTest.mouseMove carries no button; a real drag does."""
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent

    place = QPointF(to)
    QApplication.sendEvent(
        view.canvas, QMouseEvent(QEvent.Type.MouseMove, place, QPointF(view.canvas.mapToGlobal(to)), Qt.MouseButton.NoButton, button, modifiers)
    )


def test_the_screen_shows_the_structure(qtbot, view, silicon):
    empty = seen(view)
    assert view._message.isVisible() and "Open a structure" in view._message.text()
    view.set_structure(silicon)
    assert not view._message.isVisible()
    full = seen(view)
    assert (full != empty).any() and full.std() > 5
    assert np.array_equal(full, seen(view)), "idle pictures do not change"
    view.set_theme(DARK)
    assert seen(view).mean() < 100 < full.mean()
    view.set_theme(LIGHT)
    view.set_structure(None)
    assert view._message.isVisible()


def test_one_paint_per_change_and_none_when_idle(qtbot, view, silicon):
    painted = []
    original = view.painted
    view.painted = lambda seconds: (painted.append(seconds), original(seconds))
    view.set_structure(silicon)
    view.set_selection([1])
    view.set_style(labels="index")
    view.set_forces(np.ones((8, 3)))
    qtbot.waitUntil(lambda: bool(painted), timeout=10_000)
    qtbot.wait(400)
    assert len(painted) == 1, "four changes in one go are one picture"
    painted.clear()
    qtbot.wait(600)
    assert not painted, "nothing changes, nothing is drawn"
    view.zoom(1.1)
    qtbot.waitUntil(lambda: len(painted) >= 2, timeout=10_000)
    qtbot.wait(400)
    assert len(painted) == 2, "once fast, once in full quality"


def test_clicking_an_atom_and_beside_every_atom(qtbot, view, salt):
    view.set_structure(salt)
    projector, drawn = view.projector(), view.drawing.drawn
    shown = np.flatnonzero(visible(projector, drawn.positions, drawn.radii))
    assert len(shown) >= 6
    for atom in shown:
        with qtbot.waitSignal(view.atom_clicked) as caught:
            qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, at(view, atom))
        assert caught.args[0] == atom and caught.args[1] & Qt.KeyboardModifier.ControlModifier
    with qtbot.waitSignal(view.empty_clicked):
        qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(3, 3))
    with qtbot.waitSignal(view.double_clicked) as caught:
        qtbot.mouseDClick(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(view, shown[0]))
    assert caught.args[0] == shown[0]
    with qtbot.waitSignal(view.context_requested) as caught:
        qtbot.mouseClick(view.canvas, Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, at(view, shown[1]))
    assert caught.args[0] == shown[1]


def test_clicking_a_periodic_image_gives_its_atom(qtbot, view, silicon):
    view.set_style(face_atoms=True)
    view.set_structure(silicon)
    drawn = view.drawing.drawn
    assert len(drawn.owner) == 18
    rows = np.flatnonzero(visible(view.projector(), drawn.positions, drawn.radii))
    images = rows[rows >= 8]
    assert len(images) >= 4
    for row in images:
        x, y = view.project(drawn.positions[row][None])[0]
        with qtbot.waitSignal(view.atom_clicked) as caught:
            qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(round(x), round(y)))
        assert caught.args[0] == drawn.owner[row]


def test_hovering_names_the_atom_once(qtbot, view, silicon):
    view.set_structure(silicon)
    names = []
    view.atom_hovered.connect(names.append)
    for place in (at(view, 0), at(view, 0) + QPoint(1, 0), QPoint(2, 2)):
        _move(view, place, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier)
    assert names == [0, -1]


def test_left_drag_rotates_and_is_not_a_click(qtbot, view, silicon):
    view.set_structure(silicon)
    clicks = []
    view.atom_clicked.connect(lambda *args: clicks.append(args))
    before, direction = seen(view), view.canvas.camera.GetDirectionOfProjection()
    drag(qtbot, view, QPoint(320, 240), QPoint(390, 260))
    assert np.linalg.norm(np.subtract(view.canvas.camera.GetDirectionOfProjection(), direction)) > 0.2
    assert (seen(view) != before).any() and not clicks
    for _ in range(40):  # the picture never leaves its clipping planes
        drag(qtbot, view, QPoint(320, 240), QPoint(420, 330), steps=2)
    near, far = view.canvas.camera.GetClippingRange()
    depth = view.projector().depth(view.drawing.drawn.positions)
    assert (depth > near).all() and (depth < far).all()


def test_pan_zoom_and_views(qtbot, view, silicon):
    view.set_structure(silicon)
    start = at(view, 0)
    drag(qtbot, view, QPoint(300, 200), QPoint(340, 170), Qt.MouseButton.MiddleButton)
    assert view.project(silicon.positions[:1])[0] - [start.x(), start.y()] == pytest.approx([40, -30], abs=1.5)
    pixel = view.project(silicon.positions[:1])[0]
    event = QWheelEvent(
        QPointF(*pixel),
        QPointF(view.canvas.mapToGlobal(QPoint(*map(int, pixel)))),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    scale = view.canvas.camera.GetParallelScale()
    QApplication.sendEvent(view.canvas, event)
    assert view.canvas.camera.GetParallelScale() == pytest.approx(scale / 1.15**2)
    assert view.project(silicon.positions[:1])[0] == pytest.approx(pixel, abs=0.5), "the wheel zooms towards the mouse"
    view.view_along("c")
    pixels = view.project(np.array([[0.0, 0, 0], [0, 0, 5.43]]))
    assert pixels[0] == pytest.approx(pixels[1], abs=1e-6)
    view.reset_camera()
    assert (view.project(silicon.positions) > 0).all()


def test_box_selection(qtbot, view, silicon):
    view.set_structure(silicon)
    view.set_mode("select")
    with qtbot.waitSignal(view.box_selected) as caught:
        drag(qtbot, view, QPoint(2, 2), QPoint(637, 477))
    assert caught.args[0] == list(range(8))
    spot = at(view, 6)
    with qtbot.waitSignal(view.box_selected) as caught:
        drag(qtbot, view, spot - QPoint(5, 5), spot + QPoint(6, 6))
    assert caught.args[0] == [6]
    view.set_mode("view")
    qtbot.keyClick(view, Qt.Key.Key_B)
    with qtbot.waitSignal(view.box_selected):
        drag(qtbot, view, QPoint(2, 2), QPoint(300, 300))
    direction = view.canvas.camera.GetDirectionOfProjection()
    drag(qtbot, view, QPoint(100, 100), QPoint(160, 100))
    assert view.canvas.camera.GetDirectionOfProjection() != direction, "B holds for one box only"


def test_moving_an_atom_in_edit_mode(qtbot, view, silicon):
    view.set_structure(silicon)
    view.set_mode("edit")
    moves = []
    view.drag_moved.connect(lambda atoms, vector: moves.append((atoms, vector)))
    start = at(view, 6)
    with qtbot.waitSignal(view.drag_finished) as caught:
        drag(qtbot, view, start, start + QPoint(40, -24))
    atoms, vector = caught.args
    assert atoms == [6] and len(moves) >= 2 and moves[-1][1] == pytest.approx(vector)
    old, new = view.project(silicon.positions[6:7])[0], view.project(silicon.positions[6:7] + vector)[0]
    assert new - old == pytest.approx([40, -24], abs=1e-3)
    view.set_structure(silicon)
    view.set_selection([2, 6])
    with qtbot.waitSignal(view.drag_finished) as caught:
        drag(qtbot, view, at(view, 6), at(view, 6) + QPoint(20, 0))
    assert caught.args[0] == [2, 6], "a selected atom takes the selection along"


def test_escape_puts_a_dragged_atom_back(qtbot, view, silicon):
    view.set_structure(silicon)
    view.set_mode("edit")
    start = at(view, 6)
    finished = []
    view.drag_finished.connect(lambda *args: finished.append(args))
    qtbot.mousePress(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    _move(view, start + QPoint(50, 50), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    assert np.abs(view.drawing.drawn.positions - silicon.positions).max() > 0.1
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.mouseRelease(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start + QPoint(50, 50))
    assert np.abs(view.drawing.drawn.positions - silicon.positions).max() == 0 and not finished


def test_measuring(qtbot, view, silicon):
    view.set_structure(silicon)
    view.set_mode("measure")
    results = []
    view.measured.connect(results.append)
    for atom in (0, 1, 2, 3):
        qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(view, atom))
    assert results == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert "Dihedral" in view.measurement_text() and view.drawing.measure_texts.texts[0].endswith("°")
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(3, 3))
    assert view.measurement_text() == "" and not view.drawing.measure_texts.texts


def test_presets(qtbot, view, silicon):
    view.set_structure(silicon)
    view.set_preset("blender")
    direction = view.canvas.camera.GetDirectionOfProjection()
    with qtbot.waitSignal(view.box_selected):
        drag(qtbot, view, QPoint(100, 100), QPoint(200, 180))
    assert view.canvas.camera.GetDirectionOfProjection() == direction
    drag(qtbot, view, QPoint(100, 100), QPoint(200, 180), Qt.MouseButton.MiddleButton)
    assert view.canvas.camera.GetDirectionOfProjection() != direction
    with pytest.raises(ValueError, match="no mouse preset 'maya'. Allowed: default, ovito"):
        view.set_preset("maya")
    with pytest.raises(ValueError, match="no mode 'fly'. Allowed: view, select"):
        view.set_mode("fly")


def test_fields_forces_surface_preview_playback_and_pictures(qtbot, view, silicon, tmp_path):
    view.set_structure(silicon)
    plain = seen(view)
    grid = np.stack(np.meshgrid(*(np.arange(20) / 20,) * 3, indexing="ij"), axis=-1)
    field = GridField(np.exp(-((grid - 0.5) ** 2).sum(-1) / 0.02), silicon.cell, "e/Å³", "density")
    assert view.set_field(field, 0.5) == 0.5
    with_field = seen(view)
    assert (with_field != plain).any()
    view.set_field(None)
    view.set_forces(np.full((8, 3), 0.5))
    assert (seen(view) != plain).any()
    view.set_forces(None)
    view.set_preview(silicon.with_(cell=silicon.cell * 1.2, positions=silicon.positions * 1.2))
    assert (seen(view) != plain).any()
    view.set_preview(None)
    view.reset_camera()
    assert np.array_equal(seen(view), plain)
    moved = silicon.positions + 0.1
    view.show_frame(moved, silicon.cell)
    assert view.drawing.drawn.positions == pytest.approx(moved)
    view.show_frame(silicon.positions, silicon.cell)
    image = view.screenshot(tmp_path / "big.png", scale=2.0)
    assert image.shape == (960, 1280, 3) and (tmp_path / "big.png").stat().st_size > 10_000
    qtbot.waitUntil(lambda: not view._moving, timeout=10_000)  # a slow machine leaves out bonds while frames play
    assert np.abs(seen(view).astype(float) - plain).mean() < 1.0, "a picture taken off screen leaves the window as it was"


def test_notes_are_shown_over_the_picture(qtbot, view, silicon):
    view.set_structure(silicon)
    with qtbot.waitSignal(view.notes_changed) as caught:
        view.set_style(colour_by="charge")
    assert "no numbers called charge" in caught.args[0][0]
    assert view._banner.isVisible() and "charge" in view._banner.text()
    view.set_style(colour_by="element")
    assert not view._banner.isVisible()


def test_another_thread_is_refused(qtbot, view, silicon):
    import threading

    caught = []

    def intrude():
        try:
            view.set_selection([0])
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join()
    assert caught and "worker thread" in caught[0]


def test_after_closing_nothing_draws_and_nothing_crashes(qtbot, view, silicon):
    view.set_structure(silicon)
    seen(view)
    view.shut_down()
    view.shut_down()
    assert not view.available
    view.set_structure(None)
    view.set_selection([1])
    view.zoom(2.0)
    view.set_theme(DARK)
    with pytest.raises(RunError, match="no picture to save"):
        view.screenshot()
