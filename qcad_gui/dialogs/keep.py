"""Ctrl+S: everything is saved already. This says where, and offers a name or a copy to send."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from .. import looks
from ..session import Session
from ..translate import tr
from .base import Dialog


class KeepDialog(Dialog):
    """Where the project is kept; keep it under a name."""

    name = "keep"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Keep project"), accept_text=tr("Keep"), accept_tip=tr("Keep the project under this name"))
        keeper = session.keeper
        project = keeper.project
        self.body.addWidget(looks.label(tr("Every change is saved the moment it is made; nothing is ever unsaved."), parent=self, wrap=True))
        self.body.addWidget(looks.label(tr("The project is kept in"), "muted", self))
        self.where = looks.label(str(keeper.folder or ""), parent=self, wrap=True, selectable=True)
        self.body.addWidget(self.where)
        untitled = project is not None and project.is_untitled and not project.read_only
        self.body.addWidget(
            looks.label(tr("Give it a name and a place of your own:") if untitled else tr("Keep a copy under another name:"), parent=self, wrap=True)
        )
        row = QHBoxLayout()
        self.path = QLineEdit(self)
        self.path.setToolTip(tr("Folder of the project; it ends in .qcad"))
        self.path.setAccessibleName(tr("Folder"))
        self.path.setText(str(self._proposal(untitled)))
        self.path.textChanged.connect(self._check)
        self.browse = QPushButton(tr("Choose…"), self)
        self.browse.setToolTip(tr("Choose where the project is kept"))
        self.browse.clicked.connect(self._browse)
        row.addWidget(self.path, 1)
        row.addWidget(self.browse)
        self.body.addLayout(row)
        row = QHBoxLayout()
        self.pack = QPushButton(tr("Pack into one file to send…"), self)
        self.pack.setToolTip(tr("Write the whole project to one .qcadz file"))
        self.pack.clicked.connect(self._pack)
        row.addWidget(self.pack)
        row.addStretch(1)
        self.body.addLayout(row)
        self.body.addStretch(1)
        self.setMinimumWidth(560)
        self._check()

    def _proposal(self, untitled: bool) -> Path:
        node = next(iter(self.session.nodes.values()), None)
        stem = (node.name if node is not None else "study") if untitled else f"{self.session.keeper.name} copy"
        folder = Path(self.session.keeper.last_folder)
        place = folder / f"{''.join(letter if letter.isalnum() or letter in ' -_' else '-' for letter in stem)}.qcad"
        return (
            place
            if not place.exists()
            else next(place.with_name(f"{place.stem} {count}.qcad") for count in range(2, 999) if not place.with_name(f"{place.stem} {count}.qcad").exists())
        )

    def _check(self, *_: object) -> None:
        path = Path(self.path.text().strip()).expanduser()
        target = path if path.suffix == ".qcad" else path.with_name(path.name + ".qcad") if path.name else path
        problem = ""
        if not self.path.text().strip():
            problem = tr("Write where the project shall be kept.")
        elif target.exists():
            problem = tr("{path} is there already; choose another name.", path=target)
        elif not target.parent.is_dir():
            problem = tr("The folder {path} does not exist.", path=target.parent)
        self.show_problem(problem)

    def _browse(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, tr("Keep project as"), self.path.text(), tr("Q-CAD projects") + " (*.qcad)")
        if path:
            self.path.setText(path)

    def _pack(self) -> None:
        project = self.session.keeper.project
        if project is None:
            return
        path, _ = QFileDialog.getSaveFileName(self, tr("Pack project"), str(Path(self.path.text()).with_suffix(".qcadz")), tr("Packed projects") + " (*.qcadz)")
        if path:
            self.session.keeper.write_file(path, project.pack)

    def accept(self) -> None:
        """Keep it."""
        if self.session.attempt(self.session.keeper.keep_as, Path(self.path.text().strip())):
            super().accept()
