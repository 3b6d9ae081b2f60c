"""Keeps the scene equal to the session, and turns what the mouse does in the scene into calls of the session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer

from solvers.core.structure import Structure
from solvers.core.units import GPA_PASCAL

from . import looks
from .scene.styles import drawable
from .session import Session
from .translate import tr

_SETTLE = 250  # ms after the last frame until picking follows the frame shown
_FOLLOWS_MOUSE = {"select", "edit"}


class Stage(QObject):
    """Binds one `SceneView` (or a fake with the same methods) to one `Session`."""

    def __init__(self, session: Session, view: Any, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.view = session, view
        self._shown: Structure | None = None
        self._preview: Structure | None = None
        self._building = False  # what is shown is a preview in the place of the structure
        self._forces: Any = None
        self._velocities: Any = None
        self._moments: Any = None
        self._field: tuple[Any, Any, float, bool] = (None, None, 1.0, True)
        self._slice: tuple[Any, float] = (None, 0.5)
        self._parts: tuple[Any, str, Any] = (None, "", None)  # field, name of its part, the part
        self._surface: Any = None
        self._style = session.display.style
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE)
        self._settle.timeout.connect(self._settled)
        session.shown_changed.connect(self.refresh)
        session.selection_changed.connect(lambda: view.set_selection(session.selection))
        session.mode_changed.connect(view.set_mode)
        session.display_changed.connect(self.refresh)
        view.atom_clicked.connect(self._clicked)
        view.empty_clicked.connect(self._clicked_beside)
        view.box_selected.connect(self._boxed)
        view.double_clicked.connect(lambda _: view.fit())
        view.measured.connect(self._measured)
        view.drag_finished.connect(self._dragged)
        view.slice_moved.connect(self._slice_moved)
        view.set_mode(session.mode)
        view.set_preset(session.settings.get("mouse"))
        view.set_style(**{name: getattr(self._style, name) for name in ("bonds", "cell")})
        self.refresh()

    # ---- session -> view -------------------------------------------------------------------------------------------------------
    def refresh(self, *_: object) -> None:
        """Tell the view what differs from what it shows."""
        session, display = self.session, self.session.display
        if display.style != self._style:
            fields = display.style.__dataclass_fields__
            changes = {name: getattr(display.style, name) for name in fields if getattr(display.style, name) != getattr(self._style, name)}
            self._style = display.style
            self.view.set_style(**changes)
        playing = session.frames is not None and len(session.frames) > 0
        base = session.frames.structure(session.frame) if playing else session.structure
        if session.preview is not None and not session.ghost:
            base, playing = session.preview, False
        if base is not self._shown:
            self._show(base, playing)
        ghost = session.preview if session.ghost else None
        if ghost is not self._preview:
            self._preview = ghost
            self.view.set_preview(ghost)
        forces = _forces_of(base, session) if display.forces else None
        if forces is not self._forces:
            self._forces = forces
            self.view.set_forces(forces)
        velocities = base.arrays.get("velocities") if display.velocities and base is not None else None  # Å/fs
        if velocities is not self._velocities:
            self._velocities = velocities
            self.view.set_velocities(velocities)
        moments = _moments_of(base, session) if display.moments else None
        if moments is not self._moments:
            self._moments = moments
            self.view.set_moments(moments)
        wanted = session.field if display.field or display.slice else None
        field = (self._part(wanted, display.part), display.level, display.opacity, display.field) if wanted is not None else (None, None, 1.0, True)
        cut = (display.slice_hkl, display.slice_offset) if display.slice and wanted is not None else (None, 0.5)
        if cut != self._slice:
            self._slice = cut
            self.view.set_slice(*cut)
        if field[0] is not self._field[0] or field[1:] != self._field[1:]:
            self._field = field
            self.view.set_field(*field)
        surface = session.outcome.surface if display.surface else None
        if surface is not self._surface:
            self._surface = surface
            if surface is None:
                self.view.set_surface(None)
            else:
                points, triangles, values = surface
                self.view.set_surface(points / GPA_PASCAL, triangles, values / GPA_PASCAL, title=drawable(tr("Young's modulus / GPa"), "E / GPa"))

    def _show(self, structure: Structure | None, playing: bool) -> None:
        before, self._shown = self._shown, structure
        same = before is not None and structure is not None and len(before) == len(structure) and np.array_equal(before.numbers, structure.numbers)
        building, self._building = self._building, self.session.preview is structure is not None
        if building or self._building:  # something new that is being built, or what was there before it: all of it is shown
            self._settle.stop()
            self.view.set_structure(structure, keep_camera=False)
            self.view.set_selection(self.session.selection)
        elif playing and same:
            self.view.show_frame(structure.positions, structure.cell)
            self._settle.start()
        else:
            self._settle.stop()
            self.view.set_structure(structure)
            self.view.set_selection(self.session.selection)

    def _part(self, field: Any, name: str) -> Any:
        """A spin of a field that has spins, made once; else the field."""
        if len(field.values) == 1:
            return field
        if self._parts[0] is not field or self._parts[1] != name:
            self._parts = (field, name, field.part(name))
        return self._parts[2]

    def _slice_moved(self, step: float) -> None:
        offset = self.session.display.slice_offset + step
        self.session.set_display(slice_offset=round(min(max(offset, 0.0), 1.0), 4))

    def _settled(self) -> None:
        if self._shown is not None:
            self.view.set_structure(self._shown, keep_camera=True, same_images=True)
            self.view.set_selection(self.session.selection)

    def theme_changed(self) -> None:
        """Other colours."""
        self.view.set_theme(looks.current())

    # ---- view -> session ---------------------------------------------------------------------------------------------------------
    def _clicked(self, atom: int, modifiers: Any) -> None:
        if self.session.mode in _FOLLOWS_MOUSE:
            self.session.select(
                [atom], "toggle" if modifiers & Qt.KeyboardModifier.ControlModifier else "add" if modifiers & Qt.KeyboardModifier.ShiftModifier else "set"
            )

    def _clicked_beside(self) -> None:
        if self.session.mode in _FOLLOWS_MOUSE:
            self.session.select(())

    def _boxed(self, atoms: Iterable[int], modifiers: Any) -> None:
        how = (
            "add"
            if modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
            else "remove"
            if modifiers & Qt.KeyboardModifier.AltModifier
            else "set"
        )
        if self.session.mode == "view":  # a box drawn with B selects in every mode, and is only seen where a selection means something
            self.session.set_mode("select")
        self.session.select(list(atoms), how)

    def _measured(self, atoms: list[int]) -> None:
        self.session.measured.emit(self.view.measurement_text())

    def _dragged(self, atoms: list[int], vector: Any) -> None:
        session = self.session
        by = " ".join(f"{value:.6f}" for value in np.asarray(vector, float))
        text = tr("Move {n} atoms", n=len(atoms))
        if not session.attempt(session.edit, "move", {"indices": ",".join(map(str, sorted(atoms))), "by": by}, text, keep_selection=True):
            self._shown = None
            self.refresh()  # the atoms jump back


def _forces_of(structure: Structure | None, session: Session) -> np.ndarray | None:
    """Forces of the frame, else of the result, where they fit the structure shown."""
    if structure is None:
        return None
    forces = structure.arrays.get("forces") if session.frames is not None else None
    forces = session.forces if forces is None else forces
    return forces if forces is not None and len(forces) == len(structure) else None


def _moments_of(structure: Structure | None, session: Session) -> np.ndarray | None:
    """Magnetic moments being set up, else of the frame, else of the result, where they fit the structure shown."""
    if structure is None:
        return None
    own = structure.arrays.get("magmoms") if session.frames is not None else None
    moments = next((item for item in (session.start_moments, own, session.moments) if item is not None), None)
    return moments if moments is not None and np.shape(moments) == (len(structure),) else None
