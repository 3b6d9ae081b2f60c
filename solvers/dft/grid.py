"""The FFT box: real-space points and the plane waves of the density. Hartree atomic units.

Fourier coefficients follow f(r) = Σ_G f(G) e^{iG·r}; densities and potentials are real, so only the half box of `torch.fft.rfftn` is kept,
shape (n1, n2, n3//2+1). Sums over all G weigh the kept coefficients with `pair_weights` (2, or 1 on the self-conjugate planes).
"""
from __future__ import annotations

import math

import numpy as np
import torch


class FFTGrid:
    """Box of `shape` points in `cell` (rows, bohr) on `device`; plane waves of the density are those with |G| ≤ 2√(2·cutoff), Nyquist planes excluded.

    `mask` may be given to keep a fixed set of integer G while the cell is strained (then it is not derived from the cutoff).
    """

    def __init__(self, cell: np.ndarray, shape: tuple[int, int, int], cutoff: float, device: str = "cpu", mask: torch.Tensor | None = None):
        self.cell = np.array(cell, float)
        self.shape = tuple(int(n) for n in shape)
        self.cutoff = float(cutoff)
        self.device = device
        self.size = int(np.prod(self.shape))
        self.volume = float(abs(np.linalg.det(self.cell)))
        self.reciprocal = 2.0 * math.pi * np.linalg.inv(self.cell).T  # rows b_i, 1/bohr
        n1, n2, n3 = self.shape
        self.miller = [torch.from_numpy(np.rint(np.fft.fftfreq(n, 1.0 / n))).to(device)
                       for n in (n1, n2)] + [torch.arange(n3 // 2 + 1, dtype=torch.float64, device=device)]
        b = torch.from_numpy(self.reciprocal).to(device)
        h1, h2, h3 = self.miller
        b1, b2, b3 = (row[:, None, None, None] for row in b)
        self.G = h1[None, :, None, None] * b1 + h2[None, None, :, None] * b2 + h3[None, None, None, :] * b3  # (3, n1, n2, n3//2+1)
        self.G2 = (self.G**2).sum(0)
        self.pair_weights = torch.full((n3 // 2 + 1,), 2.0, dtype=torch.float64, device=device)
        self.pair_weights[0] = 1.0
        if n3 % 2 == 0:
            self.pair_weights[-1] = 1.0
        self.mask = self._sphere() if mask is None else mask
        safe = self.G2.clone()
        safe[0, 0, 0] = 1.0
        self.coulomb = 4.0 * math.pi / safe * self.mask  # Hartree kernel 4π/G², zero at G = 0
        self.coulomb[0, 0, 0] = 0.0

    def _sphere(self) -> torch.Tensor:
        mask = self.G2 <= 8.0 * self.cutoff * (1.0 + 1e-10)
        for axis, n in enumerate(self.shape):
            if n % 2 == 0:
                mask.select(axis, n // 2).fill_(False)
        return mask

    def strained(self, cell: np.ndarray) -> FFTGrid:
        """The same points and the same integer G in another cell."""
        return FFTGrid(cell, self.shape, self.cutoff, self.device, self.mask)

    def to_real(self, coefficients: torch.Tensor) -> torch.Tensor:
        """f(r) on the box from f(G) on the half box."""
        return torch.fft.irfftn(coefficients, s=self.shape, dim=(-3, -2, -1), norm="forward")

    def to_fourier(self, values: torch.Tensor) -> torch.Tensor:
        """f(G) on the half box from f(r), all coefficients kept."""
        return torch.fft.rfftn(values, dim=(-3, -2, -1), norm="forward")

    def dot(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Σ over all G of Re a*(G) b(G): times the volume it is the integral of a(r) b(r)."""
        return ((a.real * b.real + a.imag * b.imag) * self.pair_weights).sum()

    def phases(self, positions: torch.Tensor) -> list[torch.Tensor]:
        """e^{−i h_i s_i} per axis, each (atoms, n_i): a structure phase is their product. positions (atoms, 3) bohr."""
        fractional = positions @ torch.linalg.inv(torch.from_numpy(self.cell).to(positions))
        return [torch.exp(-2j * math.pi * fractional[:, axis, None] * self.miller[axis][None, :]) for axis in range(3)]

    def structure_factor(self, positions: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """S(G) = Σ_a w_a e^{−iG·R_a} on the half box; weights (atoms,), 1 where left out."""
        one, two, three = self.phases(positions)
        if weights is not None:
            one = one * weights[:, None]
        from .kernels.phases import structure_factor
        return structure_factor(one, two, three)

    def structure_gradient(self, weights: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Σ over all G of Re[−iG_α e^{−iG·R_a} w(G)], the derivative of Σ w(G) e^{−iG·R_a} with respect to R_a; (atoms, 3). weights w on the half box with
        w(−G) = w*(G).
        """
        one, two, three = self.phases(positions)
        w = (weights * self.pair_weights).reshape(self.shape[0], -1)
        h1, h2, h3 = self.miller
        rows = []
        for axis in range(3):
            second = two * h2 if axis == 1 else two
            third = three * h3 if axis == 2 else three
            planes = w @ (second[:, :, None] * third[:, None, :]).reshape(len(positions), -1).mT  # (n1, atoms)
            first = one * h1 if axis == 0 else one
            rows.append(((first.mT * planes).sum(0) * -1j).real)
        return torch.stack(rows, 1) @ torch.from_numpy(self.reciprocal).to(positions)
