"""Results of the current calculation or material: numbers with units and error bars, warnings, what to do next."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from .. import looks
from ..looks import set_icon
from ..rows import Row, rows, to_csv
from ..sentences import said
from ..session import Session
from ..translate import mark, tr
from .base import Panel

_MODEL = "model.qff"
_REMARKS = 3  # sentences shown; all of them stand in the tooltip
_HEAD = (mark("Quantity"), mark("Value"), mark("± 95 %"), mark("Unit"), mark("Meaning"))


class ResultsPanel(Panel):
    """Table of numbers on the left, the material in words on the right."""

    name, title = "results", mark("Results")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.verdict: QLabel = looks.label("", parent=self, wrap=True, selectable=True)
        self.remarks: QLabel = looks.label("", "muted", self, wrap=True, selectable=True)
        self.tree = QTreeWidget(self)
        self.tree.setHeaderLabels([tr(text) for text in _HEAD])
        self.tree.setAccessibleName(tr("Results"))
        self.tree.setToolTip(tr("Numbers with unit and 95 % error bar; “unknown” means that nobody knows the error"))
        self.tree.setUniformRowHeights(True)
        self.tree.setAlternatingRowColors(True)
        for section in range(4):
            self.tree.header().setSectionResizeMode(section, QHeaderView.ResizeMode.ResizeToContents)
        self.words = QPlainTextEdit(self)
        self.words.setReadOnly(True)
        self.words.setProperty("mono", True)
        self.words.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.words.setAccessibleName(tr("Material in words"))
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.addWidget(self.tree)
        self.splitter.addWidget(self.words)
        self.splitter.setChildrenCollapsible(False)
        self.empty = looks.label(tr("Choose a finished calculation or a material in the project to see its numbers."), "muted", self, wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        for what, text, tip, icon in (
            ("structure", tr("Use structure"), tr("Make the result's structure a new structure of the project"), "bulk"),
            ("forces", tr("Show forces"), tr("Draw the forces of this result as arrows"), "forces"),
            ("field", tr("Show field"), tr("Draw the density or another field of this result as an isosurface"), "field"),
            ("surface", tr("Young's modulus surface"), tr("Show the stiffness in every direction"), "surface"),
            ("deck", tr("Material deck…"), tr("Write the material for CalculiX or Abaqus"), "deck"),
            ("model", tr("Save model…"), tr("Write the trained force field to a file; Calculate takes it as calculator mlff"), "model"),
            ("csv", tr("Export CSV…"), tr("Every number with its unit, error and run"), "table"),
        ):
            button = QPushButton(text, self)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, what=what: session.show_requested.emit(what))
            button.setProperty("icon_name", icon)
            set_icon(button, icon)
            self.buttons[what] = button
            row.addWidget(button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.addWidget(self.verdict)
        column.addWidget(self.remarks)
        column.addWidget(self.empty, 1)
        column.addWidget(self.splitter, 1)
        column.addLayout(row)
        for widget in (self.splitter, *self.buttons.values()):
            widget.hide()  # until there is a result; what is hidden asks for no room at the first start
        session.current_changed.connect(self.now)
        session.jobs.result_arrived.connect(self.later)
        session.jobs.changed.connect(self.later)
        session.shown_changed.connect(self.later)

    def refresh(self) -> None:
        """The result of the current node."""
        session = self.session
        result, material = session.outcome.result(), session.outcome.material()
        self.tree.clear()
        if result is not None:
            for row in rows(result):
                self._grow(row, self.tree.invisibleRootItem())
        self.tree.setVisible(result is not None)
        self.words.setVisible(material is not None)
        self.splitter.setVisible(result is not None or material is not None)
        if material is not None:
            self.words.setPlainText(material.table())
        self._verdict(result)
        self.empty.setVisible(result is None and material is None)
        possible = {
            "structure": session.outcome.structure() is not None and not session.read_only,
            "forces": result is not None and "forces" in result.values,
            "field": result is not None and bool(result.fields),
            "surface": material is not None,
            "deck": material is not None,
            "model": result is not None and _MODEL in result.files,
            "csv": result is not None,
        }
        for what, button in self.buttons.items():
            button.setVisible(possible[what])

    def _verdict(self, result) -> None:
        lines, role = [], "good"
        if result is not None:
            if result.refused:
                lines.append(tr("Refused: {why}", why=said(result.refused)))
                role = "bad"
            elif not result.converged:
                lines.append(tr("Not converged: these are the last numbers reached, not results to rely on."))
                role = "warning"
            lines += map(said, result.warnings)
            if result.warnings and role == "good":
                role = "warning"
            if not lines:
                lines.append(tr("Finished and converged."))
        else:
            view = self.session.jobs.views.get(self.session.outcome.job())
            if view is not None and view.state != "finished":
                lines.append(
                    tr("This calculation has no result: {why}", why=said(view.status.message))
                    if view.status.message
                    else tr("This calculation has no result yet.")
                )
                role = "muted" if view.status.active else "warning"
        view = self.session.jobs.views.get(self.session.outcome.job())
        remarks = [tr("Step {n}: {what}", n=n, what=said(text)) for n, text in view.remarks] if view is not None and result is not None else []
        shown = remarks[:_REMARKS] + ([tr("{n} more, see the log under Jobs", n=len(remarks) - _REMARKS)] if len(remarks) > _REMARKS else [])
        self.remarks.setText(tr("What the calculation changed by itself:") + "\n" + "\n".join(shown) if shown else "")
        self.remarks.setToolTip("\n".join(remarks))
        self.remarks.setVisible(bool(shown))
        looks.set_property(self.verdict, "role", role)
        self.verdict.setText("\n".join(lines))
        self.verdict.setVisible(bool(lines))

    def _grow(self, row: Row, below: QTreeWidgetItem) -> None:
        item = QTreeWidgetItem([row.title, row.text(), row.error_text(), row.unit if row.value is not None or row.children else "", row.meaning])
        for place in (1, 2):
            item.setTextAlignment(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setToolTip(4, row.meaning)
        below.addChild(item)
        for child in row.children:
            self._grow(child, item)
        item.setExpanded(row.name == "stiffness" or 0 < len(row.children) <= 6)

    def export_csv(self, path: str = "") -> None:
        """Ask for a file (unless given) and write the current result to it."""
        result, job_id = self.session.outcome.result(), self.session.outcome.job()
        if result is None:
            return
        if not path:
            path, _ = QFileDialog.getSaveFileName(self, tr("Export results as CSV"), f"{job_id or 'results'}.csv", "CSV (*.csv)")
        if not path:
            return
        node = self.session.node()
        text = to_csv(result, job=job_id, title=node.name if node is not None else "")
        self.session.keeper.write_file(path, text)

    def save_model(self, path: str = "") -> None:
        """Ask for a file (unless given) and write the trained force field of the current result to it."""
        result = self.session.outcome.result()
        if result is None or _MODEL not in result.files:
            return
        if not path:
            path, _ = QFileDialog.getSaveFileName(self, tr("Save model"), _MODEL, tr("Force fields") + " (*.qff)")
        if path:
            self.session.keeper.write_file(path, result.files[_MODEL])

    def theme_changed(self) -> None:
        """Icons in the theme's colours."""
        for button in self.buttons.values():
            set_icon(button, button.property("icon_name"))
        super().theme_changed()
