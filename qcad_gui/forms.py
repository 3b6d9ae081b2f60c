"""Forms generated from params dataclasses (`solvers.core.params`), and two-way bindings that block their own echo.

A form knows no physics: label, unit, range, choices and help come from the declaration, the verdict from the dataclass itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from solvers.core.errors import QcadError, SetupError
from solvers.core.params import ParamInfo, describe, from_dict
from solvers.core.units import UNITS, convert

from . import editors
from .sentences import explained, said
from .translate import mark, tr

_NUMBER = re.compile(r"^\s*([+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*$")


#: names that need more than their words
_LABELS = {
    "xc": mark("Functional"),
    "kpts": mark("k-points"),
    "pseudos": mark("Potentials"),
    "magmoms": mark("Magnetic moments"),
    "grid": mark("FFT box"),
    "cutoff": mark("Cutoff"),
    "a": "a",
    "b": "b",
    "c": "c",
    "u": "u",
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "hkl": "hkl",
    "spacegroup": mark("Space group"),
    "residual_ev": mark("Residual"),
    "max_force": mark("Largest force"),
    "max_stress": mark("Largest stress"),
    "max_steps": mark("Most steps"),
    "indices": mark("Atoms"),
    "by": mark("Displacement"),
    "symprec": mark("Tolerance"),
    "n_parameters": mark("Fitted parameters"),
    "relax_ions": mark("Relax the atoms"),
    "wall_s": mark("Wall-clock time"),
    "free_energy": mark("Free energy"),
    "young_modulus": mark("Young's modulus"),
    "poisson_ratio": mark("Poisson's ratio"),
}


def label_of(name: str) -> str:
    """The label of parameter `name` in the chosen language: ``force_tolerance`` -> "Force tolerance"."""
    if name in _LABELS:
        return tr(_LABELS[name])
    words = name.rstrip("_").replace("_", " ")
    return tr(words[:1].upper() + words[1:])


def number_of(text: str, unit: str) -> float:
    """The number in `text`, in `unit`; "25 Ha" in a field of eV is converted, a decimal comma is accepted. Raises SetupError."""
    match = _NUMBER.match(text)
    if not match:
        raise SetupError(tr("“{text}” is not a number.", text=text))
    number, given = float(match.group(1).replace(",", ".")), match.group(2)
    if not given or given == unit:
        return number
    if unit not in UNITS or given not in UNITS or UNITS[unit][0] != UNITS[given][0]:
        raise SetupError(tr("Unit “{given}” does not fit here; expected {unit}.", given=given, unit=unit or tr("no unit")))
    return convert(number, given, unit)


def text_of(value: Any) -> str:
    """How a value stands in a field."""
    if value is None or value is MISSING:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(text_of(item) for item in value)
    return str(value)


#: choices whose name in a params class says too little in a list
_CHOICES: dict[Any, str] = {
    "l12": mark("L1₂ (Ni₃Al)"),
    "b2": mark("B2 (NiAl)"),
    "sc": mark("simple cubic"),
    "bct": mark("bct (tetragonal)"),
    "nve": mark("NVE (constant energy)"),
    "nvt": mark("NVT (Langevin thermostat)"),
    "lbfgs": "L-BFGS",
    "fire": "FIRE",
}


class Field:
    """One parameter: its widget, how to read and how to set it."""

    def __init__(self, info: ParamInfo, parent: QWidget, edited: Callable[[], None]):
        self.info = info
        self.widget: QWidget
        if info.type is bool and not info.optional:
            self.widget = QCheckBox(parent)
            self.widget.toggled.connect(lambda _: edited())
        elif info.choices:
            self.widget = QComboBox(parent)
            for choice in ((None,) if info.optional else ()) + tuple(info.choices):
                self.widget.addItem(tr("automatic") if choice is None else tr(_CHOICES.get(choice, str(choice))), choice)
            self.widget.currentIndexChanged.connect(lambda _: edited())
        elif info.name in editors.INLINE and not info.optional:
            self.widget = editors.INLINE[info.name](parent)
            self.widget.textEdited.connect(lambda _: edited())
        else:
            self.widget = QLineEdit(parent)
            self.widget.setPlaceholderText(tr("automatic") if info.optional else "")
            self.widget.textEdited.connect(lambda _: edited())
        self.widget.setToolTip(self.help)
        self.widget.setAccessibleName(label_of(info.name))
        self.set(info.default)

    @property
    def help(self) -> str:
        """What, what is allowed, the default."""
        default = tr("needed") if self.info.default is MISSING else tr("automatic") if self.info.default is None else text_of(self.info.default)
        return tr(
            "{help}\nAllowed: {allowed}. Default: {default}.",
            help=tr(self.info.help) if self.info.help else label_of(self.info.name),
            allowed=self.info.allowed,
            default=default,
        )

    def set(self, value: Any) -> None:
        """Show `value` without telling anybody."""
        with QSignalBlocker(self.widget):
            if isinstance(self.widget, QCheckBox):
                self.widget.setChecked(bool(value) if value is not MISSING else False)
            elif isinstance(self.widget, QComboBox):
                index = self.widget.findData(value) if value is not MISSING else 0
                self.widget.setCurrentIndex(max(index, 0))
            else:
                self.widget.setText(text_of(value))
                self.widget.setCursorPosition(0)

    def value(self) -> Any:
        """What the field says, in the parameter's unit; MISSING where nothing is given. Raises SetupError for text that is no number."""
        info = self.info
        if isinstance(self.widget, QCheckBox):
            return self.widget.isChecked()
        if isinstance(self.widget, QComboBox):
            return self.widget.currentData()
        text = self.widget.text().strip()
        if not text:
            if info.optional:
                return None
            if info.type is str and info.default == "":
                return ""
            if info.type is tuple and info.default == ():
                return ()
            raise SetupError(tr("A value is needed."))
        if info.type in (int, float) and not hasattr(info.type, "coerce"):
            number = number_of(text, info.unit)
            return int(number) if info.type is int and float(number).is_integer() else number
        if info.type is tuple:
            return tuple(_item(part) for part in re.split(r"[;,]\s*|\s+", text.strip("()[] ")) if part)
        return text


