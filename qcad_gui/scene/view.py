"""`SceneView`: the one widget that shows atoms, and the only place where Qt meets VTK.

Rules (each has cost somebody a crash): GUI thread only; one render per change (`changed` schedules one paint); no auto-update timer;
closed before its window dies. Where OpenGL is not available the widget shows a sentence instead of a picture and everything else keeps
working: `available` is False, calls change state and draw nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QSize, Qt, QThread, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QMouseEvent, QSurfaceFormat, QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget
from pyvistaqt import QtInteractor

from solvers.core.errors import RunError
from solvers.core.fields import GridField
from solvers.core.structure import Structure

from ..theme import LIGHT, MEDIUM, Theme
from ..translate import tr
from . import camera, measure, mouse, movie
from .draw import Drawing
from .gestures import Gestures
from .pick import Projector, pick
from .styles import Style

_STILL_AFTER = 220  # ms without a change until the picture is drawn once more in full quality
_SLOW_PAINT = 0.2  # s for one moving picture; above, bonds are left out while it moves
_TOO_SLOW_FOR_STILL = 0.4  # s; full quality costs up to four times as much


class _Canvas(QtInteractor):
    """The interactor with VTK's own mouse, keyboard and drop handling taken out: `owner` gets the mouse, the window's actions get the keys."""

    def __init__(self, owner: SceneView):
        super().__init__(owner, auto_update=False, multi_samples=0)
        self.owner = owner
        self.setAcceptDrops(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.owner.gestures.pressed(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.owner.gestures.moved(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.owner.gestures.released(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.owner.gestures.double_pressed(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        self.owner.gestures.wheeled(event)

    def keyPressEvent(self, event) -> None:  # noqa: N802
        event.ignore()

    def keyReleaseEvent(self, event) -> None:  # noqa: N802
        event.ignore()

    def enterEvent(self, event) -> None:  # noqa: N802
        event.accept()

    def leaveEvent(self, event) -> None:  # noqa: N802
        self.owner.gestures.left()

    def paintGL(self) -> None:  # noqa: N802
        began = time.perf_counter()
        super().paintGL()
        self.owner.painted(time.perf_counter() - began)

    def resizeGL(self, width: int, height: int) -> None:  # noqa: N802
        super().resizeGL(width, height)
        self.owner.canvas_resized()


class SceneView(QWidget):
    """Shows one structure with its fields and marks. All positions are Å, all screen positions device-independent pixels of this widget."""

    atom_clicked = Signal(int, object)  # atom, Qt.KeyboardModifiers
    empty_clicked = Signal()
    box_selected = Signal(list, object)  # atoms, Qt.KeyboardModifiers
    atom_hovered = Signal(int)  # -1 = none
    measured = Signal(list)  # 2, 3 or 4 atoms
    double_clicked = Signal(int)
    drag_moved = Signal(list, object)  # atoms, (3,) Å since the drag began
    drag_finished = Signal(list, object)
    context_requested = Signal(int, QPoint)  # atom or -1, global position
    files_dropped = Signal(list)  # paths as text
    slice_moved = Signal(float)  # share of its way that Shift+wheel moves the slice plane
    notes_changed = Signal(list)  # sentences: what is not drawn and why

    def __init__(self, parent: QWidget | None = None, *, theme: Theme = LIGHT, style: Style | None = None):
        super().__init__(parent)
        self.setObjectName("scene_view")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAcceptDrops(True)
        self.setMinimumSize(QSize(240, 180))
        self.setAccessibleName(tr("Picture of the structure"))
        self.theme, self.mode, self.preset = theme, "view", "default"
        self.empty_text = tr("Open a structure or build one.\nDrop a file here, or press Ctrl+K and type what you want to do.")
        self.canvas: _Canvas | None = None
        self.drawing: Drawing | None = None
        self._structure: Structure | None = None
        self._selection: frozenset[int] = frozenset()
        self._style = style or Style()
        self._sized = self._moving = False
        self._cost = 0.0  # s, the slowest moving picture of this structure
        self._last_notes: list[str] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._message = QLabel(self)
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self._message.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._banner = QLabel(self)
        self._banner.setWordWrap(True)
        self._banner.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._banner.hide()
        self.gestures = Gestures(self)
        self._still = QTimer(self)
        self._still.setSingleShot(True)
        self._still.setInterval(_STILL_AFTER)
        self._still.timeout.connect(self._draw_still)
        self._make_canvas()
        self.set_theme(theme)

    # ---- life --------------------------------------------------------------------------------------------------------------------
    @property
    def available(self) -> bool:
        """False where OpenGL is missing: nothing is drawn, a sentence is shown."""
        return self.drawing is not None

    def _make_canvas(self) -> None:
        reason = opengl_missing()
        if not reason:
            try:
                self.canvas = _Canvas(self)
                self.drawing = Drawing(self.canvas, self.theme, self._style, self.devicePixelRatioF())
            except (RuntimeError, OSError, ImportError) as error:  # pyvista's RenderWindowUnavailable is a RuntimeError
                reason = str(error)
        if reason:
            self._give_up(reason)
            return
        self._layout.addWidget(self.canvas)
        camera.start(self.canvas.camera)
        self.drawing.fit()
        self._set_passes(still=True)
        self._message.raise_()
        self._banner.raise_()

    def _give_up(self, reason: str) -> None:
        """Show a sentence instead of a picture."""
        canvas, self.canvas, self.drawing = self.canvas, None, None
        if canvas is not None:
            self._layout.removeWidget(canvas)
            canvas.close()
            canvas.deleteLater()
        self.empty_text = tr(
            "The picture cannot be drawn: {reason}\nEverything else works. Install an OpenGL driver (Debian: libgl1-mesa-dri libegl1) "
            "or set LIBGL_ALWAYS_SOFTWARE=1 and start the program again.",
            reason=reason,
        )
        self._show_message()

    def showEvent(self, event) -> None:  # noqa: N802
        super().showEvent(event)
        QTimer.singleShot(0, self, self._check_context)

    def _check_context(self) -> None:
        if self.canvas is not None and self.isVisible() and not self.canvas.isValid():
            self._give_up(tr("this display gives no OpenGL context."))

    def closeEvent(self, event) -> None:  # noqa: N802
        self.shut_down()
        super().closeEvent(event)

    def shut_down(self) -> None:
        """Free VTK and OpenGL while the window still exists; the main window's closeEvent calls it before its own. Calling it twice does no harm."""
        self._still.stop()
        if self.canvas is None:
            return
        canvas, drawing = self.canvas, self.drawing
        self.canvas = self.drawing = None
        drawing.close()
        canvas.renderer.SetPass(None)
        canvas.owner = self  # events still queued find a closed view
        canvas.close()

    # ---- what to show --------------------------------------------------------------------------------------------------------------
    @property
    def structure(self) -> Structure | None:
        """What is shown."""
        return self._structure

    @property
    def selection(self) -> frozenset[int]:
        """The highlighted atoms."""
        return self._selection

    @property
    def style_now(self) -> Style:
        """The style in use."""
        return self._style

    def set_structure(self, structure: Structure | None, *, keep_camera: bool | None = None, same_images: bool = False) -> None:
        """Show `structure` (None: the empty view). The camera stays when the new one fills about the same space, unless `keep_camera` says otherwise.

        `same_images`: it is another frame of the same atoms, the images on the faces of the cell stay as they are.
        """
        before = self._structure
        self._structure = structure
        self._cost = 0.0
        n = 0 if structure is None else len(structure)
        self._selection = frozenset(k for k in self._selection if k < n)
        self.gestures.measuring = []
        self.gestures.hovered = -1
        if self.drawing is not None:
            old_centre, old_radius = self.drawing.extent()
            self.drawing.set_measurements(())
            self.drawing.set_structure(structure, same_images=same_images)
            centre, radius = self.drawing.extent()
            near = before is not None and np.linalg.norm(centre - old_centre) < 0.5 * old_radius and 0.8 < radius / max(old_radius, 1e-9) < 1.25
            if not (near if keep_camera is None else keep_camera):
                if structure is not None and not _same_directions(before, structure):
                    self.drawing.start()
                self.drawing.fit()
        self._show_message()
        self.changed()

    def show_frame(self, positions: np.ndarray, cell: np.ndarray | None = None) -> None:
        """Playback: the same atoms elsewhere, drawn in place. Raises ValueError for another number of atoms."""
        if self.drawing is not None:
            self.drawing.update_positions(positions, cell)
            self.changed(moving=True)

    def set_selection(self, atoms: Iterable[int]) -> None:
        """Highlight these atoms."""
        n = 0 if self._structure is None else len(self._structure)
        self._selection = frozenset(int(k) for k in atoms if 0 <= int(k) < n)
        if self.drawing is not None:
            self.drawing.set_selection(self._selection)
        self.changed()

    def set_mode(self, mode: str) -> None:
        """ "view", "select", "edit" or "measure"; raises ValueError for another."""
        if mode not in mouse.MODES:
            raise ValueError(f"There is no mode {mode!r}. Allowed: {', '.join(mouse.MODES)}.")
        self.mode = mode
        self.gestures.box_next = False
        if mode != "measure":
            self.clear_measurement()
        self.setCursor(
            {
                "view": Qt.CursorShape.ArrowCursor,
                "select": Qt.CursorShape.CrossCursor,
                "edit": Qt.CursorShape.PointingHandCursor,
                "measure": Qt.CursorShape.CrossCursor,
            }[mode]
        )

    def set_preset(self, preset: str) -> None:
        """Mouse preset: "default", "ovito", "q-studio", "blender"; raises ValueError for another."""
        if preset not in mouse.PRESETS:
            raise ValueError(f"There is no mouse preset {preset!r}. Allowed: {', '.join(mouse.PRESETS)}.")
        self.preset = preset

    def set_style(self, **changes: Any) -> None:
        """Change parameters of `styles.Style` by name; raises TypeError or ValueError for what is not one."""
        self._style = self._style.but(**changes)
        if self.drawing is not None:
            self.drawing.set_style(self._style)
            if "repeat" in changes:
                self.drawing.fit()
        self.changed()

    def set_theme(self, theme: Theme) -> None:
        """Light or dark."""
        self.theme = theme
        self._message.setStyleSheet(f"color: {theme.muted}; font-size: 13pt; background: transparent;")
        self._banner.setStyleSheet(
            f"color: {theme.view_text}; background: {theme.alternate}; border: 1px solid {theme.border}; border-radius: 4px; padding: 4px 8px;"
        )
        if self.drawing is not None:
            self.drawing.set_theme(theme)
        self._show_message()
        self.changed()

    def set_forces(self, forces: np.ndarray | None) -> None:
        """Arrows for forces (N, 3) eV/Å."""
        if self.drawing is not None:
            self.drawing.set_forces(forces)
        self.changed()

    def set_velocities(self, velocities: np.ndarray | None) -> None:
        """Arrows for velocities (N, 3) Å/fs."""
        if self.drawing is not None:
            self.drawing.set_velocities(velocities)
        self.changed()

    def set_moments(self, moments: np.ndarray | None) -> None:
        """Arrows for magnetic moments (N,) µB."""
        if self.drawing is not None:
            self.drawing.set_moments(moments)
        self.changed()

    def set_field(self, field: GridField | None, level: float | None = None, opacity: float = 0.55, surfaces: bool = True) -> float | None:
        """Isosurfaces at ±level (None: a default from the data), `opacity` 0.05 to 1, `surfaces` False: only for a slice; returns the level used."""
        used = self.drawing.set_field(field, level, opacity, surfaces) if self.drawing is not None else None
        self.changed()
        return used

    def set_slice(self, hkl: tuple[float, float, float] | None, offset: float = 0.5) -> None:
        """A coloured cut through the field along (hkl); None removes it."""
        if self.drawing is not None:
            self.drawing.set_slice(hkl, offset)
        self.changed()

    def set_surface(
        self, points: np.ndarray | None, triangles: np.ndarray | None = None, values: np.ndarray | None = None, *, title: str = "", colour_map: str = "viridis"
    ) -> None:
        """A body with a value per point instead of the atoms, such as Young's modulus over directions; None brings the atoms back."""
        if self.drawing is not None:
            self.drawing.set_surface(points, triangles, values, title=title, colour_map=colour_map)
            self.drawing.fit()
        self._show_message()
        self.changed()

    def set_preview(self, structure: Structure | None) -> None:
        """A ghost of what a builder is about to make."""
        if self.drawing is not None:
            over = structure is not None or self.drawing.preview is not None  # its end leaves the camera as far away as it needed
            self.drawing.set_preview(structure)
            if over:
                self.drawing.fit()
        self._show_message()
        self.changed()

    def set_measurements(self, measurements: Iterable[tuple[int, ...]]) -> None:
        """Measurement lines for tuples of 2 to 4 atoms."""
        if self.drawing is not None:
            self.drawing.set_measurements(measurements)
        self.changed()

    def clear_measurement(self) -> None:
        """Forget the atoms clicked in measure mode."""
        self.gestures.measuring = []
        self.set_measurements(())

    def measurement_text(self) -> str:
        """The sentence of the present measurement, "" when fewer than two atoms were clicked."""
        return measure.sentence(self._structure, tuple(self.gestures.measuring)) if self._structure is not None and len(self.gestures.measuring) > 1 else ""

    # ---- camera ----------------------------------------------------------------------------------------------------------------------
    def reset_camera(self) -> None:
        """The first direction of view, everything in the picture."""
        if self.drawing is not None:
            self.drawing.start()
        self.changed()

    def fit(self) -> None:
        """Everything in the picture, direction kept."""
        if self.drawing is not None:
            self.drawing.fit()
        self.changed()

    def view_along(self, axis: str) -> None:
        """Look along "x", "y", "z", "a", "b", "c" ("-x" from the other side)."""
        if self.drawing is not None:
            self.drawing.look_along(axis)
        self.changed()

    def zoom(self, factor: float) -> None:
        """Make everything `factor` times larger."""
        if self.drawing is not None:
            camera.zoom(self.canvas.camera, factor)
        self.changed(moving=True)

    def projector(self) -> Projector:
        """The camera as numbers, for picking and tests. Raises RunError where nothing is drawn."""
        if self.canvas is None:
            raise RunError("There is no picture to project into.", hint="OpenGL is missing on this display.")
        return camera.projector(self.canvas.camera, self.canvas.width(), self.canvas.height())

    def project(self, positions: np.ndarray) -> np.ndarray:
        """(N, 2) widget pixels of positions (N, 3) Å."""
        return self.projector().project(np.asarray(positions, float))

    def atom_at(self, x: float, y: float) -> int:
        """The frontmost atom under a widget pixel, -1 if none."""
        if self.drawing is None or not len(self.drawing.drawn.positions) or self.drawing.body.actor.GetVisibility():
            return -1
        row = pick(self.projector(), x, y, self.drawing.drawn.positions, self.drawing.drawn.radii)
        return int(self.drawing.drawn.owner[row]) if row >= 0 else -1

    def screenshot(self, path: str | Path | None = None, scale: float = 1.0, transparent: bool = False) -> np.ndarray:
        """The picture as (height, width, 3 or 4) uint8 at `scale` times the widget's size, drawn off screen; written to `path` if given.

        Raises RunError where nothing can be drawn.
        """
        if self.drawing is None:
            raise RunError("There is no picture to save.", hint="OpenGL is missing on this display.")
        size = (round(self.width() * scale), round(self.height() * scale))
        image = movie.still(self.drawing, size, pixel_ratio=scale, transparent=transparent)
        if path is not None:
            movie.save(image, path)
        return image

    def film(self, path: str | Path, *, size: tuple[int, int] = (1280, 720), fps: float = 25.0) -> movie.Film:
        """A film with this view's camera and style, fed frame by frame (a context manager, see `movie.Film`). Raises RunError where nothing can be drawn."""
        if self.drawing is None:
            raise RunError("There is no picture to film.", hint="OpenGL is missing on this display.")
        return movie.Film(self.drawing, path, size=size, fps=fps)

    # ---- drawing ---------------------------------------------------------------------------------------------------------------------
    def changed(self, moving: bool = False) -> None:
        """Schedule one paint. While things move the picture is drawn fast, and once more in full quality when they stop."""
        app = QApplication.instance()
        if app is not None and QThread.currentThread() is not app.thread():
            raise RuntimeError("SceneView was called from a worker thread. Send a queued signal to the GUI thread instead.")
        if self.drawing is None:
            return
        camera.clip(self.canvas.renderer, *self.drawing.extent())
        self._set_passes(still=not moving)
        if moving:
            self._still.start()
        else:
            self.drawing.cull_labels(self.projector())
        notes = self.drawing.notes
        if notes != self._last_notes:
            self._last_notes = notes
            self._show_message()
            self.notes_changed.emit(notes)
        self.canvas.update()

    def _draw_still(self) -> None:
        if self.drawing is not None:
            self.changed()

    def _set_passes(self, still: bool) -> None:
        """Full quality when nothing moves, unless that would take more than a second on this machine; without bonds while a slow picture moves."""
        self.drawing.set_coarse(not still and self._cost > _SLOW_PAINT)
        self._moving = not still
        movie.set_quality(self.canvas.renderer, still and self._cost < _TOO_SLOW_FOR_STILL)

    def painted(self, seconds: float) -> None:
        """The canvas was drawn; `seconds` tell whether this machine can keep up."""
        if self._moving:
            self._cost = max(self._cost, seconds)

    def canvas_resized(self) -> None:
        """The canvas has another size or pixel ratio."""
        if self.drawing is None:
            return
        ratio = self.canvas.devicePixelRatioF()
        if ratio != self.drawing.pixel_ratio:
            self.drawing.pixel_ratio = ratio
            self.drawing.set_style(self._style)
        self.drawing.resized()
        if not self._sized:
            self._sized = True
            self.drawing.fit()
            camera.clip(self.canvas.renderer, *self.drawing.extent())

    def _show_message(self) -> None:
        empty = self._structure is None or len(self._structure) == 0
        busy = self.drawing is not None and (self.drawing.preview is not None or self.drawing.body.actor.GetVisibility())
        self._message.setText(self.empty_text if not self.available or (empty and not busy) else "")
        self._message.setVisible(bool(self._message.text()))
        self._banner.setText("\n".join(self._last_notes))
        self._banner.setVisible(bool(self._last_notes))
        self._place_overlays()

    def _place_overlays(self) -> None:
        self._message.setGeometry(self.rect().adjusted(40, 20, -40, -20))
        self._banner.setMaximumWidth(max(120, self.width() - 2 * MEDIUM))
        self._banner.adjustSize()
        self._banner.move(MEDIUM, MEDIUM)

    def resizeEvent(self, event) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._place_overlays()

    # ---- keys ------------------------------------------------------------------------------------------------------------------------
    def start_box(self) -> None:
        """The next drag selects in a box, whatever the mode."""
        self.gestures.box_next = True
        self.setCursor(Qt.CursorShape.CrossCursor)

    def keyPressEvent(self, event) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_B and not event.modifiers():
            self.start_box()
        elif event.key() == Qt.Key.Key_Escape and self.gestures.busy:
            self.gestures.cancel()
        else:
            super().keyPressEvent(event)

    # ---- dropped files ---------------------------------------------------------------------------------------------------------------
    def dragEnterEvent(self, event) -> None:  # noqa: N802
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event) -> None:  # noqa: N802
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.files_dropped.emit(paths)


