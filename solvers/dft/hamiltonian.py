"""The Kohn–Sham Hamiltonian of one potential, applied to blocks of bands: kinetic + local (kernel) + nonlocal (two matrix products)."""
from __future__ import annotations

from functools import partial

import torch

from .basis import Basis, Batch
from .eigen.precondition import SCALE, preconditioned_residuals
from .extra import ExtraTerm
from .kernels.local import LocalOperator, make
from .parallel import Workers
from .projectors import Projectors, Species, couplings

#: the single precision of a storage, and the bytes of a block of orbitals from which it is used
SINGLE = {torch.float64: torch.float32, torch.complex128: torch.complex64}
SINGLE_FROM = 2**18


class Hamiltonian:
    """H for every batch of `basis`. The potential is set by `set_potential`; projectors belong to the atoms' fractional positions (N, 3).

    `extra` holds the terms that add an operator of their own; `applications` counts bands times applications, for the speed report.
    """

    def __init__(self, basis: Basis, species: list[Species], fractional: torch.Tensor, workers: Workers, local: LocalOperator | None = None):
        self.basis = basis
        self.species = species
        self.fractional = fractional.to(basis.device)
        self.workers = workers
        self.local = local or make(basis, workers)
        self.D = torch.from_numpy(couplings(species)).to(basis.device)
        self.projectors = Projectors(basis, species, self.fractional, workers)
        self.extra: list[ExtraTerm] = []
        self.applications = 0

    def set_potential(self, potential: torch.Tensor) -> None:
        """V_loc + V_Hartree + V_xc of each spin on the box (S, n1, n2, n3), Ha."""
        self.local.set_potential(potential)

    def projectors_of(self, batch: Batch) -> torch.Tensor:
        """Projector rows of a batch (B, n_projectors, storage)."""
        return self.projectors.of(batch)

    def added_dtype(self, batch: Batch, X: torch.Tensor) -> torch.dtype:
        """What an eigensolver may store the vectors in that it adds to orbitals X: single precision where transforms and products are worth it."""
        large = X.shape[1] * X.shape[2] * X.element_size() >= SINGLE_FROM
        return SINGLE[X.dtype] if large and not self.extra and len(batch) == 1 and getattr(self.local, "single", False) else X.dtype

    def apply(self, batch: Batch, X: torch.Tensor, out: torch.Tensor | None = None, spin: int = 0, overlaps: torch.Tensor | None = None) -> torch.Tensor:
        """H X for X (B, bands, storage) of one spin, contiguous; written to `out` where given. overlaps: ⟨β|X⟩ where they are at hand."""
        Y = self.apply_local(batch, X, torch.empty_like(X) if out is None else out, spin)
        if self.projectors.n_rows:
            overlaps = (self.projectors.overlaps(batch, X) if overlaps is None else overlaps) * self.D.to(X.real.dtype)
            for columns, P in self.projectors.parts(batch, X.dtype):
                if len(batch) == 1:
                    Y[0, :, columns].addmm_(overlaps[0], P[0])
                else:
                    Y[..., columns].baddbmm_(overlaps, P)
        return Y

    def apply_local(self, batch: Batch, X: torch.Tensor, out: torch.Tensor, spin: int = 0) -> torch.Tensor:
        """H X without the projectors' part, written to `out`."""
        self.local.apply(batch, X, out, spin)
        for term in self.extra:
            term.add(batch, spin, X, out)
        self.applications += X.shape[0] * X.shape[1]
        return out

    def residuals(self, batch: Batch, X: torch.Tensor, HX: torch.Tensor, e: torch.Tensor, out: torch.Tensor | None = None,
                  first: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Preconditioned residuals (B, bands, storage) of Ritz pairs, in `out` (X itself is allowed) where given, and their norms (B, bands) before
        preconditioning. first: where X begins in orbital storage, when a single k-point's pairs are given piece by piece on the CPU.
        """
        W, norms = torch.empty_like(X) if out is None else out, torch.empty_like(e)
        if self.basis.device != "cpu":
            found, norms = preconditioned_residuals(batch, X, HX, e)
            W.copy_(found)
            return W, norms
        from .kernels import residuals as kernel
        start = first // 2 if batch.half else first
        for i in range(len(batch)):
            rows = [kernel.complex_rows(array[i].numpy()) for array in (X, HX, W)]
            arguments = (rows[0], rows[1], e[i].numpy(), batch.kinetic[i].numpy()[start:start + rows[0].shape[1]], SCALE, rows[2], norms[i].numpy())
            self.workers.share(partial(kernel.preconditioned_residuals, *arguments), X.shape[1])
        return W, norms
