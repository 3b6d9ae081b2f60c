"""Fourth-rank elastic tensors: Voigt 6×6, full 3×3×3×3 and Mandel forms, rotation, compliance.

Voigt order xx, yy, zz, yz, xz, xy everywhere. Stiffness carries no factors between the full and the Voigt form; compliance and strain do
(γ = 2ε). The Mandel form (factors √2) is the one whose eigenvalues are physical moduli. Every function works on stacks: leading axes are kept.

Source: J. F. Nye, Physical Properties of Crystals, Oxford 1985, ch. VIII; M. Moakher, Q. J. Mech. Appl. Math. 61 (2008) 99 for Mandel's form.
"""
from __future__ import annotations

import numpy as np

from ..core.errors import SetupError

#: Voigt index -> pair of Cartesian axes
PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_ROW = np.array([pair[0] for pair in PAIRS])
_COLUMN = np.array([pair[1] for pair in PAIRS])
_INDEX = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # pair of Cartesian axes -> Voigt index
_MANDEL = np.sqrt(np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]))
_SHEAR = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
#: rows and columns of the 21 independent Voigt constants, upper triangle by rows: C11 C12 … C16 C22 … C66
UPPER = np.triu_indices(6)
#: "C11", "C12", … in the order of UPPER
NAMES_21 = tuple(f"C{i + 1}{j + 1}" for i, j in zip(*UPPER, strict=True))


def full_stiffness(voigt: np.ndarray) -> np.ndarray:
    """Stiffness (…, 3, 3, 3, 3) of a Voigt matrix (…, 6, 6), same unit."""
    return np.asarray(voigt)[..., _INDEX[:, :, None, None], _INDEX[None, None, :, :]]


def voigt_stiffness(full: np.ndarray) -> np.ndarray:
    """Voigt matrix (…, 6, 6) of a stiffness (…, 3, 3, 3, 3) with the minor symmetries."""
    return np.asarray(full)[..., _ROW[:, None], _COLUMN[:, None], _ROW[None, :], _COLUMN[None, :]]


def full_compliance(voigt: np.ndarray) -> np.ndarray:
    """Compliance (…, 3, 3, 3, 3) of a Voigt compliance (…, 6, 6), whose shear rows and columns carry factors 2 and 4."""
    return full_stiffness(np.asarray(voigt) / (_SHEAR[:, None] * _SHEAR[None, :]))


def compliance(voigt: np.ndarray) -> np.ndarray:
    """Voigt compliance (…, 6, 6) in 1/Pa of a stiffness in Pa; SetupError when the matrix is singular."""
    try:
        return np.linalg.inv(voigt)
    except np.linalg.LinAlgError:
        raise SetupError("The stiffness matrix is singular, so it has no compliance.",
                         hint="A crystal needs six positive eigenvalues; check the constants.") from None


def mandel(voigt: np.ndarray) -> np.ndarray:
    """Mandel matrix (…, 6, 6) of a Voigt stiffness: shear rows and columns times √2, an orthonormal basis of symmetric tensors."""
    return np.asarray(voigt) * _MANDEL[:, None] * _MANDEL[None, :]


def from_mandel(matrix: np.ndarray) -> np.ndarray:
    """Voigt stiffness of a Mandel matrix."""
    return np.asarray(matrix) / (_MANDEL[:, None] * _MANDEL[None, :])


def strain_voigt(strain: np.ndarray) -> np.ndarray:
    """Voigt strain (…, 6) with engineering shears of a symmetric tensor (…, 3, 3)."""
    return np.asarray(strain)[..., _ROW, _COLUMN] * _SHEAR


def strain_tensor(voigt: np.ndarray) -> np.ndarray:
    """Symmetric strain tensor (…, 3, 3) of a Voigt strain (…, 6) with engineering shears."""
    return (np.asarray(voigt) / _SHEAR)[..., _INDEX]


def stress_voigt(stress: np.ndarray) -> np.ndarray:
    """Voigt stress (…, 6) of a symmetric tensor (…, 3, 3)."""
    return np.asarray(stress)[..., _ROW, _COLUMN]


def stress_tensor(voigt: np.ndarray) -> np.ndarray:
    """Symmetric stress tensor (…, 3, 3) of a Voigt stress (…, 6)."""
    return np.asarray(voigt)[..., _INDEX]


