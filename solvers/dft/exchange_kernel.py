"""The Coulomb kernel of exact exchange on a mesh of k-points, and what stands in for its singularity. Hartree atomic units.

v(K) = 4π/K² (full range) or 4π/K² (1 − e^{−K²/4ω²}) (short range, erfc(ωr)/r), K = q + G. On a mesh the average over the small cell around K = 0 is not the
value there. "gygi-baldereschi": with an auxiliary g(K) = e^{−αK²} v(K),
    v(0) := N Ω/(2π)³ ∫ g d³K − Σ'_{q+G} g,       the prime leaving K = 0 out,
N mesh points, so that a sum over the mesh is right for charges that are localised in the N cells (F. Gygi and A. Baldereschi, Phys. Rev. B 34, 4405 (1986);
S. Massidda, M. Posternak and A. Baldereschi, Phys. Rev. B 48, 5058 (1993)). For the full range the value does not depend on α; for the short range the limit
α → 0 is taken, v(0) = π/ω² − N Ω Σ_{R≠0} erfc(ωR)/R over the lattice of N cells. "spherical": v is cut off at the radius of a sphere with the volume of N
cells, v(K) = 4π/K² (1 − cos KR), v(0) = 2πR² (J. Spencer and A. Alavi, Phys. Rev. B 77, 193110 (2008)). "zero": v(0) = 0 for the full range, the plain limit
π/ω² for the short range.

Peers: the full range with "gygi-baldereschi" is `exxdiv_treatment = 'gygi-baldereschi'` of Quantum ESPRESSO with `x_gamma_extrapolation = .false.`; with
`extrapolate` it is that with `.true.` (the default there: points of the mesh of twice the spacing get weight 0, all others 8/7; the mesh must be even). "zero"
is its 'none' for both ranges. Its 'gygi-baldereschi' for the short range keeps α = 10/cutoff, so that energies there depend on the cutoff beyond the
plane waves. Its stress (6.7) lacks part of the derivative of v(0).
"""
from __future__ import annotations

import math

import numpy as np
import torch

from solvers.core.errors import SetupError

TREATMENTS = ("gygi-baldereschi", "spherical", "zero")
#: what kernels kept for the points of a dense mesh may take; beyond it they are computed again
_CACHE_BYTES = 512 * 2**20
_TINY = 1e-9  # |K|² in mesh units below which K is zero


