"""Potentials of a functional that is written down as an energy only: reverse-mode differentiation, in pieces that stay in the cache."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: points differentiated at a time on the CPU, where the intermediate arrays of a long formula should stay in the cache, and on a GPU, where each of its many
#: operations should fill the machine
CHUNK, CHUNK_CUDA = 2**15, 2**20


def with_derivatives(energy: Callable[..., Tensor], *variables: Tensor) -> tuple[Tensor, ...]:
    """(e, ∂e/∂variable, …) of `energy(*variables)` (N,), which must act point by point; variables are (N,) or (rows, N) and None is passed through as None."""
    n, chunk = variables[0].shape[-1], CHUNK_CUDA if variables[0].device.type == "cuda" else CHUNK
    results = [variables[0].new_empty(n), *(None if v is None else torch.empty_like(v) for v in variables)]
    for start in range(0, n, chunk):
        piece = slice(start, min(start + chunk, n))
        with torch.enable_grad():
            local = [None if v is None else v[..., piece].detach().clone().requires_grad_() for v in variables]
            e = energy(*local)
            slopes = iter(torch.autograd.grad(e.sum(), [v for v in local if v is not None]))
        results[0][piece] = e.detach()
        for result in results[1:]:
            if result is not None:
                result[..., piece] = next(slopes)
    return tuple(results)
