"""The convergence assistant: what error is allowed, a study that runs as a job, its curves as they come, and a proposal that goes into the form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QScrollArea, QSplitter, QVBoxLayout, QWidget

from solvers import tasks
from solvers.core.errors import QcadError, SetupError
from solvers.core.job import JobSpec
from solvers.core.params import describe, from_dict, to_dict
from solvers.dft.params import DFTParams

from .. import estimating, ladder, looks, theme
from ..forms import ParamsForm
from ..sentences import explained, said
from ..session import Session
from ..translate import mark, tr
from .base import Dialog

QUANTITIES = {
    "energy": (mark("Error of the energy"), "eV/atom", "energy_error"),
    "forces": (mark("Error of the forces"), "eV/Å", "force_error"),
    "pressure": (mark("Error of the pressure"), "GPa", "pressure_error"),
}
LADDERS = {"cutoff": mark("cutoff"), "mesh": mark("k-points")}
_FLOOR = 1e-12  # errors below are not drawn: the last rung is its own limit


class ConvergenceDialog(Dialog):
    """Follows one study at a time: the one started here, else the newest of the current structure."""

    name = "convergence"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(
            session,
            parent,
            title=tr("Convergence assistant"),
            accept_text=tr("Use these values"),
            accept_tip=tr("Write the proposed cutoff and k-points into the form of the calculation"),
            close_text=tr("Close"),
        )
        self.job = ""
        self.study = ladder.Study({}, {}, (), None, 0)
        own = {info.name for info in describe(DFTParams)}
        self.form = ParamsForm(tasks.get("converge").params_class(), self, skip=tuple(own))
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(self.form)
        self.start = QPushButton(tr("Start the study"), self)
        self.start.setToolTip(tr("Compute the structure at growing cutoffs and meshes; everything else is taken from the form of the calculation"))
        self.start.setAutoDefault(False)
        self.start.clicked.connect(self.begin)
        self.stop = QPushButton(tr("Cancel"), self)
        self.stop.setToolTip(tr("Stop after the next checkpoint; it can be resumed"))
        self.stop.setAutoDefault(False)
        self.stop.clicked.connect(lambda: session.attempt(session.jobs.cancel, self.job))
        self.state = looks.label("", "muted", self, wrap=True)
        left = QWidget(self)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(area, 1)
        row = QHBoxLayout()
        row.addWidget(self.start)
        row.addWidget(self.stop)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.state)
        self.quantity = QComboBox(self)
        self.quantity.setToolTip(tr("Which error is drawn"))
        self.quantity.setAccessibleName(tr("Which error is drawn"))
        for name, (text, unit, _) in QUANTITIES.items():
            self.quantity.addItem(f"{tr(text)} / {unit}", name)
        self.plot = pyqtgraph.PlotWidget(self)
        self.plot.setMenuEnabled(False)
        self.plot.setLogMode(x=True, y=True)
        self.plot.setAccessibleName(tr("Error against cost"))
        # pyqtgraph names 2 to 9 of every decade, which run into each other
        marks = [(float(np.log10(factor * 10.0**power)), f"{factor * 10.0**power:g}") for power in range(-5, 7) for factor in (1, 2, 5)]
        self.plot.getAxis("bottom").setTicks([marks, []])
        for side in ("left", "bottom"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self.legend = self.plot.addLegend(offset=(-8, 8))
        self.proposal = looks.label("", parent=self, wrap=True, selectable=True)
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.quantity, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.plot, 1)
        column.addWidget(self.proposal)
        splitter = QSplitter(Qt.Orientation.Horizontal, self)
        splitter.addWidget(left)
        splitter.addWidget(right)
        splitter.setStretchFactor(1, 1)
        splitter.setChildrenCollapsible(False)
        self.body.addWidget(splitter, 1)
        self.resize(880, 540)
        self.quantity.currentIndexChanged.connect(self.draw)
        self.form.changed.connect(self.refresh)
        session.jobs.changed.connect(self._job_changed)
        session.jobs.result_arrived.connect(self._job_changed)
        session.current_changed.connect(self._another)
        self._another()

    # ---- the job -----------------------------------------------------------------------------------------------------------------
    def spec(self) -> JobSpec:
        """The study as a job: the plane-wave parameters of the form with the errors asked for here. Raises SetupError."""
        structure, draft = self.session.structure, self.session.draft
        if structure is None:
            raise SetupError(tr("There is no structure to calculate."), hint=tr("Open a file or build a crystal first."))
        given: dict[str, Any] = {}
        if draft.ready:
            params = draft.params()
            defaults, names = DFTParams(), {info.name for info in describe(DFTParams)}
            given = {name: value for name, value in to_dict(params).items() if name in names and value != to_dict(defaults)[name]}
        given |= self.form.given()
        cls = tasks.get("converge").params_class()
        plain = to_dict(from_dict(cls, given))
        title = f"{structure.formula} {tr('Convergence of cutoff and k-points')}"
        node = self.session.node()
        return JobSpec(
            "converge",
            {name: plain[name] for name in given},
            {"structure": structure},
            title,
            "auto",
            self.session.settings.worker_threads,
            node.id if node is not None else "",
        )

    def begin(self) -> None:
        """Start the study."""
        self.session.attempt(lambda: self.session.start_job(self.spec(), done=self._started))

    def _started(self, job_id: str) -> None:
        self.job = job_id
        self.refresh()

    def _another(self, *_: object) -> None:
        """Another node is current: its newest study is shown, unless the one shown still runs."""
        view = self.session.jobs.views.get(self.job)
        if view is None or not view.status.active:
            here = self.session.structure
            node = self.session.node()
            parents = {node.id, node.parent} - {""} if node is not None and here is not None else set()
            found = [view for view in self.session.jobs.views.values() if view.task == "converge" and view.parent in parents]
            self.job = max(found, key=lambda view: view.id).id if found else ""
        self.refresh()

    def _job_changed(self, job_id: str) -> None:
        if job_id == self.job:
            self.refresh()

    # ---- showing -----------------------------------------------------------------------------------------------------------------
    def refresh(self, *_: object) -> None:
        """State of the study, its curves and its proposal."""
        view = self.session.jobs.views.get(self.job)
        running = view is not None and view.status.active
        problem = self.form.verdict()
        if not problem:
            try:
                self.spec()
            except QcadError as error:
                problem = explained(error)
        self.start.setEnabled(not problem and not running and not self.session.read_only)
        self.stop.setEnabled(running)
        result = self.session.jobs.results.get(self.job)
        if view is not None and view.state == "finished" and result is None:
            self.session.jobs.fetch(self.job)
        self.study = ladder.of_result(result) if result is not None else ladder.of_steps(view.columns if view is not None else {})
        words = problem or ""
        if view is not None and not problem:
            words = tr("{n} calculations done.", n=self.study.count) if running else said(view.status.message)
            if running and view.lines:
                words += "\n" + said(view.lines[-1])
        self.state.setText(words or ("" if view is not None else tr("No study of this structure yet.")))
        if view is None and not problem:
            self.session.dispatcher.run(estimating.estimate, self.spec(), done=self._costs, failed=self._failed, key="convergence")
        self._propose(result)
        self.draw()

    def _costs(self, estimate: estimating.Estimate) -> None:
        if self.job not in self.session.jobs.views:
            self.state.setText("\n".join((tr("No study of this structure yet."), *estimate.lines[-2:])))

    def _failed(self, error: BaseException) -> None:
        self.state.setText(explained(error) if isinstance(error, QcadError) else tr("No estimate: {error}", error=error))

    def _propose(self, result: Any) -> None:
        ready = bool(self.study.proposed)
        if self.accept_button is not None:
            self.accept_button.setEnabled(ready and self.session.draft.ready)
        if not ready:
            self.proposal.setText("")
            return
        energy, force, pressure = self.study.proposed_errors
        lines = [
            tr("Proposed: cutoff {cutoff:.0f} eV, k-points {kpts}.", cutoff=float(self.study.proposed["cutoff"]), kpts=self.study.proposed["kpts"]),
            tr(
                "Estimated errors: {energy:.2g} eV/atom, {force:.2g} eV/Å, {pressure:.2g} GPa; about {seconds:.2g} s for one energy.",
                energy=energy,
                force=force,
                pressure=pressure,
                seconds=self.study.proposed_seconds,
            ),
            *map(said, result.warnings),
        ]
        looks.set_property(self.proposal, "role", "warning" if result.warnings else "good")
        self.proposal.setText("\n".join(lines))

    def draw(self, *_: object) -> None:
        """The curves of the chosen error."""
        colours = looks.current()
        name = self.quantity.currentData()
        text, unit, goal = QUANTITIES[name]
        self.plot.clear()
        self.legend.clear()
        theme.style_plot(self.plot, colours)
        self.legend.setLabelTextColor(colours.plot_text)
        for place, (stage, words) in enumerate(LADDERS.items()):
            rungs = self.study.ladders.get(stage)
            if rungs is None or name not in rungs.errors:
                continue
            good = rungs.errors[name] > _FLOOR
            colour = colours.plot_lines[place]
            x, y = rungs.seconds[good], rungs.errors[name][good]
            order = np.argsort(x, kind="stable")
            self.plot.plot(
                x[order], y[order], pen=pyqtgraph.mkPen(colour, width=2), symbol="os"[place], symbolBrush=colour, symbolPen=None, symbolSize=8, name=tr(words)
            )
            for label, at, value in zip(np.array(rungs.names)[good], x, y, strict=True):
                item = pyqtgraph.TextItem(str(label), color=colour, anchor=(0, 1))
                item.setPos(float(np.log10(at)), float(np.log10(value)))
                self.plot.addItem(item, ignoreBounds=True)
        try:
            wanted = getattr(from_dict(self.form.cls, self.form.given()), goal)
        except QcadError:
            wanted = None
        if wanted:
            line = pyqtgraph.InfiniteLine(float(np.log10(wanted)), angle=0, pen=pyqtgraph.mkPen(colours.good, width=1.4, style=Qt.PenStyle.DashLine))
            self.plot.addItem(line)
        if self.study.proposed_errors:
            error = self.study.proposed_errors[ladder.QUANTITIES.index(name)]
            if error > _FLOOR:
                star = {"symbol": "star", "symbolSize": 16, "symbolBrush": colours.warning, "symbolPen": None}
                self.plot.plot([self.study.proposed_seconds], [error], pen=None, name=tr("proposal"), **star)
        self.plot.setLabel("left", f"{tr(text)} / {unit}", color=colours.plot_text)
        self.plot.setLabel("bottom", tr("cost of one energy / s (estimated)"), color=colours.plot_text)
        self.plot.enableAutoRange()

    def accept(self) -> None:
        """Write the proposal into the form."""
        proposed = {name: value for name, value in self.study.proposed.items() if self.session.draft.has(name)}
        if self.session.attempt(lambda: self.session.draft.write(**proposed)):
            super().accept()
