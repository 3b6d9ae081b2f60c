"""The command palette (Ctrl+K): type what you want to do, Enter does it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QDialog, QHeaderView, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from .. import looks, theme
from ..commands import COMMANDS, MENUS, Command, find
from ..looks import item_icon
from ..session import Session
from ..translate import tr

_MENU_NAMES = dict(MENUS)


class Palette(QDialog):
    """A line to type into and the commands that match it; impossible ones are grey and say so."""

    name = "palette"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent, Qt.WindowType.Dialog)
        self.session = session
        self.run = getattr(parent, "run_command", None)
        self.setWindowTitle(tr("Find a command"))
        self.resize(520, 380)
        self.line = QLineEdit(self)
        self.line.setPlaceholderText(tr("Type what you want to do: supercell, elastic, dark …"))
        self.line.setAccessibleName(tr("Command"))
        self.line.setToolTip(tr("Letters of the command; ↑ ↓ choose, Enter does it"))
        self.line.textChanged.connect(self.refresh)
        self.line.installEventFilter(self)
        self.list = QTreeWidget(self)
        self.list.setColumnCount(3)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setAccessibleName(tr("Commands"))
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for section in (1, 2):
            self.list.header().setSectionResizeMode(section, QHeaderView.ResizeMode.ResizeToContents)
        self.list.itemActivated.connect(lambda item, _: self._chosen(item))
        self.empty = looks.label(tr("No command matches."), "muted", self)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.addWidget(self.line)
        column.addWidget(self.list, 1)
        column.addWidget(self.empty)
        self.refresh()
        self.line.setFocus()

    def refresh(self, *_: object) -> None:
        """Show what matches."""
        self.list.clear()
        for command in find(self.line.text(), tuple(item for item in COMMANDS if item.id != "view.palette")):
            self.list.addTopLevelItem(self._item(command))
        self.empty.setVisible(self.list.topLevelItemCount() == 0)
        self.list.setVisible(self.list.topLevelItemCount() > 0)
        self.list.setCurrentItem(self.list.topLevelItem(0))

    def _item(self, command: Command) -> QTreeWidgetItem:
        menu = tr(_MENU_NAMES[command.menu]).replace("&", "")
        item = QTreeWidgetItem([command.title.rstrip("…"), menu, command.shortcut.split(";")[0]])
        item.setData(0, Qt.ItemDataRole.UserRole, command.id)
        item.setToolTip(0, command.tooltip)
        item.setIcon(0, item_icon(command.icon) if command.icon else _blank())
        if not command.enabled(self.session):
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
            item.setToolTip(0, tr("Not possible now"))
        return item

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Arrow keys and Enter work while the cursor stays in the line."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self.list.topLevelItemCount():
                row = self.list.indexOfTopLevelItem(self.list.currentItem()) + step
                self.list.setCurrentItem(self.list.topLevelItem(row % self.list.topLevelItemCount()))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._chosen(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _chosen(self, item: QTreeWidgetItem | None) -> None:
        if item is None or not item.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        identifier, run = item.data(0, Qt.ItemDataRole.UserRole), self.run
        self.close()
        if run is not None:
            run(identifier)


def _blank() -> QIcon:
    pixmap = QPixmap(theme.ICON_SIZE, theme.ICON_SIZE)
    pixmap.fill(Qt.GlobalColor.transparent)
    return QIcon(pixmap)
