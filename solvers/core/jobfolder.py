"""The job folder: layout, writers and readers. The folder is the truth about a job; everything else (status, tables) is derived from it.

::

    20261120-1118-si-scf-3f2a/
      spec.json                    what was asked; written once
      inputs.h5                    large structures and training frames, where there are any
      cancel                       somebody asked to stop (empty file); removed by a resume
      attempt-001/                 one folder per attempt: a worker that was declared dead and wakes up writes only into its own
        process.json               pid, start time, boot, host of the worker
        events.jsonl               one flushed line per step
        seg-000041.h5              sealed trajectory segments
        ckpt-a.h5 ckpt-b.h5        two checkpoint generations
        files/…                    files that belong to the result, e.g. a trained model
        result.h5                  renamed into place, then the event "finished" is logged
        stderr.txt                 whatever the worker said last
"""
from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from .errors import MissingError, ReadError, SetupError
from .fields import GridField
from .job import Event, JobSpec, Result, State
from .jobinputs import read_inputs, write_inputs
from .process import ProcessId
from .sealed import disk, plain, read_json, seal, storage_error, sweep, unseal, write_file
from .structure import Structure
from .trajectory import Trajectory

#: an attempt without a process record is a worker that is still starting, for so many seconds
STARTING = 30.0
ENDINGS = ("finished", "failed", "cancelled", "paused")
RESERVE = ".reserve"
_RESERVE_SIZE = 64 * 1024
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,100}")


@dataclass(frozen=True)
class Status:
    """Where a job stands.

    state: "queued", "starting", "running", "elsewhere" (another host; cannot be checked), "finished", "failed", "cancelled", "paused" (disk full),
    "interrupted" (the worker died). message: one or two sentences for people. step, progress: of the last logged step.
    """

    state: str
    message: str = ""
    attempt: int = 0
    step: int = 0
    progress: float | None = None
    exit_code: int | None = None

    @property
    def active(self) -> bool:
        """Whether something still happens or will happen."""
        return self.state in ("queued", "starting", "running", "elsewhere")

    @property
    def resumable(self) -> bool:
        """Whether resume() makes sense."""
        return self.state in ("cancelled", "paused", "interrupted", "failed")


@dataclass(frozen=True)
class Checkpoint:
    """State of a generator after step n, and how much of the log and of the trajectory it covers: attempt, seq, frames of that attempt."""

    state: State
    attempt: int
    n: int
    seq: int
    frames: int


