"""`JobManager`: start, watch, cancel, resume and find jobs again. The same calls serve the command line, Python and the window.

The manager holds no state of its own that matters: everything is in the job folders, so a manager made after the old one died sees the same jobs.
"""
from __future__ import annotations

import builtins
import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from . import errors
from .device import cores, worker_environment
from .errors import Cancelled, MissingError, QcadError, RunError, SetupError
from .job import Event, JobSpec, Result
from .jobfolder import ENDINGS, JobFolder, Status, parse_events
from .paths import numba_cache, worker_argv
from .process import child_environment, spawn
from .sealed import storage_error, sweep
from .trajectory import Trajectory

_GLANCE = 0.05  # s between two looks at a log


class Job:
    """Handle of one job. Everything it says is read from the folder at the time of asking."""

    def __init__(self, folder: JobFolder, manager: JobManager):
        self.folder = folder
        self._manager = manager

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.status.state}>"

    @property
    def id(self) -> str:
        """Name of the job folder."""
        return self.folder.id

    @property
    def path(self) -> Path:
        """The job folder."""
        return self.folder.path

    @property
    def spec(self) -> JobSpec:
        """What was asked."""
        return self.folder.spec

    @property
    def status(self) -> Status:
        """Where the job stands now."""
        self._manager.reap()
        return self.folder.status()

    def events(self, after: int = 0) -> list[Event]:
        """Events of the latest attempt with seq > `after`."""
        attempt = self.folder.last
        return attempt.events(after) if attempt else []

    def steps(self) -> list[Event]:
        """Step events of the whole history over all attempts, none twice."""
        return self.folder.steps()

    def tail(self, after: int = 0, timeout: float | None = None) -> Iterator[Event]:
        """Events of the latest attempt as they come, until the job ends or `timeout` seconds have passed; starts queued jobs meanwhile."""
        deadline = None if timeout is None else time.monotonic() + timeout
        offset, number, last = 0, None, after
        while True:
            self._manager.poll()
            active = self.folder.status().active  # asked before reading: what is written until the end is then seen
            attempt = self.folder.last
            if attempt is not None:
                if number not in (None, attempt.number):
                    offset, last = 0, 0
                number = attempt.number
                data = _read_from(attempt.path / "events.jsonl", offset)
                events, used = parse_events(data, last)
                offset += used
                for event in events:
                    last = event.seq
                    yield event
                if events and events[-1].kind in ENDINGS:
                    return
            if not active or (deadline is not None and time.monotonic() >= deadline):
                return
            time.sleep(_GLANCE)

    def wait(self, timeout: float | None = None) -> Status:
        """The status when the job has ended, or after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._manager.poll()
            status = self.status
            if not status.active or (deadline is not None and time.monotonic() >= deadline):
                return status
            time.sleep(_GLANCE)

    def cancel(self) -> None:
        """Ask for a stop after a checkpoint, within a step. Nothing happens to a job that has ended."""
        if self.status.active:
            self.folder.request_cancel()

    def kill(self) -> bool:
        """End the worker at once, without a checkpoint; True when there was one to end. The job is then interrupted and can be resumed."""
        attempt = self.folder.last if self.status.active else None
        process = attempt.process if attempt else None
        done = bool(process and process.signal(signal.SIGKILL))
        deadline = time.monotonic() + 5
        while done and process.alive and time.monotonic() < deadline:
            self._manager.reap()
            time.sleep(0.01)
        return done

    def resume(self, *, given_up: bool = False) -> Job:
        """Continue from the last good checkpoint in a new attempt. SetupError when the job runs or has finished.

        given_up=True also resumes a job of another host, whose worker cannot be checked from here: say so only when that host is down.
        """
        status = self.status
        if not status.resumable and not (given_up and status.state == "elsewhere"):
            raise SetupError(f"Job {self.id} is {status.state}.", hint="Only cancelled, paused, interrupted or failed jobs can be resumed.")
        self.folder.withdraw_cancel()
        if status.state != "elsewhere":
            for attempt in self.folder.attempts():
                attempt.sweep()
        self._manager.launch(self.folder)
        return self

    def result(self) -> Result:
        """The result of a finished job. A failed one raises its own error again, a running one MissingError."""
        status = self.status
        if status.state == "finished":
            return self.folder.result()
        if status.state == "cancelled":
            raise Cancelled(f"Job {self.id} was cancelled.", hint="Resume continues from its last checkpoint.")
        if status.state in ("failed", "paused"):
            raise self.error() or RunError(status.message)
        if status.state == "interrupted":
            raise RunError(f"Job {self.id} was interrupted. {status.message}", hint="Resume continues from its last checkpoint.")
        raise MissingError(f"Job {self.id} is {status.state}; it has no result yet.", hint="Wait for it.")

    def error(self) -> QcadError | None:
        """The error that ended the latest attempt, of its own class; None when it did not fail."""
        event = next((event for event in reversed(self.events()) if event.kind in ("failed", "paused")), None)
        if event is None:
            return None
        kind = getattr(errors, str(event.data.get("error", "")), RunError)
        hint = str(event.data.get("hint", ""))
        message = str(event.data.get("message", "")).removesuffix(hint).strip()
        return (kind if isinstance(kind, type) and issubclass(kind, QcadError) else RunError)(message, hint=hint)

    def trajectory(self) -> Trajectory:
        """Every committed frame so far."""
        return self.folder.trajectory()

    def stderr_tail(self, lines: int = 20) -> str:
        """The last lines the worker of the latest attempt said."""
        attempt = self.folder.last
        return attempt.stderr_tail(lines) if attempt else ""


class JobManager:
    """Jobs below the folder `root`.

    limits: how many jobs may run at once per device. threads: of each worker (None = every core). nice: 10 while a window is up. tasks: name of the module
    whose `get(name)` finds tasks; search_path: further folders from which workers may import it. environment: further variables of the workers.
    """

    def __init__(self, root: Path | str, *, limits: Mapping[str, int] | None = None, threads: int | None = None, nice: int = 0, tasks: str = "solvers.tasks",
                 search_path: Sequence[Path | str] = (), environment: Mapping[str, str] | None = None):
        self.root = Path(root)
        self.limits = {"cpu": 1, "cuda": 1, **(limits or {})}
        self.threads = threads
        self.nice = nice
        self.tasks = tasks
        self.search_path = [str(Path(path).resolve()) for path in search_path]
        self.environment = dict(environment or {})
        self._children: list = []
        self._ended: set[str] = set()
        self._polled = 0.0

    def start(self, spec: JobSpec) -> Job:
        """Write a job folder and start its worker as soon as its device is free. StorageError when the folder cannot be written."""
        job = Job(JobFolder.create(self.root, spec), self)
        self.poll(now=True)
        return job

    def list(self) -> builtins.list[Job]:
        """Every job below the root, oldest first; workers of a dead manager are found again."""
        return [Job(folder, self) for folder in self._folders()]

    def job(self, job_id: str) -> Job:
        """The job called `job_id`, or the only one whose name contains it. MissingError otherwise."""
        names = [folder.id for folder in self._folders()]
        found = [name for name in names if name == job_id] or [name for name in names if job_id in name]
        if len(found) != 1:
            raise MissingError(f"{'No' if not found else len(found)} job{'s' if len(found) > 1 else ''} below {self.root} match {job_id!r}.",
                               hint=f"Known: {', '.join((found or names)[-8:]) or 'none'}.")
        return Job(JobFolder(self.root / found[0]), self)

    def poll(self, now: bool = False) -> None:
        """Start queued jobs, oldest first, while their device has room. Cheap (at most four looks a second unless `now`); called by every wait."""
        self.reap()
        if not now and time.monotonic() - self._polled < 0.25:
            return
        self._polled = time.monotonic()
        waiting, running = [], {"cpu": 0, "cuda": 0}
        for folder in self._folders(but=self._ended):
            state = folder.status().state
            if state == "queued":
                waiting.append(folder)
            elif state in ("starting", "running"):
                running[_device(folder)] += 1
            elif state != "elsewhere":
                self._ended.add(folder.id)
        for folder in waiting:
            device = _device(folder)
            if running[device] < self.limits[device]:
                running[device] += 1
                try:
                    self.launch(folder)
                except SetupError:  # another manager was faster
                    continue

    def launch(self, folder: JobFolder) -> None:
        """Start a worker on a new attempt of `folder` now, whatever the limits say."""
        attempt = folder.new_attempt()
        self._ended.discard(folder.id)
        environment = child_environment({**worker_environment(folder.spec.threads or self.threads or cores()), "NUMBA_CACHE_DIR": str(numba_cache()),
                                         "QCAD_TASKS": self.tasks, "QCAD_NICE": str(self.nice), **self.environment})
        if self.search_path:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH", ""), *self.search_path]))
        try:
            with open(attempt.path / "stderr.txt", "ab") as stderr:
                self._children.append(spawn(worker_argv(attempt.path.resolve()), folder=attempt.path, environment=environment, stdout=stderr, stderr=stderr))
        except OSError as error:
            raise storage_error(error, attempt.path / "stderr.txt") from error

    def reap(self) -> None:
        """Collect children that have ended, so that none stays a zombie."""
        self._children = [child for child in self._children if child.poll() is None]

    def sweep(self) -> int:
        """Remove leftovers of killed writers that are older than a minute; returns how many."""
        return sum(sweep(path) for folder in self._folders() for path in (folder.path, *(attempt.path for attempt in folder.attempts())))

    def _folders(self, but: Collection[str] = ()) -> builtins.list[JobFolder]:
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []
        return [JobFolder(self.root / name) for name in names if name not in but and (self.root / name / "spec.json").is_file()]


def _device(folder: JobFolder) -> str:
    return "cuda" if folder.spec.device == "cuda" else "cpu"


def _read_from(path: Path, offset: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""
