"""The project folder: edits, undo across restarts, owners, kills, jobs, tables."""
from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk

from solvers.core import project_store
from solvers.core.errors import MissingError, ReadError, SetupError, StorageError
from solvers.core.fields import GridField
from solvers.core.job import JobSpec
from solvers.core.project import UNDO_STEPS, Node, Project
from solvers.core.structure import Structure
from solvers.core.trajectory import Trajectory


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "Ünï cödé 実験 'x'.qcad") as made:
        yield made


def names(project):
    return [node.name for node in project.nodes()]


def test_every_kind_of_payload_survives_a_restart(project, silicon):
    big = np.random.default_rng(0).random((2, 50, 50, 50))
    payloads = {
        "structure": silicon.with_(arrays={"tags": [1, 2], "labels": np.array(["a", "é"])}, info={"note": "x"},
                                   constraints=({"name": "FixAtoms", "kwargs": {"indices": [0]}},)),
        "field": GridField(big, np.eye(3) * 5, "e/Å³", "density", (1.0, 2.0, 3.0)),
        "trajectory": Trajectory.from_frames([bulk("Cu"), bulk("Cu", a=3.7), bulk("Si")]),
        "material": {"stiffness": np.eye(6) * 1e11, "name": "x", "temperatures": None},
        "note": "words with ' and \" and 実験",
        "run": {"job": "20260101-0000-si-scf-0000", "values": {"energy": -1.5}},
    }
    ids = {kind: project.add_node(kind, kind, payload, style={"radius": 0.5}).id for kind, payload in payloads.items()}
    folder = project.folder
    project.close()
    assert len(list((folder / "data").glob("*.h5"))) == 3  # the field and two segments; the rest is small
    with Project.open(folder) as again:
        assert again.node(ids["structure"]).payload == payloads["structure"]
        field = again.node(ids["field"]).payload
        np.testing.assert_array_equal(field.values, big)
        assert (field.unit, field.name, field.origin) == ("e/Å³", "density", (1.0, 2.0, 3.0))
        trajectory = again.node(ids["trajectory"]).payload
        assert len(trajectory) == 3 and trajectory.frame(1).cell[0, 1] == 1.85 and trajectory.structure(2).formula == "Si2"
        assert again.node(ids["material"]).payload["stiffness"][0][0] == 1e11 and again.node(ids["note"]).payload == payloads["note"]
        assert again.node(ids["run"]).payload == payloads["run"] and again.node(ids["run"]).style == {"radius": 0.5}


def test_undo_and_redo_across_a_restart(project, silicon):
    node = project.add_node("structure", "one", silicon)
    moved = silicon.with_(positions=silicon.positions + 1)
    project.change(node.id, "Move atoms", payload=moved)
    project.rename(node.id, "two")
    project.move_to_trash(node.id)
    assert names(project) == [] and [item.name for item in project.trash()] == ["two"]
    folder = project.folder
    project.close()
    project = Project.open(folder)
    assert project.undo().text == "Delete two" and names(project) == ["two"] and project.trash() == []
    assert project.undo().text == "Rename to two" and names(project) == ["one"]
    edit = project.undo()
    assert edit.text == "Move atoms" and edit.before.payload == silicon and edit.after.payload == moved and project.node(node.id).payload == silicon
    project.close()
    project = Project.open(folder)
    edits, done = project.history()
    assert [item.text for item in edits] == ["New one", "Move atoms", "Rename to two", "Delete two"] and done == 1
    assert project.redo().text == "Move atoms" and project.node(node.id).payload == moved
    project.rename(node.id, "three")
    assert project.redo() is None and [item.text for item in project.history()[0]] == ["New one", "Move atoms", "Rename to three"]
    for _ in range(3):
        assert project.undo() is not None
    assert project.undo() is None and names(project) == [] and project.trash() == []  # what was never made is not in the trash
    project.close()


def test_merged_edits_are_one_step(project, silicon):
    node = project.add_node("structure", "a", silicon)
    before = project.node(node.id)
    for k in range(1, 6):
        after = Node(before.id, "", "structure", "a", silicon.with_(positions=silicon.positions + k), created=before.created)
        project.set_node(node.id, before, after, "Drag", merge=k > 1)
    assert len(project.history()[0]) == 2
    assert project.undo().text == "Drag" and project.node(node.id).payload == silicon


