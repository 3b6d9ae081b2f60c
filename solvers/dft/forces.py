"""Forces: the exact gradient of the discrete free energy at fixed orbitals, plus a correction for incomplete self-consistency. Hartree atomic units.

The correction is that of Chan, Bohnen and Ho, Phys. Rev. B 47, 4771 (1993): the input density is taken to move with the atoms like superposed atomic densities,
F = −∫ (V_Hxc[ρ_out] − V_Hxc[ρ_in]) ∂ρ_atoms/∂R. It makes the error of the forces second order in ρ_out − ρ_in to the extent that this is so.
"""
from __future__ import annotations

import numpy as np
import torch

from .energy import Fields, band_weights, output_fields
from .magnetisation import local_moments
from .potential import XC
from .problem import Problem
from .projectors import atom_of_rows
from .scf import GroundState
from .start import atomic_forms
from .terms.core import core_form, has_core
from .terms.local import form_factor


def local_forces(problem: Problem, rho: torch.Tensor) -> torch.Tensor:
    """−∂E_local/∂R (N, 3) of density coefficients rho (S, …)."""
    return -_density_gradient(problem, rho[0], [form_factor(problem.grid, kind) for kind in problem.model.species])


def core_forces(problem: Problem, xc: XC) -> torch.Tensor:
    """−∂E_xc/∂R (N, 3) by the core densities that move with the atoms."""
    if problem.core is None:
        return torch.zeros_like(problem.positions)
    forms = [core_form(problem.grid, kind) if has_core(kind) else None for kind in problem.model.species]
    return -_density_gradient(problem, xc.potential[0], forms)


def residual_forces(problem: Problem, out: tuple, before: tuple, moments: np.ndarray | None = None) -> torch.Tensor:
    """The correction for incomplete self-consistency (N, 3) from `problem.fields` of the output and of the input density. moments (N,): those that the atoms
    take along, spread like their electrons."""
    difference = out[1] + out[2].potential[0] - before[1] - before[2].potential[0]
    forms = atomic_forms(problem)
    result = -_density_gradient(problem, difference, forms)
    if moments is not None:
        shares = torch.from_numpy(moments / problem.model.charges).to(result)
        result -= shares[:, None] * _density_gradient(problem, out[2].potential[1] - before[2].potential[1], forms)
    return result


def _density_gradient(problem: Problem, field: torch.Tensor, forms: list[torch.Tensor | None]) -> torch.Tensor:
    """d/dR of Ω Σ_G field*(G) form_s(|G|) e^{−iG·R_a} for every atom (N, 3); zero for species without a form."""
    result = torch.zeros_like(problem.positions)
    for kind, form in zip(problem.model.species, forms, strict=True):
        if form is None:
            continue
        result[kind.atoms] = problem.grid.structure_gradient(problem.grid.volume * field.conj() * form, problem.positions[kind.atoms])
    return result


def nonlocal_forces(problem: Problem, ground: GroundState) -> torch.Tensor:
    """−∂E_nonlocal/∂R (N, 3), summed over the k-points of the basis (not symmetrised)."""
    weights = band_weights(problem, ground)
    rows = torch.from_numpy(atom_of_rows(list(problem.model.species))).to(problem.basis.device)

    def one(item: tuple) -> torch.Tensor:
        block, X = item
        batch, own = block.batch, block.of(weights)
        result = torch.zeros_like(problem.positions)
        B, slopes = problem.hamiltonian.projectors.displaced_overlaps(batch, X)
        for axis, dB in enumerate(slopes):
            product = B.real * dB.real + B.imag * dB.imag if B.is_complex() else B * dB
            per_row = -2.0 * problem.hamiltonian.D * (own[:, :, None] * product).sum((0, 1))
            result[:, axis].index_add_(0, rows, per_row)
        return result
    return sum(problem.workers.map(one, zip(problem.blocks, ground.orbitals, strict=True)))


def forces(problem: Problem, ground: GroundState, *, correct: bool = True, fields: Fields | None = None) -> np.ndarray:
    """Forces (N, 3) Ha/bohr; their mean is not zero on a finite FFT box (egg-box). correct: add `residual_forces`; fields:
    `energy.output_fields` where they are at hand."""
    unknowns, out = fields or output_fields(problem, ground)
    total = local_forces(problem, ground.rho) + nonlocal_forces(problem, ground) + core_forces(problem, out[2])
    for term in problem.terms:
        total = total + term.forces(ground)
    if correct:
        moments = local_moments(problem, ground.rho) if problem.model.n_spin == 2 else None
        total = total + residual_forces(problem, out, problem.fields(ground.rho_in, unknowns), moments)
    if problem.dipole is not None:
        total = total + torch.from_numpy(problem.dipole.forces(ground.rho[0])).to(total)
    total = total.cpu().numpy() + problem.ewald_forces + sum(term.forces for term in problem.static)
    return total if problem.group is None else problem.group.symmetrise_forces(total)
