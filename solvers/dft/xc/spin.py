"""Two spin densities: the exact scaling of exchange, and the functions of the polarisation ζ = (n↑ − n↓)/n that correlation is built from."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .values import FLOOR, Terms

#: |ζ| is cut here: the slope of (1 − ζ)^{2/3}, hence of gradient correlation, has no limit at full polarisation; the energy changes by less than 1e-7 of itself
ZETA_LIMIT = 1 - 1e-10


def scaled_exchange(unpolarised: Callable[[Tensor, Tensor | None], Terms], rho: Tensor, sigma: Tensor | None) -> Terms:
    """Exchange of the spin densities rho (2, N) from the unpolarised functional: E_x[n↑, n↓] = ½ E_x[2n↑] + ½ E_x[2n↓].

    G. L. Oliver, J. P. Perdew, Phys. Rev. A 20, 397 (1979). sigma (3, N) as in libxc. A channel below half the floor counts as empty.
    """
    present = rho > 0.5 * FLOOR
    doubled = torch.where(present, 2 * rho, torch.ones_like(rho)).reshape(-1)
    squared = None if sigma is None else torch.where(present, 4 * sigma[::2], torch.zeros_like(rho)).clamp_min(0.0).reshape(-1)
    energy, v_rho, v_sigma = unpolarised(doubled, squared)
    mask = present.to(rho.dtype)
    energy, v_rho = 0.5 * (energy.view_as(rho) * mask).sum(0), v_rho.view_as(rho) * mask
    if v_sigma is None:
        return energy, v_rho, None
    own = 2 * v_sigma.view_as(rho) * mask
    return energy, v_rho, torch.stack([own[0], torch.zeros_like(own[0]), own[1]])


def total_and_zeta(rho: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(n, ζ cut to ±ZETA_LIMIT, 1 where ζ is free and 0 where cut) of spin densities (2, N) with n > 0; a negative channel counts as empty."""
    up, down = rho.clamp_min(0.0)
    total = up + down
    zeta = (up - down) / total
    free = (zeta.abs() < ZETA_LIMIT).to(rho.dtype)
    return total, zeta.clamp(-ZETA_LIMIT, ZETA_LIMIT), free


def spin_potentials(per_total: Tensor, per_zeta: Tensor, total: Tensor, zeta: Tensor) -> Tensor:
    """(∂e/∂n↑, ∂e/∂n↓) stacked, from ∂e/∂n at fixed ζ and ∂e/∂ζ at fixed n; ∂ζ/∂n↑ = (1 − ζ)/n, ∂ζ/∂n↓ = −(1 + ζ)/n."""
    slope = per_zeta / total
    return torch.stack([per_total + (1 - zeta) * slope, per_total - (1 + zeta) * slope])
