"""Tools of Edit and Measure mode: change element, move by numbers, add, delete; what was measured."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from .. import looks
from ..commands import BY_ID
from ..forms import number_of
from ..session import Session
from ..translate import mark, tr
from .base import Panel


class EditPanel(Panel):
    """Everything that changes single atoms, for the selected ones."""

    name, title = "edit", mark("Edit")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.state: QLabel = looks.label("", "muted", self, wrap=True)
        self.enter = self._button(tr("Start editing"), BY_ID["view.mode_edit"].tooltip, lambda: session.set_mode("edit"))
        self.element = QLineEdit(self)
        self.element.setPlaceholderText("Si")
        self.element.setMaxLength(3)
        self.element.setToolTip(tr("Symbol of the new element"))
        self.element.setAccessibleName(tr("Element"))
        self.change = self._button(tr("Change element"), tr("Give the selected atoms this element"), self._change)
        self.element.returnPressed.connect(self.change.click)
        self.vector = [QLineEdit("0", self) for _ in range(3)]
        for axis, field in zip("xyz", self.vector, strict=True):
            field.setToolTip(tr("Displacement along {axis} in Å, or in cell vectors", axis=axis))
            field.setAccessibleName(f"d{axis}")
            field.returnPressed.connect(lambda: self.move_button.click())
        self.fractional = QCheckBox(tr("In units of the cell vectors"), self)
        self.fractional.setToolTip(tr("Read the three numbers as fractions of a, b and c"))
        self.move_button = self._button(tr("Move by"), tr("Move the selected atoms by this vector"), self._move)
        self.place = [QLineEdit("0", self) for _ in range(3)]
        for axis, field in zip("xyz", self.place, strict=True):
            field.setToolTip(tr("Coordinate {axis} of the new atom in Å, or in cell vectors", axis=axis))
            field.setAccessibleName(axis)
        self.add = self._button(tr("Add atom"), tr("Add an atom of the element above at this place"), self._add)
        self.delete = self._button(tr("Delete selected"), BY_ID["edit.delete"].tooltip, self._delete)
        self.measure: QLabel = looks.label("", parent=self, wrap=True, selectable=True)
        grid = QGridLayout()
        grid.addWidget(looks.label(tr("Element"), parent=self), 0, 0)
        grid.addWidget(self.element, 0, 1, 1, 2)
        grid.addWidget(self.change, 0, 3)
        grid.addWidget(looks.label(tr("Displacement"), parent=self), 1, 0, 1, 4)
        for place, field in enumerate(self.vector):
            grid.addWidget(field, 2, place)
        grid.addWidget(self.move_button, 2, 3)
        grid.addWidget(looks.label(tr("New atom at"), parent=self), 3, 0, 1, 4)
        for place, field in enumerate(self.place):
            grid.addWidget(field, 4, place)
        grid.addWidget(self.add, 4, 3)
        grid.addWidget(self.fractional, 5, 0, 1, 4)
        row = QHBoxLayout()
        row.addWidget(self.delete)
        row.addStretch(1)
        self.tools = QWidget(self)
        tools = QVBoxLayout(self.tools)
        tools.setContentsMargins(0, 0, 0, 0)
        tools.addLayout(grid)
        tools.addLayout(row)
        column = QVBoxLayout(self)
        column.addWidget(self.state)
        column.addWidget(self.enter)
        column.addWidget(self.tools)
        column.addWidget(looks.label(tr("Measurement"), "heading", self))
        column.addWidget(self.measure)
        column.addStretch(1)
        session.mode_changed.connect(self.now)
        session.selection_changed.connect(self.later)
        session.shown_changed.connect(self.later)
        session.measured.connect(self._measured)
        self._measured("")

    def _button(self, text: str, tip: str, call) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.clicked.connect(call)
        return button

    def refresh(self) -> None:
        """What can be done now."""
        session = self.session
        n, editing = len(session.selection), session.mode == "edit" and session.editable
        if session.read_only:
            text = tr("The project is open in another window; nothing can be changed here.")
        elif session.structure is None or not session.editable:
            text = tr("Choose a structure in the project. Results are copied into one with Ctrl+D.")
        elif not editing:
            text = tr("Changes need Edit mode, so that a stray click changes nothing.")
        elif n == 0:
            text = tr("Click atoms to select them, Ctrl+click for more.")
        else:
            symbols = session.structure.symbols
            text = tr("{n} selected: {names}", n=n, names=", ".join(f"{symbols[i]}{i}" for i in session.selection[:8]) + ("…" if n > 8 else ""))
        self.state.setText(text)
        self.enter.setVisible(session.editable and session.mode != "edit")
        self.tools.setEnabled(editing)
        for button in (self.change, self.move_button, self.delete):
            button.setEnabled(editing and n > 0)

    def _numbers(self, fields: list[QLineEdit]) -> str:
        unit = "" if self.fractional.isChecked() else "Å"
        return " ".join(f"{number_of(field.text() or '0', unit):.10g}" for field in fields)

    def _indices(self) -> str:
        return ",".join(map(str, sorted(self.session.selection)))

    def _change(self) -> None:
        symbol = self.element.text().strip()
        self.session.attempt(
            self.session.edit, "set_element", {"indices": self._indices(), "symbol": symbol}, tr("Change to {element}", element=symbol), keep_selection=True
        )

    def _move(self) -> None:
        def do():
            values = {"indices": self._indices(), "by": self._numbers(self.vector), **({"fractional": True} if self.fractional.isChecked() else {})}
            self.session.edit("move", values, tr("Move {n} atoms", n=len(self.session.selection)), keep_selection=True)

        self.session.attempt(do)

    def _add(self) -> None:
        def do():
            symbol = self.element.text().strip() or "Si"
            values = {"symbol": symbol, "position": self._numbers(self.place), **({"fractional": True} if self.fractional.isChecked() else {})}
            self.session.edit("add", values, tr("Add {element}", element=symbol))

        self.session.attempt(do)

    def _delete(self) -> None:
        self.session.attempt(self.session.edit, "delete", {"indices": self._indices()}, tr("Delete {n} atoms", n=len(self.session.selection)))

    def _measured(self, text: str) -> None:
        self.measure.setText(text or tr("In Measure mode (Ctrl+4), click two to four atoms."))