def _item(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class ParamsForm(QWidget):
    """The form of params dataclass `cls`, `empty` is what an optional field shows. `changed` fires after every edit; wrong fields say so beneath themselves."""

    changed = Signal()
    dialog_requested = Signal(str)  # a dialog that fills one field

    def __init__(self, cls: type, parent: QWidget | None = None, *, skip: tuple[str, ...] = (), empty: str = "", dialogs: bool = False):
        super().__init__(parent)
        self.cls = cls
        self._empty, self._dialogs = empty, dialogs
        self.buttons: dict[str, QPushButton] = {}
        self.fields: dict[str, Field] = {}
        self._errors: dict[str, QLabel] = {}
        self._error = QLabel(self)
        self._error.setProperty("role", "bad")
        self._error.setWordWrap(True)
        self._error.hide()
        plain, advanced = QWidget(self), QWidget(self)
        grids = {False: QGridLayout(plain), True: QGridLayout(advanced)}
        for grid in grids.values():
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setColumnStretch(1, 1)
            grid.setVerticalSpacing(4)
            grid.setHorizontalSpacing(8)
        groups: dict[bool, str] = {False: "", True: ""}
        infos = [info for info in describe(cls) if info.name not in skip]
        order = list(dict.fromkeys(info.group for info in infos))
        for info in sorted(infos, key=lambda info: order.index(info.group)):
            grid = grids[info.advanced]
            if info.group != groups[info.advanced]:
                groups[info.advanced] = info.group
                if info.group:
                    heading = QLabel(tr(info.group[:1].upper() + info.group[1:]), self)
                    heading.setProperty("role", "muted")
                    grid.addWidget(heading, grid.rowCount(), 0, 1, 3)
            self._add(info, grid)
        self.more = QToolButton(self)
        self.more.setText(tr("Advanced"))
        self.more.setToolTip(tr("Show or hide the settings that rarely need a change"))
        self.more.setObjectName("fold")
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setArrowType(Qt.ArrowType.RightArrow)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.more.toggled.connect(self._fold)
        self._advanced = advanced
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(plain)
        column.addWidget(self.more)
        column.addWidget(advanced)
        column.addWidget(self._error)
        column.addStretch(1)
        has_advanced = grids[True].count() > 0
        self.more.setVisible(has_advanced)
        self._fold(False)

    def _fold(self, unfolded: bool) -> None:
        self.more.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)
        self._advanced.setVisible(unfolded)

    def _add(self, info: ParamInfo, grid: QGridLayout) -> None:
        row = grid.rowCount()
        field = Field(info, self, self._edited)
        if self._empty and info.optional and isinstance(field.widget, QLineEdit):
            field.widget.setPlaceholderText(self._empty)
        label = QLabel(label_of(info.name), self)
        label.setBuddy(field.widget)
        label.setToolTip(field.help)
        error = QLabel(self)
        error.setProperty("role", "bad")
        error.setWordWrap(True)
        error.hide()
        field.widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        field.widget.setMinimumWidth(max(90, field.widget.minimumSizeHint().width()) if info.name in editors.INLINE else 90)
        grid.addWidget(label, row, 0)
        grid.addWidget(field.widget, row, 1)
        beside = QHBoxLayout()
        beside.setSpacing(4)
        if self._dialogs and info.name in editors.DIALOGS:
            beside.addWidget(self._dialog_button(info.name))
        unit = QLabel(info.unit, self)
        unit.setProperty("role", "muted")
        beside.addWidget(unit, 1)
        grid.addLayout(beside, row, 2)
        grid.addWidget(error, row + 1, 1, 1, 2)
        self.fields[info.name] = field
        self._errors[info.name] = error

    def _dialog_button(self, name: str) -> QPushButton:
        dialog, tip = editors.DIALOGS[name]
        button = QPushButton("…", self)
        button.setFixedWidth(36)
        button.setToolTip(tr(tip))
        button.setAccessibleName(tr(tip))
        button.setObjectName(f"choose_{name}")
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(lambda: self.dialog_requested.emit(dialog))
        self.buttons[name] = button
        return button

    # ---- values ------------------------------------------------------------------------------------------------------------
    def given(self) -> dict[str, Any]:
        """The parameters that differ from their default, as plain values. Raises SetupError naming the first wrong field."""
        values = {}
        for name, field in self.fields.items():
            try:
                value = field.value()
            except SetupError as error:
                raise SetupError(f"{label_of(name)}: {said(error.message)}", hint=tr("Allowed: {allowed}.", allowed=field.info.allowed)) from None
            if value is not MISSING and (field.info.default is MISSING or text_of(value) != text_of(field.info.default)):
                values[name] = value
        return values

    def params(self) -> Any:
        """A checked instance of the params class. Raises SetupError."""
        return from_dict(self.cls, self.given())

    def set_values(self, values: dict[str, Any]) -> None:
        """Show `values`, defaults for all others; nothing is emitted."""
        for name, field in self.fields.items():
            field.set(values.get(name, field.info.default))
        self.verdict()

    def write(self, values: dict[str, Any]) -> None:
        """Put `values` into their fields as if somebody had typed them; None empties a field."""
        for name, value in values.items():
            self.fields[name].set(self.fields[name].info.default if value is None else value)
        self._edited()

    def verdict(self) -> str:
        """ "" when everything is right, else the first problem; wrong fields are marked."""
        first = ""
        for name, field in self.fields.items():
            problem = ""
            try:
                value = field.value()
                if value is MISSING and field.info.default is MISSING:
                    problem = tr("A value is needed.")
                elif value is not MISSING and value is not None and hasattr(field.info.type, "coerce"):
                    field.info.type.coerce(value)
                elif isinstance(value, (int, float)) and not isinstance(value, bool):
                    problem = _range_problem(field.info, value)
            except QcadError as error:
                problem = explained(error)
            except (ValueError, TypeError) as error:
                problem = explained(error)
            self._show(name, problem)
            first = first or (f"{label_of(name)}: {problem}" if problem else "")
        overall = ""
        if not first:
            try:
                self.params()
            except (QcadError, ValueError, TypeError) as error:
                overall = explained(error)
        self._error.setText(overall)
        self._error.setVisible(bool(overall))
        return first or overall

    def _show(self, name: str, problem: str) -> None:
        label, widget = self._errors[name], self.fields[name].widget
        label.setText(problem)
        label.setVisible(bool(problem))
        if bool(widget.property("wrong")) != bool(problem):
            widget.setProperty("wrong", bool(problem))
            widget.style().unpolish(widget)
            widget.style().polish(widget)
        if problem and self.fields[name].info.advanced and not self.more.isChecked():
            self.more.setChecked(True)

    def _edited(self) -> None:
        self.verdict()
        self.changed.emit()


