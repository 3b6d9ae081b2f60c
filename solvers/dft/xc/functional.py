"""Functionals by name, as sums of parts.

A part is a function `(rho, sigma) -> (e, v_rho, v_sigma | None)`: rho (N,) electrons/bohr³, sigma = |∇rho|² (N,) or None,
e (N,) Ha/bohr³, v_rho = ∂e/∂rho (N,) Ha, v_sigma = ∂e/∂sigma (N,). Densities below `FLOOR` contribute nothing.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from solvers.core.errors import SetupError

from . import gga_c_pbe, gga_x_pbe, lda_c_pw92, lda_x_slater

#: electrons/bohr³ below which a point is vacuum: keeps the potentials of gradient functionals finite
FLOOR = 1e-12


@dataclass(frozen=True)
class Functional:
    """An exchange-correlation functional; `libxc_ids` names the same one in libxc."""

    name: str
    libxc_ids: tuple[int, ...]
    family: str  # "lda" or "gga"
    parts: tuple[Callable, ...]

    @property
    def needs_gradient(self) -> bool:
        """Whether `evaluate` needs sigma."""
        return self.family == "gga"

    def evaluate(self, rho: Tensor, sigma: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """(energy density per volume (N,), v_rho like rho, v_sigma like sigma or None) at rho (1, N) and sigma (1, N).

        Raises SetupError for spin-polarised input, which this version does not have, and for a missing sigma.
        """
        if rho.dim() != 2 or rho.shape[0] != 1:
            raise SetupError(f"{self.name} got a density of shape {tuple(rho.shape)}.", hint="Only non-spin-polarised densities (1, N) are implemented.")
        if self.needs_gradient and (sigma is None or sigma.shape != rho.shape):
            raise SetupError(f"{self.name} needs |∇rho|² beside the density, got {None if sigma is None else tuple(sigma.shape)}.",
                             hint=f"Give sigma of shape {tuple(rho.shape)}.")
        inside = rho[0] > FLOOR
        safe = torch.where(inside, rho[0], torch.ones_like(rho[0]))
        slope = torch.where(inside, sigma[0], torch.zeros_like(sigma[0])).clamp_min(0.0) if self.needs_gradient else None
        energy, v_rho = torch.zeros_like(safe), torch.zeros_like(safe)
        v_sigma = torch.zeros_like(safe) if self.needs_gradient else None
        for part in self.parts:
            e, v, w = part(safe, slope)
            energy += e
            v_rho += v
            if w is not None and v_sigma is not None:
                v_sigma += w
        mask = inside.to(safe.dtype)
        return energy * mask, (v_rho * mask)[None], None if v_sigma is None else (v_sigma * mask)[None]


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
