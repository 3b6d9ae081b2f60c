"""Isotropic moduli of a polycrystal without texture, and measures of anisotropy, from the single crystal's stiffness.

Voigt and Reuss bounds and Hill's mean; Hashin–Shtrikman bounds (cubic crystals); the self-consistent estimate (any symmetry).
Sources: R. Hill, Proc. Phys. Soc. A 65 (1952) 349; Z. Hashin and S. Shtrikman, J. Mech. Phys. Solids 10 (1962) 343; E. Kröner, Z. Phys. 151 (1958) 504;
C. Zener, Elasticity and Anelasticity of Metals (1948); S. I. Ranganathan and M. Ostoja-Starzewski, Phys. Rev. Lett. 101 (2008) 055504.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ..core.errors import NotConvergedError, RefusedError
from ..core.units import GPA_PASCAL
from .tensor import compliance, is_stable, mandel, single

_J = np.zeros((6, 6))
_J[:3, :3] = 1.0 / 3.0  # projector on the dilatation, Mandel form
_D = np.eye(6) - _J


@dataclass(frozen=True)
class Averages:
    """Moduli in Pa. K, G by Voigt, Reuss and Hill; young, poisson of Hill's mean; G_hs (lower, upper) or None unless cubic; K_sc, G_sc self-consistent;
    universal: A^U ≥ 0; zener: 2 C44/(C11 − C12) or None unless cubic."""

    K_voigt: float
    K_reuss: float
    K_hill: float
    G_voigt: float
    G_reuss: float
    G_hill: float
    young: float
    poisson: float
    G_hs: tuple[float, float] | None
    K_sc: float
    G_sc: float
    universal: float
    zener: float | None

    def to_dict(self) -> dict[str, float | list[float] | None]:
        """Plain values; moduli in Pa."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def table(self) -> str:
        """The moduli in GPa as text for people."""
        g = 1 / GPA_PASCAL
        lines = [f"K  Voigt {self.K_voigt * g:.3f}  Reuss {self.K_reuss * g:.3f}  Hill {self.K_hill * g:.3f}  self-consistent {self.K_sc * g:.3f} GPa",
                 f"G  Voigt {self.G_voigt * g:.3f}  Reuss {self.G_reuss * g:.3f}  Hill {self.G_hill * g:.3f}  self-consistent {self.G_sc * g:.3f} GPa"]
        if self.G_hs is not None:
            lines.append(f"G  Hashin-Shtrikman {self.G_hs[0] * g:.3f} to {self.G_hs[1] * g:.3f} GPa")
        lines.append(f"polycrystal (Hill)  E {self.young * g:.3f} GPa  nu {self.poisson:.4f}")
        zener = "" if self.zener is None else f"  Zener {self.zener:.4f}"
        return "\n".join([*lines, f"anisotropy  A^U {self.universal:.4f}{zener}"])


def voigt_reuss(stiffness: np.ndarray) -> tuple[float, float, float, float]:
    """(K_Voigt, K_Reuss, G_Voigt, G_Reuss) in the stiffness' unit, from a Voigt matrix (6, 6)."""
    c, s = stiffness, compliance(stiffness)
    k_voigt = c[:3, :3].sum() / 9
    g_voigt = (np.trace(c[:3, :3]) - (c[0, 1] + c[0, 2] + c[1, 2])) / 15 + np.trace(c[3:, 3:]) / 5
    k_reuss = 1 / s[:3, :3].sum()
    g_reuss = 15 / (4 * np.trace(s[:3, :3]) - 4 * (s[0, 1] + s[0, 2] + s[1, 2]) + 3 * np.trace(s[3:, 3:]))
    return float(k_voigt), float(k_reuss), float(g_voigt), float(g_reuss)


def cubic_shears(stiffness: np.ndarray, tolerance: float = 1e-3) -> tuple[float, float] | None:
    """(C11 − C12)/2 and C44 of a cubic crystal in any frame, None for other crystals.

    A cubic tensor has Mandel eigenvalues 3K, 2G₁ (twice) and 2G₂ (three times) and the dilatation as an eigenvector; other classes do not, but by accident.
    """
    m = mandel(stiffness)
    scale = np.abs(m).max()
    dilatation = np.array([1, 1, 1, 0, 0, 0]) / np.sqrt(3)
    bulk = dilatation @ m @ dilatation
    if np.abs(m @ dilatation - bulk * dilatation).max() > tolerance * scale:
        return None
    shears = np.linalg.svd(dilatation[None])[2][1:]  # orthonormal basis of the five shears
    values = np.linalg.eigvalsh(shears @ m @ shears.T)
    if values[4] - values[2] <= tolerance * scale and values[1] - values[0] <= tolerance * scale:
        return float(values[:2].mean() / 2), float(values[2:].mean() / 2)
    if values[2] - values[0] <= tolerance * scale and values[4] - values[3] <= tolerance * scale:
        return float(values[3:].mean() / 2), float(values[:3].mean() / 2)
    return None


