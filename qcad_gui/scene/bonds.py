"""Which atoms to join by a line: a picture's rule, not chemistry.

Two atoms are bonded when they are closer than `scale` times the sum of their covalent radii (Cordero et al., Dalton Trans. 2008, 2832;
as tabulated in ASE). Between two metals of groups 1 and 2 none is drawn as long as the structure holds other elements: their radii would
join the cations of a salt across the anions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from scipy.spatial import cKDTree

#: above this many atoms bonds are not searched; the view says so
LIMIT = 100_000
_CROWD = 400  # neighbours within reach; caesium hydride has some fifty
_THINNEST = 12.0  # images on each side that a bond may span
_NO_RADIUS = 0.2  # what the table gives for elements it knows nothing about
_SALT_METALS = np.isin(np.arange(119), [3, 4, 11, 12, 19, 20, 37, 38, 55, 56, 87, 88])


class CrowdedError(ValueError):
    """Atoms stand much closer than matter allows, as in a file in nanometres read as ångström: a search would never end."""


@dataclass(frozen=True)
class Bonds:
    """Pairs i, j (M,) with i's partner at positions[j] + shift @ cell; shift (M, 3) integers. Every bond stands once."""

    i: np.ndarray
    j: np.ndarray
    shift: np.ndarray

    def __len__(self) -> int:
        return len(self.i)


NONE = Bonds(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3), np.int64))


def find_bonds(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, *, scale: float = 1.15) -> Bonds:
    """All pairs closer than `scale` times the sum of covalent radii, across periodic faces too.

    numbers (N,), positions (N, 3) Å, cell (3, 3) rows Å, pbc (3,). A periodic direction without extent counts as not periodic.
    Raises CrowdedError.
    """
    if len(numbers) < 1:
        return NONE
    radii = np.where(covalent_radii[numbers] > _NO_RADIUS, covalent_radii[numbers], 1.5)
    radii[numbers == 0] = 0.0
    reach = 2.0 * scale * float(radii.max())
    periodic = np.asarray(pbc, bool) & (np.linalg.norm(cell, axis=1) > 1e-6)
    complete, heights = _completed(cell, periodic)
    if (reach > _THINNEST * heights[periodic]).any():  # a singular or absurdly thin cell, legal while editing: its images would be without number
        periodic = np.zeros(3, bool)
        complete, heights = _completed(cell, periodic)
    fractional = positions @ np.linalg.inv(complete)
    home = np.where(periodic, np.floor(fractional), 0.0)
    wrapped = positions - home @ complete
    ghosts, owner, offset = _with_ghosts(wrapped, fractional - home, complete, periodic, reach / heights)
    tree = cKDTree(ghosts)
    sample = ghosts[np.unique(np.linspace(0, len(positions) - 1, 50).astype(int))]
    if np.mean(tree.query_ball_point(sample, reach, return_length=True)) > _CROWD:
        raise CrowdedError(f"There are more than {_CROWD} atoms within {reach:.2g} Å of an atom.")
    pairs = tree.query_pairs(reach, output_type="ndarray")
    n = len(numbers)
    pairs.sort(axis=1)
    pairs = pairs[pairs[:, 0] < n]  # the first n are the atoms themselves
    first, second = pairs[:, 0], owner[pairs[:, 1]]
    shift = offset[pairs[:, 1]]
    distance = np.linalg.norm(ghosts[pairs[:, 1]] - ghosts[first], axis=1)
    keep = (distance < scale * (radii[first] + radii[second])) & (distance > 0.1)
    metals = _SALT_METALS[numbers]
    if not metals.all():
        keep &= ~(metals[first] & metals[second])
    # a pair seen from both of its ends (through two faces) is one bond: keep the one whose partner comes later, or whose shift is positive
    sign = np.where(shift[:, 0] != 0, shift[:, 0], np.where(shift[:, 1] != 0, shift[:, 1], shift[:, 2]))
    keep &= (pairs[:, 1] < n) | (first < second) | ((first == second) & (sign > 0))
    first, second, shift = first[keep], second[keep], shift[keep]
    return Bonds(first, second, np.rint(shift + home[first] - home[second]).astype(np.int64))


def bond_vectors(bonds: Bonds, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(M, 3) Å from the first atom of every bond to its partner."""
    return positions[bonds.j] - positions[bonds.i] + bonds.shift @ cell


def _completed(cell: np.ndarray, periodic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A non-singular cell (unit vectors put in for directions that are not periodic) and the heights of its faces in Å."""
    out = np.array(cell, float)
    for axis in np.flatnonzero(~periodic):
        others = [out[k] for k in range(3) if k != axis and (periodic[k] or k < axis)]
        out[axis] = _perpendicular(others)
    volume = abs(np.linalg.det(out))
    if volume < 1e-9 * np.prod(np.linalg.norm(out, axis=1)):
        return np.eye(3), np.where(periodic, 0.0, 1.0)
    return out, 1.0 / np.linalg.norm(np.linalg.inv(out), axis=0)


def _perpendicular(vectors: list[np.ndarray]) -> np.ndarray:
    """A unit vector as far as possible from the span of up to two vectors."""
    if not vectors:
        return np.array([1.0, 0.0, 0.0])
    basis = np.linalg.svd(np.array(vectors))[2]
    return basis[-1]


def _with_ghosts(positions: np.ndarray, fractional: np.ndarray, cell: np.ndarray, periodic: np.ndarray, margin: np.ndarray):
    """positions with all periodic images within `margin` (fractional) of the cell appended; owner and integer offset of each row."""
    points, owner, offset = positions, np.arange(len(positions)), np.zeros((len(positions), 3), np.int64)
    at = fractional
    for axis in np.flatnonzero(periodic):
        images = [(points, owner, offset, at)]
        for k in range(1, int(np.ceil(margin[axis])) + 1):
            for direction in (k, -k):
                moved = at[:, axis] + direction
                near = (moved >= -margin[axis]) & (moved < 1.0 + margin[axis])
                shifted_offset, shifted_at = offset[near].copy(), at[near].copy()
                shifted_offset[:, axis] += direction
                shifted_at[:, axis] += direction
                images.append((points[near] + direction * cell[axis], owner[near], shifted_offset, shifted_at))
        points, owner, offset, at = (np.concatenate(parts) for parts in zip(*images, strict=True))
    return points, owner, offset
