"""CUDA launchers of the scalar functions in `boxes.py`; import only where numba.cuda is wanted (a GPU, the simulator, or compilation to PTX).

One thread per output element: x runs over box points or coefficients, y over bands, z over k-points; see `boxes.launch_grid`.
"""
from __future__ import annotations

from numba import cuda

from .boxes import box_value, image_value, pair_coefficient, pair_value, sphere_value


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


def scatter_pairs_body(stored, inverse, boxes):
    """boxes (pairs, points) from stored (bands, n_pw)."""
    cell = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    pair = cuda.blockIdx.y
    if cell < boxes.shape[1]:
        boxes[pair, cell] = pair_value(stored, pair, inverse[cell])


def gather_pairs_body(boxes, plus, minus, kinetic, stored, out):
    """out (bands, n_pw) = gathered + kinetic stored."""
    j = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    band = cuda.blockIdx.y
    if j < out.shape[1]:
        out[band, j] = pair_coefficient(boxes, plus, minus, band, j) + kinetic[j] * stored[band, j]


def gather_image_body(boxes, index, lengths, kinetic, X, out):
    """out (k, bands, n_pw) = gathered + kinetic X."""
    j = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    band = cuda.blockIdx.y
    k = cuda.blockIdx.z
    if j < out.shape[2]:
        out[k, band, j] = image_value(boxes, index, lengths, kinetic, X, k, band, j)


scatter = cuda.jit(scatter_body)
gather = cuda.jit(gather_body)
scatter_pairs = cuda.jit(scatter_pairs_body)
gather_pairs = cuda.jit(gather_pairs_body)
gather_image = cuda.jit(gather_image_body)