def bond_matrix(rotation: np.ndarray) -> np.ndarray:
    """Mandel rotation (…, 6, 6), orthogonal, that acts on Mandel vectors as `rotation` (…, 3, 3) acts on tensors: t' = R t Rᵀ."""
    r = np.asarray(rotation)
    weight = np.where(_ROW == _COLUMN, 1.0, np.sqrt(2.0))
    first, second = r[..., _ROW[:, None], _ROW[None, :]], r[..., _COLUMN[:, None], _COLUMN[None, :]]
    cross, crossed = r[..., _ROW[:, None], _COLUMN[None, :]], r[..., _COLUMN[:, None], _ROW[None, :]]
    return 0.5 * (first * second + cross * crossed) * weight[:, None] * weight[None, :]


def rotate(voigt: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Voigt stiffness in a new frame: the rows of `rotation` (3, 3) are the new axes in the old frame, C' = R R R R C."""
    q = bond_matrix(rotation)
    return from_mandel(q @ mandel(voigt) @ np.swapaxes(q, -1, -2))


def pack_21(voigt: np.ndarray) -> np.ndarray:
    """The 21 upper-triangle constants (…, 21) of a Voigt matrix, order NAMES_21."""
    return np.asarray(voigt)[..., UPPER[0], UPPER[1]]


def unpack_21(values: np.ndarray) -> np.ndarray:
    """Symmetric Voigt matrix (…, 6, 6) of 21 upper-triangle constants."""
    values = np.asarray(values)
    out = np.zeros((*values.shape[:-1], 6, 6), values.dtype)
    out[..., UPPER[0], UPPER[1]] = values
    out[..., UPPER[1], UPPER[0]] = values
    return out


def mandel_eigenvalues(voigt: np.ndarray) -> np.ndarray:
    """Six Mandel eigenvalues (…, 6) in ascending order, unit of the stiffness: the moduli of the six eigenstrains."""
    return np.linalg.eigvalsh(mandel(voigt))


def is_stable(voigt: np.ndarray) -> bool:
    """Born's test for every crystal class at zero stress: all Mandel eigenvalues are positive."""
    return bool((mandel_eigenvalues(voigt) > 0).all())


def single(material) -> np.ndarray:
    """The Voigt stiffness (6, 6) in Pa of a `Material` at one temperature, or of such a matrix itself. SetupError for a table over temperature."""
    c = np.asarray(getattr(material, "stiffness_voigt", material), dtype=float)
    if c.shape != (6, 6):
        raise SetupError(f"One stiffness matrix is needed here; got an array of shape {c.shape}.", hint="Choose a temperature first: material.at(300).")
    return c


def coerce_stiffness(value: np.ndarray) -> np.ndarray:
    """Stiffness as (n_T, 6, 6) in Pa from (6, 6), (3, 3, 3, 3), (n_T, 6, 6) or (n_T, 3, 3, 3, 3), symmetrised.

    Raises SetupError for other shapes, NaN, asymmetry above 1e-6 of the largest constant, and magnitudes that are not pascal.
    """
    try:
        c = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise SetupError("The stiffness is not an array of numbers.", hint="Give a (6, 6) Voigt matrix or a (3, 3, 3, 3) tensor in Pa.") from None
    if c.ndim >= 4 and c.shape[-4:] == (3, 3, 3, 3):
        if not np.isfinite(c).all():
            raise SetupError("The stiffness holds NaN or infinity.", hint="Every constant must be a number in Pa.")
        v = voigt_stiffness(c)
        if np.abs(full_stiffness(v) - c).max() > 1e-6 * np.abs(c).max():
            raise SetupError("The stiffness tensor lacks the minor symmetries C_ijkl = C_jikl = C_ijlk.", hint="Symmetrise it, or check the index order.")
        c = v
    if c.ndim == 2:
        c = c[None]
    if c.ndim != 3 or c.shape[1:] != (6, 6) or len(c) == 0:
        raise SetupError(f"A stiffness of shape {np.shape(value)} is not understood.",
                         hint="Allowed: (6, 6), (3, 3, 3, 3), (n_T, 6, 6) or (n_T, 3, 3, 3, 3) in Pa.")
    if not np.isfinite(c).all():
        raise SetupError("The stiffness holds NaN or infinity.", hint="Every constant must be a number in Pa.")
    largest = float(np.abs(c).max())
    asymmetry = float(np.abs(c - np.swapaxes(c, 1, 2)).max())
    if asymmetry > 1e-6 * largest:
        raise SetupError(f"The stiffness matrix is not symmetric: C_ij and C_ji differ by up to {asymmetry:.4g} Pa.", hint="Give C_ij = C_ji.")
    if not 1e4 <= largest <= 1e14:
        raise SetupError(f"The largest elastic constant is {largest:.4g} Pa.", hint="Allowed: 1e4 to 1e14 Pa. Constants in GPa must be multiplied by 1e9.")
    return 0.5 * (c + np.swapaxes(c, 1, 2))
