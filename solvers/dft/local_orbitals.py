"""Atomic orbitals as functions of the crystal: ⟨k+G|φ⟩ = (−i)^l e^{−i(k+G)·R_a} R(|K|) Y_lm(K̂)/√Ω, with their derivatives. Hartree atomic units.

They are what populations and the Hubbard correction count electrons in. Radial functions come from the potential's file where it has them, else from the
free pseudo-atom; they are normalised in free space, and what lies outside the sphere of plane waves is lost (not renormalised, as in Quantum ESPRESSO).
Real harmonics have the order of `pseudo/harmonics.py`; rows are ordered by element, atom, shell, m.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import numpy as np
import torch

from .atom import solve_atom
from .basis import Batch
from .eigen.algebra import hermitian, matmul
from .projectors import Species, structure_phases
from .pseudo.base import Pseudopotential
from .pseudo.harmonics import solid_harmonics, solid_harmonics_gradient
from .special import CubicSpline

_END, _STEP = 25.0, 0.02  # 1/bohr, the tables of radial functions
#: order in which the shells of neutral atoms are filled, as (n, l)
_FILLING = tuple((n, total - n) for total in range(1, 9) for n in range(total // 2 + 1, total + 1) if total - n < 4)
_LETTERS = "spdf"


class Radial:
    """R(q) = 4π ∫ j_l(qr) R(r) r² dr as a cubic spline with its exact derivative; zero beyond the table."""

    def __init__(self, function):
        q = np.arange(0.0, _END + _STEP, _STEP)
        self._spline = CubicSpline(_STEP, function(torch.from_numpy(q)).numpy())

    def value(self, q: torch.Tensor) -> torch.Tensor:
        """R(q), bohr^{3/2}."""
        return torch.as_tensor(self._spline.value(q.detach().cpu().numpy()), dtype=q.dtype, device=q.device)

    def slope(self, q: torch.Tensor) -> torch.Tensor:
        """dR/dq, bohr^{5/2}."""
        return torch.as_tensor(self._spline.slope(q.detach().cpu().numpy()), dtype=q.dtype, device=q.device)


@dataclass(frozen=True)
class AtomShell:
    """One shell of an element: label like "3d", angular momentum, electrons of the free atom in it, radial function."""

    label: str
    l: int
    occupation: float
    radial: Radial


@cache
def atom_shells(pseudo: Pseudopotential) -> tuple[AtomShell, ...]:
    """The shells of a potential: those of its file, else the occupied ones of its free pseudo-atom."""
    orbitals = tuple(orbital for orbital in getattr(pseudo, "atomic_orbitals", ()) if orbital.occupation >= 0.0) or solve_atom(pseudo).orbitals
    ordered = sorted(orbitals, key=lambda orbital: (orbital.l, orbital.energy))
    counts = {l: sum(orbital.l == l for orbital in ordered) for l in range(4)}
    seen = dict.fromkeys(range(4), 0)
    found = []
    for orbital in ordered:
        label = (getattr(orbital, "label", "") or shell_label(pseudo.symbol, orbital.l, seen[orbital.l], counts[orbital.l])).lower()
        seen[orbital.l] += 1
        found.append(AtomShell(label, orbital.l, float(orbital.occupation), Radial(orbital.radial)))
    return tuple(found)


def shell_label(symbol: str, l: int, index: int, count: int) -> str:
    """Name of the valence shell number `index` from below of `count` with angular momentum l: the highest one is the outermost of the neutral atom."""
    from ase.data import atomic_numbers
    electrons, highest = atomic_numbers[symbol], 0
    for n, shell in _FILLING:
        if electrons <= 0:
            break
        electrons -= 4 * shell + 2
        if shell == l:
            highest = max(highest, n)
    return f"{max(highest, l + 1) - (count - 1 - index)}{_LETTERS[l]}"


@dataclass(frozen=True)
class SiteShell:
    """A shell of one atom in the crystal: place of the atom, label, l, electrons of the free atom, and its rows (first, count = 2l+1)."""

    atom: int
    symbol: str
    label: str
    l: int
    occupation: float
    first: int

    @property
    def rows(self) -> slice:
        """Its rows among all orbitals."""
        return slice(self.first, self.first + 2 * self.l + 1)


class LocalOrbitals:
    """All atomic orbitals of a structure. species as in the model, volume in bohr³, fractional positions (N, 3) tensor."""

    def __init__(self, species: list[Species], volume: float, fractional: torch.Tensor):
        self.species, self.volume, self.fractional = list(species), volume, fractional
        sites = [(kind, int(atom), shell) for kind in self.species for atom in kind.atoms for shell in atom_shells(kind.pseudo)]
        starts = [0, *accumulate(2 * shell.l + 1 for _, _, shell in sites)]
        self.shells = tuple(SiteShell(atom, kind.pseudo.symbol, shell.label, shell.l, shell.occupation, first)
                            for (kind, atom, shell), first in zip(sites, starts, strict=False))
        self.n_rows = starts[-1]
        self.atom_of_rows = np.concatenate([np.full(2 * shell.l + 1, shell.atom) for shell in self.shells]) if self.shells else np.zeros(0, int)

    def _assemble(self, batch: Batch, forms: list[torch.Tensor]) -> torch.Tensor:
        phases = structure_phases(batch, self.fractional)
        parts = [(phases[:, kind.atoms, None, :] * form[:, None]).flatten(1, 2) for kind, form in zip(self.species, forms, strict=True)]
        return batch.store(torch.cat(parts, 1))

    def _polar(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        q = torch.linalg.vector_norm(batch.K, dim=-1)
        return q, batch.K / q.clamp_min(1e-12)[..., None]

    def values(self, batch: Batch) -> torch.Tensor:
        """The orbitals in orbital storage (B, n_rows, storage)."""
        q, direction = self._polar(batch)
        forms = []
        for kind in self.species:
            rows = [((-1j) ** shell.l / math.sqrt(self.volume) * shell.radial.value(q))[:, None] * solid_harmonics(shell.l, direction).movedim(-1, 1)
                    for shell in atom_shells(kind.pseudo)]
            forms.append(torch.cat(rows, 1))  # (B, rows, n_pw)
        return self._assemble(batch, forms)

    def strains(self, batch: Batch) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Yield (α, β, −K_β ∂_α φ) for α ≤ β: the change under strain apart from −½ δ_αβ φ of the volume. The structure phase is invariant."""
        q, direction = self._polar(batch)
        pieces = []  # per species and shell: l, R, q R', harmonics, their gradient
        for kind in self.species:
            pieces.append([(shell.l, (-1j) ** shell.l / math.sqrt(self.volume), shell.radial.value(q), q * shell.radial.slope(q),
                            solid_harmonics(shell.l, direction), solid_harmonics_gradient(shell.l, direction)) for shell in atom_shells(kind.pseudo)])
        for a in range(3):
            for b in range(a, 3):
                na, nb = direction[..., a], direction[..., b]
                forms = []
                for shells in pieces:
                    rows = []
                    for l, factor, value, slope, Y, dY in shells:
                        # K_β ∂_α of R(q) Y(K̂): the solid harmonic of degree l has gradient ∂S − l K̂ S on the unit sphere
                        turned = nb[..., None] * (dY[..., a] - l * na[..., None] * Y)
                        rows.append((-factor * ((slope * na * nb)[..., None] * Y + value[..., None] * turned)).movedim(-1, 1))
                    forms.append(torch.cat(rows, 1))
                yield a, b, self._assemble(batch, forms)


