"""Who owns a project: one file naming user, process, start time, boot and host. Everybody else reads only.

A lock is stale when its process is provably gone: same host, and either another boot or no process with that pid and start time. A lock of another host
cannot be judged from here and is respected until somebody says otherwise.
"""
from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .process import ProcessId
from .sealed import storage_error, write_file


@dataclass(frozen=True)
class Owner:
    """The process that owns a project, and what it calls itself."""

    process: ProcessId
    user: str
    program: str

    def __str__(self) -> str:
        return f"{self.program} of {self.user}, process {self.process.pid} on {self.process.host}"


class Lock:
    """The file `lock` in `folder`."""

    def __init__(self, folder: Path):
        self.path = Path(folder) / "lock"
        self.held = False
        self._content = b""

    def owner(self) -> Owner | None:
        """Who holds the lock now; None when nobody does, or its holder is provably gone."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            owner = Owner(ProcessId.from_dict(data["process"]), str(data["user"]), str(data["program"]))
        except (OSError, ValueError, KeyError, TypeError):  # absent or damaged: it names nobody
            return None
        return None if owner.process.alive is False else owner

    def acquire(self, program: str, *, take_over: bool = False) -> Owner | None:
        """Take the lock: None when it is ours now, else its owner. StorageError when the folder is read-only or full.

        take_over=True ignores a living owner; only for people who know that it is gone.
        """
        content = json.dumps({"process": ProcessId.of().to_dict(), "user": _user(), "program": program}).encode()
        with self._guard():
            owner = self.owner()
            if owner is not None and not take_over:
                return owner
            write_file(self.path, content)
            self._content, self.held = content, True
        return None

    def release(self) -> None:
        """Give the lock back if it is still ours."""
        if not self.held:
            return
        self.held = False
        with self._guard():
            if self.path.exists() and self.path.read_bytes() == self._content:
                self.path.unlink()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Between looking at the lock and replacing it nobody else may do the same; the operating system lets go of this when a process dies."""
        path = self.path.with_name(".guard")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise storage_error(error, self.path) from error
        try:
            try:
                import fcntl
                fcntl.flock(handle, fcntl.LOCK_EX)
            except (ImportError, OSError):  # no such call here: two programs started within the same millisecond could both win
                pass
            yield
        finally:
            os.close(handle)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return str(os.getuid()) if hasattr(os, "getuid") else "?"
