"""Exact exchange at k-points off the mesh: bands and densities of states of hybrid functionals. Hartree atomic units.

The orbitals of the finished calculation on its mesh make the exchange; at a new k-point it acts on bands that are not known yet, so it is compressed on the
present ones and rebuilt until it no longer changes them. Where the kernel is singular (see `exchange_kernel.py`) the sum over k − k' + G misses what Gygi's and
Baldereschi's value stands for at points of the mesh: the same auxiliary function gives it for the occupied bands at k itself.
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from ..core.errors import SetupError
from .basis import Batch, numbered, regrouped
from .eigen.algebra import matmul
from .exchange import ExactExchange, compress
from .extra import Term
from .kernels import boxes
from .problem import Problem
from .smearing import occupation


@dataclass(frozen=True, eq=False)
class MeshExchange:
    """The exchange term of a finished calculation with the orbitals and occupations (S, K, bands) it is made of."""

    term: ExactExchange
    orbitals: list[torch.Tensor]
    occupations: torch.Tensor

    @classmethod
    def of(cls, problem: Problem, orbitals: list[torch.Tensor], occupations: torch.Tensor) -> MeshExchange | None:
        """That of a problem, None without exact exchange. Raises SetupError for a treatment of the singularity that is defined on the mesh alone."""
        term = next((term for term in problem.terms if isinstance(term, ExactExchange)), None)
        if term is None:
            return None
        kernel = term.kernel
        if kernel.extrapolate or (kernel.treatment == "zero" and kernel.omega is None):
            raise SetupError("This treatment of the exchange singularity has no meaning off the k-mesh.",
                             hint="Choose exchange_singularity = gygi-baldereschi.")
        return cls(term, list(orbitals), occupations.cpu())

    def pack(self) -> dict[str, np.ndarray]:
        """Arrays for `unpack`."""
        return {"occupations": self.occupations.numpy(), **{f"orbitals_{i}": X.cpu().numpy() for i, X in enumerate(self.orbitals)}}

    @classmethod
    def unpack(cls, arrays: dict[str, np.ndarray], problem: Problem) -> MeshExchange | None:
        """What `pack` stored, for the problem of the mesh."""
        orbitals = regrouped(numbered(arrays, "orbitals_"), [block.batch for block in problem.blocks])
        return cls.of(problem, orbitals, torch.from_numpy(np.array(arrays["occupations"], copy=True)))


@dataclass(frozen=True)
class _Operator:
    """xi: the exchange with the mesh, compressed; bands (B, bands, storage) it was last made from, their images; what the correction at k adds to each band."""

    xi: torch.Tensor
    bands: torch.Tensor
    image: torch.Tensor
    diagonal: torch.Tensor


@dataclass
class ExchangeAt(Term):
    """The exchange of `mesh` at the k-points of another problem; fermi (S,): which of their bands are occupied."""

    mesh: MeshExchange | None = None
    fermi: np.ndarray | None = None
    _operators: dict[tuple[int, int], _Operator] = field(default_factory=dict)

    def add(self, batch: Batch, spin: int, X: torch.Tensor, out: torch.Tensor) -> None:
        """out += the present operator on X."""
        operator = self._operators.get((spin, batch.first))
        if operator is not None:
            out -= matmul(matmul(X, operator.xi.mH), operator.xi)
            out += matmul(matmul(X, operator.bands.mH) * operator.diagonal[:, None, :], operator.bands)

    def _fields(self, batch: Batch, X: torch.Tensor) -> torch.Tensor:
        """Bands on the box (B, bands, n1, n2, n3)."""
        minus = batch.minus_index.cpu().numpy() if batch.half else None
        table = boxes.inverse_table(batch.index.cpu().numpy(), [len(sphere) for sphere in batch.spheres], self.problem.grid.size, minus)
        full = boxes.scatter(batch.coefficients(X), torch.from_numpy(table).to(batch.device))
        return torch.fft.ifftn(full.unflatten(-1, self.problem.grid.shape), dim=(-3, -2, -1), norm="forward")

    def _filling(self, batch: Batch, spin: int, e: np.ndarray) -> np.ndarray:
        """Occupations (B, bands) of bands in rising order. The first time, when their energies lack the exchange, those of the nearest points of the mesh."""
        model = self.problem.model
        if model.smearing == "none":
            count = round(model.channel_electrons[spin] / model.max_occupation)
            return np.broadcast_to(np.arange(e.shape[1]) < count, e.shape) * model.max_occupation
        if (spin, batch.first) in self._operators:
            return occupation(model.smearing, (float(self.fermi[spin]) - e) / model.width) * model.max_occupation
        images = self.mesh.term.images
        apart = np.array([[np.abs((offset := sphere.k - image.k) - np.rint(offset)).max() for image in images] for sphere in batch.spheres])
        nearest = self.mesh.occupations[spin].numpy()[[images[i].source for i in apart.argmin(1)]]
        found = np.zeros(e.shape)
        n = min(e.shape[1], nearest.shape[1])
        found[:, :n] = -np.sort(-nearest, axis=1)[:, :n]
        return found

    def rebuild(self, batch: Batch, spin: int, X: torch.Tensor, e: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compress the exchange on bands X (B, bands, storage) of energies e (B, bands).

        Returns norms and expectation values (B, bands), Ha, of (new − old operator) X: the expectation values are of second order in what the bands moved.
        """
        mesh = self.mesh
        fields = self._fields(batch, X)
        boxed = [mesh.term.exchanged(mesh.orbitals, mesh.occupations, spin, sphere.k, rows) for sphere, rows in zip(batch.spheres, fields, strict=True)]
        image = batch.clean(batch.store(torch.stack([rows[:, places] for rows, places in zip(boxed, batch.index, strict=True)])))
        filling = self._filling(batch, spin, e.cpu().numpy())
        missing = np.array([mesh.term.kernel.offset_correction(sphere.k, mesh.term.shift) for sphere in batch.spheres])
        diagonal = torch.from_numpy(mesh.term.factor * missing[:, None] * filling).to(X.device)
        before = torch.zeros_like(X)
        self.add(batch, spin, X, before)
        former = self._operators.get((spin, batch.first))
        span = (X, image) if former is None else _with_former(X, image, former)
        self._operators[spin, batch.first] = _Operator(compress(span), X, image, diagonal)
        change = image + diagonal[..., None] * X - before
        return torch.linalg.vector_norm(change, dim=-1), (X.conj() * change).sum(-1).real


def _with_former(X: torch.Tensor, image: torch.Tensor, former: _Operator) -> tuple[torch.Tensor, torch.Tensor]:
    """(orthonormal rows that span X and the former bands, their images): the operator compressed on both forgets nothing that it knew."""
    overlaps = matmul(former.bands, X.mH)
    rest, rest_image = former.bands - matmul(overlaps, X), former.image - matmul(overlaps, image)
    values, vectors = torch.linalg.eigh(matmul(rest, rest.mH))
    scale = torch.where(values > 1e-13, values, torch.inf).rsqrt()  # former bands that have not changed add nothing
    turn = (vectors * scale[:, None, :].to(vectors.dtype)).mH
    return torch.cat([X, matmul(turn, rest)], 1), torch.cat([image, matmul(turn, rest_image)], 1)
