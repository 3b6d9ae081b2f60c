"""Screened nuclear repulsion at distances below any bond: Ziegler, Biersack & Littmark, The Stopping and Range of Ions in Solids (1985).

V = Z_i Z_j e²/(4πε₀ r) φ(r/a), a = 0.8854 a₀/(Z_i^0.23 + Z_j^0.23), switched off between half of and the whole outer radius
min(2.5 Å, 0.7 (R_i + R_j)) with covalent radii R. It is taken off the training labels, never merely added to a fitted model.
"""
from __future__ import annotations

import numpy as np
from numba import njit

from solvers.core.paths import use_numba_cache
from solvers.core.units import BOHR_ANGSTROM, HARTREE_EV

use_numba_cache()
_AMPLITUDES = np.array([0.18175, 0.50986, 0.28022, 0.02817])
_DECAYS = np.array([3.19980, 0.94229, 0.40290, 0.20162])
LARGEST_RADIUS = 2.5  # Å
_COULOMB = HARTREE_EV * BOHR_ANGSTROM  # e²/(4πε₀) in eV Å


def outer_radii(species: tuple[int, ...]) -> np.ndarray:
    """Outer radius in Å for every pair of species, (S, S)."""
    from ase.data import covalent_radii
    radii = covalent_radii[list(species)]
    return np.minimum(LARGEST_RADIUS, 0.7 * (radii[:, None] + radii[None]))


@njit(cache=True, nogil=True, error_model="numpy")
def pair(za, zb, r, outer):
    """(V in eV, dV/dr in eV/Å) at distance r (Å)."""
    if r >= outer:
        return 0.0, 0.0
    a = 0.8854 * BOHR_ANGSTROM / (za**0.23 + zb**0.23)
    screen, slope = 0.0, 0.0
    for i in range(4):
        part = _AMPLITUDES[i] * np.exp(-_DECAYS[i] * r / a)
        screen += part
        slope -= part * _DECAYS[i] / a
    value = _COULOMB * za * zb / r * screen
    slope = _COULOMB * za * zb / r * (slope - screen / r)
    inner = 0.5 * outer
    if r > inner:
        t = (r - inner) / (outer - inner)
        switch = 1.0 - t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)
        bend = -30.0 * t * t * (1.0 - t) * (1.0 - t) / (outer - inner)
        slope = slope * switch + value * bend
        value *= switch
    return value, slope


@njit(cache=True, nogil=True, error_model="numpy")
def repulsion(positions, cell, kinds, charges, outer, offsets, neighbours, shifts):
    """energies (N,) eV, forces (N, 3) eV/Å, virial (3, 3) eV = −∂E/∂strain, from a full list; charges (S,), outer (S, S) in Å."""
    n_atoms = positions.shape[0]
    energies, forces, virial = np.zeros(n_atoms), np.zeros((n_atoms, 3)), np.zeros((3, 3))
    widest = outer.max()
    for atom in range(n_atoms):
        for index in range(offsets[atom], offsets[atom + 1]):
            other = neighbours[index]
            sx, sy, sz = shifts[index, 0], shifts[index, 1], shifts[index, 2]
            x = positions[other, 0] - positions[atom, 0] + (sx * cell[0, 0] + sy * cell[1, 0] + sz * cell[2, 0])
            y = positions[other, 1] - positions[atom, 1] + (sx * cell[0, 1] + sy * cell[1, 1] + sz * cell[2, 1])
            z = positions[other, 2] - positions[atom, 2] + (sx * cell[0, 2] + sy * cell[1, 2] + sz * cell[2, 2])
            r2 = x * x + y * y + z * z
            if r2 >= widest * widest:
                continue
            r = np.sqrt(r2)
            value, slope = pair(charges[kinds[atom]], charges[kinds[other]], r, outer[kinds[atom], kinds[other]])
            energies[atom] += 0.5 * value
            fx, fy, fz = slope * x / r, slope * y / r, slope * z / r
            forces[atom, 0] += fx  # the mirror pair gives the other half
            forces[atom, 1] += fy
            forces[atom, 2] += fz
            virial[0, 0] -= 0.5 * x * fx
            virial[0, 1] -= 0.5 * x * fy
            virial[0, 2] -= 0.5 * x * fz
            virial[1, 1] -= 0.5 * y * fy
            virial[1, 2] -= 0.5 * y * fz
            virial[2, 2] -= 0.5 * z * fz
    virial[1, 0], virial[2, 0], virial[2, 1] = virial[0, 1], virial[0, 2], virial[1, 2]
    return energies, forces, virial
