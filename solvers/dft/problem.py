"""A discretised calculation: model + basis + Hamiltonian + everything that does not change during self-consistency. Hartree atomic units."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .basis import Basis, Batch
from .extra import StaticTerm, Term
from .hamiltonian import Hamiltonian
from .kernels.local import LocalOperator
from .kinetic_density import KineticDensity
from .model import Model
from .parallel import Workers
from .potential import XC, exchange_correlation, hartree
from .spin import charge_and_moment
from .symmetry import SpaceGroup
from .terms.core import core_density
from .terms.dipole import SlabDipole
from .terms.ewald import ewald
from .terms.local import alpha_energy, local_potential


@dataclass(frozen=True)
class Block:
    """The orbitals of one spin in one batch of k-points."""

    spin: int
    batch: Batch

    def of(self, table: torch.Tensor) -> torch.Tensor:
        """This block's part (B, …) of a table (S, K, …)."""
        return table[self.spin, self.batch.slice]


class Problem:
    """Fixed potential terms and the maps between orbitals, density and potential.

    group: the space group the k-points were reduced by, None where symmetry is not used. blocks: spin-major; orbitals are lists with one tensor per block.
    terms: extra terms (`add`) that follow the orbitals; static: those that depend on the atoms alone.
    """

    def __init__(self, model: Model, basis: Basis, workers: Workers, group: SpaceGroup | None = None, local: LocalOperator | None = None):
        self.model = model
        self.basis = basis
        self.grid = basis.grid
        self.workers = workers.on(basis.device)
        self.group = group if group is not None and len(group) > 1 else None
        self._tables = None if self.group is None else self.group.density_tables(basis.grid.shape, basis.device)
        self.positions = torch.from_numpy(model.positions).to(basis.device)
        self.blocks = [Block(spin, batch) for spin in range(model.n_spin) for batch in basis.batches]
        self.hamiltonian = Hamiltonian(basis, list(model.species), torch.from_numpy(model.fractional), self.workers, local)
        self.v_local = local_potential(self.grid, list(model.species), self.positions)
        self.core = core_density(self.grid, list(model.species), self.positions)
        self.ewald_energy, self.ewald_forces, self.ewald_stress = ewald(model.cell, model.positions, model.charges, device=basis.device)
        self.alpha_energy = alpha_energy(self.grid, list(model.species), model.n_electrons)
        self.dipole: SlabDipole | None = None
        self.terms: list[Term] = []
        self.static: list[StaticTerm] = []
        if model.functional.needs_kinetic_energy:
            self.add(KineticDensity(self))

    def add(self, term: Term | StaticTerm) -> None:
        """Carry an extra term: its operator joins the Hamiltonian, its unknowns are mixed with the density."""
        if isinstance(term, StaticTerm):
            self.static.append(term)
            return
        self.terms.append(term)
        self.hamiltonian.extra.append(term)

    def correct_dipole(self, axis: int, middle: float) -> None:
        """Take away the field between periodic images of a slab's dipole along cell vector `axis`; the potential jumps at its fraction `middle`."""
        self.dipole = SlabDipole(self.grid, axis, middle, self.model.charges, self.model.fractional)
        self.v_local = self.v_local + self.dipole.external
        self.ewald_energy += self.dipole.ion_energy
        self.ewald_forces = self.ewald_forces + self.dipole.ion_forces

    @property
    def fixed_energy(self) -> float:
        """What no electron changes: Ewald, the G = 0 part of the local potential, static terms; Ha."""
        return self.ewald_energy + self.alpha_energy + sum(term.energy for term in self.static)

    def fields(self, rho: torch.Tensor, unknowns: Sequence[torch.Tensor] = ()) -> tuple[float, torch.Tensor, XC]:
        """(E_Hartree, v_Hartree(G), exchange-correlation) of density coefficients rho (S, …) and the terms' unknowns."""
        energy, potential = hartree(self.grid, rho)
        if self.dipole is not None:
            part = self.dipole.hartree(rho[0])
            energy, potential = energy + part[0], potential + part[1]
        tau = next((u for term, u in zip(self.terms, unknowns, strict=False) if term.name == "kinetic density"), None)
        return energy, potential, exchange_correlation(self.grid, self.model.functional, rho, self.core, None if tau is None else self.grid.to_real(tau))

    def set_density(self, rho: torch.Tensor, unknowns: Sequence[torch.Tensor] = ()) -> tuple[float, torch.Tensor, XC]:
        """Put the potentials of rho and of the terms' unknowns into the Hamiltonian; returns `fields(rho, unknowns)`."""
        fields = self.fields(rho, unknowns)
        for term, value in zip(self.terms, unknowns, strict=True):
            term.update(value, fields[2])
        total = fields[2].potential.clone()
        total[0] += self.v_local + fields[1]
        self.hamiltonian.set_potential(charge_and_moment(self.grid.to_real(total)))
        return fields

    def density(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        """Symmetrised density coefficients (S, …) on the half box, e/bohr³. occupations (S, K, bands), 0 to 2/S, without k-point weights."""
        return self.symmetrise(charge_and_moment(self.grid.to_fourier(self.squares(orbitals, occupations))))

    def squares(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        """Σ_k w f |ψ(r)|² of every spin on the box (S, n1, n2, n3), summed over the k-points of the basis (not symmetrised)."""
        local, basis = self.hamiltonian.local, self.basis
        weights = occupations * torch.from_numpy(basis.weights)[:, None] / basis.volume

        def add(part: list) -> object:
            rho = local.new_density()
            for block, X in part:
                local.density(block.batch, X, block.of(weights).to(basis.device), rho)
            return rho
        pairs = list(zip(self.blocks, orbitals, strict=True))
        count = len(basis.batches)
        n = self.workers.n_threads if count >= self.workers.n_threads else 1
        channels = [pairs[i:i + count] for i in range(0, len(pairs), count)]
        parts = self.workers.map(add, [channel[i::n] for channel in channels for i in range(n)])
        return torch.stack([local.finish_density(parts[i:i + n]) for i in range(0, len(parts), n)])

    def symmetrise(self, rho: torch.Tensor) -> torch.Tensor:
        """Coefficients of densities (…, n1, n2, n3//2+1) restricted to the density sphere and symmetrised."""
        rho = rho * self.grid.mask
        if self._tables is None:
            return rho
        full = torch.fft.fftn(self.grid.to_real(rho), dim=(-3, -2, -1), norm="forward")
        return self._tables.symmetrise(full)[..., :rho.shape[-1]] * self.grid.mask

    def normalise(self, rho: torch.Tensor) -> torch.Tensor:
        """rho (S, …) with its charge scaled to the model's number of electrons and, where the total moment is fixed, a magnetisation that has it."""
        electrons = self.model.n_electrons
        rho = rho.clone()
        rho[0] *= electrons / (float(rho[0, 0, 0, 0].real) * self.grid.volume)
        moment = self.model.total_moment
        if len(rho) == 2 and moment is not None:
            own = float(rho[1, 0, 0, 0].real) * self.grid.volume
            if abs(own) > 0.05 * abs(moment) and own * moment > 0:
                rho[1] *= moment / own
            else:
                rho[1] += rho[0] * ((moment - own) / electrons)
        return rho
