"""Examples to begin with: crystals, a surface, a trajectory. What there is stands in `resources/examples/examples.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from solvers.core.paths import resource

from ..looks import item_icon
from ..session import Session
from ..translate import tr
from .base import Dialog


def examples() -> list[tuple[Path, str, str]]:
    """(file, title, summary) of every example that the window can open; recipes belong to the command line."""
    folder = resource("examples")
    rows = tomllib.loads((folder / "examples.toml").read_text(encoding="utf-8"))["example"]
    return [(folder / row["file"], row["title"], row["summary"]) for row in rows if not row["file"].endswith(".toml")]


class ExamplesDialog(Dialog):
    """The list; double click or the button opens one."""

    name = "examples"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Examples"), accept_text=tr("Open"), accept_tip=tr("Open the chosen example"))
        self.tree = QTreeWidget(self)
        self.tree.setHeaderLabels([tr("Name"), tr("What it is")])
        self.tree.setRootIsDecorated(False)
        self.tree.setAccessibleName(tr("Examples"))
        self.tree.setToolTip(tr("Double-click opens an example"))
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        for path, title, summary in examples():
            item = QTreeWidgetItem([tr(title), tr(summary)])
            item.setData(0, Qt.ItemDataRole.UserRole, str(path))
            item.setIcon(0, item_icon("play" if "trajectory" in summary else "bulk"))
            self.tree.addTopLevelItem(item)
        self.tree.setCurrentItem(self.tree.topLevelItem(0))
        self.tree.itemDoubleClicked.connect(lambda *_: self.accept())
        self.body.addWidget(self.tree, 1)
        self.resize(620, 380)

    def accept(self) -> None:
        """Open the chosen one."""
        item = self.tree.currentItem()
        if item is not None and self.session.attempt(self.session.keeper.open_path, Path(item.data(0, Qt.ItemDataRole.UserRole))):
            super().accept()
