"""Gates that an elastic tensor must pass before it leaves the program. Each returns a reason in words, or nothing."""
from __future__ import annotations

import numpy as np

from ..core.units import EV_PER_ANGSTROM3_GPA, GPA_PASCAL
from .averages import voigt_reuss
from .fit import Fit
from .material import Material
from .params import ElasticParams
from .tensor import mandel_eigenvalues


def pulay(value: float | None, params: ElasticParams) -> str:
    """The missing plane waves must not falsify the stress by more than the limit; `value` in eV/Å³."""
    if value is None or value * EV_PER_ANGSTROM3_GPA <= params.pulay_limit:
        return ""
    return (f"The missing plane waves falsify the stress by about {value * EV_PER_ANGSTROM3_GPA:.2f} GPa (Pulay stress); "
            f"at most {params.pulay_limit:g} GPa are allowed. Raise the cutoff.")


def untrained(calculator: object) -> str:
    """A force field that never saw a stress (`trained_on` says so) has no business answering for one."""
    if "stress" in getattr(calculator, "trained_on", ("stress",)):
        return ""
    return ("The force field was trained without stresses: its answer to a strain is extrapolation. Train it on frames that carry a stress, "
            "some of them of strained cells.")


def unconverged(names: list[str], total: int, what: str) -> str:
    """Every strain point must be converged."""
    if not names:
        return ""
    some = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
    return f"{what} did not converge at {len(names)} of {total} strains ({some}). Allow more steps or loosen the tolerance."


def born(stiffness: np.ndarray) -> str:
    """All Mandel eigenvalues positive."""
    lowest = mandel_eigenvalues(stiffness)[0]
    if lowest > 0:
        return ""
    return (f"The crystal is elastically unstable (Born): its smallest Mandel eigenvalue is {lowest / GPA_PASCAL:.3g} GPa. "
            "This structure is not a stable phase with this calculator; relax it without symmetry, or check the calculator.")


def bounds(stiffness: np.ndarray) -> str:
    """Voigt's moduli must not lie below Reuss's, and the largest constant must be one of a solid."""
    k_voigt, k_reuss, g_voigt, g_reuss = voigt_reuss(stiffness)
    if k_voigt < k_reuss * (1 - 1e-9) or g_voigt < g_reuss * (1 - 1e-9):
        return (f"Reuss's modulus exceeds Voigt's (K {k_reuss / GPA_PASCAL:.4g} > {k_voigt / GPA_PASCAL:.4g} "
                f"or G {g_reuss / GPA_PASCAL:.4g} > {g_voigt / GPA_PASCAL:.4g} GPa).")
    largest = np.abs(stiffness).max() / GPA_PASCAL
    return f"The largest constant is {largest:.4g} GPa; no solid exceeds 3000 GPa. The calculator's stress is wrong for this crystal." if largest > 3000 else ""


def symmetry(residuals: dict[int, float], redundant: int | None, params: ElasticParams) -> str:
    """Measured responses must agree with the symmetric tensor, the redundant strain above all: it took no part in the fit it is compared with."""
    if not residuals:
        return ""
    worst = max(residuals, key=lambda d: residuals[d])
    if residuals[worst] <= params.symmetry_limit:
        return ""
    which = "the redundant strain, which took no part in the fit," if worst == redundant else f"strain direction {worst + 1}"
    return (f"The response to {which} differs from the fitted tensor by {residuals[worst]:.1%}; at most {params.symmetry_limit:.1%} are allowed. "
            "The crystal has less symmetry than was found, its ions are not relaxed, or the stress is not that of the energy.")


def residual(fit: Fit, stresses: np.ndarray, params: ElasticParams) -> str:
    """The fit must explain the stresses; `stresses` (n, 6) Mandel, in the unit of the fit."""
    change = np.sqrt(np.mean((stresses - stresses.mean(axis=0)) ** 2))
    fraction = fit.residual / change if change > 0 else np.inf
    if fraction <= params.residual_limit:
        return ""
    return (f"The fit leaves {fraction:.1%} of the stresses unexplained; at most {params.residual_limit:.1%} are allowed. "
            "The calculator is noisy or the strain too large.")


def errors(material: Material) -> str:
    """An error bar as large as the stiffness itself is no result."""
    error = material.error()
    if error is None or error.max() < 0.5 * np.abs(material.stiffness_voigt).max():
        return ""
    return f"The 95 % error bar, {error.max() / GPA_PASCAL:.3g} GPa, is as large as the constants themselves. Tighten the calculation."
