"""The self-consistent cycle: a generator of steps over density and orbitals. Hartree atomic units."""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import torch

from ..core.errors import NonFiniteError
from . import preconditioners
from .eigen.davidson import Bands, davidson
from .ldos import local_density_of_states, screen
from .mixing import AndersonMixer
from .problem import Problem
from .smearing import missing_bands, occupy
from .start import initial_orbitals, more_bands

#: the eigensolver stops at residual norms of this times √(energy error per electron)
_INNER = 0.2
#: further visits of the eigensolver where the density is good and the orbitals are not
_CATCH_UP = 4
#: a step is final only when Σ f ‖Hψ − εψ‖² (Ha²), taken before its expansions, is below this times the tolerance (Ha): catches a band stuck in a wrong state
_SLACK = 3.0


@dataclass
class SCFState:
    """Everything the next step needs; what a restart keeps. rho: input density of the next step; orbitals per batch; occupations (K, bands) of the
    last step."""

    rho: torch.Tensor
    orbitals: list[torch.Tensor] | None = None
    occupations: torch.Tensor | None = None
    step: int = 0
    accuracy: float = math.inf
    mixer: AndersonMixer | None = None
    choice: preconditioners.Choice = preconditioners.Choice("none", "not chosen yet")
    energies: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    trusted: bool = False  # rho comes from a calculation: bands made from atomic orbitals must catch up before rho may change


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
    """Result of the cycle: densities in and out of the last step, orbitals, eigenvalues and occupations (K, bands), Fermi energy, −TS, flag and history
    (Ha).
    """

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

    `state` is advanced in place. A cycle continued from a saved state takes the same path as an uninterrupted one.
    Raises NonFiniteError when the energy is not finite.
    """
    model, basis = problem.model, problem.basis
    mixer = state.mixer = state.mixer or AndersonMixer(problem.grid)
    weights = torch.from_numpy(basis.weights)[:, None]
    while True:
        state.step += 1
        texts = []
        e_hartree, _, xc = problem.set_density(state.rho)
        bands = _solve_bands(problem, state, tolerance)
        state.orbitals = [item.orbitals for item in bands]
        eigenvalues = torch.cat([item.eigenvalues for item in bands]).cpu()
        occupations, fermi, entropy = occupy(eigenvalues[None], basis.weights, model.n_electrons, model.smearing, model.width)
        occupations = state.occupations = occupations[0]
        rho_in, rho_out = state.rho, problem.density(state.orbitals, occupations)
        band_energy = float((weights * occupations * eigenvalues).sum())
        free = band_energy - e_hartree - xc.integral + xc.energy + problem.ewald_energy + problem.alpha_energy + entropy
        state.accuracy = mixer.accuracy(rho_in, rho_out)
        if not (math.isfinite(free) and math.isfinite(state.accuracy)):
            raise NonFiniteError(f"The energy became {free} in step {state.step} of the self-consistent cycle.",
                                 hint="Check the structure for atoms that are too close, or choose a higher cutoff.")
        state.energies.append(free)
        state.accuracies.append(state.accuracy)
        slack = float((weights * occupations.abs() * torch.cat([item.residuals for item in bands]).cpu() ** 2).sum())
        added = _adapt_bands(problem, state, eigenvalues, fermi)
        if added > 0:
            texts.append(f"{added} bands added: the highest one was still partly filled")
        converged = state.accuracy < tolerance and slack < _SLACK * tolerance and added <= 0
        # fresh in every step, so that a resumed cycle needs no copy of it; `bands`, because `state.orbitals` may have grown
        levels = partial(local_density_of_states, problem, [item.orbitals for item in bands], eigenvalues, fermi)
        if state.step <= 2:
            state.choice = preconditioners.choose(model, basis.volume, basis.weights, eigenvalues.numpy(), levels)
            if state.step == 2:
                texts.append(f"mixing: {state.choice.kind} ({state.choice.reason})")
        if not converged:
            texts += _steady(state)
            precondition = preconditioners.operator(state.choice, mixer) if state.choice.kind != "LDOS" else partial(screen, mixer, levels())
            state.rho = mixer.next(rho_in, rho_out, precondition)
        yield SCFStep(state.step, free, state.accuracy, fermi, "; ".join(texts))
        if converged or state.step >= max_steps:
            return GroundState(rho_in, rho_out, [item.orbitals for item in bands], eigenvalues, occupations, fermi, entropy, converged, state)


def _solve_bands(problem: Problem, state: SCFState, goal: float) -> list[Bands]:
    """One visit of the eigensolver to every batch of k-points; the first one starts from atomic orbitals."""
    model, basis, workers = problem.model, problem.basis, problem.workers
    fresh = state.orbitals is None
    if fresh:
        wanted = model.n_bands + (_spare(problem) if model.smearing == "none" else 0)
        state.orbitals = workers.map(lambda batch: initial_orbitals(problem, batch, wanted), basis.batches)
    accuracy = min(state.accuracy, 1e-2 * model.n_electrons)
    tolerance = _INNER * math.sqrt(max(accuracy, 1e-30) / model.n_electrons)
    # where the density is good enough and only the orbitals lag behind, several expansions are cheaper than several steps
    expansions = 5 if state.accuracy < goal else 3 if fresh else 2
    filled = None if state.occupations is None else state.occupations.to(basis.device)

    def solve(item: tuple) -> Bands:
        batch, X = item
        if fresh and state.trusted:
            for _ in range(_CATCH_UP):
                X = davidson(problem.hamiltonian, batch, X, expansions=2, tolerance=0.0).orbitals
        return davidson(problem.hamiltonian, batch, X, expansions=expansions, tolerance=tolerance,
                        weights=None if filled is None else filled[batch.slice])
    return workers.map(solve, zip(basis.batches, state.orbitals, strict=True))


def _spare(problem: Problem) -> int:
    """Empty bands that an insulator carries along: no filled state is missed when levels cross, and the highest filled ones converge at the rate of a
    wider gap.
    """
    n = problem.model.n_bands
    return max(0, min(max(2, round(math.sqrt(n))), min(len(sphere) for sphere in problem.basis.spheres) - n))


def _adapt_bands(problem: Problem, state: SCFState, eigenvalues: torch.Tensor, fermi: float) -> int:
    """Number of bands added to `state` because the highest one was still partly filled."""
    model, basis = problem.model, problem.basis
    extra = 0 if state.step == 1 else missing_bands(eigenvalues.numpy(), fermi, model.smearing, model.width)
    extra = min(extra, min(len(sphere) for sphere in basis.spheres) - eigenvalues.shape[1])
    if extra > 0:
        state.orbitals = [more_bands(batch, X, extra) for batch, X in zip(basis.batches, state.orbitals, strict=True)]
        state.occupations = torch.nn.functional.pad(state.occupations, (0, extra))
    return extra


def _steady(state: SCFState) -> list[str]:
    """Calm a cycle that grows: after two steps that each tripled the error, forget the history and halve the damping. Returns what was done, in words."""
    recent = state.accuracies[-3:]
    if state.step < 4 or len(recent) < 3 or not (recent[1] > 3.0 * recent[0] and recent[2] > recent[1]):
        return []
    state.mixer.reset()
    state.mixer.damping = max(0.1, 0.5 * state.mixer.damping)
    text = f"the error grew from {recent[0]:.1e} to {recent[2]:.1e} Ha: history forgotten, damping {state.mixer.damping:g}"
    if state.choice.kind == "none":
        state.choice = preconditioners.Choice("dielectric", "after growth of the error", 5.0)
    elif state.choice.kind == "dielectric":
        state.choice = preconditioners.Choice("Kerker", "after growth of the error", preconditioners.KERKER)
        text += ", Kerker mixing"
    elif state.choice.kind == "Kerker":
        state.choice = preconditioners.Choice("LDOS", "after growth of the error")
        text += ", mixing by the local density of states"
    return [text]
