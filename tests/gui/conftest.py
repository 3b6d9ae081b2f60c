"""Panels, dialogs and the session offscreen, with a view that only records. Every test leaves no widget, timer or thread behind."""
from __future__ import annotations

import gc
import os
import threading

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("PYQTGRAPH_QT_LIB", "PySide6")

import pytest


@pytest.fixture(autouse=True)
def own_data(tmp_path, monkeypatch):
    """Projects and settings of this test alone."""
    monkeypatch.setenv("QCAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("QCAD_CHECKPOINT_SECONDS", "0.2")
    monkeypatch.setenv("QCAD_SEGMENT_SECONDS", "0.2")
    return tmp_path / "data"


@pytest.fixture
def calm(qtbot):
    """calm(session): everything sent to other threads has come back."""
    def wait(session, timeout=20_000):
        qtbot.waitUntil(lambda: session.dispatcher.pending == 0, timeout=timeout)
    return wait


@pytest.fixture
def session(qtbot, calm):
    """A session on a fresh untitled project."""
    from qcad_gui import looks, messages, theme, translate
    from qcad_gui.app import make_application
    from qcad_gui.dispatch import Dispatcher
    from qcad_gui.session import Session
    from qcad_gui.settings import Settings
    looks.use(make_application(["test"]), theme.LIGHT)
    translate.load("en")
    messages.central().history.clear()
    before = set(threading.enumerate())
    dispatcher = Dispatcher()
    out = Session(dispatcher, Settings())
    out.keeper.begin()
    qtbot.waitUntil(lambda: out.keeper.project is not None, timeout=20_000)
    calm(out)
    yield out
    out.close()
    leftover = [thread.name for thread in threading.enumerate() if thread not in before and thread.name.startswith("qcad-watch")]
    assert not leftover
    out.deleteLater()
    dispatcher.deleteLater()
    qtbot.wait(1)
    gc.collect()


@pytest.fixture
def window(qtbot, session):
    """The main window on that session with a recording view; shown offscreen."""
    from qcad_gui.scene.fake import FakeView
    from qcad_gui.window import MainWindow
    out = MainWindow(session, FakeView)
    qtbot.addWidget(out)
    out.resize(1280, 800)
    out.show()
    yield out
    for dialog in list(out.dialogs.values()):
        dialog.close()
    out.close()


@pytest.fixture
def silicon():
    from ase.build import bulk

    from solvers.core.structure import Structure
    return Structure.from_atoms(bulk("Si", "diamond", a=5.431))


@pytest.fixture
def copper():
    from ase.build import bulk

    from solvers.core.structure import Structure
    return Structure.from_atoms(bulk("Cu", cubic=True))


@pytest.fixture
def said():
    """The messages so far, as texts."""
    from qcad_gui import messages
    return lambda: [message.what for message in messages.central().history]
