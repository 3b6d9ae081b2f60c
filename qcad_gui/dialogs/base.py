"""What every dialog shares: it gets the session, is never modal, has one main button and closes with Esc."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPushButton, QVBoxLayout, QWidget

from .. import looks
from ..session import Session
from ..translate import tr


class Dialog(QDialog):
    """Base of all dialogs: `body` is the layout to fill, `accept_button` the main button (None without `accept_text`)."""

    name = ""

    def __init__(self, session: Session, parent: QWidget | None = None, *, title: str, accept_text: str = "", accept_tip: str = "", close_text: str = ""):
        super().__init__(parent)
        self.session = session
        self.setWindowTitle(title)
        self.setModal(False)
        outer = QVBoxLayout(self)
        self.body = QVBoxLayout()
        outer.addLayout(self.body, 1)
        self.problem = looks.label("", "bad", self, wrap=True, selectable=True)
        self.problem.hide()
        outer.addWidget(self.problem)
        self.buttons = QDialogButtonBox(self)
        self.accept_button: QPushButton | None = None
        if accept_text:
            self.accept_button = self.buttons.addButton(accept_text, QDialogButtonBox.ButtonRole.AcceptRole)
            looks.set_property(self.accept_button, "primary", True)
            self.accept_button.setToolTip(accept_tip or accept_text)
            self.accept_button.setDefault(True)
        self.close_button = self.buttons.addButton(close_text or (tr("Cancel") if accept_text else tr("Close")), QDialogButtonBox.ButtonRole.RejectRole)
        self.close_button.setToolTip(tr("Close this window (Esc)"))
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        outer.addWidget(self.buttons)

    def show_problem(self, text: str) -> None:
        """Say what is wrong ("" = nothing) and hold the main button back meanwhile."""
        self.problem.setText(text)
        self.problem.setVisible(bool(text))
        if self.accept_button is not None:
            self.accept_button.setEnabled(not text)
