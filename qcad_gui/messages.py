"""Errors and notes for people: what happened, why, what to do; details folded. Every failure of the window ends here."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from solvers.core.errors import QcadError

from .sentences import said
from .translate import tr

_PASSING = 10_000  # ms a message stays that asks for nothing


@dataclass(frozen=True)
class Message:
    """level "info", "good", "warning" or "error"; what happened; what to do; details for experts."""

    level: str
    what: str
    advice: str = ""
    details: str = ""


def from_error(error: BaseException) -> Message:
    """The message of an exception: our own errors speak for themselves, others are called what they are: a fault of the program."""
    details = "".join(traceback.format_exception(error)) if error.__traceback__ is not None else ""
    if isinstance(error, QcadError):
        return Message("error", said(error.message), said(error.hint), details)
    if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, OSError)) and error.strerror:
        return Message(
            "error",
            f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror),
            tr("Check the path, the rights and the space on the disk."),
            details,
        )
    return Message(
        "error",
        tr("The program made a mistake: {error}", error=f"{type(error).__name__}: {error}"),
        tr("Nothing in the project is lost. The details below help whoever looks into it."),
        details,
    )


class Messages(QObject):
    """Where messages arrive; the window shows them. `history` keeps the last ones."""

    posted = Signal(object)

    def __init__(self):
        super().__init__()
        self.history: list[Message] = []

    def post(self, message: Message) -> None:
        """Show `message` (any thread)."""
        self.history = [*self.history[-99:], message]
        self.posted.emit(message)


_central: Messages | None = None


def central() -> Messages:
    """The one receiver of messages."""
    global _central
    if _central is None:
        _central = Messages()
    return _central


def post(level: str, what: str, advice: str = "", details: str = "") -> None:
    """Show a message."""
    central().post(Message(level, what, advice, details))


def post_error(error: BaseException) -> None:
    """Show an error."""
    central().post(from_error(error))


def install() -> None:
    """Send uncaught exceptions of slots to the message bar; they also go to stderr so that a terminal and the tests see them."""

    def hook(kind, error, trace):
        sys.__excepthook__(kind, error, trace)
        if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
            post_error(error)

    sys.excepthook = hook


class MessageBar(QWidget):
    """The newest message above the scene: one line, its remedy, *Details* and *Dismiss*. Never modal."""

    def __init__(self, receiver: Messages | None = None, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("messageBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.message: Message | None = None
        self.label = QLabel(self)
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.details = QPushButton(tr("Details…"), self)
        self.details.setToolTip(tr("Show the whole message"))
        self.details.clicked.connect(self._show_details)
        self.dismiss = QToolButton(self)
        self.dismiss.setText("✕")
        self.dismiss.setToolTip(tr("Dismiss this message"))
        self.dismiss.setAutoRaise(True)
        self.dismiss.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.dismiss.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 8, 6)
        row.addWidget(self.label, 1)
        row.addWidget(self.details)
        row.addWidget(self.dismiss)
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.setInterval(_PASSING)
        self._fade.timeout.connect(self.hide)
        self.hide()
        if receiver is not None:
            receiver.posted.connect(self.show_message)

    def show_message(self, message: Message) -> None:
        """Show `message` in place of the one before."""
        self.message = message
        mark = {"error": "⚠", "warning": "⚠", "good": "✓"}.get(message.level, "ℹ")
        self.label.setText(f"{mark}  {message.what}" + (f"\n{message.advice}" if message.advice else ""))
        self.details.setVisible(bool(message.details))
        self.setProperty("level", message.level)
        self.style().unpolish(self)
        self.style().polish(self)
        if message.level in ("info", "good"):
            self._fade.start()
        else:
            self._fade.stop()
        self.show()

    def _show_details(self) -> None:
        if self.message is not None:
            dialog = MessageDialog(self.message, self.window())
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.open()


class MessageDialog(QDialog):
    """A message in full with its details, to copy."""

    def __init__(self, message: Message, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle(tr("Message"))
        self.resize(640, 420)
        what = QLabel(message.what, self)
        what.setWordWrap(True)
        what.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        font = what.font()
        font.setBold(True)
        what.setFont(font)
        advice = QLabel(message.advice, self)
        advice.setWordWrap(True)
        advice.setVisible(bool(message.advice))
        text = QPlainTextEdit(message.details, self)
        text.setReadOnly(True)
        text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        buttons = QDialogButtonBox(self)
        copy = buttons.addButton(tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.setToolTip(tr("Copy the message and its details"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(f"{message.what}\n{message.advice}\n\n{message.details}"))
        close = buttons.addButton(tr("Close"), QDialogButtonBox.ButtonRole.RejectRole)
        close.setToolTip(tr("Close this window"))
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(what)
        column.addWidget(advice)
        column.addWidget(text, 1)
        column.addWidget(buttons)
