"""A film of the scene: the frames of a trajectory, one turn of the camera, or the slice plane on its way through the cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QFileDialog, QFormLayout, QHBoxLayout, QProgressBar, QSpinBox, QWidget

from solvers.core.errors import QcadError

from .. import looks, messages
from ..sentences import explained
from ..session import Session
from ..translate import mark, tr
from .base import Dialog

KINDS = {"frames": mark("frames of the trajectory"), "turn": mark("one turn of the camera"), "slice": mark("slice plane through the cell")}


class FilmDialog(Dialog):
    """Pictures are drawn one after the other while the window stays alive; Cancel stops."""

    name = "export_film"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Export film"), accept_text=tr("Film…"), accept_tip=tr("Choose the file and draw the film"))
        self.view = getattr(parent, "view", None)
        self.kind = QComboBox(self)
        self.kind.setToolTip(tr("What moves in the film"))
        self.kind.setAccessibleName(tr("What moves"))
        possible = {"frames": session.frames is not None and len(session.frames) > 1, "turn": True, "slice": session.field is not None}
        for name, text in KINDS.items():
            if possible[name]:
                self.kind.addItem(tr(text), name)
        self.count = QSpinBox(self)
        self.count.setRange(2, 2000)
        self.count.setValue(90)
        self.count.setToolTip(tr("Pictures of a turn or of the plane's way; a trajectory has its own number"))
        self.count.setAccessibleName(tr("Pictures"))
        self.rate = QDoubleSpinBox(self)
        self.rate.setRange(1, 60)
        self.rate.setValue(25)
        self.rate.setToolTip(tr("Pictures per second"))
        self.rate.setAccessibleName(tr("Pictures per second"))
        self.size = [QSpinBox(self) for _ in range(2)]
        for box, value, name in zip(self.size, (1280, 720), (tr("Width"), tr("Height")), strict=True):
            box.setRange(64, 4096)
            box.setValue(value)
            box.setToolTip(tr("Size of the film in pixels"))
            box.setAccessibleName(name)
        row = QHBoxLayout()
        row.addWidget(self.size[0])
        row.addWidget(looks.label("×", parent=self))
        row.addWidget(self.size[1])
        form = QFormLayout()
        for text, widget in ((tr("What moves"), self.kind), (tr("Pictures"), self.count), (tr("Pictures per second"), self.rate), (tr("Size"), row)):
            form.addRow(text, widget)
        self.progress = QProgressBar(self)
        self.progress.hide()
        self.body.addLayout(form)
        self.body.addWidget(looks.label(tr("A .gif file, or .png for a series of numbered pictures that every video program reads."), "muted", self, wrap=True))
        self.body.addWidget(self.progress)
        self.body.addStretch(1)
        self.setMinimumWidth(400)
        self._film: Any = None
        self._steps: list[Callable[[Any], None]] = []
        self._next = 0
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._shoot)
        self.kind.currentIndexChanged.connect(self._check)
        self._check()

    def _check(self, *_: object) -> None:
        self.count.setEnabled(self.kind.currentData() != "frames")
        if self.session.shown is None:
            self.show_problem(tr("Nothing is shown that could be filmed."))
        elif self.view is None or not self.view.available:
            self.show_problem(tr("There is no picture that could be filmed: OpenGL is missing."))

    def accept(self) -> None:
        """Ask where, and begin."""
        node = self.session.node()
        proposal = Path(self.session.keeper.last_folder) / f"{node.name if node is not None else 'film'}.gif"
        path, _ = QFileDialog.getSaveFileName(self, tr("Export film"), str(proposal), "GIF (*.gif);;PNG (*.png)")
        if path:
            self.record(path)

    def record(self, path: str | Path) -> None:
        """Begin to draw; the window stays alive between two pictures."""
        try:
            self._film = self.view.film(path, size=tuple(box.value() for box in self.size), fps=self.rate.value())
        except QcadError as error:
            self.show_problem(explained(error))
            return
        self._steps = self._moves()
        self._next = 0
        self.progress.setRange(0, len(self._steps))
        self.progress.setValue(0)
        self.progress.show()
        if self.accept_button is not None:
            self.accept_button.setEnabled(False)
        self._timer.start()

    def _moves(self) -> list[Callable[[Any], None]]:
        """What is done to the film for each picture."""
        session, count = self.session, self.count.value()
        kind = self.kind.currentData()
        if kind == "frames":

            def frame(k: int) -> Callable[[Any], None]:
                def step(film: Any) -> None:
                    structure = session.frames.structure(k)
                    film.add(structure.positions, structure.cell)

                return step

            return [frame(k) for k in range(len(session.frames))]
        if kind == "slice":
            hkl = session.display.slice_hkl

            def cut(k: int) -> Callable[[Any], None]:
                def step(film: Any) -> None:
                    if film.drawing.field is None:
                        film.drawing.set_field(session.field, surfaces=False)
                    film.drawing.set_slice(hkl, k / (count - 1))
                    film.snap()

                return step

            return [cut(k) for k in range(count)]

        def turn(film: Any) -> None:
            film.drawing.turn(360.0 / count)
            film.snap()

        return [turn] * count

    def _shoot(self) -> None:
        try:
            self._steps[self._next](self._film)
            self._next += 1
            self.progress.setValue(self._next)
            if self._next < len(self._steps):
                return
            written = self._film.finish()
        except QcadError as error:
            self._stop()
            self.show_problem(explained(error))
            return
        self._stop()
        where = str(written[0]) if len(written) == 1 else f"{written[0]} … {written[-1].name}"
        messages.post("good", tr("Written: {path}", path=where))
        super().accept()

    def _stop(self) -> None:
        self._timer.stop()
        self.progress.hide()
        if self._film is not None:
            self._film.__exit__()
            self._film = None

    def done(self, code: int) -> None:
        """A film that is not finished is dropped."""
        self._stop()
        super().done(code)
