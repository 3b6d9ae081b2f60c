"""CUDA launchers of the scalar functions in `boxes.py`; import only where numba.cuda is wanted (a GPU, the simulator, or compilation to PTX).

One thread per output element: x runs over box points or coefficients, y over bands, z over k-points; see `boxes.launch_grid`.
"""
from __future__ import annotations

from numba import cuda

from .boxes import box_value, sphere_value


def scatter_body(coefficients, inverse, boxes):
    """boxes (k, bands, points) from coefficients (k, bands, n_pw)."""
    cell = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    band = cuda.blockIdx.y
    k = cuda.blockIdx.z
    if cell < boxes.shape[2]:
        boxes[k, band, cell] = box_value(coefficients, k, band, inverse[k, cell])


def gather_body(boxes, index, coefficients):
    """coefficients (k, bands, n_pw) from boxes (k, bands, points)."""
    j = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    band = cuda.blockIdx.y
    k = cuda.blockIdx.z
    if j < coefficients.shape[2]:
        coefficients[k, band, j] = sphere_value(boxes, k, band, index[k, j])


scatter = cuda.jit(scatter_body)
gather = cuda.jit(gather_body)
