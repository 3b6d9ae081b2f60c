"""What the mouse does to a `SceneView`: camera drags, clicks, boxes, moving atoms, measuring. Clicks and results leave as the view's signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QRubberBand

from . import camera, mouse
from .pick import in_box

if TYPE_CHECKING:
    from .view import SceneView

_CLICK_PIXELS = 4.0  # a press that moves less is a click
_HOVER_LIMIT = 20_000  # atoms; above, hovering is not followed
_SLICE_STEP = 0.02  # of the slice plane's way, per notch of the wheel
_BUTTONS = {Qt.MouseButton.LeftButton: "left", Qt.MouseButton.MiddleButton: "middle", Qt.MouseButton.RightButton: "right"}
_KEYS = {Qt.KeyboardModifier.ShiftModifier: "shift", Qt.KeyboardModifier.ControlModifier: "ctrl", Qt.KeyboardModifier.AltModifier: "alt"}


class Gestures:
    """One gesture at a time: from a button going down to its going up."""

    def __init__(self, view: SceneView):
        self.view = view
        self.press: QPointF | None = None
        self.last = QPointF()
        self.action: str | None = None
        self.moved_far = False
        self.dragged: list[int] = []
        self.drag_vector = np.zeros(3)
        self.box_next = False  # the next drag is a box, whatever the mode
        self.hovered = -1
        self.measuring: list[int] = []
        self.rubber = QRubberBand(QRubberBand.Shape.Rectangle, view)

    @property
    def busy(self) -> bool:
        """Something that Escape would stop."""
        return self.box_next or bool(self.measuring) or self.press is not None

    def pressed(self, event: QMouseEvent) -> None:
        """A button went down on the canvas."""
        self.view.setFocus(Qt.FocusReason.MouseFocusReason)
        button = _BUTTONS.get(event.button())
        if button is None or self.view.drawing is None:
            return
        self.press = self.last = event.position()
        self.moved_far = False
        self.dragged, self.drag_vector = [], np.zeros(3)
        self.action = "box" if self.box_next and button == "left" else mouse.action(self.view.preset, self.view.mode, button, _modifiers(event))
        if self.view.mode == "edit" and button == "left" and not self.box_next and not _modifiers(event):
            atom = self.view.atom_at(self.press.x(), self.press.y())
            if atom >= 0:
                self.dragged = sorted(self.view.selection) if atom in self.view.selection else [atom]
                self.action = "move"
        event.accept()

    def moved(self, event: QMouseEvent) -> None:
        """The mouse moved over the canvas."""
        if self.view.drawing is None:
            return
        at = event.position()
        if self.press is None:
            self.hover(at)
            return
        if not self.moved_far and max(abs(at.x() - self.press.x()), abs(at.y() - self.press.y())) < _CLICK_PIXELS:
            return
        self.moved_far = True
        dx, dy = at.x() - self.last.x(), at.y() - self.last.y()
        self.last = at
        view = self.view.canvas.camera
        if self.action == "rotate":
            camera.rotate(view, dx, dy)
        elif self.action == "pan":
            camera.pan(view, self.view.projector(), dx, dy)
        elif self.action == "zoom":
            camera.zoom(view, 1.01**-dy)
        elif self.action == "roll":
            camera.roll(view, 0.4 * dx)
        elif self.action == "box":
            self.rubber.setGeometry(QRect(self.press.toPoint(), at.toPoint()).normalized())
            self.rubber.show()
            return
        elif self.action == "move" and self.view.structure is not None:
            origin = self.view.structure.positions[self.dragged[0]]
            self.drag_vector = self.view.projector().plane_vector(at.x() - self.press.x(), at.y() - self.press.y(), origin)
            now = np.array(self.view.structure.positions)
            now[self.dragged] += self.drag_vector
            self.view.drawing.update_positions(now)
            self.view.drag_moved.emit(list(self.dragged), self.drag_vector.copy())
        else:
            return
        self.view.changed(moving=True)

    def released(self, event: QMouseEvent) -> None:
        """A button went up: the end of a drag, or a click."""
        if self.press is None or self.view.drawing is None:
            return
        start, moved, action, at = self.press, self.moved_far, self.action, event.position()
        self.press, self.action = None, None
        self.rubber.hide()
        if not moved:
            self.dragged = []
            self.clicked(event)
        elif action == "box":
            rows = in_box(self.view.projector(), (start.x(), start.y()), (at.x(), at.y()), self.view.drawing.drawn.positions)
            self.box_next = False
            self.view.set_mode(self.view.mode)
            self.view.box_selected.emit(sorted({int(k) for k in self.view.drawing.drawn.owner[rows]}), event.modifiers())
        elif action == "move":
            atoms, self.dragged = self.dragged, []
            self.view.drag_finished.emit(atoms, self.drag_vector.copy())
        event.accept()

    def clicked(self, event: QMouseEvent) -> None:
        """A press that hardly moved."""
        at = event.position()
        atom = self.view.atom_at(at.x(), at.y())
        if event.button() == Qt.MouseButton.RightButton:
            self.view.context_requested.emit(atom, event.globalPosition().toPoint())
        elif event.button() != Qt.MouseButton.LeftButton:
            return
        elif atom < 0:
            if self.view.mode == "measure":
                self.view.clear_measurement()
            self.view.empty_clicked.emit()
        elif self.view.mode == "measure":
            self.measure(atom)
        else:
            self.view.atom_clicked.emit(atom, event.modifiers())

    def measure(self, atom: int) -> None:
        """One more atom in measure mode; the fifth, or one that is in already, begins anew."""
        if len(self.measuring) == 4 or atom in self.measuring:
            self.measuring = []
        self.measuring.append(atom)
        self.view.set_selection(self.measuring)
        self.view.set_measurements([tuple(self.measuring)] if len(self.measuring) > 1 else [])
        if len(self.measuring) > 1:
            self.view.measured.emit(list(self.measuring))

    def double_pressed(self, event: QMouseEvent) -> None:
        """Double click: an atom is reported; beside every atom the picture is fitted."""
        if self.view.drawing is None:
            return
        atom = self.view.atom_at(event.position().x(), event.position().y())
        if atom >= 0:
            self.view.double_clicked.emit(atom)
        elif event.button() == Qt.MouseButton.LeftButton:
            self.view.fit()

    def wheeled(self, event: QWheelEvent) -> None:
        """Zoom towards the mouse; with Shift move the slice plane, where there is one."""
        if self.view.drawing is None:
            return
        steps = (event.angleDelta().y() or event.angleDelta().x()) / 120.0  # with Shift some desktops turn the wheel sideways
        if steps and event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self.view.drawing.has_slice:
            self.view.slice_moved.emit(_SLICE_STEP * steps)
            event.accept()
            return
        if steps:
            camera.zoom_at(self.view.canvas.camera, self.view.projector(), 1.15**steps, event.position().x(), event.position().y())
            self.view.changed(moving=True)
        event.accept()

    def left(self) -> None:
        """The mouse left the canvas."""
        if self.hovered >= 0:
            self.hovered = -1
            self.view.atom_hovered.emit(-1)

    def hover(self, at: QPointF) -> None:
        """Tell once which atom the mouse is over."""
        if len(self.view.drawing.drawn.positions) > _HOVER_LIMIT:
            return
        atom = self.view.atom_at(at.x(), at.y())
        if atom != self.hovered:
            self.hovered = atom
            self.view.atom_hovered.emit(atom)

    def cancel(self) -> None:
        """Escape: no box, no drag, no measurement; a dragged atom goes back."""
        self.box_next, self.press = False, None
        self.rubber.hide()
        if self.dragged:
            self.dragged = []
            self.redraw_structure()
        self.view.set_mode(self.view.mode)
        self.view.clear_measurement()

    def redraw_structure(self) -> None:
        """Put every atom where the structure says."""
        if self.view.drawing is not None and self.view.structure is not None:
            self.view.drawing.update_positions(self.view.structure.positions, self.view.structure.cell)
            self.view.changed()


def _modifiers(event: QMouseEvent) -> frozenset[str]:
    return frozenset(name for key, name in _KEYS.items() if event.modifiers() & key)
