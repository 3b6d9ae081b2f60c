"""Forms: everything a params class declares can be typed, read back and is judged by the class itself."""
from __future__ import annotations

from dataclasses import MISSING, dataclass

import pytest
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox

from qcad_gui.forms import Binding, ParamsForm, label_of, number_of
from solvers import tasks
from solvers.build import BUILDERS
from solvers.core.errors import SetupError
from solvers.core.params import check, describe, from_dict, param, to_dict


@dataclass(frozen=True)
class Sample:
    """A params class with every kind of field."""

    needed: float = param(unit="eV", low=0.0, help="a number")
    steps: int = param(5, low=1, high=9)
    kind: str = param("one", choices=("one", "two"))
    maybe: float | None = param(None, unit="Å", low=0.0)
    flag: bool = param(True)
    sizes: tuple = param((), help="numbers")
    hidden: float = param(1.0, advanced=True)

    def __post_init__(self):
        check(self)


@pytest.fixture
def form(qtbot, session):
    out = ParamsForm(Sample)
    qtbot.addWidget(out)
    return out


def write(form, name, text):
    form.fields[name].widget.setText(text)
    form.fields[name].widget.textEdited.emit(text)


def test_needed_values_are_asked_for(form):
    assert "Needed" in form.verdict()
    write(form, "needed", "2.5")
    assert form.verdict() == ""
    assert form.given() == {"needed": 2.5}
    assert form.params() == Sample(2.5)


@pytest.mark.parametrize("text, value", [("1", 1.0), ("1.5e-3", 1.5e-3), ("0,05", 0.05), ("1 Ha", 27.211386245981), ("2000 meV", 2.0), (" 3 eV ", 3.0)])
def test_numbers_with_units_and_decimal_commas(text, value):
    assert number_of(text, "eV") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["", "eV", "1 Å", "1..2", "nan", "1 furlong"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(SetupError):
        number_of(text, "eV")


def test_wrong_fields_say_so_beneath_themselves(form):
    form.show()
    write(form, "needed", "-1")
    assert "at least 0 eV" in form._errors["needed"].text()
    assert form.fields["needed"].widget.property("wrong") is True
    write(form, "needed", "1")
    assert not form._errors["needed"].text() and form.fields["needed"].widget.property("wrong") is False
    write(form, "steps", "2.5")
    assert "whole" in form.verdict()
    write(form, "steps", "12")
    assert "1 to 9" in form.verdict()


def test_a_wrong_advanced_field_is_unfolded(form):
    write(form, "needed", "1")
    assert not form.more.isChecked()
    write(form, "hidden", "x")
    assert form.verdict() and form.more.isChecked()


def test_round_trip_of_every_kind(form):
    values = {"needed": 1.25, "steps": 7, "kind": "two", "maybe": 0.5, "flag": False, "sizes": (1, 2.5), "hidden": 3.0}
    form.set_values(values)
    assert form.given() == values
    form.set_values({"needed": 1.25})
    assert form.given() == {"needed": 1.25}


def test_set_values_is_silent_and_typing_is_not(form, qtbot):
    with qtbot.assertNotEmitted(form.changed):
        form.set_values({"needed": 3.0})
    with qtbot.waitSignal(form.changed):
        write(form, "needed", "4")


CLASSES = [pytest.param(builder.params_class(), id=name) for name, builder in BUILDERS.items()]
CLASSES += [pytest.param(task.params_class(), id=name) for name, task in tasks.TASKS.items()]


@pytest.mark.parametrize("cls", CLASSES)
def test_forms_of_the_whole_engine_round_trip(cls, qtbot, session):
    form = ParamsForm(cls)
    qtbot.addWidget(form)
    assert set(form.fields) == {info.name for info in describe(cls)}
    for name, field in form.fields.items():
        assert field.widget.toolTip() and label_of(name)
    if any(info.default is MISSING for info in describe(cls)):
        assert form.verdict()
        return
    try:
        default = cls()
    except SetupError:  # a combination is needed that defaults do not give
        assert form.verdict()
        return
    assert form.verdict() == ""
    assert form.given() == {}
    form.set_values(to_dict(default))
    assert to_dict(from_dict(cls, form.given())) == to_dict(default)


def test_a_binding_blocks_its_own_echo(qtbot, session):
    calls = []
    box = QCheckBox()
    qtbot.addWidget(box)
    binding = Binding(box, lambda: session.display.style.bonds, lambda value: (calls.append(value), session.set_display(bonds=value)), session.display_changed)
    assert box.isChecked() is session.display.style.bonds
    box.click()
    assert calls == [False] and session.display.style.bonds is False
    session.set_display(bonds=True)
    assert box.isChecked() and calls == [False]
    binding.refresh()
    assert calls == [False]


def test_a_binding_of_numbers(qtbot, session):
    box = QDoubleSpinBox()
    qtbot.addWidget(box)
    Binding(box, lambda: session.display.opacity, lambda value: session.set_display(opacity=value), session.display_changed)
    box.setValue(0.25)
    assert session.display.opacity == 0.25


def test_whole_numbers_stay_whole(session):
    from qcad_gui.forms import ParamsForm
    from qcad_gui.session import python_of
    from solvers.build import builder
    form = ParamsForm(builder("vacancy").params_class())
    form.set_values({"count": 2})
    assert python_of("vacancy", form.given(), True) == "atoms = build.vacancy(atoms, count=2)"
    form.fields["count"].widget.setText("1.5")
    form.fields["count"].widget.textEdited.emit("1.5")
    assert "1.5" in form.verdict() or "whole" in form.verdict()
