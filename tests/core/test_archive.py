"""Archives: a round trip, and everything that a hostile one may try."""
from __future__ import annotations

import os
import sqlite3
import stat
import zipfile

import h5py
import numpy as np
import pytest

from solvers.core import archive
from solvers.core.errors import MissingError, ReadError, SetupError
from solvers.core.project import Project
from solvers.core.structure import Structure


@pytest.fixture
def packed(tmp_path, silicon, manager, spec):
    with Project.create(tmp_path / "a b.qcad") as project:
        project.add_node("structure", "s", silicon)
        project.add_node("structure", "big", Structure([1] * 50000, np.ones((50000, 3))))
        job = manager(project.folder / "jobs").start(spec(steps=3))
        job.wait(60)
        project.import_jobs()
        return project.pack(tmp_path / "sent.qcadz")


def test_round_trip(packed, tmp_path):
    target = Project.unpack(packed, tmp_path / "received")
    assert target == tmp_path / "received.qcad"
    with Project.open(target) as project:
        assert [node.name for node in project.nodes()] == ["s", "big", "count", "count: structure", "count: material"] and not project.read_only
        assert project.nodes()[1].payload.positions.sum() == 150000
        assert project.history()[1] == 2 and len(project.table()) == 7
        job = project.jobs().list()[0]
        assert job.status.state == "finished" and len(job.trajectory()) == 3
    names = zipfile.ZipFile(packed).namelist()
    assert not [name for name in names if "lock" in name or "/." in name or name.startswith(".")]
    with pytest.raises(SetupError, match="is there already"):
        Project.unpack(packed, target)
    with pytest.raises(MissingError, match="is not there"):
        Project.unpack(tmp_path / "none.qcadz", tmp_path / "x")


def forge(packed, path, change):
    """A copy of a good archive after `change(zip)`."""
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            target.writestr(item, source.read(item))
        change(target)
    return path


def link(file):
    info = zipfile.ZipInfo("data/link.h5")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    file.writestr(info, "/etc/passwd")


def bomb(file):
    file.writestr("jobs/zeros.bin", bytes(50_000_000))


@pytest.mark.parametrize("change, words", [
    (lambda file: file.writestr("../evil", "x"), "forbidden name"),
    (lambda file: file.writestr("/tmp/evil", "x"), "forbidden name"),
    (lambda file: file.writestr("data/../../evil", "x"), "forbidden name"),
    (lambda file: file.writestr("jobs/..", "x"), "forbidden name"),
    (lambda file: file.writestr("jobs\\evil", "x"), "forbidden name|no place"),
    (lambda file: file.writestr("C:/evil", "x"), "forbidden name"),
    (lambda file: file.writestr("jobs/a\nb", "x"), "forbidden name"),
    (lambda file: file.writestr("jobs/CON.txt", "x"), "no place"),
    (lambda file: file.writestr("jobs/.bashrc", "x"), "no place"),
    (lambda file: file.writestr("lock", "x"), "no place"),
    (lambda file: file.writestr("sitecustomize.py", "x"), "no place"),
    (lambda file: file.writestr("Project.SQLITE", "x"), "no place|twice"),
    (lambda file: file.writestr("jobs/x", "x") or file.writestr("jobs/X", "y"), "twice"),
    (link, "link, a device or encrypted"),
    (bomb, "200 times its size"),
])
def test_hostile_members(packed, tmp_path, change, words):
    before = set(os.listdir(tmp_path))
    path = forge(packed, tmp_path / "evil.qcadz", change)
    with pytest.raises(ReadError, match=words):
        Project.unpack(path, tmp_path / "out")
    assert set(os.listdir(tmp_path)) - before == {"evil.qcadz"}
    assert not os.path.exists("/tmp/evil") and not (tmp_path.parent / "evil").exists()


def rewrite(packed, path, name, content):
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(path, "w") as target:
        for item in source.infolist():
            target.writestr(item, content if item.filename == name else source.read(item))
    return path


def test_hostile_contents(packed, tmp_path):
    names = zipfile.ZipFile(packed).namelist()
    array = next(name for name in names if name.startswith("data/"))
    (tmp_path / "secret").write_text("TOPSECRET")
    evil = tmp_path / "evil.h5"
    with h5py.File(evil, "w") as file:
        file.create_dataset("array", shape=(9,), dtype="u1", external=[(str(tmp_path / "secret"), 0, 9)])
    good = zipfile.ZipFile(packed).read(array)
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 255
    database = tmp_path / "evil.sqlite"
    database.write_bytes(zipfile.ZipFile(packed).read("project.sqlite"))
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON nodes BEGIN DELETE FROM nodes; END")
    for name, content, words in ((array, evil.read_bytes(), "not a plain array"), (array, bytes(damaged), "checksum|damaged"), (array, b"", "damaged"),
                                 ("project.sqlite", database.read_bytes(), "not ours"),
                                 ("project.sqlite", b"SQLite format 3\0" + bytes(4000), "damaged|not a database"),
                                 ("project.sqlite", zipfile.ZipFile(packed).read("project.sqlite")[:5000], "damaged")):
        with pytest.raises(ReadError, match=words):
            Project.unpack(rewrite(packed, tmp_path / "evil.qcadz", name, content), tmp_path / "out")
        assert not (tmp_path / "out.qcad").exists()


def test_archives_cut_off_on_the_way(packed, tmp_path):
    whole = packed.read_bytes()
    rng = np.random.default_rng(5)
    path = tmp_path / "cut.qcadz"
    for cut in [0, 1, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:cut])
        with pytest.raises(ReadError, match="not a good archive"):
            Project.unpack(path, tmp_path / "out")
    refused = 0
    for _ in range(6):
        data = bytearray(whole)
        for _ in range(20):
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            Project.unpack(path, tmp_path / f"out{refused}")
        except ReadError:
            refused += 1
    assert refused >= 5


def test_too_many_members(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    with pytest.raises(ReadError, match="more than 3"):
        Project.unpack(packed, tmp_path / "out")


def test_names_that_cannot_be_packed(tmp_path):
    with Project.create(tmp_path / "p.qcad") as project:
        (project.folder / "jobs" / "my notes.txt").write_text("x")
        with pytest.raises(SetupError, match="'jobs/my notes.txt' cannot be packed"):
            project.pack(tmp_path / "p.qcadz")
        assert not (tmp_path / "p.qcadz").exists()
