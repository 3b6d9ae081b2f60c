"""No space left: the job pauses with a clear message, nothing committed is lost, and it goes on when there is space again."""
from __future__ import annotations

import errno
import os
import shutil
import subprocess

import numpy as np
import pytest

from solvers.core import sealed
from solvers.core.errors import StorageError
from solvers.core.jobfolder import EventLog, parse_events
from solvers.core.project import Project


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB; needs root for a real one."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False).returncode != 0:
        yield None
        return
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, leave=0):
    """Leave only `leave` bytes free."""
    with open(folder / "ballast", "ab") as file:
        while True:
            free = shutil.disk_usage(folder).free - leave
            if free <= 0:
                return
            try:
                file.write(bytes(min(free, 1 << 16)))
                file.flush()
            except OSError:
                return


def test_a_job_pauses_and_goes_on(small_disk, manager, spec, tmp_path):
    """With a really full disk where we may mount one, with a file-size limit (EFBIG) elsewhere."""
    limited = {} if small_disk else {"QCAD_SEGMENT_SECONDS": "1e9"}
    jobs = manager((small_disk or tmp_path) / "jobs", environment=limited)
    if small_disk is None:
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
        try:
            job = jobs.start(spec("hoard", steps=60))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    else:
        job = jobs.start(spec("hoard", steps=60))
    status = job.wait(90)
    assert status.state == "paused" and status.resumable
    assert "disk is full" in status.message and str(job.path.name) in status.message or "seg-" in status.message
    with pytest.raises(StorageError, match="the disk is full.*everything committed before is safe"):
        job.result()
    saved = job.trajectory()
    if small_disk:
        assert len(saved) > 2
    np.testing.assert_array_equal(saved.steps, np.arange(1, len(saved) + 1))
    assert all(np.isfinite(frame.positions).all() for frame in saved)
    if small_disk:
        subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    job.resume()
    assert job.wait(90).state == "finished"
    assert job.trajectory().steps.tolist() == list(range(1, 61))


def test_an_edit_on_a_full_disk_did_not_happen(small_disk, silicon, monkeypatch):
    if small_disk is None:
        pytest.skip("needs root to mount a small disk")
    project = Project.create(small_disk / "p.qcad")
    node = project.add_node("structure", "Si", silicon)
    fill(small_disk)
    with pytest.raises(StorageError, match="full"):
        for _ in range(50):
            project.add_node("note", "long", "x" * 50_000)
    names = [item.name for item in project.nodes()]
    steps = project.history()[1]
    project.close()
    (small_disk / "ballast").unlink()
    with Project.open(small_disk / "p.qcad") as again:
        assert [item.name for item in again.nodes()] == names and again.history()[1] == steps
        assert again.node(node.id).payload == silicon
        again.rename(node.id, "silicon")


def test_the_last_words_get_through(tmp_path, monkeypatch):
    """The log keeps a reserve: when a write fails, even half-way, the ending is still logged and readable."""
    from test_sealed import Failing
    log = EventLog(tmp_path)
    log.write("started")
    monkeypatch.setattr("solvers.core.jobfolder.disk", Failing(1, errno.ENOSPC, half=True))
    log.last_words("paused", message="the disk is full")
    log.close()
    events, _ = parse_events((tmp_path / "events.jsonl").read_bytes())
    assert [event.kind for event in events] == ["started", "paused"]
    assert os.listdir(tmp_path) == ["events.jsonl"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_the_nth_call_of_a_worker_fails(tmp_path, manager, spec, silicon, monkeypatch, code):
    """A worker in this process, with a disk that fails at call n, for every n until it no longer matters: committed frames read well, a resume finishes."""
    import toy_tasks
    from test_sealed import Failing

    from solvers.core.jobfolder import JobFolder
    from solvers.core.worker import Worker
    monkeypatch.setenv("QCAD_TASKS", "toy_tasks")
    monkeypatch.setenv("QCAD_CHECKPOINT_SECONDS", "0")
    monkeypatch.setenv("QCAD_SEGMENT_SECONDS", "0")
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert toy_tasks.get("count")
    expected = None
    failures = 0
    for at in range(60):
        folder = JobFolder.create(tmp_path / f"jobs{at}", spec("count", steps=2))
        attempt, failing = folder.new_attempt(), Failing(at, code)
        for module in ("sealed", "jobfolder"):
            monkeypatch.setattr(f"solvers.core.{module}.disk", failing)
        worker = Worker(attempt)
        exit_code = worker.run()
        for module in ("sealed", "jobfolder"):
            monkeypatch.setattr(f"solvers.core.{module}.disk", sealed.Disk())
        if exit_code != 0:
            failures += 1
            assert folder.status().state == ("paused" if code == errno.ENOSPC else "failed") or (folder.last.path / "result.h5").exists()
            kept = folder.trajectory()
            assert kept.steps.tolist() == list(range(1, len(kept) + 1))
            if not (folder.last.path / "result.h5").exists():
                assert Worker(folder.new_attempt()).run() == 0
        positions = folder.result().values["positions"]
        expected = positions if expected is None else expected
        np.testing.assert_array_equal(positions, expected)
        assert folder.trajectory().steps.tolist() == [1, 2]
        if failing.calls < at:
            break
    assert failures > 15 and failing.calls < at




def test_the_nth_call_of_an_edit_fails(tmp_path, monkeypatch):
    """An edit with a large array: at whichever call the disk fails, it happened wholly or not at all, and the next one works."""
    from test_sealed import Failing

    from solvers.core.structure import Structure
    with Project.create(tmp_path / "p.qcad") as project:
        node = project.add_node("structure", "s", Structure([1] * 50000, np.zeros((50000, 3))))
        value = 0.0
        for at in (1, 2, 3):
            monkeypatch.setattr(sealed, "disk", Failing(at, errno.ENOSPC))
            with pytest.raises(StorageError, match="the disk is full"):
                project.change(node.id, "edit", payload=Structure([1] * 50000, np.full((50000, 3), float(at))))
            monkeypatch.setattr(sealed, "disk", sealed.Disk())
            assert project.node(node.id).payload.positions[0, 0] == value and project.history()[1] == at
            value = at + 0.5
            project.change(node.id, "edit", payload=Structure([1] * 50000, np.full((50000, 3), value)))
        assert project.history()[1] == 4
