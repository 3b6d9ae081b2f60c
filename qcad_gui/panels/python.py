"""What was done, as Python: a script that does the same without the window."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from ..looks import set_icon
from ..session import Session
from ..translate import mark, tr
from .base import Panel


class PythonPanel(Panel):
    """The session's script, to read and to copy."""

    name, title = "python", mark("Python")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setProperty("mono", True)
        self.text.setAccessibleName(tr("Python"))
        self.text.setPlaceholderText(tr("Every action appears here as a line of Python."))
        self.copy = QPushButton(tr("Copy"), self)
        self.copy.setToolTip(tr("Copy the script to the clipboard"))
        set_icon(self.copy, "copy")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(session.python_script()))
        row = QHBoxLayout()
        row.addWidget(self.copy)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.addWidget(self.text, 1)
        column.addLayout(row)
        session.script_changed.connect(self.later)

    def refresh(self) -> None:
        """The script so far, the newest line in view."""
        self.text.setPlainText(self.session.python_script())
        self.text.verticalScrollBar().setValue(self.text.verticalScrollBar().maximum())

    def theme_changed(self) -> None:
        """Icon in the theme's colours."""
        set_icon(self.copy, "copy")
        super().theme_changed()
