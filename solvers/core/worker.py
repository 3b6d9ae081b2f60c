"""The worker process: runs one attempt of one job. ``python -P -m solvers.core.worker JOB/attempt-001``

It alone decides what is written and when: an event per step, frames into sealed segments, a checkpoint when one is due, the result, then "finished".
Tasks are looked up by name in the module that QCAD_TASKS names (`solvers.tasks` unless the parent process says otherwise); a spec, which is data and may
come from somebody else, can only choose among those.
"""
from __future__ import annotations

import faulthandler
import importlib
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .calculators import CalculatorSpec
from .device import ran_out
from .errors import Cancelled, NonFiniteError, OutOfMemoryError, QcadError, SetupError, StorageError
from .job import JobSpec, Result, Step
from .jobfolder import Attempt, Checkpoint, EventLog, JobFolder
from .sealed import is_full
from .trajectory import TrajectoryWriter

#: seconds between checkpoints of quick steps: at least this, at most that; the share of the run time they may cost, and the share of it that lies between two
CHECKPOINT_AT_LEAST, CHECKPOINT_AT_MOST, CHECKPOINT_SHARE, CHECKPOINT_SPACING = 1.0, 60.0, 0.02, 0.01


@dataclass
class Pace:
    """Decides when a checkpoint is due. After every step that took fifty times as long as writing one, so that a kill costs no more than the step under way;
    between quicker steps every second at first, rarer as the run gets older or writing costs more than 2 %, but every minute at least."""

    interval: float | None = None  # fixed by QCAD_CHECKPOINT_SECONDS; None = adaptive
    begun: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    cost: float = 0.0

    def due(self) -> bool:
        """Whether it is time; asked once after every step."""
        now = time.monotonic()
        step, self.told = now - self.told, now
        wait = min(max(CHECKPOINT_AT_LEAST, self.cost / CHECKPOINT_SHARE, CHECKPOINT_SPACING * (now - self.begun)), CHECKPOINT_AT_MOST)
        slow = self.interval is None and 0.0 < self.cost <= CHECKPOINT_SHARE * step
        return slow or now - self.last >= (wait if self.interval is None else self.interval)

    def done(self, cost: float) -> None:
        """A checkpoint that took `cost` seconds was written."""
        self.cost, self.last = cost, time.monotonic()
        self.told = self.last