def _range_problem(info: ParamInfo, value: float) -> str:
    if (info.low is not None and value < info.low) or (info.high is not None and value > info.high):
        return tr("Allowed: {allowed}.", allowed=info.allowed)
    if info.type is int and value != int(value):
        return tr("A whole number is needed.")
    return ""


class Binding:
    """Keeps a widget and a model value equal: `read` and `write` reach the model, `changed` is the model's signal. Its own echo is blocked."""

    def __init__(self, widget: QWidget, read: Callable[[], Any], write: Callable[[Any], None], changed: Any = None):
        self.widget, self.read, self.write = widget, read, write
        widget.binding = self  # lives as long as the widget; Qt holds bound methods weakly
        signal, self._get, self._set = _access(widget)
        signal.connect(self._from_widget)
        if changed is not None:
            changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show the model's value."""
        with QSignalBlocker(self.widget):
            value = self.read()
            if self._get() != value:
                self._set(value)

    def _from_widget(self, *_: Any) -> None:
        self.write(self._get())


def _access(widget: QWidget):
    if isinstance(widget, QCheckBox):
        return widget.toggled, widget.isChecked, widget.setChecked
    if isinstance(widget, QComboBox):
        return widget.currentIndexChanged, widget.currentData, lambda value: widget.setCurrentIndex(max(0, widget.findData(value)))
    if isinstance(widget, QLineEdit):
        return widget.editingFinished, widget.text, lambda value: widget.setText(str(value))
    return widget.valueChanged, widget.value, widget.setValue
