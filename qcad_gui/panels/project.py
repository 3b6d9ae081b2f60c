"""The project tree: structures, runs, materials; click makes one current, F2 or a second click renames, Delete moves to the trash."""

from __future__ import annotations

import re

from PySide6.QtCore import QPoint, QSignalBlocker, Qt
from PySide6.QtWidgets import QLabel, QMenu, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from solvers.core.structure import Structure

from .. import looks
from ..looks import item_icon
from ..session import Session
from ..translate import mark, tr
from .base import Panel

KINDS = {
    "structure": mark("Structure"),
    "trajectory": mark("Trajectory"),
    "field": mark("Density"),
    "run": mark("Calculation"),
    "material": mark("Material"),
    "note": mark("Note"),
}
_ICONS = {"structure": "bulk", "trajectory": "play", "field": "field", "run": "run", "material": "elastic", "note": "note"}
#: what jobs call the nodes they make
_PARTS = (mark("structure"), mark("material"), mark("density"))
_FORMULA = re.compile(r"([A-Z][a-z]?\d*)+")

_SHOWN = Qt.ItemDataRole.UserRole + 1


class ProjectPanel(Panel):
    """The nodes of the project as a tree."""

    name, title = "project", mark("Project")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.setMinimumWidth(130)  # names can be read whatever the other panels want
        self.tree = QTreeWidget(self)
        self.tree.setHeaderHidden(True)
        self.tree.setToolTip(tr("What the project holds. F2 renames, the menu of the right mouse button does the rest."))
        self.tree.setAccessibleName(tr("Project"))
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.setEditTriggers(QTreeWidget.EditTrigger.EditKeyPressed | QTreeWidget.EditTrigger.SelectedClicked)
        self.tree.currentItemChanged.connect(self._chosen)
        self.tree.itemChanged.connect(self._renamed)
        self.tree.customContextMenuRequested.connect(self._menu)
        self.empty: QLabel = looks.label(tr("Nothing here yet.\nOpen a file (Ctrl+O) or build a crystal (Ctrl+B)."), "muted", self, wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.empty, 1)
        column.addWidget(self.tree, 1)
        session.nodes_changed.connect(self.later)
        session.project_changed.connect(self.later)
        session.current_changed.connect(self._mark)

    def refresh(self) -> None:
        """Build the tree again, keeping what was folded."""
        folded = {item.data(0, Qt.ItemDataRole.UserRole) for item in self._items() if not item.isExpanded()}
        with QSignalBlocker(self.tree):
            self.tree.clear()
            self._grow("", self.tree.invisibleRootItem(), folded)
        self.empty.setVisible(not self.session.nodes)
        self.tree.setVisible(bool(self.session.nodes))

    def _grow(self, parent: str, below: QTreeWidgetItem, folded: set) -> None:
        for node in self.session.children(parent):
            item = QTreeWidgetItem([self._shown_name(node, self.session.nodes.get(parent))])
            item.setData(0, Qt.ItemDataRole.UserRole, node.id)
            item.setData(0, _SHOWN, item.text(0))
            item.setIcon(0, item_icon(_ICONS.get(node.kind, "bulk")))
            item.setToolTip(0, self._tip(node))
            flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            item.setFlags(flags if self.session.read_only else flags | Qt.ItemFlag.ItemIsEditable)
            below.addChild(item)
            self._grow(node.id, item, folded)
            item.setExpanded(node.id not in folded)
            if node.id == self.session.current:
                self.tree.setCurrentItem(item)

    def _mark(self, *_: object) -> None:
        """Another node is current. The tree is not built again here: this may be called from one of its own signals."""
        with QSignalBlocker(self.tree):
            for item in self._items():
                if item.data(0, Qt.ItemDataRole.UserRole) == self.session.current:
                    self.tree.setCurrentItem(item)
                    return
        self.later()

    @staticmethod
    def _shown_name(node, parent) -> str:
        """The name without what the item above says already: "Cu4 relaxation: structure" below "Cu4 relaxation" is "structure"."""
        name = node.name
        if parent is not None:
            formula = parent.payload.formula if isinstance(parent.payload, Structure) else ""
            for prefix in (f"{parent.name}: ", f"{parent.name} ", f"{formula} " if formula else ""):
                if prefix and name.startswith(prefix) and len(name) > len(prefix):
                    return tr(name[len(prefix) :])
            first, _, rest = name.partition(" ")
            if node.kind == "run" and rest and _FORMULA.fullmatch(first):  # a run of a run's structure
                return rest
        return name

    def _tip(self, node) -> str:
        words = [tr(KINDS.get(node.kind, node.kind))]
        if isinstance(node.payload, Structure):
            words.append(tr("{formula}, {n} atoms", formula=node.payload.formula, n=len(node.payload)))
        if node.made_by:
            words.append(tr("made by {what}", what=node.made_by))
        return "\n".join(words)

    def _items(self) -> list[QTreeWidgetItem]:
        out, todo = [], [self.tree.topLevelItem(place) for place in range(self.tree.topLevelItemCount())]
        while todo:
            item = todo.pop()
            out.append(item)
            todo += [item.child(place) for place in range(item.childCount())]
        return out

    def _chosen(self, item: QTreeWidgetItem | None, _: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.session.set_current(item.data(0, Qt.ItemDataRole.UserRole))

    def _renamed(self, item: QTreeWidgetItem) -> None:
        if item.text(0) != item.data(0, _SHOWN):
            self.session.attempt(self.session.rename, item.data(0, Qt.ItemDataRole.UserRole), item.text(0))
        self.later()

    def edit_current(self) -> None:
        """Begin renaming the current item."""
        if self.tree.currentItem() is not None:
            self.tree.setFocus()
            self.tree.editItem(self.tree.currentItem(), 0)

    def _menu(self, place: QPoint) -> None:
        item = self.tree.itemAt(place)
        if item is None:
            return
        node_id = item.data(0, Qt.ItemDataRole.UserRole)
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        writable = not self.session.read_only
        for text, call in ((tr("Rename"), self.edit_current), (tr("Remove from project"), lambda: self.session.attempt(self.session.remove, node_id))):
            action = menu.addAction(text)
            action.setEnabled(writable)
            action.triggered.connect(call)
        menu.popup(self.tree.viewport().mapToGlobal(place))
