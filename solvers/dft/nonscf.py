"""Bands at any k-points in the fixed potential of a finished calculation. Hartree atomic units.

The potential is that of the density which went into the last self-consistent step, so that points of the mesh give the eigenvalues of that step again.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..core import device as machine
from ..core.errors import RunError, SetupError
from .basis import Basis, Batch, Sphere, make_sphere
from .calculation import Calculation, build
from .eigen.davidson import Bands, davidson
from .exchange_bands import ExchangeAt, MeshExchange
from .parallel import Workers
from .plan import Plan
from .plan_terms import add_terms
from .problem import Problem
from .start import initial_orbitals
from .symmetry import SpaceGroup

#: visits of the eigensolver (each starts a new subspace) before a k-point counts as failed, and expansions per visit
_VISITS, _EXPANSIONS = 20, 10
#: ΔE (Ha) in the error δ²/ΔE of an energy whose band lacks δ of its exchange
_APART = 0.05
#: bytes of projectors and orbitals that one chunk of k-points may hold, and its most k-points: a GPU takes them together
_CHUNK = {"cpu": (512 * 2**20, 16), "cuda": (8 * 2**30, 256)}
#: called in a worker thread with (problem, batch, spin, bands), returns arrays whose first axis runs over the k-points of the batch
Measure = Callable[[Problem, Batch, int, Bands], Mapping[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class FixedPotential:
    """What fixes the Hamiltonian: the plan, the density coefficients rho (S, …) on the half box, the unknowns of extra terms, and the Fermi energies (S,) of
    the self-consistent calculation (Ha; two different ones where the moment is fixed). exchange: the exact exchange of a hybrid."""

    plan: Plan
    rho: torch.Tensor
    unknowns: tuple[torch.Tensor, ...]
    fermi_energies: np.ndarray
    workers: Workers
    exchange: MeshExchange | None = None

    @classmethod
    def of(cls, calculation: Calculation) -> FixedPotential:
        """The potential of the last step of a calculation that has run."""
        return cls(calculation.plan, calculation.ground.rho_in, tuple(calculation.ground.unknowns_in),
                   np.array(calculation.ground.fermi_energies, float).reshape(-1) * np.ones(calculation.plan.n_spin), calculation.workers,
                   MeshExchange.of(calculation.problem, calculation.ground.orbitals, calculation.ground.occupations))

    @property
    def fermi_energy(self) -> float:
        """The chemical potential: the highest of both spins."""
        return float(self.fermi_energies.max())

    def pack(self) -> dict[str, np.ndarray]:
        """Arrays for `unpack`."""
        return {"fixed_rho": self.rho.cpu().numpy(), "fixed_fermi": self.fermi_energies,
                **{f"fixed_unknowns_{i}": value.cpu().numpy() for i, value in enumerate(self.unknowns)},
                **({} if self.exchange is None else {f"fixed_exchange_{name}": value for name, value in self.exchange.pack().items()})}

    @classmethod
    def unpack(cls, arrays: Mapping[str, np.ndarray], plan: Plan, workers: Workers) -> FixedPotential:
        """The potential that `pack` stored, for the same plan."""
        def tensor(name: str) -> torch.Tensor:
            return torch.from_numpy(np.array(arrays[name], copy=True)).to(machine.resolve(plan.params.device))
        count = sum(name.startswith("fixed_unknowns_") for name in arrays)
        prefix = "fixed_exchange_"
        own = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
        return cls(plan, tensor("fixed_rho"), tuple(tensor(f"fixed_unknowns_{i}") for i in range(count)), np.array(arrays["fixed_fermi"]), workers,
                   MeshExchange.unpack(own, build(plan, workers)) if own else None)

    @property
    def n_spins(self) -> int:
        """1, or 2 with spin polarisation."""
        return self.plan.n_spin

    def problem(self, kpoints: np.ndarray, sphere_at: np.ndarray | None = None) -> Problem:
        """The problem at `kpoints` (K, 3) fractional, potential in place, no symmetry. sphere_at: every point takes the plane waves of this one."""
        points = np.asarray(kpoints, float).reshape(-1, 3)
        here = replace(self.plan, kpoints=points, weights=np.full(len(points), 1.0 / len(points)),
                       group=SpaceGroup.identity(self.plan.cell, self.plan.positions))
        problem = build(here, self.workers, exchange=False)
        if sphere_at is not None:
            basis = problem.basis
            miller = make_sphere(np.asarray(sphere_at, float), basis.cell, basis.cutoff, basis.grid.shape).miller
            basis = Basis(basis.cell, basis.cutoff, points, basis.weights, basis.grid.shape, device=basis.device, batch_size=basis.batch_size, real_gamma=False,
                          spheres=[Sphere(point, miller) for point in points])
            problem = Problem(problem.model, basis, self.workers)
            add_terms(problem, here, exchange=False)
        if self.exchange is not None:
            problem.add(ExchangeAt(problem, "exchange", mesh=self.exchange, fermi=self.fermi_energies))
        problem.set_density(self.rho, self.unknowns)
        return problem

    def chunks(self, n_kpoints: int, n_bands: int) -> Iterator[slice]:
        """Slices of k-points that fit into memory together; whole multiples of the number of threads where possible."""
        rows = self.plan.estimate()["n_plane_waves"] * 16 * (9 * (n_bands + 4) + 20 * len(self.plan.structure))
        device = machine.resolve(self.plan.params.device)
        room, most = _CHUNK[device]
        size = int(np.clip(room // max(rows, 1), 1, most))
        threads = self.workers.on(device).n_threads
        size = max(size - size % threads, threads) if size >= threads else size
        return (slice(start, min(start + size, n_kpoints)) for start in range(0, n_kpoints, size))

    def solve(self, kpoints: np.ndarray, n_bands: int, tolerance: float, measure: Measure | None = None,
              sphere_at: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """{"eigenvalues" (S, K, n_bands) Ha, …} at a few k-points, plus what `measure` returns with axes (S, K, …).

        tolerance: residual norm ‖Hψ − εψ‖ (Ha) of every band asked for, an upper bound of the error of its eigenvalue. Raises RunError where it is not reached.
        sphere_at: one set of plane waves for all points, that of this one: energies are then smooth in k (else they step where a plane wave comes or goes).
        """
        problem = self.problem(kpoints, sphere_at)
        found = []
        for spin in range(self.n_spins):
            # with one set of plane waves the bands of the first point are an excellent start for all others
            start = None if sphere_at is None else converged_bands(problem, problem.basis.batches[0], spin, n_bands, tolerance).orbitals[:1]

            def one(batch: Batch, spin: int = spin, start: torch.Tensor | None = start) -> dict[str, np.ndarray]:
                bands = converged_bands(problem, batch, spin, n_bands, tolerance, start)
                own = {} if measure is None else dict(measure(problem, batch, spin, bands))
                return {"eigenvalues": bands.eigenvalues[:, :n_bands].cpu().numpy(), **own}
            parts = problem.workers.map(one, problem.basis.batches)
            found.append({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        return {name: np.stack([part[name] for part in found]) for name in found[0]}


def converged_bands(problem: Problem, batch: Batch, spin: int, n_bands: int, tolerance: float, start: torch.Tensor | None = None) -> Bands:
    """The lowest `n_bands` and a few more bands of a batch; only the ones asked for are converged to `tolerance` (Ha).

    start: orthonormal orbitals (1, bands, storage) in the plane waves of every k-point of the batch; else atomic orbitals.
    """
    room = min(len(sphere) * (2 if sphere.half else 1) - sphere.half for sphere in batch.spheres)
    if n_bands > room:
        raise SetupError(f"{n_bands} bands were asked for and there are {room} plane waves.", hint="Ask for fewer empty bands or raise the cutoff.")
    total = min(n_bands + max(3, n_bands // 8), room) if start is None else start.shape[1]
    if start is None:
        X = initial_orbitals(problem, batch, total, spin)
    else:
        X, own = batch.blank(total)[0], len(batch.spheres[0])
        X[..., :own] = start[..., :own]  # batches differ in their padding
    weights = torch.zeros(len(batch), total, dtype=torch.float64, device=batch.device)
    weights[:, :n_bands] = 1.0
    worst, goal = np.inf, tolerance
    exchange = next((term for term in problem.terms if isinstance(term, ExchangeAt)), None)
    if exchange is not None:
        start_energies = torch.einsum("kbg,kbg->kb", X.conj(), problem.hamiltonian.apply(batch, X, spin=spin)).real
        goal = max(tolerance, 0.1 * float(exchange.rebuild(batch, spin, X, start_energies)[0][:, :n_bands].max()))
    for _ in range(_VISITS):
        bands = davidson(problem.hamiltonian, batch, X, expansions=_EXPANSIONS, tolerance=0.5 * goal, weights=weights, spin=spin)
        X, e = bands.orbitals, bands.eigenvalues
        # the solver tells the residuals it began with; one application more tells those it ended with
        _, norms = problem.hamiltonian.residuals(batch, X, problem.hamiltonian.apply(batch, X, spin=spin), e)
        worst = float(norms[:, :n_bands].max())
        if exchange is not None:  # exact on the bands it was made from: what it lacks on the present ones moves them by δ/ΔE and their energies by δ²/ΔE
            change, shift = exchange.rebuild(batch, spin, X, e)
            lacking = float(change[:, :n_bands].max())
            e, worst, goal = e + shift, worst + lacking**2 / _APART, max(tolerance, 0.1 * lacking)
        if worst < tolerance:
            return Bands(X, e, norms)
    raise RunError(f"The bands at k = {np.round(batch.k[0], 4).tolist()} kept a residual of {worst:.1e} Ha, more than {tolerance:.1e} Ha.",
                   hint="Ask for more empty bands or a looser band_tolerance." if exchange is None else
                   "The exchange between the points of a coarse mesh did not settle: use a denser k-mesh for the hybrid.")


def refuse_unsupported(plan: Plan) -> None:
    """Raise SetupError for hybrids whose exchange is defined on the mesh alone."""
    from .xc import functional
    exact: Any = getattr(functional(plan.params.xc), "exact_exchange", None)
    treatment = plan.params.exchange_singularity
    if exact is not None and (treatment == "extrapolated" or (treatment == "zero" and exact.omega is None)):
        raise SetupError(f"{plan.params.xc} with exchange_singularity = {treatment} has no meaning off the k-mesh.", hint="Choose gygi-baldereschi.")
