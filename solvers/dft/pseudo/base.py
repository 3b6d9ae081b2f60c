"""What the engine asks of a pseudopotential. Hartree–Bohr; every form factor is "per cell", without 1/Ω or 1/√Ω."""
from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from ..atom import Orbital


class Channel(Protocol):
    """All projectors of one angular momentum.

    The operator is Σ_ij |p_i⟩ h_ij ⟨p_j| with ⟨K|p_i⟩ = (−i)^l radial(i, |K|) Y_lm(K/|K|) / √Ω, and ∫ radial(i, q)² q² dq / (2π)³ = 1.
    `reduced(i, q)` = radial / q^l and `reduced_slope(i, q)` = (1/q) d reduced/dq are smooth at q = 0; with the solid harmonics of `harmonics.py`
    they give the projector and its derivative at every K, K = 0 included.
    """

    l: int
    h: np.ndarray  # (n, n) Ha, symmetric

    def radial(self, i: int, q: Tensor) -> Tensor: ...
    def radial_derivative(self, i: int, q: Tensor) -> Tensor: ...
    def reduced(self, i: int, q: Tensor) -> Tensor: ...
    def reduced_slope(self, i: int, q: Tensor) -> Tensor: ...


class Pseudopotential(Protocol):
    """One element's potential. `charge` is the valence Z; `configuration` the valence electrons per l of the free atom it was made for."""

    symbol: str
    name: str
    xc: str  # "LDA", "PBE", "PBEsol", else what its file says
    charge: float
    configuration: tuple[int, ...]
    source: str
    licence: str
    sha256: str
    alpha: float  # Ha bohr³: ∫ (v_loc(r) + Z/r) d³r, the finite part of `local` at q = 0
    channels: tuple[Channel, ...]
    has_core: bool  # whether a core density enters exchange and correlation
    atomic_orbitals: tuple[Orbital, ...]  # of the file; () where it has none

    def local(self, q: Tensor) -> Tensor:
        """v_loc(q) × Ω in Ha bohr³ for q > 0 in 1/bohr, Coulomb tail −4πZ/q² included."""
        ...

    def local_derivative(self, q: Tensor) -> Tensor:
        """d local / dq in Ha bohr⁴."""
        ...

    def core(self, q: Tensor) -> Tensor:
        """∫ ρ_core e^{−iq·r} d³r in electrons; zeros without a core density."""
        ...

    def core_derivative(self, q: Tensor) -> Tensor:
        """d core / dq in electrons bohr."""
        ...

    def atomic_density(self, q: Tensor) -> Tensor | None:
        """The file's pseudo-atomic density as ∫ ρ e^{−iq·r} d³r, scaled to the valence charge; None where the file has none."""
        ...
