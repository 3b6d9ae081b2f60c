"""Opening and closing many times leaves nothing behind."""

from __future__ import annotations

import gc
import weakref

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QMainWindow

pytestmark = pytest.mark.gl


def test_twenty_windows_open_and_close_and_none_is_left(qtbot, silicon):
    from qcad_gui.scene.view import SceneView

    left = []
    for _ in range(20):
        window = QMainWindow()
        view = SceneView(window)
        window.setCentralWidget(view)
        window.resize(320, 240)
        window.show()
        qtbot.waitExposed(window)
        view.set_structure(silicon)
        QApplication.processEvents()
        left += [weakref.ref(view), weakref.ref(view.drawing), weakref.ref(view.canvas), weakref.ref(view.canvas.ren_win)]
        view.shut_down()
        window.close()
        window.deleteLater()
        del view, window
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
    gc.collect()
    assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
    alive = [reference() for reference in left if reference() is not None]
    assert len(left) == 80 and len(alive) <= 4, f"{len(alive)} of 80 objects are still alive: {[type(item).__name__ for item in alive]}"


def test_a_window_closed_by_its_parent_only(qtbot, silicon):
    """The user clicks the cross: no shut_down call of ours before; the view's own closeEvent is not sent to children, destruction must still be clean."""
    from qcad_gui.scene.view import SceneView

    window = QMainWindow()
    view = SceneView(window)
    window.setCentralWidget(view)
    window.show()
    qtbot.waitExposed(window)
    view.set_structure(silicon)
    QApplication.processEvents()
    window.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
