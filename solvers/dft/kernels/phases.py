"""Structure phases e^{−iG·R} as products of three one-dimensional tables: structure factors and projector rows without an array of phases in between.

Scalar functions with CPU and CUDA (`phases_cuda.py`) launchers and a torch reference each; one thread owns one element of the result. Tables of projectors are
(atoms, 2 reach + 1) complex per axis, entry h + reach is e^{−2πi (h + k) s}; those of structure factors are in the order of the FFT box.
"""
from __future__ import annotations

import math

import numba
import numpy as np
import torch
from numba.extending import register_jitable

from . import use_numba_cache
from .boxes import _cuda_works, launch_grid

use_numba_cache()
_ROOT2 = math.sqrt(2.0)


@register_jitable
def phase(one, two, three, atom, h, k, l):
    """e^{−iG·R} of an atom for integer G = (h, k, l)."""
    return one[atom, h + one.shape[1] // 2] * two[atom, k + two.shape[1] // 2] * three[atom, l + three.shape[1] // 2]


@register_jitable
def factor_value(one, two, three, cell):
    """S(G) = Σ over the atoms of the three tables' product, at a linear place in the box."""
    z = cell % three.shape[1]
    y = cell // three.shape[1] % two.shape[1]
    x = cell // three.shape[1] // two.shape[1]
    total = 0.0j
    for atom in range(one.shape[0]):
        total += one[atom, x] * two[atom, y] * three[atom, z]
    return total


@register_jitable
def projector_value(one, two, three, miller, forms, half, row, j):
    """Coefficient j of projector `row` (atoms slowest, then the rows of `forms`); half: as stored at Γ, √2 for G ≠ 0 and real at G = 0."""
    atom = row // forms.shape[0]
    value = phase(one, two, three, atom, miller[j, 0], miller[j, 1], miller[j, 2]) * forms[row % forms.shape[0], j]
    if half:
        if j == 0:
            return complex(value.real, 0.0)
        return value * _ROOT2
    return value


@numba.njit(nogil=True, cache=True)
def factor_cpu(one, two, three, out):
    """out (n1 n2 n3,) = S(G) from tables (atoms, n1), (atoms, n2), (atoms, n3)."""
    for cell in range(out.shape[0]):
        out[cell] = factor_value(one, two, three, cell)


@numba.njit(nogil=True, cache=True)
def projectors_cpu(one, two, three, miller, forms, half, out):
    """out (atoms × rows, n_pw) from forms (rows, n_pw) and miller (n_pw, 3)."""
    for row in range(out.shape[0]):
        for j in range(miller.shape[0]):
            out[row, j] = projector_value(one, two, three, miller, forms, half, row, j)


def tables(fractional: torch.Tensor, miller: np.ndarray, k: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The three tables of atoms at fractional positions (atoms, 3), wide enough for miller (n, 3)."""
    result = []
    for axis in range(3):
        reach = int(np.abs(miller[:, axis]).max(initial=0))
        h = torch.arange(-reach, reach + 1, dtype=torch.float64, device=fractional.device)
        angle = fractional[:, axis, None] * (h + k[axis])[None]
        result.append(torch.polar(torch.ones_like(angle), -2.0 * math.pi * angle))
    return tuple(result)


def projectors_torch(fractional: torch.Tensor, miller: np.ndarray, k: np.ndarray, forms: torch.Tensor, half: bool) -> torch.Tensor:
    """The reference: (atoms × rows, n_pw) complex."""
    angle = fractional @ torch.from_numpy(miller + k).to(fractional).mT
    rows = (torch.exp(-2j * math.pi * angle)[:, None] * forms[None]).flatten(0, 1)
    if half:
        rows = rows * _ROOT2
        rows[:, 0] = rows[:, 0].real / _ROOT2
    return rows


def factor_torch(one: torch.Tensor, two: torch.Tensor, three: torch.Tensor) -> torch.Tensor:
    """The reference, one matrix product: S(G) (n1, n2, n3)."""
    planes = (two[:, :, None] * three[:, None, :]).flatten(1)
    return (one.mT @ planes).reshape(one.shape[1], two.shape[1], three.shape[1])


def structure_factor(one: torch.Tensor, two: torch.Tensor, three: torch.Tensor) -> torch.Tensor:
    """S(G) (n1, n2, n3) from tables (atoms, n): the matrix product on the CPU, the kernel, which needs no array of atoms times planes, on CUDA."""
    if one.device.type != "cuda" or not _cuda_works():
        return factor_torch(one, two, three)
    from . import phases_cuda
    out = one.new_empty(one.shape[1], two.shape[1], three.shape[1])
    blocks, threads = launch_grid(out.numel(), 1, 1)
    phases_cuda.factor[blocks, threads](one.contiguous(), two.contiguous(), three.contiguous(), out.view(-1))
    return out


def projector_rows(fractional: torch.Tensor, miller: np.ndarray, k: np.ndarray, forms: torch.Tensor, half: bool, out: torch.Tensor) -> None:
    """Fill out (atoms × rows, ≥ n_pw) complex with e^{−i(k+G)·R_a} forms (rows, ≥ n_pw) on the positions' device; what lies beyond n_pw is left alone."""
    n = len(miller)
    if fractional.device.type == "cuda" and not _cuda_works():
        out[:, :n] = projectors_torch(fractional, miller, k, forms[:, :n], half)
        return
    one, two, three = tables(fractional, miller, k)
    if fractional.device.type == "cuda":
        from . import phases_cuda
        blocks, threads = launch_grid(n, out.shape[0], 1)
        phases_cuda.projectors[blocks, threads](one, two, three, torch.from_numpy(miller).to(out.device), forms, half, out)
    else:
        projectors_cpu(one.numpy(), two.numpy(), three.numpy(), miller, forms.numpy(), half, out.numpy())
