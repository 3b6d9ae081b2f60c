"""Jobs: what runs, how far it is, live curves, cancel and resume."""

from __future__ import annotations

import numpy as np
import pyqtgraph
from PySide6.QtCore import QSignalBlocker, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from .. import looks, theme
from ..forms import label_of
from ..looks import set_icon
from ..sentences import said
from ..session import Session
from ..translate import mark, tr
from ..watching import JobView
from .base import Panel

STATES = {
    "queued": mark("waiting"),
    "starting": mark("starting"),
    "running": mark("running"),
    "elsewhere": mark("on another computer"),
    "finished": mark("finished"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
    "paused": mark("paused: disk full"),
    "interrupted": mark("interrupted"),
}
_HEAD = (mark("Calculation"), mark("State"), mark("Progress"), mark("Time"))
#: what is drawn first, by task, and whether its scale is logarithmic
_FIRST = {
    "scf": ("residual", "energy_error", "energy_error_ev", "free_energy"),
    "relax": ("max_force", "free_energy", "energy"),
    "md": ("temperature", "total_energy"),
    "elastic": ("max_force", "residual"),
    "train": ("force_rmse", "energy_rmse"),
}


class JobsPanel(Panel):
    """The table of jobs, the curve of the chosen one, its words, its buttons."""

    name, title = "jobs", mark("Jobs")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.chosen = ""
        self._chosen_once: set[str] = set()
        self.table = QTableWidget(0, len(_HEAD), self)
        self.table.setHorizontalHeaderLabels([tr(text) for text in _HEAD])
        self.table.setToolTip(tr("Calculations of this project, newest first"))
        self.table.setAccessibleName(tr("Jobs"))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for section in (1, 2, 3):
            self.table.horizontalHeader().setSectionResizeMode(section, QHeaderView.ResizeMode.ResizeToContents)
        self.table.currentCellChanged.connect(self._row_chosen)
        self.table.cellDoubleClicked.connect(lambda *_: self._show_node())
        self.cancel = self._button(
            tr("Cancel"), tr("Stop after the next checkpoint; it can be resumed"), "stop", lambda: session.attempt(session.jobs.cancel, self.chosen)
        )
        self.resume = self._button(tr("Resume"), tr("Continue from the last checkpoint"), "run", lambda: session.attempt(session.jobs.resume, self.chosen))
        self.show_result = self._button(tr("Show"), tr("Show the structure, frames and result of this calculation"), "view", self._show_node)
        self.folder = self._button("", tr("Open the folder that holds everything about this calculation"), "open", self._open_folder)
        self.folder.setAccessibleName(tr("Open folder"))
        self.column = QComboBox(self)
        self.column.setToolTip(tr("What the curve shows"))
        self.column.setAccessibleName(tr("Curve"))
        self.column.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.column.currentIndexChanged.connect(self._draw)
        self.plot = pyqtgraph.PlotWidget(self)
        self.plot.setMinimumHeight(80)
        self.plot.setAccessibleName(tr("Curve"))
        self.plot.setMenuEnabled(False)
        self.plot.getAxis("left").enableAutoSIPrefix(False)
        self.plot.getAxis("left").setWidth(70)
        self.curve = self.plot.plot([], [], symbolSize=5)
        self.words = QPlainTextEdit(self)
        self.words.setReadOnly(True)
        self.words.setProperty("mono", True)
        self.words.setAccessibleName(tr("Log"))
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        graph = QWidget(self.tabs)
        inside = QVBoxLayout(graph)
        inside.setContentsMargins(0, 4, 0, 0)
        inside.addWidget(self.column, 0, Qt.AlignmentFlag.AlignLeft)
        inside.addWidget(self.plot, 1)
        self.no_curve = looks.label("", "muted", graph, wrap=True)
        self.no_curve.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(self.no_curve, 1)
        self.tabs.addTab(graph, tr("Curve"))
        self.tabs.addTab(self.words, tr("Log"))
        left = QWidget(self)
        row = QHBoxLayout()
        for button in (self.cancel, self.resume, self.show_result, self.folder):
            row.addWidget(button)
        row.addStretch(1)
        self.empty = looks.label(tr("No calculations yet. Choose what to calculate in the panel on the right."), "muted", self, wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note = looks.label("", "muted", self, wrap=True, selectable=True)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.empty, 1)
        column.addWidget(self.table, 1)
        column.addWidget(self.note)
        column.addLayout(row)
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.addWidget(left)
        self.splitter.addWidget(self.tabs)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setChildrenCollapsible(False)
        outer = QVBoxLayout(self)
        outer.addWidget(self.splitter)
        for widget in (self.table, self.tabs, self.cancel, self.resume, self.show_result, self.folder):
            widget.hide()  # until there is a job
        session.jobs.changed.connect(self.later)
        session.jobs.listed.connect(self.later)
        session.current_changed.connect(self._follow_tree)
        self.theme_changed()

    def _button(self, text: str, tip: str, icon: str, call) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        set_icon(button, icon)
        button.clicked.connect(call)
        return button

    # ---- showing -----------------------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Table, buttons and curve of the chosen job."""
        views = sorted(self.session.jobs.views.values(), key=lambda view: view.id, reverse=True)
        fresh = [view.id for view in views if view.id in self.session.outcome.mine and view.id not in self._chosen_once]
        if fresh:  # started here just now
            self.chosen = fresh[0]
            self._chosen_once |= set(fresh)
        if self.chosen not in self.session.jobs.views:
            self.chosen = views[0].id if views else ""
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(views))
            for row, view in enumerate(views):
                self._fill(row, view)
                if view.id == self.chosen:
                    self.table.setCurrentCell(row, 0)
        for widget in (self.table, self.tabs):
            widget.setVisible(bool(views))
        self.empty.setVisible(not views)
        self._buttons()
        self._columns()
        self._draw()

    def _fill(self, row: int, view: JobView) -> None:
        status = view.status
        share = 1.0 if status.state == "finished" else status.progress
        progress = "" if share is None else f"{100 * share:.0f} %"
        if not progress and status.step:
            progress = tr("step {n}", n=status.step)
        texts = (view.title, tr(STATES.get(view.state, view.state)), progress, duration(view.seconds))
        colours = looks.current()
        colour = {
            "finished": colours.good,
            "failed": colours.bad,
            "interrupted": colours.warning,
            "paused": colours.warning,
            "running": colours.accent,
            "starting": colours.accent,
        }.get(view.state)
        for place, text in enumerate(texts):
            item = self.table.item(row, place)
            if item is None:
                item = QTableWidgetItem()
                self.table.setItem(row, place, item)
            item.setText(text)
            item.setData(Qt.ItemDataRole.UserRole, view.id)
            item.setToolTip(view.id if place == 0 else said(status.message) or text)
            if place == 1:
                item.setForeground(pyqtgraph.mkColor(colour or colours.text))

    def _buttons(self) -> None:
        view = self.session.jobs.views.get(self.chosen)
        writable = not self.session.read_only
        self.cancel.setEnabled(view is not None and view.status.active and writable)
        self.resume.setEnabled(view is not None and view.status.resumable and writable)
        self.show_result.setEnabled(view is not None)
        self.folder.setEnabled(view is not None)
        for button in (self.cancel, self.resume, self.show_result, self.folder):
            button.setVisible(bool(self.session.jobs.views))
        self.note.setText("\n".join(filter(None, (said(view.status.message), remark_text(view, 2)))) if view is not None else "")
        self.note.setVisible(bool(self.note.text()))

    def _columns(self) -> None:
        view = self.session.jobs.views.get(self.chosen)
        names = list(view.columns) if view is not None else []
        now = [self.column.itemData(place) for place in range(self.column.count())]
        if names != now:
            kept = self.column.currentData()
            with QSignalBlocker(self.column):
                self.column.clear()
                for name in names:
                    self.column.addItem(label_of(name) + (f" / {unit_of(name)}" if unit_of(name) else ""), name)
                wanted = [kept, *_FIRST.get(view.task, _FIRST["scf"])] if view is not None else []
                first = next((name for name in wanted if name in names), names[0] if names else None)
                if first is not None:
                    self.column.setCurrentIndex(names.index(first))
        text = "\n".join(map(said, view.lines)) if view is not None else ""
        if text != self.words.toPlainText():
            bar = self.words.verticalScrollBar()
            at_end = bar.value() >= bar.maximum() - 4
            self.words.setPlainText(text)
            if at_end:
                bar.setValue(bar.maximum())

    def _draw(self, *_: object) -> None:
        view, name = self.session.jobs.views.get(self.chosen), self.column.currentData()
        there = view is not None and name in view.columns
        waits = view is not None and view.status.active
        self.no_curve.setText(tr("The curve begins with the first step.") if waits else tr("No step was made: there is no curve."))
        for widget in (self.column, self.plot):
            widget.setVisible(there)
        self.no_curve.setVisible(not there)
        if not there:
            self.curve.setData([], [])
            return
        values = view.columns[name]
        good = np.isfinite(values)
        logarithmic = bool(good.any() and (values[good] > 0).all() and values[good].max() > 1e3 * values[good].min())
        self.plot.setLogMode(y=logarithmic)
        self.curve.setData(view.steps[good], values[good])
        self.plot.setLabel("bottom", tr("step"))

    def theme_changed(self) -> None:
        """Colours of the plot."""
        colours = looks.current()
        theme.style_plot(self.plot, colours)
        self.curve.setPen(pyqtgraph.mkPen(colours.plot_lines[0], width=2))
        self.curve.setSymbol("o")
        self.curve.setSymbolPen(None)
        self.curve.setSymbolBrush(pyqtgraph.mkBrush(colours.plot_lines[0]))
        for button, icon in ((self.cancel, "stop"), (self.resume, "run"), (self.show_result, "view"), (self.folder, "open")):
            set_icon(button, icon)
        super().theme_changed()

    # ---- choosing ----------------------------------------------------------------------------------------------------------
    def choose(self, job_id: str) -> None:
        """Show this job."""
        if job_id != self.chosen:
            self.chosen = job_id
            self.later()

    def _row_chosen(self, row: int, *_: int) -> None:
        item = self.table.item(row, 0)
        if item is not None:
            self.chosen = item.data(Qt.ItemDataRole.UserRole)
            self._buttons()
            self._columns()
            self._draw()

    def _follow_tree(self, *_: object) -> None:
        job_id = self.session.outcome.job()
        if job_id:
            self.choose(job_id)

    def _show_node(self) -> None:
        if self.chosen:
            self.session.outcome.show_job(self.chosen)

    def _open_folder(self) -> None:
        view = self.session.jobs.views.get(self.chosen)
        if view is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(view.path)))


def remark_text(view: JobView, most: int) -> str:
    """The last sentences about what the calculation changed by itself, with their step."""
    shown = [tr("Step {n}: {what}", n=n, what=said(text)) for n, text in view.remarks[-most:]]
    more = len(view.remarks) - len(shown)
    return "\n".join([*([tr("{n} more before, see the log", n=more)] if more > 0 else []), *shown])


def unit_of(name: str) -> str:
    """Unit of a step's value."""
    from solvers.core.trajectory import unit_of

    return unit_of(name)


def duration(seconds: float) -> str:
    """Seconds in words: 12 s, 3:05 min, 1:02 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
