"""The symmetry of a crystal in its own Cartesian frame: rotations, the basis of tensors they allow, and axes to build strains on.

Nothing here assumes that the crystal is set up along x, y, z: rotate the crystal, and everything rotates with it.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from .tensor import bond_matrix, unpack_21


@dataclass(frozen=True)
class Crystal:
    """rotations (n, 3, 3): proper Cartesian rotations of the point group (improper ones times −1, which no elastic tensor feels); space_group: symbol and
    number;
    lattice (3, 3): conventional lattice vectors as rows in Å, in the frame of the structure."""

    rotations: np.ndarray
    space_group: str
    lattice: np.ndarray

    @property
    def basis(self) -> np.ndarray:
        """Orthonormal basis (n, 6, 6) of the Mandel stiffness matrices that the point group leaves unchanged."""
        return invariant_basis(self.rotations)

    @property
    def axes(self) -> np.ndarray:
        """Orthonormal right-handed axes (3, 3) as rows that turn with the crystal: see `symmetry_axes`."""
        return symmetry_axes(self.rotations, self.lattice)


def crystal_of(atoms, tolerance: float = 1e-3) -> Crystal:
    """The symmetry of `atoms` found by spglib within `tolerance` Å. Raises SetupError unless the structure is periodic in three directions."""
    import spglib
    if not atoms.pbc.all():
        raise SetupError(f"The structure is periodic in {int(atoms.pbc.sum())} of 3 directions.",
                         hint="Elastic constants need a crystal: set all three periodic.")
    cell = atoms.cell.array
    data = spglib.get_symmetry_dataset((cell, atoms.get_scaled_positions(), atoms.numbers), symprec=tolerance)
    if data is None:
        raise SetupError(f"No space group was found within {tolerance:g} Å.", hint="Check for overlapping atoms, or change symmetry_tolerance.")
    to_cartesian = cell.T
    rotations = to_cartesian @ data.rotations @ np.linalg.inv(to_cartesian)
    u, stretch, vt = np.linalg.svd(rotations)
    if np.abs(stretch - 1).max() > 0.05:
        raise SetupError(f"A symmetry operation distorts the cell by {np.abs(stretch - 1).max():.1%}.", hint="Lower symmetry_tolerance.")
    rotations = u @ vt
    rotations = rotations * np.linalg.det(rotations)[:, None, None]
    _, first = np.unique(np.round(rotations, 6).reshape(len(rotations), 9) + 0.0, axis=0, return_index=True)
    lattice = (to_cartesian @ np.linalg.inv(data.transformation_matrix)).T
    return Crystal(rotations[np.sort(first)], f"{data.international} ({data.number})", lattice)


def invariant_basis(rotations: np.ndarray) -> np.ndarray:
    """Orthonormal basis (n, 6, 6), Mandel form, of the stiffnesses invariant under `rotations`: the group average's eigenvectors of eigenvalue 1."""
    units = unpack_21(np.eye(21))
    units = units / np.linalg.norm(units, axis=(1, 2))[:, None, None]
    q = bond_matrix(rotations)
    averaged = np.einsum("gab,nbc,gdc->nad", q, units, q, optimize=True) / len(q)
    projector = np.einsum("nab,mab->nm", averaged, units)
    values, vectors = np.linalg.eigh(0.5 * (projector + projector.T))
    return np.einsum("nk,nab->kab", vectors[:, values > 0.5], units)


def project(stiffness_mandel: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The part of a Mandel stiffness (6, 6) that the symmetry allows."""
    return np.einsum("kab,k->ab", basis, np.einsum("kab,ab->k", basis, stiffness_mandel))


def symmetry_axes(rotations: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Axes (3, 3) as rows, fixed to the crystal: z along the rotation axis of highest order that has another axis perpendicular to it, x along the
    best such axis; lattice vectors take the place of missing axes."""
    axes, orders = _rotation_axes(rotations, lattice)
    best = None
    for i, axis in enumerate(axes):
        across = [j for j in range(len(axes)) if abs(axes[j] @ axis) < 1e-4]
        second = max(across, key=lambda j: orders[j], default=None)
        score = (orders[i] if second is not None or len(axes) == 1 else 0, orders[second] if second is not None else 0)
        if best is None or score > best[0]:
            best = (score, i, second)
    unit = lattice / np.linalg.norm(lattice, axis=1, keepdims=True)
    z = axes[best[1]] if best else unit[2]
    if best and best[2] is not None:
        x = axes[best[2]]
    else:
        flat = unit - np.outer(unit @ z, z)
        x = flat[np.argmax(np.linalg.norm(flat, axis=1) > 0.5)]
        x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _rotation_axes(rotations: np.ndarray, lattice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rotation axes (n, 3), each towards the first lattice vector it is not perpendicular to, and their orders (n,), in the order of `rotations`."""
    axes: list[np.ndarray] = []
    orders: list[int] = []
    for r in rotations:
        cosine = np.clip((np.trace(r) - 1) / 2, -1, 1)
        if cosine > 1 - 1e-6:
            continue
        order = round(2 * np.pi / np.arccos(cosine)) if cosine > -1 + 1e-6 else 2
        values, vectors = np.linalg.eigh((r + r.T) / 2)
        axis = vectors[:, np.argmax(values)]
        along = lattice @ axis
        axis = axis * np.sign(along[np.argmax(np.abs(along) > 1e-3 * np.linalg.norm(lattice, axis=1))])
        for k, known in enumerate(axes):
            if abs(known @ axis) > 1 - 1e-4:
                orders[k] = max(orders[k], order)
                break
        else:
            axes.append(axis)
            orders.append(order)
    return np.array(axes).reshape(-1, 3), np.array(orders, dtype=int)
