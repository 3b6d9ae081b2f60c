"""Session, undo and the project behind it: every edit is on the disk, undo survives a restart, a second window only reads."""
from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

from qcad_gui.dispatch import Dispatcher
from qcad_gui.session import Session, python_of
from qcad_gui.settings import Settings
from solvers.core.errors import SetupError, StorageError
from solvers.core.project import Project


@pytest.fixture
def another(qtbot, calm):
    """another(): one more session in this process, closed after the test."""
    opened = []

    def make(path=None):
        out = Session(Dispatcher(), Settings())
        opened.append(out)
        out.keeper.begin(path)
        qtbot.waitUntil(lambda: out.keeper.project is not None, timeout=20000)
        calm(out)
        return out

    yield make
    for item in opened:
        item.close()


def test_every_edit_is_undone_and_redone(session, silicon, calm):
    node = session.add("structure", "Si2", silicon)
    session.set_mode("edit")
    session.edit("set_element", {"indices": "1", "symbol": "Ge"}, "Change")
    session.edit("move", {"indices": "1", "by": "0.1 0 0"}, "Move")
    session.rename(node, "germanium")
    session.remove(node)
    assert not session.nodes and session.current == ""
    states = []
    while session.undo_stack.canUndo():
        session.undo_stack.undo()
        states.append((session.structure.symbols[1], session.node().name) if session.nodes else None)
    assert states == [("Ge", "germanium"), ("Ge", "Si2"), ("Ge", "Si2"), ("Si", "Si2"), None]
    while session.undo_stack.canRedo():
        session.undo_stack.redo()
    assert not session.nodes
    session.undo_stack.undo()
    assert session.nodes[node].name == "germanium"
    calm(session)
    stored = session.keeper.project
    assert [item.name for item in stored.nodes()] == ["germanium"]
    history, position = stored.history()
    assert len(history) == 5 == session.undo_stack.count() and position == 4 == session.undo_stack.index()


def test_drags_merge_into_one_step(session, silicon, calm):
    session.add("structure", "Si2", silicon)
    session.set_mode("edit")
    for _ in range(5):
        session.edit("move", {"indices": "1", "by": "0.1 0 0"}, "Drag", merge="drag 1")
    assert session.undo_stack.count() == 2
    session.edit("move", {"indices": "1", "by": "0.1 0 0"}, "Drag", merge="drag 2")
    assert session.undo_stack.count() == 3
    calm(session)
    history, position = session.keeper.project.history()
    assert len(history) == position == 3
    session.undo_stack.undo()
    session.undo_stack.undo()
    assert session.structure == silicon


def test_a_new_edit_forgets_what_could_be_redone(session, silicon, copper, calm):
    session.add("structure", "Si2", silicon)
    session.commit(copper, "Replace")
    session.undo_stack.undo()
    session.commit(silicon.with_(pbc=[True, True, False]), "Slab")
    assert not session.undo_stack.canRedo()
    calm(session)
    history, position = session.keeper.project.history()
    assert [step.text for step in history] == ["New Si2", "Slab"] and position == 2


def test_undo_survives_a_restart(session, silicon, another, calm):
    session.add("structure", "Si2", silicon)
    session.set_mode("edit")
    session.edit("set_element", {"indices": "0", "symbol": "C"}, "Change to C")
    session.edit("delete", {"indices": "1"}, "Delete 1")
    session.undo_stack.undo()
    calm(session)
    folder = session.keeper.folder
    session.keeper.close()
    session.dispatcher.flush()
    later = another(folder)
    assert later.structure.symbols == ["C", "Si"]
    assert later.undo_stack.undoText() == "Change to C" and later.undo_stack.redoText() == "Delete 1"
    later.undo_stack.redo()
    assert later.structure.symbols == ["C"]
    later.undo_stack.undo()
    later.undo_stack.undo()
    assert later.structure == silicon
    later.undo_stack.undo()
    assert not later.nodes
    calm(later)
    assert later.keeper.project.history()[1] == 0


def test_a_second_window_only_reads(session, silicon, another, calm, tmp_path, qtbot):
    session.add("structure", "Si2", silicon)
    calm(session)
    second = another(session.keeper.folder)
    assert second.read_only and "process" in second.read_only
    assert second.structure == silicon and not second.editable
    with pytest.raises(SetupError, match="another window"):
        second.add("structure", "x", silicon)
    with pytest.raises(SetupError, match="another window"):
        second.remove(second.current)
    second.keeper.keep_as(tmp_path / "copy.qcad")
    qtbot.waitUntil(lambda: not second.read_only, timeout=20000)
    calm(second)
    second.rename(second.current, "mine")
    calm(second)
    assert second.keeper.project.nodes()[0].name == "mine" and session.keeper.project.nodes()[0].name == "Si2"


