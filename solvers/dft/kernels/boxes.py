"""Scatter of sphere coefficients into the FFT box and gather back: one scalar function each, with a CPU, a CUDA (`boxes_cuda.py`) and a torch launcher.

This pair is the pattern for kernels that run on both machines: the arithmetic of one element is a plain function, compiled for both; launchers only loop.
Both directions are written as *gathers* (one thread owns one output element), so no atomics are needed and results do not depend on the order of threads.

Table `inverse` (k-points, box points), int32: j ≥ 0 takes coefficient j, −1 is an empty cell, j ≤ −2 takes the conjugate of coefficient −2−j (the missing half
of a half sphere). Table `index` (k-points, n_pw): place of each coefficient in the box.

At Γ two real bands share a box as ψ1 + i ψ2: `scatter_pairs` and `gather_pairs` work on orbital storage (√2 c(G) for G ≠ 0, see `basis.py`), so the field is
√2 times that. `gather_pairs` and `gather_image` add the kinetic energy on the way, as nothing else is done with what they gather.
"""
from __future__ import annotations

import math
from functools import cache

import numba
import numpy as np
import torch
from numba.extending import register_jitable

from . import use_numba_cache

use_numba_cache()
_ROOT2 = math.sqrt(2.0)


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


@register_jitable
def pair_value(stored, pair, place):
    """Value of √2 (ψ1 + i ψ2) in a box cell whose table entry is `place`; bands 2 pair and 2 pair + 1 of stored (bands, n_pw), the last one may be missing."""
    if place == -1:
        return 0.0j
    j = place if place >= 0 else -2 - place
    sign = 1.0 if place >= 0 else -1.0
    one = stored[2 * pair, j]
    re, im = one.real, sign * one.imag
    if 2 * pair + 1 < stored.shape[0]:
        two = stored[2 * pair + 1, j]
        re -= sign * two.imag
        im += two.real
    if j == 0:
        re *= _ROOT2
        im *= _ROOT2
    return complex(re, im)


