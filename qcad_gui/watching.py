"""Jobs as the window sees them: `Watcher` follows the job folders in the watch thread, `Jobs` tells the GUI thread what changed.

A job belongs to its folder, not to this window: what runs goes on when the window closes and is found again at the next start.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from solvers.core.job import Event, JobSpec, Result
from solvers.core.jobfolder import ENDINGS, JobFolder, Status, parse_events
from solvers.core.jobs import JobManager

from . import messages
from .dispatch import Dispatcher

_STATUS_EVERY = 1.0  # s between two looks at processes; logs are looked at every time
_LIST_EVERY = 2.0  # s between two looks for jobs that others made
N_LINES = 400
#: kinds of steps whose texts say what the calculation changed by itself
_REMARKING = ("scf", "relax", "md", "elastic")
_OPENING = re.compile(r"\d+ plane waves, ")


@dataclass(frozen=True)
class JobView:
    """What the window knows of a job. columns: name -> values per step; steps: their numbers; lines: what the job said in words; remarks: (step, sentence)
    about what it changed by itself on the way: another mixing, more bands, a rebuilt basis."""

    id: str
    title: str
    task: str
    parent: str
    status: Status
    kind: str = ""
    steps: np.ndarray = field(default_factory=lambda: np.zeros(0))
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    remarks: tuple[tuple[int, str], ...] = ()
    seconds: float = 0.0
    path: Path = Path()

    @property
    def state(self) -> str:
        """running, finished, …"""
        return self.status.state


class _Followed:
    """Thread-side memory of one job: how far its log has been read."""

    def __init__(self, folder: JobFolder):
        self.folder = folder
        self.attempt = 0
        self.offset = 0
        self.rows: list[tuple[float, dict[str, float]]] = []
        self.lines: list[str] = []
        self.remarks: list[tuple[int, str]] = []
        self.kind = ""
        self.first = self.last = 0.0
        self.status: Status | None = None
        self.looked = 0.0
        self.ended = False

    def read(self) -> bool:
        """Read what is new in the log; True when there was something."""
        latest = self.folder.last
        if latest is None:
            return False
        fresh = latest.number != self.attempt
        if fresh:
            self.attempt, self.offset, self.ended, self.rows, self.remarks, self.first = latest.number, 0, False, [], [], 0.0
            for attempt, mark in self.folder.lineage():
                if attempt.number != latest.number:
                    self._take([event for event in attempt.events() if event.kind == "step" and (mark is None or event.seq <= mark["seq"])])
        try:
            with open(latest.path / "events.jsonl", "rb") as file:
                file.seek(self.offset)
                events, used = parse_events(file.read())
        except FileNotFoundError:
            return fresh
        self.offset += used
        self._take(events)
        return fresh or bool(events)

    def _take(self, events: list[Event]) -> None:
        for event in events:
            self.first = self.first or event.time
            self.last = event.time
            if event.kind == "step":
                values = {name: float(value) for name, value in event.data.get("values", {}).items() if value is not None}
                self.rows.append((float(event.data.get("n", len(self.rows) + 1)), values))
                self.kind = str(event.data.get("kind", self.kind))
            text = event.data.get("text") or event.data.get("message")
            if text:
                self.lines = [*self.lines[-N_LINES:], str(text)]
                n = int(event.data.get("n", len(self.rows)))
                # the first text of a cycle says what is calculated; progress of other tasks is no remark
                if event.kind in ("warning", "note") or (event.kind == "step" and event.data.get("kind") in _REMARKING):
                    said = [part for part in str(text).split("; ") if event.kind != "step" or not _OPENING.match(part)]
                    self.remarks = [*self.remarks[-N_LINES:], *((n, part) for part in said)]
            if event.kind in ENDINGS:
                self.ended = True

    def view(self) -> JobView:
        names = list(dict.fromkeys(name for _, values in self.rows for name in values))
        columns = {name: np.array([values.get(name, np.nan) for _, values in self.rows]) for name in names}
        spec = self.folder.spec
        end = time.time() if self.status is not None and self.status.state == "running" else self.last
        return JobView(
            self.folder.id,
            spec.title or spec.task,
            spec.task,
            spec.parent,
            self.status or Status("queued"),
            self.kind,
            np.array([n for n, _ in self.rows]),
            columns,
            tuple(self.lines),
            tuple(self.remarks),
            max(0.0, end - self.first) if self.first else 0.0,
            self.folder.path,
        )


class Watcher:
    """Follows every job below a root. Its methods are called from the watch and the store thread, never from the GUI thread; a lock keeps them apart."""

    def __init__(self, manager: JobManager):
        self.manager = manager
        self._lock = threading.Lock()
        self._followed: dict[str, _Followed] = {}
        self._listed = 0.0

    def poll(self) -> list[JobView]:
        """Views of the jobs that changed since the last look."""
        with self._lock:
            now = time.monotonic()
            if now - self._listed > _LIST_EVERY:
                self._listed = now
                for job in self.manager.list():
                    self._followed.setdefault(job.id, _Followed(job.folder))
            if any(item.status is None or item.status.state == "queued" for item in self._followed.values()):
                self.manager.poll()
            self.manager.reap()
            return [view for item in self._followed.values() if (view := self._look(item, now)) is not None]

    def _look(self, item: _Followed, now: float) -> JobView | None:
        if item.status is not None and not item.status.active and item.folder.last is not None and item.folder.last.number == item.attempt:
            return None
        news = item.read()
        if news or item.status is None or item.ended or now - item.looked > _STATUS_EVERY:
            item.looked = now
            status = item.folder.status()
            news = news or status != item.status or status.state == "running"
            item.status = status
        return item.view() if news else None

    def call(self, function: Callable[[JobManager], Any]) -> Any:
        """Run `function(manager)` while nobody looks; the next poll looks at everything again."""
        with self._lock:
            value = function(self.manager)
            self._listed = 0.0
            for item in self._followed.values():
                item.looked = 0.0
                if item.status is not None and not item.status.active:
                    item.status = None
            return value


class Jobs(QObject):
    """The jobs of the open project."""

    changed = Signal(str)  # job id
    listed = Signal()  # a job appeared, or all of them belong to another project
    ended = Signal(str)  # a job that this window saw running has ended
    result_arrived = Signal(str)

    def __init__(self, dispatcher: Dispatcher, parent: QObject | None = None):
        super().__init__(parent)
        self.dispatcher = dispatcher
        self.views: dict[str, JobView] = {}
        self.results: dict[str, Result] = {}
        self._watcher: Watcher | None = None
        self._end: Callable[[], None] | None = None
        self._asked: set[str] = set()
        self._seen_all = False

    def follow(self, manager: JobManager | None) -> None:
        """Watch the jobs of another project; None watches nothing."""
        if self._end is not None:
            self._end()
        self._end, self._watcher = None, None
        self.views, self.results, self._asked, self._seen_all = {}, {}, set(), False
        self.listed.emit()
        if manager is not None:
            self._watcher = watcher = Watcher(manager)
            self._end = self.dispatcher.watch(watcher.poll, lambda views: self._receive(watcher, views), interval=0.1)

    @property
    def running(self) -> list[JobView]:
        """Jobs that still do or will do something."""
        return [view for view in self.views.values() if view.status.active]

    def _receive(self, watcher: Watcher, views: list[JobView]) -> None:
        if watcher is not self._watcher:
            return
        fresh = False
        # a job that this window saw running, or that came and ended between two looks
        live = {view.id for view in views if (view.id in self.views and self.views[view.id].status.active) or (self._seen_all and view.id not in self.views)}
        for view in views:
            before = self.views.get(view.id)
            self.views[view.id] = view
            fresh = fresh or before is None
            if before is not None and before.status.attempt != view.status.attempt:
                self.results.pop(view.id, None)
                self._asked.discard(view.id)
        if fresh:
            self.listed.emit()
        for view in views:
            self.changed.emit(view.id)
            if not view.status.active and view.id in live:
                self.ended.emit(view.id)
        self._seen_all = True

    # ---- actions -----------------------------------------------------------------------------------------------------------
    def start(self, spec: JobSpec, done: Callable[[str], None] | None = None) -> None:
        """Start a job; `done(job id)` once its folder is on the disk."""
        watcher = self._require()
        self.dispatcher.store(lambda: watcher.call(lambda manager: manager.start(spec).id), done=done)

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop after a checkpoint."""
        watcher = self._require()
        self.dispatcher.store(lambda: watcher.call(lambda manager: manager.job(job_id).cancel()))
        if job_id in self.views and self.views[job_id].status.active:
            view = self.views[job_id]
            self.views[job_id] = replace(view, lines=(*view.lines, "…"))
            self.changed.emit(job_id)

    def resume(self, job_id: str) -> None:
        """Continue an interrupted, cancelled or failed job from its last checkpoint."""
        watcher = self._require()
        self.dispatcher.store(lambda: watcher.call(lambda manager: manager.job(job_id).resume().id))

    def _require(self) -> Watcher:
        if self._watcher is None:
            from solvers.core.errors import StorageError

            from .translate import tr

            raise StorageError(tr("No project is open that could keep jobs."), hint=tr("Keep the project under a name with Ctrl+S."))
        return self._watcher

    def fetch(self, job_id: str) -> None:
        """Load the result of a finished job; `result_arrived` tells when it is there."""
        view = self.views.get(job_id)
        if view is None or job_id in self._asked:
            return
        self._asked.add(job_id)

        def arrived(result: Result) -> None:
            self.results[job_id] = result
            self.result_arrived.emit(job_id)

        def failed(error: BaseException) -> None:
            self._asked.discard(job_id)
            messages.post_error(error)

        self.dispatcher.run(JobFolder(view.path).result, done=arrived, failed=failed)

    def trajectory(self, job_id: str, done: Callable[[Any], None], failed: Callable[[BaseException], None] | None = None) -> None:
        """Load the frames of a job written so far."""
        view = self.views.get(job_id)
        if view is not None:
            self.dispatcher.run(JobFolder(view.path).trajectory, done=done, failed=failed, key=f"trajectory {job_id}")
