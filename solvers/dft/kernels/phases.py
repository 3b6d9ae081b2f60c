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
#: plane waves whose phases wait in the first-level cache for the rows of their atom
_STRETCH = 512


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
def projectors_cpu(one, two, three, miller, forms, half, out, turns=None, start=0, first=0, step=1):
    """Columns `start`, start + 1, … of the projector rows of atoms first, first + step, …: out (atoms × rows, columns) from forms (rows, n_pw), times a complex
    factor per row, turns (rows,), where given, and miller (n_pw, 3). The arithmetic of `projector_value`, with each phase made once for all rows of its atom.
    """
    columns = min(out.shape[1], miller.shape[0] - start)
    scale = _ROOT2 if half else 1.0
    phases = np.empty(_STRETCH, np.complex128)
    for atom in range(first, one.shape[0], step):
        for begin in range(0, columns, _STRETCH):
            count = min(_STRETCH, columns - begin)
            for j in range(count):
                G = miller[start + begin + j]
                phases[j] = scale * phase(one, two, three, atom, G[0], G[1], G[2])
            for row in range(forms.shape[0]):
                target = out[atom * forms.shape[0] + row]
                for j in range(count):
                    if turns is None:
                        target[begin + j] = phases[j] * forms[row, start + begin + j]
                    else:
                        target[begin + j] = phases[j] * turns[row] * forms[row, start + begin + j]
        if half and start == 0:
            for row in range(atom * forms.shape[0], (atom + 1) * forms.shape[0]):
                out[row, 0] = complex(out[row, 0].real / _ROOT2, 0.0)


def tables(fractional: torch.Tensor, miller: np.ndarray, k: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The three tables of atoms at fractional positions (atoms, 3), wide enough for miller (n, 3)."""
    result = []
    for axis, reach in enumerate(np.abs(miller).max(0, initial=0).tolist()):
        h = torch.arange(-reach, reach + 1, dtype=torch.float64, device=fractional.device) + k[axis]
        result.append(torch.exp(-2j * math.pi * (fractional[:, axis, None] * h)))
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


def projector_rows(fractional: torch.Tensor, miller: np.ndarray, k: np.ndarray, forms: torch.Tensor, half: bool, out: torch.Tensor,
                   turns: torch.Tensor | None = None, made: tuple[torch.Tensor, ...] | None = None) -> None:
    """Fill out (atoms × rows, ≥ n_pw) complex with e^{−i(k+G)·R_a} forms (rows, ≥ n_pw), times a complex factor per row, turns (rows,), where given, on the
    positions' device; what lies beyond n_pw is left alone. made: the `tables` where they are at hand."""
    n = len(miller)
    if fractional.device.type == "cuda":
        forms = forms if turns is None else forms * turns[:, None]
        if not _cuda_works():
            out[:, :n] = projectors_torch(fractional, miller, k, forms[:, :n], half)
            return
        from . import phases_cuda
        blocks, threads = launch_grid(n, out.shape[0], 1)
        phases_cuda.projectors[blocks, threads](*(made or tables(fractional, miller, k)), torch.from_numpy(miller).to(out.device), forms, half, out)
        return
    one, two, three = (table.numpy() for table in made or tables(fractional, miller, k))
    turns = torch.ones(len(forms), dtype=torch.complex128) if turns is None else turns
    projectors_cpu(one, two, three, miller, forms.numpy(), half, out.numpy(), turns.numpy(), 0, 0, 1)  # Numba is slow with arguments left out
