"""Anderson mixing of the density and of what is mixed beside it, in the metric of the energy.

D. G. Anderson, J. ACM 12, 547 (1965). A vector holds the charge's coefficients inside the density sphere (half of it), then the magnetisation's, then the
unknowns of extra terms. ⟨a, b⟩ = Ω/2 Σ_{G≠0} 4π/G² a* b for the charge, Ω/2 Σ_G κ a* b for the magnetisation with a constant κ of the size of the
exchange-correlation kernel, and ½ metric a* b for unknowns, so the squared norm of output − input estimates the energy error. Histories are fitted in the same
metric with the charge's short waves weighted up. The preconditioner maps the charge's residual to a better one; G = 0 of the charge (the number of electrons)
never changes.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from .extra import Term
from .grid import FFTGrid

#: history entries whose residual is this much larger than the smallest one are forgotten (norm)
_FORGET = 1e5
#: κ in Ha bohr³: ∂²e_x/∂m² of the uniform gas is 0.33 n^{−2/3}, 1 at the density 0.2 of a d shell
_MOMENT_KERNEL = 1.0
#: Ha bohr³ added to the Hartree kernel of the charge where histories are fitted: 4π/G² alone all but hides what electrons do inside a d shell, and the fit then
#: settles where that hidden residual is stuck (of eleven coarse magnetic metals six did not converge within 60 steps, with it three)
_SHORT_WAVES = 1.0

#: the plain step that replaces an uphill one is at most so long: where the curvature has the wrong sign the minimum is far. What the history knows limits
#: it: beside levels at the Fermi energy the answer is eight times that of vacuum, and the doubled step overshot (NiO with U at 500 eV: not in 60 steps, now 23)
_DOWNHILL = 2.0

#: density coefficients (S, n1, n2, n3//2+1) and the unknowns of the extra terms
Point = tuple[torch.Tensor, list[torch.Tensor]]


class AndersonMixer:
    """Keeps `depth` pairs (vector, residual); `damping` multiplies every step, 1 until a cycle must be calmed."""

    def __init__(self, grid: FFTGrid, terms: Sequence[Term] = (), depth: int = 8, damping: float = 1.0):
        self.grid = grid
        self.terms = terms
        self.depth = depth
        self.damping = damping
        self.inside = torch.nonzero(grid.mask.reshape(-1)).reshape(-1)
        self.metric = self._weights(grid.coulomb)
        self.densities: list[torch.Tensor] = []
        self.residuals: list[torch.Tensor] = []
        #: whether the last step was a plain one because the fitted one went uphill
        self.uphill = False

    def _weights(self, kernel: torch.Tensor | float) -> torch.Tensor:
        return (torch.ones_like(self.grid.G2) * kernel * self.grid.pair_weights * (0.5 * self.grid.volume)).reshape(-1)[self.inside]

    # ---- vectors -----------------------------------------------------------------------------------------------------------
    def pack(self, field: torch.Tensor) -> torch.Tensor:
        """Coefficients of one field inside the density sphere."""
        return field.reshape(-1)[self.inside]

    def unpack(self, vector: torch.Tensor) -> torch.Tensor:
        """The half box of packed coefficients of one field."""
        box = vector.new_zeros(self.grid.mask.numel())
        box[self.inside] = vector
        return box.reshape(self.grid.mask.shape)

    def join(self, point: Point) -> torch.Tensor:
        """The vector of a point; makes the metric as long as the vector."""
        rho, unknowns = point
        parts = [self.pack(row) for row in rho] + [value.reshape(-1).to(rho) for value in unknowns]
        vector = torch.cat(parts)
        if len(vector) != len(self.metric):
            weights = [self.metric[:len(self.inside)]] + [self._weights(_MOMENT_KERNEL)] * (len(rho) - 1)
            weights += [(0.5 * torch.ones(value.shape, dtype=torch.float64, device=rho.device) * term.metric).reshape(-1)
                        for term, value in zip(self.terms, unknowns, strict=True)]
            self.metric = torch.cat(weights)
        return vector

    def split(self, vector: torch.Tensor, like: Point) -> Point:
        """The point of a vector, shaped like another one."""
        rho, unknowns = like
        n = len(self.inside)
        rows = torch.stack([self.unpack(vector[i * n:(i + 1) * n]) for i in range(len(rho))])
        place, values = len(rho) * n, []
        for value in unknowns:
            part = vector[place:place + value.numel()].reshape(value.shape)
            values.append(part if value.is_complex() else part.real.to(value.dtype))
            place += value.numel()
        return rows, values

    def product(self, a: torch.Tensor, b: torch.Tensor) -> float:
        """⟨a, b⟩ in Ha for vectors or for their first part, the packed charge."""
        return float((self.metric[:len(a)] * (a.real * b.real + a.imag * b.imag)).sum())

    def accuracy(self, before: Point, after: Point) -> float:
        """Estimate of the energy error in Ha that the difference of two points stands for."""
        difference = self.join(after) - self.join(before)
        return self.product(difference, difference)

    # ---- steps -------------------------------------------------------------------------------------------------------------
    def reset(self) -> None:
        """Forget the history."""
        self.densities.clear()
        self.residuals.clear()

    def next(self, before: Point, after: Point, precondition: Callable[[torch.Tensor], torch.Tensor], share: float) -> Point:
        """The next input; `precondition` acts on the packed charge, `share` is the part of the preconditioned residual that is taken.

        A residual points downhill in energy. A fitted step against it follows a curvature of the wrong sign towards a saddle, where the residual is small and
        the energy is not lowest: then the plain step is taken, as long as the history allows.
        """
        x = self.join(before)
        r = self.join(after) - x
        self._prune(self.product(r, r))
        mixed, rest = x, r
        weights = self.metric.clone()
        weights[:len(self.inside)] += self._weights(_SHORT_WAVES)
        if self.residuals:
            steps = [r - old for old in self.residuals]
            for c, old_x, step in zip(_nearest(steps, r, weights), self.densities, steps, strict=True):
                mixed = mixed - c * (x - old_x)
                rest = rest - c * step
        self.densities.append(x)
        self.residuals.append(r)
        self.densities, self.residuals = self.densities[-self.depth:], self.residuals[-self.depth:]

        def plain(residual: torch.Tensor) -> torch.Tensor:
            n = len(self.inside)
            return self.damping * share * torch.cat([precondition(residual[:n]), residual[n:]])
        step = mixed - x + plain(rest)
        self.uphill = float((weights * (step.real * r.real + step.imag * r.imag)).sum()) < 0.0
        if self.uphill:
            step = self._downhill(plain(r), weights)
        return self.split(x + step, before)

    def _downhill(self, step: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The plain `step` from the newest point, `_DOWNHILL` times as long; shorter where the history knows an answer that would overshoot the least residual.
        What the history does not span is taken to answer as vacuum does."""
        x, r = self.densities[-1], self.residuals[-1]
        moves = [x - old for old in self.densities[:-1]]
        image = step.clone()  # what the step takes off the residual
        for c, move, old in zip(_nearest(moves, step, weights), moves, self.residuals[:-1], strict=True):
            image += c * (old - r - move)
        overlap, square = (float((weights * (image.real * other.real + image.imag * other.imag)).sum()) for other in (r, image))
        return (min(_DOWNHILL, overlap / square) if overlap > 0.0 else _DOWNHILL) * step

    def _prune(self, newest: float) -> None:
        if not self.residuals:
            return
        norms = (torch.view_as_real(torch.stack(self.residuals)).square().sum(-1) * self.metric).sum(1).tolist()  # read from a GPU at once
        best = min([newest, *norms])
        keep = [i for i, norm in enumerate(norms) if norm <= _FORGET**2 * best]
        self.densities = [self.densities[i] for i in keep]
        self.residuals = [self.residuals[i] for i in keep]


def _nearest(rows: Sequence[torch.Tensor], target: torch.Tensor, weights: torch.Tensor) -> list[float]:
    """Coefficients of the combination of `rows` that comes nearest to `target` in the metric `weights`."""
    products = (torch.stack(list(rows)).conj() * weights) @ torch.stack([*rows, target]).mT
    matrix, right = products.real[:, :-1].cpu(), products.real[:, -1].cpu()
    scale = torch.sqrt(matrix.diagonal()).clamp_min(1e-300)
    return (torch.linalg.lstsq(matrix / scale[:, None] / scale[None], (right / scale)[:, None], rcond=1e-10, driver="gelsd").solution[:, 0] / scale).tolist()
