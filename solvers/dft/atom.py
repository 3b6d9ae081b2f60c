"""Free spherical pseudo-atoms: starting densities and orbitals for the crystal.

The radial Kohn–Sham equations are solved in a sphere of radius `RADIUS` with the basis j_l(k_n r), k_n the zeros on the surface: kinetic energy is
diagonal, nonlocal projectors enter through their own Fourier transforms, and the basis is variational in its cutoff. The functional is always the
local one (Slater + PW92), non-spin-polarised, with the electrons of the potential's own configuration: good enough for a start, not a result.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from solvers.core.errors import RunError

from .pseudo.base import Pseudopotential
from .pseudo.radial import bessel_ratios
from .special import CubicSpline, erf, legendre_nodes, running_integral
from .xc import functional

RADIUS = 14.0  # bohr
_POINTS = 900  # radial points
_WAVENUMBER = 25.0  # 1/bohr, end of the tables that the crystal reads
_STEP = 0.02  # 1/bohr, their step
_REACH = 80.0  # 1/bohr, where the transforms of potentials and core densities have ended
_MAX_STEPS = 120
_DENSITY_TOLERANCE = 1e-7  # electrons


@dataclass(frozen=True)
class Orbital:
    """One shell: angular momentum, electrons in it (0 to 4l+2), eigenvalue in Ha, and `radial(q)` = 4π ∫ j_l(qr) R(r) r² dr with ∫ R² r² dr = 1;
    label like "3d"."""

    l: int
    occupation: float
    energy: float
    radial: Callable[[Tensor], Tensor]
    label: str = ""


@dataclass(frozen=True)
class RadialAtom:
    """A spherical pseudo-atom: `density(q)` = ∫ n(r) e^{−iq·r} d³r (electrons), the shells, and whether the cycle converged."""

    density: Callable[[Tensor], Tensor]
    orbitals: tuple[Orbital, ...]
    converged: bool
    steps: int


def solve_atom(pseudo: Pseudopotential, cutoff: float = math.inf) -> RadialAtom:
    """The free atom of `pseudo` in waves up to `cutoff` (Ha), cached; by itself in all that the potential reaches.

    A crystal's basis that is smaller than the potential asks for lifts d levels by eV. The complete atom, put there, gives half a shell away in the first step
    of a self-consistent cycle and its moment with it; the atom of the same basis does not (bcc Fe, 500 eV: 2.7 Ha of error in the first step, then 0.3 Ha).
    """
    return _solve(pseudo, min(hardness(pseudo), math.sqrt(2.0 * cutoff)))


def spherical_bessel(l: int, x: np.ndarray) -> np.ndarray:
    """j_l(x) for x ≥ 0."""
    return x**l * bessel_ratios(x, l, l)[0]


@cache
def bessel_zeros(l: int, count: int) -> np.ndarray:
    """The first `count` positive zeros of j_l; those of j_{l+1} interlace those of j_l."""
    zeros = np.pi * np.arange(1, count + l + 1)
    for order in range(1, l + 1):
        low, high = zeros[:-1].copy(), zeros[1:].copy()
        sign = np.sign(spherical_bessel(order, low))
        for _ in range(60):
            middle = 0.5 * (low + high)
            same = np.sign(spherical_bessel(order, middle)) == sign
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        zeros = 0.5 * (low + high)
    return zeros[:count]


def shells(configuration: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """(l, index from below, electrons) of every occupied shell: each l is filled from its lowest level."""
    found = []
    for l, electrons in enumerate(configuration):
        capacity, index = 4 * l + 2, 0
        while electrons > 0:
            found.append((l, index, float(min(electrons, capacity))))
            electrons, index = electrons - capacity, index + 1
    return found


@cache
def _legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss–Legendre quadrature on (−1, 1)."""
    return legendre_nodes(n)


