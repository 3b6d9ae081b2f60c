"""`Effect`: the card in a dialog that says at once what a choice does to cutoff, size and time. The figures are the engine's."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from solvers.core.errors import QcadError

from . import estimating, looks
from .sentences import explained
from .session import Session
from .translate import tr

_PAUSE = 150  # ms without a change until the figures are made


class Effect(QFrame):
    """`show_change(pseudos=…)` compares the draft with and without a change; nothing is written."""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("card")
        self.session = session
        self.text = looks.label("", "muted", self, wrap=True, selectable=True)
        self.warning = looks.label("", "warning", self, wrap=True, selectable=True)
        column = QVBoxLayout(self)
        column.addWidget(looks.label(tr("What this changes"), "heading", self))
        column.addWidget(self.text)
        column.addWidget(self.warning)
        self.warning.hide()
        self._changes: dict[str, Any] = {}
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._ask)

    def show_change(self, **changes: Any) -> None:
        """Say soon what these parameters would do."""
        self._changes = changes
        self._pause.start()

    def _ask(self) -> None:
        draft = self.session.draft
        if not draft.ready:
            self._say(tr("No plane-wave calculation is being set up: there is nothing to compare with."))
            return
        try:
            now = draft.spec()
        except QcadError:
            now = None
        try:
            then = draft.spec(**self._changes)
        except QcadError as error:
            self._say("", explained(error))
            return
        self.session.dispatcher.run(estimating.compare, now, then, done=self._arrived, failed=self._failed, key="effect")

    def _arrived(self, answer: estimating.Estimate) -> None:
        self._say("\n".join(answer.lines), answer.warning)

    def _failed(self, error: BaseException) -> None:
        self._say("", explained(error) if isinstance(error, QcadError) else tr("No estimate: {error}", error=error))

    def _say(self, text: str, warning: str = "") -> None:
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self.warning.setText(warning)
        self.warning.setVisible(bool(warning))
