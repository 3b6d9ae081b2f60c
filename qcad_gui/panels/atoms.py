"""Facts about the structure and the table of its atoms: type a coordinate or an element into a cell to change it; rows and scene share the selection."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QItemSelection, QItemSelectionModel, QModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from solvers.core.errors import SetupError
from solvers.core.structure import Structure
from solvers.core.units import AMU_PER_ANGSTROM3_KG_M3

from .. import looks, messages
from ..forms import number_of
from ..session import Session
from ..translate import mark, tr
from .base import Panel

_HEAD = (mark("Element"), "x / Å", "y / Å", "z / Å")
_MANY = 20_000  # selections larger than this are not mirrored row by row


class AtomsModel(QAbstractTableModel):
    """Element and Cartesian coordinates of every atom; nothing is copied per row."""

    def __init__(self, session: Session, parent: QWidget):
        super().__init__(parent)
        self.session = session
        self.structure: Structure | None = None
        self._symbols: list[str] = []

    def show(self, structure: Structure | None) -> None:
        """Show another structure."""
        self.beginResetModel()
        self.structure = structure
        self._symbols = structure.symbols if structure is not None else []
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 (Qt's name)
        """Atoms."""
        return 0 if self.structure is None or (parent is not None and parent.isValid()) else len(self.structure)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 (Qt's name)
        """Element, x, y, z."""
        return 0 if parent is not None and parent.isValid() else 4

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole):  # noqa: N802 (Qt's name)
        """Column titles with units; rows count from 0 as indices do everywhere."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return tr(_HEAD[section]) if orientation == Qt.Orientation.Horizontal else str(section)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole):
        """Text of a cell."""
        if self.structure is None or not index.isValid():
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            if index.column() == 0:
                return self._symbols[index.row()]
            value = self.structure.positions[index.row(), index.column() - 1]
            return f"{value:.5f}" if role == Qt.ItemDataRole.DisplayRole else f"{value:.10g}"
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() > 0:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Cells can be edited when the structure can."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsEditable if self.session.editable and self.structure is self.session.structure else flags

    def setData(self, index: QModelIndex, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802 (Qt's name)
        """A typed element or coordinate becomes an undoable edit."""
        if role != Qt.ItemDataRole.EditRole or self.structure is None:
            return False
        row, text = index.row(), str(value).strip()
        if text == self.data(index, Qt.ItemDataRole.EditRole):
            return False
        try:
            if index.column() == 0:
                self.session.edit(
                    "set_element", {"indices": str(row), "symbol": text}, tr("Atom {i} becomes {element}", i=row, element=text), keep_selection=True
                )
            else:
                place = np.array(self.structure.positions[row])
                place[index.column() - 1] = number_of(text, "Å")
                self.session.edit(
                    "move", {"indices": str(row), "to": " ".join(f"{item:.10g}" for item in place)}, tr("Move atom {i}", i=row), keep_selection=True
                )
        except (SetupError, ValueError) as error:
            messages.post_error(error)
            return False
        return True


class AtomsPanel(Panel):
    """Formula, cell and the table of atoms."""

    name, title = "atoms", mark("Structure")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.facts: QLabel = looks.label("", parent=self, wrap=True, selectable=True)
        self.empty: QLabel = looks.label(tr("No structure is shown."), "muted", self)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.table = QTableView(self)
        self.table.setAccessibleName(tr("Atoms"))
        self.table.setToolTip(tr("Double-click a cell to change an element or a coordinate"))
        self.model = AtomsModel(session, self.table)
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.selectionModel().selectionChanged.connect(self._rows_chosen)
        column = QVBoxLayout(self)
        column.addWidget(self.facts)
        column.addWidget(self.empty, 1)
        column.addWidget(self.table, 1)
        self._echo = False
        session.shown_changed.connect(self.later)
        session.selection_changed.connect(self._mirror)
        session.mode_changed.connect(self.later)

    def refresh(self) -> None:
        """Facts and table of what the scene shows."""
        structure = self.session.shown
        self.facts.setText(facts(structure) if structure is not None else "")
        self.facts.setVisible(structure is not None)
        self.empty.setVisible(structure is None)
        self.table.setVisible(structure is not None)
        if structure is not self.model.structure:
            self._echo = True
            self.model.show(structure)
            self._echo = False
        self._mirror()

    def _mirror(self) -> None:
        if not self.isVisible() or self._echo or len(self.session.selection) > _MANY:
            return
        self._echo = True
        chosen = QItemSelection()
        rows = sorted(self.session.selection)
        start = previous = None
        for row in [*rows, None]:
            if previous is not None and row == previous + 1:
                previous = row
                continue
            if start is not None:
                chosen.select(self.model.index(start, 0), self.model.index(previous, 3))
            start = previous = row
        self.table.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if rows and rows[-1] < self.model.rowCount():
            self.table.scrollTo(self.model.index(self.session.selection[-1], 0))
        self._echo = False

    def _rows_chosen(self, *_: object) -> None:
        if not self._echo:
            self._echo = True
            self.session.select([index.row() for index in self.table.selectionModel().selectedRows()])
            self._echo = False


def facts(structure: Structure) -> str:
    """Formula, number of atoms, cell, volume and density in a few lines."""
    lines = [tr("{formula} · {n} atoms", formula=structure.formula or tr("empty"), n=len(structure))]
    if structure.volume > 1e-6:
        lengths = np.linalg.norm(structure.cell, axis=1)
        cosines = [float(structure.cell[i] @ structure.cell[j] / (lengths[i] * lengths[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
        angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
        lines.append("a, b, c = " + ", ".join(f"{value:.4f}" for value in lengths) + " Å")
        lines.append("α, β, γ = " + ", ".join(f"{value:.2f}" for value in angles) + "°")
        line = tr("Volume {volume:.3f} Å³", volume=structure.volume)
        if len(structure):
            from ase.data import atomic_masses

            line += " · " + tr(
                "density {density:.4g} kg/m³", density=float(atomic_masses[structure.numbers].sum()) / structure.volume * AMU_PER_ANGSTROM3_KG_M3
            )
        lines.append(line)
    else:
        lines.append(tr("No cell: a molecule"))
    return "\n".join(lines)