def test_history_is_limited(project, monkeypatch):
    assert UNDO_STEPS == 200
    monkeypatch.setattr("solvers.core.project.UNDO_STEPS", 20)
    node = project.add_node("note", "n", "0")
    for k in range(40):
        project.change(node.id, f"edit {k}", payload=str(k))
    edits, done = project.history()
    assert len(edits) == done == 20 and edits[-1].text == "edit 39" and edits[0].text == "edit 20"
    count = 0
    while project.undo():
        count += 1
    assert count == 20 and project.node(node.id).payload == "19"


def test_tree_and_trash(project, silicon):
    a, b = project.add_node("structure", "a", silicon), project.add_node("note", "b", "text")
    project.move(b.id, a.id)
    assert project.node(b.id).parent == a.id
    with pytest.raises(SetupError, match="'a' cannot be put below itself"):
        project.move(a.id, b.id)
    with pytest.raises(SetupError, match="Unknown kind of node 'atom'"):
        project.add_node("atom", "x", None)
    with pytest.raises(MissingError, match="no node 'nothing'"):
        project.node("nothing")
    project.move_to_trash(b.id)
    project.restore(b.id)
    assert names(project) == ["a", "b"]
    project.undo()
    assert [node.name for node in project.trash()] == ["b"]
    project.redo()
    project.move_to_trash(b.id)
    assert project.empty_trash() == 1 and project.trash() == [] and project.history() == ([], 0)


def test_second_opener_reads_only_and_names_the_owner(project, silicon):
    project.add_node("structure", "a", silicon)
    with Project.open(project.folder) as second:
        assert second.read_only and f"process {os.getpid()}" in second.read_only_reason and second.owner.process.pid == os.getpid()
        assert names(second) == ["a"]
        with pytest.raises(StorageError, match="is read-only: It is open in another program .*Keep a copy"):
            second.add_node("note", "x", "y")
        project.rename(project.nodes()[0].id, "b")
        assert names(second) == ["b"]
    assert not project.read_only
    project.rename(project.nodes()[0].id, "c")


def test_owner_dies(tmp_path, silicon):
    """Killed with the project open: the next one opens without a question, with everything that was committed."""
    folder = tmp_path / "p.qcad"
    code = f"""
import sys, time
from solvers.core.project import Project
project = Project.create({str(folder)!r}, program="window")
project.add_node("note", "first", "x")
print("open", flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "open\n"
    with Project.open(folder) as second:
        assert second.read_only and "window of" in second.read_only_reason
    child.send_signal(signal.SIGKILL)
    child.wait()
    with Project.open(folder) as third:
        assert not third.read_only and names(third) == ["first"]
        third.add_node("note", "second", "y")


def test_lock_of_another_boot_and_of_another_host(project):
    folder = project.folder
    record = json.loads((folder / "lock").read_text())
    project.close()
    for change, read_only in (({"boot": "another"}, False), ({"start": 1.0}, False), ({"host": "elsewhere.example"}, True)):
        (folder / "lock").write_text(json.dumps({**record, "process": {**record["process"], **change}}))
        with Project.open(folder) as again:
            assert again.read_only == read_only
            if read_only:
                assert "elsewhere.example" in again.read_only_reason
    with Project.open(folder, take_over=True) as mine:
        assert not mine.read_only
    (folder / "lock").write_text("torn {")
    with Project.open(folder) as again:
        assert not again.read_only


def test_killed_while_saving(tmp_path):
    """SIGKILL at arbitrary moments of a loop of edits: every announced edit is there, and nothing half."""
    folder = tmp_path / "p.qcad"
    Project.create(folder).close()
    code = f"""
import numpy as np, sys
from solvers.core.project import Project
from solvers.core.structure import Structure
project = Project.open({str(folder)!r})
edits, k = project.history()
n = int(project.nodes()[0].payload.info["k"]) if project.nodes() else 0
while True:
    n += 1
    structure = Structure([1] * 40000, np.full((40000, 3), float(n)), info={{"k": n}})
    if not project.nodes():
        project.add_node("structure", "s", structure)
    else:
        project.change(project.nodes()[0].id, "edit", payload=structure)
    print(n, flush=True)
