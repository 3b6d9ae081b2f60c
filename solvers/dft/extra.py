"""Terms that a calculation may carry beside density and potential: a Hubbard correction, exact exchange, the kinetic-energy density of a meta-GGA, dispersion.

An `ExtraTerm` owns an operator on orbitals and, if it likes, *unknowns*: a tensor that is mixed together with the density (occupation matrices, τ). With E[u]
its energy and V = dE/du its operator at the unknowns u that went into a step, the free energy of that step (Harris–Foulkes) gains E[u] − ⟨V, u⟩, which is what
`double_counting` returns: the band energy already holds ⟨V, u_out⟩. `Problem.add(term)` makes the calculation carry a term. Hartree atomic units throughout.

How the self-consistent cycle calls a term, in this order:
    start            once, before the first step, when no unknowns came from a checkpoint or from the previous geometry
    update           in every step, before the bands are solved: the unknowns and the exchange-correlation fields of the input density
    add              by every application of the Hamiltonian
    double_counting  in every step, at the unknowns of the last `update`
    output           in every step, after the occupations: the unknowns that the new orbitals make
    renew            when the cycle is converged with the present operator: terms whose operator follows the orbitals themselves (exact exchange) rebuild it
                     and say how much energy that is worth; the cycle goes on until this is below its tolerance. Also before the first step where orbitals
                     are at hand and `awaits_orbitals`
After the cycle: energy, forces, stress of the final orbitals.

`Term` holds the answers of a term that has nothing to say to a question; real terms derive from it and override what they need.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from .basis import Batch
    from .potential import XC
    from .problem import Problem
    from .scf import GroundState


@dataclass(frozen=True)
class StaticTerm:
    """What depends on the atoms alone, like dispersion: energy (Ha), forces (N, 3) Ha/bohr, stress (3, 3) = (1/Ω) dE/dε in Ha/bohr³."""

    name: str
    energy: float
    forces: np.ndarray
    stress: np.ndarray


@dataclass
class Term:
    """The base of every extra term. name: a word for energy tables ("hubbard", "exchange", "kinetic density"); metric: energy (Ha) of a squared change of the
    unknowns, ½ metric |Δu|² estimates the energy error that Δu = output − input leaves (a number or a tensor like the unknowns)."""

    problem: Problem
    name: str = "extra"
    metric: float | torch.Tensor = field(default=1.0)

    @property
    def awaits_orbitals(self) -> bool:
        """Whether the operator follows the orbitals and was never built: the cycle then stops for the first `renew` long before it is converged."""
        return False

    def start(self, rho: torch.Tensor) -> torch.Tensor:
        """The first unknowns, any real or complex tensor, for starting density coefficients rho (S, n1, n2, n3//2+1)."""
        return self._none()

    def update(self, unknowns: torch.Tensor, xc: XC) -> None:
        """Make the operator belong to `unknowns` and to the exchange-correlation fields `xc` of the input density."""

    def add(self, batch: Batch, spin: int, X: torch.Tensor, out: torch.Tensor) -> None:
        """out += V X for orbitals X (B, bands, storage) of one block; called from several threads at once with different blocks."""

    def double_counting(self) -> float:
        """E[u] − ⟨V, u⟩ in Ha at the unknowns of the last `update`."""
        return 0.0

    def output(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        """The unknowns of orbitals (one tensor per `problem.blocks`) with occupations (S, K, bands), 0 to 2/S without k-point weights, symmetrised where
        `problem.group` is not None."""
        return self._none()

    def _none(self) -> torch.Tensor:
        return torch.zeros(0, dtype=torch.float64, device=self.problem.basis.device)

    def renew(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> float:
        """Rebuild an operator that follows the orbitals; returns the energy (Ha) by which the operator used so far was not yet self-consistent, 0 when there is
        nothing to rebuild."""
        return 0.0

    def energy(self, ground: GroundState) -> float:
        """E of the final orbitals, Ha."""
        return 0.0

    def forces(self, ground: GroundState) -> torch.Tensor | float:
        """−∂E/∂R at fixed orbital coefficients (N, 3) Ha/bohr, summed over the k-points of the basis (not symmetrised)."""
        return 0.0

    def stress(self, ground: GroundState) -> torch.Tensor | float:
        """(1/Ω) ∂E/∂ε at fixed orbital coefficients (3, 3) Ha/bohr³, not symmetrised."""
        return 0.0

    def pack(self) -> dict[str, np.ndarray]:
        """What a restart needs beside the unknowns (arrays whose names the cycle prefixes)."""
        return {}

    def unpack(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `pack` stored."""


#: what the rest of the engine is written against: anything that behaves like `Term`
ExtraTerm = Term
