"""Rules of the style sheet that belong to single widgets of this window, and small helpers for labels. Colours come from `theme`."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from solvers.core import paths

from . import theme as themes
from .theme import MEDIUM, SMALL, Theme


def window_sheet(theme: Theme) -> str:
    """Style sheet of the main window and its dialogs."""
    return f"""
#messageBar {{ background: {theme.alternate}; border-bottom: 2px solid {theme.accent}; }}
#messageBar[level="error"] {{ border-bottom-color: {theme.bad}; }}
#messageBar[level="warning"] {{ border-bottom-color: {theme.warning}; }}
#messageBar[level="good"] {{ border-bottom-color: {theme.good}; }}
#ownerBar {{ background: {theme.warning}; }}
#ownerBar QLabel {{ color: {theme.window}; font-weight: 600; }}
#guide {{ background: {theme.alternate}; border-bottom: 1px solid {theme.border}; }}
#card {{ background: {theme.base}; border: 1px solid {theme.border}; border-radius: 6px; }}
QPushButton[primary="true"] {{ background: {theme.accent}; color: {theme.on_accent}; border: 1px solid {theme.accent}; border-radius: 4px;
 padding: {SMALL + 1}px {2 * MEDIUM}px; font-weight: 600; }}
QPushButton[primary="true"]:hover {{ border-color: {theme.text}; }}
QPushButton[primary="true"]:focus {{ border: 2px solid {theme.text}; }}
QPushButton[primary="true"]:disabled {{ background: {theme.border}; color: {theme.muted}; border-color: {theme.border}; }}
QLineEdit, QPlainTextEdit {{ border: 1px solid {theme.border}; border-radius: 3px; background: {theme.base}; padding: 2px; }}
QLineEdit:focus, QPlainTextEdit:focus {{ border-color: {theme.accent}; }}
QLineEdit:disabled {{ color: {theme.muted}; background: {theme.window}; }}
QAbstractSpinBox QLineEdit, QComboBox QLineEdit, QAbstractItemView QLineEdit {{ border: 0; padding: 0; }}
QToolButton#fold, QToolButton#fold:checked {{ background: transparent; color: {theme.text}; }}
QCheckBox::indicator {{ width: 14px; height: 14px; border: 1px solid {theme.muted}; border-radius: 3px; background: {theme.base}; }}
QCheckBox::indicator:checked {{ border-color: {theme.accent}; background: {theme.accent}; image: url("{_tick(theme)}"); }}
QCheckBox::indicator:focus {{ border-color: {theme.accent}; }}
QCheckBox::indicator:disabled {{ border-color: {theme.border}; background: {theme.window}; }}
QLineEdit[wrong="true"], QComboBox[wrong="true"] {{ border: 1px solid {theme.bad}; border-radius: 3px; background: {theme.base}; padding: 2px; }}
QPlainTextEdit[mono="true"] {{ font-family: monospace; }}
QPushButton[link="true"] {{ border: 0; color: {theme.accent}; text-align: left; padding: {SMALL}px; }}
QPushButton[link="true"]:hover {{ text-decoration: underline; }}
QPushButton[link="true"]:focus {{ border: 1px solid {theme.accent}; border-radius: 3px; }}
QPushButton[stage="done"] {{ color: {theme.good}; }}
QPushButton[stage="next"] {{ color: {theme.accent}; font-weight: 600; }}
"""


def _tick(theme: Theme) -> str:
    """A file with the tick of check boxes in the theme's colour: a style sheet can only name files."""
    path = paths.user_cache() / f"tick-{theme.name}.svg"
    text = paths.resource("icons", "check.svg").read_text(encoding="utf-8").replace("currentColor", theme.on_accent)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path.as_posix()


def set_property(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet looks at, and let the widget look again."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def label(text: str, role: str = "", parent: QWidget | None = None, *, wrap: bool = False, selectable: bool = False) -> QLabel:
    """A label in one of the theme's roles: "muted", "title", "heading", "good", "warning", "bad"."""
    out = QLabel(text, parent)
    out.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        out.setProperty("role", role)
    if wrap:
        out.setWordWrap(True)
        out.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    if selectable:
        out.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return out


def line(parent: QWidget | None = None) -> QFrame:
    """A thin horizontal line."""
    out = QFrame(parent)
    out.setFrameShape(QFrame.Shape.HLine)
    out.setFrameShadow(QFrame.Shadow.Plain)
    out.setStyleSheet("color: palette(mid);")
    return out


def current() -> Theme:
    """The theme in use, for plots and icons made later."""
    return QApplication.instance().property("qcad_theme") or themes.LIGHT


def use(app: QApplication, theme: Theme) -> None:
    """Give the application `theme`, and remember it for `current`."""
    themes.apply(app, theme)
    app.setStyleSheet(app.styleSheet() + window_sheet(theme))
    app.setProperty("qcad_theme", theme)


def item_icon(name: str) -> QIcon:
    """An icon for rows of trees and lists: the same whether a row is open or not, light on a selected row."""
    colours = current()
    source, out = themes.icon(name, colours), QIcon()
    size = QSize(themes.ICON_SIZE, themes.ICON_SIZE)
    for state in (QIcon.State.Off, QIcon.State.On):
        out.addPixmap(source.pixmap(size, QIcon.Mode.Normal, QIcon.State.Off), QIcon.Mode.Normal, state)
        out.addPixmap(source.pixmap(size, QIcon.Mode.Normal, QIcon.State.On), QIcon.Mode.Selected, state)
    return out


def set_icon(button: QPushButton | QToolButton, name: str) -> None:
    """Give a button an icon of the set in the theme's colours."""
    if name:
        button.setIcon(themes.icon(name, current()))
