"""Training of a force field: labelled frames from files or from the project, the settings, and a job like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QComboBox, QFileDialog, QFormLayout, QFrame, QHBoxLayout, QLineEdit, QPushButton, QScrollArea, QWidget

from solvers import tasks
from solvers.core.errors import QcadError, SetupError
from solvers.core.job import JobSpec
from solvers.core.jobfolder import JobFolder
from solvers.core.params import from_dict, to_dict
from solvers.core.structure import Structure

from .. import looks
from ..forms import ParamsForm
from ..sentences import explained
from ..session import Session
from ..translate import tr
from .base import Dialog

_FILE = "file"


class TrainingDialog(Dialog):
    """Frames are read in the background as soon as they are named; Start makes the job."""

    name = "training"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Train a force field"), accept_text=tr("Start"), accept_tip=tr("Start the training; the window stays free"))
        self.frames: dict[str, list[Structure]] = {}
        self.source = QComboBox(self)
        self.source.setToolTip(tr("Labelled frames: energy, forces and stress of plane-wave calculations or of any other code"))
        self.source.setAccessibleName(tr("Frames from"))
        self.source.addItem(tr("a file"), _FILE)
        for identifier, title in _trajectories(session):
            self.source.addItem(title, identifier)
        self.paths: dict[str, QLineEdit] = {}
        form = QFormLayout()
        form.addRow(tr("Frames from"), self.source)
        self._rows: dict[str, QWidget] = {}
        for name, text, tip in (
            ("train", tr("Training frames"), tr("File of labelled frames: extxyz, traj …")),
            ("test", tr("Test frames"), tr("File of frames that are held out; empty = every tenth block of the training frames")),
        ):
            edit = QLineEdit(self)
            edit.setToolTip(tip)
            edit.setAccessibleName(text)
            edit.setPlaceholderText(tr("a part of the training frames") if name == "test" else "")
            edit.editingFinished.connect(self.read)
            button = QPushButton("…", self)
            button.setToolTip(tip)
            button.setFixedWidth(36)
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, name=name: self._browse(name))
            line = QWidget(self)
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            row.addWidget(edit, 1)
            row.addWidget(button)
            form.addRow(text, line)
            self.paths[name], self._rows[name] = edit, line
        self.counts = looks.label("", "muted", self, wrap=True)
        self.form = ParamsForm(tasks.get("train").params_class(), self, skip=("device",))
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(self.form)
        self.body.addLayout(form)
        self.body.addWidget(self.counts)
        self.body.addWidget(area, 1)
        self.resize(460, 520)
        self.form.changed.connect(self._check)
        self.source.currentIndexChanged.connect(self.read)
        self.read()

    def _browse(self, name: str) -> None:
        kinds = tr("Labelled frames") + " (*.extxyz *.xyz *.traj);;" + tr("All files") + " (*)"
        path, _ = QFileDialog.getOpenFileName(self, tr("Open"), self.session.keeper.last_folder, kinds)
        if path:
            self.paths[name].setText(path)
            self.read()

    # ---- frames ------------------------------------------------------------------------------------------------------------------
    def read(self, *_: object) -> None:
        """Read the frames that are named now."""
        self.frames = {}
        from_file = self.source.currentData() == _FILE
        self._rows["train"].setEnabled(from_file)
        self.counts.setText("")
        train, test = (self.paths[name].text().strip() for name in ("train", "test"))
        source: Any = train if from_file else self._source()
        if not source:
            self._check()
            return
        self.counts.setText(tr("Reading the frames…"))
        self._check()
        self.session.dispatcher.run(read_frames, source, test, done=self._arrived, failed=self._failed, key="training")

    def _source(self) -> Any:
        """A trajectory of the project, or the folder of the run whose frames are meant."""
        node = self.session.nodes.get(self.source.currentData() or "")
        if node is None:
            return ""
        if node.kind == "trajectory":
            return node.payload
        view = self.session.jobs.views.get(str(node.payload.get("job", "")))
        return JobFolder(view.path) if view is not None else ""

    def _arrived(self, frames: dict[str, list[Structure]]) -> None:
        self.frames = frames
        train, test = frames["train"], frames["test"]
        atoms = sum(map(len, train))
        self.counts.setText(tr("{n} frames with {atoms} atoms in all to train on, {m} held out.", n=len(train), atoms=atoms, m=len(test)))
        self._check()

    def _failed(self, error: BaseException) -> None:
        self.counts.setText("")
        self.show_problem(explained(error) if isinstance(error, QcadError) else tr("The frames cannot be read: {error}", error=error))

    def _check(self, *_: object) -> None:
        problem = self.form.verdict()
        if not problem and not self.frames and self.counts.text() == "":
            problem = tr("Name the file of the training frames.")
        self.show_problem(problem)
        if self.accept_button is not None:
            self.accept_button.setEnabled(not problem and bool(self.frames) and not self.session.read_only)

    # ---- starting ----------------------------------------------------------------------------------------------------------------
    def spec(self) -> JobSpec:
        """The training as a job. Raises SetupError."""
        if not self.frames:
            raise SetupError(tr("There are no frames to train on."), hint=tr("Name the file of the training frames."))
        given = self.form.given()
        plain = to_dict(from_dict(self.form.cls, given))
        elements = "".join(dict.fromkeys(symbol for frame in self.frames["train"][:1] for symbol in frame.symbols))
        title = tr("{elements} force field", elements=elements)
        return JobSpec("train", {name: plain[name] for name in given}, dict(self.frames), title, "auto", self.session.settings.worker_threads)

    def accept(self) -> None:
        """Start the job and close."""
        if self.session.attempt(lambda: self.session.start_job(self.spec())):
            super().accept()


def _trajectories(session: Session) -> list[tuple[str, str]]:
    """(id, title) of nodes that hold frames: opened trajectories, dynamics and relaxations."""
    out = []
    for node in sorted(session.nodes.values(), key=lambda node: node.created, reverse=True):
        run = node.kind == "run" and isinstance(node.payload, dict) and node.payload.get("task") in ("md", "relax")
        if node.kind == "trajectory" or run:
            above = session.nodes.get(node.parent)
            out.append((node.id, f"{above.name}: {node.name}" if above is not None else node.name))
    return out


def read_frames(source: Any, test: str) -> dict[str, list[Structure]]:
    """{"train", "test"}: labelled frames of a file, a trajectory or a job (pure; pool). Raises ReadError or SetupError for frames without labels."""
    from solvers.mlff.data import hold_out, labelled, read_labelled

    if isinstance(source, str):
        frames = read_labelled(Path(source))
    else:
        trajectory = source.trajectory() if isinstance(source, JobFolder) else source
        frames = [labelled(trajectory.frame(k)) for k in range(len(trajectory))]
    if test:
        return {"train": frames, "test": read_labelled(Path(test))}
    train, aside = hold_out(frames)
    return {"train": train, "test": aside}