class _Radial:
    """Quadrature on (0, RADIUS): Gauss–Legendre in a variable that gathers points near the nucleus."""

    def __init__(self):
        t, weight = _legendre(_POINTS)
        t = 0.5 * (t + 1)
        self.r = RADIUS * t * t
        self.weight = RADIUS * t * weight  # dr = 2 R t dt, dt = weight / 2

    @cached_property
    def _inverse(self) -> tuple[np.ndarray, np.ndarray]:
        """(wavenumbers, matrix): f(r) = matrix @ f(q) of spherical functions that have ended at `_REACH`."""
        t, weight = _legendre(1200)
        q, weight = 0.5 * _REACH * (t + 1), 0.5 * _REACH * weight
        return q, np.sinc(np.outer(self.r, q) / math.pi) * (q * q * weight) / (2 * math.pi**2)

    def local(self, pseudo: Pseudopotential) -> np.ndarray:
        """v_loc(r): the smooth rest by inverse Fourier transform, the Coulomb tail by an error function of width 0.25 bohr."""
        width = 0.25
        q, matrix = self._inverse
        tail = -4 * math.pi * pseudo.charge * np.exp(-(q * width) ** 2 / 2) / q**2
        rest = matrix @ (pseudo.local(torch.as_tensor(q)).numpy() - tail)
        return rest - pseudo.charge * erf(self.r / (math.sqrt(2) * width)) / self.r

    def core(self, pseudo: Pseudopotential) -> np.ndarray:
        """ρ_core(r), electrons/bohr³; zeros without one."""
        if not pseudo.has_core:
            return np.zeros_like(self.r)
        q, matrix = self._inverse
        return matrix @ pseudo.core(torch.as_tensor(q)).numpy()

    def hartree(self, density: np.ndarray) -> np.ndarray:
        """Potential (Ha) of a spherical density (electrons/bohr³) inside the sphere."""
        charge = 4 * math.pi * density * self.r**2
        inner, outer = running_integral(charge, self.r), running_integral(charge / self.r, self.r)
        return inner / self.r + outer[-1] - outer


@cache
def _radial() -> _Radial:
    return _Radial()


def radial_weights() -> np.ndarray:
    """r² dr on the radial mesh, bohr³."""
    mesh = _radial()
    return mesh.weight * mesh.r**2


