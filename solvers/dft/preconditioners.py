"""Density-mixing preconditioners: approximate inverse dielectric functions, applied to packed residuals.

`none` for vacuum-like cells; a model dielectric function for insulators; Kerker for metals (Phys. Rev. B 23, 3082 (1981)). `choose` picks one from the spectrum and
says why. The insulator's ε₀ is Penn's estimate 1 + (ω_p/E_gap)² (Phys. Rev. 128, 2093 (1962)) with the mean direct gap: with much vacuum ω_p is small and ε₀ tends
to 1, so atoms and molecules in boxes get no preconditioning by themselves.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .mixing import AndersonMixer

Precondition = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Choice:
    """A preconditioner, its name and the reason for it in words."""

    name: str
    reason: str
    apply: Precondition


def none(reason: str) -> Choice:
    """No preconditioning."""
    return Choice("none", reason, lambda r: r)


def dielectric(mixer: AndersonMixer, constant: float, reason: str, wavenumber: float = 1.0) -> Choice:
    """1/ε(G) with ε(G) = 1 + 1/(1/(ε₀−1) + G²/k²); wavenumber k in 1/bohr."""
    G2 = mixer.pack(mixer.grid.G2)
    factor = 1.0 / (1.0 + 1.0 / (1.0 / max(constant - 1.0, 1e-9) + G2 / wavenumber**2))
    return Choice("dielectric", reason, lambda r: r * factor)


def kerker(mixer: AndersonMixer, reason: str, wavenumber: float = 0.8) -> Choice:
    """G²/(G² + k²), wavenumber k in 1/bohr; the G = 0 component of a residual is zero anyway."""
    G2 = mixer.pack(mixer.grid.G2)
    factor = G2 / (G2 + wavenumber**2)
    return Choice("Kerker", reason, lambda r: r * factor)


def penn_constant(n_electrons: float, volume: float, gap: float) -> float:
    """Dielectric constant from the mean direct gap (Ha) and the plasma frequency of the valence electrons; volume in bohr³."""
    return 1.0 + 4.0 * math.pi * n_electrons / volume / gap**2
