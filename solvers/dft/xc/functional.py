"""Functionals by name, as sums of parts.

A part is a function `(rho, sigma) -> (e, v_rho, v_sigma | None)`. Not spin-polarised: rho (N,) electrons/bohr³, sigma = |∇rho|² (N,) or None, e (N,) Ha/bohr³,
v_rho = ∂e/∂rho (N,) Ha, v_sigma = ∂e/∂sigma (N,). Spin-polarised: rho (2, N) and sigma (3, N) as in `XCValues`, v_rho and v_sigma of their shapes.
Densities below `FLOOR` contribute nothing.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from solvers.core.errors import SetupError

from . import gga_c_pbe, gga_x_pbe, lda_c_pw92, lda_x_slater
from .values import FLOOR, XCValues


@dataclass(frozen=True)
class Functional:
    """An exchange-correlation functional; `libxc_ids` names the same one in libxc."""

    name: str
    libxc_ids: tuple[int, ...]
    family: str  # "lda", "gga" or "mgga"
    parts: tuple[Callable, ...]

    @property
    def needs_gradient(self) -> bool:
        """Whether `evaluate` needs sigma."""
        return self.family != "lda"

    @property
    def needs_kinetic_energy(self) -> bool:
        """Whether `evaluate` needs tau."""
        return self.family == "mgga"

    def evaluate(self, rho: Tensor, sigma: Tensor | None = None, tau: Tensor | None = None) -> XCValues:
        """Energy density and its derivatives at rho (1 or 2, N), sigma (1 or 3, N) and tau (like rho); see `XCValues` for meanings and units.

        Raises SetupError for other shapes and for a missing sigma or tau.
        """
        self._check(rho, sigma, tau)
        polarised = rho.shape[0] == 2
        if polarised:
            rho = rho.clamp_min(0.0)
        total = rho.sum(0) if polarised else rho[0]
        inside = total > FLOOR
        if polarised:
            safe = torch.where(inside, rho, torch.ones_like(rho))
            slope = consistent(torch.where(inside, sigma, torch.zeros_like(sigma))) if self.needs_gradient else None
        else:
            safe = torch.where(inside, rho[0], torch.ones_like(rho[0]))
            slope = torch.where(inside, sigma[0], torch.zeros_like(sigma[0])).clamp_min(0.0) if self.needs_gradient else None
        energy, v_rho = torch.zeros_like(total), torch.zeros_like(safe)
        v_sigma = torch.zeros_like(slope) if self.needs_gradient else None
        for part in self.parts:
            e, v, w = part(safe, slope)
            energy += e
            v_rho += v
            if w is not None and v_sigma is not None:
                v_sigma += w
        mask = inside.to(safe.dtype)
        energy, v_rho, v_sigma = energy * mask, v_rho * mask, None if v_sigma is None else v_sigma * mask
        if not polarised:
            v_rho, v_sigma = v_rho[None], None if v_sigma is None else v_sigma[None]
        return XCValues(energy, v_rho, v_sigma, None)

    def _check(self, rho: Tensor, sigma: Tensor | None, tau: Tensor | None) -> None:
        if rho.dim() != 2 or rho.shape[0] not in (1, 2):
            raise SetupError(f"{self.name} got a density of shape {tuple(rho.shape)}.", hint="Give (1, N), the total, or (2, N), spin up and spin down.")
        wanted = (2 * rho.shape[0] - 1, rho.shape[1])
        if self.needs_gradient and (sigma is None or tuple(sigma.shape) != wanted):
            raise SetupError(f"{self.name} needs |∇rho|² beside the density, got {None if sigma is None else tuple(sigma.shape)}.",
                             hint=f"Give sigma of shape {wanted}: |∇n|², or with spin (↑↑, ↑↓, ↓↓).")
        if self.needs_kinetic_energy and (tau is None or tau.shape != rho.shape):
            raise SetupError(f"{self.name} needs the kinetic energy density beside the density, got {None if tau is None else tuple(tau.shape)}.",
                             hint=f"Give tau of shape {tuple(rho.shape)}.")


def consistent(sigma: Tensor) -> Tensor:
    """sigma (3, N) that two real gradients can have: squares not negative, |↑↓| not above the mean of the squares (rounding may say otherwise)."""
    up, mixed, down = sigma
    up, down = up.clamp_min(0.0), down.clamp_min(0.0)
    bound = 0.5 * (up + down)
    return torch.stack([up, torch.maximum(torch.minimum(mixed, bound), -bound), down])


_FUNCTIONALS = {
    "LDA": Functional("LDA", (1, 12), "lda", (lda_x_slater.evaluate, lda_c_pw92.evaluate)),
    "PBE": Functional("PBE", (101, 130), "gga", (gga_x_pbe.evaluate, gga_c_pbe.evaluate)),
    "PBEsol": Functional("PBEsol", (116, 133), "gga", (gga_x_pbe.evaluate_sol, gga_c_pbe.evaluate_sol)),
}


def functional(name: str) -> Functional:
    """The functional called `name` (case does not matter); raises SetupError listing what exists."""
    for known, item in _FUNCTIONALS.items():
        if known.lower() == str(name).lower():
            return item
    raise SetupError(f"Unknown functional {name!r}.", hint=f"Allowed: {', '.join(_FUNCTIONALS)}.")
