"""The self-consistent cycle: a generator of steps over density and orbitals. Hartree atomic units."""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from ..core.errors import NonFiniteError
from . import preconditioners
from .eigen.choose import block_solver
from .eigen.davidson import Bands
from .extra import Term
from .ldos import local_density_of_states, screen
from .mixing import AndersonMixer
from .problem import Block, Problem
from .smearing import missing_bands, occupy_spins
from .start import initial_pair, more_bands

#: the eigensolver stops at residual norms of this times √(energy error per electron)
_INNER = 0.2
#: further visits of the eigensolver where the density is good and the orbitals are not
_CATCH_UP = 4
#: a step is final only when Σ f ‖Hψ − εψ‖² (Ha²), taken before its expansions, is below this times the tolerance (Ha): catches a band stuck in a wrong state
_SLACK = 3.0
#: … or when the same sum after the expansions is below this times the tolerance, which the step's own Hamiltonian already knows (one step in ten saved)
_SETTLED = 0.2
#: times the tolerance: an energy error from which on the next step may be the last
_NEAR = 1e4
#: between two renewals of operators that follow the orbitals, the cycle converges to this share of the last renewal's energy
_INNER_GOAL = 0.2
#: later steps in which the preconditioner is chosen anew
_LOOK_AGAIN = (4, 8)
#: the step after which operators that follow the orbitals are built at the latest
_LATEST_FIRST = 4
#: what the first renewal is expected to be worth, Ha per electron: with _INNER_GOAL it says how far the cycle goes without such an operator
_FIRST_RENEWAL = 2e-3


@dataclass
class SCFState:
    """Everything the next step needs; what a restart keeps. rho: input density (S, …) of the next step; orbitals per block; occupations (S, K, bands) of
    the last step; unknowns of the extra terms that go with rho; renewal: energy (Ha) of the last renewal of operators that follow the orbitals, then the
    number of renewals and the step of the last one."""

    rho: torch.Tensor
    orbitals: list[torch.Tensor] | None = None
    occupations: torch.Tensor | None = None
    step: int = 0
    accuracy: float = math.inf
    mixer: AndersonMixer | None = None
    choice: preconditioners.Choice = preconditioners.Choice("none", "not chosen yet")
    energies: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    unknowns: list[torch.Tensor] | None = None
    renewal: float = 0.0
    renewals: int = 0
    renewed_at: int = 0
    terms: list[Term] = field(default_factory=list)  # those of the problem, for what they keep beside the unknowns
    trusted: bool = False  # rho comes from a calculation: bands made from atomic orbitals must catch up before rho may change


@dataclass(frozen=True)
class SCFStep:
    """One step: free energy (Harris–Foulkes, Ha), accuracy = estimated energy error (Ha), Fermi energy, text in plain words where something happened,
    total moment (µ_B; 0 without spin)."""

    n: int
    free_energy: float
    accuracy: float
    fermi_energy: float
    text: str
    moment: float = 0.0


@dataclass(frozen=True)
class GroundState:
    """Result of the cycle: densities (S, …) in and out of the last step, orbitals per block, eigenvalues and occupations (S, K, bands), Fermi energies (S,)
    (two where the moment is fixed), −TS, flag and history (Ha), the unknowns of the extra terms that went in.
    """

    rho_in: torch.Tensor
    rho: torch.Tensor
    orbitals: list[torch.Tensor]
    eigenvalues: torch.Tensor
    occupations: torch.Tensor
    fermi_energies: np.ndarray
    entropy_energy: float
    converged: bool
    state: SCFState
    unknowns_in: list[torch.Tensor] = field(default_factory=list)

    @property
    def fermi_energy(self) -> float:
        """Chemical potential of the electrons, Ha: where the moment is fixed the highest of those spins that hold electrons."""
        held = self.occupations.sum((1, 2)).numpy() > 1e-9
        return float(self.fermi_energies[held].max())


