"""Two spin densities: the exact scaling of exchange, and the functions of the polarisation ζ = (n↑ − n↓)/n that correlation is built from."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .values import FLOOR

#: |ζ| is cut here: the slope of (1 − ζ)^{2/3}, hence of gradient correlation, has no limit at full polarisation; the energy changes by less than 1e-7 of itself
ZETA_LIMIT = 1 - 1e-10


def scaled_exchange(unpolarised: Callable[..., tuple], rho: Tensor, sigma: Tensor | None, tau: Tensor | None = None) -> tuple:
    """Exchange of the spin densities rho (2, N) from the unpolarised functional: E_x[n↑, n↓] = ½ E_x[2n↑] + ½ E_x[2n↓].

    G. L. Oliver, J. P. Perdew, Phys. Rev. A 20, 397 (1979). sigma (3, N) as in libxc, tau (2, N) where `unpolarised` takes it; as many terms as it returns.
    A channel below half the floor counts as empty.
    """
    present = rho > 0.5 * FLOOR
    mask = present.to(rho.dtype)
    doubled = torch.where(present, 2 * rho, torch.ones_like(rho)).reshape(-1)
    given = [doubled, None if sigma is None else (4 * sigma[::2] * mask).clamp_min(0.0).reshape(-1)]
    if tau is not None:
        given.append((2 * tau * mask).reshape(-1))
    energy, v_rho, v_sigma, *rest = unpolarised(*given)
    terms = [0.5 * (energy.view_as(rho) * mask).sum(0), v_rho.view_as(rho) * mask, None]
    if v_sigma is not None:
        own = 2 * v_sigma.view_as(rho) * mask
        terms[2] = torch.stack([own[0], torch.zeros_like(own[0]), own[1]])
    return (*terms, *(v_tau.view_as(rho) * mask for v_tau in rest))


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
