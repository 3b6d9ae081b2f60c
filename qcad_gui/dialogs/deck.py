"""The material deck: format, units, orientation, live text, the check by a real finite-element run, and writing it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QComboBox, QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from solvers.core import registry
from solvers.core.errors import QcadError

from .. import looks, messages
from ..sentences import explained
from ..session import Session
from ..translate import mark, tr
from .base import Dialog

UNITS = {
    "mm-t-s": mark("mm, t, s → MPa (usual for parts)"),
    "SI": mark("m, kg, s → Pa"),
    "mm-kg-ms": mark("mm, kg, ms → GPa"),
    "um-kg-s": mark("µm, kg, s → MPa"),
}
TITLES = {"calculix": "CalculiX", "abaqus": "Abaqus"}
_PAUSE = 200  # ms


class DeckDialog(Dialog):
    """Write the current material for a finite-element program. What is shown is the text of the file, read back before it is believed."""

    name = "deck"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(
            session, parent, title=tr("Material deck"), accept_text=tr("Save deck…"), accept_tip=tr("Write this text to a file"), close_text=tr("Close")
        )
        self.material: Any = session.outcome.material()
        self.format = QComboBox(self)
        self.format.setToolTip(tr("Finite-element program that reads the deck"))
        self.format.setAccessibleName(tr("Program"))
        for plugin in registry.plugins("exporter"):
            if plugin.state == "on":
                self.format.addItem(TITLES.get(plugin.name, plugin.name), plugin.name)
        self.units = QComboBox(self)
        self.units.setToolTip(tr("Unit system of the deck; it is declared in the header because a deck itself carries no units"))
        self.units.setAccessibleName(tr("Units"))
        for name, text in UNITS.items():
            self.units.addItem(f"{name}:  {tr(text)}", name)
        self.orientation = QLineEdit(self)
        self.orientation.setPlaceholderText(tr("[110],[001]  (empty: the crystal's own axes)"))
        self.orientation.setToolTip(tr("Crystal directions along the part's x axis and in its xy-plane"))
        self.orientation.setAccessibleName(tr("Orientation"))
        self.title = QLineEdit(self)
        self.title.setToolTip(tr("Name of the material in the deck"))
        self.title.setAccessibleName(tr("Name"))
        self.title.setText(_plain_name(self.material.name if self.material is not None else ""))
        form = QFormLayout()
        for text, widget in ((tr("Program"), self.format), (tr("Units"), self.units), (tr("Orientation"), self.orientation), (tr("Name"), self.title)):
            form.addRow(text, widget)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName(tr("Text of the deck"))
        self.solver = QComboBox(self)
        self.solver.setToolTip(tr("What runs the check"))
        self.solver.setAccessibleName(tr("Check with"))
        for name, text in (("auto", tr("CalculiX if installed")), ("ccx", "CalculiX"), ("skfem", "scikit-fem")):
            self.solver.addItem(text, name)
        self.check = QPushButton(tr("Check by a finite-element run"), self)
        self.check.setToolTip(tr("Load a cube of this material along several directions and compare with the tensor"))
        self.check.clicked.connect(self.run_check)
        self.copy = QPushButton(tr("Copy"), self)
        self.copy.setToolTip(tr("Copy the text of the deck"))
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text.toPlainText()))
        row = QHBoxLayout()
        row.addWidget(self.check)
        row.addWidget(self.solver)
        row.addStretch(1)
        row.addWidget(self.copy)
        self.verdict = QPlainTextEdit(self)
        self.verdict.setReadOnly(True)
        self.verdict.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.verdict.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.verdict.setAccessibleName(tr("Outcome of the check"))
        self.verdict.setMaximumHeight(170)
        self.verdict.hide()
        self.passed = looks.label("", "good", self, wrap=True)
        self.passed.hide()
        column = QVBoxLayout()
        column.addLayout(form)
        column.addWidget(self.text, 1)
        column.addLayout(row)
        column.addWidget(self.passed)
        column.addWidget(self.verdict)
        self.body.addLayout(column, 1)
        self.resize(840, 680)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._render)
        for box in (self.format, self.units):
            box.currentIndexChanged.connect(self._changed)
        self.orientation.textChanged.connect(self._changed)
        self.title.textChanged.connect(self._changed)
        self._changed()

    # ---- text --------------------------------------------------------------------------------------------------------------------
    def _options(self) -> dict[str, Any]:
        return {
            "format": self.format.currentData(),
            "units": self.units.currentData(),
            "orientation": self.orientation.text().strip() or None,
            "name": self.title.text().strip() or None,
        }

    def _changed(self, *_: object) -> None:
        self.passed.hide()
        self.verdict.hide()
        if self.accept_button is not None:
            self.accept_button.setEnabled(False)
        self.check.setEnabled(False)
        self._pause.start()

    def _render(self) -> None:
        if self.material is None:
            self.show_problem(tr("There is no material. Compute elastic constants first."))
            return
        self.session.dispatcher.run(deck_text, self.material, self._options(), done=self._arrived, failed=self._failed, key="deck")

    def _arrived(self, text: str) -> None:
        self.show_problem("")
        place = self.text.verticalScrollBar().value()
        self.text.setPlainText(text)
        self.text.verticalScrollBar().setValue(place)
        self.check.setEnabled(True)

    def _failed(self, error: BaseException) -> None:
        self.text.clear()
        self.show_problem(explained(error) if isinstance(error, QcadError) else tr("The deck cannot be made: {error}", error=error))

    # ---- check -------------------------------------------------------------------------------------------------------------------
    def run_check(self) -> None:
        """Let a finite-element program load the material and compare with the tensor."""
        self.check.setEnabled(False)
        looks.set_property(self.passed, "role", "muted")
        self.passed.setText(tr("The check is running…"))
        self.passed.show()
        self.session.dispatcher.run(
            check_text,
            self.text.toPlainText(),
            self.format.currentData(),
            self.solver.currentData(),
            self.material,
            done=self._checked,
            failed=self._check_failed,
            key="check",
        )

    def _checked(self, report: Any) -> None:
        self.check.setEnabled(True)
        looks.set_property(self.passed, "role", "good" if report.passed else "bad")
        self.passed.setText(
            tr("✓ {solver} reproduces the tensor: largest relative error {error:.1e}.", solver=report.solver, error=report.max_relative_error)
            if report.passed
            else tr(
                "✗ {solver} does not reproduce the tensor: relative error {error:.1e}. Do not use this deck.",
                solver=report.solver,
                error=report.max_relative_error,
            )
        )
        self.verdict.setPlainText(report.text)
        self.verdict.show()

    def _check_failed(self, error: BaseException) -> None:
        self.check.setEnabled(True)
        looks.set_property(self.passed, "role", "bad")
        self.passed.setText(explained(error))

    # ---- writing -----------------------------------------------------------------------------------------------------------------
    def accept(self) -> None:
        """Ask where, write; the dialog stays open."""
        proposal = str(Path(self.session.keeper.last_folder) / f"{self.title.text().strip() or 'material'}-{self.units.currentData()}.inp")
        path, _ = QFileDialog.getSaveFileName(self, tr("Save deck"), proposal, tr("Decks") + " (*.inp)")
        if path:
            self.save(path)

    def save(self, path: str | Path) -> None:
        """Write the deck; the exporter reads it back before it is left in place."""
        options = self._options()
        material, session = self.material, self.session
        words = ", ".join(f"{key}={value!r}" for key, value in options.items() if value is not None)

        def written(_: object) -> None:
            session.decks_written.append(str(path))
            session.echo(f"Material.load('material.json').export({str(path)!r}, {words})")
            session.project_changed.emit()
            messages.post("good", tr("Written: {path}", path=path))

        session.dispatcher.store(lambda: material.export(Path(path), **options), done=written, failed=self._failed)

    def done(self, code: int) -> None:
        """No text is made for a closed dialog."""
        self._pause.stop()
        super().done(code)


def deck_text(material: Any, options: dict[str, Any]) -> str:
    """The deck as text, written and read back in a temporary folder (pure; pool)."""
    with tempfile.TemporaryDirectory(prefix="qcad-deck-") as folder:
        return material.export(Path(folder) / "deck.inp", **options)


def check_text(text: str, _format: str, solver: str, material: Any) -> Any:
    """The report of a finite-element check of a deck's text (pool; the solver is a child process where it is a program)."""
    from solvers.continuum import check_deck

    with tempfile.TemporaryDirectory(prefix="qcad-check-") as folder:
        path = Path(folder) / "deck.inp"
        path.write_text(text, encoding="utf-8", newline="")
        return check_deck(path, solver=solver, material=material)


def _plain_name(name: str) -> str:
    """A name that every deck accepts: letters, digits, underscores."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter == "_") else "_" for letter in name).strip("_") or "material"
