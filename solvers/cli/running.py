"""Start a job the way the window does, show its progress on stderr, honour Ctrl-C, and hand back its Result."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from ..core.errors import Cancelled, RunError
from ..core.job import JobSpec, Result
from ..core.jobs import JobManager
from .flags import say

_INTERESTING = (
    "free_energy",
    "energy",
    "residual",
    "energy_error",
    "max_force",
    "max_stress",
    "temperature",
    "total_energy",
    "conserved",
    "strain",
    "force_rmse",
)


def jobs_root(project: Path | None) -> Path:
    """The folder that holds the jobs: the project's, or the user's own."""
    from ..core.paths import user_data

    if project is None:
        return user_data() / "jobs"
    from ..core.project import Project

    return Project.jobs_folder(project)


def run_job(spec: JobSpec, project: Path | None, *, quiet: bool = False):
    """Start `spec`, follow it to the end; returns (job, Result). Ctrl-C cancels after a checkpoint and raises Cancelled."""
    manager = JobManager(jobs_root(project))
    job = manager.start(spec)
    say(f"job {job.id} in {job.path}")
    if job.status.state == "queued":
        say(waiting(job, manager))
    return job, follow(job, quiet=quiet)


def waiting(job, manager: JobManager) -> str:
    """What a queued job waits for: a detached worker can hold the device long after its command has gone."""
    busy = [other.id for other in manager.list() if other.id != job.id and other.status.state in ("starting", "running")]
    project = job.path.parent.parent
    where = f" --project {shlex.quote(str(project))}" if project.suffix == ".qcad" else ""
    return f"waiting for {', '.join(busy) or 'a free place'} to end; `qcad jobs cancel ID{where}` stops a job"


def resume_hint(job) -> str:
    """The command that continues `job`, with its project when it lives in one."""
    project = job.path.parent.parent
    return f"`qcad jobs resume {job.id}{f' --project {shlex.quote(str(project))}' if project.suffix == '.qcad' else ''}` continues it."


def follow(job, *, quiet: bool = False) -> Result:
    """Show a running job's steps until it ends; returns its Result or raises what it failed with."""
    live = sys.stderr.isatty() and not quiet
    started, last = time.monotonic(), 0.0
    try:
        for event in job.tail():
            now = time.monotonic()
            if event.kind == "step":
                data = dict(event.data)
                values = data.get("values", {})
                line = " ".join(
                    [f"{data.get('kind', 'step')} {data.get('n', '')}:"]
                    + [f"{name} {values[name]:.8g}" for name in _INTERESTING if name in values]
                    + ([data["text"]] if data.get("text") else [])
                )
                if data.get("progress") is not None:
                    line = f"[{100 * data['progress']:3.0f} %] " + line
                if data.get("text") or live or now - last > 2.0:
                    say(f"{now - started:7.1f} s  {line}")
                    last = now
            elif event.kind in ("note", "warning"):
                say(f"{now - started:7.1f} s  {event.kind}: {event.data.get('text', '')}")
    except KeyboardInterrupt:
        say("stopping after the next checkpoint …")
        job.cancel()
        job.wait(timeout=120)
        raise Cancelled(f"Job {job.id} was stopped after a checkpoint.", hint=resume_hint(job)) from None
    status = job.status
    if status.state == "cancelled":
        raise Cancelled(f"Job {job.id} was cancelled.", hint=resume_hint(job))
    if status.state == "interrupted":
        raise RunError(f"Job {job.id} was interrupted. {status.message}", hint=resume_hint(job))
    return job.result()


def wall_seconds(job) -> float:
    """Seconds from the first start to the end of the latest attempt, as logged."""
    events = job.events()
    return events[-1].time - events[0].time if events else 0.0
