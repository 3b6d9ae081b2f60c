"""What a calculation will take, in words, before it starts. The figures come from the engine; this only phrases them."""
from __future__ import annotations

from dataclasses import dataclass

from solvers.core.job import JobSpec

from .translate import tr


@dataclass(frozen=True)
class Estimate:
    """Sentences for people, and a warning where the machine is too small."""

    lines: tuple[str, ...]
    warning: str = ""


def estimate(spec: JobSpec) -> Estimate:
    """The estimate for `spec` (pure; pool). Raises the same errors as the job would for input that cannot work."""
    raise NotImplementedError
