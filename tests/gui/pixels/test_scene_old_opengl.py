"""A display whose OpenGL is too old, and one where OpenGL is switched off: a sentence, not a crash."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.gl
CODE = """
import time
from PySide6.QtWidgets import QApplication
app = QApplication([])
from ase.build import bulk
from solvers.core.structure import Structure
from qcad_gui.scene.view import SceneView
view = SceneView()
view.show()
view.set_structure(Structure.from_atoms(bulk("Si")))
end = time.time() + 0.5
while time.time() < end:
    app.processEvents()
print("AVAILABLE", view.available, view._message.isVisible(), view._message.text().replace(chr(10), " "))
view.close()
"""


@pytest.mark.parametrize(
    "change, words", [({"MESA_GL_VERSION_OVERRIDE": "2.1"}, "OpenGL 2.1 is too old, 3.2 is needed."), ({"QCAD_NO_OPENGL": "1"}, "QCAD_NO_OPENGL is set")]
)
def test_a_sentence_instead_of_a_crash(change, words):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "LIBGL_ALWAYS_SOFTWARE": "1", **change}
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", CODE], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("AVAILABLE"))
    assert line.startswith("AVAILABLE False True The picture cannot be drawn") and words in line


def test_the_same_script_draws_where_opengl_is_there():
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "AVAILABLE True False" in done.stdout, done.stderr[-2000:]
