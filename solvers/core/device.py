"""Device, precision, threads and seeds: decided once here, then a property of the basis or state that was allocated with it."""
from __future__ import annotations

import os
from dataclasses import dataclass

from .errors import MissingError, SetupError

DEVICES = ("auto", "cpu", "cuda")


def resolve(device: str = "auto") -> str:
    """"cpu" or "cuda"; "auto" takes CUDA where torch sees it. Raises MissingError when CUDA is asked for and absent."""
    if device not in DEVICES:
        raise SetupError(f"Unknown device {device!r}.", hint=f"Allowed: {', '.join(DEVICES)}.")
    if device == "cpu":
        return "cpu"
    import torch
    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise MissingError("Device 'cuda' was asked for, but torch sees no CUDA device.", hint="Use device='cpu', or install the CUDA build and the driver.")
    return "cpu"


def describe(device: str) -> str:
    """The device in words, for result headers."""
    if device == "cuda":
        import torch
        return f"cuda ({torch.cuda.get_device_name()})"
    return f"cpu ({threads()} threads)"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def threads() -> int:
    """Threads a calculation may use: QCAD_THREADS, else every core this process may run on."""
    text = os.environ.get("QCAD_THREADS", "")
    return max(1, int(text)) if text.isdigit() else cores()


def worker_environment(n_threads: int) -> dict[str, str]:
    """Environment of a worker: one BLAS pool of `n_threads`, passive waiting (spinning OpenMP threads fight Numba's), no user site."""
    count = str(max(1, n_threads))
    return {"QCAD_THREADS": count, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "NUMBA_NUM_THREADS": count,
            "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


def apply_threads(n_threads: int | None = None) -> int:
    """Set torch's and Numba's thread counts in this process; returns the count."""
    import numba
    import torch
    count = n_threads or threads()
    torch.set_num_threads(count)
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    return count


def ran_out(error: BaseException) -> str:
    """"cuda" or "cpu" where an error means that the memory of the card or of the computer ran out, "" otherwise. torch says so in three ways."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text:
        return "cpu"
    return "cuda" if name == "OutOfMemoryError" or (name == "AcceleratorError" and "memory" in text) else ""


@dataclass(frozen=True)
class Memory:
    """Memory of a device in bytes."""

    total: int
    free: int


def memory(device: str) -> Memory:
    """Total and free memory of `device`."""
    if device == "cuda":
        import torch
        free, total = torch.cuda.mem_get_info()
        return Memory(total, free)
    import psutil
    now = psutil.virtual_memory()
    return Memory(now.total, now.available)
