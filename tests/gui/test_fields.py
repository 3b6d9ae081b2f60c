"""Fields of results: parts of spin, slices, differences; what the view is told."""
from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

from solvers.core.errors import SetupError
from solvers.core.fields import GridField
from solvers.core.job import Result


def field(scale=1.0, spins=2, shape=(4, 4, 6), cell=None, name="density"):
    rng = np.random.default_rng(3)
    return GridField(scale * rng.random((spins, *shape)), np.eye(3) * 4 if cell is None else cell, "e/Å³", name)


def test_parts_of_a_field_with_spin():
    whole = field()
    up, down = whole.values
    assert np.allclose(whole.part("spin").values[0], up - down) and np.allclose(whole.part("total").values[0], up + down)
    assert np.allclose(whole.part("up").values[0] + whole.part("down").values[0], up + down)
    plain = field(spins=1)
    assert plain.part("total") is plain
    with pytest.raises(SetupError, match="no spin"):
        plain.part("spin")
    with pytest.raises(SetupError, match="Allowed: total"):
        whole.part("left")


def test_a_difference_needs_the_same_grid_and_cell():
    one, two = field(), field(0.25)
    assert np.allclose(one.minus(two).values, 0.75 * one.values) and one.minus(two).integral() == pytest.approx(0.75 * one.integral())
    assert one.minus(field(spins=1)).values.shape[0] == 1
    with pytest.raises(SetupError, match="4×4×6 and 4×4×5"):
        one.minus(field(shape=(4, 4, 5)))
    with pytest.raises(SetupError, match=r"cells differ by up to 0\.01 Å"):
        one.minus(field(cell=np.eye(3) * 4.01))
    with pytest.raises(SetupError, match="means nothing"):
        one.minus(GridField(one.values, one.cell, "eV", "potential"))


@pytest.fixture
def runs(window, session, silicon):
    """Two finished calculations of one structure with a density each."""
    root = session.add("structure", "Si2", silicon)
    nodes = []
    for k, item in enumerate((field(), field(0.5))):
        session.jobs.results[f"job-{k}"] = Result({"energy": -1.0, "magmoms": np.array([1.0, -1.0])}, fields={"density": item})
        nodes.append(session.add("run", f"scf {k}", {"job": f"job-{k}", "task": "scf"}, parent=root))
    return nodes


def told(window, name):
    return [args for what, args, _ in window.view.calls if what == name]


def test_spin_and_slices_reach_the_scene(window, session, runs, qtbot):
    window.show_panel("display")
    panel = window.panels["display"]
    qtbot.waitUntil(lambda: panel.which.count() == 1 and panel.part.isEnabled(), timeout=5000)
    assert told(window, "set_moments")[-1][0].tolist() == [1.0, -1.0]
    session.set_display(field=True)
    panel.part.setCurrentIndex(panel.part.findData("spin"))
    shown, _, _, surfaces = told(window, "set_field")[-1]
    assert surfaces and np.allclose(shown.values[0], np.subtract(*session.field.values))
    panel.slice.setChecked(True)
    assert told(window, "set_slice")[-1] == ((0.0, 0.0, 1.0), 0.5)
    panel.hkl.setText("1 1 0")
    panel.hkl.editingFinished.emit()
    panel.offset.setValue(50)
    assert told(window, "set_slice")[-1] == ((1.0, 1.0, 0.0), 0.25)
    window.view.slice_moved.emit(0.1)
    assert session.display.slice_offset == pytest.approx(0.35) and panel.offset.value() == 70
    panel.hkl.setText("0 0 0")
    panel.hkl.editingFinished.emit()
    assert session.display.slice_hkl == (1.0, 1.0, 0.0) and panel.hkl.text() == "1 1 0"
    session.set_display(field=False)
    assert told(window, "set_field")[-1][3] is False, "only the slice is left"
    window.run_command("view.slice")
    assert told(window, "set_slice")[-1][0] is None and told(window, "set_field")[-1][0] is None


def test_a_difference_becomes_a_field_of_the_project(window, session, runs, qtbot):
    window.run_command("results.difference")
    dialog = window.dialogs["difference"]
    qtbot.waitUntil(lambda: dialog.words.text() != "", timeout=5000)
    first, second = dialog._chosen()
    expected = first.minus(second)
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert session.node().kind == "field" and np.allclose(session.node().payload.values, expected.values) and expected.values.any()
    session.undo_stack.undo()
    assert session.node().kind != "field"


def test_a_difference_of_other_cells_is_refused(window, session, runs, qtbot):
    session.jobs.results["job-0"] = Result({"energy": -1.0}, fields={"density": field(shape=(4, 4, 5))})
    dialog = window.open_dialog("difference")
    assert "grids differ" in dialog.problem.text() and not dialog.accept_button.isEnabled()
