"""`FakeView`: the face of `SceneView` without a picture. It records calls; panels and the session are tested with it where no OpenGL is wanted."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QWidget

from solvers.core.structure import Structure

from .styles import Style

#: methods that are only recorded; their return values are what a view without OpenGL gives
RECORDED = (
    "show_frame",
    "set_forces",
    "set_velocities",
    "set_moments",
    "set_field",
    "set_slice",
    "set_surface",
    "set_preview",
    "set_measurements",
    "clear_measurement",
    "set_theme",
    "set_preset",
    "reset_camera",
    "fit",
    "view_along",
    "zoom",
    "start_box",
    "shut_down",
)


class FakeView(QWidget):
    """Signals as `SceneView`; `calls` holds (name, args, kwargs) of everything it was told."""

    atom_clicked = Signal(int, object)
    empty_clicked = Signal()
    box_selected = Signal(list, object)
    atom_hovered = Signal(int)
    measured = Signal(list)
    double_clicked = Signal(int)
    drag_moved = Signal(list, object)
    drag_finished = Signal(list, object)
    context_requested = Signal(int, QPoint)
    files_dropped = Signal(list)
    slice_moved = Signal(float)
    notes_changed = Signal(list)
    available = False

    def __init__(self, parent: QWidget | None = None, **_options: Any):
        super().__init__(parent)
        self.calls: list[tuple[str, tuple, dict]] = []
        self.structure: Structure | None = None
        self.selection: frozenset[int] = frozenset()
        self.mode, self.style_now = "view", Style()

    def set_structure(self, structure: Structure | None, **options: Any) -> None:
        """Recorded; `structure` holds it."""
        self.calls.append(("set_structure", (structure,), options))
        self.structure = structure

    def set_selection(self, atoms) -> None:
        """Recorded; `selection` holds it."""
        self.selection = frozenset(atoms)
        self.calls.append(("set_selection", (self.selection,), {}))

    def set_mode(self, mode: str) -> None:
        """Recorded; `mode` holds it."""
        self.calls.append(("set_mode", (mode,), {}))
        self.mode = mode

    def set_style(self, **changes: Any) -> None:
        """Recorded and checked as the real one; `style_now` holds it."""
        self.style_now = self.style_now.but(**changes)
        self.calls.append(("set_style", (), changes))

    def measurement_text(self) -> str:
        """Nothing is measured."""
        return ""

    def names(self) -> list[str]:
        """The names of the calls so far."""
        return [name for name, _args, _kwargs in self.calls]


def _recorder(name: str):
    def method(self: FakeView, *args: Any, **kwargs: Any) -> None:
        self.calls.append((name, args, kwargs))

    method.__name__, method.__doc__ = name, "Recorded."
    return method


for _name in RECORDED:
    setattr(FakeView, _name, _recorder(_name))
