"""A discretised calculation: model + basis + Hamiltonian + everything that does not change during self-consistency. Hartree atomic units."""
from __future__ import annotations

from collections.abc import Sequence

import torch

from .basis import Basis
from .hamiltonian import Hamiltonian
from .kernels.local import LocalOperator
from .model import Model
from .parallel import Workers
from .potential import XC, exchange_correlation, hartree
from .symmetry import SpaceGroup
from .terms.ewald import ewald
from .terms.local import alpha_energy, local_potential


class Problem:
    """Fixed potential terms and the maps between orbitals, density and potential.

    group: the space group the k-points were reduced by, None where symmetry is not used.
    """

    def __init__(self, model: Model, basis: Basis, workers: Workers, group: SpaceGroup | None = None, local: LocalOperator | None = None):
        self.model = model
        self.basis = basis
        self.grid = basis.grid
        self.workers = workers
        self.group = group if group is not None and len(group) > 1 else None
        self._tables = None if self.group is None else self.group.density_tables(basis.grid.shape, basis.device)
        self.positions = torch.from_numpy(model.positions).to(basis.device)
        self.hamiltonian = Hamiltonian(basis, list(model.species), torch.from_numpy(model.fractional), workers, local)
        self.v_local = local_potential(self.grid, list(model.species), self.positions)
        self.ewald_energy, self.ewald_forces, self.ewald_stress = ewald(model.cell, model.positions, model.charges)
        self.alpha_energy = alpha_energy(self.grid, list(model.species))

    def fields(self, rho: torch.Tensor) -> tuple[float, torch.Tensor, XC]:
        """(E_Hartree, v_Hartree(G), exchange-correlation) of density coefficients rho."""
        energy, potential = hartree(self.grid, rho)
        return energy, potential, exchange_correlation(self.grid, self.model.functional, rho)

    def set_density(self, rho: torch.Tensor) -> tuple[float, torch.Tensor, XC]:
        """Put the potential of rho into the Hamiltonian; returns `fields(rho)`."""
        fields = self.fields(rho)
        self.hamiltonian.set_potential(self.grid.to_real(self.v_local + fields[1] + fields[2].potential))
        return fields

    def density(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        """Symmetrised density coefficients on the half box, e/bohr³. occupations (K, bands), 0 to 2, without k-point weights."""
        local, basis = self.hamiltonian.local, self.basis
        weights = occupations * torch.from_numpy(basis.weights)[:, None] / basis.volume

        def add(part: tuple) -> object:
            rho = local.new_density()
            for batch, X in part:
                local.density(batch, X, weights[batch.slice].to(basis.device), rho)
            return rho
        pairs = list(zip(basis.batches, orbitals, strict=True))
        n = self.workers.n_threads if len(pairs) >= self.workers.n_threads else 1
        rho = self.grid.to_fourier(local.finish_density(self.workers.map(add, [pairs[i::n] for i in range(n)])))
        return self.symmetrise(rho)

    def symmetrise(self, rho: torch.Tensor) -> torch.Tensor:
        """Density coefficients restricted to the density sphere and symmetrised."""
        rho = rho * self.grid.mask
        if self._tables is None:
            return rho
        full = torch.fft.fftn(self.grid.to_real(rho), norm="forward")
        return self._tables.symmetrise(full)[..., :rho.shape[-1]] * self.grid.mask

    def normalise(self, rho: torch.Tensor) -> torch.Tensor:
        """rho scaled to the model's number of electrons."""
        return rho * (self.model.n_electrons / (float(rho[0, 0, 0].real) * self.grid.volume))