"""
    rng = np.random.default_rng(3)
    last = 0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        first = child.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.3))
        child.send_signal(signal.SIGKILL)
        announced = [int(line) for line in [first, *child.communicate()[0].split()]]
        with Project.open(folder) as project:
            assert not project.read_only
            payload = project.nodes()[0].payload
            n = int(payload.info["k"])
            assert announced[-1] <= n <= announced[-1] + 1 and announced[0] == last + 1
            assert (payload.positions == n).all() and len(payload) == 40000
            last = n
    with Project.open(folder) as project:
        project.compact(history=False)
        assert len(list((folder / "data").glob("*.h5"))) <= 1
        assert (project.nodes()[0].payload.positions == last).all()


def test_compact_frees_and_keeps(project):
    node = project.add_node("structure", "s", Structure([1] * 50000, np.zeros((50000, 3))))
    for k in range(4):
        project.change(node.id, "edit", payload=Structure([1] * 50000, np.full((50000, 3), k + 1.0)))
    assert project.compact() == 0 or project.history()[1] == 5
    assert len(list((project.folder / "data").glob("*.h5"))) == 5
    (project.folder / "data" / ("0" * 64 + ".h5")).write_bytes(b"x" * 1000)
    assert project.compact(history=False) > 3 * 50000 * 24
    assert len(list((project.folder / "data").glob("*.h5"))) == 1 and project.nodes()[0].payload.positions[0, 0] == 4


# ---- opening ---------------------------------------------------------------------------------------------------------------------------------
def test_what_is_no_project(tmp_path, project):
    with pytest.raises(MissingError, match="is not a project"):
        Project.open(tmp_path / "nothing.qcad")
    with pytest.raises(SetupError, match="does not end in .qcad. Call it x.qcad"):
        Project.create(tmp_path / "x")
    with pytest.raises(SetupError, match="is there already"):
        Project.create(project.folder)
    with pytest.raises(MissingError, match="qcad project new"):
        Project.jobs_folder(tmp_path / "nothing.qcad")
    for name, content in (("empty", b""), ("text", b"this is no database" * 100), ("other", None)):
        folder = tmp_path / f"{name}.qcad"
        folder.mkdir()
        if content is None:
            sqlite3.connect(folder / "project.sqlite").execute("CREATE TABLE x (y)").connection.close()
        else:
            (folder / "project.sqlite").write_bytes(content)
        with pytest.raises(ReadError, match="not a database of this program|is damaged"):
            Project.open(folder)
        assert not (folder / "lock").exists()


def test_newer_schema_is_refused(project):
    folder = project.folder
    project.close()
    with sqlite3.connect(folder / "project.sqlite") as connection:
        connection.execute(f"PRAGMA user_version = {project_store.SCHEMA + 1}")
    with pytest.raises(ReadError, match="newer version.*Update"):
        Project.open(folder)


def test_migration_is_one_transaction_after_a_backup(project, monkeypatch):
    project.add_node("note", "n", "text")
    folder = project.folder
    project.close()
    next_schema = project_store.SCHEMA + 1
    monkeypatch.setattr(project_store, "SCHEMA", next_schema)
    monkeypatch.setattr(project_store, "TABLES", {**project_store.TABLES, "extra": ""})

    def broken(connection):
        connection.execute("CREATE TABLE extra (x)")
        raise RuntimeError("power cut")

    monkeypatch.setitem(project_store.MIGRATIONS, next_schema - 1, broken)
    with pytest.raises(RuntimeError):
        Project.open(folder)
    monkeypatch.setitem(project_store.MIGRATIONS, next_schema - 1, lambda connection: connection.execute("CREATE TABLE extra (x)"))
    with Project.open(folder) as again:
        assert names(again) == ["n"] and not again.read_only
    assert (folder / f"project.sqlite.schema{next_schema - 1}.bak").is_file()
    monkeypatch.undo()
    with pytest.raises(ReadError, match="newer"):
        Project.open(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_read_only_folder(project, silicon, tmp_path):
    project.add_node("structure", "s", silicon)
    folder = project.folder
    project.close()
    mounted = os.geteuid() == 0 and subprocess.run(["mount", "--bind", "-o", "ro", str(folder), str(folder)], capture_output=True, check=False).returncode == 0
    if mounted:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    else:
        os.chmod(folder, 0o500)
    try:
        with Project.open(folder) as again:
            assert again.read_only and "read-only" in again.read_only_reason and names(again) == ["s"]
            with pytest.raises(StorageError, match="read-only"):
                again.add_node("note", "x", "y")
            copy = again.keep_as(tmp_path / "copy.qcad")
        with Project.open(copy) as writable:
            writable.add_node("note", "x", "y")
            assert names(writable) == ["s", "x"]
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True) if mounted else os.chmod(folder, 0o700)


# ---- untitled ----------------------------------------------------------------------------------------------------------------------------------
def test_untitled_until_kept(tmp_path, silicon):
    with Project.untitled() as empty:
        folder = empty.folder
    assert not folder.exists() and Project.recoverable() == []
    project = Project.untitled()
    project.add_node("structure", "s", silicon)
    assert project.is_untitled and Project.recoverable() == []  # it is open
    project.close()
    assert Project.recoverable() == [project.folder]
    with Project.open(project.folder) as again:
        kept = again.keep_as(tmp_path / "kept")
        assert kept == tmp_path / "kept.qcad" == again.folder and not again.is_untitled and not again.read_only
        again.rename(again.nodes()[0].id, "renamed")
        with pytest.raises(SetupError, match="is there already"):
            again.keep_as(kept)
        copy = again.keep_as(tmp_path / "copy.qcad")
        assert again.folder == kept
    assert Project.recoverable() == []
    with Project.open(copy) as other:
        assert names(other) == ["renamed"] and other.history()[1] == 2


def test_kept_while_a_job_runs(tmp_path, manager, spec):
    project = Project.untitled()
    job = manager(project.folder / "jobs").start(spec(steps=25, pause=0.02))
    next(event for event in job.tail(timeout=60) if event.kind == "step")
    project.keep_as(tmp_path / "kept.qcad")
    moved = manager(project.folder / "jobs").job(job.id)
    assert moved.status.state == "running"
    assert moved.wait(60).state == "finished" and len(moved.trajectory()) == 25
    project.close()


# ---- jobs and table --------------------------------------------------------------------------------------------------------------------------------
def test_jobs_become_nodes_once(project, manager, silicon):
    node = project.add_node("structure", "Si", silicon)
    jobs = manager(project.folder / "jobs")
    good = jobs.start(JobSpec("count", {"steps": 3}, {"structure": silicon}, title="=HYPERLINK(1)", parent=node.id))
    good.wait(60)
    bad = jobs.start(JobSpec("error", {"steps": 3, "at": 2}, {"structure": silicon}))
    bad.wait(60)
    (project.folder / "jobs" / "20260101-0000-broken-0000").mkdir()
    (project.folder / "jobs" / "20260101-0000-broken-0000" / "spec.json").write_text("{")
    made = project.import_jobs()
    assert [(item.kind, item.made_by) for item in made] == [("run", good.id), ("structure", good.id), ("material", good.id)]
    assert made[0].parent == node.id and made[1].parent == made[0].id and made[0].payload["values"]["energy"] == good.result().values["energy"]
    assert project.import_jobs() == []
    project.move_to_trash(made[1].id)
    project.move_to_trash(made[0].id)
    assert project.import_jobs() == []  # the trash remembers
    project.empty_trash()
    assert project.import_jobs() == []
    assert project.job_folder(good.id).result().values["energy"]
    for name in ("../..", "nothing", ""):
        with pytest.raises(MissingError, match="no job"):
            project.job_folder(name)


def test_a_failed_job_is_imported_when_a_resume_finishes_it(project, manager, silicon):
    job = manager(project.folder / "jobs").start(JobSpec("kill", {"steps": 5, "at": 3}, {"structure": silicon}))
    job.wait(60)
    assert project.import_jobs() == []
    job.resume()
    job.wait(60)
    assert [node.kind for node in project.import_jobs()] == ["run", "structure", "material"]


def test_every_number_is_in_the_table(project, manager, silicon):
    from solvers.core.calculators import CalculatorSpec
    jobs = manager(project.folder / "jobs")
    job = jobs.start(JobSpec("count", {"steps": 3}, {"structure": silicon, "calculator": CalculatorSpec("emt")}, title="=cmd|' /C calc'!A0"))
    job.wait(60)
    rows = project.table()
    values = job.result().values
    assert len(rows) == sum(value.size for value in values.values()) == 7
    row = next(row for row in rows if row["property"] == "positions" and row["component"] == "2,3")
    assert row["value"] == values["positions"][1, 2] and row["unit"] == "Å" and row["run"] == job.id and row["method"] == "emt"
    assert row["uncertainty"] == "unknown" and row["formula"] == "Si2" and row["task"] == "count"
    assert {item["property"] for item in project.table(property="energy")} == {"energy"} and project.table(task="other") == []
    cells = list(csv.DictReader(io.StringIO(project.table_csv())))
    assert len(cells) == 7 and cells[0]["title"] == "'=cmd|' /C calc'!A0"
    assert all(not cell.startswith(("=", "+", "@")) for line in cells for cell in line.values())
    negative = [line for line in cells if float(line["value"]) < 0]
    assert negative and float(negative[0]["value"]) in [float(row["value"]) for row in rows]
