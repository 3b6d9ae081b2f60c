"""Stress σ = (1/Ω) ∂F/∂ε, term by term: the analytic derivative at fixed integer G, FFT box and fractional k. Hartree atomic units, positive in tension.

O. H. Nielsen and R. M. Martin, Phys. Rev. B 32, 3780 (1985); gradient corrections: A. Dal Corso and R. Resta, Phys. Rev. B 50, 4327 (1994).
"""
from __future__ import annotations

import numpy as np
import torch

from .energy import Fields, band_weights, output_fields, square, weighted_squares
from .grid import FFTGrid
from .potential import XC, hartree
from .problem import Problem
from .scf import GroundState
from .terms.core import core_form_slope, has_core
from .terms.local import form_factor_slope


def _outer(grid: FFTGrid, weights: torch.Tensor) -> torch.Tensor:
    """Σ over all G of w(G) G_α G_β (3, 3) for real, even w on the half box."""
    w = (weights * grid.pair_weights).reshape(-1)
    G = grid.G.reshape(3, -1)
    return (G * w) @ G.mT


def kinetic_stress(problem: Problem, ground: GroundState) -> torch.Tensor:
    """−(1/Ω) Σ f |c|² K_α K_β."""
    weights = band_weights(problem, ground)
    total = torch.zeros(3, 3, dtype=torch.float64, device=problem.basis.device)
    for block, X in zip(problem.blocks, ground.orbitals, strict=True):
        batch = block.batch
        density = weighted_squares(X, block.of(weights))
        if batch.half:
            density = density.unflatten(-1, (-1, 2)).sum(-1)
        total -= torch.einsum("kg,kga,kgb->ab", density, batch.K, batch.K)
    return total / problem.grid.volume


def hartree_stress(problem: Problem, rho: torch.Tensor) -> torch.Tensor:
    """−δ E_H/Ω + 4π Σ |ρ|² G_α G_β / G⁴ of density coefficients rho (S, …)."""
    grid = problem.grid
    energy, _ = hartree(grid, rho)
    safe = grid.G2.clone()
    safe[0, 0, 0] = 1.0
    return _outer(grid, grid.coulomb / safe * square(rho[0])) - energy / grid.volume * torch.eye(3, dtype=torch.float64, device=rho.device)


def local_stress(problem: Problem, rho: torch.Tensor) -> torch.Tensor:
    """−δ (E_loc + E_α)/Ω − Σ Re[ρ* S] v′(G) G_α G_β / G."""
    grid = problem.grid
    energy = float(grid.dot(problem.v_local, rho[0])) + problem.alpha_energy / grid.volume
    total = -energy * torch.eye(3, dtype=torch.float64, device=rho.device)
    for kind in problem.model.species:
        S = grid.structure_factor(problem.positions[kind.atoms])
        total -= _outer(grid, (rho[0].conj() * S).real * form_factor_slope(grid, kind))
    return total


def xc_stress(problem: Problem, xc: XC) -> torch.Tensor:
    """(δ/Ω)(E_xc − ∫v_xc (ρ + ρ_core)) − (1/Ω)∫ Σ_s h_s ∇n_s − Σ Re[v_xc* S] c′(G) G_α G_β / G; of τ only the volume's part: its own belongs to the term."""
    grid = problem.grid
    total = (xc.energy - xc.integral - xc.core_integral) / grid.volume * torch.eye(3, dtype=torch.float64, device=problem.basis.device)
    if xc.gradient is not None:
        for gradient, flux in zip(xc.gradient, xc.flux, strict=True):
            total = total - gradient.reshape(3, -1) @ flux.reshape(3, -1).mT / grid.size
    for kind in filter(has_core, problem.model.species):
        S = grid.structure_factor(problem.positions[kind.atoms])
        total = total - _outer(grid, (xc.potential[0].conj() * S).real * core_form_slope(grid, kind))
    return total


def nonlocal_stress(problem: Problem, ground: GroundState) -> torch.Tensor:
    """−δ E_NL/Ω + (2/Ω) Σ f d_p Re ⟨ψ|β_p⟩⟨dβ_p|ψ⟩ with dβ = −K_β ∂_α β."""
    weights = band_weights(problem, ground)
    basis, hamiltonian = problem.basis, problem.hamiltonian

    def one(item: tuple) -> torch.Tensor:
        block, X = item
        batch = block.batch
        total = torch.zeros(3, 3, dtype=torch.float64, device=basis.device)
        B = hamiltonian.projectors.overlaps(batch, X)
        w = block.of(weights)[:, :, None] * hamiltonian.D
        total -= torch.eye(3, dtype=torch.float64, device=basis.device) * (w * square(B)).sum()
        for a, b, dB in hamiltonian.projectors.strained_overlaps(batch, X):
            product = B.real * dB.real + B.imag * dB.imag if B.is_complex() else B * dB
            value = 2.0 * (w * product).sum()
            total[a, b] += value
            if a != b:
                total[b, a] += value
        return total
    return sum(problem.workers.map(one, zip(problem.blocks, ground.orbitals, strict=True))) / basis.volume


def stress_terms(problem: Problem, ground: GroundState, fields: Fields | None = None) -> dict[str, np.ndarray]:
    """Every term (3, 3) Ha/bohr³, not symmetrised; fields: `energy.output_fields` where they are at hand."""
    rho = ground.rho
    xc = (fields or output_fields(problem, ground))[1][2]
    terms = {"kinetic": kinetic_stress(problem, ground), "nonlocal": nonlocal_stress(problem, ground), "local": local_stress(problem, rho),
             "hartree": hartree_stress(problem, rho), "xc": xc_stress(problem, xc)}
    for term in problem.terms:
        terms[term.name] = torch.zeros(3, 3, dtype=torch.float64, device=rho.device) + term.stress(ground)
    static = {term.name: term.stress for term in problem.static}
    if problem.dipole is not None:
        static["dipole"] = problem.dipole.stress(rho[0])
    return {**{name: value.cpu().numpy() for name, value in terms.items()}, "ewald": problem.ewald_stress, **static}


def stress(problem: Problem, ground: GroundState, fields: Fields | None = None) -> np.ndarray:
    """Total stress (3, 3) Ha/bohr³, symmetrised where the problem uses symmetry."""
    total = sum(stress_terms(problem, ground, fields).values())
    total = 0.5 * (total + total.T)
    return total if problem.group is None else problem.group.symmetrise_stress(total)
