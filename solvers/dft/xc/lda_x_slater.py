"""Exchange of the uniform electron gas (libxc 1). P. A. M. Dirac, Proc. Camb. Phil. Soc. 26, 376 (1930); J. C. Slater, Phys. Rev. 81, 385 (1951)."""
from __future__ import annotations

import math

from torch import Tensor

from .spin import scaled_exchange
from .values import Terms

_C = -0.75 * (3 / math.pi) ** (1 / 3)


def evaluate(rho: Tensor, sigma: Tensor | None = None) -> Terms:
    """e = −¾ (3/π)^{1/3} rho^{4/3}; see `functional.py` for shapes and units."""
    if rho.dim() == 2:
        return scaled_exchange(evaluate, rho, None)
    per_electron = _C * rho ** (1 / 3)
    return rho * per_electron, 4 / 3 * per_electron, None
