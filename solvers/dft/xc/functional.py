"""Functionals by name, as sums of parts.

A part is a function `(rho, sigma) -> (e, v_rho, v_sigma | None)`. Not spin-polarised: rho (N,) electrons/bohr³, sigma = |∇rho|² (N,) or None, e (N,) Ha/bohr³,
v_rho = ∂e/∂rho (N,) Ha, v_sigma = ∂e/∂sigma (N,). Spin-polarised: rho (2, N) and sigma (3, N) as in `XCValues`, v_rho and v_sigma of their shapes.
A meta-GGA's parts are `(rho, sigma, tau) -> (e, v_rho, v_sigma, v_tau)`. Densities below `FLOOR` contribute nothing.
A hybrid's parts are what is left beside its share of exact exchange.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from solvers.core.errors import SetupError

from . import gga_c_pbe, gga_x_pbe, gga_x_revpbe, gga_x_wpbe, lda_c_pw92, lda_x_slater, mgga_c_r2scan, mgga_x_r2scan
from .values import FLOOR, XCValues


@dataclass(frozen=True)
class ExactExchange:
    """A share of exact exchange: `fraction` of it, with the interaction erfc(ω r)/r where `omega` (1/bohr) is given and 1/r where it is None."""

    fraction: float
    omega: float | None = None


@dataclass(frozen=True)
class Functional:
    """An exchange-correlation functional; `libxc_ids` names the same one in libxc, `exact_exchange` is what a hybrid adds to `parts`.

    fused: the numbers (share of PBE-like exchange, μ, κ, β) with which `kernels.gga` makes the sum of the last `n_fused` parts in one pass; () where
    `kernels.mgga` makes all of it.
    """

    name: str
    libxc_ids: tuple[int, ...]
    family: str  # "lda", "gga" or "mgga"
    parts: tuple[Callable, ...]
    exact_exchange: ExactExchange | None = None
    fused: tuple[float, ...] | None = None
    n_fused: int = 2

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
        if self.fused is None:
            return self.sum_of_parts(self.parts, rho, sigma, tau)
        from ..kernels import gga, mgga
        if not gga.usable(rho):
            return self.sum_of_parts(self.parts, rho, sigma, tau)
        if self.family == "mgga":
            return XCValues(*mgga.evaluate(rho, sigma, tau))
        values = XCValues(*gga.evaluate(rho, sigma, self.fused), None)
        if rest := self.parts[:-self.n_fused]:
            for total, term in zip(values[:3], self.sum_of_parts(rest, rho, sigma)[:3], strict=True):
                total += term
        return values

    def sum_of_parts(self, parts: tuple[Callable, ...], rho: Tensor, sigma: Tensor | None = None, tau: Tensor | None = None) -> XCValues:
        """`evaluate` part by part in torch, with floors and masks: the reference of the fused kernels."""
        polarised = rho.shape[0] == 2
        rho = rho.clamp_min(0.0) if polarised else rho[0]
        total = rho.sum(0) if polarised else rho
        inside = total > FLOOR
        given = [torch.where(inside, rho, torch.ones_like(rho))]
        if self.needs_gradient:
            slope = torch.where(inside, sigma if polarised else sigma[0], torch.zeros_like(total))
            given.append(consistent(slope) if polarised else slope.clamp_min(0.0))
        if self.needs_kinetic_energy:
            given.append(torch.where(inside, tau if polarised else tau[0], torch.zeros_like(total)).clamp_min(0.0))
        sums = [torch.zeros_like(total), *(torch.zeros_like(variable) for variable in given)]
        for part in parts:
            for result, term in zip(sums, part(*given), strict=False):
                if term is not None:
                    result += term
        mask = inside.to(total.dtype)
        energy, *slopes = (result * mask for result in sums)
        slopes = slopes if polarised else [v[None] for v in slopes]
        return XCValues(energy, *slopes, *[None] * (3 - len(slopes)))

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


def _share(part: Callable, factor: float) -> Callable:
    """`factor` times a part."""
    def scaled(*variables: Tensor) -> tuple:
        return tuple(None if term is None else factor * term for term in part(*variables))
    return scaled


#: J. Heyd, G. E. Scuseria, M. Ernzerhof, J. Chem. Phys. 118, 8207 (2003); A. V. Krukau et al., J. Chem. Phys. 125, 224106 (2006); ω in 1/bohr as in libxc
_HSE06 = ExactExchange(0.25, 0.11)
_SCREENED = partial(gga_x_wpbe.evaluate, omega=_HSE06.omega)

_PBE = (1.0, gga_x_pbe.MU_PBE, gga_x_pbe.KAPPA, gga_c_pbe.BETA_PBE)

_FUNCTIONALS = {item.name: item for item in (
    Functional("LDA", (1, 12), "lda", (lda_x_slater.evaluate, lda_c_pw92.evaluate)),
    Functional("PBE", (101, 130), "gga", (gga_x_pbe.evaluate, gga_c_pbe.evaluate), fused=_PBE),
    Functional("PBEsol", (116, 133), "gga", (gga_x_pbe.evaluate_sol, gga_c_pbe.evaluate_sol),
               fused=(1.0, gga_x_pbe.MU_SOL, gga_x_pbe.KAPPA, gga_c_pbe.BETA_SOL)),
    Functional("revPBE", (102, 130), "gga", (gga_x_revpbe.evaluate, gga_c_pbe.evaluate), fused=(1.0, gga_x_pbe.MU_PBE, gga_x_revpbe.KAPPA, gga_c_pbe.BETA_PBE)),
    Functional("r2SCAN", (497, 498), "mgga", (mgga_x_r2scan.evaluate, mgga_c_r2scan.evaluate), fused=()),
    # C. Adamo, V. Barone, J. Chem. Phys. 110, 6158 (1999)
    Functional("PBE0", (406,), "gga", (_share(gga_x_pbe.evaluate, 0.75), gga_c_pbe.evaluate), ExactExchange(0.25), fused=(0.75, *_PBE[1:])),
    # libxc takes the full range from the screened functional at ω = 0
    Functional("HSE06", (428,), "gga", (partial(gga_x_wpbe.evaluate, omega=0.0), _share(_SCREENED, -_HSE06.fraction), gga_c_pbe.evaluate), _HSE06,
               fused=(0.0, *_PBE[1:]), n_fused=1),
    # pw.x takes it from PBE itself, and bends s by the original rule (its default ω is 0.106: set screening_parameter = 0.11 there to compare)
    Functional("HSE06-PBE", (101, 524, 130), "gga",
               (_share(partial(_SCREENED, rule=gga_x_wpbe.original_rule), -_HSE06.fraction), gga_x_pbe.evaluate, gga_c_pbe.evaluate), _HSE06, fused=_PBE),
)}


def functional(name: str) -> Functional:
    """The functional called `name` (case does not matter); raises SetupError listing what exists."""
    for known, item in _FUNCTIONALS.items():
        if known.lower() == str(name).lower():
            return item
    raise SetupError(f"Unknown functional {name!r}.", hint=f"Allowed: {', '.join(_FUNCTIONALS)}.")
