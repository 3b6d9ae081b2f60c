"""Runs a program and measures it from outside: lines with the time they came, wall and CPU seconds, peak memory of its ranks. Linux."""
from __future__ import annotations

import contextlib
import os
import resource
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import MissingError, RunError

_SAMPLE = 0.05  # s between looks at the memory
_LAUNCHERS = ("mpirun", "mpiexec", "orted", "prterun", "prted", "sh", "bash")


class Overtime(RunError):
    """A program was stopped because it took longer than it was allowed."""


@dataclass(frozen=True)
class Measured:
    """lines: (seconds since the start, text); wall and cpu seconds (all ranks, launcher included); peak_rss: sum over ranks of each one's peak, bytes."""

    lines: tuple[tuple[float, str], ...]
    wall: float
    cpu: float
    peak_rss: int


def measure(argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, *, time_limit: float = 7200.0) -> Measured:
    """Run argv in `folder` to its end. RunError when it fails, Overtime when it takes longer than `time_limit` (s); then it and what it started are stopped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    try:
        child = subprocess.Popen(list(argv), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
    except FileNotFoundError as error:
        raise MissingError(f"{argv[0]} is not installed.", hint="Install it, or leave this peer out.") from error
    lines, peaks, rest = [], {}, b""
    with child, selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        open_ended = True
        while open_ended:
            if time.perf_counter() - started > time_limit:
                _stop(child.pid)
                raise Overtime(f"{argv[0]} was stopped after {time_limit:g} s.", hint="Choose a smaller case.")
            ready = selector.select(_SAMPLE)
            _look(child.pid, peaks)
            if ready:
                block = os.read(child.stdout.fileno(), 65536)
                open_ended = bool(block)
                *whole, rest = (rest + block).split(b"\n")
                now = time.perf_counter() - started
                lines += [(now, line.decode("utf-8", "replace")) for line in whole]
        status = child.wait()
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise RunError(f"{' '.join(argv)} ended with status {status}: " + " | ".join(text for _, text in lines[-8:]),
                       hint="Run it by hand in a folder of its own.")
    return Measured(tuple(lines), wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, sum(peaks.values()))


def _stop(pid: int) -> None:
    """End a process and all that it started: the ranks of a launcher that is killed may compute on."""
    import psutil
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()


def _look(pid: int, peaks: dict[int, int]) -> None:
    """Note the largest memory so far of every process of a tree that is not a launcher."""
    import psutil
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return
    for member in family:
        try:
            if member.name() not in _LAUNCHERS:
                peaks[member.pid] = max(peaks.get(member.pid, 0), high_water(member.pid))
        except psutil.Error:
            continue  # it ended between the two looks


def high_water(pid: int | str = "self") -> int:
    """Peak resident memory of a living process in bytes, 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in text.splitlines() if line.startswith("VmHWM")]
    return 1024 * int(found[0]) if found else 0
