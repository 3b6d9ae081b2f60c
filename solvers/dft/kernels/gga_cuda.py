"""CUDA launchers of the scalar functions in `gga.py`; import only where numba.cuda is wanted (a GPU, the simulator, or compilation to PTX).

One thread per point.
"""
from __future__ import annotations

from numba import cuda

from .gga import polarised_point, unpolarised_point

THREADS = 128


def unpolarised_body(rho, sigma, share, mu, kappa, beta, energy, v_rho, v_sigma):
    """rho, sigma, v_rho, v_sigma (1, N), energy (N,)."""
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if i < energy.shape[0]:
        e, v, w = unpolarised_point(rho[0, i], sigma[0, i], share, mu, kappa, beta)
        energy[i] = e
        v_rho[0, i] = v
        v_sigma[0, i] = w


def polarised_body(rho, sigma, share, mu, kappa, beta, energy, v_rho, v_sigma):
    """rho, v_rho (2, N), sigma, v_sigma (3, N), energy (N,)."""
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if i < energy.shape[0]:
        e, v_up, v_down, w_up, w_mixed, w_down = polarised_point(rho[0, i], rho[1, i], sigma[0, i], sigma[1, i], sigma[2, i], share, mu, kappa, beta)
        energy[i] = e
        v_rho[0, i] = v_up
        v_rho[1, i] = v_down
        v_sigma[0, i] = w_up
        v_sigma[1, i] = w_mixed
        v_sigma[2, i] = w_down


unpolarised = cuda.jit(unpolarised_body)
polarised = cuda.jit(polarised_body)


def launch(rho, sigma, family, energy, v_rho, v_sigma, threads: int = THREADS) -> None:
    """Fill energy, v_rho and v_sigma; arrays as in the bodies, of anything with a CUDA array interface (of NumPy in the simulator)."""
    kernel = unpolarised if rho.shape[0] == 1 else polarised
    kernel[-(-energy.shape[0] // threads), threads](rho, sigma, *family, energy, v_rho, v_sigma)
