"""Language, theme, mouse, threads."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QFormLayout, QSpinBox, QWidget

from solvers.core import device

from .. import looks
from ..session import Session
from ..settings import MOUSE, THEMES
from ..translate import LANGUAGES, tr
from .base import Dialog


class SettingsDialog(Dialog):
    """What the program remembers. Theme and mouse change at once, language and threads with the next start or job."""

    name = "settings"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent, title=tr("Settings"))
        self.window_ = parent
        settings = session.settings
        form = QFormLayout()
        self.language = self._choice({"": tr("As the desktop"), **LANGUAGES}, settings.get("language"), tr("Language of the window; used from the next start"))
        self.language.currentIndexChanged.connect(lambda _: self._language())
        self.theme = self._choice({name: tr(text) for name, text in THEMES.items()}, settings.get("theme"), tr("Light or dark"))
        self.theme.currentIndexChanged.connect(
            lambda _: parent.set_theme(self.theme.currentData()) if hasattr(parent, "set_theme") else settings.set("theme", self.theme.currentData())
        )
        self.mouse = self._choice({name: tr(text) for name, text in MOUSE.items()}, settings.get("mouse"), tr("What dragging in the scene does"))
        self.mouse.currentIndexChanged.connect(lambda _: self._mouse())
        self.threads = QSpinBox(self)
        self.threads.setRange(0, device.cores())
        self.threads.setValue(settings.get("threads"))
        self.threads.setSpecialValueText(tr("automatic ({n})", n=max(1, device.cores() - 1)))
        self.threads.setToolTip(tr("Processor threads of a calculation; automatic leaves one for the window"))
        self.threads.setAccessibleName(tr("Threads"))
        self.threads.valueChanged.connect(lambda value: settings.set("threads", value))
        for text, widget in ((tr("Language"), self.language), (tr("Theme"), self.theme), (tr("Mouse"), self.mouse), (tr("Threads"), self.threads)):
            form.addRow(text, widget)
        self.body.addLayout(form)
        self.note = looks.label("", "muted", self, wrap=True)
        self.body.addWidget(self.note)
        self.body.addWidget(looks.label(tr("Kept in {path}", path=settings.path), "muted", self, wrap=True, selectable=True))
        self.body.addStretch(1)
        self.setMinimumWidth(460)

    def _choice(self, items: dict[str, str], value: str, tip: str) -> QComboBox:
        box = QComboBox(self)
        box.setToolTip(tip)
        box.setAccessibleName(tip)
        for key, text in items.items():
            box.addItem(text, key)
        box.setCurrentIndex(max(0, box.findData(value)))
        return box

    def _language(self) -> None:
        self.session.settings.set("language", self.language.currentData())
        self.note.setText(tr("The language changes with the next start."))

    def _mouse(self) -> None:
        self.session.settings.set("mouse", self.mouse.currentData())
        view = getattr(self.window_, "view", None)
        if view is not None:
            view.set_preset(self.mouse.currentData())
