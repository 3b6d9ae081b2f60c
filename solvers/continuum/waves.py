"""Sound waves of a crystal: Christoffel speeds and the elastic Debye temperature.

Γ_ik = C_ijkl n_j n_l, Γ e = ρ v² e. Debye: θ = (ħ/k_B)(6π² N)^(1/3) v_m with v_m^-3 = ⟨Σ v_i^-3⟩/3 over the sphere, integrated exactly.
Source: O. L. Anderson, J. Phys. Chem. Solids 24 (1963) 909; B. A. Auld, Acoustic Fields and Waves in Solids (1973), ch. 7.
"""
from __future__ import annotations

import numpy as np

from ..core.errors import RefusedError, SetupError
from ..core.units import BOLTZMANN_SI, HBAR
from .tensor import full_stiffness, is_stable, single


def christoffel(stiffness: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Γ (…, 3, 3) in Pa of a Voigt stiffness (6, 6) for unit vectors (…, 3)."""
    n = np.asarray(directions, dtype=float)
    n = n / np.linalg.norm(n, axis=-1, keepdims=True)
    return np.einsum("ijkl,...j,...l->...ik", full_stiffness(stiffness), n, n, optimize=True)


def wave_speeds(stiffness: np.ndarray, density: float, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phase speeds (…, 3) in m/s, ascending, and polarisations (…, 3, 3) as rows, along `directions` (…, 3); stiffness in Pa, density in kg/m³.

    Raises RefusedError for a crystal that fails Born's test.
    """
    if not is_stable(stiffness):
        raise RefusedError("The crystal is elastically unstable (Born): some wave has no real speed.", hint="Check the structure and the constants.")
    values, vectors = np.linalg.eigh(christoffel(stiffness, directions))
    return np.sqrt(values / density), np.swapaxes(vectors, -1, -2)


def mean_speed(stiffness: np.ndarray, density: float, n_polar: int = 96) -> float:
    """Debye's mean speed in m/s: Gauss–Legendre in cos θ, evenly spaced azimuths."""
    z, weights = np.polynomial.legendre.leggauss(n_polar)
    angle = np.arange(2 * n_polar) * np.pi / n_polar
    radius = np.sqrt(1 - z * z)
    directions = np.stack([np.outer(radius, np.cos(angle)), np.outer(radius, np.sin(angle)), np.repeat(z[:, None], len(angle), 1)], axis=-1)
    speeds, _ = wave_speeds(stiffness, density, directions)
    slowness = (speeds**-3.0).sum(axis=-1).mean(axis=1)
    return float((slowness @ weights / 2 / 3) ** (-1 / 3))


def debye_temperature(material, density: float | None = None, atoms_per_volume: float | None = None) -> float:
    """Elastic Debye temperature in K of a `Material` (or a Voigt matrix in Pa with `density` in kg/m³ and `atoms_per_volume` in 1/m³)."""
    c = single(material)
    density = getattr(material, "density", None) if density is None else density
    atoms_per_volume = getattr(material, "atoms_per_volume", None) if atoms_per_volume is None else atoms_per_volume
    if density is None or atoms_per_volume is None:
        raise SetupError("A Debye temperature needs the density and the number of atoms per volume, and the material lacks " +
                         ("the density." if density is None else "the number of atoms per volume."), hint="Give density (kg/m³) and atoms_per_volume (1/m³).")
    return float(HBAR / BOLTZMANN_SI * (6 * np.pi**2 * atoms_per_volume) ** (1 / 3) * mean_speed(c, float(np.ravel(density)[0])))
