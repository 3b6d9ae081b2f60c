"""Jobs in real worker processes: the way through and every way out."""
from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest

from solvers.core.errors import Cancelled, MissingError, NonFiniteError, OutOfMemoryError, RunError, SetupError
from solvers.core.job import JobSpec
from solvers.core.jobfolder import JobFolder
from solvers.core.trajectory import Trajectory


def test_a_job_from_start_to_result(manager, spec, silicon):
    job = manager().start(spec(steps=12))
    events = list(job.tail(timeout=60))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[0].kind == "started" and events[-1].kind == "finished"
    assert [event.data["n"] for event in events if event.kind == "step"] == list(range(1, 13))
    status = job.status
    assert (status.state, status.step, status.progress, status.exit_code) == ("finished", 12, 1.0, 0) and not status.active
    result = job.result()
    assert result.material["provenance"]["run_ids"] == ["before", job.id]
    assert result.files == {"model.txt": b"weights"} and result.structure.numbers.tolist() == silicon.numbers.tolist()
    trajectory = Trajectory.open(job.path)
    assert len(trajectory) == 12 and trajectory.steps.tolist() == list(range(1, 13))
    assert trajectory.columns["energy"] == "eV"
    np.testing.assert_array_equal(trajectory.frame(-1).positions, result.values["positions"])
    np.testing.assert_array_equal(trajectory.column("energy"), [event.data["values"]["energy"] for event in job.steps()])
    assert (job.path / "attempt-001" / "result.h5").is_file() and job.spec.title == "count"


