"""Dipole correction of slabs: the periodic images of a slab's dipole are taken away by a linear potential that jumps in the middle of the vacuum.

L. Bengtsson, Phys. Rev. B 59, 12301 (1999); J. Neugebauer and M. Scheffler, Phys. Rev. B 46, 16067 (1992). Energy (2π/Ω) m² of the dipole moment of the cell
along the normal, m = m_ions − m_electrons with m_electrons = ∫ρ z (I.-C. Yeh, M. L. Berkowitz, J. Chem. Phys. 111, 3155 (1999), eq. 5): a functional of density
and positions like any other, so forces, stress and the total energy are consistent. It is split as the engine counts its terms,
    (2π/Ω) m_i²   with the ions,     −(4π/Ω) m_i ∫ρ z   as an external potential,     (2π/Ω) (∫ρ z)²   with the Hartree energy.
z is linear in the fractional coordinate along one axis, from −h/2 to h/2, h the height of the cell; its Fourier coefficients are those of the exact saw-tooth
inside the density sphere. Hartree atomic units.
"""
from __future__ import annotations

import math

import numpy as np
import torch

from ...core.errors import SetupError
from ..grid import FFTGrid


class SlabDipole:
    """The correction along cell vector `axis`; the jump lies at the fraction `middle` of it. charges (N,) and fractional positions (N, 3) of the ions."""

    def __init__(self, grid: FFTGrid, axis: int, middle: float, charges: np.ndarray, fractional: np.ndarray):
        self.grid = grid
        self.axis = axis
        b = grid.reciprocal[axis]
        self.height = 2.0 * math.pi / float(np.linalg.norm(b))
        self.normal = b / np.linalg.norm(b)
        self.charges = np.asarray(charges, float)
        s = (np.asarray(fractional)[:, axis] - middle) % 1.0 - 0.5
        self.ion_moment = float(self.charges @ s) * self.height
        self.ramp = self._ramp(middle)

    def _ramp(self, middle: float) -> torch.Tensor:
        """Coefficients of z on the half box: h i/(2πj) e^{−2πij·middle} at G = j b, zero elsewhere."""
        lines = self.grid.miller[self.axis].cpu().numpy()
        values = np.zeros(len(lines), complex)
        on = lines != 0
        values[on] = self.height * 1j / (2.0 * math.pi * lines[on]) * np.exp(-2j * math.pi * lines[on] * middle)
        ramp = torch.zeros(self.grid.G2.shape, dtype=torch.complex128, device=self.grid.device)
        place: list = [0, 0, 0]
        place[self.axis] = slice(None)
        ramp[tuple(place)] = torch.from_numpy(values).to(ramp)
        return ramp * self.grid.mask

    def electron_moment(self, rho: torch.Tensor) -> float:
        """∫ρ z (e·bohr) of charge density coefficients rho (half box)."""
        return self.grid.volume * float(self.grid.dot(self.ramp, rho))

    def moment(self, rho: torch.Tensor) -> float:
        """Dipole moment of the cell along the normal, positive towards positive charge, e·bohr."""
        return self.ion_moment - self.electron_moment(rho)

    @property
    def ion_energy(self) -> float:
        """(2π/Ω) m_i²."""
        return 2.0 * math.pi / self.grid.volume * self.ion_moment**2

    @property
    def ion_forces(self) -> np.ndarray:
        """What the ions' own part exerts on them (N, 3)."""
        return self._field(self.ion_moment)

    @property
    def external(self) -> torch.Tensor:
        """−(4π/Ω) m_i z: what electrons feel of the ions' part, coefficients on the half box."""
        return -4.0 * math.pi / self.grid.volume * self.ion_moment * self.ramp

    def hartree(self, rho: torch.Tensor) -> tuple[float, torch.Tensor]:
        """((2π/Ω)(∫ρz)², its potential on the half box)."""
        moment = self.electron_moment(rho)
        factor = 4.0 * math.pi / self.grid.volume
        return 0.5 * factor * moment**2, factor * moment * self.ramp

    def forces(self, rho: torch.Tensor) -> np.ndarray:
        """What the electrons' part exerts on the ions (N, 3)."""
        return self._field(-self.electron_moment(rho))

    def _field(self, moment: float) -> np.ndarray:
        return -4.0 * math.pi / self.grid.volume * moment * self.charges[:, None] * self.normal

    def stress(self, rho: torch.Tensor) -> np.ndarray:
        """(1/Ω) dE/dε (3, 3) at fixed fractional coordinates: E goes as h²/Ω = h/A. The share −δ E_ext/Ω that the local term counts is taken back."""
        energy = 2.0 * math.pi / self.grid.volume * self.moment(rho) ** 2
        counted = -4.0 * math.pi / self.grid.volume * self.ion_moment * self.electron_moment(rho)
        return ((2.0 * np.outer(self.normal, self.normal) - np.eye(3)) * energy + np.eye(3) * counted) / self.grid.volume


def require_neutral(charge: float) -> None:
    """Raise SetupError for a charged cell, whose dipole depends on the origin."""
    if charge:
        raise SetupError(f"A dipole correction was asked for a cell with a charge of {charge:g} e.", hint="Leave dipole at none, or make the cell neutral.")
