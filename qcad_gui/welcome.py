"""The welcome page: new, open, build, example, recent projects, and what an earlier session left behind."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from . import looks, theme
from .commands import BY_ID
from .looks import set_icon
from .session import Session
from .translate import mark, tr

_FIRST = (
    ("file.open", mark("CIF, POSCAR, XYZ, trajectories, cube files; or drop them anywhere")),
    ("build.bulk", mark("fcc, bcc, hcp, diamond, rocksalt and more")),
    ("build.crystal", mark("From the space group and its occupied sites")),
    ("file.examples", mark("Crystals, a surface and a trajectory, ready to look at and to compute")),
)
_WIDTH = 760


class WelcomePage(QScrollArea):
    """What somebody sees who has just started the program."""

    chosen = Signal(str)  # command id
    path_chosen = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.asked = True  # the page was asked for: it stays although there are nodes
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        outer = QWidget(self)
        around = QHBoxLayout(outer)
        around.addStretch(1)
        body = QWidget(outer)
        body.setMaximumWidth(_WIDTH)
        body.setMinimumWidth(420)
        around.addWidget(body, 10)
        around.addStretch(1)
        self.column = QVBoxLayout(body)
        self.column.setContentsMargins(24, 32, 24, 24)
        self.column.setSpacing(theme.LARGE)
        self.column.addWidget(looks.label("Q-CAD", "title", body))
        self.column.addWidget(
            looks.label(
                tr("Design a material from its atoms and hand it to finite-element programs: structure → relax → elastic constants → material deck."),
                "muted",
                body,
                wrap=True,
            )
        )
        cards = QGridLayout()
        cards.setSpacing(theme.MEDIUM)
        self.buttons: dict[str, QPushButton] = {}
        for place, (identifier, text) in enumerate(_FIRST):
            cards.addWidget(self._card(identifier, text, body), place // 2, place % 2)
        self.column.addLayout(cards)
        self.lists = QVBoxLayout()
        self.lists.setSpacing(theme.TINY)
        self.column.addLayout(self.lists)
        self.column.addStretch(1)
        self.setWidget(outer)
        session.project_changed.connect(self.refresh)
        session.jobs.changed.connect(lambda _: self.refresh() if self.isVisible() else None)
        self.refresh()

    def _card(self, identifier: str, text: str, parent: QWidget) -> QFrame:
        card = QFrame(parent)
        card.setObjectName("card")
        button = QPushButton(BY_ID[identifier].title, card)
        button.setToolTip(BY_ID[identifier].tooltip)
        button.clicked.connect(lambda: self.chosen.emit(identifier))
        set_icon(button, BY_ID[identifier].icon or "crystal")
        button.setMinimumHeight(34)
        if identifier == "file.open":
            button.setProperty("primary", False)
        column = QVBoxLayout(card)
        column.addWidget(button)
        column.addWidget(looks.label(tr(text), "muted", card, wrap=True))
        self.buttons[identifier] = button
        return card

    def refresh(self) -> None:
        """Recent files and interrupted work."""
        while self.lists.count():
            item = self.lists.takeAt(0)
            if item.widget() is not None:
                item.widget().deleteLater()
        broken = [view for view in self.session.jobs.views.values() if view.state in ("interrupted", "paused")]
        left = self.session.keeper.left_behind
        if left or broken:
            self._heading(tr("Recover"))
            for view in broken:
                self._link(
                    tr("Resume {title} ({state})", title=view.title, state=view.state),
                    tr("Continue from the last checkpoint"),
                    lambda view=view: self.session.attempt(self.session.jobs.resume, view.id),
                )
            for path, text in left:
                self._link(text, str(path), lambda path=path: self.path_chosen.emit(str(path)))
        recent = self.session.settings.recent()
        if recent:
            self._heading(tr("Recent"))
            for path in recent:
                self._link(Path(path).name, path, lambda path=path: self.path_chosen.emit(path))

    def _heading(self, text: str) -> None:
        self.lists.addSpacing(theme.MEDIUM)
        self.lists.addWidget(looks.label(text, "heading", self.widget()))

    def _link(self, text: str, tip: str, call) -> None:
        button = QPushButton(text, self.widget())
        button.setFlat(True)
        button.setProperty("link", True)
        button.setToolTip(tip)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.clicked.connect(call)
        self.lists.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)

    def theme_changed(self) -> None:
        """Icons in the theme's colours."""
        for identifier, button in self.buttons.items():
            set_icon(button, BY_ID[identifier].icon or "crystal")
