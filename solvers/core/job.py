"""Vocabulary of jobs: what a generator yields (`Step`), what it returns (`Result`), what starts it (`JobSpec`), what the log holds (`Event`).

A task is a generator ``run(params, inputs, *, resume=None) -> Iterator[Step]`` whose return value is a `Result`. It touches no files; the
worker decides when to call `Step.state` and what to write. `resume` is the dict of arrays that `state()` of an earlier step returned, and a
resumed generator continues with step n+1. The job folder's layout and its readers are in `jobfolder.py`.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .errors import NonFiniteError, SetupError
from .fields import GridField
from .properties import known
from .structure import Structure

if TYPE_CHECKING:
    from ase import Atoms

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Step:
    """One step of a long computation.

    kind: "scf", "relax", "md", "elastic", "train", "note" …; n counts from 1 within the job; values: scalars to plot (units as in
    `core/properties.py`, or with a suffix like `energy_error_ev`); frame: the structure at this step where there is one (its forces, energy in
    a SinglePointCalculator); state: makes the arrays that `resume` needs; text: one line in plain words (fallbacks, progress);
    progress: 0 to 1 where it can be estimated, else None.
    """

    kind: str
    n: int
    values: Mapping[str, float] = field(default_factory=dict)
    frame: Atoms | None = None
    state: Callable[[], State] | None = None
    text: str = ""
    progress: float | None = None


@dataclass(frozen=True)
class Result:
    """What a task returns: property name -> array (names from `core/properties.py` only), and the nouns it made.

    converged=False is a result with history, not an error. `refused` holds a quality gate's reason in words (exit 3). NaN raises NonFiniteError.
    `material` is `Material.to_dict()`; `settings` records everything needed to repeat the run; `warnings` are sentences for people.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    converged: bool = True
    structure: Structure | None = None
    fields: Mapping[str, GridField] = field(default_factory=dict)
    material: Mapping[str, Any] | None = None
    refused: str = ""
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)  # name -> content, e.g. a trained model; stored beside result.h5

    def __post_init__(self):
        values = {}
        for name, value in self.values.items():
            known(name)
            array = np.array(value)
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                raise NonFiniteError(f"Result {name!r} contains {'NaN' if np.isnan(array).any() else 'infinity'}.",
                                     hint="This is a failed calculation, not a result.")
            values[name] = array
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "warnings", tuple(self.warnings))

    def signed(self, run_id: str) -> Result:
        """The same result whose material names the run it came from: a number in a deck leads back to its job."""
        if self.material is None:
            return self
        origin = dict(self.material.get("provenance", {}))
        return replace(self, material={**self.material, "provenance": {**origin, "run_ids": [*origin.get("run_ids", []), run_id]}})

    @property
    def exit_code(self) -> int:
        """0 done, 3 finished but not converged or refused."""
        return 0 if self.converged and not self.refused else 3


@dataclass(frozen=True)
class JobSpec:
    """What starts a job: task name, plain params, inputs by name (Structure, CalculatorSpec, or another plain value), title, device, threads."""

    task: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    device: str = "auto"
    threads: int | None = None
    parent: str = ""  # node id in the project

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` restores an equal spec."""
        return {"task": self.task, "params": dict(self.params), "inputs": {name: _pack(value) for name, value in self.inputs.items()}, "title": self.title,
                "device": self.device, "threads": self.threads, "parent": self.parent}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobSpec:
        """The spec that `to_dict` wrote."""
        if "task" not in data:
            raise SetupError("This is not a job: it names no task.", hint="spec.json must hold 'task', 'params', 'inputs'.")
        return cls(data["task"], data.get("params", {}), {name: _unpack(value) for name, value in data.get("inputs", {}).items()}, data.get("title", ""),
                   data.get("device", "auto"), data.get("threads"), data.get("parent", ""))


@dataclass(frozen=True)
class Event:
    """One line of events.jsonl: kind "started", "step", "checkpoint", "note", "warning", "finished", "failed", "cancelled" or "paused".

    seq counts from 1 per attempt; time is UTC seconds.
    """

    seq: int
    kind: str
    time: float
    data: Mapping[str, Any] = field(default_factory=dict)


class Run(Protocol):
    """The signature of every task's generator."""

    def __call__(self, params: Any, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]: ...


def drain(steps: Iterator[Step], watch: Callable[[Step], None] | None = None) -> Result:
    """Run a task's generator to its end in this process and return its Result."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value
        if any(not math.isfinite(value) for value in step.values.values()):
            raise NonFiniteError(f"Step {step.n} of {step.kind} reports {dict(step.values)}.", hint="Nothing after this step can be trusted.")
        if watch is not None:
            watch(step)


def _pack(value: Any) -> Any:
    from .calculators import CalculatorSpec
    if isinstance(value, Structure):
        return {"$structure": value.to_dict()}
    if isinstance(value, CalculatorSpec):
        return {"$calculator": value.to_dict()}
    if isinstance(value, (list, tuple)):
        return [_pack(item) for item in value]
    return value


def _unpack(value: Any) -> Any:
    from .calculators import CalculatorSpec
    if isinstance(value, Mapping) and "$structure" in value:
        return Structure.from_dict(value["$structure"])
    if isinstance(value, Mapping) and "$calculator" in value:
        return CalculatorSpec.coerce(value["$calculator"])
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    return value
