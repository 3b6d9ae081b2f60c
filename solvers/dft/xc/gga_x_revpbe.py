"""Exchange of revPBE (libxc 102): PBE with κ = 1.245. Y. Zhang, W. Yang, Phys. Rev. Lett. 80, 890 (1998)."""
from __future__ import annotations

from torch import Tensor

from . import gga_x_pbe
from .values import Terms

KAPPA = 1.245


def evaluate(rho: Tensor, sigma: Tensor) -> Terms:
    """See `gga_x_pbe.evaluate`."""
    return gga_x_pbe.evaluate(rho, sigma, gga_x_pbe.MU_PBE, KAPPA)
