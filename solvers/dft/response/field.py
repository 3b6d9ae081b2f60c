"""Self-consistent response of an insulator to a homogeneous electric field. Hartree atomic units.

S. Baroni, S. de Gironcoli, A. Dal Corso, P. Giannozzi, Rev. Mod. Phys. 73, 515 (2001), § II.C.2; X. Gonze and C. Lee, Phys. Rev. B 55, 10355 (1997).

Symbols: φ_nα = P_c r_α|u_n⟩ from (H − ε_n)φ_nα = −i P_c ∂_αH|u_n⟩; then, for a field E_α acting on electrons as +E·r,
(H − ε_n)Δu_nα = −φ_nα − P_c δV_α|u_n⟩ with δV_α the change of V_Hxc by δρ_α = 2 Σ f Re u_n* Δu_nα, iterated to self-consistency (G = 0 left out: the
macroscopic field is held). Dielectric tensor ε_αβ = δ_αβ − (8π/Ω) Σ f w Re⟨φ_nα|Δu_nβ⟩; Born charges Z*_{a,αβ} = Z_a δ_αβ + ∂F_aβ/∂E_α.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from ..forces import _density_gradient, local_forces
from ..kernels.local import make
from ..problem import Block, Problem
from ..projectors import atom_of_rows
from ..spin import charge_and_moment
from ..terms.core import core_form, has_core
from . import sternheimer
from .screening import potential_response
from .vectors import VectorSymmetry
from .velocity import velocity

#: residual of the linear equations relative to that of the outer cycle
_INNER = 0.02
_PRECISION = 1e-11


@dataclass(frozen=True)
class FieldStep:
    """One iteration: dielectric tensor so far, relative change of the screening density."""

    n: int
    dielectric: np.ndarray
    residual: float


@dataclass(frozen=True)
class Dielectric:
    """dielectric (3, 3) ε∞; born (N, 3, 3) e, first index field, second force; symmetrised. steps, flag, relative residual."""

    dielectric: np.ndarray
    born: np.ndarray
    converged: bool
    steps: int
    residual: float


@dataclass
class FieldState:
    """What the next iteration needs: screening densities (3, S, …) in and their history, orbitals' responses per block (3 n rows each)."""

    change: torch.Tensor
    step: int = 0
    residual: float = 1.0
    responses: list[torch.Tensor] | None = None
    history: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)


