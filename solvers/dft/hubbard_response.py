"""U from linear response: how the occupations of localised shells answer to potentials that act on one of them. Hartree atomic units.

M. Cococcioni and S. de Gironcoli, Phys. Rev. B 71, 035105 (2005): with the potential α_J added on the shell of site J,
    χ_IJ = dN_I/dα_J self-consistently,   χ0_IJ the same at the first, not yet screened, answer,   U_I = (χ0⁻¹ − χ⁻¹)_II,
N_I = Σ_σ Tr n^{Iσ}. Only one site of every class of equivalent sites is perturbed; the rest of the matrices follows from the space group.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .eigen.davidson import davidson
from .hubbard import Hubbard
from .problem import Problem
from .scf import SCFState
from .smearing import occupy_spins
from .symmetry import SpaceGroup

#: residual norm (Ha) to which the unscreened answer is converged, and how often the eigensolver is visited for it at most
_RESIDUAL, _VISITS = 1e-7, 60


@dataclass(frozen=True)
class Site:
    """A shell of one atom: index of its set in the Hubbard term, place within the set, atom in the structure, name like "Ni-3d"."""

    shell: int
    place: int
    atom: int
    name: str


def sites(term: Hubbard) -> list[Site]:
    """All sites of a Hubbard term."""
    return [Site(i, j, int(atom), members.name) for i, members in enumerate(term.sets) for j, atom in enumerate(members.atoms)]


def representatives(found: list[Site], group: SpaceGroup) -> list[int]:
    """Index of one site of every class of equivalent sites."""
    index = {(site.shell, site.atom): i for i, site in enumerate(found)}
    lowest = [min(index[site.shell, int(atom)] for atom in group.permutation[:, site.atom]) for site in found]
    return sorted(set(lowest))


def occupations_of(term: Hubbard, unknowns: torch.Tensor) -> np.ndarray:
    """N_I of every site, both spins."""
    factor = 2 / term.n_spin
    return np.concatenate([factor * matrix.diagonal(dim1=-2, dim2=-1).sum((0, 2)).numpy() for matrix in term.unflatten(unknowns)])


def perturb(term: Hubbard, site: Site, alpha: float) -> None:
    """Let the potential `alpha` (Ha) act on one site, and on no other."""
    for shift in term.shift:
        shift.zero_()
    term.shift[site.shell][site.place] = alpha


@dataclass(frozen=True)
class Reference:
    """The unperturbed ground state: orbitals, occupations (S, K, bands), and the density and unknowns that they make."""

    rho: torch.Tensor
    orbitals: list[torch.Tensor]
    occupations: torch.Tensor
    unknowns: list[torch.Tensor]

    @classmethod
    def of(cls, problem: Problem, state: SCFState) -> Reference:
        """What a converged cycle left; the same whether it has just ended or comes from a restart."""
        return cls(problem.density(state.orbitals, state.occupations), list(state.orbitals), state.occupations,
                   [item.output(state.orbitals, state.occupations) for item in problem.terms])


def unscreened(problem: Problem, term: Hubbard, ground: Reference) -> np.ndarray:
    """N_I in the ground state's own potential plus the term's perturbation: the answer before density and occupations feed back."""
    problem.set_density(ground.rho, ground.unknowns)
    filled = ground.occupations.to(problem.basis.device)

    def solve(item: tuple) -> object:
        block, X = item
        for _ in range(_VISITS):
            bands = davidson(problem.hamiltonian, block.batch, X, expansions=3, tolerance=0.1 * _RESIDUAL, spin=block.spin, weights=block.of(filled))
            X = bands.orbitals
            if float((bands.residuals * (block.of(filled) > 1e-6)).max()) < _RESIDUAL:
                break
        return bands
    bands = problem.workers.map(solve, list(zip(problem.blocks, ground.orbitals, strict=True)))
    count, model = len(problem.basis.batches), problem.model
    levels = torch.stack([torch.cat([item.eigenvalues for item in bands[i:i + count]]) for i in range(0, len(bands), count)]).cpu()
    occupations = occupy_spins(levels, problem.basis.weights, model.n_electrons, model.smearing, model.width, model.total_moment)[0]
    return occupations_of(term, term.output([item.orbitals for item in bands], occupations))


@dataclass(frozen=True)
class Response:
    """Slopes dN_I/dα (n,) per Ha at α = 0 and their standard errors (n,)."""

    slopes: np.ndarray
    errors: np.ndarray


def fit(alphas: np.ndarray, answers: np.ndarray) -> Response:
    """The slope of a parabola through answers (m, n) at alphas (m,); of a line, whose error is unknown and given as zero, with two points.

    The errors hold what the parabola leaves: higher orders and noise.
    """
    powers = np.stack([alphas**k for k in range(3 if len(alphas) > 2 else 2)], 1)
    coefficients = np.linalg.lstsq(powers, answers, rcond=None)[0]
    freedom = len(alphas) - powers.shape[1]
    if freedom < 1:
        return Response(coefficients[1], np.zeros_like(coefficients[1]))
    variance = ((answers - powers @ coefficients) ** 2).sum(0) / freedom
    return Response(coefficients[1], np.sqrt(variance * np.linalg.inv(powers.T @ powers)[1, 1]))


def matrix(found: list[Site], group: SpaceGroup, columns: dict[int, np.ndarray]) -> np.ndarray:
    """χ (n, n) from the columns of the representative sites: χ_{sI,sJ} = χ_IJ for every operation s."""
    index = {(site.shell, site.atom): i for i, site in enumerate(found)}
    total, count = np.zeros((len(found), len(found))), np.zeros(len(found))
    for j, column in columns.items():
        for atoms in group.permutation:
            goal = index[found[j].shell, int(atoms[found[j].atom])]
            rows = [index[site.shell, int(atoms[site.atom])] for site in found]
            total[rows, goal] += column
            count[goal] += 1
    return total / count


@dataclass(frozen=True)
class ComputedU:
    """U (n,) Ha per site with its standard error, the response matrices (n, n) per Ha, and the largest asymmetry of the screened one relative to
    its largest element."""

    U: np.ndarray
    error: np.ndarray
    bare: np.ndarray
    screened: np.ndarray
    asymmetry: float


def computed_u(bare: np.ndarray, screened: np.ndarray, bare_error: np.ndarray, screened_error: np.ndarray) -> ComputedU:
    """U = χ0⁻¹ − χ⁻¹ on the diagonal, of the symmetric parts; errors (n, n) of independent elements are propagated to first order."""
    def inverse(chi: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inv = np.linalg.inv(0.5 * (chi + chi.T))
        return np.diag(inv), (inv**2 @ error**2 @ inv**2).diagonal()
    (first, first_variance), (second, second_variance) = inverse(bare, bare_error), inverse(screened, screened_error)
    asymmetry = float(np.abs(screened - screened.T).max() / np.abs(screened).max())
    return ComputedU(first - second, np.sqrt(first_variance + second_variance), bare, screened, asymmetry)
