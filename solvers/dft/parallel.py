"""Threads of a calculation on the CPU: either whole k-points or the bands of one k-point are shared out.

Numba kernels and torch release the interpreter lock, so plain threads do. Pool threads run torch single-threaded; the calling thread keeps torch's own
setting for large matrix products. On CUDA everything runs in the calling thread (`Workers.on`).
"""
from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from ..core import device as machine

_inside = threading.local()


#: blocks from this size on go back to the system at once, bytes
_LARGE = 4 * 2**20


@cache
def return_large_blocks() -> bool:
    """Let the C library give every freed block of some MiB back to the system; glibc keeps those below 32 MiB, and a long run grows by hundreds of MiB.
    Returns whether the library could be told."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False  # another C library
    return bool(mallopt(-3, _LARGE))  # M_MMAP_THRESHOLD


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None  # another C library


def give_back() -> bool:
    """Return what the C library keeps of freed smaller blocks to the system, before a large need; whether there was any. Takes about a millisecond."""
    trim = _trim()
    return trim is not None and bool(trim(0))


def _enter() -> None:
    import torch
    torch.set_num_threads(1)
    _inside.pool = True


class Workers:
    """`n_threads` threads (1: everything in the calling thread)."""

    def __init__(self, n_threads: int | None = None):
        return_large_blocks()
        self.n_threads = max(1, n_threads or machine.threads())
        self._pool = ThreadPoolExecutor(self.n_threads, "dft", _enter) if self.n_threads > 1 else None

    def on(self, device: str) -> Workers:
        """These threads for work on the CPU; the calling thread alone for work on a GPU, where one queue keeps the device busy and threads contend for it."""
        return self if device == "cpu" or self.n_threads == 1 else Workers(1)

    def width(self) -> int:
        """Threads that `share` would use if called from this thread."""
        return 1 if self._pool is None or getattr(_inside, "pool", False) else self.n_threads

    def share(self, work: Callable[[int, int], None], n_items: int) -> None:
        """Call work(first, step) once per thread so that together they cover n_items items; in the calling thread when already inside `map`."""
        width = min(self.width(), n_items)
        if width <= 1:
            work(0, 1)
            return
        for future in [self._pool.submit(work, first, width) for first in range(width)]:
            future.result()

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """[work(item) …]; items run in parallel, each single-threaded, when there are at least as many as threads, else one after another."""
        items = list(items)
        if self._pool is None or len(items) < self.n_threads:
            return [work(item) for item in items]
        return list(self._pool.map(work, items))