@register_jitable
def pair_coefficient(boxes, plus, minus, band, j):
    """Coefficient j of a band as stored, from boxes (pairs, points) of √2 (f1 + i f2); plus, minus (n_pw,): places of G and −G."""
    u = boxes[band // 2, plus[j]]
    v = boxes[band // 2, minus[j]]
    if j == 0:
        return complex((u.imag if band % 2 else u.real) / _ROOT2, 0.0)
    if band % 2:
        return complex(0.5 * (u.imag + v.imag), 0.5 * (v.real - u.real))
    return complex(0.5 * (u.real + v.real), 0.5 * (u.imag - v.imag))


@register_jitable
def image_value(boxes, index, lengths, kinetic, X, k, band, j):
    """Coefficient j of (T + V)ψ from the box of Vψ; zero in the padding beyond lengths[k]."""
    if j >= lengths[k]:
        return 0.0j
    return boxes[k, band, index[k, j]] + kinetic[k, j] * X[k, band, j]


@numba.njit(nogil=True, cache=True)
def scatter_pairs_cpu(stored, inverse, boxes):
    """boxes (pairs, points) from stored (bands, n_pw) and inverse (points,)."""
    for pair in range(boxes.shape[0]):
        for cell in range(boxes.shape[1]):
            boxes[pair, cell] = pair_value(stored, pair, inverse[cell])


@numba.njit(nogil=True, cache=True)
def gather_pairs_cpu(boxes, plus, minus, kinetic, stored, out):
    """out (bands, n_pw) = gathered + kinetic stored."""
    for band in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[band, j] = pair_coefficient(boxes, plus, minus, band, j) + kinetic[j] * stored[band, j]


@numba.njit(nogil=True, cache=True)
def gather_image_cpu(boxes, index, lengths, kinetic, X, out):
    """out (k, bands, n_pw) = gathered + kinetic X."""
    for k in range(out.shape[0]):
        for band in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[k, band, j] = image_value(boxes, index, lengths, kinetic, X, k, band, j)


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


def scatter_pairs_torch(stored: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """The reference: boxes (pairs, points)."""
    bands, n = stored.shape
    c = torch.nn.functional.pad(stored, (0, 0, 0, bands % 2))
    c[:, 0] *= _ROOT2
    one, two = c[0::2], c[1::2]
    table = torch.cat([one + 1j * two, one.conj() + 1j * two.conj(), c.new_zeros(len(one), 1)], 1)
    return table[:, torch.where(inverse >= 0, inverse, torch.where(inverse == -1, 2 * n, n - 2 - inverse)).long()]


def gather_pairs_torch(boxes: torch.Tensor, plus: torch.Tensor, minus: torch.Tensor, kinetic: torch.Tensor, stored: torch.Tensor) -> torch.Tensor:
    """The reference: (bands, n_pw)."""
    u, v = boxes[:, plus], boxes[:, minus].conj()
    one, two = 0.5 * (u + v), -0.5j * (u - v)
    one[:, 0], two[:, 0] = u[:, 0].real / _ROOT2, u[:, 0].imag / _ROOT2
    return torch.stack([one, two], 1).flatten(0, 1)[:len(stored)] + kinetic * stored


def gather_image_torch(boxes: torch.Tensor, index: torch.Tensor, lengths: torch.Tensor, kinetic: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """The reference: (k, bands, n_pw)."""
    inside = torch.arange(X.shape[-1], device=X.device) < lengths[:, None]
    return (gather_torch(boxes, index) + kinetic[:, None] * X) * inside[:, None]


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


def scatter_pairs(stored: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """boxes (pairs, points) of √2 (ψ1 + i ψ2) from storage seen as complex numbers (bands, n_pw) by the fastest launcher for the tensors' device."""
    if stored.device.type == "cuda" and not _cuda_works():
        return scatter_pairs_torch(stored, inverse)
    boxes = stored.new_empty(-(-len(stored) // 2), len(inverse))
    if stored.device.type == "cuda":
        from . import boxes_cuda
        blocks, threads = launch_grid(boxes.shape[1], boxes.shape[0], 1)
        boxes_cuda.scatter_pairs[blocks, threads](stored.contiguous(), inverse, boxes)
    else:
        scatter_pairs_cpu(stored.contiguous().numpy(), inverse.numpy(), boxes.numpy())
    return boxes


def gather_pairs(boxes: torch.Tensor, plus: torch.Tensor, minus: torch.Tensor, kinetic: torch.Tensor, stored: torch.Tensor, out: torch.Tensor) -> None:
    """out (bands, n_pw) = coefficients of the boxes as stored, plus kinetic (n_pw,) times stored (bands, n_pw); out contiguous."""
    if boxes.device.type == "cuda" and not _cuda_works():
        out.copy_(gather_pairs_torch(boxes, plus, minus, kinetic, stored))
    elif boxes.device.type == "cuda":
        from . import boxes_cuda
        blocks, threads = launch_grid(out.shape[1], out.shape[0], 1)
        boxes_cuda.gather_pairs[blocks, threads](boxes.contiguous(), plus, minus, kinetic, stored.contiguous(), out)
    else:
        gather_pairs_cpu(boxes.contiguous().numpy(), plus.numpy(), minus.numpy(), kinetic.numpy(), stored.contiguous().numpy(), out.numpy())


def gather_image(boxes: torch.Tensor, index: torch.Tensor, lengths: torch.Tensor, kinetic: torch.Tensor, X: torch.Tensor, out: torch.Tensor) -> None:
    """out (k, bands, n_pw) = coefficients of the boxes (k, bands, points) plus kinetic (k, n_pw) times X, zero beyond lengths (k,)."""
    if boxes.device.type == "cuda" and not _cuda_works():
        out.copy_(gather_image_torch(boxes, index, lengths, kinetic, X))
        return
    image = out if out.is_contiguous() else torch.empty_like(out, memory_format=torch.contiguous_format)
    if boxes.device.type == "cuda":
        from . import boxes_cuda
        blocks, threads = launch_grid(image.shape[2], image.shape[1], image.shape[0])
        boxes_cuda.gather_image[blocks, threads](boxes.contiguous(), index, lengths, kinetic, X.contiguous(), image)
    else:
        gather_image_cpu(boxes.contiguous().numpy(), index.numpy(), lengths.numpy(), kinetic.numpy(), X.contiguous().numpy(), image.numpy())
    if image is not out:
        out.copy_(image)


def inverse_table(places: np.ndarray, lengths: list[int], size: int, minus: np.ndarray | None = None) -> np.ndarray:
    """The table `inverse` (k, size) of places (k, n_pw) in the box, of which the first `lengths[k]` are real; `minus` (k, n_pw): places of −G at Γ."""
    table = np.full((len(places), size), -1, np.int32)
    for k, n in enumerate(lengths):
        if minus is not None:
            table[k, minus[k, :n]] = -2 - np.arange(n)
        table[k, places[k, :n]] = np.arange(n)
    return table
