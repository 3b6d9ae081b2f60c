"""DFT+U in the simplified, rotationally invariant form: an energy per atomic shell that favours integer occupations. Hartree atomic units.

S. L. Dudarev et al., Phys. Rev. B 57, 1505 (1998); M. Cococcioni and S. de Gironcoli, Phys. Rev. B 71, 035105 (2005):
    E_U = Σ_Iσ U_I/2 Tr[n^{Iσ} (1 − n^{Iσ})],   V^{Iσ} = U_I (½ − n^{Iσ}),   n^{Iσ}_mm' = Σ f ⟨φ_m|ψ⟩⟨ψ|φ_m'⟩.

The functions φ decide the meaning of U. "atomic": the atomic orbitals of `local_orbitals.py` as they are, normalised in free space, neither orthogonalised to
other atoms nor renormalised in the crystal. "ortho-atomic": those of *all* shells of all atoms, orthonormalised together at every k-point by S^{−1/2} (Löwdin).
Both mean what Quantum ESPRESSO's `U_projection_type` of the same name means (its default is "atomic").

Forces and stress are the exact derivatives at fixed orbital coefficients; for "ortho-atomic" they contain the derivative of S^{−1/2}.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from solvers.core.errors import SetupError

from .basis import Batch
from .eigen.algebra import matmul
from .extra import Term
from .local_orbitals import Frame, LocalOrbitals
from .problem import Problem
from .projectors import projector_displacements
from .site_occupations import block_weights, occupation_matrices, renumbered, shell_sets

PROJECTIONS = ("ortho-atomic", "atomic")


class Hubbard(Term):
    """The +U term. parameters: {"Ni": {"3d": U}} with U in Ha; projection: one of `PROJECTIONS`; moments (N,): µ_B the start is polarised by.

    Unknowns: the occupation matrices of one spin channel each, (S, Σ (2l+1)²) in one real tensor. Raises SetupError for elements that the structure does not
    contain and shells that the potential has no orbital for.
    """

    def __init__(self, problem: Problem, parameters: Mapping[str, Mapping[str, float]], projection: str = "ortho-atomic", moments: np.ndarray | None = None,
                 n_spin: int = 1):
        if projection not in PROJECTIONS:
            raise SetupError(f"Unknown projection {projection!r} of the Hubbard term.", hint=f"Allowed: {', '.join(PROJECTIONS)}.")
        super().__init__(problem, "hubbard")
        self.projection, self.n_spin = projection, n_spin
        self.moments = np.zeros(len(problem.model.numbers)) if moments is None else np.asarray(moments, float)
        self.local = LocalOrbitals(list(problem.model.species), problem.grid.volume, problem.hamiltonian.fractional)
        chosen = select(self.local, parameters)
        self.sets, self.rows = renumbered(item for item, _ in chosen)
        self.U = [value for _, value in chosen]
        #: further potential per set and atom (n,), Ha: the perturbation of a linear-response calculation
        self.shift = [torch.zeros(len(members.atoms), dtype=torch.float64) for members in self.sets]
        basis = problem.basis
        self._rows = dict(zip((batch.first for batch in basis.batches), problem.workers.map(self._functions, basis.batches), strict=True))
        sizes = [len(members.atoms) * (2 * members.l + 1) ** 2 for members in self.sets]
        self._bounds = np.cumsum([0, *sizes])
        self.metric = torch.cat([torch.full((size,), 2 / n_spin * abs(U), dtype=torch.float64) for size, U in zip(sizes, self.U, strict=True)]).to(basis.device)
        self.matrices = [torch.zeros(n_spin, len(members.atoms), 2 * members.l + 1, 2 * members.l + 1, dtype=torch.float64) for members in self.sets]
        self._potential: torch.Tensor | None = None

    def _functions(self, batch: Batch) -> torch.Tensor:
        orbitals = self.local.values(batch)
        if self.projection == "ortho-atomic":
            orbitals = Frame.of(orbitals).orthonormal
        return orbitals[:, self.rows].contiguous()

    def functions(self, batch: Batch) -> torch.Tensor:
        """The projection functions of the corrected shells (B, M, storage)."""
        return self._rows[batch.first]

    # ---- unknowns ------------------------------------------------------------------------------------------------------------
    def flatten(self, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Occupation matrices as unknowns (S, size)."""
        return torch.cat([matrix.cpu().reshape(self.n_spin, -1) for matrix in matrices], 1).to(self.problem.basis.device)

    def unflatten(self, unknowns: torch.Tensor) -> list[torch.Tensor]:
        """Inverse of `flatten`, symmetrised in m, m'."""
        found, unknowns = [], unknowns.cpu()  # small matrices: handled on the host
        for members, first, last in zip(self.sets, self._bounds[:-1], self._bounds[1:], strict=True):
            matrix = unknowns[:, first:last].reshape(self.n_spin, len(members.atoms), 2 * members.l + 1, 2 * members.l + 1)
            found.append(0.5 * (matrix + matrix.mT))
        return found

    def start(self, rho: torch.Tensor) -> torch.Tensor:
        """Occupations of the free atoms, polarised by the starting moments as far as the shell allows."""
        matrices = []
        for members in self.sets:
            room = 2 * members.l + 1
            electrons = min(members.occupation, 2.0 * room)
            most = min(electrons, 2.0 * room - electrons)
            moment = np.clip(self.moments[members.atoms], -most, most) if self.n_spin == 2 else np.zeros(len(members.atoms))
            filling = np.stack([(electrons + sign * moment) / (2 * room) for sign in ((1, -1) if self.n_spin == 2 else (0,))])
            matrices.append(torch.from_numpy(filling)[..., None, None] * torch.eye(room, dtype=torch.float64))
        return self.flatten(matrices)

    def update(self, unknowns: torch.Tensor, xc: object) -> None:
        """Potential V = U(½ − n) of the occupation matrices `unknowns`."""
        self.matrices = self.unflatten(unknowns)
        self._potential = self._blocks(self.matrices).to(self.problem.basis.device)

    def _blocks(self, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """V as one matrix (S, M, M) over the projection functions."""
        total = torch.zeros(self.n_spin, len(self.rows), len(self.rows), dtype=torch.float64)
        for members, U, shift, matrix in zip(self.sets, self.U, self.shift, matrices, strict=True):
            one = torch.eye(2 * members.l + 1, dtype=torch.float64)
            total[:, members.rows[:, :, None], members.rows[:, None, :]] = U * (0.5 * one - matrix) + shift[:, None, None] * one
        return total

    def output(self, orbitals: Sequence[torch.Tensor], occupations: torch.Tensor) -> torch.Tensor:
        """Occupation matrices of orbitals."""
        return self.flatten(occupation_matrices(self.problem, orbitals, occupations, self.functions, self.sets))

    # ---- operator and energy -------------------------------------------------------------------------------------------------
    def add(self, batch: Batch, spin: int, X: torch.Tensor, out: torch.Tensor) -> None:
        """out += Σ φ_m V_mm' ⟨φ_m'|X⟩."""
        rows = self.functions(batch)
        out += matmul(matmul(X, rows.mH) @ self._potential[spin].to(X.dtype), rows)

    def _energy(self, matrices: Sequence[torch.Tensor]) -> float:
        total = 0.0
        for U, shift, matrix in zip(self.U, self.shift, matrices, strict=True):
            trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)
            total += 0.5 * U * float(trace.sum() - (matrix * matrix.mT).sum()) + float((shift * trace).sum())
        return 2 / self.n_spin * total

    def double_counting(self) -> float:
        """E_U[n] − ⟨V, n⟩ = Σ U/2 Tr n² at the occupations of the last `update`."""
        return 2 / self.n_spin * sum(0.5 * U * float((matrix * matrix.mT).sum()) for U, matrix in zip(self.U, self.matrices, strict=True))

    def final_matrices(self, ground: object) -> list[torch.Tensor]:
        """Occupation matrices per spin channel of the final orbitals, one (S, n, 2l+1, 2l+1) per set, on the host."""
        return [matrix.cpu() for matrix in occupation_matrices(self.problem, ground.orbitals, ground.occupations, self.functions, self.sets)]

    def report(self, ground: object) -> dict[str, np.ndarray]:
        """hubbard_sites (n,), hubbard_occupations (S, n, 2l+1 of the widest shell, padded with zeros) in rising order, hubbard_moments (n,) µ_B."""
        matrices = self.final_matrices(ground)
        widest = max(matrix.shape[-1] for matrix in matrices)
        values = [torch.nn.functional.pad(torch.linalg.eigvalsh(matrix), (widest - matrix.shape[-1], 0)) for matrix in matrices]
        traces = torch.cat([matrix.diagonal(dim1=-2, dim2=-1).sum(-1) for matrix in matrices], 1)
        moments = traces[0] - traces[1] if self.n_spin == 2 else torch.zeros(traces.shape[1])
        return {"hubbard_sites": np.concatenate([members.atoms for members in self.sets]), "hubbard_occupations": torch.cat(values, 1).numpy(),
                "hubbard_moments": moments.numpy()}

    def energy(self, ground: object) -> float:
        """E_U of the final orbitals, Ha."""
        return self._energy(self.final_matrices(ground))

    # ---- derivatives -----------------------------------------------------------------------------------------------------------
    def _adjoints(self, ground: object):
        """Yield (batch, Φ, Λ) per block with dE_U = 2 Re Σ Λ* dΦ over rows of atomic orbitals."""
        V = self._blocks(self.final_matrices(ground)).to(self.problem.basis.device)
        for block, X, weights in zip(self.problem.blocks, ground.orbitals, block_weights(self.problem, ground.occupations), strict=True):
            batch, rows = block.batch, self.functions(block.batch)
            slopes = weights[..., None] * (matmul(X, rows.mH) @ V[block.spin].to(X.dtype))
            orbitals = self.local.values(batch)
            if self.projection == "ortho-atomic":
                full = slopes.new_zeros(*slopes.shape[:2], self.local.n_rows)
                full[..., self.rows] = slopes
                yield batch, orbitals, Frame.of(orbitals).gradient(full, X)
            else:
                adjoint = torch.zeros_like(orbitals)
                adjoint[:, self.rows] = matmul(slopes.mH, X)
                yield batch, orbitals, adjoint

    def forces(self, ground: object) -> torch.Tensor:
        """−∂E_U/∂R (N, 3), not symmetrised."""
        atoms = torch.from_numpy(self.local.atom_of_rows).to(self.problem.basis.device)
        result = torch.zeros_like(self.problem.positions)
        for batch, orbitals, adjoint in self._adjoints(ground):
            for axis, change in projector_displacements(batch, orbitals):
                result[:, axis].index_add_(0, atoms, -2.0 * _real_product(adjoint, change).sum((0, 2)))
        return result

    def stress(self, ground: object) -> torch.Tensor:
        """(1/Ω) ∂E_U/∂ε (3, 3), not symmetrised."""
        total = torch.zeros(3, 3, dtype=torch.float64, device=self.problem.basis.device)
        for batch, orbitals, adjoint in self._adjoints(ground):
            total -= torch.eye(3, dtype=torch.float64, device=total.device) * _real_product(adjoint, orbitals).sum()  # −½ δ φ of the volume
            for a, b, change in self.local.strains(batch):
                value = 2.0 * _real_product(adjoint, change).sum()
                total[a, b] += value
                if a != b:
                    total[b, a] += value
        return total / self.problem.grid.volume


def _real_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Re a* b, element by element."""
    return a.real * b.real + a.imag * b.imag if a.is_complex() else a * b


def select(local: LocalOrbitals, parameters: Mapping[str, Mapping[str, float]]) -> list:
    """[(set, U)] of the shells that `parameters` names; raises SetupError when one does not exist."""
    sets = shell_sets(local)
    present = {}
    for members in sets:
        present.setdefault(members.symbol, []).append(members)
    chosen = []
    for symbol, shells in parameters.items():
        if symbol not in present:
            raise SetupError(f"hubbard names {symbol}, which the structure does not contain.", hint=f"Allowed: {', '.join(present)}.")
        for label, value in shells.items():
            found = [members for members in present[symbol] if members.label == label.lower()]
            if not found:
                raise SetupError(f"hubbard asks for {symbol}-{label}, but the potential of {symbol} has no such orbital.",
                                 hint=f"Allowed: {', '.join(members.name for members in present[symbol])}; or choose a potential that has the shell.")
            chosen.append((found[0], float(value)))
    return chosen
