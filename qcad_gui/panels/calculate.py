"""Set up a calculation: task, calculator, forms made from their params, what it will cost, and the button that starts it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtWidgets import QComboBox, QFileDialog, QFrame, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QScrollArea, QVBoxLayout, QWidget

from solvers import tasks
from solvers.core import registry
from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import QcadError
from solvers.core.job import JobSpec
from solvers.core.params import from_dict, to_dict
from solvers.dft.params import DFTParams

from .. import estimating, looks
from ..forms import ParamsForm
from ..looks import set_icon
from ..sentences import explained
from ..session import Session
from ..translate import mark, tr
from .base import Panel

#: what the tasks are called here; one that is not named shows its summary
TASKS = {
    "scf": mark("Energy and forces"),
    "relax": mark("Relaxation"),
    "elastic": mark("Elastic constants"),
    "md": mark("Molecular dynamics"),
    "bands": mark("Band structure"),
    "dos": mark("Density of states"),
    "phonons": mark("Phonons"),
    "converge": mark("Convergence of cutoff and k-points"),
    "dielectric": mark("Dielectric tensor and Born charges"),
    "field": mark("Field in space (ELF, spin, bands …)"),
    "charges": mark("Charges of atoms"),
    "hubbard": mark("Hubbard U by linear response"),
    "stm": mark("Scanning-tunnelling picture"),
    "workfunction": mark("Work function"),
}


def task_title(name: str) -> str:
    """What the task is called in the window's language."""
    return tr(TASKS[name]) if name in TASKS else tr(tasks.get(name).summary)


#: starting points for plane-wave calculations; every one of them is only a filled-in form
QUALITY = {
    "quick": (mark("Quick look"), {"kpts": "0.4/A", "tolerance": 1e-6}),
    "standard": (mark("Standard"), {"kpts": "0.2/A"}),
    "accurate": (mark("Accurate"), {"kpts": "0.12/A", "tolerance": 1e-9}),
}
_SKIP = ("device", "checkpoint", "path")