class FieldResponse:
    """The response of one ground state: self-consistent density rho (S, …), filled bands (B, n, storage) and their energies (B, n) Ha of every block; all other
    bands must be empty. Needs complex orbitals (no half sphere)."""

    def __init__(self, problem: Problem, rho: torch.Tensor, filled: list[torch.Tensor], energies: list[torch.Tensor]):
        self.problem, self.rho = problem, rho
        held = [item for item in zip(problem.blocks, filled, energies, strict=True) if item[1].shape[1]]  # an empty spin answers nothing
        self.blocks, self.filled, self.energies = ([item[i] for item in held] for i in range(3))
        self.f = 2.0 / problem.model.n_spin
        self.weights = torch.from_numpy(problem.basis.weights).to(problem.basis.device)
        self.symmetry = VectorSymmetry(problem)
        self.perturbation = make(problem.basis, problem.workers)
        problem.set_density(rho)
        self.positions = problem.workers.map(self._position, list(zip(self.blocks, self.filled, self.energies, strict=True)))

    def _position(self, item: tuple[Block, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """φ (B, 3 n, storage): r applied to the filled bands, conduction part."""
        block, X, e = item
        b = sternheimer.project(-1j * velocity(self.problem, block.batch, X).movedim(0, 1).flatten(1, 2), X)
        return sternheimer.solve(self.problem, block.spin, block.batch, X, e, b, None, _PRECISION).x

    # ---- one iteration -------------------------------------------------------------------------------------------------------------
    def start(self) -> FieldState:
        """No screening yet."""
        return FieldState(self.rho.new_zeros(3, *self.rho.shape))

    def run(self, state: FieldState, tolerance: float, max_steps: int) -> Iterator[FieldStep]:
        """Iterate until the screening densities change by less than `tolerance` (relative); returns a `Dielectric`. `state` is advanced in place."""
        while True:
            state.step += 1
            potentials = [potential_response(self.problem, self.rho, change)[0] for change in state.change]
            inner = max(_PRECISION, _INNER * min(state.residual, 0.1))
            state.responses = self._responses(potentials, state.responses, inner)
            new = self.density(state.responses)
            difference = new - state.change
            state.residual = self._norm(difference) / max(self._norm(new), 1e-300)
            tensor = self.dielectric(state.responses)
            converged = state.residual < tolerance
            last = converged or state.step >= max_steps
            if not last:  # before the step is told: what is stored then is what the next iteration needs
                state.change = self._mix(state, difference)
            yield FieldStep(state.step, tensor, state.residual)
            if last:
                return Dielectric(tensor, self.born(state.responses, new), converged, state.step, state.residual)

    def _responses(self, potentials: list[torch.Tensor], before: list[torch.Tensor] | None, tolerance: float) -> list[torch.Tensor]:
        """Δu per block (B, 3 n, storage) for the screening potentials (S, …) of the three directions."""
        problem = self.problem
        right = [-phi for phi in self.positions]
        for axis, potential in enumerate(potentials):
            self.perturbation.set_potential(charge_and_moment(problem.grid.to_real(potential)))
            for i, (block, X) in enumerate(zip(self.blocks, self.filled, strict=True)):
                image = torch.empty_like(X)
                self.perturbation.apply(block.batch, X, image, block.spin)
                image -= block.batch.stored_kinetic[:, None, :] * X
                n = X.shape[1]
                right[i][:, axis * n:(axis + 1) * n] -= sternheimer.project(image, X)

        def one(item: tuple) -> torch.Tensor:
            block, X, e, b, start = item
            return sternheimer.solve(problem, block.spin, block.batch, X, e, b, start, tolerance).x
        return problem.workers.map(one, list(zip(self.blocks, self.filled, self.energies, right, before or [None] * len(right), strict=True)))

    def density(self, responses: list[torch.Tensor]) -> torch.Tensor:
        """δρ (3, S, …) = 2 Σ f w Re u* Δu, symmetrised: as the difference of the densities of u + Δu and u − Δu, halved."""
        problem, local = self.problem, self.perturbation
        out = []
        for axis in range(3):
            spins = []
            for spin in range(problem.model.n_spin):
                rho = local.new_density()
                for block, X, dX in zip(self.blocks, self.filled, responses, strict=True):
                    if block.spin != spin:
                        continue
                    n = X.shape[1]
                    dX = dX[:, axis * n:(axis + 1) * n]
                    w = (0.5 * self.f / problem.grid.volume * self.weights[block.batch.slice])[:, None].expand(-1, n).contiguous()
                    local.density(block.batch, (X + dX).contiguous(), w, rho)
                    local.density(block.batch, (X - dX).contiguous(), -w, rho)
                spins.append(local.finish_density([rho]))
            out.append(charge_and_moment(problem.grid.to_fourier(torch.stack(spins))))
        return self.symmetry(torch.stack(out))

    # ---- the outer linear equation ---------------------------------------------------------------------------------------------------
    def _norm(self, change: torch.Tensor) -> float:
        return math.sqrt(self._product(change, change))

    def _product(self, a: torch.Tensor, b: torch.Tensor) -> float:
        return float(((a.real * b.real + a.imag * b.imag) * self.problem.grid.pair_weights).sum())

    def _mix(self, state: FieldState, residual: torch.Tensor) -> torch.Tensor:
        """Anderson's next input from all steps so far; the equation is linear, so this is GMRES (H. F. Walker, P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011))."""
        x, r = state.change, residual
        mixed_x, mixed_r = x, r
        if state.history:
            dx = [x - old for old, _ in state.history]
            dr = [r - old for _, old in state.history]
            matrix = torch.tensor([[self._product(a, b) for b in dr] for a in dr], dtype=torch.float64)
            right = torch.tensor([self._product(a, r) for a in dr], dtype=torch.float64)
            scale = torch.sqrt(matrix.diagonal()).clamp_min(1e-300)
            c = torch.linalg.lstsq(matrix / scale[:, None] / scale[None], (right / scale)[:, None], rcond=1e-13, driver="gelsd").solution[:, 0] / scale
            for weight, a, b in zip(c.tolist(), dx, dr, strict=True):
                mixed_x, mixed_r = mixed_x - weight * a, mixed_r - weight * b
        state.history = [*state.history, (x, r)][-12:]
        return mixed_x + 0.7 * mixed_r

    # ---- results -------------------------------------------------------------------------------------------------------------------------
    def dielectric(self, responses: list[torch.Tensor]) -> np.ndarray:
        """ε∞ (3, 3), symmetrised over the crystal's operations."""
        total = torch.zeros(3, 3, dtype=torch.float64, device=self.weights.device)
        for block, phi, dX in zip(self.blocks, self.positions, responses, strict=True):
            a, b = phi.unflatten(1, (3, -1)), dX.unflatten(1, (3, -1))
            total += torch.einsum("k,kang,kbng->ab", self.weights[block.batch.slice].to(a.dtype), a.conj(), b).real
        tensor = np.eye(3) - 8.0 * math.pi * self.f / self.problem.grid.volume * total.cpu().numpy()
        return tensor if self.problem.group is None else self.problem.group.symmetrise_stress(tensor)

    def born(self, responses: list[torch.Tensor], change: torch.Tensor) -> np.ndarray:
        """Z* (N, 3, 3) e: first index the field, second the force; symmetrised, the sum over atoms not removed."""
        problem = self.problem
        charges = np.zeros((3, len(problem.model.numbers), 3))
        for axis in range(3):
            force = local_forces(problem, change[axis]) + self._nonlocal(responses, axis) + self._core(change[axis])
            charges[axis] = force.cpu().numpy()
        charges = charges.transpose(1, 0, 2) + problem.model.charges[:, None, None] * np.eye(3)
        return charges if problem.group is None else symmetrise_born(problem.group, charges)

    def _nonlocal(self, responses: list[torch.Tensor], axis: int) -> torch.Tensor:
        """Change of the nonlocal forces (N, 3) by the responses to a field along `axis`."""
        problem = self.problem
        rows = torch.from_numpy(atom_of_rows(list(problem.model.species))).to(problem.basis.device)
        result = torch.zeros_like(problem.positions)
        for block, X, dX in zip(self.blocks, self.filled, responses, strict=True):
            batch, n = block.batch, X.shape[1]
            projectors = problem.hamiltonian.projectors
            (B, C_axes), (dB, dC_axes) = (projectors.displaced_overlaps(batch, Y) for Y in (X, dX[:, axis * n:(axis + 1) * n]))
            for direction, (C, dC) in enumerate(zip(C_axes, dC_axes, strict=True)):
                product = (dB.conj() * C + B.conj() * dC).real
                per_row = -2.0 * self.f * problem.hamiltonian.D * (self.weights[batch.slice][:, None, None] * product).sum((0, 1))
                result[:, direction].index_add_(0, rows, per_row)
        return result

    def _core(self, change: torch.Tensor) -> torch.Tensor | float:
        """Change of the forces on core densities (N, 3)."""
        if self.problem.core is None:
            return 0.0
        xc = potential_response(self.problem, self.rho, change)[1]
        forms = [core_form(self.problem.grid, kind) if has_core(kind) else None for kind in self.problem.model.species]
        return -_density_gradient(self.problem, xc[0], forms)


def symmetrise_born(group, born: np.ndarray) -> np.ndarray:
    """The invariant part of charges (N, 3, 3): Z*_{S a} = R Z*_a Rᵀ."""
    turned = np.einsum("sij,ajk,slk->sail", group.cartesian, born, group.cartesian, optimize=True)
    total = np.zeros_like(born)
    np.add.at(total, group.permutation.reshape(-1), turned.reshape(-1, 3, 3))
    return total / len(group)
