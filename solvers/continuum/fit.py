"""The fit of stress against strain: second Piola–Kirchhoff stress S against Green–Lagrange strain η, all points at once.

    S(p) = S⁰ + C : η(p) + Q_d t² + R_d t³          point p = direction d with amplitude t, η = t e_d

C = Σ c_k B_k in the basis the symmetry allows; S⁰ (the stress of the unstrained crystal) and the non-linear terms Q_d, R_d of each direction are free.
Everything is in Mandel form, where equal weights do not depend on the frame. Covariance s²(XᵀWX)⁻¹ with s² from the residuals.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from .material import COVERAGE_95
from .tensor import from_mandel, pack_21


@dataclass(frozen=True)
class Point:
    """One measured point: direction index (−1: unstrained), amplitude t, strain and stress as Mandel vectors (6,), weight ∝ 1/variance."""

    direction: int
    amplitude: float
    strain: np.ndarray
    stress: np.ndarray
    weight: float = 1.0


@dataclass(frozen=True)
class Fit:
    """coefficients (k,) of the basis, their covariance (k, k), zero-strain stress (6,) Mandel, residual rms and degrees of freedom, condition number."""

    basis: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    zero_stress: np.ndarray
    residual: float
    freedom: int
    condition: float

    @property
    def mandel(self) -> np.ndarray:
        """Mandel stiffness (6, 6)."""
        return np.einsum("k,kab->ab", self.coefficients, self.basis)

    @property
    def stiffness(self) -> np.ndarray:
        """Voigt stiffness (6, 6)."""
        return from_mandel(self.mandel)

    @property
    def covariance_21(self) -> np.ndarray:
        """Covariance (21, 21) of the Voigt constants, Gaussian-equivalent: enlarged so that 1.96 standard deviations are Student's 95 % limit."""
        from scipy.stats import t
        linear = pack_21(from_mandel(self.basis)).T
        factor = (t.ppf(0.975, max(self.freedom, 1)) / COVERAGE_95) ** 2
        return _symmetric(linear @ self.covariance @ linear.T) * factor


def fit(points: list[Point], basis: np.ndarray, order: int = 2) -> Fit:
    """Least-squares fit with non-linear terms up to t^`order` (1, 2 or 3). A direction gets a term only where its amplitudes determine it.

    Raises SetupError when the points do not determine the constants.
    """
    n_constants = len(basis)
    columns = [np.einsum("kab,pb->pak", basis, np.array([p.strain for p in points])).reshape(-1, n_constants), np.tile(np.eye(6), (len(points), 1))]
    amplitude = np.array([p.amplitude for p in points])
    direction = np.array([p.direction for p in points])
    # scaled amplitudes keep the columns of like size
    t = amplitude / max(np.abs(amplitude).max(), 1e-300)
    for d in np.unique(direction[direction >= 0]):
        own = direction == d
        levels = len(np.unique(np.round(t[own], 12)))
        for power in range(2, order + 1):
            if levels >= power:
                column = np.where(own, t**power, 0.0)
                columns.append(np.kron(column[:, None], np.eye(6)))
    design = np.concatenate(columns, axis=1)
    target = np.concatenate([p.stress for p in points])
    root = np.repeat(np.sqrt([p.weight for p in points]), 6)
    scale = np.abs(design).max(axis=0)
    scale[scale == 0] = 1.0  # a constant that no strain touches: found singular below
    scaled = design / scale * root[:, None]
    u, values, vt = np.linalg.svd(scaled, full_matrices=False)
    if len(values) < design.shape[1] or values[-1] < 1e-10 * values[0]:
        raise SetupError(f"{len(points)} strain points do not determine {n_constants} elastic constants and their non-linear terms.",
                         hint="Apply more strains.")
    solution = (vt.T / values) @ (u.T @ (target * root)) / scale
    freedom = len(target) - design.shape[1]
    residuals = (target - design @ solution) * root
    variance = float(residuals @ residuals) / max(freedom, 1)
    inverse = (vt.T / values**2) @ vt / np.outer(scale, scale)
    return Fit(basis, solution[:n_constants], _symmetric(variance * inverse[:n_constants, :n_constants]), solution[n_constants:n_constants + 6],
               float(np.sqrt(variance)),
               freedom, float(values[0] / values[-1]))


def responses(points: list[Point]) -> dict[int, np.ndarray]:
    """direction -> dS/dt (6,) at zero strain, without any symmetry: the odd part of the stress at the smallest pair of amplitudes ±t."""
    out = {}
    for d in sorted({p.direction for p in points if p.direction >= 0}):
        own = {round(p.amplitude, 12): p for p in points if p.direction == d}
        pairs = [t for t in own if t > 0 and -t in own]
        if pairs:
            t = min(pairs)
            out[d] = (own[t].stress - own[-t].stress) / (2 * t)
    return out


def symmetry_residual(points: list[Point], mandel: np.ndarray) -> dict[int, float]:
    """direction -> ‖measured response − C e‖ / ‖C e‖: how well the symmetric tensor tells what was measured without it."""
    out = {}
    for d, measured in responses(points).items():
        point = next(p for p in points if p.direction == d and p.amplitude > 0)
        predicted = mandel @ point.strain / point.amplitude
        out[d] = float(np.linalg.norm(measured - predicted) / np.linalg.norm(predicted))
    return out


def difference_covariance(difference: np.ndarray) -> np.ndarray:
    """Covariance (21, 21) of a systematic term whose 95 % half width is |difference| (6, 6) Voigt: fully correlated, rank one."""
    vector = pack_21(difference) / COVERAGE_95
    return np.outer(vector, vector)


def discretisation_covariance(basis: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Covariance (21, 21) of what a finite cutoff or k-mesh does, from one denser calculation that changed the coefficients of `basis` by `difference` (k,).

    The change itself is taken as the 95 % half width, plus its mean size for every independent constant: one that happens not to change is not converged.
    """
    even = np.eye(len(difference)) * (difference @ difference) / len(difference)
    linear = pack_21(from_mandel(basis)).T / COVERAGE_95
    return _symmetric(linear @ (np.outer(difference, difference) + even) @ linear.T)


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + matrix.T)
