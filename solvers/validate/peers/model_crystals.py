"""Model crystals with known elastic constants: harmonic springs (closed form for any crystal) and Stillinger–Weber silicon.

Both are ASE calculators whose forces and stress come from automatic differentiation of a few lines of energy, in double precision.
"""
from __future__ import annotations

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from ...core.units import EV_PER_ANGSTROM3_PASCAL


class Bonds:
    """All bonds of `atoms` up to `reach` Å, each pair twice: i, j, and the whole cells (n, 3) that j is moved by."""

    def __init__(self, atoms, reach: float):
        from ase.neighborlist import neighbor_list
        self.i, self.j, self.shift = neighbor_list("ijS", atoms, reach)


class _Differentiated(Calculator):
    """Energy, forces and stress of a subclass's ``_energy(vectors)``, where `vectors` (n_bonds, 3) is a torch tensor of bond vectors in Å."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def _bonds(self, atoms) -> Bonds:
        raise TypeError(f"{type(self).__name__} must say which bonds it has.")

    def _energy(self, bonds: Bonds, vectors):
        raise TypeError(f"{type(self).__name__} must say what its energy is.")

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        import torch
        super().calculate(atoms, properties, system_changes)
        bonds = self._bonds(self.atoms)
        positions = torch.tensor(self.atoms.positions, dtype=torch.float64, requires_grad=True)
        strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
        offsets = torch.tensor(bonds.shift @ self.atoms.cell.array, dtype=torch.float64)
        vectors = positions[torch.tensor(bonds.j)] - positions[torch.tensor(bonds.i)] + offsets
        vectors = vectors @ (torch.eye(3, dtype=torch.float64) + 0.5 * (strain + strain.T))
        energy = self._energy(bonds, vectors)
        gradient, virial = torch.autograd.grad(energy, (positions, strain))
        stress = virial.numpy() / self.atoms.get_volume()
        stress = 0.5 * (stress + stress.T)
        self.results = {"energy": energy.item(), "free_energy": energy.item(), "forces": -gradient.numpy(),
                        "stress": stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]}


class Springs(_Differentiated):
    """Harmonic springs between all atoms of a reference crystal closer than `reach` Å, at rest in it: ½ k (r − r₀)² per bond, k = stiffness·exp(2(1 −
    r₀/r_nn)).

    The reference is unstressed and in equilibrium whatever its symmetry, and its constants are known in closed form (`springs_stiffness`).
    """

    def __init__(self, reference, reach: float, stiffness: float = 5.0):
        super().__init__()
        self.bonds = Bonds(reference, reach)
        self.vectors = reference.positions[self.bonds.j] - reference.positions[self.bonds.i] + self.bonds.shift @ reference.cell.array
        self.rest = np.linalg.norm(self.vectors, axis=1)
        self.k = stiffness * np.exp(2 * (1 - self.rest / self.rest.min()))

    def _bonds(self, atoms) -> Bonds:
        return self.bonds

    def _energy(self, bonds, vectors):
        import torch
        length = torch.linalg.norm(vectors, dim=1)
        return 0.25 * (torch.tensor(self.k) * (length - torch.tensor(self.rest)) ** 2).sum()  # each bond is listed twice


def springs_stiffness(springs: Springs, reference) -> tuple[np.ndarray, np.ndarray]:
    """(relaxed-ion, clamped-ion) stiffness (3, 3, 3, 3) in Pa of `springs` in closed form.

    Clamped: (1/2V) Σ k r₀² n n n n. Relaxed: minus Λᵀ Φ⁺ Λ / V with the force constants Φ at Γ and the forces Λ = −∂F/∂ε. Born and Huang (1954), § 11.
    """
    b, n_atoms, volume = springs.bonds, len(reference), reference.get_volume()
    n = springs.vectors / springs.rest[:, None]
    clamped = np.einsum("b,bi,bj,bk,bl->ijkl", springs.k * springs.rest**2, n, n, n, n) / (2 * volume)
    # force on atom i from a bond i->j whose vector grows by d: +k n (n·d)
    coupling = np.zeros((n_atoms, 3, 3, 3))  # ∂F_i/∂ε
    np.add.at(coupling, b.i, np.einsum("b,ba,bj,bk->bajk", springs.k * springs.rest, n, n, n))
    hessian = np.zeros((n_atoms, 3, n_atoms, 3))
    block = np.einsum("b,ba,bc->bac", springs.k, n, n)
    for a in range(3):
        for c in range(3):
            np.add.at(hessian[:, a, :, c], (b.i, b.i), block[:, a, c])
            np.add.at(hessian[:, a, :, c], (b.i, b.j), -block[:, a, c])
    inverse = np.linalg.pinv(hessian.reshape(3 * n_atoms, 3 * n_atoms), rcond=1e-10)
    flat = coupling.reshape(3 * n_atoms, 9)
    relaxed = clamped - (flat.T @ inverse @ flat).reshape(3, 3, 3, 3) / volume
    return relaxed * EV_PER_ANGSTROM3_PASCAL, clamped * EV_PER_ANGSTROM3_PASCAL


class StillingerWeber(_Differentiated):
    """Silicon of F. H. Stillinger and T. A. Weber, Phys. Rev. B 31 (1985) 5262, with ε = 2.1683 eV, which gives the cohesive energy 4.3366 eV."""

    EPSILON, SIGMA, REACH = 2.1683, 2.0951, 1.80
    A, B, P, LAMBDA, GAMMA = 7.049556277, 0.6022245584, 4, 21.0, 1.20

    def _bonds(self, atoms) -> Bonds:
        return Bonds(atoms, self.REACH * self.SIGMA)

    def _energy(self, bonds, vectors):
        import torch
        r = torch.linalg.norm(vectors, dim=1) / self.SIGMA
        pair = self.A * (self.B * r**-self.P - 1) * torch.exp(1 / (r - self.REACH))
        screen = torch.exp(self.GAMMA / (r - self.REACH))
        unit = vectors / (r * self.SIGMA)[:, None]
        # all ordered pairs of bonds that begin at the same atom; ASE lists bonds by first atom
        first, second = _pairs_of_bonds(bonds.i)
        cosine = (unit[first] * unit[second]).sum(dim=1)
        triple = self.LAMBDA * screen[first] * screen[second] * (cosine + 1 / 3) ** 2
        return self.EPSILON * (0.5 * pair.sum() + 0.5 * triple.sum())


def _pairs_of_bonds(owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of every ordered pair of different bonds with the same first atom; `owner` is ascending."""
    count = np.bincount(owner)
    start = np.concatenate([[0], np.cumsum(count)])[:-1]
    first = np.repeat(np.arange(len(owner)), count[owner])
    offset = np.arange(len(first)) - np.repeat(np.concatenate([[0], np.cumsum(count[owner])])[:-1], count[owner])
    second = start[owner[first]] + offset
    keep = first != second
    return first[keep], second[keep]


def quartz():
    """α-quartz, P3₂21 (154), a = 4.9134 Å, c = 5.4052 Å, nine atoms. Will, Bellotto, Parrish, Hart, J. Appl. Cryst. 21 (1988) 182."""
    from ase.spacegroup import crystal
    return crystal(["Si", "O"], basis=[(0.4697, 0.0, 2 / 3), (0.4135, 0.2669, 0.7858)], spacegroup=154, cellpar=[4.9134, 4.9134, 5.4052, 90, 90, 120])


def triclinic(seed: int = 2):
    """A cell without any symmetry: four atoms at irregular places in a skew cell."""
    from ase import Atoms
    rng = np.random.default_rng(seed)
    cell = np.array([[4.1, 0, 0], [0.7, 4.6, 0], [-0.5, 0.9, 5.2]])
    places = np.array([[0, 0, 0], [0.5, 0.5, 0.1], [0.45, 0.05, 0.52], [0.04, 0.47, 0.55]]) + rng.uniform(-0.06, 0.06, (4, 3))
    return Atoms("SiSiGeC", scaled_positions=places, cell=cell, pbc=True)
