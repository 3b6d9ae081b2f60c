"""The k-points: mesh or spacing, shift, and where they lie in the Brillouin zone beside the standard path of the bands."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from solvers.core.errors import QcadError
from solvers.core.structure import Structure

from .. import looks, messages
from ..effect import Effect
from ..sentences import explained
from ..session import Session
from ..translate import tr
from ..zoneview import ZonePicture, ZoneView
from .base import Dialog

_PAUSE = 120  # ms
_MANY = 4000  # points of a mesh that are still drawn one by one
_PATH_SPACING = 10.0  # 1/Å: corners are enough, the lines between them are straight


class KMeshDialog(Dialog):
    """Mesh on the right, zone on the left; nothing is written before the main button."""

    name = "kmesh"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(
            session,
            parent,
            title=tr("k-points and Brillouin zone"),
            accept_text=tr("Use this mesh"),
            accept_tip=tr("Write the mesh into the form of the calculation"),
        )
        self.view = ZoneView(self)
        self.way = QComboBox(self)
        self.way.setToolTip(tr("A spacing gives every cell its own mesh; numbers are the same for every cell"))
        self.way.setAccessibleName(tr("Mesh given by"))
        self.way.addItem(tr("largest spacing"), "spacing")
        self.way.addItem(tr("numbers of points"), "size")
        self.spacing = QDoubleSpinBox(self)
        self.spacing.setRange(0.01, 5.0)
        self.spacing.setDecimals(3)
        self.spacing.setSingleStep(0.02)
        self.spacing.setSuffix(" 1/Å")
        self.spacing.setToolTip(tr("Largest distance of neighbouring points, 2π included; 0.2 suits insulators, 0.1 metals"))
        self.spacing.setAccessibleName(tr("Spacing"))
        self.counts = [QSpinBox(self) for _ in range(3)]
        self.shifts = [QCheckBox(f"b{'₁₂₃'[k]}", self) for k in range(3)]
        for k in range(3):
            self.counts[k].setRange(1, 200)
            self.counts[k].setToolTip(tr("Points along reciprocal vector {k}", k=k + 1))
            self.counts[k].setAccessibleName(tr("Points along reciprocal vector {k}", k=k + 1))
            self.shifts[k].setToolTip(tr("Shift the mesh by half a step along this vector; without a shift Γ is one of the points"))
        self.words = looks.label("", "muted", self, wrap=True, selectable=True)
        self.parts: dict[str, QCheckBox] = {}
        for name, text, tip in (
            ("irreducible", tr("Points that are computed"), tr("The irreducible ones; size shows weight")),
            ("mesh", tr("All points of the mesh"), tr("Including those that symmetry gives for free")),
            ("path", tr("Standard path of the bands"), tr("After Hinuma and others (2017), with its labels")),
            ("vectors", tr("Reciprocal vectors"), tr("b₁, b₂, b₃, drawn at 0.62 of their length")),
        ):
            self.parts[name] = QCheckBox(text, self)
            self.parts[name].setToolTip(tip)
            self.parts[name].setChecked(True)
            self.parts[name].toggled.connect(lambda on, name=name: self.view.set_shown(**{name: on}))
        self.save = QPushButton(tr("Export picture…"), self)
        self.save.setToolTip(tr("Write the zone as a PNG file"))
        self.save.clicked.connect(lambda: self.export())
        self.effect = Effect(session, self)
        form = QFormLayout()
        form.addRow(tr("Mesh given by"), self.way)
        form.addRow(tr("Spacing"), self.spacing)
        form.addRow(tr("Points"), _row(self.counts))
        form.addRow(tr("Half a step along"), _row(self.shifts))
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.words)
        column.addWidget(looks.label(tr("In the picture"), "heading", self))
        for box in self.parts.values():
            column.addWidget(box)
        column.addWidget(self.save, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        column.addWidget(self.effect)
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.addWidget(self.view)
        self.splitter.addWidget(right)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setChildrenCollapsible(False)
        self.body.addWidget(self.splitter, 1)
        self.resize(900, 600)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._draw)
        self.way.currentIndexChanged.connect(self._way_changed)
        self.spacing.valueChanged.connect(self._edited)
        for widget in self.counts:
            widget.valueChanged.connect(self._edited)
        for widget in self.shifts:
            widget.toggled.connect(self._edited)
        session.current_changed.connect(self._edited)
        self._load()
        self._edited()

    # ---- form -> widgets ---------------------------------------------------------------------------------------------------------
    def _load(self) -> None:
        """What the form of the calculation says now."""
        from solvers.dft.params import KPoints

        try:
            kpts = self.session.draft.params().kpts if self.session.draft.has("kpts") else KPoints(None, 0.2)
        except QcadError:
            kpts = KPoints(None, 0.2)
        structure = self.session.structure
        size = kpts.mesh(structure.cell)[0] if structure is not None and structure.volume > 1e-6 else kpts.size or (1, 1, 1)
        blocked = [QSignalBlocker(widget) for widget in (self.way, self.spacing, *self.counts, *self.shifts)]
        self.way.setCurrentIndex(self.way.findData("spacing" if kpts.size is None else "size"))
        self.spacing.setValue(kpts.spacing if kpts.spacing is not None else 0.2)
        for k in range(3):
            self.counts[k].setValue(size[k])
            self.shifts[k].setChecked(abs(kpts.shift[k] - 0.5) < 1e-9)
        del blocked
        self._enable()

    def _enable(self) -> None:
        by_spacing = self.way.currentData() == "spacing"
        self.spacing.setEnabled(by_spacing)
        for box in self.counts:
            box.setEnabled(not by_spacing)

    def _way_changed(self, *_: object) -> None:
        self._enable()
        self._edited()

    def value(self) -> str:
        """The mesh as the parameter `kpts` takes it."""
        from solvers.dft.params import KPoints

        shift = tuple(0.5 if box.isChecked() else 0.0 for box in self.shifts)
        if self.way.currentData() == "spacing":
            return str(KPoints(None, round(self.spacing.value(), 6), shift))
        return str(KPoints(tuple(box.value() for box in self.counts), None, shift))

    def _edited(self, *_: object) -> None:
        structure = self.session.structure
        self._pause.start()
        if self.accept_button is not None:
            self.accept_button.setEnabled(self.session.draft.has("kpts"))
        if structure is None:
            self.words.setText(tr("There is no structure whose zone could be drawn."))
            self.view.set_picture(None)
            return
        self.effect.show_change(kpts=self.value())

    # ---- picture -----------------------------------------------------------------------------------------------------------------
    def _draw(self) -> None:
        structure = self.session.structure
        if structure is not None:
            symmetry = True
            try:
                symmetry = bool(self.session.draft.params().symmetry) if self.session.draft.has("symmetry") else True
            except QcadError as error:
                self.words.setText(explained(error))
            self.session.dispatcher.run(zone_picture, structure, self.value(), symmetry, done=self._arrived, failed=self._failed, key="zone")

    def _arrived(self, answer: tuple[ZonePicture, tuple[int, int, int], int]) -> None:
        picture, size, count = answer
        self.view.set_picture(picture)
        with_spacing = [np.linalg.norm(picture.reciprocal[k]) / size[k] for k in range(3)]
        if self.way.currentData() == "spacing":
            for box, n in zip(self.counts, size, strict=True):
                with QSignalBlocker(box):
                    box.setValue(n)
        self.words.setText(
            "\n".join(
                filter(
                    None,
                    (
                        tr("{mesh}: {n} points, of which {k} are computed", mesh=" × ".join(map(str, size)), n=int(np.prod(size)), k=count),
                        tr("Distances {a:.3f}, {b:.3f}, {c:.3f} 1/Å", a=with_spacing[0], b=with_spacing[1], c=with_spacing[2]),
                        picture.note,
                    ),
                )
            )
        )

    def _failed(self, error: BaseException) -> None:
        self.view.set_picture(None)
        self.words.setText(explained(error))

    def export(self, path: str = "") -> None:
        """Ask for a file (unless given) and write the picture."""
        if not path:
            path, _ = QFileDialog.getSaveFileName(self, tr("Export picture"), "brillouin-zone.png", "PNG (*.png)")
        if path and self.view.image().save(path):
            messages.post("good", tr("Written: {path}", path=path))
        elif path:
            messages.post("error", tr("This file could not be written: {path}", path=path))

    def accept(self) -> None:
        """Write the mesh into the form."""
        if self.session.attempt(lambda: self.session.draft.write(kpts=self.value())):
            super().accept()

    def done(self, code: int) -> None:
        """No picture is made for a closed dialog."""
        self._pause.stop()
        super().done(code)


def _row(widgets: list[Any]) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def zone_picture(structure: Structure, kpts: str, symmetry: bool) -> tuple[ZonePicture, tuple[int, int, int], int]:
    """(what to draw, mesh size, how many points are computed) of a mesh in the zone of `structure` (pure; pool)."""
    from solvers.dft.brillouin import brillouin_zone
    from solvers.dft.kpath import GAMMA, band_path, special_points
    from solvers.dft.params import KPoints

    mesh = KPoints.coerce(kpts)
    zone = brillouin_zone(structure.cell)
    size, shift = mesh.mesh(structure.cell)
    group = group_of(structure, symmetry).compatible_with(size, shift)
    points, weights = group.irreducible(size, shift)
    notes = []
    every = np.zeros((0, 3))
    if np.prod(size) <= _MANY:
        steps = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), axis=-1).reshape(-1, 3)
        every = zone.fold(((steps + shift) / size) @ zone.reciprocal)
    else:
        notes.append(tr("Only the points that are computed are drawn: there are more than {n}.", n=_MANY))
    path, labels = (), {}
    try:
        way = band_path(structure, spacing=_PATH_SPACING)
        corners = way.cartesian()
        path = tuple(corners[part] for part in way.segments)
        used = {name for _, name in way.labels}
        labels = {name: place for name, place in special_points(structure).cartesian().items() if name in used}
    except QcadError as error:
        notes.append(explained(error))
    shown = zone.fold(points @ zone.reciprocal)
    if labels and symmetry:
        shown = beside(shown, group.cartesian, np.mean([place for name, place in labels.items() if name != GAMMA], axis=0))
    return ZonePicture(zone.vertices, zone.faces, zone.normals, zone.reciprocal, every, shown, weights, path, labels, "\n".join(notes)), size, len(points)


def beside(points: np.ndarray, rotations: np.ndarray, heart: np.ndarray) -> np.ndarray:
    """Equivalent points (K, 3), each the image that lies closest to the direction `heart`: the wedge in which the standard path runs."""
    images = np.einsum("rij,kj->rki", np.concatenate([rotations, -rotations]), points)  # −k: time reversal
    best = (images @ heart).argmax(axis=0)
    return images[best, np.arange(len(points))]


def group_of(structure: Structure, symmetry: bool) -> Any:
    """The symmetry that the engine uses for this structure's k-points."""
    from solvers.dft.plan import SYMMETRY_TOLERANCE
    from solvers.dft.symmetry import SpaceGroup

    if symmetry:
        return SpaceGroup.find(structure.cell, structure.positions, structure.numbers, SYMMETRY_TOLERANCE)
    return SpaceGroup.identity(structure.cell, structure.positions, time_reversal=True)