def self_consistency(problem: Problem, state: SCFState, *, tolerance: float, max_steps: int) -> Iterator[SCFStep]:
    """Iterate until the estimated energy error (Ha per cell) is below `tolerance` or `max_steps` are done; returns a `GroundState`.

    `state` is advanced in place. A cycle continued from a saved state takes the same path as an uninterrupted one.
    Raises NonFiniteError when the energy is not finite.
    """
    model, basis = problem.model, problem.basis
    mixer = state.mixer = state.mixer or AndersonMixer(problem.grid, problem.terms)
    weights = torch.from_numpy(basis.weights)[:, None]
    if state.unknowns is None:
        state.unknowns = [term.start(state.rho) for term in problem.terms]
    state.terms = problem.terms
    if any(term.awaits_orbitals for term in problem.terms):
        state.renewal = _FIRST_RENEWAL * model.n_electrons
        if state.step == 0 and state.orbitals is not None and state.occupations is not None:  # of another geometry
            for term in problem.terms:
                term.renew(state.orbitals, state.occupations)
            state.renewal, state.renewals = 0.05 * state.renewal, 1
    while True:
        state.step += 1
        texts = []
        # a gap may open as d shells settle, and the first renewal opens gaps; a cycle that had to be calmed keeps what calmed it
        choosing = state.step <= 2 or (state.step in _LOOK_AGAIN and mixer.damping == 1.0) or (state.renewals == 1 and state.step == state.renewed_at + 1)
        goal = max(tolerance, _INNER_GOAL * state.renewal)
        e_hartree, _, xc = problem.set_density(state.rho, state.unknowns)
        counted_twice = xc.energy - xc.integral - e_hartree + sum(term.double_counting() for term in problem.terms)
        del xc, _  # gradients and potentials on the box, not needed beside the bands' memory
        bands = _solve_bands(problem, state, goal)
        state.orbitals = [item.orbitals for item in bands]
        eigenvalues = _table(problem, [item.eigenvalues for item in bands])
        occupations, fermi, entropy = occupy_spins(eigenvalues, basis.weights, model.n_electrons, model.smearing, model.width, model.total_moment)
        state.occupations = occupations
        before = (state.rho, state.unknowns)
        after = (problem.density(state.orbitals, occupations), [term.output(state.orbitals, occupations) for term in problem.terms])
        free = float((weights * occupations * eigenvalues).sum()) + counted_twice + problem.fixed_energy + entropy
        state.accuracy = mixer.accuracy(before, after)
        if not (math.isfinite(free) and math.isfinite(state.accuracy)):
            raise NonFiniteError(f"The energy became {free} in step {state.step} of the self-consistent cycle.",
                                 hint="Check the structure for atoms that are too close, or choose a higher cutoff.")
        state.energies.append(free)
        state.accuracies.append(state.accuracy)
        slack = _unsettled(problem, occupations, [item.residuals for item in bands])
        # unknowns of extra terms answer to the orbitals in first order: such cycles take the step more
        settled = math.inf if problem.terms or any(item.final is None for item in bands) else _unsettled(problem, occupations, [item.final for item in bands])
        added = _adapt_bands(problem, state, eigenvalues, fermi)
        if added > 0:
            texts.append(f"{added} bands added: the highest one was still partly filled")
        converged = state.accuracy < goal and (slack < _SLACK * goal or settled < _SETTLED * goal) and added <= 0
        # without exact exchange a gap may be missing that the whole functional has: such a cycle would not converge and need not
        overdue = state.step >= _LATEST_FIRST and any(term.awaits_orbitals for term in problem.terms)
        if (converged or overdue) and problem.terms:
            state.renewal = max(term.renew(state.orbitals, state.occupations) for term in problem.terms)  # with the bands added just now
            if state.renewal > tolerance:
                converged, state.accuracy = False, state.renewal
                state.renewals, state.renewed_at = state.renewals + 1, state.step
                mixer.reset()
                texts.append(f"operators rebuilt from the new orbitals: they changed the energy by about {state.renewal:.1e} Ha")
        # fresh in every step, so that a resumed cycle needs no copy of it; `bands`, because `state.orbitals` may have grown
        levels = partial(local_density_of_states, problem, [item.orbitals for item in bands], eigenvalues, fermi)
        if choosing:
            held, former = (weights * occupations).sum((1, 2)).numpy(), state.choice.kind
            state.choice = preconditioners.choose(model, basis.volume, basis.weights, eigenvalues.numpy(), held, levels)
            if state.step == 2 or state.step > 2 and state.choice.kind != former:
                texts.append(f"mixing: {state.choice.kind} ({state.choice.reason})")
        if state.renewals > 0 and state.renewed_at == state.step:
            state.rho, state.unknowns = after  # what the old operator answered must not enter the history of the new one
        elif not converged:
            texts += _steady(state)
            precondition = preconditioners.operator(state.choice, mixer) if state.choice.kind != "LDOS" else partial(screen, mixer, levels())
            state.rho, state.unknowns = mixer.next(before, after, precondition, state.choice.damping(bool(mixer.residuals) or state.trusted))
            if mixer.uphill:
                texts.append("the mixing's fitted step would have raised the energy: a plain step was taken")
        ground = GroundState(before[0], after[0], [item.orbitals for item in bands], eigenvalues, occupations, fermi, entropy, converged, state, before[1])
        moment = float(after[0][1, 0, 0, 0].real) * basis.volume if model.n_spin == 2 else 0.0
        yield SCFStep(state.step, free, state.accuracy, ground.fermi_energy, "; ".join(texts), moment)
        if converged or state.step >= max_steps:
            return ground


