"""Tasks that the tests of jobs run in real workers. The worker finds this module because the manager that starts it names it."""
from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass

import numpy as np

from solvers.core.job import Result, Step
from solvers.core.params import check, param


@dataclass(frozen=True)
class Params:
    """steps, seconds per step, and the step at which something happens."""

    steps: int = param(20, low=1)
    pause: float = param(0.0, unit="s", low=0)
    at: int = param(0, low=0)

    def __post_init__(self):
        check(self)


def walk(params, inputs, resume, event=None):
    """A chaotic map with random kicks: every bit of the state matters for the end."""
    atoms = inputs["structure"].to_atoms()
    random = np.random.default_rng(7)
    x, first = atoms.positions.copy(), 1
    if resume is not None:
        x, first = resume["x"].copy(), int(resume["n"]) + 1
        random.bit_generator.state = {**random.bit_generator.state, "state": {"state": from_words(resume["rng"][:4]), "inc": from_words(resume["rng"][4:])}}
    for n in range(first, params.steps + 1):
        x = np.sin(3.0 * x) + 0.1 * random.random(x.shape)
        time.sleep(params.pause)
        if event is not None and n == params.at:
            event(n)
        atoms.positions[:] = x
        words = random.bit_generator.state["state"]
        rng = np.concatenate([to_words(words["state"]), to_words(words["inc"])])
        state = {"x": x.copy(), "n": np.array(n), "rng": rng}
        yield Step("walk", n, {"energy": float(x.sum())}, atoms.copy(), lambda state=state: state, progress=n / params.steps)
    return Result({"positions": x, "energy": float(x.sum())}, converged=True, structure=inputs["structure"].with_(positions=x),
                  material={"name": "toy", "provenance": {"run_ids": ["before"]}}, files={"model.txt": b"weights"})


def to_words(number: int) -> np.ndarray:
    return np.array([(number >> (32 * k)) & 0xFFFFFFFF for k in range(4)], np.uint32)


def from_words(words: np.ndarray) -> int:
    return sum(int(word) << (32 * k) for k, word in enumerate(words))


def count(params, inputs, *, resume=None):
    return (yield from walk(params, inputs, resume))


def kill(params, inputs, *, resume=None):
    """Kills its own process at step `at` of the first attempt."""
    return (yield from walk(params, inputs, resume, lambda n: os.kill(os.getpid(), signal.SIGKILL) if os.getcwd().endswith("attempt-001") else None))


def nan(params, inputs, *, resume=None):
    for step in count(params, inputs, resume=resume):
        if step.n == params.at:
            step = Step(step.kind, step.n, {"energy": float("nan")})
        yield step
    return Result({"energy": 1.0})


def nan_frame(params, inputs, *, resume=None):
    for step in count(params, inputs, resume=resume):
        if step.n == params.at:
            step.frame.positions[1, 2] = np.inf
        yield step
    return Result({"energy": 1.0})


def memory(params, inputs, *, resume=None):
    def event(n):
        raise MemoryError
    return (yield from walk(params, inputs, resume, event))


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


def gpu_memory(params, inputs, *, resume=None):
    def event(n):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    return (yield from walk(params, inputs, resume, event))


def error(params, inputs, *, resume=None):
    def event(n):
        from solvers.core.errors import SetupError
        print("some last words", file=sys.stderr)
        raise SetupError("This cutoff is too small.", hint="Use 500 eV.")
    return (yield from walk(params, inputs, resume, event))


def hoard(params, inputs, *, resume=None):
    """Large frames until the disk is full."""
    atoms = inputs["structure"].to_atoms().repeat((20, 20, 5))
    first = 1 if resume is None else int(resume["n"]) + 1
    for n in range(first, params.steps + 1):
        atoms.positions += 0.001
        yield Step("hoard", n, {"energy": float(n)}, atoms.copy(), lambda n=n: {"n": np.array(n)})
    return Result({"energy": float(params.steps)})


def refused(params, inputs, *, resume=None):
    yield Step("refused", 1, {"energy": 1.0})
    return Result({"energy": 1.0}, refused="The fit is worse than 5 %.")


def silent(params, inputs, *, resume=None):
    """Ends without a Result."""
    yield Step("silent", 1)


def where(params, inputs, *, resume=None):
    """Says where it runs and what it may use."""
    text = "|".join([os.getcwd(), sys.path[0], os.environ.get("OMP_NUM_THREADS", ""), str(os.getsid(0) == os.getpid()), str(os.nice(0)),
                     os.environ.get("NUMBA_CACHE_DIR", "")])
    yield Step("where", 1, text=text)
    return Result({"energy": 0.0})


class Task:
    """What `solvers.tasks.get` returns."""

    def __init__(self, run):
        self.run = run

    def params_class(self):
        return Params


def get(name: str) -> Task:
    from solvers.core.errors import MissingError
    tasks = {item.__name__: item for item in (count, kill, nan, nan_frame, memory, gpu_memory, error, hoard, refused, silent, where)}
    if name not in tasks:
        raise MissingError(f"There is no task {name!r}.")
    return Task(tasks[name])