def test_a_refused_write_brings_back_what_the_disk_holds(session, silicon, copper, calm, monkeypatch, said, qtbot):
    session.add("structure", "Si2", silicon)
    calm(session)

    def refuse(*_args, **_kwargs):
        raise StorageError("Cannot write project.sqlite: the disk is full.", hint="Free some space.")

    monkeypatch.setattr(Project, "set_node", refuse)
    session.commit(copper, "Replace")
    assert session.structure == copper
    qtbot.waitUntil(lambda: session.structure == silicon, timeout=10000)
    calm(session)
    assert any("disk is full" in text for text in said())
    assert session.undo_stack.count() == 1
    monkeypatch.undo()
    session.commit(copper, "Replace")
    calm(session)
    assert session.keeper.project.nodes()[0].payload == copper


def test_selection_follows_clicks_and_edits(session, copper):
    session.add("structure", "Cu4", copper)
    session.select([2])
    session.select([0], "toggle")
    assert session.selection == (2, 0)
    session.select([2], "toggle")
    session.select([1, 3], "add")
    session.select([3], "remove")
    assert session.selection == (0, 1)
    session.select([99, -1, 3])
    assert session.selection == (3,)
    session.set_mode("edit")
    session.edit("delete", {"indices": "3"}, "Delete")
    assert session.selection == ()
    with pytest.raises(SetupError, match="mode"):
        session.set_mode("dream")


def test_edits_need_a_structure(session):
    with pytest.raises(SetupError, match="no structure"):
        session.edit("delete", {"indices": "0"}, "Delete")
    with pytest.raises(SetupError, match="no structure"):
        session.build("supercell", {"size": "2x2x2"})


def test_a_build_that_was_overtaken_is_dropped(session, silicon, copper, calm, said):
    session.add("structure", "Si2", silicon)
    session.build("supercell", {"size": "2x2x2"})
    session.commit(copper, "Replace")
    calm(session)
    assert session.structure == copper and any("dropped" in text for text in said())


@pytest.mark.parametrize("ending", [".cif", ".vasp", ".extxyz", ".xyz", ".json"])
def test_files_are_opened(session, silicon, calm, tmp_path, ending):
    from solvers.io.structures import write_structure
    path = tmp_path / f"crystal{ending}"
    write_structure(silicon, path)
    session.keeper.open_path(path)
    calm(session)
    assert session.structure.formula == "Si2" and session.node().name == "crystal"
    assert session.settings.recent()[0] == str(path)
    assert "read_structure" in session.script[-1]


def test_trajectories_and_densities_are_opened(session, silicon, calm, tmp_path):
    from solvers.core.fields import GridField
    from solvers.io.cube import write_cube
    from solvers.io.structures import write_frames
    frames = tmp_path / "run.extxyz"
    write_frames([silicon, silicon.with_(positions=silicon.positions + 0.1)], frames)
    session.keeper.open_path(frames)
    calm(session)
    assert session.node().kind == "trajectory" and len(session.frames) == 2 and session.frame == 0
    session.set_frame(1)
    assert np.allclose(session.shown.positions - silicon.positions, 0.1)
    cube = tmp_path / "density.cube"
    write_cube(cube, silicon, GridField(np.random.default_rng(0).random((6, 6, 6)), silicon.cell, "e/Å³", "density"))
    session.keeper.open_path(cube)
    calm(session)
    assert session.node().kind == "field" and session.field is not None and session.display.field
    assert session.structure.formula == "Si2" and session.frames is None


def test_a_material_is_opened(session, calm, tmp_path):
    from solvers import Material
    material = Material(stiffness=np.eye(6) * 1e11, density=2000.0, name="soft")
    material.save(tmp_path / "soft.json")
    session.keeper.open_path(tmp_path / "soft.json")
    calm(session)
    assert session.node().kind == "material" and np.array_equal(session.outcome.material().stiffness_voigt, material.stiffness_voigt)
    session.outcome.show("surface")
    calm(session)
    points, triangles, values = session.outcome.surface
    assert session.display.surface and len(points) == len(values) > 1000 and triangles.shape[1] == 3


@pytest.mark.parametrize("name, content, words", [("none.cif", None, "not there"), ("empty.cif", b"", "empty"), ("noise.cif", bytes(range(256)) * 8, ""),
                                                  ("what.zzz", b"x", "ending"),
                                                  ("cut.vasp", b"Si\n1.0\n1 0", "")])
