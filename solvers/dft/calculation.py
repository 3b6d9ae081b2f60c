"""From a structure and parameters to a ground state: builds the problem a `Plan` describes, starts it from what is at hand, and converts nothing.

`Calculation` is the live object behind the ASE calculator and the task `scf`. Hartree atomic units.
"""
from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch

from ..core import device as machine
from ..core.units import HARTREE_EV
from . import energy as energy_module
from . import forces as forces_module
from . import stress as stress_module
from .basis import Basis
from .eigen.algebra import orthonormalise
from .extrapolation import DEPTH, Snapshot, extrapolated_density, extrapolated_orbitals, weights_of
from .hubbard import Hubbard
from .magnetisation import local_moments
from .memory import explained, require_memory
from .model import Model
from .parallel import Workers
from .plan import Plan
from .plan_terms import add_terms
from .populations import Populations, populations
from .problem import Problem
from .projectors import Species
from .pseudo import library
from .pulay import pulay_stress
from .restart import transfer_density, unpack
from .scf import GroundState, SCFState, SCFStep, self_consistency
from .smearing import to_zero
from .spin import density_channels
from .start import atomic_density
from .xc import functional

#: how far outside 0 … 1 the occupation of a Hubbard orbital is spoken of
_ODD_OCCUPATION = 0.05
#: energy error (Ha per electron) that a start from another geometry is taken to have: how well the first step solves the bands
_CARRIED = 1e-5
#: points of a box whose fields are kept between energy, forces and stress, at most 8 MiB for each spin
_SMALL_BOX = 2**17
#: bytes of orbitals of k-points that share a tensor on the CPU, where a call of torch costs more than its arithmetic: 72 k-points of Al with 32 KiB each took
#: 2.5, 1.5, 1.3, 1.2 and 1.2 s of one core with 1, 6, 12, 18 and 36 together; 4 of Si with 154 KiB took the same alone and in pairs
_TOGETHER = 2**19


def build(plan: Plan, workers: Workers, exchange: bool = True) -> Problem:
    """The discretised problem of a plan; exchange: with the exact exchange of a hybrid."""
    numbers = np.asarray(plan.structure.numbers)
    symbols = np.array(plan.structure.symbols)
    species = tuple(Species(library.live(entry), np.flatnonzero(symbols == symbol)) for symbol, entry in plan.entries.items())
    smearing = plan.params.smearing
    model = Model(plan.cell, plan.positions, numbers, species, functional(plan.params.xc), smearing.kind, smearing.width / HARTREE_EV,
                  plan.n_spin, plan.moments, plan.total_moment, plan.params.charge)
    device = machine.resolve(plan.params.device)
    require_memory(plan, device)
    reference = plan.cell if plan.sphere_cell is None else plan.sphere_cell
    basis = Basis(reference, plan.cutoff, plan.kpoints, plan.weights, plan.shape, device=device, batch_size=_batch_size(plan, device, workers.n_threads))
    if plan.sphere_cell is not None:
        basis = basis.strained(plan.cell)
    problem = Problem(model, basis, workers, plan.group)
    add_terms(problem, plan, exchange)
    return problem


