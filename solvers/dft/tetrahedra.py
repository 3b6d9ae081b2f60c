"""Integrals over the Brillouin zone by linear tetrahedra.

P. E. Blöchl, O. Jepsen, O. K. Andersen, Phys. Rev. B 49, 16223 (1994): division of a mesh into tetrahedra of equal volume (sec. IV), integration weights
(app. B) and their correction for the curvature of bands (eq. 22). A density of states is returned as the mean over each energy interval, that is as differences
of the integrated weights: it is finite for flat bands too, and its sum is the number of states exactly. NumPy; one unit of energy throughout.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .kpoints import mesh, wrap
from .symmetry import SpaceGroup

#: bytes of weights worked on at once
_BLOCK = 64 * 2**20
#: corners of a cube by (i, j, k) bits, and the four main diagonals as pairs of corners
_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_DIAGONALS = ((0, 7), (1, 6), (2, 5), (3, 4))


@dataclass(frozen=True, eq=False)
class TetrahedronMesh:
    """A mesh of k-points reduced by symmetry and cut into tetrahedra.

    kpoints (K, 3) fractional and weights (K,): one point of every star; place (n,): star of each point of the full mesh; corners (T, 4): stars at the corners of
    the distinct tetrahedra; shares (T,): their shares of the zone, sum 1.
    """

    size: tuple[int, int, int]
    kpoints: np.ndarray
    weights: np.ndarray
    place: np.ndarray
    corners: np.ndarray
    shares: np.ndarray

    @classmethod
    def make(cls, size: tuple[int, int, int], shift: tuple[float, float, float], group: SpaceGroup, cell: np.ndarray) -> TetrahedronMesh:
        """The mesh `size` with `shift` (steps), reduced by the operations of `group` that map it on itself; cell rows in any unit."""
        group = group.compatible_with(size, shift)
        counts, steps = np.asarray(size), np.asarray(shift, float)
        points = mesh(size, shift)
        smallest = np.arange(len(points))
        for rotation in np.unique(group.rotations, axis=0):
            for sign in (1, -1) if group.time_reversal else (1,):
                index = np.round(sign * (points @ rotation) * counts - steps).astype(int) % counts
                np.minimum(smallest, np.ravel_multi_index(tuple(index.T), size), out=smallest)
        chosen, place, multiplicity = np.unique(smallest, return_inverse=True, return_counts=True)
        corners = place[_tetrahedra(size, cell)]
        distinct, count = np.unique(np.sort(corners, axis=1), axis=0, return_counts=True)
        return cls(tuple(size), wrap(points[chosen]), multiplicity / len(points), place, distinct, count / len(corners))

    def states(self, eigenvalues: np.ndarray, energies: np.ndarray, corrected: bool = False) -> np.ndarray:
        """Weights (K, B, E): the share of the zone around each k-point in which band b of eigenvalues (K, B) lies below each energy; their sum over k is the number
        of states per band. corrected: with Blöchl's correction, for integrals up to a Fermi energy (weights may then leave [0, 1])."""
        n_bands = eigenvalues.shape[1]
        result = np.zeros((len(self.kpoints), n_bands, len(energies)))
        block = max(1, _BLOCK // (8 * 4 * 6 * max(len(energies), 1)))
        for band in range(n_bands):
            levels = eigenvalues[:, band][self.corners]
            for start in range(0, len(levels), block):
                part = slice(start, start + block)
                weights = corner_weights(levels[part], energies, corrected) * self.shares[part, None, None]
                np.add.at(result[:, band], self.corners[part], weights)
        return result

    def fermi_energy(self, eigenvalues: np.ndarray, n_electrons: float) -> float:
        """The energy below which eigenvalues (S, K, B) hold n_electrons (2/S per state); in a gap its middle."""
        per_state = 2.0 / len(eigenvalues)

        corners = np.moveaxis(eigenvalues[:, self.corners], 2, -1).reshape(-1, 4)  # every band of every tetrahedron
        shares = np.broadcast_to(self.shares[None, :, None], (len(eigenvalues), len(self.shares), eigenvalues.shape[2])).reshape(-1)
        lowest, highest = corners.min(1), corners.max(1)
        order = np.argsort(highest)
        tops, filled = highest[order], np.concatenate([[0.0], np.cumsum(shares[order])])

        def count(energy: float) -> float:
            cut = np.flatnonzero((highest > energy) & (lowest < energy))
            part = corner_weights(corners[cut], np.array([energy]), False)[..., 0].sum(1) if len(cut) else np.zeros(0)
            return per_state * (filled[np.searchsorted(tops, energy, "right")] + float((shares[cut] * part).sum()))
        edges = []
        for surplus in (-1e-9, 1e-9):
            low, high = float(eigenvalues.min()) - 1e-6, float(eigenvalues.max()) + 1e-6
            while high - low > 1e-13 * max(1.0, abs(high)):
                middle = 0.5 * (low + high)
                if middle in (low, high):
                    break
                low, high = (middle, high) if count(middle) < n_electrons + surplus else (low, middle)
            edges.append(0.5 * (low + high))
        return 0.5 * (edges[0] + edges[1])


def _tetrahedra(size: tuple[int, int, int], cell: np.ndarray) -> np.ndarray:
    """Corners (6 n, 4) of the tetrahedra of a mesh as indices into it: every cell of the mesh cut around its shortest main diagonal."""
    steps = np.linalg.inv(np.asarray(cell, float)).T / np.asarray(size)[:, None]
    first, last = min(_DIAGONALS, key=lambda ends: float(np.linalg.norm((_CORNERS[ends[1]] - _CORNERS[ends[0]]) @ steps)))
    start, direction = _CORNERS[first], _CORNERS[last] - _CORNERS[first]
    paths = []
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        walk = [start]
        for axis in order:
            walk.append(walk[-1] + direction[axis] * np.eye(3, dtype=int)[axis])
        paths.append(walk)
    shape = np.array(paths)  # (6, 4, 3)
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), -1).reshape(-1, 1, 1, 3)
    index = (cells + shape[None]) % np.asarray(size)
    return np.ravel_multi_index(tuple(np.moveaxis(index, -1, 0)), size).reshape(-1, 4)


