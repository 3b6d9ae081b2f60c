"""The exception tree, cut by *when* something fails.

::

    QcadError                    everything this program raises on purpose; `exit_code` is what the shell sees
    ├── SetupError        (2)    before anything ran: a parameter, a structure or a combination that cannot work
    │   ├── StructureError       overlapping atoms, singular cell, NaN …
    │   └── MissingError         a file, a plug-in, a library or a device that is not there
    ├── ReadError         (2)    a file that cannot be understood; names file, line and remedy
    ├── RunError          (1)    during the calculation
    │   ├── NonFiniteError       NaN or infinity appeared: never a result
    │   └── OutOfMemoryError     memory ran out; carries the estimate and advice
    ├── NotConvergedError (3)    only where a caller asked for a number and gets none; a job returns a flagged result instead
    ├── RefusedError      (3)    finished, but a quality gate does not let the number out; the reason in words
    ├── StorageError      (1)    disk full, read-only, locked by another window
    └── Cancelled         (130)  stopped on request after a checkpoint

Messages say what happened, the value, what is allowed and what to do. `hint` holds the last part on its own for the window.
"""
from __future__ import annotations

#: characters of a message: a damaged file can hold a value of a million, and somebody has to read the sentence
_LONGEST = 700


def _readable(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:200]} […] {text[-80:]}"


class QcadError(Exception):
    """Base of everything raised on purpose. Messages that quote something very long leave its middle out."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = ""):
        message = _readable(message)
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class SetupError(QcadError, ValueError):
    """Refused before anything ran."""

    exit_code = 2


class StructureError(SetupError):
    """A structure that no calculation can start from."""


class MissingError(SetupError):
    """A file, plug-in, library or device that is not there."""


class ReadError(QcadError, ValueError):
    """A file that cannot be understood."""

    exit_code = 2


class RunError(QcadError, RuntimeError):
    """Something failed during the calculation."""


class NonFiniteError(RunError):
    """NaN or infinity appeared."""


class OutOfMemoryError(RunError):
    """Memory ran out."""


class NotConvergedError(QcadError):
    """A number was asked for that an unconverged run cannot give."""

    exit_code = 3


class RefusedError(QcadError):
    """A quality gate refuses to let the number out."""

    exit_code = 3


class StorageError(QcadError, OSError):
    """The store cannot be written or is owned by somebody else."""


class Cancelled(QcadError):
    """Stopped on request after a checkpoint."""

    exit_code = 130