@dataclass(frozen=True)
class Frame:
    """Atomic orbitals Φ (B, M, storage) of a batch with T = (Φ Φᴴ)^{−1/2} and the eigenpairs of the overlap that its derivative needs."""

    orbitals: torch.Tensor
    root: torch.Tensor  # T (B, M, M)
    values: torch.Tensor  # eigenvalues of the overlap (B, M)
    vectors: torch.Tensor  # (B, M, M)

    @classmethod
    def of(cls, orbitals: torch.Tensor) -> Frame:
        """Löwdin's symmetric orthonormalisation of rows. P.-O. Löwdin, J. Chem. Phys. 18, 365 (1950)."""
        values, vectors = torch.linalg.eigh(hermitian(matmul(orbitals, orbitals.mH)))
        values = values.clamp_min(1e-10)  # linearly dependent orbitals (huge, in small cells) count once
        return cls(orbitals, (vectors / torch.sqrt(values)[:, None, :]) @ vectors.mH, values, vectors)

    @property
    def orthonormal(self) -> torch.Tensor:
        """T Φ."""
        return matmul(self.root, self.orbitals)

    def gradient(self, slopes: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        """Rows Λ (B, M, storage) with dE = 2 Re Σ Λ* dΦ at fixed X, for an energy with ∂E/∂c̃* = slopes (B, bands, M), c̃ = ⟨TΦ|X⟩, X (B, bands, storage).

        dT follows from perturbation theory in the eigenbasis of the overlap S: dT_ij = −dS_ij / (√s_i √s_j (√s_i + √s_j)).
        """
        c = matmul(X, self.orbitals.mH)
        product = matmul(c.mH, slopes)
        root = torch.sqrt(self.values)
        weight = -1.0 / (root[:, :, None] * root[:, None, :] * (root[:, :, None] + root[:, None, :]))
        turned = self.vectors @ ((self.vectors.mH @ (product + product.mH) @ self.vectors) * weight) @ self.vectors.mH
        return matmul(matmul(slopes, self.root).mH, X) + matmul(turned, self.orbitals)
