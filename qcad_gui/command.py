"""What an action of the window is: a row of data, and the few ways in which rows say what they do.

`call` gets the window (`conditions.Window` says what it may use of it); `enabled` and `checked` look at the session only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .conditions import Test, Window, always
from .translate import mark, tr

if TYPE_CHECKING:
    from .session import Session


@dataclass(frozen=True)
class Command:
    """One action. `scope` "scene" limits single-key shortcuts to the scene and the timeline, so that typing elsewhere never triggers them."""

    id: str
    text: str
    menu: str
    call: Callable[[Window], Any]
    shortcut: str = ""
    tip: str = ""
    icon: str = ""
    enabled: Test = always
    checked: Test | None = None
    toolbar: bool = False
    scope: str = "window"
    python: str = ""  # what the action is in Python, where the session does not record it itself
    separate: bool = False  # a separator stands before it

    @property
    def title(self) -> str:
        """The text in the chosen language."""
        return tr(self.text)

    @property
    def tooltip(self) -> str:
        """Text, help and shortcut."""
        text = tr(self.tip) if self.tip else self.title.rstrip("…")
        return f"{text} ({self.shortcut.split(';')[0]})" if self.shortcut else text


MENUS = (
    ("file", mark("&File")),
    ("edit", mark("&Edit")),
    ("build", mark("&Build")),
    ("view", mark("&View")),
    ("calculate", mark("&Calculate")),
    ("results", mark("&Results")),
    ("play", mark("&Playback")),
    ("help", mark("&Help")),
)


def dialog(name: str, /, **values: Any) -> Callable[[Window], Any]:
    """A call that opens a dialog."""
    return lambda window: window.open_dialog(name, **values)


def toggle(name: str) -> Callable[[Window], Any]:
    """A call that turns a field of `Display` or `Style` on or off."""
    return lambda window: window.session.set_display(**{name: not display(window.session, name)})


def display(session: Session, name: str) -> Any:
    """The value of a field of `Display` or `Style`."""
    return getattr(session.display, name) if hasattr(session.display, name) else getattr(session.display.style, name)


def shows(name: str) -> Test:
    """True while that field is on."""
    return lambda session: bool(display(session, name))
