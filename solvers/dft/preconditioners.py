"""Density-mixing preconditioners: approximate inverse dielectric functions, applied to packed residuals.

`none` for vacuum-like cells; a model dielectric function for insulators; Kerker for metals (Phys. Rev. B 23, 3082 (1981)); the local density of states
(`ldos.py`) for metals with vacuum. `choose` picks one from the spectrum and says why. The insulator's ε₀ is Penn's estimate 1 + (ω_p/E_gap)² (Phys. Rev. 128,
2093 (1962)) with the mean direct gap: with much vacuum ω_p is small and ε₀ tends to 1, so molecules in boxes get no preconditioning by themselves.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .ldos import empty_share
from .mixing import AndersonMixer
from .model import Model

Precondition = Callable[[torch.Tensor], torch.Tensor]

#: indirect gap (Ha) below which a cell is mixed as a metal
_GAP = 0.01
#: Kerker wavenumber, 1/bohr (1.5 1/Å: G. Kresse, J. Furthmüller, Phys. Rev. B 54, 11169 (1996))
KERKER = 0.8
#: share of the cell without density of states at the Fermi energy above which a metal is a slab, wire or cluster: bulk metals have 0 to 0.02, thin slabs
#: 0.3, 32 layers of Al with 15 Å of vacuum less than 0.1 (in the fifth step 2.0 eV of error with Kerker, 0.15 eV with the density of states)
_VACUUM = 0.03
#: Penn's average gap in units of the mean direct gap over the k-points (silicon: 4.8 eV against 3.2 eV)
_PENN = 1.5
#: electrons by which the filling of a spin may miss a whole number of bands in an insulator (a tail of the smearing)
_WHOLE = 1e-2
#: average gap (Ha) assumed where empty bands are not computed
_TYPICAL_GAP = 0.2


@dataclass(frozen=True)
class Choice:
    """Which preconditioner and why, as data: kind "none", "dielectric", "Kerker" or "LDOS", reason in words, the dielectric constant or the wavenumber
    in 1/bohr."""

    kind: str
    reason: str
    constant: float = 0.0

    def damping(self, settled: bool) -> float:
        """What multiplies the preconditioned residual; settled: there is a history, or the density came from a calculation. In bulk the model is then trusted
        wholly; the step away from superposed atoms is short, because d and semicore shells answer more strongly than any model knows (fcc Cu: 9 steps
        instead of 13)."""
        if self.kind in ("dielectric", "Kerker"):
            return 1.0 if settled else 0.5
        return 0.8


def operator(choice: Choice, mixer: AndersonMixer) -> Precondition:
    """The map of packed residuals that `choice` means, "LDOS" excepted (`ldos.screen`). Dielectric: 1/ε(G) with ε(G) = 1 + 1/(1/(ε₀−1) + G²/k²),
    k = 1/bohr; Kerker: G²/(G² + k²).
    """
    if choice.kind == "none":
        return lambda r: r
    G2 = mixer.pack(mixer.grid.G2)
    if choice.kind == "dielectric":
        factor = 1.0 / (1.0 + 1.0 / (1.0 / max(choice.constant - 1.0, 1e-9) + G2))
    else:
        factor = G2 / (G2 + choice.constant**2)
    return lambda r: r * factor


def penn_constant(n_electrons: float, volume: float, gap: float) -> float:
    """Dielectric constant from the mean direct gap (Ha) and the plasma frequency of the valence electrons; volume in bohr³."""
    return 1.0 + 4.0 * math.pi * n_electrons / volume / gap**2


def choose(model: Model, volume: float, weights: np.ndarray, eigenvalues: np.ndarray, electrons: np.ndarray, levels: Callable[[], torch.Tensor]) -> Choice:
    """The preconditioner that a spectrum (S, K, bands) Ha with k-point weights asks for; electrons (S,) in each spin; volume in bohr³; levels: makes the local
    density of states where it is needed."""
    counts = np.asarray(electrons) / model.max_occupation
    filled = np.round(counts).astype(int)
    e = np.sort(eigenvalues, axis=-1)
    if e.shape[-1] <= filled.max():
        return Choice("dielectric", "no empty bands", penn_constant(model.n_electrons, volume, _TYPICAL_GAP))
    if np.abs(filled - counts).max() > _WHOLE:
        return _metal("partly filled bands", levels())
    top = max(float(channel[:, n - 1].max()) for channel, n in zip(e, filled, strict=True) if n)
    indirect = min(float(channel[:, n].min()) for channel, n in zip(e, filled, strict=True)) - top
    if indirect < _GAP and model.smearing != "none":
        return _metal(f"no gap: {indirect:.3f} Ha", levels())
    gaps = [float((weights * (channel[:, n] - channel[:, n - 1])).sum()) for channel, n in zip(e, filled, strict=True) if n]
    direct = max(sum(gaps) / len(gaps), 0.05)
    constant = min(penn_constant(model.n_electrons, volume, _PENN * direct), 15.0)
    return Choice("dielectric", f"gap {indirect:.3f} Ha, dielectric constant about {constant:.1f}", constant)


def _metal(reason: str, ldos: torch.Tensor) -> Choice:
    empty = empty_share(ldos)
    return Choice("LDOS", f"{reason}, {empty:.0%} of the cell empty") if empty > _VACUUM else Choice("Kerker", reason, KERKER)