class CoulombKernel:
    """v(q+G) on an FFT box for meshes of `size` k-points. cell (3, 3) rows in bohr; omega in 1/bohr, None for the full range; see the module for the rest."""

    def __init__(self, cell: np.ndarray, shape: tuple[int, int, int], size: tuple[int, int, int], omega: float | None = None,
                 treatment: str = "gygi-baldereschi", extrapolate: bool = False, device: str = "cpu"):
        if treatment not in TREATMENTS:
            raise SetupError(f"Unknown treatment {treatment!r} of the exchange singularity.", hint=f"Allowed: {', '.join(TREATMENTS)}.")
        if treatment == "spherical" and omega is not None:
            raise SetupError("Spherical truncation is for the full-range exchange only.", hint="Choose gygi-baldereschi or zero for a screened hybrid.")
        self.cell = torch.from_numpy(np.array(cell, float)).to(device)
        self.shape, self.size, self.omega = tuple(shape), np.asarray(size), omega
        self.treatment, self.extrapolate, self.device = treatment, extrapolate, device
        if extrapolate and (self.size % 2).any():
            raise SetupError(f"The extrapolation of the exchange singularity needs an even k-mesh, got {'x'.join(map(str, size))}.", hint="Leave it off.")
        self._points = None if treatment != "gygi-baldereschi" else self._supercell_points() if omega is None else self._images()
        self._at_zero = self._singular(self.cell)
        self._cache: dict[tuple[int, ...], torch.Tensor] = {}

    # ---- the value at zero -------------------------------------------------------------------------------------------------------
    def _supercell_points(self) -> tuple[torch.Tensor, float]:
        """(fractions q+G ≠ 0 of the reciprocal lattice of the N cells inside e^{−αK²} > 1e-18, α in bohr²)."""
        supercell = self.cell.cpu().numpy() * self.size[:, None]
        # images of the auxiliary charge, of width √α, do not overlap: erfc(6.5) = 4e-20; points of the coarser mesh are twice as near to each other
        alpha = (_heights(supercell).min() / (26.0 if self.extrapolate else 13.0)) ** 2
        reach = math.sqrt(41.5 / alpha)
        reciprocal = 2 * math.pi * np.linalg.inv(supercell).T
        n = _integers(reciprocal, reach)
        keep = (((n @ reciprocal) ** 2).sum(1) < reach**2) & ((n % 2 != 0) if self.extrapolate else (n != 0)).any(1)
        return torch.from_numpy(n[keep] / self.size).to(self.device), float(alpha)

    def _images(self) -> torch.Tensor:
        """Integer vectors (M, 3) of *half* the lattice of N cells, R ≠ 0, where erfc(ωR) matters."""
        half = self.cell.cpu().numpy() * self.size[:, None] / 2
        n = _integers(half, 6.2 / self.omega)
        return torch.from_numpy(n[(n != 0).any(1) & (np.linalg.norm(n @ half, axis=1) < 6.2 / self.omega)]).to(self.device, torch.float64)

    def _singular(self, cell: torch.Tensor) -> torch.Tensor:
        """v(0) in `cell`, differentiable."""
        volume = torch.linalg.det(cell).abs() * float(np.prod(self.size))
        limit = 0.0 if self.omega is None else math.pi / self.omega**2
        if self.treatment == "zero":
            return volume * 0.0 + limit
        if self.treatment == "spherical":
            return 2 * math.pi * (3 * volume / (4 * math.pi)) ** (2 / 3)
        if self.omega is not None:
            R = torch.linalg.vector_norm(0.5 * self._points @ (torch.from_numpy(self.size).to(cell)[:, None] * cell), dim=-1)
            terms = torch.special.erfc(self.omega * R) / R
            whole = terms[(self._points % 2 == 0).all(1)].sum()
            return limit - volume * whole if not self.extrapolate else -8 / 7 * volume * (whole - terms.sum() / 8)
        fractions, alpha = self._points
        K2 = ((fractions @ _reciprocal(cell)) ** 2).sum(-1)
        total = (torch.exp(-alpha * K2) * self._plain(K2)).sum()  # ∫ g d³K / (2π)³ = 1/√(πα)
        value = volume / math.sqrt(math.pi * alpha) - (8 / 7 * total if self.extrapolate else total)
        return value if self.extrapolate else value + 4 * math.pi * alpha  # the limit of v − g at K = 0

    # ---- off the mesh -----------------------------------------------------------------------------------------------------------
    def _shared(self, fractions: torch.Tensor) -> torch.Tensor:
        """θ of points in fractions: 1 at K = 0, 0 at the other points of the mesh, 1 − O(K⁴) between."""
        steps = (fractions * torch.from_numpy(self.size).to(fractions)).abs().clamp_max(1.0)
        return (1 - torch.sin(0.5 * math.pi * steps) ** 4).prod(-1)

    def softened(self, q: np.ndarray) -> torch.Tensor:
        """The kernel at q off the mesh without its singularity, v − θg; see `offset_correction`."""
        values = self.evaluate(q)
        if self.treatment != "gygi-baldereschi" or self.omega is not None:
            return values
        fractions = self.fractions(q)
        K2 = ((fractions @ _reciprocal(self.cell)) ** 2).sum(-1)
        return values * (1 - self._shared(fractions) * torch.exp(-self._points[1] * K2))

    def offset_correction(self, k: np.ndarray, shift: np.ndarray) -> float:
        """What multiplies the occupied orbitals at a k-point (3,) itself where it lies off the mesh (shift in steps), Ha bohr³; zero on the mesh and for
        kernels without correction.

        The integral of the auxiliary g less its sum over the points k − k' + G. Of each point the share θ is taken with the orbitals at k' (`softened`), so
        that everything stays finite and joins the values on the mesh; short range: −N Ω Σ_{R≠0} erfc(ωR)/R cos(kR).
        """
        offset = np.asarray(k) * self.size - np.asarray(shift)
        offset = offset - np.rint(offset)
        if self.treatment != "gygi-baldereschi" or np.abs(offset).max() < 1e-6:
            return 0.0
        volume = float(torch.linalg.det(self.cell).abs()) * float(np.prod(self.size))
        if self.omega is not None:
            whole = self._points[(self._points % 2 == 0).all(1)] / 2  # lattice of the N cells, R ≠ 0
            R = torch.linalg.vector_norm(whole @ (torch.from_numpy(self.size).to(self.cell)[:, None] * self.cell), dim=-1)
            phases = torch.cos(2 * math.pi * whole @ torch.from_numpy(offset).to(self.cell))
            return -volume * float((torch.special.erfc(self.omega * R) / R * phases).sum())
        fractions, alpha = self._points
        zero = torch.zeros(1, 3, dtype=fractions.dtype, device=fractions.device)
        points = torch.cat([zero, fractions]) + torch.from_numpy(offset / self.size).to(fractions)
        K2 = ((points @ _reciprocal(self.cell)) ** 2).sum(-1)
        return volume / math.sqrt(math.pi * alpha) - float(((1 - self._shared(points)) * torch.exp(-alpha * K2) * self._plain(K2)).sum())

    def _plain(self, K2: torch.Tensor) -> torch.Tensor:
        bare = 4 * math.pi / K2
        return bare if self.omega is None else -bare * torch.expm1(-K2 / (4 * self.omega**2))

    @property
    def at_zero(self) -> float:
        """v(0), Ha bohr³."""
        return float(self._at_zero)

    # ---- the kernel on the box -----------------------------------------------------------------------------------------------------
    def fractions(self, q: np.ndarray) -> torch.Tensor:
        """q + G (n1, n2, n3, 3) of the box, of every set of aliases the one nearest to zero along each axis. q (3,) fractional."""
        axes = []
        for shift, n in zip(q, self.shape, strict=True):
            h = np.arange(n) + shift
            axes.append(torch.from_numpy(h - n * np.floor(h / n + 0.5)).to(self.device))  # in [−n/2, n/2)
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)

    def evaluate(self, q: np.ndarray, cell: torch.Tensor | None = None, at_zero: torch.Tensor | None = None) -> torch.Tensor:
        """v(q + G) on the box (n1, n2, n3) in Ha bohr³, differentiable in a given `cell`. Nyquist planes are zero: pair densities have nothing there."""
        cell = self.cell if cell is None else cell
        at_zero = self._at_zero if at_zero is None else at_zero
        fractions = self.fractions(q)
        scaled = fractions * torch.from_numpy(self.size).to(fractions)
        zero = (scaled**2).sum(-1) < _TINY
        edge = (fractions + 0.5 * torch.tensor(self.shape).to(fractions)).abs().amin(-1) < 1e-9
        K2 = ((fractions @ _reciprocal(cell)) ** 2).sum(-1)
        K2 = torch.where(zero, torch.ones_like(K2), K2)
        values = self._plain(K2)
        if self.treatment == "spherical":
            volume = torch.linalg.det(cell).abs() * float(np.prod(self.size))
            values = values * (1 - torch.cos(torch.sqrt(K2) * (3 * volume / (4 * math.pi)) ** (1 / 3)))
        if self.extrapolate:
            half = 0.5 * scaled
            values = values * torch.where(((half - half.round()).abs() < 1e-6).all(-1), 0.0, 8 / 7)
        return torch.where(zero, at_zero, values) * (~edge)

    def __call__(self, q: np.ndarray) -> torch.Tensor:
        """`evaluate(q)`, kept per point of the mesh (as far as memory is given), for a difference q of two of its points; `softened(q)` for any other q."""
        steps = np.rint(q * self.size).astype(int)
        if np.abs(steps - q * self.size).max() > 1e-6:
            return self.softened(q)
        inside, whole = steps % self.size, steps // self.size
        key = tuple(int(i) for i in inside)
        kept = self._cache.get(key)
        if kept is None:
            kept = self.evaluate(inside / self.size)
            if (len(self._cache) + 1) * kept.numel() * 8 <= _CACHE_BYTES:
                self._cache[key] = kept
        return torch.roll(kept, tuple(int(-w) for w in whole), (0, 1, 2)) if whole.any() else kept

    def strain_derivative(self, powers: dict[tuple[float, ...], torch.Tensor]) -> torch.Tensor:
        """d/dε of (1/Ω) Σ_q Σ_G powers_q(G) v(q+G) at fixed powers, (3, 3). powers: {q: (n1, n2, n3)}."""
        strain = torch.zeros(3, 3, dtype=torch.float64, device=self.device, requires_grad=True)
        cell = self.cell @ (torch.eye(3, dtype=torch.float64, device=self.device) + strain)
        volume = torch.linalg.det(cell).abs()
        singular = self._singular(cell)
        constant = torch.zeros((), dtype=torch.float64, device=self.device, requires_grad=True)
        total, at_zero = torch.zeros(3, 3, dtype=torch.float64, device=self.device), 0.0
        for q, power in powers.items():  # one q at a time: the graph of one box is what stays in memory
            value = (power * self.evaluate(np.array(q), cell, constant + float(self._at_zero))).sum() / volume
            along, slope = torch.autograd.grad(value, (strain, constant), retain_graph=True)
            total, at_zero = total + along, at_zero + slope
        # what multiplies v(0) holds 1/Ω already
        total = total + at_zero * torch.autograd.grad(singular, strain, allow_unused=True)[0]
        return 0.5 * (total + total.T)


def _reciprocal(cell: torch.Tensor) -> torch.Tensor:
    return 2 * math.pi * torch.linalg.inv(cell).T


def _heights(cell: np.ndarray) -> np.ndarray:
    """Distances between the lattice planes of a cell (rows)."""
    return 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _integers(cell: np.ndarray, radius: float) -> np.ndarray:
    """Integer triples (M, 3) that include every lattice vector of a cell (rows) within `radius` of the origin."""
    reach = np.ceil(radius / _heights(cell)).astype(int)
    return np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in reach), indexing="ij"), -1).reshape(-1, 3)
