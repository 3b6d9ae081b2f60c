"""CUDA launchers of the scalar functions in `mgga.py`; import only where numba.cuda is wanted (a GPU, the simulator, or compilation to PTX).

One thread per point.
"""
from __future__ import annotations

from numba import cuda

from .mgga import polarised_point, unpolarised_point

THREADS = 128


def unpolarised_body(rho, sigma, tau, energy, v_rho, v_sigma, v_tau):
    """All arrays (1, N), energy (N,)."""
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if i < energy.shape[0]:
        e, v, w, u = unpolarised_point(rho[0, i], sigma[0, i], tau[0, i])
        energy[i] = e
        v_rho[0, i] = v
        v_sigma[0, i] = w
        v_tau[0, i] = u


def polarised_body(rho, sigma, tau, energy, v_rho, v_sigma, v_tau):
    """rho, tau and their slopes (2, N), sigma and its slope (3, N), energy (N,)."""
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if i < energy.shape[0]:
        e, v_up, v_down, w_up, w_mixed, w_down, u_up, u_down = polarised_point(
            rho[0, i], rho[1, i], sigma[0, i], sigma[1, i], sigma[2, i], tau[0, i], tau[1, i])
        energy[i] = e
        v_rho[0, i] = v_up
        v_rho[1, i] = v_down
        v_sigma[0, i] = w_up
        v_sigma[1, i] = w_mixed
        v_sigma[2, i] = w_down
        v_tau[0, i] = u_up
        v_tau[1, i] = u_down


unpolarised = cuda.jit(unpolarised_body)
polarised = cuda.jit(polarised_body)


def launch(rho, sigma, tau, energy, v_rho, v_sigma, v_tau, threads: int = THREADS) -> None:
    """Fill the last four; arrays as in the bodies, of anything with a CUDA array interface (of NumPy in the simulator)."""
    kernel = unpolarised if rho.shape[0] == 1 else polarised
    kernel[-(-energy.shape[0] // threads), threads](rho, sigma, tau, energy, v_rho, v_sigma, v_tau)
