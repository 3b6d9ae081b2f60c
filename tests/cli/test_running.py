"""A command that has to wait says for what."""
from types import SimpleNamespace

from solvers.cli import running


def job(folder, name, state):
    return SimpleNamespace(id=name, path=folder / "jobs" / name, status=SimpleNamespace(state=state))


def test_a_queued_job_says_what_it_waits_for(tmp_path):
    mine = job(tmp_path, "mine", "queued")
    manager = SimpleNamespace(list=lambda: [job(tmp_path, "long", "running"), job(tmp_path, "old", "finished"), mine])
    assert running.waiting(mine, manager) == "waiting for long to end; `qcad jobs cancel ID` stops a job"
    manager.list = lambda: [mine]
    assert "a free place" in running.waiting(mine, manager)
    assert f"--project {tmp_path / 'p.qcad'}" in running.waiting(job(tmp_path / "p.qcad", "mine", "queued"), manager)


def test_run_job_announces_the_wait(tmp_path, monkeypatch):
    said = []
    mine = job(tmp_path, "mine", "queued")
    manager = SimpleNamespace(start=lambda spec: mine, list=lambda: [job(tmp_path, "long", "running"), mine])
    monkeypatch.setattr(running, "JobManager", lambda root: manager)
    monkeypatch.setattr(running, "say", said.append)
    monkeypatch.setattr(running, "follow", lambda job, quiet: "result")
    assert running.run_job(None, None) == (mine, "result") and any(line.startswith("waiting for long") for line in said)
