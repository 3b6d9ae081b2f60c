"""What commands may use of the window, and the conditions under which they are possible. Conditions look at the session only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .session import Session


class Window(Protocol):
    """What commands may use of the main window."""

    session: Session
    view: Any

    def open_dialog(self, name: str, /, **values: Any) -> Any: ...
    def open_editor(self, name: str) -> None: ...
    def show_panel(self, name: str) -> None: ...
    def prepare(self, task: str) -> None: ...
    def ask_open(self) -> None: ...
    def open_example(self) -> None: ...
    def new_project(self) -> None: ...
    def open_project(self) -> None: ...
    def keep_as(self) -> None: ...
    def close(self) -> bool: ...
    def play(self, what: str) -> None: ...
    def copy_python(self) -> None: ...
    def set_theme(self, name: str) -> None: ...
    def show_welcome(self) -> None: ...
    def show_result(self, what: str) -> None: ...
    def copy_picture(self) -> None: ...
    def rename_current(self) -> None: ...
    def set_full_screen(self) -> None: ...
    def escape(self) -> None: ...


Test = Callable[["Session"], bool]


def always(_: Session) -> bool:
    """No condition."""
    return True


def has_structure(session: Session) -> bool:
    """A structure is current."""
    return session.structure is not None


def can_edit(session: Session) -> bool:
    """The current structure may be changed."""
    return session.editable


def can_edit_selection(session: Session) -> bool:
    """Atoms of an editable structure are selected."""
    return session.editable and bool(session.selection)


def has_shown(session: Session) -> bool:
    """There is something in the scene."""
    return session.shown is not None


def has_frames(session: Session) -> bool:
    """A trajectory is open."""
    return session.frames is not None and len(session.frames) > 1


def writable(session: Session) -> bool:
    """The project is ours."""
    return not session.read_only


def has_node(session: Session) -> bool:
    """Something in the project is current."""
    return session.node() is not None


def has_material(session: Session) -> bool:
    """The current node is a material, or a run that made one."""
    return session.outcome.material() is not None


#: tasks whose results hold fields
FIELD_TASKS = ("scf", "field", "stm", "relax", "workfunction")


def field_sources(session: Session) -> list[str]:
    """Ids of the nodes that hold fields or whose results may hold some, newest first."""
    nodes = [
        node
        for node in session.nodes.values()
        if node.kind == "field" or (node.kind == "run" and isinstance(node.payload, dict) and node.payload.get("task") in FIELD_TASKS)
    ]
    return [node.id for node in sorted(nodes, key=lambda node: node.created, reverse=True)]
