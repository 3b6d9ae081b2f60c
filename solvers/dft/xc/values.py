"""What a functional returns, and the density below which space is empty."""
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

#: electrons/bohr³ below which a point is vacuum: keeps the potentials of gradient functionals finite
FLOOR = 1e-12

#: what a part of a functional returns: (e, v_rho, v_sigma | None)
Terms = tuple[Tensor, Tensor, Tensor | None]


class XCValues(NamedTuple):
    """energy (N,) Ha/bohr³; v_rho = ∂energy/∂rho (S, N) Ha; v_sigma = ∂energy/∂sigma (1 or 3, N) or None; v_tau = ∂energy/∂tau (S, N) or None.

    S = 1: rho is the total density and sigma = |∇n|². S = 2: rho = (n↑, n↓), sigma = (|∇n↑|², ∇n↑·∇n↓, |∇n↓|²), tau = ½ Σ f |∇ψ|² of each spin.
    """

    energy: Tensor
    v_rho: Tensor
    v_sigma: Tensor | None
    v_tau: Tensor | None
