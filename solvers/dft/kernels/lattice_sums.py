"""The two sums of Ewald's method, one thread per plane wave or per atom; formulas in `terms/ewald.py`, whose NumPy form is the reference.

Scalar functions with CPU and CUDA (`lattice_sums_cuda.py`) launchers. No array of atoms times plane waves or of pairs times images is ever made.
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


@register_jitable
def charge_factor(G, positions, charges, j):
    """Σ_a Z_a e^{−iG·R_a} of plane wave j."""
    re = 0.0
    im = 0.0
    for a in range(positions.shape[0]):
        angle = G[j, 0] * positions[a, 0] + G[j, 1] * positions[a, 1] + G[j, 2] * positions[a, 2]
        re += charges[a] * math.cos(angle)
        im -= charges[a] * math.sin(angle)
    return complex(re, im)


@register_jitable
def smooth_force(G, weight, structure, positions, charges, axis, a):
    """Force on atom a along an axis from the smooth part: −2 Σ_G w Im[S* Z e^{−iG·R}] G."""
    total = 0.0
    for j in range(G.shape[0]):
        angle = G[j, 0] * positions[a, 0] + G[j, 1] * positions[a, 1] + G[j, 2] * positions[a, 2]
        s = structure[j]
        total += weight[j] * (-s.real * math.sin(angle) - s.imag * math.cos(angle)) * G[j, axis]
    return -2.0 * charges[a] * total


@register_jitable
def near_sums(inside, charges, images, root, radius, a, out):
    """Row a of out (N, 10): its half of the short-ranged energy, force (3), and Σ −½ pull d_α d_β (xx, yy, zz, yz, xz, xy)."""
    for i in range(10):
        out[a, i] = 0.0
    for b in range(inside.shape[0]):
        product = charges[a] * charges[b]
        for t in range(images.shape[0]):
            x = inside[a, 0] - inside[b, 0] + images[t, 0]
            y = inside[a, 1] - inside[b, 1] + images[t, 1]
            z = inside[a, 2] - inside[b, 2] + images[t, 2]
            square = x * x + y * y + z * z
            if 1e-12 < square < radius * radius:
                distance = math.sqrt(square)
                screened = math.erfc(root * distance)
                pull = product * (screened / distance + 2.0 * root / math.sqrt(math.pi) * math.exp(-root * root * square)) / square
                out[a, 0] += 0.5 * product * screened / distance
                out[a, 1] += pull * x
                out[a, 2] += pull * y
                out[a, 3] += pull * z
                out[a, 4] -= 0.5 * pull * x * x
                out[a, 5] -= 0.5 * pull * y * y
                out[a, 6] -= 0.5 * pull * z * z
                out[a, 7] -= 0.5 * pull * y * z
                out[a, 8] -= 0.5 * pull * x * z
                out[a, 9] -= 0.5 * pull * x * y


@numba.njit(nogil=True, cache=True)
def factors_cpu(G, positions, charges, out):
    """out (n_G,) = Σ Z e^{−iG·R}."""
    for j in range(out.shape[0]):
        out[j] = charge_factor(G, positions, charges, j)


@numba.njit(nogil=True, cache=True)
def smooth_cpu(G, weight, structure, positions, charges, out):
    """out (N, 3) = forces of the smooth part."""
    for a in range(out.shape[0]):
        for axis in range(3):
            out[a, axis] = smooth_force(G, weight, structure, positions, charges, axis, a)


@numba.njit(nogil=True, cache=True)
def near_cpu(inside, charges, images, root, radius, out):
    """out (N, 10), see `near_sums`."""
    for a in range(out.shape[0]):
        near_sums(inside, charges, images, root, radius, a, out)


def smooth_part(G: np.ndarray, weight: np.ndarray, positions: np.ndarray, charges: np.ndarray, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """(structure factors (n_G,), forces (N, 3)) for plane waves G (n_G, 3) with weights (n_G,)."""
    structure, forces = np.empty(len(G), complex), np.empty((len(positions), 3))
    if device == "cuda" and _cuda_works():
        from . import lattice_sums_cuda as launchers
        arrays = (G, weight, positions, charges, structure, forces)
        G_, weight_, positions_, charges_, s, f = (torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in arrays)
        blocks, threads = launch_grid(len(G), 1, 1)
        launchers.factors[blocks, threads](G_, positions_, charges_, s)
        blocks, threads = launch_grid(len(positions), 3, 1, threads=64)
        launchers.smooth[blocks, threads](G_, weight_, s, positions_, charges_, f)
        return s.cpu().numpy(), f.cpu().numpy()
    factors_cpu(G, positions, charges, structure)
    smooth_cpu(G, weight, structure, positions, charges, forces)
    return structure, forces


def near_part(inside: np.ndarray, charges: np.ndarray, images: np.ndarray, root: float, radius: float,
              device: str = "cpu") -> tuple[float, np.ndarray, np.ndarray]:
    """(energy, forces (N, 3), Ω × stress (3, 3)) of the short-ranged part; inside: positions within the cell, images: lattice vectors (M, 3)."""
    out = np.empty((len(charges), 10))
    if device == "cuda" and _cuda_works():
        from . import lattice_sums_cuda as launchers
        inside_, charges_, images_, o = (torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in (inside, charges, images, out))
        blocks, threads = launch_grid(len(charges), 1, 1, threads=64)
        launchers.near[blocks, threads](inside_, charges_, images_, root, radius, o)
        out = o.cpu().numpy()
    else:
        near_cpu(inside, charges, np.ascontiguousarray(images), root, radius, out)
    total = out.sum(0)
    xx, yy, zz, yz, xz, xy = total[4:]
    return float(total[0]), out[:, 1:4].copy(), np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
