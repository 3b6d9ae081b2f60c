"""`Draft`: the plane-wave calculation in the form, as the dialogs that fill single fields of it see it. The form stays the only place where it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import SetupError
from solvers.core.job import JobSpec
from solvers.core.params import from_dict, to_dict
from solvers.core.structure import Structure

from .translate import tr

if TYPE_CHECKING:
    from .forms import ParamsForm


class Draft(QObject):
    """Read and write single parameters of the form, and make the job that a change would give. `changed` fires after every edit and when another form comes."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._form: ParamsForm | None = None
        self._spec: Callable[[], JobSpec] | None = None

    def bind(self, form: ParamsForm | None, spec: Callable[[], JobSpec] | None) -> None:
        """Another form holds the plane-wave parameters (None: none does); `spec()` makes the job of all forms together."""
        self._form, self._spec = form, spec
        if form is not None:
            form.changed.connect(self.changed)
        self.changed.emit()

    def release(self, form: ParamsForm | None) -> None:
        """The form is about to go."""
        if form is not None and form is self._form:
            self._form = self._spec = None

    @property
    def ready(self) -> bool:
        """A form with plane-wave parameters is open."""
        return self._form is not None

    def has(self, name: str) -> bool:
        """The form has this parameter."""
        return self._form is not None and name in self._form.fields

    def params(self) -> Any:
        """The checked parameters as they stand. Raises SetupError."""
        if self._form is None:
            raise SetupError(tr("No plane-wave calculation is being set up."), hint=tr("Choose “Energy and forces” under Calculate."))
        return self._form.params()

    def write(self, **values: Any) -> None:
        """Put values into the form, as if they were typed."""
        if self._form is None:
            self.params()
        self._form.write(values)

    @property
    def structure(self) -> Structure | None:
        """What will be calculated."""
        if self._spec is None:
            return None
        try:
            return self._spec().inputs.get("structure")
        except SetupError:
            return None

    def spec(self, **changes: Any) -> JobSpec:
        """The job with these plane-wave parameters changed (None: back to the default). Raises SetupError."""
        cls = type(self.params())
        job = self._spec()
        calculator = job.inputs.get("calculator")
        here = calculator is not None and calculator.name == "dft"
        given = dict(calculator.params if here else job.params)
        for name, value in changes.items():
            given.pop(name, None)
            if value is not None:
                given[name] = value
        plain = to_dict(from_dict(cls, given))
        given = {name: plain[name] for name in given}
        if here:
            return replace(job, inputs={**job.inputs, "calculator": CalculatorSpec("dft", given)})
        return replace(job, params=given)
