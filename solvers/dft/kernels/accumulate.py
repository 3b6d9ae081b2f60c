"""Density of orbitals on the box, ρ(r) += Σ w |ψ(r)|², in one pass over the points: one thread owns one point and sums its bands, in one order.

Real and imaginary parts have weights of their own: at Γ they are two bands.

Scalar function with CPU and CUDA (`accumulate_cuda.py`) launchers and a torch reference; array code would write |ψ|² of every band to memory first.
"""
from __future__ import annotations

import numba
import torch
from numba.extending import register_jitable

from . import use_numba_cache
from .boxes import _cuda_works, launch_grid

use_numba_cache()


@register_jitable
def point_density(fields, re, im, point):
    """Σ over k-points and bands of re Re² + im Im² of fields (k, bands, points) at one point; re, im (k, bands)."""
    total = 0.0
    for k in range(fields.shape[0]):
        for band in range(fields.shape[1]):
            value = fields[k, band, point]
            total += re[k, band] * value.real * value.real + im[k, band] * value.imag * value.imag
    return total


@numba.njit(nogil=True, cache=True)
def accumulate_cpu(fields, re, im, rho):
    """rho (points,) += Σ re Re² + im Im² of fields."""
    for point in range(rho.shape[0]):
        rho[point] += point_density(fields, re, im, point)


def accumulate_torch(fields: torch.Tensor, re: torch.Tensor, im: torch.Tensor, rho: torch.Tensor) -> None:
    """The reference; rho (points,) in place."""
    rho += torch.einsum("kb,kbp->p", re, fields.real**2) + torch.einsum("kb,kbp->p", im, fields.imag**2)


def accumulate(fields: torch.Tensor, re: torch.Tensor, im: torch.Tensor, rho: torch.Tensor) -> None:
    """rho (points,) += Σ re Re² + im Im² of fields (k, bands, points), weights (k, bands), by the fastest launcher for the tensors' device; rho contiguous."""
    if rho.device.type == "cuda":
        if not _cuda_works():
            accumulate_torch(fields, re, im, rho)
            return
        from . import accumulate_cuda
        blocks, threads = launch_grid(rho.shape[0], 1, 1)
        accumulate_cuda.accumulate[blocks, threads](fields.contiguous(), re.contiguous(), im.contiguous(), rho)
        return
    accumulate_cpu(fields.contiguous().numpy(), re.contiguous().numpy(), im.contiguous().numpy(), rho.numpy())
