"""Electrostatic energy of point charges in a neutralising background, with forces and stress.

P. P. Ewald, Ann. Phys. 369, 253 (1921). With S(G) = Σ_a Z_a e^{−iG·R_a} and splitting parameter η (1/bohr²):
    E = (2π/Ω) Σ_{G≠0} |S|² e^{−G²/4η}/G² + ½ Σ' Z_a Z_b erfc(√η d)/d − √(η/π) Σ Z² − π (ΣZ)²/(2Ωη)
"""
from __future__ import annotations

import math

import numpy as np

from ..special import erfc

#: both lattice sums are cut where their terms are below e^{−_REACH²}
_REACH = 6.3
_CHUNK = 400_000  # pairs handled at once
#: atoms from which compiled kernels do the sums: below, NumPy's arrays are small and nothing has to be compiled
WORTHWHILE = 48


def ewald(cell: np.ndarray, positions: np.ndarray, charges: np.ndarray, eta: float | None = None,
          device: str = "cpu") -> tuple[float, np.ndarray, np.ndarray]:
    """(energy Ha, forces (N, 3) Ha/bohr, stress (3, 3) Ha/bohr³ = (1/Ω) dE/dε) of charges (N,) at positions (N, 3) bohr in a cell (3, 3) of rows in bohr.

    eta: the splitting parameter in 1/bohr², balanced when left out; the result does not depend on it. device: where the sums of many atoms are
    done ("cpu" or "cuda").
    """
    cell, positions, charges = np.asarray(cell, float), np.asarray(positions, float), np.asarray(charges, float)
    volume = abs(float(np.linalg.det(cell)))
    if eta is None:
        eta = (len(charges) * math.pi**3 / volume**2) ** (1 / 3)
    total = float(charges.sum())
    energy = -math.sqrt(eta / math.pi) * float(charges @ charges) - math.pi * total**2 / (2 * volume * eta)
    stress = math.pi * total**2 / (2 * volume * eta) * np.eye(3)
    forces = np.zeros_like(positions)
    for part in (_reciprocal, _direct):
        e, f, s = part(cell, positions, charges, eta, volume, device)
        energy, forces, stress = energy + e, forces + f, stress + s
    return energy, forces, stress / volume


def lattice_points(cell: np.ndarray, radius: float) -> np.ndarray:
    """Integer triples (M, 3) that include every lattice vector of a cell (rows) within `radius` of any point of the cell around the origin."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)  # distance between lattice planes
    reach = np.ceil(radius / heights).astype(int) + 1
    return np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), -1).reshape(-1, 3)


def _reciprocal(cell, positions, charges, eta, volume, device):
    reciprocal = 2 * math.pi * np.linalg.inv(cell).T
    vectors = lattice_points(reciprocal, 2 * _REACH * math.sqrt(eta)) @ reciprocal
    vectors = vectors[len(vectors) // 2 + 1:]  # one of each ±G; the middle one is G = 0
    square = np.einsum("gi,gi->g", vectors, vectors)
    keep = square < 4 * eta * _REACH**2
    vectors, square = vectors[keep], square[keep]
    weight = 4 * math.pi / volume * np.exp(-square / (4 * eta)) / square  # both signs of G
    if len(charges) >= WORTHWHILE:
        from ..kernels.lattice_sums import smooth_part
        structure, forces = smooth_part(vectors, weight, positions, charges, device)
    else:
        phases = np.exp(-1j * vectors @ positions.T) * charges  # (n_G, N)
        structure = phases.sum(1)
        forces = -2 * np.einsum("g,gn,gi->ni", weight, (np.conj(structure)[:, None] * phases).imag, vectors, optimize=True)
    power = weight * np.abs(structure) ** 2
    energy = float(power.sum())
    stress = np.einsum("g,gi,gj->ij", power * 2 / square * (1 + square / (4 * eta)), vectors, vectors, optimize=True) - energy * np.eye(3)
    return energy, forces, stress


def _direct(cell, positions, charges, eta, volume, device):
    root = math.sqrt(eta)
    radius = _REACH / root
    inverse = np.linalg.inv(cell)
    inside = positions - np.floor(positions @ inverse) @ cell
    images = lattice_points(cell, radius) @ cell
    if len(charges) >= WORTHWHILE:
        from ..kernels.lattice_sums import near_part
        spread = float(np.linalg.norm(np.abs(np.linalg.inv(inverse)).sum(0)))  # no difference of positions is longer
        return near_part(inside, charges, images[np.linalg.norm(images, axis=1) < radius + spread], root, radius, device)
    n = len(charges)
    energy, forces, stress = 0.0, np.zeros((n, 3)), np.zeros((3, 3))
    between = inside[:, None] - inside[None]  # (N, N, 3), from b to a
    products = charges[:, None] * charges
    # an image can only matter when it is near the box of all differences
    images = images[np.linalg.norm(images, axis=1) < radius + float(np.linalg.norm(between, axis=-1).max())]
    step = max(1, _CHUNK // (n * n))
    for start in range(0, len(images), step):
        shifts = images[start:start + step]
        vectors = between[None] + shifts[:, None, None]
        square = np.einsum("tabi,tabi->tab", vectors, vectors)
        image, a, b = np.nonzero((square < radius**2) & (square > 1e-12))
        vector, distance, product = vectors[image, a, b], np.sqrt(square[image, a, b]), products[a, b]
        screened = erfc(root * distance)
        energy += 0.5 * float((product * screened / distance).sum())
        # −d/dd (erfc(√η d)/d) / d
        pull = product * (screened / distance + 2 * root / math.sqrt(math.pi) * np.exp(-(root * distance) ** 2)) / distance**2
        for axis in range(3):
            forces[:, axis] += np.bincount(a, pull * vector[:, axis], n)
        stress -= 0.5 * np.einsum("p,pi,pj->ij", pull, vector, vector, optimize=True)
    return energy, forces, stress
