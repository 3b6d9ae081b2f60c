"""The view where there is no OpenGL, and the stand-in that other tests use: both have the face of the real one."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QMetaMethod
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from qcad_gui.scene.fake import RECORDED, FakeView
from solvers.core.errors import RunError
from solvers.core.structure import Structure

OWN = {name for name in dir(QWidget)}
#: what only the mouse and VTK need
INTERNAL = {"changed", "painted", "canvas_resized", "projector", "project", "atom_at", "screenshot", "film", "staticMetaObject"}


def silicon() -> Structure:
    from ase.build import bulk

    return Structure.from_atoms(bulk("Si", cubic=True))


def face(kind) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and name not in OWN and not name.endswith("Event")}


def signals_of(kind) -> set[str]:
    """Signatures of the signals a class adds to QWidget."""
    meta = kind.staticMetaObject
    return {
        bytes(meta.method(k).methodSignature()).decode()
        for k in range(meta.methodOffset(), meta.methodCount())
        if meta.method(k).methodType() == QMetaMethod.MethodType.Signal
    }


def test_the_stand_in_has_every_public_name_of_the_view(qtbot):
    from qcad_gui.scene.view import SceneView

    fake = FakeView()
    qtbot.addWidget(fake)
    missing = {name for name in face(SceneView) - INTERNAL if not hasattr(fake, name)}
    assert not missing
    for name in RECORDED:
        assert callable(getattr(SceneView, name)), name


def test_the_stand_in_has_the_same_signals():
    from qcad_gui.scene.view import SceneView

    assert len(signals_of(SceneView)) == 12
    assert signals_of(FakeView) == signals_of(SceneView)


def test_the_stand_in_records(qtbot):
    fake = FakeView()
    qtbot.addWidget(fake)
    fake.set_structure(silicon(), keep_camera=True)
    fake.set_selection([1, 1, 2])
    fake.set_style(bonds=False)
    fake.view_along("x")
    assert fake.names() == ["set_structure", "set_selection", "set_style", "view_along"]
    assert fake.selection == {1, 2} and not fake.style_now.bonds and fake.calls[-1] == ("view_along", ("x",), {})
    with pytest.raises(ValueError, match="no representation 'x'"):
        fake.set_style(representation="x")


@pytest.mark.skipif("QGuiApplication.platformName() == 'xcb'", reason="this display has OpenGL")
def test_without_opengl_a_sentence_is_shown_and_everything_else_works(qtbot):
    from qcad_gui.scene.view import SceneView

    assert QGuiApplication.platformName() == "offscreen"
    view = SceneView()
    qtbot.addWidget(view)
    view.show()
    assert not view.available and "The picture cannot be drawn" in view._message.text() and "libgl1-mesa-dri" in view._message.text()
    assert view._message.isVisible()
    crystal = silicon()
    view.set_structure(crystal)
    view.set_selection([0, 99])
    view.set_mode("measure")
    view.set_style(repeat=(2, 1, 1))
    view.set_forces(np.ones((8, 3)))
    view.show_frame(crystal.positions)
    view.reset_camera()
    view.view_along("x")
    view.set_preview(crystal)
    assert view.set_field(None) is None and view.atom_at(1, 1) == -1 and view.measurement_text() == ""
    assert view.structure is crystal and view.selection == {0} and view.style_now.repeat == (2, 1, 1)
    assert view._message.isVisible(), "the sentence stays"
    for act in (view.screenshot, view.projector, lambda: view.film("x.gif")):
        with pytest.raises(RunError, match="OpenGL is missing on this display"):
            act()
    view.shut_down()


def test_the_scene_is_the_only_importer_of_vtk_and_draw_knows_no_qt():
    """In a fresh process: drawing loads VTK and no Qt; the stand-in, the theme and the styles load no VTK."""
    code = (
        "import sys; import qcad_gui.scene.draw, qcad_gui.scene.movie; "
        "assert 'vtkmodules.vtkCommonCore' in sys.modules and not [m for m in sys.modules if m.startswith('PySide6')]"
    )
    other = (
        "import sys; import qcad_gui.theme, qcad_gui.scene.styles, qcad_gui.scene.mouse, qcad_gui.scene.fake; "
        "assert not [m for m in sys.modules if m.startswith(('vtk', 'pyvista', 'torch', 'h5py'))]"
    )
    for text in (code, other):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()}, timeout=120)
        assert done.returncode == 0, done.stderr


def test_signatures_of_the_calls_others_make():
    from qcad_gui.scene.view import SceneView

    assert list(inspect.signature(SceneView.show_frame).parameters) == ["self", "positions", "cell"]
    assert list(inspect.signature(SceneView.screenshot).parameters) == ["self", "path", "scale", "transparent"]
    assert list(inspect.signature(SceneView.set_field).parameters) == ["self", "field", "level", "opacity", "surfaces"]
