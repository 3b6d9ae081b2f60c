"""Exact exchange for hybrid functionals, adaptively compressed. Hartree atomic units.

With full-mesh pair densities ρ_ij(r) = ψ_jk'*(r) ψ_ik(r), N mesh points and occupations f up to 2/S for S spin channels:
    E_x = −(S a/4) (1/N) Σ_k w_k Σ_k' Σ_ij f_ik f_jk' (1/Ω) Σ_G v(k−k'+G) |ρ_ij(G)|²
per spin channel, a the functional's fraction. The orbitals at k' come from the irreducible points by symmetry. On the FFT box of the density, pair densities
are complete; the operator is the exact derivative of this discrete energy.

The operator is replaced by the compressed one, exact on the bands it was made from (L. Lin, J. Chem. Theory Comput. 12, 2242 (2016)):
    W = V_x Φ,   −Φᴴ W = L Lᴴ,   V = −Σ |ξ⟩⟨ξ|,   ξ = W L⁻ᴴ.
It is rebuilt when the cycle has converged with the present one. E is linear in the density matrix between rebuilds; the quadratic rest E_x[δγ] of a rebuild is
the error that the old operator left.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from .basis import Batch, numbered, regrouped
from .eigen.algebra import hermitian, matmul, overlap
from .exchange_kernel import CoulombKernel
from .extra import Term
from .kernels import boxes
from .problem import Problem
from .site_occupations import block_weights
from .stars import images
from .symmetry import SpaceGroup

#: occupations below this (of a full band) do not enter the exchange of other bands
_EMPTY = 1e-10


class ExactExchange(Term):
    """The exchange of a hybrid. fraction a and omega (1/bohr or None) of the functional; size and shift of the k-mesh, `group` (None: identity) and
    time_reversal by which it was reduced; treatment and extrapolate: see `exchange_kernel.py`.
    """

    def __init__(self, problem: Problem, fraction: float, omega: float | None = None, *, size: tuple[int, int, int] = (1, 1, 1),
                 shift: tuple[float, float, float] = (0.0, 0.0, 0.0), group: SpaceGroup | None = None, time_reversal: bool = True,
                 treatment: str = "gygi-baldereschi", extrapolate: bool = False, n_spin: int = 1):
        super().__init__(problem, "exchange")
        self.fraction, self.n_spin = float(fraction), n_spin
        grid, basis = problem.grid, problem.basis
        self.kernel = CoulombKernel(grid.cell, grid.shape, size, omega, treatment, extrapolate, basis.device)
        self.shift = np.asarray(shift, float)
        self.images = images(basis.kpoints, size, shift, group, time_reversal)
        self._places: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}
        self._chunk = max(1, (512 * 2**20 if basis.device == "cuda" else 4 * 2**20) // (16 * grid.size))
        self._batch_of = {batch.first + i: (batch, i) for batch in basis.batches for i in range(len(batch))}
        #: compressed operator per block, None before the first `renew`; E_x of the orbitals it was made from
        self.xi: list[torch.Tensor] | None = None
        self.energy_of_operator = 0.0
        self._made_from: list[torch.Tensor] = []
        self._spin_first = {(block.spin, block.batch.first): i for i, block in enumerate(problem.blocks)}

    @property
    def awaits_orbitals(self) -> bool:
        """True before the first `renew`."""
        return self.xi is None

    # ---- orbitals on the box -------------------------------------------------------------------------------------------------------
    def _image_table(self, number: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(place in the box of every coefficient of an image's source, phases or None)."""
        if number not in self._places:
            image = self.images[number]
            sphere = self.problem.basis.spheres[image.source]
            miller, phases = image.coefficients(sphere)
            index = np.ravel_multi_index(tuple((miller % np.array(self.problem.grid.shape)).T), self.problem.grid.shape)
            device = self.problem.basis.device
            self._places[number] = (torch.from_numpy(index).to(device), None if image.trivial else torch.from_numpy(phases).to(device))
        return self._places[number]

    def _on_box(self, coefficients: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        box = coefficients.new_zeros(len(coefficients), self.problem.grid.size)
        box[:, places] = coefficients
        return torch.fft.ifftn(box.unflatten(1, self.problem.grid.shape), dim=(-3, -2, -1), norm="forward")

    def _bands(self, block_orbitals: torch.Tensor, source: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(coefficients (bands, n_pw) of irreducible point `source` out of its batch, their places in the box)."""
        batch, i = self._batch_of[source]
        n = len(self.problem.basis.spheres[source])
        return block_orbitals[i, :, :n], batch.index[i, :n]

    def _image_bands(self, number: int, orbitals: Sequence[torch.Tensor], spin: int, chosen: torch.Tensor) -> torch.Tensor:
        """ψ_j(r) (without Bloch phase) of chosen bands at a point of the full mesh, (J, n1, n2, n3)."""
        image = self.images[number]
        batch, _ = self._batch_of[image.source]
        if batch.half:
            return self._gamma_fields(batch, orbitals[self._spin_first[spin, batch.first]])[chosen].to(torch.complex128)
        c = self._bands(orbitals[self._spin_first[spin, batch.first]], image.source)[0][chosen]
        places, phases = self._image_table(number)
        if image.reversed:
            c = c.conj().resolve_conj()
        return self._on_box(c if phases is None else c * phases, places)

    def _pairs(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor, spin: int, k: np.ndarray, fields: torch.Tensor) -> Iterator[tuple]:
        """Yield (k − k', slice of bands i, fields ψ_j (J, …), weights f_j (J,), ρ̂_ij(G) (J, I, …)) for all occupied j of all images k'; fields: ψ_i at k."""
        for number, image in enumerate(self.images):
            filling = occupations[spin, image.source]
            occupied = torch.nonzero(filling.abs() > _EMPTY).reshape(-1)
            if not len(occupied):
                continue  # a metal's point above the Fermi energy, an empty spin: transforms of nothing are refused
            step_i = min(len(fields), self._chunk)
            step_j = max(1, self._chunk // step_i)
            q = k - image.k
            for chosen in torch.split(occupied, step_j):
                others = self._image_bands(number, orbitals, spin, chosen.to(fields.device))
                weights = filling[chosen].to(fields.device)
                conjugated = others.conj().resolve_conj()
                for first in range(0, len(fields), step_i):
                    part = slice(first, first + step_i)
                    pair = torch.fft.fftn(conjugated[:, None] * fields[None, part], dim=(-3, -2, -1), norm="forward")
                    yield q, part, others, weights, pair

    # ---- the operator ----------------------------------------------------------------------------------------------------------------
    def image_of(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> list[torch.Tensor]:
        """V_x of all orbitals, one tensor like the orbitals per block. occupations (S, K, bands) on the host."""
        apply = self._apply_gamma if self.problem.basis.half else self._apply_block
        return self.problem.workers.map(lambda block: apply(block, orbitals, occupations), self.problem.blocks)

    def _apply_block(self, block, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        batch = block.batch
        X = orbitals[self._spin_first[block.spin, batch.first]]
        result = torch.zeros_like(X)
        for i, sphere in enumerate(batch.spheres):
            coefficients, places = self._bands(X, batch.first + i)
            fields = self._on_box(coefficients, places)
            transformed = self.exchanged(orbitals, occupations, block.spin, sphere.k, fields)
            result[i, :, :len(sphere)] = transformed[:, places]
        return result

    def exchanged(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor, spin: int, k: np.ndarray, fields: torch.Tensor) -> torch.Tensor:
        """V_x of bands at any k-point whose fields on the box (bands, n1, n2, n3) are given, as coefficients on the box (bands, points)."""
        total = torch.zeros_like(fields)
        for q, part, others, weights, pair in self._pairs(orbitals, occupations, spin, k, fields):
            potential = torch.fft.ifftn(pair.mul_(self.kernel(q)), dim=(-3, -2, -1), norm="forward")
            total[part] += potential.mul_((others * weights[:, None, None, None])[:, None]).sum(0)
        return self.factor * torch.fft.fftn(total, dim=(-3, -2, -1), norm="forward").flatten(1)

    @property
    def factor(self) -> float:
        """−(S a/2)/(N Ω)."""
        return -0.5 * self.n_spin * self.fraction / (len(self.images) * self.problem.grid.volume)

    def _gamma_fields(self, batch: Batch, X: torch.Tensor) -> torch.Tensor:
        table = boxes.inverse_table(batch.index.cpu().numpy(), [len(batch.spheres[0])], self.problem.grid.size, batch.minus_index.cpu().numpy())
        full = boxes.scatter(batch.coefficients(X), torch.from_numpy(table).to(batch.device))
        return torch.fft.ifftn(full.unflatten(-1, self.problem.grid.shape), dim=(-3, -2, -1), norm="forward").real[0].contiguous()

    def _apply_gamma(self, block, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        """At Γ orbitals and pair densities are real: half the transform, and every pair of occupied bands once."""
        batch, shape = block.batch, self.problem.grid.shape
        X = orbitals[self._spin_first[block.spin, batch.first]]
        fields = self._gamma_fields(batch, X)
        filling = occupations[block.spin, 0].to(fields.device)
        order = torch.argsort((filling.abs() <= _EMPTY).to(torch.int8), stable=True)  # occupied bands first
        n_occupied = int((filling.abs() > _EMPTY).sum())
        fields, filling = fields[order], filling[order]
        kernel = self.kernel(np.zeros(3))[..., :shape[2] // 2 + 1]
        total = torch.zeros_like(fields)
        for j in range(n_occupied):
            for first in range(j, len(fields), 2 * self._chunk):
                part = slice(first, first + 2 * self._chunk)
                pair = torch.fft.rfftn(fields[part] * fields[j], dim=(-3, -2, -1), norm="forward")
                potential = torch.fft.irfftn(pair.mul_(kernel), s=shape, dim=(-3, -2, -1), norm="forward")
                weights = torch.where(torch.arange(part.start, part.start + len(potential), device=filling.device) > j, filling[part], 0.0)
                total[j] += (potential * fields[part]).mul_(weights[:, None, None, None]).sum(0)
                total[part].addcmul_(potential, filling[j] * fields[j])
        transformed = torch.fft.fftn(total, dim=(-3, -2, -1), norm="forward").flatten(1)
        rows = torch.empty_like(X)
        stored = batch.store(transformed[None][..., batch.index[0]])
        rows[:, order] = stored * self.factor
        return batch.clean(rows)

    def add(self, batch: Batch, spin: int, X: torch.Tensor, out: torch.Tensor) -> None:
        """out −= Σ ξ ⟨ξ|X⟩."""
        if self.xi is not None:
            xi = self.xi[self._spin_first[spin, batch.first]]
            out -= matmul(matmul(X, xi.mH), xi)

    def _expectation(self, orbitals: Sequence[torch.Tensor], image: Sequence[torch.Tensor], occupations: torch.Tensor) -> float:
        """Σ f w Re ⟨ψ|Vψ⟩."""
        total = 0.0
        for X, Y, weights in zip(orbitals, image, block_weights(self.problem, occupations), strict=True):
            product = X.real * Y.real + X.imag * Y.imag if X.is_complex() else X * Y
            total += float((weights[..., None] * product).sum())
        return total

    def _compressed_expectation(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> float:
        total = 0.0
        for X, xi, weights in zip(orbitals, self.xi, block_weights(self.problem, occupations), strict=True):
            total -= float((weights * matmul(X, xi.mH).abs().square().sum(-1)).sum())
        return total

    def renew(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> float:
        """Rebuild the compressed operator from orbitals; returns |E_x[δγ]| in Ha, what the former operator was still wrong by (E_x itself the first time)."""
        image = self.image_of(orbitals, occupations)
        energy = 0.5 * self._expectation(orbitals, image, occupations)
        error = abs(energy)
        if self.xi is not None:
            error = abs(energy - self._compressed_expectation(orbitals, occupations) + self.energy_of_operator)
        self.xi = self.problem.workers.map(compress, list(zip(orbitals, image, strict=True)))
        self.energy_of_operator, self._made_from = energy, list(orbitals)
        return error

    def double_counting(self) -> float:
        """E_x[γ] − ⟨V, γ⟩ = −E_x of the orbitals that the operator was made from, to first order in the change since."""
        return -self.energy_of_operator

    # ---- energy and derivatives --------------------------------------------------------------------------------------------------------
    def energy(self, ground: object) -> float:
        """E_x of the final orbitals, Ha."""
        if len(self._made_from) == len(ground.orbitals) and all(a is b for a, b in zip(self._made_from, ground.orbitals, strict=True)):
            return self.energy_of_operator
        occupations = ground.occupations.cpu()
        return 0.5 * self._expectation(ground.orbitals, self.image_of(ground.orbitals, occupations), occupations)

    def powers(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> dict[tuple[float, ...], torch.Tensor]:
        """{k−k': Σ w_k f_i f_j |ρ_ij(G)|² (n1, n2, n3)} over all pairs of points."""
        found: dict[tuple[float, ...], torch.Tensor] = {}
        weights = block_weights(self.problem, occupations)
        for block, X, w in zip(self.problem.blocks, orbitals, weights, strict=True):
            for i in range(len(block.batch)):
                occupied = torch.nonzero(w[i].abs() > _EMPTY * float(self.problem.basis.weights.min())).reshape(-1)
                if not len(occupied):
                    continue
                own = w[i][occupied]
                if self.problem.basis.half:
                    fields = self._gamma_fields(block.batch, X)[occupied]
                    pairs = self._gamma_pairs(fields, own)
                else:
                    coefficients, places = self._bands(X, block.batch.first + i)
                    pairs = self._pairs(orbitals, occupations, block.spin, block.batch.spheres[i].k, self._on_box(coefficients[occupied], places))
                for q, part, _, other, pair in pairs:
                    power = torch.einsum("j,i,jixyz->xyz", other, own[part], pair.real**2 + pair.imag**2)
                    key = tuple(np.round(q, 12))
                    found[key] = found[key] + power if key in found else power
        return found

    def _gamma_pairs(self, fields: torch.Tensor, weights: torch.Tensor) -> Iterator[tuple]:
        for j in range(len(fields)):
            for first in range(0, len(fields), self._chunk):
                part = slice(first, first + self._chunk)
                yield np.zeros(3), part, None, weights[j:j + 1], torch.fft.fftn(fields[part] * fields[j], dim=(-3, -2, -1), norm="forward")[None]

    def stress(self, ground: object) -> torch.Tensor:
        """(1/Ω) ∂E_x/∂ε at fixed coefficients (3, 3): volume and kernel change, pair densities do not. Not symmetrised."""
        powers = self.powers(ground.orbitals, ground.occupations.cpu())
        factor = -0.25 * self.n_spin * self.fraction / (len(self.images) * self.problem.grid.volume)
        return factor * self.kernel.strain_derivative(powers)

    # ---- restart -------------------------------------------------------------------------------------------------------------------------
    def pack(self) -> dict[str, np.ndarray]:
        """The compressed operator and the energy of its orbitals."""
        if self.xi is None:
            return {}
        return {"energy": np.array(self.energy_of_operator), **{f"xi{i}": xi.cpu().numpy() for i, xi in enumerate(self.xi)}}

    def unpack(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `pack` stored."""
        if arrays:
            self.energy_of_operator = float(arrays["energy"])
            self.xi = regrouped(numbered(arrays, "xi"), [block.batch for block in self.problem.blocks])


def compress(item: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """ξ (B, bands, storage) of orbitals Φ and W = V_x Φ: −Σ|ξ⟩⟨ξ| equals V_x on Φ."""
    orbitals, image = item
    M = -hermitian(overlap(orbitals, image))
    L, info = torch.linalg.cholesky_ex(M)
    if bool((info == 0).all()):
        return torch.linalg.solve_triangular(L.conj().resolve_conj(), image, upper=False).contiguous()  # laid out as after a restart: the same bits then
    values, vectors = torch.linalg.eigh(M)  # bands without exchange: outside every occupied orbital
    root = torch.where(values > 1e-12 * values[:, -1:], values, torch.inf).rsqrt()
    return matmul((vectors * root[:, None]).mT.contiguous(), image)