class JobFolder:
    """One job on disk. Reading never writes; a folder in the making or damaged gives ReadError with the file's name."""

    def __init__(self, path: Path | str):
        self.path = Path(path)

    @classmethod
    def create(cls, root: Path, spec: JobSpec) -> JobFolder:
        """A new folder below `root` holding `spec`: date, what, task and four hex digits make its name. StorageError when it cannot be written."""
        root = Path(root)
        structure = next((value for value in spec.inputs.values() if isinstance(value, Structure)), None)
        words = [structure.formula if structure is not None else "", spec.task.rpartition(":")[2]]
        slug = re.sub(r"[^a-z0-9]+", "-", "-".join(word for word in words if word).lower()).strip("-")[:40]
        while True:
            path = root / f"{datetime.now(UTC):%Y%m%d-%H%M}-{slug or 'job'}-{secrets.token_hex(2)}"
            try:
                root.mkdir(parents=True, exist_ok=True)
                path.mkdir()
                break
            except FileExistsError:
                continue
            except OSError as error:
                raise storage_error(error, path) from error
        try:
            # spec.json last: a folder without it is no job
            write_file(path / "spec.json", json.dumps(write_inputs(path, spec), indent=1, allow_nan=False, ensure_ascii=False).encode())
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        disk.sync_folder(root)
        return cls(path)

    @property
    def id(self) -> str:
        """The folder's name."""
        # a worker sits inside its attempt and calls the job ".."
        return self.path.name if self.path.name not in ("", "..") else self.path.resolve().name

    @cached_property
    def spec(self) -> JobSpec:
        """What was asked."""
        return read_inputs(self.path, read_json(self.path / "spec.json"))

    @property
    def created(self) -> str:
        """UTC time of creation, ISO 8601 to the minute, from the folder's name."""
        match = re.match(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)-", self.id)
        return "{}-{}-{}T{}:{}Z".format(*match.groups()) if match else ""

    # ---- attempts -------------------------------------------------------------------------------------------------------
    def attempts(self) -> list[Attempt]:
        """Attempts in order."""
        return [Attempt(path) for path in sorted(self.path.glob("attempt-[0-9][0-9][0-9]")) if path.is_dir()]

    @property
    def last(self) -> Attempt | None:
        """The latest attempt."""
        attempts = self.attempts()
        return attempts[-1] if attempts else None

    def new_attempt(self) -> Attempt:
        """Make the next attempt's folder. SetupError when somebody else has just done so, StorageError when the disk refuses."""
        number = (self.last.number if self.last else 0) + 1
        path = self.path / f"attempt-{number:03d}"
        try:
            path.mkdir()
            disk.sync_folder(self.path)
        except FileExistsError:
            raise SetupError(f"Job {self.id} is being started by another process.", hint="Watch it instead.") from None
        except OSError as error:
            if path.is_dir():
                path.rmdir()  # an attempt without a worker would look like one that is starting
            raise storage_error(error, path) from error
        return Attempt(path)

    # ---- cancel ---------------------------------------------------------------------------------------------------------
    @property
    def cancel_requested(self) -> bool:
        """Whether the file `cancel` is there."""
        return (self.path / "cancel").exists()

    def request_cancel(self) -> None:
        """Ask the worker to stop after a checkpoint."""
        try:
            (self.path / "cancel").touch()
        except OSError as error:
            raise storage_error(error, self.path / "cancel") from error

    def withdraw_cancel(self) -> None:
        """Remove the file `cancel`."""
        (self.path / "cancel").unlink(missing_ok=True)

    # ---- derived --------------------------------------------------------------------------------------------------------
    def status(self) -> Status:
        """Where the job stands, from the folder alone."""
        attempt = self.last
        if attempt is None:
            return Status("cancelled", "Cancelled before it started.", exit_code=130) if self.cancel_requested else Status("queued")
        events = attempt.recent_events()
        step = next((event for event in reversed(events) if event.kind == "step"), None)
        where = {"attempt": attempt.number, "step": int(step.data["n"]) if step else 0, "progress": step.data.get("progress") if step else None}
        ending = next((event for event in reversed(events) if event.kind in ENDINGS), None)
        if ending is not None:
            return Status(ending.kind, str(ending.data.get("message", "")), exit_code=ending.data.get("exit_code"), **where)
        process = attempt.process
        alive = process.alive if process else attempt.age < STARTING
        if alive:
            return Status("running" if step or events else "starting", **where)
        if alive is None:
            return Status("elsewhere", f"Runs or ran on {process.host}; that cannot be checked from here.", **where)
        if (attempt.path / "result.h5").exists():  # killed between the rename and the log line: the rename is what counts
            result = attempt.result()
            return Status("finished", exit_code=result.exit_code, **where)
        if self.cancel_requested:
            return Status("cancelled", "Stopped before the next checkpoint.", exit_code=130, **where)
        tail = attempt.stderr_tail(5).strip()
        why = "The worker ended without saying why; it was killed, ran out of memory, or the computer stopped."
        return Status("interrupted", why + (f" Its last words: {tail}" if tail else ""), exit_code=1, **where)

    def lineage(self) -> list[tuple[Attempt, Mapping[str, Any] | None]]:
        """The attempts that make up the job's history, each with the mark (n, seq, frames) up to which it counts; None = to its end.

        An attempt that died before its first checkpoint is skipped, because its successor started where it had started.
        """
        attempts = {attempt.number: attempt for attempt in self.attempts()}
        chain: list[tuple[Attempt, Mapping[str, Any] | None]] = []
        attempt, mark = self.last, None
        while attempt is not None:
            chain.append((attempt, mark))
            mark = attempt.resumed
            attempt = attempts.get(int(mark["attempt"])) if mark else None
        return chain[::-1]

    def steps(self) -> list[Event]:
        """Step events of the whole history, none twice, in order."""
        out: list[Event] = []
        for attempt, mark in self.lineage():
            out += [event for event in attempt.events() if event.kind == "step" and (mark is None or event.seq <= mark["seq"])]
        return out

    def trajectory(self) -> Trajectory:
        """Every committed frame of the whole history, none twice."""
        parts = [(sorted(attempt.path.glob("seg-*.h5")), None if mark is None else int(mark["frames"])) for attempt, mark in self.lineage()]
        return Trajectory.from_parts(parts, name=self.id)

    def checkpoint(self) -> Checkpoint | None:
        """The newest good checkpoint of any attempt, None when there is none."""
        for attempt in reversed(self.attempts()):
            found = attempt.checkpoint()
            if found is not None:
                return found
        return None

    def result(self) -> Result:
        """The stored result. MissingError when the job has none."""
        for attempt in reversed(self.attempts()):
            if (attempt.path / "result.h5").exists():
                return attempt.result()
        raise MissingError(f"Job {self.id} has no result: it is {self.status().state}.", hint="Resume it, or look at its log.")


