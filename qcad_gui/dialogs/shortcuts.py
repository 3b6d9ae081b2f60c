"""Keys and mouse at a glance, made from the command table."""

from __future__ import annotations

from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from ..commands import COMMANDS, MENUS
from ..scene.mouse import PRESETS
from ..session import Session
from ..translate import mark, tr
from .base import Dialog

_BUTTONS = {"left": mark("left drag"), "middle": mark("middle drag"), "right": mark("right drag")}
_KEYS = {"shift": mark("Shift"), "ctrl": mark("Ctrl"), "alt": mark("Alt")}
_ACTIONS = {"rotate": mark("turn"), "pan": mark("move the picture"), "zoom": mark("zoom"), "roll": mark("roll"), "box": mark("select in a box")}
_CLICKS = (
    (mark("wheel"), mark("zoom towards the mouse")),
    (mark("click"), mark("select the atom (Select and Edit mode)")),
    (mark("Ctrl+click"), mark("add to the selection or take out of it")),
    (mark("drag an atom"), mark("move it (Edit mode)")),
    (mark("B, then drag"), mark("select in a box in every mode")),
    (mark("double click beside atoms"), mark("show everything")),
)


class ShortcutsDialog(Dialog):
    """Everything the keyboard and the mouse can do."""

    name = "shortcuts"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Keys and mouse"))
        self.tree = QTreeWidget(self)
        self.tree.setHeaderLabels([tr("What"), tr("How")])
        self.tree.setAccessibleName(tr("Keys and mouse"))
        self.tree.setToolTip(tr("Keys without Ctrl work in the scene and in the timeline"))
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.header().setStretchLastSection(False)
        group = QTreeWidgetItem([tr("Mouse in the scene"), ""])
        self.tree.addTopLevelItem(group)
        for (button, modifiers), action in PRESETS[session.settings.get("mouse")][1].items():
            keys = "+".join([*(tr(_KEYS[name]) for name in sorted(modifiers)), tr(_BUTTONS[button])])
            group.addChild(QTreeWidgetItem([tr(_ACTIONS[action]), keys]))
        for how, what in _CLICKS:
            group.addChild(QTreeWidgetItem([tr(what), tr(how)]))
        for name, text in MENUS:
            commands = [command for command in COMMANDS if command.menu == name and command.shortcut]
            if commands:
                group = QTreeWidgetItem([tr(text).replace("&", ""), ""])
                self.tree.addTopLevelItem(group)
                for command in commands:
                    group.addChild(QTreeWidgetItem([command.title.rstrip("…"), command.shortcut.replace(";", tr(" or "))]))
        self.tree.expandAll()
        self.body.addWidget(self.tree, 1)
        self.resize(560, 560)
