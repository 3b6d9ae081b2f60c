"""CUDA launchers of the scalar functions in `lattice_sums.py`; import only where numba.cuda is wanted (a GPU, the simulator, or compilation to PTX)."""
from __future__ import annotations

from numba import cuda

from .lattice_sums import charge_factor, near_sums, smooth_force


def factors_body(G, positions, charges, out):
    """out (n_G,) = Σ Z e^{−iG·R}."""
    j = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if j < out.shape[0]:
        out[j] = charge_factor(G, positions, charges, j)


def smooth_body(G, weight, structure, positions, charges, out):
    """out (N, 3): x runs over atoms, y over axes."""
    a = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    axis = cuda.blockIdx.y
    if a < out.shape[0]:
        out[a, axis] = smooth_force(G, weight, structure, positions, charges, axis, a)


def near_body(inside, charges, images, root, radius, out):
    """out (N, 10), one thread per atom."""
    a = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if a < out.shape[0]:
        near_sums(inside, charges, images, root, radius, a, out)


factors = cuda.jit(factors_body)
smooth = cuda.jit(smooth_body)
near = cuda.jit(near_body)
