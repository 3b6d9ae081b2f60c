"""Plug-ins: what there is, what is off, what is broken and why. A broken one is a row here, never a crash."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QHeaderView, QPlainTextEdit, QPushButton, QTreeWidget, QTreeWidgetItem, QWidget

from solvers.core import registry

from .. import looks
from ..session import Session
from ..translate import mark, tr
from .base import Dialog

_STATES = {"on": mark("on"), "off": mark("off: not allowed yet"), "broken": mark("broken")}


class PluginsDialog(Dialog):
    """The rows of the registry; third-party packages are allowed or forbidden here, by version and hash."""

    name = "plugins"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Plug-ins"))
        self.tree = QTreeWidget(self)
        self.tree.setHeaderLabels([tr("Name"), tr("Kind"), tr("State"), tr("Package"), tr("What it is")])
        self.tree.setRootIsDecorated(False)
        self.tree.setAccessibleName(tr("Plug-ins"))
        self.tree.setToolTip(tr("Choose one to see its details"))
        for section in range(4):
            self.tree.header().setSectionResizeMode(section, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.currentItemChanged.connect(self._chosen)
        self.details = QPlainTextEdit(self)
        self.details.setReadOnly(True)
        self.details.setProperty("mono", True)
        self.details.setAccessibleName(tr("Details"))
        self.details.setMaximumHeight(150)
        self.allow = QPushButton(tr("Allow package"), self)
        self.allow.setToolTip(tr("Let this version of the package run on this account; an update is off again"))
        self.allow.clicked.connect(lambda: self._set(registry.allow))
        self.forbid = QPushButton(tr("Forbid package"), self)
        self.forbid.setToolTip(tr("Take the permission back"))
        self.forbid.clicked.connect(lambda: self._set(registry.forbid))
        row = QHBoxLayout()
        row.addWidget(self.allow)
        row.addWidget(self.forbid)
        row.addStretch(1)
        self.body.addWidget(self.tree, 1)
        self.body.addWidget(self.details)
        self.body.addLayout(row)
        self.resize(720, 480)
        self.refresh()

    def refresh(self) -> None:
        """Read the registry again."""
        self.tree.clear()
        colours = looks.current()
        for plugin in registry.plugins():
            item = QTreeWidgetItem([plugin.name, plugin.kind, tr(_STATES[plugin.state]), f"{plugin.package} {plugin.version}".strip(), tr(plugin.summary)])
            item.setData(0, Qt.ItemDataRole.UserRole, plugin)
            if plugin.state == "broken":
                from PySide6.QtGui import QColor

                item.setForeground(2, QColor(colours.bad))
            self.tree.addTopLevelItem(item)
        if self.tree.topLevelItemCount():
            self.tree.setCurrentItem(self.tree.topLevelItem(0))
        else:
            self._chosen(None, None)

    def _chosen(self, item: QTreeWidgetItem | None, _: object) -> None:
        plugin = item.data(0, Qt.ItemDataRole.UserRole) if item is not None else None
        third_party = plugin is not None and bool(plugin.sha256)
        self.allow.setEnabled(third_party and plugin.state == "off")
        self.forbid.setEnabled(third_party and plugin.state == "on")
        self.details.setPlainText(
            "" if plugin is None else plugin.error or "\n".join([plugin.path, *([f"sha256 {plugin.sha256}"] if plugin.sha256 else []), plugin.summary])
        )

    def _set(self, change) -> None:
        item = self.tree.currentItem()
        if item is not None and self.session.attempt(change, item.data(0, Qt.ItemDataRole.UserRole).package):
            self.refresh()
