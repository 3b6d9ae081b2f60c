"""Densities of chosen states, summed over the zone: bands, energy windows, what a tunnelling tip sees. Hartree atomic units."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from ..core.job import State, Step
from .calculation import build
from .nonscf import converged_bands
from .settle import Settled
from .spin import density_channels
from .symmetry import SpaceGroup

#: (S, K, B) electrons in each state from eigenvalues (S, K, B) Ha, without k-point weights
Filling = Callable[[np.ndarray], np.ndarray]


class SelectedDensity:
    """Σ filling |ψ|² over `kpoints` with `weights`, in chunks that are steps. rho: density coefficients (S, …) so far; top: lowest energy (Ha) at which a band
    could be missing."""

    def __init__(self, base: Settled, kpoints: np.ndarray, weights: np.ndarray, group: SpaceGroup, n_bands: int, tolerance: float, filling: Filling,
                 resume: State | None = None):
        self.base, self.kpoints, self.weights, self.group = base, kpoints, weights, group
        self.n_bands, self.tolerance, self.filling = n_bands, tolerance, filling
        self.rho: torch.Tensor | None = None
        self.done, self.n, self.top = 0, base.steps, np.inf
        if resume is not None and "selected_rho" in resume and int(resume["selected_bands"]) == n_bands:
            self.rho = torch.from_numpy(np.array(resume["selected_rho"], copy=True)).to(base.fixed.rho)
            self.done, self.n, self.top = int(resume["selected_done"]), int(resume["selected_steps"]), float(resume["selected_top"])

    def pack(self) -> State:
        """Arrays for `resume`."""
        return {**self.base.pack(), "selected_rho": self.rho.cpu().numpy().copy(), "selected_done": np.array(self.done), "selected_steps": np.array(self.n),
                "selected_top": np.array(self.top), "selected_bands": np.array(self.n_bands)}

    def walk(self, kind: str, begin: float, end: float) -> Iterator[Step]:
        """Steps over the k-points that are not done."""
        total = len(self.kpoints)
        for part in self.base.fixed.chunks(total, self.n_bands):
            if self.done >= part.stop:
                continue
            new = self._chunk(part)
            self.rho = new if self.rho is None else self.rho + new
            self.done, self.n = part.stop, self.n + 1
            yield Step(kind, self.n, {"points": float(part.stop)}, state=self.pack, text=f"states at {part.stop} of {total} k-points",
                       progress=begin + (end - begin) * part.stop / total)

    def _chunk(self, part: slice) -> torch.Tensor:
        problem = self.base.fixed.problem(self.kpoints[part])
        bands = problem.workers.map(lambda block: converged_bands(problem, block.batch, block.spin, self.n_bands, self.tolerance), problem.blocks)
        orbitals = [item.orbitals[:, :self.n_bands].contiguous() for item in bands]
        count = len(problem.basis.batches)
        levels = np.stack([torch.cat([item.eigenvalues[:, :self.n_bands] for item in bands[s:s + count]]).cpu().numpy()
                           for s in range(0, len(bands), count)])
        self.top = min(self.top, float(levels[..., -1].min()))
        own = self.filling(levels) * (self.weights[part] * (part.stop - part.start))[None, :, None]  # the basis divides by the number of its points
        return problem.density(orbitals, torch.from_numpy(own))

    def channels(self) -> np.ndarray:
        """The symmetrised density of every spin channel on the box (S, n1, n2, n3), e/bohr³."""
        plan = self.base.fixed.plan
        problem = build(replace(plan, kpoints=self.kpoints[:1], weights=np.ones(1), group=self.group), self.base.fixed.workers)
        return problem.grid.to_real(density_channels(problem.symmetrise(self.rho))).cpu().numpy()
