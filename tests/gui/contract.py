"""What every panel and dialog must do; the tests of each inherit it."""
from __future__ import annotations

import gc
import weakref

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDialogButtonBox, QLineEdit, QScrollBar, QTabBar, QToolButton, QWidget

#: buttons that Qt makes inside its own widgets
_QT_OWN = ("qt_", "ScrollLeftButton", "ScrollRightButton")


def own_buttons(widget: QWidget) -> list[QAbstractButton]:
    """The buttons that we put there."""
    return [button for button in widget.findChildren(QAbstractButton) if not button.objectName().startswith(_QT_OWN)
            and not isinstance(button.parent(), (QTabBar, QScrollBar, QLineEdit))
            and "Corner" not in type(button).__name__ and not _inside_plot(button)]


def _inside_plot(widget: QWidget) -> bool:
    while widget is not None:
        if type(widget).__module__.startswith("pyqtgraph"):
            return True
        widget = widget.parentWidget()
    return False


def check_buttons(widget: QWidget) -> int:
    """Text and tooltip on every button; how many there are."""
    buttons = own_buttons(widget)
    for button in buttons:
        name = f"{type(button).__name__} {button.objectName()!r} {button.text()!r}"
        assert button.text() or button.accessibleName(), f"{name} in {type(widget).__name__} has no text"
        assert button.toolTip(), f"{name} in {type(widget).__name__} has no tooltip"
    return len(buttons)


def check_inputs(widget: QWidget) -> None:
    """Every field has a tooltip, and can be reached with the keyboard."""
    for field in [*widget.findChildren(QLineEdit), *widget.findChildren(QComboBox)]:
        if field.objectName().startswith("qt_") or isinstance(field.parent(), QComboBox) or _inside_plot(field):
            continue
        assert field.toolTip() or field.parentWidget().toolTip(), f"{type(field).__name__} {field.accessibleName()!r} in {type(widget).__name__} has no tooltip"
        assert field.focusPolicy() & Qt.FocusPolicy.TabFocus


def check_keyboard(widget: QWidget) -> None:
    """Every button that can be pressed can be reached with Tab."""
    for button in own_buttons(widget):
        if isinstance(button.parent(), QDialogButtonBox) or (button.isEnabled() and button.isVisibleTo(widget)):
            reachable = button.focusPolicy() & Qt.FocusPolicy.TabFocus or isinstance(button, QToolButton) and button.actions()
            assert reachable, f"{button.text()!r} in {type(widget).__name__} cannot be reached with the keyboard"


def check_gone(make, qtbot) -> None:
    """Nothing of a widget is left when it is closed and deleted: no child, no running timer."""
    widget = make()
    timers = [timer for timer in widget.findChildren(QTimer)]
    gone: list[str] = []
    children = [weakref.ref(child) for child in widget.findChildren(QObject)]
    widget.destroyed.connect(lambda: gone.append("widget"))
    widget.close()
    widget.deleteLater()
    del widget
    qtbot.waitUntil(lambda: gone == ["widget"], timeout=5000)
    import shiboken6
    gc.collect()
    assert not [timer for timer in timers if shiboken6.isValid(timer) and timer.isActive()]
    assert not [child for ref in children if (child := ref()) is not None and shiboken6.isValid(child)]
