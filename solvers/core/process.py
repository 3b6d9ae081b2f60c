"""Child processes: the one place that spawns them, and identities that survive the death of whoever started them.

A process is named by pid, start time, boot and host: pids are reused, so a pid alone proves nothing.
"""
from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProcessId:
    """One process of one boot of one host. `start` is in the clock of the operating system (ticks since boot on Linux)."""

    pid: int
    start: float
    boot: str
    host: str

    @classmethod
    def of(cls, pid: int | None = None) -> ProcessId | None:
        """The identity of process `pid` (this one when None); None when there is no such process any more."""
        pid = os.getpid() if pid is None else pid
        start = _start(pid)
        return None if start is None else cls(pid, start, boot_id(), socket.gethostname())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProcessId:
        """What `to_dict` made; ValueError when the record is damaged."""
        try:
            return cls(int(data["pid"]), float(data["start"]), str(data["boot"]), str(data["host"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a process record: {data!r}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @property
    def alive(self) -> bool | None:
        """Whether the process still runs; None when it belongs to another host, where nobody here can tell."""
        if self.host != socket.gethostname():
            return None
        return self.boot == boot_id() and _start(self.pid) == self.start

    def signal(self, number: int) -> bool:
        """Send a signal to the whole session of this process; False when it is gone or elsewhere."""
        if not self.alive:
            return False
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True


@cache
def boot_id() -> str:
    """A text that changes with every boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil
        return f"{psutil.boot_time():.0f}"


def _start(pid: int) -> float | None:
    """Start time of a process that can still do something (a zombie cannot), None otherwise."""
    try:
        # the command name in parentheses may itself hold spaces and parentheses
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else float(fields[19])
    except (FileNotFoundError, ProcessLookupError):
        if os.path.isdir("/proc/self"):
            return None
    import psutil
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def spawn(argv: Sequence[str], *, folder: Path | str, environment: Mapping[str, str], stdin: Any = subprocess.DEVNULL, stdout: Any = subprocess.DEVNULL,
          stderr: Any = subprocess.DEVNULL) -> subprocess.Popen:
    """Start `argv` in its own session (a closing window or Ctrl-C in the shell does not reach it), with exactly this environment, inheriting no open file."""
    return subprocess.Popen(list(argv), cwd=str(folder), env=dict(environment), stdin=stdin, stdout=stdout, stderr=stderr,
                            start_new_session=True, close_fds=True)


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with PYTHONPATH reduced to this copy of the program, so that a child never imports from the user's folder."""
    from .paths import python_path
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME")}
    if python_path():
        environment["PYTHONPATH"] = python_path()
    return {**environment, "PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})}
