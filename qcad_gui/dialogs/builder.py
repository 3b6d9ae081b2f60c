"""One dialog for every builder: a form made from its params, a live preview in the scene, and the same call as a line of Python."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from solvers.build import builder
from solvers.core.errors import QcadError
from solvers.core.structure import Structure, closest_pair

from .. import looks
from ..forms import ParamsForm
from ..sentences import explained
from ..session import Session, python_of, run_builder
from ..translate import tr
from .base import Dialog

_PAUSE = 150  # ms without typing until the preview is made
_MANY = 20_000  # atoms beyond which the closest pair is not looked for while typing


#: what stands in the form at first where the params have no default: a real crystal shows how it is meant
EXAMPLES: dict[str, dict[str, Any]] = {
    "crystal": {"sites": "Ti 0 0 0; O 0.3053 0.3053 0", "spacegroup": "136", "a": 4.594, "c": 2.959},
    "molecule": {"name": "H2O"},
    "supercell": {"size": "2x2x2"},
    "strain": {"strain": "0.01 0 0 0 0 0"},
    "translate": {"vector": "0.5 0.5 0.5"},
    "move": {"by": "0.1 0 0"},
    "add": {"symbol": "Si", "position": "0 0 0"},
    "set_element": {"symbol": "Ge"},
    "substitute": {"to": "Ge", "count": 1},
    "vacancy": {"count": 1},
    "slab": {"plane": "1 1 1"},
}


class BuilderDialog(Dialog):
    """Parameters of one builder with a preview. `values` fills the form."""

    name = "builder"

    def __init__(self, session: Session, parent: QWidget | None = None, *, name: str, values: dict[str, Any] | None = None):
        self.tool = builder(name)
        super().__init__(
            session,
            parent,
            title=tr(self.tool.summary),
            accept_text=tr("Apply") if self.tool.needs_structure else tr("Build"),
            accept_tip=tr("Make it the structure of the project; Ctrl+Z takes it back"),
        )
        self.builder_name = name
        self.start = session.structure if self.tool.needs_structure else None
        self.form = ParamsForm(self.tool.params_class(), self, empty=tr("not given"))
        self.form.set_values({**self._first_values(), **(values or {})})
        self.form.changed.connect(self._edited)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(self.form)
        self.outcome = looks.label("", "muted", self, wrap=True)
        self.python = looks.label("", "muted", self, wrap=True, selectable=True)
        self.body.addWidget(area, 1)
        self.body.addWidget(self.outcome)
        self.body.addWidget(self.python)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._preview)
        self.resize(440, min(640, 200 + 34 * len(self.form.fields)))
        self._edited()

    def _first_values(self) -> dict[str, Any]:
        """What the session already knows: the selected atoms."""
        fields = self.form.fields
        if self.builder_name == "set_cell" and self.start is not None and self.start.volume > 0:
            names = ("a", "b", "c", "alpha", "beta", "gamma")
            return {name: round(float(value), 6) for name, value in zip(names, self.start.to_atoms().cell.cellpar(), strict=True)}
        values = {name: value for name, value in EXAMPLES.get(self.builder_name, {}).items() if name in fields}
        chosen = ",".join(map(str, sorted(self.session.selection)))
        if chosen and "indices" in fields and self.tool.needs_structure:
            values.pop("count", None)  # the selected atoms instead of a number of random ones
            values["indices"] = chosen
        return values

    def values(self) -> dict[str, Any]:
        """The parameters given."""
        return self.form.given()

    def _edited(self) -> None:
        problem = self.form.verdict()
        self.show_problem(problem)
        self.python.setText("" if problem else python_of(self.builder_name, self.values(), self.tool.needs_structure))
        if problem:
            self.session.set_preview(None)
            self.outcome.setText("")
        self._pause.start()

    def _preview(self) -> None:
        if self.form.verdict():
            return
        self.session.dispatcher.run(preview, self.builder_name, self.start, self.values(), done=self._arrived, failed=self._failed, key="preview")

    def _arrived(self, answer: tuple[Structure, str, str]) -> None:
        if not self.isVisible():
            return
        structure, words, warning = answer
        self.show_problem("")
        self.session.set_preview(structure, ghost=self.tool.needs_structure)
        looks.set_property(self.outcome, "role", "warning" if warning else "muted")
        self.outcome.setText("\n".join(filter(None, (words, warning))))

    def _failed(self, error: BaseException) -> None:
        if not self.isVisible():
            return
        self.session.set_preview(None)
        self.outcome.setText("")
        self.show_problem(explained(error) if isinstance(error, QcadError) else tr("This cannot be built: {error}", error=error))

    def accept(self) -> None:
        """Build it for good."""
        try:
            values = self.values()
        except QcadError as error:
            self.show_problem(explained(error))
            return
        self.session.set_preview(None)
        if self.session.attempt(self.session.build, self.builder_name, values, text=tr(self.tool.summary)):
            super().accept()

    def done(self, code: int) -> None:
        """The preview ends with the dialog."""
        self._pause.stop()
        self.session.set_preview(None)
        super().done(code)


class EditAtomsDialog(BuilderDialog):
    """The same for edits of single atoms: they need Edit mode, which this turns on."""

    name = "edit_atoms"

    def __init__(self, session: Session, parent: QWidget | None = None, *, name: str, values: dict[str, Any] | None = None):
        session.set_mode("edit")
        super().__init__(session, parent, name=name, values=values)


def preview(name: str, start: Structure | None, values: dict[str, Any]) -> tuple[Structure, str, str]:
    """(structure, what it is in words, what is suspicious about it); pure, pool."""
    structure = run_builder(name, start, values)
    words = tr("{formula}, {n} atoms, {volume:.3f} Å³", formula=structure.formula, n=len(structure), volume=structure.volume)
    warning = ""
    if 1 < len(structure) <= _MANY:
        (i, j), distance = closest_pair(structure, 1.0)
        if distance < 1.0:
            warning = tr("Atoms {i} and {j} are only {distance:.2f} Å apart.", i=i, j=j, distance=distance)
    return structure, words, warning
