"""Where the time of a run goes: local potential and density (FFT), matrix products, small eigenproblems, rest; and what the machine could do at best."""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_GEMM = ("mm", "bmm", "addmm", "addmm_", "baddbmm", "baddbmm_", "triangular_solve", "linalg_solve_triangular")
_EIGH = ("_linalg_eigh", "linalg_eigh", "linalg_cholesky_ex", "linalg_ldl_factor_ex", "linalg_qr")
#: what limits are measured with: bytes of boxes, rows and columns of the matrices; large enough to fill a card, or the caches of some cores
CARD, CORES = (2**30, 2048, 32768), (2**23, 256, 8192)
#: s for which a limit is measured: in its first tens of milliseconds an idle core does not reach its rate (FFT 6.9 instead of 3.2 ms)
_SETTLING = 0.5
_FFT = ("_fft_c2c", "_fft_r2c", "_fft_c2r")


class Shares(TorchDispatchMode):
    """While active, sorts the time of torch's operations in this thread; `watch` counts a local operator's calls as FFT."""

    def __init__(self, device: str):
        super().__init__()
        self.cuda = device == "cuda"
        self.seconds = {"fft": 0.0, "gemm": 0.0, "eigh": 0.0}
        self.flops = 0.0
        self.boxes = 0
        self._inside = False
        self._started = self._wall = 0.0

    def __enter__(self) -> Shares:
        self._started = self._now()
        return super().__enter__()

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        self._wall = self._now() - self._started

    def _now(self) -> float:
        """On the CPU seconds of computing, which other people's programs do not lengthen."""
        if not self.cuda:
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.split("::")[-1]
        kind = "gemm" if name in _GEMM else "eigh" if name in _EIGH else "fft" if name in _FFT else None
        if kind is None or self._inside:
            return func(*args, **(kwargs or {}))
        started = self._now()
        result = func(*args, **(kwargs or {}))
        self.seconds[kind] += self._now() - started
        if kind == "gemm" and isinstance(result, torch.Tensor):
            factors = [a for a in args if isinstance(a, torch.Tensor)][-2:]
            inner = factors[0].shape[-1] if name in _GEMM[:6] else factors[0].shape[-2] / 2
            self.flops += (8.0 if result.is_complex() else 2.0) * result.numel() * inner
        return result

    def watch(self, local: Any) -> None:
        """Count `apply` (two transforms per band) and `density` (one) of a local operator as FFT, whatever they do inside."""
        apply, density = local.apply, local.density

        def timed(call, transforms: int):
            def wrapped(batch, X, *args, **kwargs):
                started, self._inside = self._now(), True
                result = call(batch, X, *args, **kwargs)
                self._inside = False
                self.seconds["fft"] += self._now() - started
                self.boxes += transforms * X.shape[0] * X.shape[1] / (2 if batch.half else 1)  # two real bands share a box
                return result
            return wrapped
        local.apply, local.density = timed(apply, 2), timed(density, 1)

    def summary(self) -> dict[str, float]:
        """Shares of the time (0 to 1), number of box transforms, floating-point operations of the matrix products, all seconds."""
        parts = {name: value / self._wall for name, value in self.seconds.items()}
        return {**parts, "rest": 1.0 - sum(parts.values()), "boxes": self.boxes, "flops": self.flops, "wall": self._wall}


def machine_limits(shape: tuple[int, int, int], device: str, real: bool = True) -> dict[str, float]:
    """Seconds of one complex box transform and FLOP/s of large matrix products in double precision, measured here and now."""
    work = _Work(shape, device, real)
    return {"fft_s": min(_times(work.fft, device, _SETTLING)) / work.boxes, "gemm_flops": work.flops / min(_times(work.gemm, device, _SETTLING))}


def thread_gains(shape: tuple[int, int, int], n_threads: int, rounds: int = 9) -> dict[str, float]:
    """How many times faster box transforms ("fft") and matrix products ("gemm") are on `n_threads` threads than on one: the median over rounds in which each is
    measured on one and on all threads in immediate succession, so that a machine that slows down slows both."""
    work = _Work(shape, "cpu", True)
    before = torch.get_num_threads()
    gains = {"fft": [], "gemm": []}
    try:
        for number in range(rounds):
            for name, call in (("fft", work.fft), ("gemm", work.gemm)):
                seconds = {}
                for n in (1, n_threads) if number % 2 else (n_threads, 1):
                    torch.set_num_threads(n)
                    call()  # wakes the threads, makes the plan
                    seconds[n] = statistics.median(_times(call, "cpu", _SETTLING / 4))
                gains[name].append(seconds[1] / seconds[n_threads])
    finally:
        torch.set_num_threads(before)
    return {name: statistics.median(values) for name, values in gains.items()}


class _Work:
    """What limits are measured with: `fft` transforms `boxes` boxes, `gemm` does `flops` floating-point operations."""

    def __init__(self, shape: tuple[int, int, int], device: str, real: bool):
        most, n, long = CARD if device == "cuda" else CORES
        self.boxes = max(1, most // (16 * shape[0] * shape[1] * shape[2]))
        self.flops = (2.0 if real else 8.0) * n * n * long
        self._fields = torch.randn(self.boxes, *shape, dtype=torch.complex128, device=device)
        self._rows = torch.randn(n, long, dtype=torch.float64 if real else torch.complex128, device=device)

    def fft(self) -> None:
        torch.fft.fftn(self._fields, dim=(-3, -2, -1))

    def gemm(self) -> None:
        self._rows @ self._rows.mT


def _times(call: Callable[[], None], device: str, least: float) -> list[float]:
    """Seconds of single calls, five at least and as many as fill `least` seconds."""
    times = []
    while len(times) < 5 or sum(times) < least:
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return times
