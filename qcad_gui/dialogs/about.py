"""Version, licences, this machine."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtWidgets import QPlainTextEdit, QWidget

import solvers
from solvers.core import device

from .. import looks
from ..session import Session
from ..translate import tr
from .base import Dialog

_PACKAGES = ("numpy", "scipy", "torch", "numba", "ase", "h5py", "spglib", "PySide6-Essentials", "vtk", "pyvista", "pyvistaqt", "pyqtgraph", "scikit-fem")


class AboutDialog(Dialog):
    """What a bug report should say."""

    name = "about"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("About Q-CAD"))
        self.body.addWidget(looks.label("Q-CAD", "title", self))
        self.body.addWidget(looks.label(tr("Version {version} · Apache License 2.0", version=solvers.__version__), "muted", self))
        self.body.addWidget(looks.label(tr("Design a material from its atoms and hand it to finite-element programs."), parent=self, wrap=True))
        self.text = QPlainTextEdit(facts(), self)
        self.text.setReadOnly(True)
        self.text.setProperty("mono", True)
        self.text.setAccessibleName(tr("This machine"))
        self.body.addWidget(self.text, 1)
        self.resize(480, 460)


def facts() -> str:
    """Versions and the machine, one per line."""
    lines = [f"Q-CAD {solvers.__version__}", f"Python {platform.python_version()} · {platform.platform()}", f"{device.cores()} cores"]
    for name in _PACKAGES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} –")
    return "\n".join(lines)