class _Shell:
    """Basis and fixed operators of one angular momentum."""

    def __init__(self, pseudo: Pseudopotential, l: int, wavenumber: float, mesh: _Radial):
        count = max(12, int(wavenumber * RADIUS / math.pi))
        zeros = bessel_zeros(l, count)
        self.l, self.k = l, zeros / RADIUS
        self.basis = spherical_bessel(l, np.outer(mesh.r, self.k)) * (math.sqrt(2 / RADIUS**3) / np.abs(spherical_bessel(l + 1, zeros)))
        self.fixed = np.diag(self.k**2 / 2)
        normal = math.sqrt(2 / RADIUS**3) / np.abs(spherical_bessel(l + 1, zeros))
        for channel in pseudo.channels:
            if channel.l == l:
                q = torch.as_tensor(self.k)
                # ⟨p|basis⟩ = ∫ p(r) j_l(kr) r² dr · normal, and radial(q) is 4π times that integral
                overlap = np.array([channel.radial(i, q).numpy() for i in range(len(channel.h))]) / (4 * math.pi) * normal
                self.fixed = self.fixed + overlap.T @ channel.h @ overlap

    def solve(self, potential: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(eigenvalues Ha, radial functions R(r) as columns) in a local potential given on the mesh; weight = r² dr."""
        energies, vectors = np.linalg.eigh(self.fixed + self.basis.T @ ((potential * weight)[:, None] * self.basis))
        return energies, self.basis @ vectors


def hardness(pseudo: Pseudopotential) -> float:
    """Wavenumber beyond which no projector and no local part of the potential reaches, 1/bohr."""
    q = torch.linspace(1.0, 60.0, 600, dtype=torch.float64)
    parts = [pseudo.local(q).abs() * q**2 / pseudo.charge]
    for channel in pseudo.channels:
        parts += [channel.radial(i, q).abs() * math.sqrt(abs(channel.h[i, i])) for i in range(len(channel.h))]
    reach = 8.0
    for part in parts:
        above = torch.nonzero(part > 1e-3 * float(part.max()))
        reach = max(reach, float(q[int(above[-1])]) if len(above) else 0.0)
    return min(reach, 40.0)


@dataclass(frozen=True)
class Solution:
    """The self-consistent radial problem: occupied shells (l, index, electrons), bases per l, density and potential (local + screening) on the mesh."""

    occupied: list[tuple[int, int, float]]
    blocks: dict[int, _Shell]
    density: np.ndarray
    potential: np.ndarray
    solved: dict[int, tuple[np.ndarray, np.ndarray]]
    converged: bool
    steps: int


def self_consistent(pseudo: Pseudopotential, wavenumber: float) -> Solution:
    """The free atom in the basis up to `wavenumber` (1/bohr). Raises RunError when it diverges."""
    mesh, xc = _radial(), functional("LDA")
    occupied = shells(pseudo.configuration)
    weight = mesh.weight * mesh.r**2
    blocks = {l: _Shell(pseudo, l, wavenumber, mesh) for l in {l for l, _, _ in occupied}}
    local, core = mesh.local(pseudo), mesh.core(pseudo)

    def screening(density: np.ndarray) -> np.ndarray:
        return mesh.hartree(density) + xc.evaluate(torch.as_tensor(density + core)[None]).v_rho[0].numpy()

    # start from the charge of a Gaussian of one bohr
    density = pseudo.charge * np.exp(-(mesh.r**2)) / math.pi**1.5
    potential = screening(density)
    history: list[tuple[np.ndarray, np.ndarray]] = []
    converged, solved, step = False, {}, 0
    while step < _MAX_STEPS and not converged:
        step += 1
        previous = density
        solved = {l: block.solve(local + potential, weight) for l, block in blocks.items()}
        density = sum(count * solved[l][1][:, n] ** 2 for l, n, count in occupied) / (4 * math.pi)
        converged = 4 * math.pi * float(np.abs(density - previous) @ weight) < _DENSITY_TOLERANCE
        if not converged:
            history = [*history[-7:], (potential, screening(density) - potential)]
            potential = _anderson(history, np.sqrt(weight), 0.3)
    if not np.isfinite(density).all():
        raise RunError(f"The free atom of {pseudo.symbol} {pseudo.name} diverged.", hint="Choose another valence of this element.")
    return Solution(occupied, blocks, density, local + potential, solved, converged, step)


def shell_label(symbol: str, l: int, index: int, count: int) -> str:
    """"3d": the name of the shell that is number `index` from below of `count` valence shells of this l in the neutral atom."""
    from ase.data import atomic_numbers

    from .pseudo.data import highest_shell
    top = max(highest_shell(atomic_numbers[symbol], l), l + count)
    return f"{top - (count - 1 - index)}{'spdf'[l]}"


@cache
def _solve(pseudo: Pseudopotential, wavenumber: float) -> RadialAtom:
    mesh = _radial()
    weight = mesh.weight * mesh.r**2
    atom = self_consistent(pseudo, wavenumber)
    table = np.arange(0.0, _WAVENUMBER + _STEP, _STEP)
    phase = np.outer(table, mesh.r)
    ratios = bessel_ratios(phase, 0, max(atom.blocks))
    charge = ratios[0] @ (4 * math.pi * atom.density * weight)
    bessel = {l: ratios[l] * phase**l if l else ratios[0] for l in atom.blocks}
    orbitals = tuple(Orbital(l, count, float(atom.solved[l][0][n]), _spline(4 * math.pi * (bessel[l] @ (atom.solved[l][1][:, n] * weight))),
                             shell_label(pseudo.symbol, l, n, sum(l == other for other, _, _ in atom.occupied)))
                     for l, n, count in atom.occupied)
    complete = wavenumber >= hardness(pseudo)  # what files hold is the complete atom
    known = tuple(orbital for orbital in pseudo.atomic_orbitals if orbital.occupation > 0)
    if complete and abs(sum(orbital.occupation for orbital in known) - pseudo.charge) < 1e-6:
        orbitals = known
    density = pseudo.atomic_density if complete and pseudo.atomic_density(torch.zeros(1, dtype=torch.float64)) is not None else None
    return RadialAtom(density or _spline(charge * pseudo.charge / charge[0]), orbitals, atom.converged, atom.steps)


def _anderson(history: list[tuple[np.ndarray, np.ndarray]], metric: np.ndarray, damping: float) -> np.ndarray:
    """Next potential from pairs (potential, residual). D. G. Anderson, J. ACM 12, 547 (1965)."""
    potential, residual = history[-1]
    if len(history) > 1:
        d_potential = np.stack([potential - old for old, _ in history[:-1]], 1)
        d_residual = np.stack([residual - old for _, old in history[:-1]], 1)
        mix = np.linalg.lstsq(metric[:, None] * d_residual, metric * residual, rcond=1e-10)[0]
        potential, residual = potential - d_potential @ mix, residual - d_residual @ mix
    return potential + damping * residual


def _spline(values: np.ndarray) -> Callable[[Tensor], Tensor]:
    """A cubic spline of a table in steps of `_STEP` as a function of a torch tensor (any shape and device); zero beyond the table."""
    spline = CubicSpline(_STEP, values)
    return lambda q: torch.as_tensor(spline.value(q.detach().cpu().numpy()), dtype=q.dtype, device=q.device)
