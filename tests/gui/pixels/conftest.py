"""Tests with real windows: they need a display and a process of their own each, so they are only collected where `QT_QPA_PLATFORM=xcb`
says so (installer/test.sh does, file by file).

By hand:  QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python -m pytest -m gl tests/gui/pixels/test_scene_view.py
"""

from __future__ import annotations

import os

import pytest

if os.environ.get("QT_QPA_PLATFORM") != "xcb":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def silicon():
    from ase.build import bulk

    from solvers.core.structure import Structure

    return Structure.from_atoms(bulk("Si", "diamond", a=5.43, cubic=True))


@pytest.fixture
def salt():
    from ase.build import bulk

    from solvers.core.structure import Structure

    return Structure.from_atoms(bulk("NaCl", "rocksalt", a=5.64, cubic=True))


@pytest.fixture
def view(qtbot):
    """A shown SceneView of 640 × 480; shut down after the test."""
    from qcad_gui.scene.view import SceneView

    out = SceneView()
    out.resize(640, 480)
    qtbot.addWidget(out)
    out.show()
    qtbot.waitExposed(out)
    qtbot.waitUntil(lambda: out.canvas is not None and out.canvas.isValid(), timeout=10_000)
    assert out.available
    out.set_style(face_atoms=False)  # one picture per atom, so that places are simple
    yield out
    out.shut_down()
