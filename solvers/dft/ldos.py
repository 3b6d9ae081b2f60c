"""Mixing for metals that do not fill their cell: screening by the local density of states.

M. F. Herbst, A. Levitt, J. Phys.: Condens. Matter 33, 085503 (2021): χ₀(r, r') ≈ −D(r) δ(r − r') + D(r) D(r')/∫D with the local density of states D at the
Fermi energy. Where D is uniform this is Kerker's preconditioner with the metal's own wavenumber; in vacuum D vanishes and nothing is screened. Hartree atomic
units.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .mixing import AndersonMixer
from .problem import Problem
from .smearing import occupation_slope

#: the model wants a smooth D: Gaussian levels this many times wider than the smearing, within these limits (Ha), whatever kind of smearing fills the bands
_BROADER, _NARROWEST, _WIDEST = 50.0, 0.03, 0.1
#: relative residual (Hartree norm) and number of iterations at which the linear solver stops
_SOLVED, _ITERATIONS = 1e-2, 40


def local_density_of_states(problem: Problem, orbitals: Sequence[torch.Tensor], eigenvalues: torch.Tensor,
                            fermi: float | np.ndarray) -> torch.Tensor:
    """D(r) at the Fermi energy on the box, states/(Ha bohr³), both spins; never negative. eigenvalues (S, K, bands) Ha, fermi Ha, one or one per spin."""
    width = min(max(_BROADER * problem.model.width, _NARROWEST), _WIDEST)
    x = (np.reshape(fermi, (-1, 1, 1)) - eigenvalues.numpy()) / width
    shares = problem.model.max_occupation / width * torch.from_numpy(occupation_slope("gaussian", x))
    return problem.grid.to_real(problem.density(orbitals, shares)[0]).clamp_min(0.0)


def empty_share(ldos: torch.Tensor) -> float:
    """Share of the cell where D is below a twentieth of its mean: near zero in bulk, the vacuum of a slab."""
    return float((ldos < 0.05 * ldos.mean()).double().mean())


def screen(mixer: AndersonMixer, ldos: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """(1 − χ₀ v_c)⁻¹ of a packed residual by conjugate gradients: the operator is symmetric and ≥ 1 in the Hartree metric of `mixer`."""
    total = float(ldos.mean())
    if total <= 0.0:
        return residual
    grid = mixer.grid
    coulomb = mixer.pack(grid.coulomb)

    def operator(x: torch.Tensor) -> torch.Tensor:
        potential = grid.to_real(mixer.unpack(coulomb * x))
        potential = potential - float((ldos * potential).mean()) / total
        return x + mixer.pack(grid.to_fourier(ldos * potential))
    x, r = torch.zeros_like(residual), residual
    p, norm = r, mixer.product(r, r)
    goal = _SOLVED**2 * norm
    for _ in range(_ITERATIONS):
        if norm <= goal:
            break
        image = operator(p)
        step = norm / mixer.product(p, image)
        x, r = x + step * p, r - step * image
        previous, norm = norm, mixer.product(r, r)
        p = r + (norm / previous) * p
    return x
