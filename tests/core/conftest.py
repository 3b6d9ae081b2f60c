"""Toy tasks that a worker can find, a small crystal, private user folders."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ase.build import bulk

from solvers.core.job import JobSpec
from solvers.core.jobs import JobManager
from solvers.core.structure import Structure

TOYS = Path(__file__).parent / "toys"
sys.path[:0] = [str(TOYS), str(Path(__file__).parent)]  # toy_tasks and helpers of neighbouring tests


@pytest.fixture(autouse=True)
def private_folders(tmp_path, monkeypatch):
    """No test sees or touches the real user's folders."""
    monkeypatch.setenv("QCAD_DATA", str(tmp_path / "user data"))
    monkeypatch.setenv("QCAD_CACHE", str(tmp_path / "user cache"))


@pytest.fixture
def silicon() -> Structure:
    """Two atoms of silicon."""
    return Structure.from_atoms(bulk("Si"))


@pytest.fixture
def manager(tmp_path):
    """A JobManager of the toy tasks; checkpoints and segments come fast. Whatever still runs at the end is killed."""
    made = []

    def make(root: Path | None = None, **more) -> JobManager:
        environment = {"QCAD_CHECKPOINT_SECONDS": "0", "QCAD_SEGMENT_SECONDS": "0.02", **more.pop("environment", {})}
        made.append(JobManager(root or tmp_path / "jobs", tasks="toy_tasks", search_path=[TOYS], environment=environment, **more))
        return made[-1]

    yield make
    for item in made:
        for job in item.list():
            job.kill()


@pytest.fixture
def spec(silicon):
    """A spec of a toy task."""
    def make(task: str = "count", **params) -> JobSpec:
        return JobSpec(task, params, {"structure": silicon}, title=task)
    return make
