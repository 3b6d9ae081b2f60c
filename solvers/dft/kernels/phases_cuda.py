"""CUDA launchers of the scalar functions in `phases.py`; import only where numba.cuda is wanted (a GPU, the simulator, or compilation to PTX).

x runs over plane waves, y over projector rows; see `boxes.launch_grid`.
"""
from __future__ import annotations

from numba import cuda

from .phases import factor_value, projector_value


def factor_body(one, two, three, out):
    """out (n1 n2 n3,) = S(G)."""
    cell = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if cell < out.shape[0]:
        out[cell] = factor_value(one, two, three, cell)


def projectors_body(one, two, three, miller, forms, half, out):
    """out (atoms × rows, ≥ n_pw)."""
    j = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    row = cuda.blockIdx.y
    if j < miller.shape[0]:
        out[row, j] = projector_value(one, two, three, miller, forms, half, row, j)


factor = cuda.jit(factor_body)
projectors = cuda.jit(projectors_body)
