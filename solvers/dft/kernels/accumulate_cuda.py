"""CUDA launcher of the scalar function in `accumulate.py`; import only where numba.cuda is wanted (a GPU, the simulator, or compilation to PTX)."""
from __future__ import annotations

from numba import cuda

from .accumulate import point_density


def accumulate_body(fields, re, im, rho):
    """rho (points,) += Σ re Re² + im Im² of fields (k, bands, points); weights (k, bands)."""
    point = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if point < rho.shape[0]:
        rho[point] += point_density(fields, re, im, point)


accumulate = cuda.jit(accumulate_body)
