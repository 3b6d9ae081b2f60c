"""The Brillouin zone in three dimensions: zone, reciprocal vectors, k-points, standard path. Turned with the mouse or the arrow keys.

It is painted with Qt, not with VTK: a polyhedron of a dozen faces needs no OpenGL, its letters stay sharp, it works on displays without OpenGL, and the window
keeps its one VTK interactor (a second one is a known source of crashes at closing).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from . import looks
from .theme import Theme
from .translate import tr

_MARGIN = 34  # device-independent pixels around the zone, for labels
_STEP = np.radians(8.0)  # one press of an arrow key
_SLABS = 6  # depths in which points are drawn, back to front
_EMPTY = np.zeros((0, 3))


@dataclass(frozen=True, eq=False)
class ZonePicture:
    """What is drawn, Cartesian 1/Å. vertices (V, 3), faces, normals (F, 3), reciprocal (3, 3) rows; mesh (M, 3): all points; irreducible (K, 3) with weights;
    path: polylines; labels: name -> place."""

    vertices: np.ndarray
    faces: tuple[tuple[int, ...], ...]
    normals: np.ndarray
    reciprocal: np.ndarray
    mesh: np.ndarray = field(default_factory=lambda: _EMPTY)
    irreducible: np.ndarray = field(default_factory=lambda: _EMPTY)
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))
    path: tuple[np.ndarray, ...] = ()
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    note: str = ""

    @property
    def radius(self) -> float:
        """1/Å: of a sphere around all of it."""
        return float(np.linalg.norm(np.concatenate([self.vertices, 0.72 * self.reciprocal]), axis=1).max())


def turned(azimuth: float, height: float) -> np.ndarray:
    """(3, 3): rows are right, up and towards the viewer, for a look from `azimuth` around z and `height` above the xy-plane (radians)."""
    towards = np.array([np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.sin(height)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    return np.array([right, np.cross(towards, right), towards])


class ZoneView(QWidget):
    """Shows a `ZonePicture`. `show_mesh`, `show_path`, `show_vectors` switch parts on and off."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.picture: ZonePicture | None = None
        self.rotation = turned(np.radians(25), np.radians(18))
        self.zoom = 1.0
        self.show_mesh = self.show_irreducible = self.show_path = self.show_vectors = True
        self._at: QPointF | None = None
        self.setMinimumSize(QSize(260, 240))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(tr("Brillouin zone"))
        self.setToolTip(tr("Drag to turn, wheel to zoom, double click to look from the start; arrow keys turn too"))

    def set_picture(self, picture: ZonePicture | None) -> None:
        """Show another zone."""
        self.picture = picture
        self.update()

    def set_shown(self, **parts: bool) -> None:
        """Switch "mesh", "irreducible", "path", "vectors" on or off."""
        for name, value in parts.items():
            setattr(self, f"show_{name}", value)
        self.update()

    # ---- turning -----------------------------------------------------------------------------------------------------------------
    def turn(self, right: float, up: float) -> None:
        """Turn by angles (radians) around the vertical and the horizontal axis of the screen."""
        for axis, angle in ((1, right), (0, up)):
            c, s = np.cos(angle), np.sin(angle)
            i, j = [(1, 2), (2, 0), (0, 1)][axis]
            step = np.eye(3)
            step[i, i] = step[j, j] = c
            step[i, j], step[j, i] = -s, s
            self.rotation = step @ self.rotation
        q, r = np.linalg.qr(self.rotation.T)  # a thousand turns later it must still be a rotation
        self.rotation = (q * np.sign(np.diag(r))).T
        self.update()

    def mousePressEvent(self, event) -> None:  # noqa: N802 (Qt's name)
        self._at = event.position()

    def mouseMoveEvent(self, event) -> None:  # noqa: N802
        if self._at is not None and event.buttons() & Qt.MouseButton.LeftButton:
            move = event.position() - self._at
            self._at = event.position()
            size = 0.5 * min(self.width(), self.height())
            self.turn(move.x() / size, move.y() / size)

    def mouseReleaseEvent(self, event) -> None:  # noqa: N802
        self._at = None

    def mouseDoubleClickEvent(self, event) -> None:  # noqa: N802
        self.rotation, self.zoom = turned(np.radians(25), np.radians(18)), 1.0
        self.update()

    def wheelEvent(self, event) -> None:  # noqa: N802
        self.zoom = float(np.clip(self.zoom * 1.1 ** (event.angleDelta().y() / 120.0), 0.3, 8.0))
        self.update()

    def keyPressEvent(self, event) -> None:  # noqa: N802
        moves = {Qt.Key.Key_Left: (-_STEP, 0), Qt.Key.Key_Right: (_STEP, 0), Qt.Key.Key_Up: (0, -_STEP), Qt.Key.Key_Down: (0, _STEP)}
        if event.key() in moves:
            self.turn(*moves[event.key()])
        else:
            super().keyPressEvent(event)

    # ---- painting ------------------------------------------------------------------------------------------------------------------
    def paintEvent(self, event) -> None:  # noqa: N802
        painter = QPainter(self)
        self.paint(painter, QRectF(self.rect()), looks.current())
        painter.end()

    def image(self, scale: float = 2.0) -> QImage:
        """The picture at `scale` times the widget's size."""
        out = QImage(self.size() * scale, QImage.Format.Format_RGB32)
        out.setDevicePixelRatio(scale)
        painter = QPainter(out)
        self.paint(painter, QRectF(self.rect()), looks.current())
        painter.end()
        return out

    def paint(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        """Draw everything into `area`."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(area, QColor(theme.view_bottom))
        if self.picture is None:
            return
        picture = self.picture
        scale = self.zoom * (0.5 * min(area.width(), area.height()) - _MARGIN) / max(picture.radius, 1e-9)
        centre = np.array([area.center().x(), area.center().y()])

        def place(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            seen = np.asarray(points, float).reshape(-1, 3) @ self.rotation.T
            return centre + scale * seen[:, :2] * (1, -1), seen[:, 2]

        corners, _ = place(picture.vertices)
        front = picture.normals @ self.rotation[2] > 1e-9
        self._faces(painter, corners, front, theme, behind=True)
        if self.show_vectors:
            self._vectors(painter, place, theme)
        if self.show_path:
            self._path(painter, place, theme)
        self._points(painter, place, theme)
        self._faces(painter, corners, front, theme, behind=False)
        self._labels(painter, place, theme)

    def _faces(self, painter: QPainter, corners: np.ndarray, front: np.ndarray, theme: Theme, *, behind: bool) -> None:
        fill, line = QColor(theme.accent), QColor(theme.cell)
        fill.setAlpha(26 if behind else 18)
        line.setAlpha(110 if behind else 255)
        painter.setPen(QPen(line, 1.0 if behind else 1.6, Qt.PenStyle.DashLine if behind else Qt.PenStyle.SolidLine))
        painter.setBrush(fill)
        for face, ahead in zip(self.picture.faces, front, strict=True):
            if ahead != behind:
                painter.drawPolygon(_polygon(corners[list(face)]))

    def _vectors(self, painter: QPainter, place, theme: Theme) -> None:
        tips, _ = place(0.62 * self.picture.reciprocal)
        start, _ = place(np.zeros(3))
        for k, tip in enumerate(tips):
            colour = QColor((theme.bad, theme.good, theme.accent)[k])
            painter.setPen(QPen(colour, 2.0))
            painter.drawLine(QPointF(*start[0]), QPointF(*tip))
            along = tip - start[0]
            length = float(np.hypot(*along))
            if length > 8:
                along /= length
                side = np.array([-along[1], along[0]])
                painter.setBrush(colour)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.drawPolygon(_polygon(np.array([tip, tip - 9 * along + 3.5 * side, tip - 9 * along - 3.5 * side])))
            self._text(painter, tip + (5, -3), f"b{'₁₂₃'[k]}", colour, theme)

    def _points(self, painter: QPainter, place, theme: Theme) -> None:
        picture = self.picture
        if self.show_mesh and len(picture.mesh):
            self._dots(painter, *place(picture.mesh), QColor(theme.muted), np.full(len(picture.mesh), 2.4), picture.radius)
        if self.show_irreducible and len(picture.irreducible):
            size = 4.5 + 3.0 * np.sqrt(picture.weights / picture.weights.max())
            self._dots(painter, *place(picture.irreducible), QColor(theme.negative), size, picture.radius)

    def _dots(self, painter: QPainter, at: np.ndarray, depth: np.ndarray, colour: QColor, size: np.ndarray, radius: float) -> None:
        """Back to front, paler behind."""
        nearness = np.clip(0.5 + 0.5 * depth / radius, 0.0, 1.0)
        slab = np.minimum((nearness * _SLABS).astype(int), _SLABS - 1)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for layer in range(_SLABS):
            shade = QColor(colour)
            shade.setAlphaF(0.35 + 0.65 * (layer + 0.5) / _SLABS)
            for width in np.unique(size[slab == layer]):
                painter.setPen(QPen(shade, float(width), Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
                painter.drawPoints(_polygon(at[(slab == layer) & (size == width)]))

    def _path(self, painter: QPainter, place, theme: Theme) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.good), 2.4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        for line in self.picture.path:
            at, _ = place(line)
            painter.drawPolyline(_polygon(at))
        painter.setPen(QPen(QColor(theme.good), 7.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        if self.picture.labels:
            painter.drawPoints(_polygon(place(np.array(list(self.picture.labels.values())))[0]))

    def _labels(self, painter: QPainter, place, theme: Theme) -> None:
        if not self.show_path:
            return
        for name, point in self.picture.labels.items():
            at, _ = place(point)
            self._text(painter, at[0] + (6, -5), name, QColor(theme.view_text), theme, bold=True)

    def _text(self, painter: QPainter, at: np.ndarray, text: str, colour: QColor, theme: Theme, *, bold: bool = False) -> None:
        """With a rim in the colour of what is behind, so that it can be read over lines."""
        font = QFont(self.font())
        font.setPointSizeF(max(9.0, font.pointSizeF()) + (1.0 if bold else 0.0))
        font.setBold(bold)
        path = QPainterPath()
        base, _, index = text.partition("_")
        path.addText(QPointF(*at), font, base)
        if index:
            small = QFont(font)
            small.setPointSizeF(0.75 * font.pointSizeF())
            path.addText(QPointF(at[0] + path.boundingRect().width() + 2, at[1] + 3), small, index)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.strokePath(path, QPen(QColor(theme.view_bottom), 3.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        painter.fillPath(path, colour)


def _polygon(points: np.ndarray) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])