def _same_directions(before: Structure | None, after: Structure) -> bool:
    """Both cells point the same way (a supercell, a strain): the user's direction of view still makes sense."""
    if before is None or len(before) == 0:
        return False
    first, second = (item.cell / np.maximum(np.linalg.norm(item.cell, axis=1, keepdims=True), 1e-9) for item in (before, after))
    return bool(np.abs(first - second).max() < 0.1)


def opengl_missing() -> str:
    """Why no OpenGL picture is possible here, "" when nothing speaks against it."""
    platform = QGuiApplication.platformName()
    if platform in ("offscreen", "minimal", "vnc", "linuxfb"):
        return tr("the display platform {name} has no OpenGL windows.", name=platform)
    if os.environ.get("QCAD_NO_OPENGL"):
        return tr("QCAD_NO_OPENGL is set.")
    from PySide6.QtGui import QOffscreenSurface, QOpenGLContext

    wish = QSurfaceFormat.defaultFormat()
    context, surface = QOpenGLContext(), QOffscreenSurface()
    context.setFormat(wish)
    surface.setFormat(wish)
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return tr("this display gives no OpenGL context.")
    version = context.format().version()
    context.doneCurrent()
    return "" if tuple(version) >= (3, 2) else tr("OpenGL {version} is too old, 3.2 is needed.", version=".".join(map(str, version)))