class CalculatePanel(Panel):
    """What to calculate, how, and what it costs."""

    name, title = "calculate", mark("Calculate")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.task = QComboBox(self)
        self.task.setToolTip(tr("What to calculate"))
        self.task.setAccessibleName(tr("Task"))
        self.task.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.task.setMinimumContentsLength(12)
        for name, task in tasks.TASKS.items():
            if set(task.inputs) <= {"structure", "calculator"}:
                self.task.addItem(task_title(name), name)
        self.calculator = QComboBox(self)
        self.calculator.setToolTip(tr("What computes energies and forces"))
        self.calculator.setAccessibleName(tr("Calculator"))
        for plugin in registry.plugins("calculator"):
            if plugin.state == "on":
                self.calculator.addItem(plugin.name, plugin.name)
                self.calculator.setItemData(self.calculator.count() - 1, tr(plugin.summary), Qt.ItemDataRole.ToolTipRole)
        self.quality = QComboBox(self)
        self.quality.setToolTip(tr("Fills in the form below; everything can still be changed"))
        self.quality.setAccessibleName(tr("Quality"))
        for name, (text, _) in QUALITY.items():
            self.quality.addItem(tr(text), name)
        self.quality.addItem(tr("My own"), "")
        self.quality.setCurrentIndex(1)
        self.model_path = QLineEdit(self)
        self.model_path.setPlaceholderText(tr("model file"))
        self.model_path.setToolTip(tr("File of the trained force field (.qff, nep.txt)"))
        self.model_path.setAccessibleName(tr("Model file"))
        self.browse = QPushButton("…", self)
        self.browse.setToolTip(tr("Choose the model file"))
        self.browse.setFixedWidth(36)
        self.browse.clicked.connect(self._browse)
        head = QGridLayout()
        head.setColumnStretch(1, 1)
        self._labels: dict[str, QLabel] = {}
        model = QWidget(self)
        row = QHBoxLayout(model)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.model_path, 1)
        row.addWidget(self.browse)
        self._model = model
        for place, (name, text, widget) in enumerate(
            (
                ("task", tr("Task"), self.task),
                ("calculator", tr("Calculator"), self.calculator),
                ("model", tr("Model"), model),
                ("quality", tr("Quality"), self.quality),
            )
        ):
            self._labels[name] = QLabel(text, self)
            head.addWidget(self._labels[name], place, 0)
            head.addWidget(widget, place, 1)
        self.subject = looks.label("", "muted", self, wrap=True)
        self.area = QScrollArea(self)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.forms: dict[str, ParamsForm] = {}
        card = QFrame(self)
        card.setObjectName("card")
        self.cost = looks.label("", parent=card, wrap=True)
        self.cost.setObjectName("cost")
        inside = QVBoxLayout(card)
        inside.addWidget(looks.label(tr("What it will take"), "heading", card))
        inside.addWidget(self.cost)
        self.caution = looks.label("", "warning", card, wrap=True)
        self.caution.hide()
        inside.addWidget(self.caution)
        self.run = QPushButton(tr("Start"), self)
        looks.set_property(self.run, "primary", True)
        self.run.setToolTip(tr("Start the calculation; the window stays free"))
        self.run.clicked.connect(self.start)
        column = QVBoxLayout(self)
        column.addWidget(self.subject)
        column.addLayout(head)
        column.addWidget(self.area, 1)
        column.addWidget(card)
        column.addWidget(self.run)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(300)
        self._pause.timeout.connect(self._estimate)
        self.task.currentIndexChanged.connect(self._rebuild)
        self.calculator.currentIndexChanged.connect(self._rebuild)
        self.quality.currentIndexChanged.connect(self._fill)
        self.model_path.editingFinished.connect(self.later)
        session.current_changed.connect(self.later)
        session.structure_changed.connect(self.later)
        session.project_changed.connect(self.later)
        self._rebuild()

    # ---- choosing ----------------------------------------------------------------------------------------------------------
    def prepare(self, task: str) -> None:
        """Choose a task from outside."""
        place = self.task.findData(task)
        if place >= 0:
            self.task.setCurrentIndex(place)
        self.task.setFocus()
        self.now()

    @property
    def uses(self) -> str:
        """Name of the calculator; tasks without one are plane-wave DFT themselves."""
        needs = "calculator" in tasks.get(self.task.currentData()).inputs
        return str(self.calculator.currentData()) if needs else "dft"

    def _rebuild(self, *_: object) -> None:
        task = tasks.get(self.task.currentData())
        needs = "calculator" in task.inputs
        for widget in (self._labels["calculator"], self.calculator):
            widget.setVisible(needs)
        for widget in (self._labels["quality"], self.quality):
            widget.setVisible(self.uses == "dft")
        for widget in (self._labels["model"], self._model):
            widget.setVisible(self.uses == "mlff")
        kept = {name: form.given() for name, form in self.forms.items() if not form.verdict()}
        before = self._dft_form
        electrons = kept.get(next((name for name, form in self.forms.items() if form is before), ""), {})  # what plane waves were told for another task
        electrons = {name: value for name, value in electrons.items() if name in DFTParams.__dataclass_fields__}
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 4, 8, 4)
        self.session.draft.release(self._dft_form)
        self.forms = {}
        try:
            classes = {task.name: task.params_class()}
            if needs:
                classes[self.uses] = registry.get("calculator", self.uses).params_class()
            for name, cls in classes.items():
                if cls is None:
                    continue
                column.addWidget(
                    looks.label(tr("Settings of the task") if name == task.name else tr("Settings of the calculator {name}", name=name), "heading", body)
                )
                form = ParamsForm(cls, body, skip=_SKIP, dialogs=True)
                form.changed.connect(self._edited)
                form.dialog_requested.connect(self.session.dialog_requested)
                column.addWidget(form)
                self.forms[name] = form
                if name in kept:
                    form.set_values(kept[name])
                elif electrons and issubclass(cls, DFTParams):
                    form.set_values(electrons)
        except (QcadError, ImportError) as error:
            column.addWidget(looks.label(explained(error), "bad", body, wrap=True))
        column.addStretch(1)
        self.session.draft.bind(self._dft_form, self.spec)
        old = self.area.takeWidget()
        if old is not None:
            old.deleteLater()
        self.area.setWidget(body)
        for form in self.forms.values():
            form.more.toggled.connect(self._fit)
        self._fit()
        self._fill()

    def _fit(self, *_: object) -> None:
        """Never narrower than the forms: the scroll bar would lie on their units."""
        body = self.area.widget()
        body.layout().activate()
        self.area.setMinimumWidth(body.minimumSizeHint().width() + self.area.verticalScrollBar().sizeHint().width())

    @property
    def _dft_form(self) -> ParamsForm | None:
        """The form that holds the plane-wave parameters: the calculator's, or that of a task which is plane waves itself."""
        return next((form for form in self.forms.values() if issubclass(form.cls, DFTParams)), None)

    def _fill(self, *_: object) -> None:
        form, quality = self._dft_form, self.quality.currentData()
        if form is not None and quality:
            try:
                values = form.given()
            except QcadError:
                values = {}
            for _, changes in QUALITY.values():
                for name in changes:
                    values.pop(name, None)
            form.set_values({**values, **QUALITY[quality][1]})
            self.session.draft.changed.emit()
        self.later()
        self._pause.start()

    def _edited(self) -> None:
        form, quality = self._dft_form, self.quality.currentData()
        if form is not None and quality and self.sender() is form:
            shown = {name: str(form.fields[name].value()) for name in QUALITY[quality][1] if not form.verdict()}
            if shown and any(str(form.fields[name].value()) != _same(value) for name, value in QUALITY[quality][1].items()):
                with QSignalBlocker(self.quality):
                    self.quality.setCurrentIndex(self.quality.count() - 1)
        self.later()

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, tr("Choose the model file"), "", tr("Force fields") + " (*.qff *.txt);;" + tr("All files") + " (*)")
        if path:
            self.model_path.setText(path)
            self.later()

    # ---- what it costs, and starting -----------------------------------------------------------------------------------------
    def spec(self) -> JobSpec:
        """The job as the forms describe it. Raises SetupError."""
        from solvers.core.errors import MissingError, SetupError

        structure = self.session.structure
        if structure is None:
            raise SetupError(tr("There is no structure to calculate."), hint=tr("Open a file or build a crystal first."))
        task = tasks.get(self.task.currentData())
        inputs: dict[str, Any] = {"structure": structure}
        if "calculator" in task.inputs:
            if self.uses == "mlff":
                if not self.model_path.text().strip():
                    raise MissingError(tr("The force field needs its model file."), hint=tr("Choose the file with the … button."))
                inputs["calculator"] = CalculatorSpec.coerce(f"mlff:{self.model_path.text().strip()}")
            else:
                form = self.forms.get(self.uses)
                inputs["calculator"] = CalculatorSpec(self.uses, _plain(form) if form is not None else {})
        node = self.session.node()
        title = f"{structure.formula} {task_title(task.name)}"
        return JobSpec(
            task.name, _plain(self.forms[task.name]), inputs, title, "auto", self.session.settings.worker_threads, node.id if node is not None else ""
        )

    def refresh(self) -> None:
        """What is calculated, whether it can start, and what it takes."""
        structure, problem = self.session.structure, ""
        self.subject.setText(
            tr("For {formula}, {n} atoms", formula=structure.formula, n=len(structure))
            if structure is not None
            else tr("Choose a structure in the project, open a file or build a crystal.")
        )
        try:
            problem = next((text for form in self.forms.values() if (text := form.verdict())), "")
            if not problem:
                self.spec()
        except QcadError as error:
            problem = explained(error)
        running = len(self.session.jobs.running)
        self.run.setEnabled(not problem and not self.session.read_only)
        self.run.setText(tr("Start (waits for {n} running)", n=running) if running else tr("Start"))
        set_icon(self.run, "")
        if problem:
            self._warn("")
            looks.set_property(self.cost, "role", "muted" if structure is None else "bad")
            self.cost.setText(problem)
        else:
            self._pause.start()

    def _estimate(self) -> None:
        if not self.isVisible():
            return
        try:
            spec = self.spec()
        except QcadError:
            return
        looks.set_property(self.cost, "role", "muted")
        self.cost.setText(tr("Estimating…"))
        self.session.dispatcher.run(estimating.estimate, spec, done=self._costs, failed=self._no_estimate, key="estimate")

    def _costs(self, estimate: estimating.Estimate) -> None:
        looks.set_property(self.cost, "role", "")
        self.cost.setText("\n".join(estimate.lines))
        self._warn(estimate.warning)

    def _warn(self, text: str) -> None:
        self.caution.setText(text)
        self.caution.setVisible(bool(text))

    def _no_estimate(self, error: BaseException) -> None:
        self._warn("")
        looks.set_property(self.cost, "role", "bad" if isinstance(error, QcadError) else "warning")
        self.cost.setText(explained(error) if isinstance(error, QcadError) else tr("No estimate: {error}", error=error))

    def start(self) -> None:
        """Start the job and follow it."""

        def do():
            self.session.start_job(self.spec())

        self.session.attempt(do)


def _plain(form: ParamsForm) -> dict[str, Any]:
    """The values that were given, checked, as plain JSON."""
    given = form.given()
    plain = to_dict(from_dict(form.cls, given))
    return {name: plain[name] for name in given}


def _same(value: Any) -> str:
    return str(float(value)) if isinstance(value, (int, float)) else str(value)