def corner_weights(levels: np.ndarray, energies: np.ndarray, corrected: bool) -> np.ndarray:
    """Weights (T, 4, E) of the corners of tetrahedra with `levels` (T, 4) for the part below each energy (E,); they sum to the part itself, 0 to 1."""
    order = np.argsort(levels, axis=1, kind="stable")
    e1, e2, e3, e4 = (column[:, None] for column in np.take_along_axis(levels, order, 1).T)
    e = np.asarray(energies, float)[None]

    def over(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return numerator / np.where(denominator > 0, denominator, 1.0)
    w = np.zeros((4, len(levels), e.shape[1]))
    d21, d31, d41, d32, d42, d43 = e2 - e1, e3 - e1, e4 - e1, e3 - e2, e4 - e2, e4 - e3
    low, mid, high, full = (e > e1) & (e <= e2), (e > e2) & (e <= e3), (e > e3) & (e < e4), e >= e4
    # e1 < e ≤ e2 (eqs. B2–B5)
    x = np.where(low, e - e1, 0.0)
    c = 0.25 * over(x**3, d21 * d31 * d41)
    w[0] += c * (4.0 - over(x, d21) - over(x, d31) - over(x, d41))
    for i, d in ((1, d21), (2, d31), (3, d41)):
        w[i] += c * over(x, d)
    # e2 < e ≤ e3 (eqs. B6–B10)
    x1, x2, x3, x4 = (np.where(mid, s * (e - ei), 0.0) for s, ei in ((1, e1), (1, e2), (-1, e3), (-1, e4)))
    c1 = 0.25 * over(x1**2, d41 * d31)
    c2 = 0.25 * over(x1 * x2 * x3, d41 * d32 * d31)
    c3 = 0.25 * over(x2**2 * x4, d42 * d32 * d41)
    w[0] += c1 + (c1 + c2) * over(x3, d31) + (c1 + c2 + c3) * over(x4, d41)
    w[1] += c1 + c2 + c3 + (c2 + c3) * over(x3, d32) + c3 * over(x4, d42)
    w[2] += (c1 + c2) * over(x1, d31) + (c2 + c3) * over(x2, d32)
    w[3] += (c1 + c2 + c3) * over(x1, d41) + c3 * over(x2, d42)
    # e3 < e < e4 (eqs. B11–B15)
    x = np.where(high, e4 - e, 0.0)
    c = 0.25 * over(x**3, d41 * d42 * d43)
    for i, d in ((0, d41), (1, d42), (2, d43)):
        w[i] += np.where(high, 0.25 - c * over(x, d), 0.0)
    w[3] += np.where(high, 0.25 - c * (4.0 - over(x, d41) - over(x, d42) - over(x, d43)), 0.0)
    w += 0.25 * full
    if corrected:
        states = _density(e, (e1, e2, e3, e4), (d21, d31, d41, d32, d42, d43), (low, mid, high), over)
        total = e1 + e2 + e3 + e4
        for i, ei in enumerate((e1, e2, e3, e4)):
            w[i] += states * (total - 4.0 * ei) / 40.0
    result = np.empty((len(levels), 4, e.shape[1]))
    np.put_along_axis(result, np.broadcast_to(order[:, :, None], result.shape), np.moveaxis(w, 0, 1), 1)
    return result


def _density(e, levels, differences, ranges, over) -> np.ndarray:
    """Density of states of single tetrahedra (T, E), eqs. C1–C4."""
    e1, e2, _, e4 = levels
    d21, d31, d41, d32, d42, d43 = differences
    low, mid, high = ranges
    x = np.where(low, e - e1, 0.0)
    y = np.where(mid, e - e2, 0.0)
    z = np.where(high, e4 - e, 0.0)
    middle = over(3.0 * d21 + 6.0 * y - 3.0 * over((d31 + d42) * y**2, d32 * d42), d31 * d41)
    return 3.0 * over(x**2, d21 * d31 * d41) + np.where(mid, middle, 0.0) + 3.0 * over(z**2, d41 * d42 * d43)
