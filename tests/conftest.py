"""For all tests: a data folder of their own, and, when QCAD_WITHOUT_QT is set, no Qt, VTK or pyvista for the engine."""
from __future__ import annotations

import os
import sys
import tempfile

# never the user's own projects; the numba cache stays where it is, or every run would compile again
os.environ.setdefault("QCAD_DATA", tempfile.mkdtemp(prefix="qcad-tests-"))


class RefuseWindow:
    """An import hook that makes the engine's tests fail where something reaches for the window's libraries."""

    NAMES = frozenset({"PySide6", "shiboken6", "vtk", "vtkmodules", "pyvista", "pyvistaqt", "qcad_gui"})

    def find_spec(self, name, path=None, target=None):
        """Refuse the window's packages, leave everything else to the ordinary finders."""
        if name.split(".")[0] in self.NAMES:
            raise ModuleNotFoundError(f"{name} is refused: the engine and its tests run without the window", name=name)


if os.environ.get("QCAD_WITHOUT_QT"):
    sys.meta_path.insert(0, RefuseWindow())