def test_the_folder_is_readable_and_sortable(manager, spec):
    job = manager().start(spec(steps=1))
    job.wait(60)
    assert job.id.split("-")[2:4] == ["si2", "count"] and len(job.id.split("-")[0]) == 8
    assert json.loads((job.path / "spec.json").read_text())["task"] == "count"
    lines = (job.path / "attempt-001" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["started", "step", "checkpoint", "finished"]
    leftovers = [path.name for path in job.path.rglob("*") if path.name.startswith(".")]
    assert leftovers == []


def test_cancel_is_honoured_within_a_step_and_resume_gives_the_same_bits(manager, spec):
    jobs = manager()
    whole = jobs.start(spec(steps=30))
    whole.wait(60)
    job = jobs.start(spec(steps=30, pause=0.1))
    for event in job.tail(timeout=60):
        if event.kind == "step" and event.data["n"] == 10:
            job.cancel()
    asked = (job.path / "cancel").stat().st_mtime
    assert sum(event.kind == "step" and event.time > asked for event in job.events()) <= 2
    status = job.status
    assert status.state == "cancelled" and 10 <= status.step < 30 and status.exit_code == 130 and status.resumable
    assert "Stopped on request after step" in status.message
    with pytest.raises(Cancelled, match="Resume continues"):
        job.result()
    job.resume()
    assert job.wait(60).state == "finished" and job.status.attempt == 2
    assert [event.data["n"] for event in job.steps()] == list(range(1, 31))
    same_bits(whole, job)


def same_bits(first, second):
    a, b = first.result(), second.result()
    np.testing.assert_array_equal(a.values["positions"], b.values["positions"])
    assert a.values["positions"].any()
    x, y = first.trajectory(), second.trajectory()
    np.testing.assert_array_equal(x.steps, y.steps)
    np.testing.assert_array_equal(x.column("energy"), y.column("energy"))
    for i in (0, len(x) // 2, -1):
        np.testing.assert_array_equal(x.frame(i).positions, y.frame(i).positions)


@pytest.mark.parametrize("at", [1, 7, 20])
def test_killed_at_any_step_and_resumed_gives_the_same_bits(manager, spec, at):
    jobs = manager(limits={"cpu": 2})
    whole, job = jobs.start(spec(steps=20)), jobs.start(spec("kill", steps=20, at=at))
    whole.wait(60)
    status = job.wait(60)
    assert status.state == "interrupted" and status.resumable and "killed" in status.message
    with pytest.raises(RunError, match="interrupted"):
        job.result()
    job.resume()
    assert job.wait(60).state == "finished"
    assert [event.data["n"] for event in job.steps()] == list(range(1, 21))
    same_bits(whole, job)


def test_killed_from_outside_three_times(manager, spec):
    """SIGKILL at arbitrary moments, not at our convenience."""
    jobs = manager(environment={"QCAD_CHECKPOINT_SECONDS": "0.03"})
    whole = jobs.start(spec(steps=60))
    whole.wait(60)
    job = jobs.start(spec(steps=60, pause=0.01))
    rng = np.random.default_rng(1)
    killed = 0
    for _ in range(3):
        next(event for event in job.tail(timeout=60) if event.kind == "step")
        time.sleep(rng.uniform(0.0, 0.15))
        killed += job.kill()
        assert job.status.state in ("interrupted", "finished")
        if job.status.state == "finished":
            break
        job.resume()
    assert job.wait(60).state == "finished" and killed >= 2
    assert [path.name for path in job.path.rglob(".*")] == []  # nothing half-written is left
    assert [event.data["n"] for event in job.steps()] == list(range(1, 61))
    same_bits(whole, job)


def test_the_older_generation_saves_a_run_whose_newest_checkpoint_is_damaged(manager, spec):
    jobs = manager()
    job = jobs.start(spec("kill", steps=20, at=15))
    job.wait(60)
    attempt = job.folder.attempts()[0]
    newest = attempt.checkpoint()
    assert newest.n == 14
    for name in ("ckpt-a.h5", "ckpt-b.h5"):
        data = (attempt.path / name).read_bytes()
        (attempt.path / name).write_bytes(data[:len(data) // 2])
        if attempt.checkpoint() is not None and attempt.checkpoint().n == 13:
            break  # it was the newest that we damaged
        (attempt.path / name).write_bytes(data)
    assert attempt.checkpoint().n == 13
    job.resume()
    assert job.wait(60).state == "finished"
    assert [event.data["n"] for event in job.steps()] == list(range(1, 21))
    assert job.trajectory().steps.tolist() == list(range(1, 21))


def test_a_manager_that_died_is_not_missed(manager, spec, tmp_path):
    first = manager()
    job = first.start(spec(steps=40, pause=0.02))
    next(iter(job.tail(timeout=60)))
    del first
    again = manager().job(job.id)
    assert again.status.state in ("starting", "running")
    assert again.folder.last.process.alive
    assert again.wait(60).state == "finished" and len(again.steps()) == 40


@pytest.mark.parametrize("task, kind, words", [
    ("nan", NonFiniteError, "Step 5 of walk reports energy = nan|Step 5 of .* reports energy = nan"),
    ("nan_frame", NonFiniteError, "Step 5: position of atom 1 is not finite"),
    ("memory", OutOfMemoryError, "Main memory ran out. Use fewer k-points"),
    ("gpu_memory", OutOfMemoryError, "memory of the graphics card ran out .*--device cpu"),
    ("error", SetupError, "This cutoff is too small. Use 500 eV."),
])
def test_a_failure_is_told_in_its_own_words(manager, spec, task, kind, words):
    job = manager().start(spec(task, steps=10, at=5))
    status = job.wait(60)
    assert status.state == "failed" and status.exit_code == kind.exit_code
    with pytest.raises(kind, match=words):
        job.result()
    frames = job.trajectory()
    assert frames.steps.tolist() == [1, 2, 3, 4] and np.isfinite(frames.column("energy")).all()
    if task == "error":
        assert "some last words" in job.stderr_tail()


def test_refused_is_a_result(manager, spec):
    job = manager().start(spec("refused"))
    assert job.wait(60).exit_code == 3
    assert job.status.message == "The fit is worse than 5 %." and job.result().refused


@pytest.mark.parametrize("spec_, words", [
    (("silent", {}), "returned NoneType instead of a Result"),
    (("count", {"steps": 0}), "steps = 0 is out of range"),
    (("count", {"stepz": 3}), "Did you mean 'steps'"),
    (("os:system", {}), "There is no task 'os:system'"),
])
def test_bad_specs_fail_in_words(manager, spec, spec_, words):
    job = manager().start(spec(spec_[0], **spec_[1]))
    assert job.wait(60).state == "failed"
    with pytest.raises(SetupError, match=words):
        job.result()


def test_a_worker_lives_alone(manager, spec):
    """Own session, own folder, threads and priority as told, nothing importable from the user's folder."""
    job = manager(nice=7, threads=1).start(spec("where"))
    job.wait(60)
    folder, path0, omp, leader, nice, numba = job.steps()[0].data["text"].split("|")
    assert folder == str(job.path / "attempt-001") and path0 != folder and path0
    assert (omp, leader, nice) == ("1", "True", "7") and "user cache" in numba


def test_limits_and_queue(manager, spec):
    jobs = manager(limits={"cpu": 1})
    first, second = jobs.start(spec(steps=30, pause=0.02)), jobs.start(spec(steps=2))
    third = jobs.start(spec(steps=2))
    assert second.status.state == "queued" and third.status.state == "queued"
    third.cancel()
    assert third.status.state == "cancelled"
    assert second.wait(60).state == "finished" and first.status.state == "finished"
    assert third.status.state == "cancelled" and not third.folder.attempts()
    third.resume()
    assert third.wait(60).state == "finished"
    assert [job.id for job in jobs.list()] == sorted(job.id for job in (first, second, third))


def test_what_makes_no_sense_is_refused(manager, spec):
    jobs = manager()
    job = jobs.start(spec(steps=1))
    job.wait(60)
    with pytest.raises(SetupError, match="is finished.*Only cancelled"):
        job.resume()
    with pytest.raises(MissingError, match="No job below .* match 'nonsense'"):
        jobs.job("nonsense")
    assert not job.kill()
    job.cancel()
    assert job.status.state == "finished"


def test_a_pid_alone_proves_nothing(manager, spec):
    """A record of a living pid with another start time or of another boot is a dead worker."""
    job = manager().start(spec("kill", steps=5, at=3))
    job.wait(60)
    path = job.path / "attempt-001" / "process.json"
    record = json.loads(path.read_text())
    for change in ({"pid": os.getpid()}, {"boot": "another"}):
        path.write_text(json.dumps({**record, **change}))
        assert job.status.state == "interrupted" and not job.kill()
    path.write_text(json.dumps({**record, "host": "elsewhere.example"}))
    assert job.status.state == "elsewhere"
    with pytest.raises(SetupError, match="is elsewhere"):
        job.resume()
    job.resume(given_up=True)
    assert job.wait(60).state == "finished"


def test_killed_between_result_and_log_is_finished(manager, spec):
    job = manager().start(spec(steps=3))
    job.wait(60)
    while job.folder.last.process.alive:
        time.sleep(0.01)
    log = job.path / "attempt-001" / "events.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    assert job.status.state == "finished" and job.result().values["energy"]


def test_a_torn_last_line_is_no_event(manager, spec):
    job = manager().start(spec(steps=3))
    job.wait(60)
    log = job.path / "attempt-001" / "events.jsonl"
    data = log.read_bytes()
    for cut in range(1, len(data.splitlines()[-1])):
        log.write_bytes(data[:-cut - 1])
        assert all(event.kind != "finished" for event in job.events())


def test_two_resumes_at_once_make_one_worker(manager, spec):
    jobs, other = manager(), manager()
    job = jobs.start(spec("kill", steps=5, at=3))
    job.wait(60)
    folder = JobFolder(job.path)
    folder.new_attempt()
    assert folder.last.number == 2
    twin = other.job(job.id)
    assert twin.status.state == "starting"
    with pytest.raises(SetupError, match="is starting"):
        twin.resume()


def test_spec_round_trip(silicon):
    from solvers.core.calculators import CalculatorSpec
    spec = JobSpec("md", {"steps": 3}, {"structure": silicon, "calculator": CalculatorSpec("emt"), "frames": [silicon]}, "t", "cpu", 2, "p")
    again = JobSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again.inputs["structure"] == silicon and again.inputs["frames"][0] == silicon and again.inputs["calculator"] == CalculatorSpec("emt")
    assert (again.params, again.device, again.threads, again.parent) == (spec.params, "cpu", 2, "p")


def test_large_inputs_lie_beside_the_spec(tmp_path, silicon, monkeypatch):
    from solvers.core import jobinputs
    frames = [silicon.with_(positions=silicon.positions + 0.1 * i, arrays={"ref_forces": np.full((2, 3), i)}, info={"ref_energy": float(i)})
              for i in range(300)]
    frames[7] = silicon.with_(numbers=[14, 6])
    big = silicon.with_(numbers=[14] * 600, positions=np.random.default_rng(0).random((600, 3)))
    spec = JobSpec("train", {"a": 1}, {"train": frames, "small": silicon, "big": big, "test": [silicon]}, "t", "cuda", 2, "p")
    folder = JobFolder.create(tmp_path, spec)
    assert (folder.path / "spec.json").stat().st_size < 20_000 and (folder.path / "inputs.h5").is_file()
    again = JobFolder(folder.path).spec
    monkeypatch.setattr(jobinputs, "unseal", lambda path: pytest.fail("read too early"))
    assert (again.task, again.device, again.title, list(again.inputs)) == ("train", "cuda", "t", ["train", "small", "big", "test"])
    assert again.inputs["small"] == silicon and again.inputs["test"] == [silicon]
    monkeypatch.undo()
    assert again.inputs["train"] == frames and again.inputs["big"] == big
    monkeypatch.setattr("solvers.core.sealed.disk", __import__("test_sealed").Failing(1))
    before = set(os.listdir(tmp_path))
    with pytest.raises(OSError, match="disk is full"):
        JobFolder.create(tmp_path, spec)
    assert set(os.listdir(tmp_path)) == before


def test_a_logout_is_a_cancel_with_a_checkpoint(manager, spec):
    import signal
    job = manager(environment={"QCAD_CHECKPOINT_SECONDS": "60"}).start(spec(steps=200, pause=0.02))
    next(event for event in job.tail(timeout=60) if event.kind == "step")
    assert job.folder.last.process.signal(signal.SIGTERM)
    status = job.wait(60)
    assert status.state == "cancelled" and "Stopped by signal 15 after step" in status.message and status.exit_code == 130
    assert job.folder.checkpoint().n == status.step > 0


def test_waiting_and_tailing_end_in_time(manager, spec):
    job = manager().start(spec(steps=100, pause=0.1))
    start = time.monotonic()
    assert job.wait(0.3).active
    list(job.tail(timeout=0.3))
    assert time.monotonic() - start < 5 and job.status.active
    with pytest.raises(MissingError, match="it has no result yet"):
        job.result()


def test_slow_steps_are_kept_every_time_and_quick_ones_now_and_then(monkeypatch):
    from solvers.core import worker
    clock = [100.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])

    def fresh(age: float = 0.0, **more) -> worker.Pace:
        return worker.Pace(begun=clock[0] - age, last=clock[0], told=clock[0], **more)

    def written(pace: worker.Pace, steps: int, step: float, cost: float) -> int:
        count = 0
        for _ in range(steps):
            clock[0] += step
            if pace.due():
                clock[0] += cost
                pace.done(cost)
                count += 1
        return count
    assert written(fresh(), 50, 2.0, 0.03) == 50  # a kill costs the step under way
    assert written(fresh(36000.0, cost=0.03), 50, 2.0, 0.03) == 50  # of an old run too
    quick = written(fresh(), 10000, 0.001, 0.01)
    assert 5 <= quick <= 10
    assert written(fresh(), 100, 1.0, 1.0) <= 3  # writing takes at most 2 % of the time, or once a minute
    assert written(fresh(interval=0.0), 7, 0.001, 0.01) == 7
