"""What every panel shares: it gets the session and nothing else, and does no work while nobody sees it."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from ..session import Session

#: a panel that hears many signals redraws at most this often
INTERVAL = 100  # ms


class Panel(QWidget):
    """Base of all panels. Subclasses connect signals to `later` and redraw in `refresh`, which runs only while visible, at most 10 times a second."""

    name = ""
    title = ""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.setObjectName(self.name)
        self._stale = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._due)

    def refresh(self) -> None:
        """Show the session's present state."""

    def later(self, *_: object) -> None:
        """Something changed: refresh soon, or when the panel is shown again."""
        self._stale = True
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def now(self, *_: object) -> None:
        """Something changed that must be seen at once."""
        self._stale = True
        self._due()

    def _due(self) -> None:
        if self._stale and self.isVisible():
            self._stale = False
            self.refresh()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """Catch up with what happened while hidden."""
        super().showEvent(event)
        self._due()

    def theme_changed(self) -> None:
        """Other colours: plots and icons are made again."""
        self._stale = True
        self._due()