def hashin_shtrikman(stiffness: np.ndarray) -> tuple[float, float] | None:
    """Bounds (lower, upper) of the shear modulus of a cubic polycrystal, None for other crystals."""
    shears = cubic_shears(stiffness)
    if shears is None:
        return None
    bulk, (g1, g2) = voigt_reuss(stiffness)[0], shears
    if abs(g1 - g2) < 1e-12 * g2:
        return g1, g1

    def beta(g: float) -> float:
        return -3 * (bulk + 2 * g) / (5 * g * (3 * bulk + 4 * g))

    bounds = (g1 + 3 / (5 / (g2 - g1) - 4 * beta(g1)), g2 + 2 / (5 / (g1 - g2) - 6 * beta(g2)))
    return min(bounds), max(bounds)


def self_consistent(stiffness: np.ndarray, tolerance: float = 1e-12, max_iterations: int = 1000) -> tuple[float, float]:
    """(K, G) of the self-consistent polycrystal: spheres of every orientation in the medium that they make up.

    C* = ⟨C A⟩⟨A⟩⁻¹ with A = (1 + P (C − C*))⁻¹ and Hill's tensor of a sphere P = α/(3K) J + β/(2G) D. Raises NotConvergedError.
    """
    c = mandel(stiffness)
    k_voigt, k_reuss, g_voigt, g_reuss = voigt_reuss(stiffness)
    k, g = (k_voigt + k_reuss) / 2, (g_voigt + g_reuss) / 2
    for _ in range(max_iterations):
        hill = (3 * k / (3 * k + 4 * g)) / (3 * k) * _J + (6 * (k + 2 * g) / (5 * (3 * k + 4 * g))) / (2 * g) * _D
        a = np.linalg.inv(np.eye(6) + hill @ (c - 3 * k * _J - 2 * g * _D))
        ca = c @ a
        # orientation average of a tensor = its projections on J and D
        k_new = np.trace(_J @ ca) / np.trace(_J @ a) / 3
        g_new = np.trace(_D @ ca) / np.trace(_D @ a) / 2
        change = max(abs(k_new - k) / k, abs(g_new - g) / g)
        k, g = k_new, g_new
        if change < tolerance:
            return float(k), float(g)
    raise NotConvergedError(f"The self-consistent moduli still change by {change:.1e} after {max_iterations} iterations.",
                            hint="The crystal is extremely anisotropic; use the bounds.")


def anisotropy(stiffness: np.ndarray) -> tuple[float, float | None]:
    """(A^U, Zener ratio or None unless cubic). A^U = 5 G_V/G_R + K_V/K_R − 6, zero for an isotropic body."""
    k_voigt, k_reuss, g_voigt, g_reuss = voigt_reuss(stiffness)
    shears = cubic_shears(stiffness)
    return 5 * g_voigt / g_reuss + k_voigt / k_reuss - 6, None if shears is None else shears[1] / shears[0]


def averages(material) -> Averages:
    """All averages of a `Material` at one temperature, or of a Voigt matrix (6, 6) in Pa. Raises RefusedError when Born's test fails."""
    c = single(material)
    if not is_stable(c):
        raise RefusedError("The crystal is elastically unstable (Born), so polycrystal averages have no meaning.",
                           hint="Check the structure and the constants.")
    k_voigt, k_reuss, g_voigt, g_reuss = voigt_reuss(c)
    k, g = (k_voigt + k_reuss) / 2, (g_voigt + g_reuss) / 2
    k_sc, g_sc = self_consistent(c)
    universal, zener = anisotropy(c)
    return Averages(k_voigt, k_reuss, k, g_voigt, g_reuss, g, 9 * k * g / (3 * k + g), (3 * k - 2 * g) / (2 * (3 * k + g)), hashin_shtrikman(c), k_sc, g_sc,
                    universal, zener)
