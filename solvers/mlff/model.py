"""The linear force field: a `Basis` with weights, evaluated by kernels; its error bar where the fit gave one."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from solvers.core.errors import SetupError
from solvers.neighbours import NeighbourList
from solvers.neighbours.threads import chunks, over_chunks

from .basis import Basis
from .harmonics import gradient_table


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the ridge knows of its own weights. whitening (D, R): variance of a number linear in the weights with row φ is |φ·whitening|², times
    the calibration: energy_scale, force_scale turn it into (eV)² and (eV/Å)²."""

    whitening: np.ndarray
    energy_scale: float
    force_scale: float


@dataclass(frozen=True, eq=False)
class LinearModel:
    """E = Σ_i [E0_s(i) + w_s(i)·features_i] (+ screened nuclear repulsion). weights (S, 1+n_local): the constant first, eV.

    info: plain values about the training, kept in the file.
    """

    basis: Basis
    weights: np.ndarray
    repulsion: bool
    posterior: Posterior | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        expected = (len(self.basis.species), 1 + self.basis.n_local)
        if self.weights.shape != expected:
            raise SetupError(f"Weights of shape {self.weights.shape} do not fit the descriptor.", hint=f"Needed: {expected}.")

    @property
    def cutoff(self) -> float:
        """Reach of the model in Å."""
        return self.basis.radial_cutoff

    def kinds(self, numbers: np.ndarray) -> np.ndarray:
        """Index of each atom's species, (N,) int64; SetupError naming elements that the model does not know."""
        from ase.data import chemical_symbols
        species = np.array(self.basis.species)
        kinds = np.searchsorted(species, numbers)
        strange = np.setdiff1d(numbers, species)
        if len(strange):
            raise SetupError(f"This force field knows nothing of {', '.join(chemical_symbols[z] for z in strange)}.",
                             hint=f"It was trained on {', '.join(chemical_symbols[z] for z in species)}.")
        return kinds.astype(np.int64)

    @cached_property
    def _packed(self) -> tuple:
        """The weights as the energy kernel wants them."""
        basis = self.basis
        n_species, n_l = len(basis.species), basis.degree + 1
        two = np.ascontiguousarray(self.weights[:, 1:1 + basis.n_two].reshape(n_species, n_species, basis.n_radial))
        three = np.zeros((n_species, n_l, basis.n_channels, basis.n_channels))
        a, b = basis.three_channels.T
        values = self.weights[:, 1 + basis.n_two:1 + basis.n_two + basis.n_three].reshape(n_species, -1, n_l) * np.where(a == b, 1.0, 0.5)[:, None]
        three[:, :, a, b] = three[:, :, b, a] = values.transpose(0, 2, 1)
        four = basis.four_terms
        feature = np.repeat(np.arange(len(four.first) - 1), np.diff(four.first))
        coefficients = self.weights[:, 1 + basis.n_two + basis.n_three:][:, feature] * four.coefficients
        return np.ascontiguousarray(self.weights[:, 0]), two, three, np.ascontiguousarray(coefficients), four.factors, *gradient_table(basis.degree)

    def evaluate(self, positions: np.ndarray, cell: np.ndarray, kinds: np.ndarray, listing: NeighbourList) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """energies (N,) eV, forces (N, 3) eV/Å, virial (3, 3) eV = −∂E/∂strain; listing must reach `cutoff`."""
        from . import kernels
        constants, two, three, four, factors, table, coefficients = self._packed
        basis = self.basis
        n_atoms, n_chunks = len(positions), len(chunks(len(positions)))
        energies, parts, virials = np.empty(n_atoms), np.zeros((n_chunks, n_atoms, 3)), np.zeros((n_chunks, 3, 3))

        def work(chunk: int, begin: int, end: int) -> None:
            kernels.evaluate(begin, end, positions, cell, kinds, listing.offsets, listing.neighbours, listing.shifts, float(basis.radial_cutoff),
                             float(basis.angular_cutoff), basis.degree, constants, two, three, four, factors, table, coefficients, energies,
                             parts[chunk], virials[chunk])

        over_chunks(work, n_atoms)
        forces, virial = parts.sum(axis=0), virials.sum(axis=0)
        if self.repulsion:
            push = repulsion_of(self.basis.species, positions, cell, kinds, listing)
            energies, forces, virial = energies + push[0], forces + push[1], virial + push[2]
        return energies, forces, virial

    def deviations(self, positions: np.ndarray, cell: np.ndarray, kinds: np.ndarray, listing: NeighbourList) -> tuple[float, np.ndarray]:
        """One standard deviation of the energy (eV) and of each atom's force vector (N,) (eV/Å, root mean square length of its error).

        SetupError for a model that carries no posterior.
        """
        if self.posterior is None:
            raise SetupError("This force field carries no error bar.", hint="Train it again with fewer features, or leave out `uncertainty`.")
        energy, forces, _ = design(self.basis, positions, cell, kinds, listing)
        white = self.posterior.whitening
        force_variance = ((forces.reshape(len(white), -1).T @ white) ** 2).sum(axis=1).reshape(-1, 3).sum(axis=1)
        return float(np.sqrt(self.posterior.energy_scale) * np.linalg.norm(energy @ white)), np.sqrt(self.posterior.force_scale * force_variance)


def design(basis: Basis, positions: np.ndarray, cell: np.ndarray, kinds: np.ndarray, listing: NeighbourList) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a frame's energy (D,), forces (D, N, 3) and virial (D, 3, 3) are linear in, D = n_features in the order of `weights.ravel()`."""
    from . import kernels
    n_species, n_local = len(basis.species), basis.n_local
    terms = basis.terms
    values, forces, virials = kernels.features(
        positions, cell, kinds, listing.offsets, listing.neighbours, listing.shifts, float(basis.radial_cutoff), float(basis.angular_cutoff), basis.degree,
        n_species, basis.n_radial, basis.n_angular, terms.first, terms.coefficients, terms.factors, *gradient_table(basis.degree))
    local = np.zeros((n_species, n_local))
    np.add.at(local, kinds, values)
    energy = np.column_stack([np.bincount(kinds, minlength=n_species), local]).ravel()

    def with_constants(rows: np.ndarray) -> np.ndarray:
        blocks = rows.reshape(n_species, n_local, *rows.shape[1:])
        return np.concatenate([np.zeros((n_species, 1, *rows.shape[1:])), blocks], axis=1).reshape(-1, *rows.shape[1:])

    return energy, with_constants(forces), with_constants(virials)


def repulsion_of(species: tuple[int, ...], positions: np.ndarray, cell: np.ndarray, kinds: np.ndarray, listing: NeighbourList):
    """energies (N,), forces (N, 3), virial (3, 3) of the screened nuclear repulsion."""
    from .repulsion import outer_radii, repulsion
    return repulsion(positions, cell, kinds, np.array(species, float), outer_radii(species), listing.offsets, listing.neighbours, listing.shifts)
