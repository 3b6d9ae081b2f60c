"""Starting magnetic moments: a table of the atoms, setting by element or selection, ferro- and antiferromagnetic orders; the scene shows them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QComboBox, QGridLayout, QHeaderView, QLabel, QLineEdit, QPushButton, QTableView, QWidget

from solvers.core.errors import QcadError, SetupError
from solvers.core.structure import Structure

from .. import looks
from ..forms import number_of
from ..sentences import explained
from ..session import Session
from ..translate import tr
from .base import Dialog

_SAME_LAYER = 0.3  # Å; atoms whose heights differ by less stand in one layer
_DIRECTIONS = {"001": (0, 0, 1), "100": (1, 0, 0), "010": (0, 1, 0), "110": (1, 1, 0), "111": (1, 1, 1)}


class _Model(QAbstractTableModel):
    """Rows: number, element, moment (can be edited)."""

    def __init__(self, dialog: MomentsDialog):
        super().__init__(dialog)
        self.dialog = dialog

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 (Qt's name)
        return len(self.dialog.moments)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 3

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return (tr("Atom"), tr("Element"), tr("Moment / µB"))[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = index.row(), index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return (str(row), self.dialog.symbols[row], f"{self.dialog.moments[row]:g}")[column]
        if role == Qt.ItemDataRole.ForegroundRole and column == 2 and self.dialog.moments[row]:
            colours = looks.current()
            from PySide6.QtGui import QColor

            return QColor(colours.positive if self.dialog.moments[row] > 0 else colours.negative)
        return None

    def flags(self, index: QModelIndex) -> Any:
        base = super().flags(index)
        return base | Qt.ItemFlag.ItemIsEditable if index.column() == 2 else base

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        try:
            self.dialog.set_moments(np.array([index.row()]), number_of(str(value), "µB"))
        except SetupError as error:
            self.dialog.show_problem(explained(error))
            return False
        return True


class MomentsDialog(Dialog):
    """One moment per atom; nothing is written before the main button."""

    name = "moments"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(
            session,
            parent,
            title=tr("Starting magnetic moments"),
            accept_text=tr("Use these moments"),
            accept_tip=tr("Write the moments into the form of the calculation"),
        )
        self.structure: Structure | None = session.structure
        self.symbols = self.structure.symbols if self.structure is not None else []
        self.moments = np.zeros(len(self.symbols))
        self.model = _Model(self)
        self.table = QTableView(self)
        self.table.setModel(self.model)
        self.table.setToolTip(tr("Double click a moment to change it; rows chosen here are selected in the scene"))
        self.table.setAccessibleName(tr("Starting magnetic moments"))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.which = QComboBox(self)
        self.which.setToolTip(tr("Which atoms get the moment"))
        self.which.setAccessibleName(tr("Which atoms"))
        self.value_edit = QLineEdit("2", self)
        self.value_edit.setToolTip(tr("Moment of each of these atoms in µB, n↑ − n↓; at most its valence electrons"))
        self.value_edit.setAccessibleName(tr("Moment / µB"))
        self.set_button = self._button(tr("Parallel"), tr("Give all of them this moment: ferromagnetic"), self._set_parallel)
        self.plane = QComboBox(self)
        self.plane.setToolTip(tr("Layers perpendicular to this direction get alternating signs"))
        self.plane.setAccessibleName(tr("Direction of the layers"))
        for name in _DIRECTIONS:
            self.plane.addItem(f"[{name}]", name)
        self.alternate = self._button(tr("Alternating layers"), tr("Give neighbouring layers opposite moments: antiferromagnetic"), self._set_alternating)
        self.flip = self._button(tr("Turn round"), tr("Change the sign of their moments"), self._flip)
        tip = tr("Leave the choice to the program: the structure's own, or parallel ones for magnetic elements")
        self.clear = self._button(tr("Automatic"), tip, self._automatic)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, items in enumerate(
            (
                (QLabel(tr("Atoms"), self), self.which, self.flip),
                (QLabel(tr("Moment / µB"), self), self.value_edit, self.set_button),
                (QLabel(tr("Layers along"), self), self.plane, self.alternate),
            )
        ):
            for column, widget in enumerate(items):
                grid.addWidget(widget, row, column)
        self.words = looks.label("", "muted", self, wrap=True)
        self.meaning = looks.label(
            tr("Arrows point up (blue) for n↑ > n↓ and down (orange) for the opposite. Without spin–orbit coupling spin has no direction in the crystal."),
            "muted",
            self,
            wrap=True,
        )
        self.body.addLayout(grid)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.words)
        self.body.addWidget(self.meaning)
        self.body.addWidget(self.clear, 0, Qt.AlignmentFlag.AlignLeft)
        self.resize(420, 560)
        self.table.selectionModel().selectionChanged.connect(self._rows_chosen)
        session.selection_changed.connect(self._selected)
        session.current_changed.connect(self._gone)
        self._offer()
        self._load()

    def _button(self, text: str, tip: str, call: Any) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self._try(call))
        return button

    def _try(self, call: Any) -> None:
        self.show_problem("")
        try:
            call()
        except SetupError as error:
            self.show_problem(explained(error))

    # ---- what there is -----------------------------------------------------------------------------------------------------------
    def _offer(self) -> None:
        self.which.addItem(tr("all atoms"), "")
        for symbol in dict.fromkeys(self.symbols):
            self.which.addItem(tr("all {symbol}", symbol=symbol), symbol)
        self.which.addItem(tr("the selected atoms"), "selection")
        if self.session.selection:
            self.which.setCurrentIndex(self.which.count() - 1)

    def _load(self) -> None:
        """The moments that the form names, else those the calculation would begin with by itself."""
        draft = self.session.draft
        if self.accept_button is not None:
            self.accept_button.setEnabled(draft.has("magmoms") and self.structure is not None)
        if self.structure is None:
            self.show_problem(tr("There is no structure whose atoms could have moments."))
            return
        try:
            given = draft.params().magmoms if draft.has("magmoms") else None
        except QcadError as error:
            self.show_problem(explained(error))
            return
        if given is not None and len(given) == len(self.moments):
            self.moments[:] = given
            self._changed()
        else:
            self._automatic()

    def _automatic(self) -> None:
        """What the engine would choose."""
        if self.session.draft.ready:
            self.session.dispatcher.run(default_moments, self.session.draft.spec(magmoms=None), done=self._defaults, failed=self._failed, key="moments")
        else:
            self._defaults(np.zeros(len(self.symbols)))

    def _defaults(self, moments: np.ndarray) -> None:
        if len(moments) == len(self.moments):
            self.moments[:] = moments
            self._changed()

    def _failed(self, error: BaseException) -> None:
        self._changed()
        self.show_problem(explained(error))

    # ---- setting ---------------------------------------------------------------------------------------------------------------------
    def chosen(self) -> np.ndarray:
        """Numbers of the atoms that a button means. Raises SetupError when there are none."""
        what = self.which.currentData()
        atoms = np.array(
            sorted(self.session.selection) if what == "selection" else [k for k, symbol in enumerate(self.symbols) if what in ("", symbol)], np.int64
        )
        if not len(atoms):
            raise SetupError(tr("No atoms are selected."), hint=tr("Choose rows in the table or atoms in the scene (Select mode)."))
        return atoms

    def set_moments(self, atoms: np.ndarray, value: float | np.ndarray) -> None:
        """Give these atoms a moment."""
        self.moments[atoms] = value
        self._changed()

    def _value(self) -> float:
        return number_of(self.value_edit.text(), "µB")

    def _set_parallel(self) -> None:
        self.set_moments(self.chosen(), self._value())

    def _set_alternating(self) -> None:
        atoms = self.chosen()
        layer = layers(self.structure, atoms, _DIRECTIONS[self.plane.currentData()])
        if layer.max() == 0:
            raise SetupError(
                tr("All these atoms stand in one layer along this direction, so that no order can alternate."),
                hint=tr("Choose another direction, or a supercell that is long enough along it."),
            )
        if (layer.max() + 1) % 2:
            raise SetupError(
                tr("The cell holds an odd number of layers ({n}) along this direction: the order does not fit into it.", n=int(layer.max()) + 1),
                hint=tr("Choose another direction, or double the cell along it."),
            )
        self.set_moments(atoms, self._value() * np.where(layer % 2, -1.0, 1.0))

    def _flip(self) -> None:
        atoms = self.chosen()
        self.set_moments(atoms, -self.moments[atoms])

    def _changed(self) -> None:
        self.model.layoutChanged.emit()
        up, down = self.moments[self.moments > 0].sum(), self.moments[self.moments < 0].sum()
        self.words.setText(
            tr("Sum {sum:g} µB: up {up:g}, down {down:g}. The calculation changes them; they only say where it begins.", sum=up + down, up=up, down=down)
        )
        self.session.set_start_moments(self.moments.copy() if self.isVisible() else None)

    def showEvent(self, event) -> None:  # noqa: N802 (Qt's name)
        """The scene shows what is set."""
        super().showEvent(event)
        if self.structure is not None:
            self.session.set_start_moments(self.moments.copy())

    def _rows_chosen(self, *_: object) -> None:
        rows = [index.row() for index in self.table.selectionModel().selectedRows()]
        if rows and tuple(rows) != self.session.selection:
            self.session.select(rows)
            self.which.setCurrentIndex(self.which.findData("selection"))

    def _selected(self) -> None:
        if self.session.selection:
            self.which.setCurrentIndex(self.which.findData("selection"))

    def _gone(self, *_: object) -> None:
        """Another structure: these moments belong to the old one."""
        if self.session.structure is not self.structure:
            self.reject()

    def accept(self) -> None:
        """Write the moments into the form."""
        if self.session.attempt(lambda: self.session.draft.write(magmoms=tuple(float(moment) for moment in self.moments))):
            super().accept()

    def done(self, code: int) -> None:
        """The scene shows the result's moments again."""
        self.session.set_start_moments(None)
        super().done(code)


def layers(structure: Structure, atoms: np.ndarray, direction: tuple[int, int, int]) -> np.ndarray:
    """(n,) number of the layer, from 0, in which each of these atoms stands along a lattice direction's planes; layers across the cell's face are one."""
    fractional = structure.positions[atoms] @ np.linalg.inv(structure.cell)
    miller = np.asarray(direction, float)
    normal = np.linalg.inv(structure.cell) @ miller  # 1/Å, perpendicular to the planes
    spacing = 1.0 / np.linalg.norm(normal)
    height = (fractional @ miller) % 1.0
    height[height > 1.0 - _SAME_LAYER / spacing] -= 1.0
    order = np.argsort(height, kind="stable")
    steps = np.diff(height[order], prepend=height[order[0]]) * spacing > _SAME_LAYER
    out = np.empty(len(atoms), np.int64)
    out[order] = np.cumsum(steps)
    return out


def default_moments(spec: Any) -> np.ndarray:
    """(N,) µB: what the calculation would begin with (pure; pool)."""
    from .. import estimating

    plan = estimating.plan_of(spec)
    return np.zeros(len(plan.structure)) if plan.moments is None else np.asarray(plan.moments, float)