def test_bad_files_give_one_message(session, calm, tmp_path, name, content, words, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    session.keeper.open_path(tmp_path / name)
    calm(session)
    assert len(said()) == 1 and words in said()[0] and not session.nodes


def test_packed_projects_are_opened(session, silicon, calm, tmp_path, another, qtbot):
    session.add("structure", "Si2", silicon)
    calm(session)
    session.keeper.write_file(tmp_path / "study.qcadz", session.keeper.project.pack)
    calm(session)
    other = another()
    other.keeper.open_path(tmp_path / "study.qcadz")
    qtbot.waitUntil(lambda: other.keeper.name == "study", timeout=20000)
    assert other.structure == silicon and not other.read_only


def test_what_was_left_behind_is_offered(session, silicon, calm, another):
    session.add("structure", "left", silicon)
    calm(session)
    folder = session.keeper.folder
    session.keeper.close()
    session.dispatcher.flush()
    later = another()
    assert [path for path, _ in later.keeper.left_behind] == [folder]
    assert "left" in later.keeper.left_behind[0][1]


def test_the_script_does_the_same_without_the_window(session, calm):
    session.build("bulk", {"symbol": "Si", "structure": "diamond", "a": 5.431})
    calm(session)
    session.build("supercell", {"size": "2x1x1"})
    calm(session)
    session.set_mode("edit")
    session.edit("set_element", {"indices": "0", "symbol": "Ge"}, "Change")
    from solvers.core.structure import Structure
    names: dict = {}
    exec(compile(session.python_script(), "script", "exec"), names)  # noqa: S102 (our own text; that it runs is what is tested)
    assert Structure.from_atoms(names["atoms"]) == session.structure
    assert python_of("add", {"symbol": "H", "fractional": True}, True) == "atoms = build.add(atoms, symbol='H', fractional=True)"


def test_display_knows_its_own_names_from_the_style(session):
    session.set_display(bonds=False, forces=True)
    assert session.display.style.bonds is False and session.display.forces is True
    with pytest.raises(TypeError):
        session.set_display(nonsense=1)


def test_modifiers_of_clicks(window, session, copper):
    session.add("structure", "Cu4", copper)
    view = window.view
    view.atom_clicked.emit(1, Qt.KeyboardModifier.NoModifier)
    assert session.selection == (), "View mode changes nothing"
    session.set_mode("select")
    view.atom_clicked.emit(1, Qt.KeyboardModifier.NoModifier)
    view.atom_clicked.emit(2, Qt.KeyboardModifier.ControlModifier)
    assert session.selection == (1, 2) and view.selection == {1, 2}
    view.atom_clicked.emit(1, Qt.KeyboardModifier.ControlModifier)
    assert session.selection == (2,)
    view.box_selected.emit([0, 3], Qt.KeyboardModifier.ShiftModifier)
    assert session.selection == (2, 0, 3)
    view.empty_clicked.emit()
    assert session.selection == ()
    session.set_mode("edit")
    view.drag_finished.emit([0], np.array([0.5, 0.0, 0.0]))
    assert session.structure.positions[0, 0] == pytest.approx(copper.positions[0, 0] + 0.5)
    session.undo_stack.undo()
    assert session.structure == copper


def test_a_file_named_at_the_start_is_opened_whatever_is_faster(qtbot, calm, silicon, tmp_path, own_data):
    """The project is made by one thread and the file read by another; the file waits for its project."""
    from solvers.io.structures import write_structure
    write_structure(silicon, tmp_path / "start.json")
    out = Session(Dispatcher(), Settings())
    try:
        out.keeper.begin(tmp_path / "start.json")
        qtbot.waitUntil(lambda: out.structure is not None, timeout=30_000)
        calm(out)
        assert out.node().name == "start" and [node.name for node in out.keeper.project.nodes()] == ["start"]
    finally:
        out.close()


def test_a_damaged_project_named_at_the_start_leaves_an_empty_one(qtbot, calm, tmp_path, said, own_data):
    from qcad_gui import messages
    messages.central().history.clear()
    (tmp_path / "broken.qcad").mkdir()
    (tmp_path / "broken.qcad" / "project.sqlite").write_bytes(b"not a database at all" * 100)
    out = Session(Dispatcher(), Settings())
    try:
        out.keeper.begin(tmp_path / "broken.qcad")
        qtbot.waitUntil(lambda: out.keeper.project is not None, timeout=30_000)
        calm(out)
        assert out.keeper.project.is_untitled and len(said()) == 1 and "broken" in said()[0]
    finally:
        out.close()