def _batch_size(plan: Plan, device: str, n_threads: int) -> int:
    """k-points per tensor: on the CPU as many small ones as share `_TOGETHER` and leave every thread two batches, on CUDA as many as 40 % of the free memory
    holds."""
    if device == "cpu":
        together = max(1, _TOGETHER // (16 * plan.n_plane_waves * plan.n_bands))
        batches = max(-(-len(plan.kpoints) // together), 2 * n_threads)
        return max(1, len(plan.kpoints) // (-(-batches // n_threads) * n_threads))
    per_point = 16 * plan.n_plane_waves * (8 * plan.n_bands + sum(entry.n_projectors for entry in plan.entries.values()) + 64)
    return int(max(1, min(len(plan.kpoints), 0.4 * machine.memory(device).free // per_point)))


class Calculation:
    """One geometry: `run()` yields SCF steps; afterwards energies, forces, stress are available. A previous calculation gives the start where it fits."""

    def __init__(self, plan: Plan, workers: Workers | None = None, previous: Calculation | tuple[Snapshot, ...] | None = None,
                 resume: dict[str, np.ndarray] | None = None, density: tuple[np.ndarray, tuple[int, int, int]] | None = None):
        self.plan = plan
        self.workers = workers or Workers()
        self.problem = build(plan, self.workers)
        self.ground: GroundState | None = None
        self.superposed = atomic_density(self.problem)
        self.history: tuple[Snapshot, ...] = ()
        self.state = self._start(previous, resume, density)

    def _start(self, previous: Calculation | tuple[Snapshot, ...] | None, resume: dict[str, np.ndarray] | None,
               density: tuple[np.ndarray, tuple[int, int, int]] | None) -> SCFState:
        if resume is not None:
            return unpack(resume, self.problem)
        if density is not None:
            return SCFState(self._bonded(torch.from_numpy(np.array(density[0])), density[1]), trusted=True)
        past = self.history = previous.snapshots_for(self) if isinstance(previous, Calculation) else previous or ()
        if not past:
            return SCFState(self.superposed)
        weights = weights_of(self.problem.model.fractional, self.plan.cell, past)
        state = SCFState(self._bonded(extrapolated_density(weights, past, self.problem.grid.shape), self.problem.grid.shape), trusted=True)
        moved = extrapolated_orbitals(weights, past, self.problem.basis)
        if moved is not None:
            state.orbitals = [orthonormalise(X) for X in moved]
            state.occupations = past[0].occupations
            # what the orbitals make is near the answer and on the same branch: shells can be filled in several self-consistent ways
            state.unknowns = [term.output(state.orbitals, state.occupations) for term in self.problem.terms]
            state.accuracy = _CARRIED * self.problem.model.n_electrons
        return state

    def snapshots_for(self, other: Calculation) -> tuple[Snapshot, ...]:
        """What `other` starts from: nothing where this calculation has not run or is of other atoms."""
        return self.snapshots() if self.ground is not None and self.alike(other) else ()

    def snapshots(self) -> tuple[Snapshot, ...]:
        """This geometry, solved, and those before it, newest first: what the next one starts from."""
        problem, ground = self.problem, self.ground
        holds = (ground.occupations > 1e-6 * problem.model.max_occupation).any(1).sum(-1).tolist()  # bands that hold electrons at some k-point, per spin
        own = Snapshot(problem.model.fractional, self.plan.cell, self.bonding, problem.grid.shape, problem.basis, ground.orbitals, holds, ground.occupations)
        return (own, *self.history)[:DEPTH]

    @property
    def bonding(self) -> torch.Tensor:
        """What the solved density adds to the densities of the atoms, (S, …) coefficients times volume: a start for other boxes, meshes and geometries."""
        return (self.ground.rho - self.superposed) * self.problem.grid.volume

    def _bonded(self, bonding: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
        """A starting density: what bonding adds to the atoms' densities moves with the lattice, the atoms' densities move with the atoms.

        bonding: (S, …) coefficients times volume; a row that it lacks (a magnetisation) stays that of the atoms.
        """
        grid = self.problem.grid
        moved = transfer_density(bonding, shape, grid.shape).to(self.superposed) / grid.volume
        rho = self.superposed.clone()
        rows = min(len(rho), len(moved))
        rho[:rows] += moved[:rows]
        return self.problem.normalise(self.problem.symmetrise(rho))

    def alike(self, other: Calculation) -> bool:
        """Whether a density of this calculation can start `other`: same atoms in the same order, same potentials and functional."""
        return (np.array_equal(self.plan.structure.numbers, other.plan.structure.numbers) and self.plan.entries == other.plan.entries
                and self.plan.params.xc == other.plan.params.xc and self.plan.params.charge == other.plan.params.charge
                and self.plan.n_spin == other.plan.n_spin and np.array_equal(self.plan.moments, other.plan.moments)
                and self.plan.total_moment == other.plan.total_moment and self.plan.params.hubbard == other.plan.params.hubbard
                and self.plan.params.hubbard_projection == other.plan.params.hubbard_projection
                and self.problem.basis.device == other.problem.basis.device)

    def run(self) -> Iterator[SCFStep]:
        """Self-consistent steps; afterwards `ground` is set. Raises OutOfMemoryError with the estimate and advice where memory runs out."""
        tolerance = self.plan.params.tolerance / HARTREE_EV * len(self.plan.structure)
        try:
            self.ground = yield from self_consistency(self.problem, self.state, tolerance=tolerance, max_steps=self.plan.params.max_steps)
        except (MemoryError, RuntimeError) as error:
            told = explained(error, self.plan)
            if told is None:
                raise
            raise told from error

    @property
    def _fields(self) -> energy_module.Fields | None:
        """What energy, forces and stress begin with, kept on small boxes, where it is a part of the time and little memory."""
        return self._small_fields if self.problem.grid.size <= _SMALL_BOX else None

    @cached_property
    def _small_fields(self) -> energy_module.Fields:
        return energy_module.output_fields(self.problem, self.ground)

    @cached_property
    def energies(self) -> energy_module.Energies:
        """Energy terms (Ha)."""
        return energy_module.energies(self.problem, self.ground, self._fields)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The plan's warnings and what the ground state itself shows to be doubtful, in words."""
        notes = list(self.plan.warnings)
        model, e = self.problem.model, self.ground.eigenvalues
        filled = [round(n / model.max_occupation) for n in model.channel_electrons]
        if model.smearing == "none" and max(filled) < e.shape[-1]:
            top = [float(channel[:, :n].max()) if n else -np.inf for channel, n in zip(e, filled, strict=True)]
            bottom = [float(channel[:, n:].min()) for channel, n in zip(e, filled, strict=True)]
            overlap = max(t - b for t, b in zip(top, bottom, strict=True))
            if overlap > 0.0:
                notes.append(f"Fixed occupations filled {max(filled)} bands at every k-point although filled and empty bands overlap by "
                             f"{overlap * HARTREE_EV:.2g} eV: this is not the ground state. Give a smearing, e.g. fermi-dirac:0.05eV.")
        if model.n_spin == 2 and self.plan.moments.any() and self.absolute_moment < 1e-2:
            notes.append("The calculation started with magnetic moments and ended without: the ground state found is not magnetic.")
        if self.hubbard is not None:
            values = self.hubbard.report(self.ground)["hubbard_occupations"]
            if values.min() < -_ODD_OCCUPATION or values.max() > 1 + _ODD_OCCUPATION:
                notes.append(f"Hubbard shells hold between {values.min():.2f} and {values.max():.2f} electrons per orbital: the projection functions overlap "
                             "too much for U to mean what it should. Take hubbard_projection = ortho-atomic, or another potential.")
        return tuple(notes)

    @property
    def energy_at_zero(self) -> float:
        """Energy extrapolated to zero smearing, Ha."""
        return to_zero(self.problem.model.smearing, self.energies.free, self.energies.entropy)

    @cached_property
    def forces(self) -> np.ndarray:
        """Forces (N, 3) Ha/bohr."""
        return forces_module.forces(self.problem, self.ground, fields=self._fields)

    @cached_property
    def stress(self) -> np.ndarray:
        """Stress (3, 3) Ha/bohr³."""
        return stress_module.stress(self.problem, self.ground, self._fields)

    @cached_property
    def pulay_stress(self) -> float:
        """Estimate of what the missing plane waves add to the diagonal of `stress`, Ha/bohr³."""
        return pulay_stress(self.problem, self.ground)

    @property
    def total_moment(self) -> float:
        """n↑ − n↓ of the cell, µ_B; 0 without spin."""
        return float(self.ground.rho[1, 0, 0, 0].real) * self.problem.grid.volume if len(self.ground.rho) == 2 else 0.0

    @cached_property
    def absolute_moment(self) -> float:
        """∫|n↑ − n↓| over the cell, µ_B."""
        if len(self.ground.rho) == 1:
            return 0.0
        return float(self.problem.grid.to_real(self.ground.rho[1]).abs().mean()) * self.problem.grid.volume

    @cached_property
    def local_moments(self) -> np.ndarray:
        """Moment of every atom (N,) in µ_B: its share of n↑ − n↓ (see `magnetisation`)."""
        return local_moments(self.problem, self.ground.rho)

    @cached_property
    def populations(self) -> Populations:
        """Löwdin populations of atoms and shells."""
        return populations(self.problem, self.ground.orbitals, self.ground.occupations)

    @property
    def hubbard(self) -> Hubbard | None:
        """The +U term, if the calculation has one."""
        return next((term for term in self.problem.terms if isinstance(term, Hubbard)), None)

    def density(self) -> np.ndarray:
        """Valence density of every spin on the box, e/bohr³: (1, n1, n2, n3) the total, or (2, n1, n2, n3) up and down."""
        return self.problem.grid.to_real(density_channels(self.ground.rho)).cpu().numpy()
