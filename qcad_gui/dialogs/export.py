"""Export of the structure in the scene, and of the scene as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFileDialog, QFormLayout, QLabel, QWidget

from solvers.core.errors import QcadError
from solvers.core.structure import Structure

from .. import looks, messages
from ..sentences import explained
from ..session import Session
from ..translate import mark, tr
from .base import Dialog

STRUCTURES = {
    "cif": (mark("Crystallographic information file"), ".cif"),
    "vasp": (mark("VASP POSCAR"), ".vasp"),
    "extxyz": (mark("Extended XYZ, with cell and arrays"), ".extxyz"),
    "xyz": (mark("XYZ, atoms only"), ".xyz"),
    "json": (mark("JSON, everything bit for bit"), ".json"),
}


class ExportStructureDialog(Dialog):
    """Format and file for the structure shown, or all frames."""

    name = "export_structure"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Export structure"), accept_text=tr("Save…"), accept_tip=tr("Choose the file and write it"))
        self.structure: Structure | None = session.shown
        self.format = QComboBox(self)
        self.format.setToolTip(tr("Format of the file"))
        self.format.setAccessibleName(tr("Format"))
        for name, (text, ending) in STRUCTURES.items():
            self.format.addItem(f"{tr(text)} ({ending})", name)
        self.format.currentIndexChanged.connect(self._check)
        self.frames = QCheckBox(tr("All frames of the trajectory"), self)
        self.frames.setToolTip(tr("Write every frame; only XYZ formats can hold them"))
        self.frames.setVisible(session.frames is not None and len(session.frames) > 1)
        self.frames.toggled.connect(self._check)
        form = QFormLayout()
        form.addRow(tr("Format"), self.format)
        self.body.addWidget(
            looks.label(
                tr("{formula}, {n} atoms", formula=self.structure.formula, n=len(self.structure)) if self.structure is not None else "", "heading", self
            )
        )
        self.body.addLayout(form)
        self.body.addWidget(self.frames)
        self.body.addStretch(1)
        self.setMinimumWidth(420)
        self._check()

    def _check(self, *_: object) -> None:
        problem = ""
        if self.structure is None:
            problem = tr("Nothing is shown that could be written.")
        elif self.format.currentData() in ("cif", "vasp") and self.structure.volume < 1e-6:
            problem = tr("This format needs a cell, and the structure has none.")
        elif self.frames.isChecked() and self.format.currentData() not in ("extxyz", "xyz"):
            problem = tr("Several frames fit into XYZ formats only.")
        self.show_problem(problem)

    def accept(self) -> None:
        """Ask where, and write."""
        ending = STRUCTURES[self.format.currentData()][1]
        node = self.session.node()
        proposal = Path(self.session.keeper.last_folder) / f"{node.name if node is not None else 'structure'}{ending}"
        path, _ = QFileDialog.getSaveFileName(self, tr("Export structure"), str(proposal), f"{tr(STRUCTURES[self.format.currentData()][0])} (*{ending})")
        if path:
            self.save(path)
            super().accept()

    def save(self, path: str | Path) -> None:
        """Write the file in the store thread."""
        from solvers.io.structures import write_frames, write_structure

        kind, structure, frames = self.format.currentData(), self.structure, self.session.frames
        if self.frames.isChecked() and frames is not None:
            self.session.keeper.write_file(path, lambda target: write_frames((frames.structure(i) for i in range(len(frames))), target, kind))
        else:
            self.session.keeper.write_file(path, lambda target: write_structure(structure, target, kind))


class ExportPictureDialog(Dialog):
    """Scale, background and file for a picture of the scene, with what it will look like."""

    name = "export_picture"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Export picture"), accept_text=tr("Save…"), accept_tip=tr("Choose the file and write it"))
        self.view = getattr(parent, "view", None)
        self.scale = QDoubleSpinBox(self)
        self.scale.setRange(0.5, 8.0)
        self.scale.setSingleStep(0.5)
        self.scale.setValue(2.0)
        self.scale.setToolTip(tr("Pixels of the picture over pixels of the window"))
        self.scale.setAccessibleName(tr("Scale"))
        self.scale.valueChanged.connect(self._size)
        self.transparent = QCheckBox(tr("Transparent background"), self)
        self.transparent.setToolTip(tr("Leave the background out"))
        self.transparent.toggled.connect(self.refresh)
        self.picture = QLabel(self)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setMinimumSize(320, 200)
        self.size_ = looks.label("", "muted", self)
        form = QFormLayout()
        form.addRow(tr("Scale"), self.scale)
        form.addRow("", self.transparent)
        form.addRow(tr("Size"), self.size_)
        self.body.addWidget(self.picture, 1)
        self.body.addLayout(form)
        self._size()
        self.refresh()

    def _size(self, *_: object) -> None:
        if self.view is not None:
            self.size_.setText(
                tr("{width} × {height} pixels", width=round(self.view.width() * self.scale.value()), height=round(self.view.height() * self.scale.value()))
            )

    def refresh(self, *_: object) -> None:
        """A small version of the picture."""
        if self.view is None or not hasattr(self.view, "screenshot"):
            self.show_problem(tr("There is no picture to save."))
            return
        try:
            image = np.ascontiguousarray(self.view.screenshot(scale=0.5, transparent=self.transparent.isChecked()))
        except QcadError as error:
            self.show_problem(explained(error))
            return
        height, width, channels = image.shape
        kind = QImage.Format.Format_RGBA8888 if channels == 4 else QImage.Format.Format_RGB888
        self.picture.setPixmap(
            QPixmap.fromImage(QImage(image.data, width, height, channels * width, kind).copy()).scaled(
                480, 300, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
        )

    def accept(self) -> None:
        """Ask where, and write."""
        node = self.session.node()
        path, _ = QFileDialog.getSaveFileName(
            self, tr("Export picture"), str(Path(self.session.keeper.last_folder) / f"{node.name if node is not None else 'scene'}.png"), "PNG (*.png)"
        )
        if path:
            self.save(path)
            super().accept()

    def save(self, path: str | Path) -> None:
        """Draw off screen and write; this is the GUI thread's work, because it owns OpenGL."""

        def do():
            self.view.screenshot(path, scale=self.scale.value(), transparent=self.transparent.isChecked())
            messages.post("good", tr("Written: {path}", path=path))

        self.session.attempt(do)
