"""The self-consistent cycle: a generator of steps over density and orbitals. Hartree atomic units."""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from ..core.errors import NonFiniteError
from . import preconditioners
from .eigen.davidson import davidson
from .mixing import AndersonMixer
from .problem import Problem
from .smearing import missing_bands, occupy
from .start import initial_orbitals, more_bands


@dataclass
class SCFState:
    """Everything the next step needs; what a restart keeps. rho: input density of the next step; orbitals per batch; occupations (K, bands) of the last step."""

    rho: torch.Tensor
    orbitals: list[torch.Tensor] | None = None
    occupations: torch.Tensor | None = None
    step: int = 0
    accuracy: float = math.inf
    mixer: AndersonMixer | None = None
    choice: preconditioners.Choice = preconditioners.Choice("none", "not chosen yet")
    energies: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class SCFStep:
    """One step: free energy (Harris–Foulkes, Ha), accuracy = estimated energy error (Ha), Fermi energy, text in plain words where something happened."""

    n: int
    free_energy: float
    accuracy: float
    fermi_energy: float
    text: str


@dataclass(frozen=True)
class GroundState:
    """Result of the cycle: densities in and out of the last step, orbitals, eigenvalues and occupations (K, bands), Fermi energy, −TS, flag and history (Ha)."""

    rho_in: torch.Tensor
    rho: torch.Tensor
    orbitals: list[torch.Tensor]
    eigenvalues: torch.Tensor
    occupations: torch.Tensor
    fermi_energy: float
    entropy_energy: float
    converged: bool
    state: SCFState


def self_consistency(problem: Problem, state: SCFState, *, tolerance: float, max_steps: int) -> Iterator[SCFStep]:
    """Iterate until the estimated energy error (Ha per cell) is below `tolerance` or `max_steps` are done; returns a `GroundState`.

    `state` is advanced in place; a cycle continued from a saved state takes the same path as an uninterrupted one.
    Raises NonFiniteError when the energy is not finite.
    """
    model, basis = problem.model, problem.basis
    workers = problem.workers
    mixer = state.mixer = state.mixer or AndersonMixer(problem.grid)
    n_bands = state.orbitals[0].shape[1] if state.orbitals else model.n_bands
    text = ""
    while True:
        state.step += 1
        e_hartree, _, xc = problem.set_density(state.rho)
        fresh = state.orbitals is None
        if fresh:
            state.orbitals = workers.map(lambda batch: initial_orbitals(problem, batch, n_bands), basis.batches)
        expansions = 3 if fresh else 2
        inner = 0.5 * math.sqrt(max(min(state.accuracy, 1e-2 * model.n_electrons), 1e-30) / model.n_electrons)
        weights = None if state.occupations is None else state.occupations.to(basis.device)

        def solve(item, expansions=expansions, inner=inner, weights=weights):
            batch, X = item
            return davidson(problem.hamiltonian, batch, X, expansions=expansions, tolerance=inner, weights=None if weights is None else weights[batch.slice])
        bands = workers.map(solve, zip(basis.batches, state.orbitals, strict=True))
        state.orbitals = [item.orbitals for item in bands]
        eigenvalues = torch.cat([item.eigenvalues for item in bands]).cpu()
        occupations, fermi, entropy = occupy(eigenvalues[None], basis.weights, model.n_electrons, model.smearing, model.width)
        occupations = occupations[0]
        state.occupations = occupations
        rho_out = problem.density(state.orbitals, occupations)
        band_energy = float((torch.from_numpy(basis.weights)[:, None] * occupations * eigenvalues).sum())
        free = band_energy - e_hartree - xc.integral + xc.energy + problem.ewald_energy + problem.alpha_energy + entropy
        state.accuracy = mixer.accuracy(state.rho, rho_out)
        if not (math.isfinite(free) and math.isfinite(state.accuracy)):
            raise NonFiniteError(f"The energy became {free} in step {state.step} of the self-consistent cycle.", hint="Check the structure for atoms that are too close, or choose a higher cutoff.")
        state.energies.append(free)
        state.accuracies.append(state.accuracy)
        extra = 0 if state.step == 1 else missing_bands(eigenvalues.numpy(), fermi, model.smearing, model.width)
        extra = min(extra, min(len(sphere) for batch in basis.batches for sphere in batch.spheres) - eigenvalues.shape[1])
        if extra > 0:
            state.orbitals = [more_bands(batch, X, extra) for batch, X in zip(basis.batches, state.orbitals, strict=True)]
            state.occupations = torch.nn.functional.pad(occupations, (0, extra))
            text = f"{extra} bands added: the highest one was still partly filled"
        converged = state.accuracy < tolerance and extra <= 0
        if state.step <= 2:
            state.choice = preconditioners.choose(model, basis.volume, basis.weights, eigenvalues.numpy())
            text = f"mixing: {state.choice.kind} ({state.choice.reason})" if state.step == 2 else text
        rho_in = state.rho
        if not converged:
            state.rho = mixer.next(rho_in, rho_out, preconditioners.operator(state.choice, mixer))
        yield SCFStep(state.step, free, state.accuracy, fermi, text)
        text = ""
        if converged or state.step >= max_steps:
            return GroundState(rho_in, rho_out, state.orbitals, eigenvalues, occupations, fermi, entropy, converged, state)
