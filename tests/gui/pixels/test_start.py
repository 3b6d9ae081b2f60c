"""``qcad-gui FILE`` as it is started: the file is opened, closing the window ends the program with exit code 0."""
from __future__ import annotations

import gc
import sys

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

pytestmark = [pytest.mark.gl, pytest.mark.timeout(300)]


def test_the_program_opens_its_file_and_ends(qapp, tmp_path, monkeypatch):
    from ase.build import bulk
    from ase.io import write

    from qcad_gui import app
    from qcad_gui.window import MainWindow
    monkeypatch.setenv("QCAD_DATA", str(tmp_path / "data"))
    write(tmp_path / "salt.cif", bulk("NaCl", "rocksalt", a=5.64))
    seen = {}

    def look():
        window = next((widget for widget in QApplication.topLevelWidgets() if isinstance(widget, MainWindow)), None)
        if window is None or window.session.structure is None or window.session.dispatcher.pending:
            return
        seen.update(formula=window.session.structure.formula, name=window.session.node().name, visible=window.isVisible(), available=window.view.available,
                    collecting=gc.isenabled(),
                    std=float(window.view.screenshot().std()), hook=sys.excepthook is not sys.__excepthook__)
        timer.stop()
        window.actions_by_id["file.quit"].trigger()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(200)
    before = sys.excepthook
    try:
        code = app.main([str(tmp_path / "salt.cif")])
    finally:
        sys.excepthook = before
        gc.enable()
        gc.unfreeze()
    assert code == 0
    assert seen["formula"] == "NaCl" and seen["name"] == "salt" and seen["visible"] and seen["available"] and seen["std"] > 5
    assert not seen["collecting"] and seen["hook"]
