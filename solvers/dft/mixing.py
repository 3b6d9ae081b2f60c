"""Anderson mixing of density coefficients in the Hartree metric.

D. G. Anderson, J. ACM 12, 547 (1965). Vectors are the coefficients inside the density sphere (half of it); ⟨a, b⟩ = Ω/2 Σ_{G≠0} 4π/G² a* b, so the squared
norm of ρ_out − ρ_in estimates the energy error. The preconditioner maps a residual to a better one; G = 0 (the number of electrons) never changes.
"""
from __future__ import annotations

from collections.abc import Callable

import torch

from .grid import FFTGrid

#: history entries whose residual is this much larger than the smallest one are forgotten (norm)
_FORGET = 1e5


class AndersonMixer:
    """Keeps `depth` pairs (density, residual); `damping` multiplies the preconditioned residual."""

    def __init__(self, grid: FFTGrid, depth: int = 8, damping: float = 0.8):
        self.grid = grid
        self.depth = depth
        self.damping = damping
        self.inside = torch.nonzero(grid.mask.reshape(-1)).reshape(-1)
        metric = (grid.coulomb * grid.pair_weights * (0.5 * grid.volume)).reshape(-1)
        self.metric = metric[self.inside]
        self.densities: list[torch.Tensor] = []
        self.residuals: list[torch.Tensor] = []

    def pack(self, field: torch.Tensor) -> torch.Tensor:
        """Coefficients inside the density sphere."""
        return field.reshape(-1)[self.inside]

    def unpack(self, vector: torch.Tensor) -> torch.Tensor:
        """The half box of packed coefficients."""
        box = vector.new_zeros(self.grid.mask.numel())
        box[self.inside] = vector
        return box.reshape(self.grid.mask.shape)

    def product(self, a: torch.Tensor, b: torch.Tensor) -> float:
        """⟨a, b⟩ in Ha for packed vectors."""
        return float((self.metric * (a.real * b.real + a.imag * b.imag)).sum())

    def accuracy(self, rho_in: torch.Tensor, rho_out: torch.Tensor) -> float:
        """Estimate of the energy error in Ha: the Hartree energy of ρ_out − ρ_in."""
        difference = self.pack(rho_out - rho_in)
        return self.product(difference, difference)

    def reset(self) -> None:
        """Forget the history."""
        self.densities.clear()
        self.residuals.clear()

    def next(self, rho_in: torch.Tensor, rho_out: torch.Tensor, precondition: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """The next input density on the half box; `precondition` acts on packed residuals."""
        x = self.pack(rho_in)
        r = self.pack(rho_out) - x
        self._prune(self.product(r, r))
        mixed, rest = x, r
        if self.residuals:
            steps = [r - old for old in self.residuals]
            matrix = torch.tensor([[self.product(a, b) for b in steps] for a in steps], dtype=torch.float64)
            right = torch.tensor([self.product(a, r) for a in steps], dtype=torch.float64)
            scale = torch.sqrt(matrix.diagonal()).clamp_min(1e-300)
            solution = torch.linalg.lstsq(matrix / scale[:, None] / scale[None], (right / scale)[:, None], rcond=1e-10, driver="gelsd").solution[:, 0] / scale
            for c, old_x, step in zip(solution.tolist(), self.densities, steps, strict=True):
                mixed = mixed - c * (x - old_x)
                rest = rest - c * step
        self.densities.append(x)
        self.residuals.append(r)
        self.densities, self.residuals = self.densities[-self.depth:], self.residuals[-self.depth:]
        return self.unpack(mixed + self.damping * precondition(rest))

    def _prune(self, newest: float) -> None:
        norms = [self.product(r, r) for r in self.residuals]
        best = min([newest, *norms])
        keep = [i for i, norm in enumerate(norms) if norm <= _FORGET**2 * best]
        self.densities = [self.densities[i] for i in keep]
        self.residuals = [self.residuals[i] for i in keep]