class Worker:
    """One attempt from its claim to its last event."""

    def __init__(self, attempt: Attempt):
        self.attempt = attempt
        self.job = JobFolder(attempt.path / "..")
        self.log = EventLog(attempt.path)
        self.frames = TrajectoryWriter(attempt.path, seconds=float(os.environ.get("QCAD_SEGMENT_SECONDS", "5")))
        text = os.environ.get("QCAD_CHECKPOINT_SECONDS", "")
        self.pace = Pace(float(text) if text else None)
        self.generation = 0
        self.terminated = 0

    def run(self) -> int:
        """Run to an ending; returns the exit code. Every way out leaves an event, unless the process is killed."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            result = self._steps()
        except Cancelled as stop:
            return self._end("cancelled", stop.exit_code, message=stop.message)
        except BaseException as error:  # the last frame of the process: whatever it was, it is logged and answered with an exit code
            return self._failed(error)
        summary = {name: value.item() for name, value in result.values.items() if value.size == 1 and value.dtype.kind in "biuf"}
        message = result.refused or ("" if result.converged else "Finished, but not converged.")
        return self._end("finished", result.exit_code, message=message, converged=result.converged, refused=result.refused,
                         warnings=list(result.warnings), values=summary)

    # ---- the way through -----------------------------------------------------------------------------------------------------
    def _steps(self) -> Result:
        from .. import __version__
        spec = self.job.spec
        checkpoint = self.job.checkpoint()
        resumed = None if checkpoint is None else {"attempt": checkpoint.attempt, "n": checkpoint.n, "seq": checkpoint.seq, "frames": checkpoint.frames}
        self.log.write("started", durable=True, task=spec.task, title=spec.title, attempt=self.attempt.number, resumed=resumed, version=__version__,
                       threads=os.environ.get("QCAD_THREADS", ""), pid=os.getpid())
        task = importlib.import_module(os.environ.get("QCAD_TASKS", "solvers.tasks")).get(spec.task)
        params, inputs = prepare(task.params_class(), spec)
        if self.job.cancel_requested:
            raise Cancelled("Stopped on request before the first step.", hint="Resume starts it.")
        steps = task.run(params, inputs, resume=checkpoint.state if checkpoint else None)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                result = stop.value
                break
            self._take(step)
            if self.terminated or self.job.cancel_requested:
                self._checkpoint(step)
                steps.close()
                why = f"Stopped by signal {self.terminated}" if self.terminated else "Stopped on request"
                raise Cancelled(f"{why} after step {step.n}.", hint="Resume continues from here.")
            if self.pace.due():
                self._checkpoint(step)
        if not isinstance(result, Result):
            raise SetupError(f"Task {spec.task!r} returned {type(result).__name__} instead of a Result.", hint="This is an error in the task.")
        result = result.signed(self.job.path.resolve().name)  # the worker sees its folder by a relative name
        self.frames.flush()
        self.attempt.write_result(result)
        return result

    def _take(self, step: Step) -> None:
        values = {name: float(value) for name, value in step.values.items()}
        bad = {name: value for name, value in values.items() if not math.isfinite(value)}
        if bad:
            raise NonFiniteError(f"Step {step.n} of {step.kind} reports {', '.join(f'{name} = {value}' for name, value in bad.items())}.",
                                 hint="Nothing after this step can be trusted; the frames before it are kept.")
        frame = None
        if step.frame is not None:
            frame = len(self.frames)
            self.frames.append(step.frame, step.n, values)
        data = {"kind": step.kind, "n": int(step.n), "values": values, "text": step.text, "progress": step.progress, "frame": frame}
        self.log.write("step", **{name: value for name, value in data.items() if value not in (None, "")})

    def _checkpoint(self, step: Step) -> None:
        """Commit frames first, then the state that refers to them. A step without `state` cannot be resumed from and is passed over."""
        if step.state is None:
            return
        start = time.monotonic()
        self.frames.flush()
        self.attempt.write_checkpoint(self.generation, Checkpoint(step.state(), self.attempt.number, int(step.n), self.log.seq, self.frames.committed))
        self.generation += 1
        self.pace.done(time.monotonic() - start)
        self.log.write("checkpoint", durable=True, n=int(step.n))

    # ---- the ways out ----------------------------------------------------------------------------------------------------------
    def _on_signal(self, number: int, frame: Any) -> None:
        self.terminated = number

    def _failed(self, error: BaseException) -> int:
        text = "".join(traceback.format_exception(error))
        print(text, file=sys.stderr, flush=True)
        explained = explain(error)
        try:
            self.frames.flush()  # the good frames before the failure
        except (QcadError, MemoryError):
            pass  # the failure itself is what must be told
        kind = "paused" if is_full(error) else "failed"
        return self._end(kind, explained.exit_code, message=str(explained), error=type(explained).__name__, hint=explained.hint, traceback=text)

    def _end(self, kind: str, code: int, /, **data: Any) -> int:
        try:
            self.log.last_words(kind, exit_code=code, **data)
            self.log.close()
        except OSError as error:
            print(f"the end of this job ({kind}: {data.get('message', '')}) could not be logged: {error}", file=sys.stderr, flush=True)
            return 1
        return code


def prepare(params_class: type, spec: JobSpec) -> tuple[Any, dict[str, Any]]:
    """(params, inputs) of a task; the job's device goes to every params class that has a `device` and was given none."""
    from . import registry
    from .params import from_dict

    def with_device(cls: type | None, values: Mapping[str, Any]) -> dict[str, Any]:
        takes = cls is not None and any(item.name == "device" for item in fields(cls))
        return {**({"device": spec.device} if takes and spec.device != "auto" else {}), **values}

    inputs = {}
    for name, value in spec.inputs.items():
        if isinstance(value, CalculatorSpec):
            value = CalculatorSpec(value.name, with_device(registry.get("calculator", value.name).params_class(), value.params), value.files)
        inputs[name] = value
    return from_dict(params_class, with_device(params_class, spec.params)), inputs


def explain(error: BaseException) -> QcadError:
    """`error` as one of ours: memory that ran out gets advice, a failure of the disk its sentence, anything else its type and text."""
    from .errors import RunError
    from .sealed import storage_error
    name = type(error).__name__
    if isinstance(error, QcadError):
        return error
    where = ran_out(error)
    if where == "cpu":
        return OutOfMemoryError("Main memory ran out.", hint="Use fewer k-points, bands or atoms, a lower cutoff, or a computer with more memory; then resume. "
                                f"What failed: {str(error).strip().splitlines()[-1][-200:] if str(error).strip() else name}.")
    if where == "cuda":
        return OutOfMemoryError(f"The memory of the graphics card ran out ({str(error).splitlines()[0][:200]}).",
                                hint="Run on the CPU (--device cpu), or make the problem smaller; then resume.")
    if is_full(error):
        return storage_error(error, Path(error.filename or "a file"))
    if isinstance(error, RecursionError | KeyboardInterrupt | SystemExit):
        return RunError(f"The calculation was broken off: {name} {error}.", hint="Resume continues from the last checkpoint.")
    return RunError(f"The calculation failed: {name}: {error}.", hint="The traceback is in the job's log.")


def main(argv: list[str] | None = None) -> int:
    """Run the attempt whose folder is the only argument."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1 or not (Path(arguments[0]) / "..").resolve().joinpath("spec.json").is_file():
        print("usage: python -P -m solvers.core.worker JOB/attempt-001", file=sys.stderr)
        return 2
    faulthandler.enable()
    folder = Path(arguments[0]).resolve()
    # from inside and by relative names, so that the project can be renamed while its jobs run
    os.chdir(folder)
    attempt = Attempt(Path("."), Attempt(folder).number)
    try:
        attempt.claim()
        niceness = int(os.environ.get("QCAD_NICE", "0") or 0)
        if niceness and hasattr(os, "nice"):
            os.nice(niceness)
        worker = Worker(attempt)
    except (SetupError, StorageError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return worker.run()


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)  # everything is on the disk; the libraries' own farewells are slow and sometimes crash