def _table(problem: Problem, rows: list[torch.Tensor]) -> torch.Tensor:
    """(S, K, bands) on the CPU of one (B, bands) per block."""
    count = len(problem.basis.batches)
    return torch.stack([torch.cat(rows[i:i + count]) for i in range(0, len(rows), count)]).cpu()


def _unsettled(problem: Problem, occupations: torch.Tensor, norms: list[torch.Tensor]) -> float:
    """Σ f ‖Hψ − εψ‖² over the k-mesh, Ha², of residual norms per block."""
    return float((torch.from_numpy(problem.basis.weights)[:, None] * occupations.abs() * _table(problem, norms) ** 2).sum())


def _solve_bands(problem: Problem, state: SCFState, goal: float) -> list[Bands]:
    """One visit of the eigensolver to every block; the first one starts from atomic orbitals."""
    model, basis, workers = problem.model, problem.basis, problem.workers
    fresh = state.orbitals is None
    wanted = model.n_bands + (_spare(problem) if model.smearing == "none" else 0)
    # orbitals that lag behind a new operator would look like an answer of the density and mislead the mixer
    renewed = state.renewals > 0 and state.step == state.renewed_at + 1
    accuracy = min(goal if renewed else state.accuracy, 1e-2 * model.n_electrons)
    tolerance = _INNER * math.sqrt(max(accuracy, 1e-30) / model.n_electrons)
    # where the density is good enough and only the orbitals lag behind, several expansions are cheaper than several steps
    carried = state.trusted and state.step == 1  # orbitals of another geometry: a residual that they spoil would spoil the mixing's history
    expansions = 5 if state.accuracy < goal or renewed else 4 if fresh or carried else 2
    filled = None if state.occupations is None else state.occupations.to(basis.device)
    solver = block_solver(basis.device, wanted)
    finish = state.accuracy < _NEAR * goal

    def solve(item: tuple[Block, torch.Tensor | None]) -> Bands:
        block, X = item
        image = None
        if X is None:
            X, image = initial_pair(problem, block.batch, wanted, block.spin)
            if state.trusted:
                for _ in range(_CATCH_UP):
                    X, image = solver(problem.hamiltonian, block.batch, X, expansions=2, tolerance=0.0, spin=block.spin, image=image).orbitals, None
        bands = solver(problem.hamiltonian, block.batch, X, expansions=expansions, tolerance=tolerance, spin=block.spin, image=image, finish=finish,
                       weights=None if filled is None else block.of(filled))
        # those of earlier steps are this cycle's own; kept in their place, they leave no second set of orbitals and no holes in the heap
        return bands if state.step < 2 or len(problem.blocks) == 1 else replace(bands, orbitals=X.copy_(bands.orbitals))
    return workers.map(solve, zip(problem.blocks, [None] * len(problem.blocks) if fresh else state.orbitals, strict=True))


def _spare(problem: Problem) -> int:
    """Empty bands that an insulator carries along: no filled state is missed when levels cross, and the highest filled ones converge at the rate of a
    wider gap.
    """
    n = problem.model.n_bands
    return max(0, min(max(2, round(math.sqrt(n))), min(len(sphere) for sphere in problem.basis.spheres) - n))


def _adapt_bands(problem: Problem, state: SCFState, eigenvalues: torch.Tensor, fermi: np.ndarray) -> int:
    """Number of bands added to `state` because the highest one was still partly filled."""
    model, basis = problem.model, problem.basis
    extra = 0 if state.step == 1 else missing_bands(eigenvalues.numpy(), fermi, model.smearing, model.width)
    extra = min(extra, min(len(sphere) for sphere in basis.spheres) - eigenvalues.shape[-1])
    if extra > 0:
        state.orbitals = [more_bands(block.batch, X, extra) for block, X in zip(problem.blocks, state.orbitals, strict=True)]
        state.occupations = torch.nn.functional.pad(state.occupations, (0, extra))
    return extra


def _steady(state: SCFState) -> list[str]:
    """Calm a cycle that grows: after two steps that each tripled the error, forget the history and halve the damping. Returns what was done, in words."""
    recent = state.accuracies[state.renewed_at:][-3:]  # a renewal starts a new error
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
