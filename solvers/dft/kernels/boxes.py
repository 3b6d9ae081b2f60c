"""Scatter of sphere coefficients into the FFT box and gather back: one scalar function each, with a CPU, a CUDA (`boxes_cuda.py`) and a torch launcher.

This pair is the pattern for kernels that run on both machines: the arithmetic of one element is a plain function, compiled for both; launchers only loop.
Both directions are written as *gathers* (one thread owns one output element), so no atomics are needed and results do not depend on the order of threads.

Table `inverse` (k-points, box points), int32: j ≥ 0 takes coefficient j, −1 is an empty cell, j ≤ −2 takes the conjugate of coefficient −2−j (the missing half
of a half sphere). Table `index` (k-points, n_pw): place of each coefficient in the box.
"""
from __future__ import annotations

from functools import cache

import numba
import numpy as np
import torch
from numba.extending import register_jitable

from . import use_numba_cache

use_numba_cache()


@register_jitable
def box_value(coefficients, k, band, place):
    """Value of a box cell whose table entry is `place`."""
    if place >= 0:
        return coefficients[k, band, place]
    if place == -1:
        return 0.0j
    value = coefficients[k, band, -2 - place]
    return complex(value.real, -value.imag)


@register_jitable
def sphere_value(boxes, k, band, cell):
    """Coefficient whose place in the box is `cell`."""
    return boxes[k, band, cell]


@numba.njit(nogil=True, cache=True)
def scatter_cpu(coefficients, inverse, boxes):
    """boxes (k, bands, points) from coefficients (k, bands, n_pw), single thread."""
    for k in range(boxes.shape[0]):
        for band in range(boxes.shape[1]):
            for cell in range(boxes.shape[2]):
                boxes[k, band, cell] = box_value(coefficients, k, band, inverse[k, cell])


@numba.njit(nogil=True, cache=True)
def gather_cpu(boxes, index, coefficients):
    """coefficients (k, bands, n_pw) from boxes (k, bands, points), single thread."""
    for k in range(coefficients.shape[0]):
        for band in range(coefficients.shape[1]):
            for j in range(coefficients.shape[2]):
                coefficients[k, band, j] = sphere_value(boxes, k, band, index[k, j])


def launch_grid(n: int, bands: int, k: int, threads: int = 256) -> tuple[tuple[int, int, int], int]:
    """Blocks (x, y, z) and threads per block that cover n elements of every band and k-point."""
    return (-(-n // threads), bands, k), threads


def scatter_torch(coefficients: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """The reference: boxes (k, bands, points)."""
    table = torch.cat([coefficients, coefficients.conj().resolve_conj(), coefficients.new_zeros(*coefficients.shape[:2], 1)], 2)
    n = coefficients.shape[2]
    place = torch.where(inverse >= 0, inverse, torch.where(inverse == -1, 2 * n, n - 2 - inverse)).long()
    return torch.gather(table, 2, place[:, None, :].expand(-1, table.shape[1], -1))


def gather_torch(boxes: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """The reference: coefficients (k, bands, n_pw)."""
    return torch.gather(boxes, 2, index.long()[:, None, :].expand(-1, boxes.shape[1], -1))


@cache
def _cuda_works() -> bool:
    """Whether Numba can drive the GPU that torch sees; otherwise torch's own gathers are used there."""
    try:
        from numba import cuda
        return bool(cuda.is_available())
    except ImportError:
        return False


def scatter(coefficients: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """boxes (k, bands, points) by the fastest launcher for the tensors' device."""
    if coefficients.device.type == "cuda":
        if not _cuda_works():
            return scatter_torch(coefficients, inverse)
        from . import boxes_cuda
        boxes = coefficients.new_empty(*coefficients.shape[:2], inverse.shape[1])
        blocks, threads = launch_grid(boxes.shape[2], boxes.shape[1], boxes.shape[0])
        boxes_cuda.scatter[blocks, threads](coefficients.contiguous(), inverse, boxes)
        return boxes
    boxes = coefficients.new_empty(*coefficients.shape[:2], inverse.shape[1])
    scatter_cpu(coefficients.contiguous().numpy(), inverse.numpy(), boxes.numpy())
    return boxes


def gather(boxes: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """coefficients (k, bands, n_pw) by the fastest launcher for the tensors' device."""
    if boxes.device.type == "cuda" and not _cuda_works():
        return gather_torch(boxes, index)
    coefficients = boxes.new_empty(*boxes.shape[:2], index.shape[1])
    if boxes.device.type == "cuda":
        from . import boxes_cuda
        blocks, threads = launch_grid(coefficients.shape[2], coefficients.shape[1], coefficients.shape[0])
        boxes_cuda.gather[blocks, threads](boxes.contiguous(), index, coefficients)
    else:
        gather_cpu(boxes.contiguous().numpy(), index.numpy(), coefficients.numpy())
    return coefficients


def inverse_table(places: np.ndarray, lengths: list[int], size: int, minus: np.ndarray | None = None) -> np.ndarray:
    """The table `inverse` (k, size) of places (k, n_pw) in the box, of which the first `lengths[k]` are real; `minus` (k, n_pw): places of −G at Γ."""
    table = np.full((len(places), size), -1, np.int32)
    for k, n in enumerate(lengths):
        if minus is not None:
            table[k, minus[k, :n]] = -2 - np.arange(n)
        table[k, places[k, :n]] = np.arange(n)
    return table