class Attempt:
    """One attempt of a job: what its worker wrote."""

    def __init__(self, path: Path | str, number: int | None = None):
        self.path = Path(path)
        self.number = int(self.path.name.rpartition("-")[2]) if number is None else number

    @property
    def age(self) -> float:
        """Seconds since the folder was made or changed."""
        return max(0.0, time.time() - self.path.stat().st_mtime)

    # ---- process ----------------------------------------------------------------------------------------------------------
    def claim(self) -> None:
        """Record this process as the attempt's worker. SetupError when another one has it."""
        identity = ProcessId.of()
        try:
            handle = os.open(self.path / "process.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            raise SetupError(f"{self.path} already has a worker.", hint="Resume the job to make a new attempt.") from None
        except OSError as error:
            raise storage_error(error, self.path / "process.json") from error
        try:
            os.write(handle, json.dumps(identity.to_dict()).encode())
        finally:
            os.close(handle)

    @property
    def process(self) -> ProcessId | None:
        """The worker; None when it has not said so yet, or died while saying it."""
        try:
            return ProcessId.from_dict(json.loads((self.path / "process.json").read_text()))
        except (OSError, ValueError):
            return None

    def stderr_tail(self, lines: int = 20) -> str:
        """The last lines of stderr."""
        try:
            with open(self.path / "stderr.txt", "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 16384))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    # ---- events -----------------------------------------------------------------------------------------------------------
    def events(self, after: int = 0) -> list[Event]:
        """Events with seq > `after`; a torn last line is left out, it will be complete or repeated later."""
        try:
            data = (self.path / "events.jsonl").read_bytes()
        except FileNotFoundError:
            return []
        return parse_events(data, after)[0]

    def recent_events(self) -> list[Event]:
        """The last events: at least one where there is any. A log of millions of steps is not read through for a status."""
        chunk = 1 << 16
        try:
            with open(self.path / "events.jsonl", "rb") as file:
                size = os.fstat(file.fileno()).st_size
                while True:
                    file.seek(max(0, size - chunk))
                    events, _ = parse_events(file.read())
                    if events or chunk >= size:
                        return events
                    chunk *= 4
        except FileNotFoundError:
            return []

    @property
    def resumed(self) -> Mapping[str, Any] | None:
        """The checkpoint mark this attempt started from; None when it started from the beginning."""
        try:
            with open(self.path / "events.jsonl", "rb") as file:
                first, _ = parse_events(file.readline())
        except FileNotFoundError:
            first = []
        return first[0].data.get("resumed") if first and first[0].kind == "started" else self._planned()

    def _planned(self) -> Mapping[str, Any] | None:
        # a worker that died before its first line: the history is that of the attempt before
        before = [item for item in JobFolder(self.path.parent).attempts() if item.number < self.number]
        for item in reversed(before):
            found = item.checkpoint()
            if found is not None:
                return {"attempt": found.attempt, "n": found.n, "seq": found.seq, "frames": found.frames}
        return None

    def sweep(self) -> None:
        """Remove what a killed worker left half-written; only for attempts whose worker is gone."""
        sweep(self.path, older_than=0.0)
        (self.path / RESERVE).unlink(missing_ok=True)

    # ---- checkpoints ------------------------------------------------------------------------------------------------------
    def write_checkpoint(self, generation: int, checkpoint: Checkpoint) -> None:
        """Seal `checkpoint` over the older one of the two generations."""
        meta = {"attempt": checkpoint.attempt, "n": checkpoint.n, "seq": checkpoint.seq, "frames": checkpoint.frames, "generation": generation}
        seal(self.path / f"ckpt-{'ab'[generation % 2]}.h5", checkpoint.state, meta)

    def checkpoint(self) -> Checkpoint | None:
        """The newer of the two generations that reads well, None when neither does."""
        found = []
        for name in ("ckpt-a.h5", "ckpt-b.h5"):
            if (self.path / name).exists():
                try:
                    state, meta = unseal(self.path / name)
                    found.append((int(meta["generation"]), Checkpoint(state, int(meta["attempt"]), int(meta["n"]), int(meta["seq"]), int(meta["frames"]))))
                except (ReadError, KeyError):  # that is what the other generation is for
                    continue
        return max(found, key=lambda item: item[0])[1] if found else None

    # ---- result -----------------------------------------------------------------------------------------------------------
    def write_result(self, result: Result) -> None:
        """Seal the result; its files first, so that a result that is there is whole."""
        for name, content in result.files.items():
            if not _FILE_NAME.fullmatch(name):
                raise SetupError(f"A result file is called {name!r}.", hint="Allowed: letters, digits, dot, dash, underscore.")
            (self.path / "files").mkdir(exist_ok=True)
            write_file(self.path / "files" / name, content)
        arrays = {f"value:{name}": value for name, value in result.values.items()}
        fields = {}
        for name, field in result.fields.items():
            arrays |= {f"field:{name}": field.values, f"fieldcell:{name}": field.cell}
            fields[name] = {"unit": field.unit, "name": field.name, "origin": list(field.origin)}
        structure = result.structure.to_dict() if result.structure is not None else None
        meta = {"converged": bool(result.converged), "refused": result.refused, "warnings": list(result.warnings), "settings": plain(result.settings),
                "fields": fields, "material": plain(result.material), "structure": structure, "files": sorted(result.files)}
        seal(self.path / "result.h5", arrays, meta)

    def result(self) -> Result:
        """The result. ReadError when it is damaged."""
        arrays, meta = unseal(self.path / "result.h5")
        try:
            fields = {name: GridField(arrays[f"field:{name}"], arrays[f"fieldcell:{name}"], item["unit"], item["name"], tuple(item["origin"]))
                      for name, item in meta["fields"].items()}
            values = {name[6:]: value for name, value in arrays.items() if name.startswith("value:")}
            structure = Structure.from_dict(meta["structure"]) if meta["structure"] else None
            files = {name: (self.path / "files" / name).read_bytes() for name in meta["files"] if _FILE_NAME.fullmatch(name)}
            return Result(values, meta["converged"], structure, fields, meta["material"], meta["refused"], tuple(meta["warnings"]), meta["settings"], files)
        except (KeyError, TypeError, OSError) as error:
            raise ReadError(f"{self.path / 'result.h5'} is incomplete: {error!r}.", hint="Run the job again.") from error


class EventLog:
    """Writer of events.jsonl: one line per event, handed to the operating system at once; `sync` makes it durable.

    A small reserve file lets the last words through when the disk is full.
    """

    def __init__(self, folder: Path):
        self.path = Path(folder) / "events.jsonl"
        self._reserve = Path(folder) / RESERVE
        self.seq = 0
        try:
            self._reserve.write_bytes(os.urandom(_RESERVE_SIZE))
            self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def write(self, kind: str, /, *, durable: bool = False, **data: Any) -> Event:
        """Log an event. StorageError when the disk refuses."""
        event = Event(self.seq + 1, kind, time.time(), plain(data))
        line = json.dumps({"seq": event.seq, "kind": kind, "time": event.time, "data": event.data}, allow_nan=False, ensure_ascii=False) + "\n"
        try:
            disk.append(self._handle, line.encode())
            if durable:
                disk.sync(self._handle)
        except OSError as error:
            raise storage_error(error, self.path, len(line)) from error
        self.seq += 1
        return event

    def last_words(self, kind: str, /, **data: Any) -> None:
        """Log how the attempt ended, giving up the reserve if that is what it takes. A newline first closes a torn line."""
        try:
            self.write(kind, durable=True, **data)
        except OSError:
            self._reserve.unlink(missing_ok=True)
            disk.append(self._handle, b"\n")
            self.write(kind, durable=True, **data)

    def close(self) -> None:
        """Close the log and drop the reserve."""
        os.close(self._handle)
        self._reserve.unlink(missing_ok=True)


def parse_events(data: bytes, after: int = 0) -> tuple[list[Event], int]:
    """Events with seq > `after` in `data`, and how many bytes of `data` were complete lines. Lines that are not events are passed over."""
    end = data.rfind(b"\n") + 1
    events = []
    for line in data[:end].splitlines():
        try:
            item = json.loads(line)
            event = Event(int(item["seq"]), str(item["kind"]), float(item["time"]), item["data"])
        except (ValueError, KeyError, TypeError):  # a line torn by a full disk
            continue
        if event.seq > after:
            events.append(event)
    return events, end
