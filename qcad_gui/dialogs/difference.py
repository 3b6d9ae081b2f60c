"""Difference of two fields: what bonding, a defect or a magnetic order changed. The grids and cells must be the same, and that is checked."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QComboBox, QFormLayout, QWidget

from solvers.core.errors import QcadError

from .. import looks
from ..conditions import field_sources
from ..sentences import explained
from ..session import Session
from ..translate import tr
from .base import Dialog


class DifferenceDialog(Dialog):
    """First minus second; the result is a new field of the project."""

    name = "difference"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(
            session, parent, title=tr("Difference of two fields"), accept_text=tr("Subtract"), accept_tip=tr("Make the difference a new field of the project")
        )
        self.sources = field_sources(session)
        self.boxes: list[tuple[QComboBox, QComboBox]] = []
        form = QFormLayout()
        for place, text in enumerate((tr("From"), tr("subtract"))):
            node = self._box(text, tr("Calculation or field"))
            for identifier in self.sources:
                node.addItem(self._title(identifier), identifier)
            field = self._box(f"{text}: {tr('field')}", tr("Which of its fields"))
            node.setCurrentIndex(min(place, node.count() - 1))
            form.addRow(text, node)
            form.addRow("", field)
            self.boxes.append((node, field))
            node.currentIndexChanged.connect(self._refresh)
            field.currentIndexChanged.connect(self._check)
        self.words = looks.label("", "muted", self, wrap=True)
        advice = tr("Both need the same cell and the same grid: compute the parts in the cell of the whole, with the same cutoff.")
        self.body.addWidget(looks.label(advice, "muted", self, wrap=True))
        self.body.addLayout(form)
        self.body.addWidget(self.words)
        self.body.addStretch(1)
        self.resize(460, 260)
        session.jobs.result_arrived.connect(self._refresh)
        self._refresh()

    def _box(self, name: str, tip: str) -> QComboBox:
        box = QComboBox(self)
        box.setAccessibleName(name)
        box.setToolTip(tip)
        return box

    def _title(self, identifier: str) -> str:
        node = self.session.nodes[identifier]
        above = self.session.nodes.get(node.parent)
        return f"{above.name}: {node.name}" if above is not None else node.name

    def _fields(self, box: QComboBox) -> dict[str, Any] | None:
        """The fields behind a choice; None while they are being loaded."""
        node = self.session.nodes.get(box.currentData() or "")
        if node is None:
            return {}
        if node.kind == "field":
            return {node.payload.name: node.payload}
        job = str(node.payload.get("job", ""))
        result = self.session.jobs.results.get(job)
        if result is None:
            self.session.jobs.fetch(job)
            return None
        return dict(result.fields)

    def _refresh(self, *_: object) -> None:
        for node, field in self.boxes:
            fields = self._fields(node)
            names = list(fields or {})
            if [field.itemData(place) for place in range(field.count())] != names:
                field.clear()
                for name in names:
                    field.addItem(tr(name), name)
        self._check()

    def _chosen(self) -> list[Any]:
        return [(self._fields(node) or {}).get(field.currentData()) for node, field in self.boxes]

    def difference(self) -> Any:
        """The GridField. Raises SetupError with what speaks against it."""
        first, second = self._chosen()
        return first.minus(second)

    def _check(self, *_: object) -> None:
        self.words.setText("")
        if len(self.sources) < 2:
            self.show_problem(tr("Two calculations with densities are needed: compute “Energy and forces” of the whole and of its part."))
            return
        if any(item is None for item in self._chosen()):
            loading = any(self._fields(node) is None for node, _ in self.boxes)
            self.show_problem(tr("The results are being loaded…") if loading else tr("This result holds no field."))
            return
        try:
            field = self.difference()
        except QcadError as error:
            self.show_problem(explained(error))
            return
        self.show_problem("")
        low, high = float(field.values.sum(0).min()), float(field.values.sum(0).max())
        total = field.integral()
        self.words.setText(
            tr("From {low:.4g} to {high:.4g} {unit}; over the cell it sums to {total:.4g}.", low=low, high=high, unit=field.unit, total=total)
        )

    def accept(self) -> None:
        """Add the difference to the project, below the first result's structure."""
        node = self.session.nodes[self.boxes[0][0].currentData()]
        parent = node.parent if node.parent in self.session.nodes else ""

        def do() -> None:
            field = self.difference()
            self.session.add("field", tr("Difference of densities"), field, parent=parent)
            self.session.set_display(field=True, level=None)

        if self.session.attempt(do):
            super().accept()
