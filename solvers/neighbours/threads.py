"""Chunks of atoms on threads. Kernels release the interpreter lock; the number of chunks depends on the number of atoms alone, so results do not depend on
the number of threads. (Numba's own `parallel=True` is not used: its simplest threading layer aborts when two Python threads meet in it.)"""
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from solvers.core import device

MOST_CHUNKS = 16
ATOMS_PER_CHUNK = 128
_pool: ThreadPoolExecutor | None = None
_size = 0


def chunks(n_atoms: int) -> list[tuple[int, int]]:
    """Ranges (begin, end) of atoms: one for few atoms, at most MOST_CHUNKS."""
    count = min(MOST_CHUNKS, max(1, n_atoms // ATOMS_PER_CHUNK))
    edges = [n_atoms * k // count for k in range(count + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def over_chunks(work: Callable[[int, int, int], None], n_atoms: int) -> int:
    """Call work(chunk, begin, end) for every chunk, on up to `device.threads()` threads; returns the number of chunks."""
    global _pool, _size
    ranges = chunks(n_atoms)
    threads = min(device.threads(), len(ranges))
    if threads == 1:
        for chunk, (begin, end) in enumerate(ranges):
            work(chunk, begin, end)
        return len(ranges)
    if _pool is None or _size < threads:
        _pool, _size = ThreadPoolExecutor(threads, thread_name_prefix="qcad-atoms"), threads
    for future in [_pool.submit(work, chunk, begin, end) for chunk, (begin, end) in enumerate(ranges)]:
        future.result()
    return len(ranges)
