"""The timeline: play, scrub, speed, loop; a curve over the frames whose cursor is the frame."""

from __future__ import annotations

import numpy as np
import pyqtgraph
from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget

from .. import looks, theme
from ..commands import BY_ID
from ..forms import label_of
from ..looks import set_icon
from ..session import Session
from ..translate import mark, tr
from .base import Panel

SPEEDS = (1, 2, 5, 10, 25, 50)  # frames per second
#: columns that say most about a trajectory, best first
_FIRST = ("free_energy", "energy", "total_energy", "temperature", "max_force")


class TimelinePanel(Panel):
    """Frames of a relaxation, a dynamics run or an opened trajectory."""

    name, title = "timeline", mark("Timeline")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.loop = False
        self.buttons: dict[str, QToolButton] = {}
        row = QHBoxLayout()
        row.setSpacing(2)
        for what, icon in (("first", "first"), ("previous", "previous"), ("toggle", "play"), ("next", "next"), ("last", "last"), ("loop", "loop")):
            button = QToolButton(self)
            button.setText(BY_ID[f"play.{what}"].title)
            button.setToolTip(BY_ID[f"play.{what}"].tooltip)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setCheckable(what in ("loop", "toggle"))
            button.clicked.connect(lambda _=False, what=what: self.play(what))
            self.buttons[what] = button
            row.addWidget(button)
            set_icon(button, icon)
        self.speed = QComboBox(self)
        self.speed.setToolTip(tr("Frames per second"))
        self.speed.setAccessibleName(tr("Speed"))
        for value in SPEEDS:
            self.speed.addItem(tr("{n} / s", n=value), value)
        self.speed.setCurrentIndex(SPEEDS.index(10))
        self.speed.currentIndexChanged.connect(lambda _: self._pace())
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setToolTip(tr("Drag to any frame"))
        self.slider.setAccessibleName(tr("Frame"))
        self.slider.valueChanged.connect(session.set_frame)
        self.where = QLabel(self)
        self.where.setMinimumWidth(110)
        self.column = QComboBox(self)
        self.column.setToolTip(tr("What the curve shows"))
        self.column.setAccessibleName(tr("Curve"))
        self.column.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.column.currentIndexChanged.connect(self._draw)
        for widget in (self.speed, self.slider, self.where, self.column):
            row.addWidget(widget, 1 if widget is self.slider else 0)
        self.plot = pyqtgraph.PlotWidget(self)
        self.plot.setMenuEnabled(False)
        self.plot.setMinimumHeight(70)
        self.plot.setAccessibleName(tr("Curve"))
        self.curve = self.plot.plot([], [])
        self.plot.getAxis("left").enableAutoSIPrefix(False)
        self.plot.getAxis("left").setWidth(70)
        self.cursor = pyqtgraph.InfiniteLine(angle=90, movable=True)
        self.cursor.sigPositionChanged.connect(self._dragged)
        self.plot.addItem(self.cursor)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.body = QWidget(self)
        inside = QVBoxLayout(self.body)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addLayout(row)
        inside.addWidget(self.plot, 1)
        self.empty = looks.label(
            tr("Frames to play appear here: open a trajectory, or choose a relaxation or a dynamics run in the project."), "muted", self, wrap=True
        )
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.addWidget(self.empty, 1)
        column.addWidget(self.body, 1)
        self._player = QTimer(self)
        self._player.timeout.connect(self._step)
        session.player_changed.connect(self._new_frames)
        session.frame_changed.connect(self._moved)
        self.theme_changed()
        self._new_frames()

    # ---- playing -----------------------------------------------------------------------------------------------------------
    @property
    def playing(self) -> bool:
        """True while frames advance by themselves."""
        return self._player.isActive()

    def play(self, what: str) -> None:
        """ "toggle", "first", "previous", "next", "last" or "loop"."""
        n = len(self.session.frames) if self.session.frames is not None else 0
        if what == "loop":
            self.loop = not self.loop
        elif what == "toggle":
            if self.playing or n < 2:
                self._player.stop()
            else:
                if self.session.frame >= n - 1:
                    self.session.set_frame(0)
                self._pace()
                self._player.start()
        else:
            self._player.stop()
            self.session.set_frame({"first": 0, "previous": self.session.frame - 1, "next": self.session.frame + 1, "last": n - 1}[what])
        self._show_state()

    def _pace(self) -> None:
        self._player.setInterval(round(1000 / self.speed.currentData()))

    def _step(self) -> None:
        n = len(self.session.frames) if self.session.frames is not None else 0
        if self.session.frame + 1 < n:
            self.session.set_frame(self.session.frame + 1)
        elif self.loop and n > 1:
            self.session.set_frame(0)
        else:
            self._player.stop()
            self._show_state()

    def _show_state(self) -> None:
        self.buttons["toggle"].setChecked(self.playing)
        self.buttons["loop"].setChecked(self.loop)
        set_icon(self.buttons["toggle"], "pause" if self.playing else "play")

    # ---- showing -----------------------------------------------------------------------------------------------------------
    def _new_frames(self) -> None:
        self._player.stop()
        frames = self.session.frames
        n = len(frames) if frames is not None else 0
        self.empty.setVisible(n == 0)
        self.body.setVisible(n > 0)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(0, n - 1))
            self.slider.setValue(self.session.frame)
        names = [name for name in frames.columns if name != "step" and np.ndim(frames.column(name)) == 1] if n else []
        with QSignalBlocker(self.column):
            kept = self.column.currentData()
            self.column.clear()
            units = dict(frames.columns) if n else {}
            for name in names:
                self.column.addItem(label_of(name) + (f" / {units[name]}" if units[name] else ""), name)
            first = next((name for name in (kept, *_FIRST) if name in names), names[0] if names else None)
            if first is not None:
                self.column.setCurrentIndex(names.index(first))
        self.column.setVisible(bool(names))
        self.plot.setVisible(bool(names))
        for what, button in self.buttons.items():
            button.setEnabled(n > 1 or what == "loop")
        self._draw()
        self._moved(self.session.frame)
        self._show_state()

    def _draw(self, *_: object) -> None:
        frames, name = self.session.frames, self.column.currentData()
        if frames is None or name is None or not len(frames):
            self.curve.setData([], [])
            return
        values = np.asarray(frames.column(name), float)
        good = np.isfinite(values)
        self.curve.setData(np.arange(len(values))[good], values[good])
        self.plot.setLabel("bottom", tr("frame"))
        self.cursor.setBounds((0, max(0, len(values) - 1)))

    def _moved(self, index: int) -> None:
        n = len(self.session.frames) if self.session.frames is not None else 0
        with QSignalBlocker(self.slider):
            self.slider.setValue(index)
        with QSignalBlocker(self.cursor):
            self.cursor.setValue(index)
        self.where.setText(tr("frame {i} of {n}", i=index + 1, n=n) if n else "")

    def _dragged(self) -> None:
        self.session.set_frame(round(self.cursor.value()))

    def _clicked(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.plot.sceneBoundingRect().contains(event.scenePos()):
            self.session.set_frame(round(self.plot.getPlotItem().vb.mapSceneToView(event.scenePos()).x()))

    def theme_changed(self) -> None:
        """Colours of the plot and icons."""
        colours = looks.current()
        theme.style_plot(self.plot, colours)
        self.curve.setPen(pyqtgraph.mkPen(colours.plot_lines[0], width=2))
        self.cursor.setPen(pyqtgraph.mkPen(colours.plot_lines[1], width=2))
        for what, button in self.buttons.items():
            set_icon(button, "pause" if what == "toggle" and self.playing else {"toggle": "play"}.get(what, what))
        super().theme_changed()
