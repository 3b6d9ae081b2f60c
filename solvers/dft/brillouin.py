"""The first Brillouin zone as a polyhedron: what a window draws and what fixes which k-points are nearest to Γ. Cartesian 1/Å (2π included); no torch."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..core.errors import StructureError


@dataclass(frozen=True, eq=False)
class BrillouinZone:
    """The Wigner–Seitz cell of the reciprocal lattice.

    reciprocal (3, 3): rows b_i, 1/Å, a_i·b_j = 2π δ_ij; vertices (V, 3) in 1/Å; faces: for each face the indices of its vertices in order around it,
    counter-clockwise seen from outside; edges (E, 2): pairs of vertices; normals (F, 3): the reciprocal lattice vectors whose bisecting planes the faces are.
    """

    reciprocal: np.ndarray
    vertices: np.ndarray
    faces: tuple[tuple[int, ...], ...]
    edges: np.ndarray
    normals: np.ndarray

    @property
    def volume(self) -> float:
        """Volume in 1/Å³: (2π)³ over that of the cell."""
        total = 0.0
        for face in self.faces:
            corner = self.vertices[list(face)]
            total += float(np.einsum("ij,ij->", np.cross(corner[1:-1], corner[2:]), np.broadcast_to(corner[0], corner[2:].shape)))
        return total / 6.0

    def holds(self, points: np.ndarray, slack: float = 1e-9) -> np.ndarray:
        """Whether Cartesian points (…, 3) in 1/Å lie in the zone, its surface included."""
        half = 0.5 * (self.normals**2).sum(1)
        return (np.asarray(points) @ self.normals.T <= half * (1.0 + slack) + slack).all(-1)

    def fold(self, points: np.ndarray) -> np.ndarray:
        """Cartesian points (n, 3) moved by reciprocal lattice vectors into the zone."""
        points = np.array(points, float).reshape(-1, 3)
        steps = np.concatenate([np.zeros((1, 3)), _neighbours(_reduced(self.reciprocal), 2)])
        fractions = points @ np.linalg.inv(self.reciprocal)
        points = (fractions - np.round(fractions)) @ self.reciprocal
        for _ in range(20):
            candidates = points[:, None] - steps[None]
            length = (candidates**2).sum(-1)
            best = np.where((length < length[:, :1] - 1e-12).any(1), length.argmin(1), 0)
            if not best.any():
                break
            points = candidates[np.arange(len(points)), best]
        return points


def brillouin_zone(cell: np.ndarray) -> BrillouinZone:
    """The first Brillouin zone of a cell (3, 3) of rows in Å. Raises StructureError for a cell without volume."""
    from scipy.spatial import Voronoi
    cell = np.asarray(cell, float)
    if cell.shape != (3, 3) or not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-9:
        raise StructureError("This cell has no volume, hence no Brillouin zone.", hint="Give three independent cell vectors.")
    reciprocal = 2.0 * math.pi * np.linalg.inv(cell).T
    lattice = np.concatenate([np.zeros((1, 3)), _neighbours(_reduced(reciprocal), 2)])
    diagram = Voronoi(lattice)
    vertices: list[np.ndarray] = []
    faces, normals = [], []
    size = float(np.linalg.norm(lattice[1:], axis=1).min())
    for (one, two), ridge in zip(diagram.ridge_points, diagram.ridge_vertices, strict=True):
        if 0 not in (one, two) or -1 in ridge:
            continue
        normal = lattice[two if one == 0 else one]
        corners = _distinct(diagram.vertices[ridge], 1e-7 * size)
        if len(corners) < 3:  # planes that only touch the zone in an edge or a corner
            continue
        faces.append(tuple(_place(vertices, corner, 1e-7 * size) for corner in _around(corners, normal)))
        normals.append(normal)
    pairs = {tuple(sorted((face[i - 1], face[i]))) for face in faces for i in range(len(face))}
    return BrillouinZone(reciprocal, np.array(vertices), tuple(faces), np.array(sorted(pairs)), np.array(normals))


def _reduced(rows: np.ndarray) -> np.ndarray:
    """The same lattice by short vectors, so that two shells of neighbours contain every face."""
    from ase.geometry.minkowski_reduction import minkowski_reduce
    return minkowski_reduce(rows)[0]


def _neighbours(rows: np.ndarray, reach: int) -> np.ndarray:
    counts = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    return counts[(counts != 0).any(1)] @ rows


def _around(corners: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Corners of a flat face in order, counter-clockwise seen against `normal`."""
    middle = corners.mean(0)
    first = corners[0] - middle
    second = np.cross(normal, first) / np.linalg.norm(normal)
    angle = np.arctan2((corners - middle) @ second, (corners - middle) @ first)
    return corners[np.argsort(angle)]


def _distinct(points: np.ndarray, tolerance: float) -> np.ndarray:
    found: list[np.ndarray] = []
    for point in points:
        _place(found, point, tolerance)
    return np.array(found)


def _place(known: list[np.ndarray], point: np.ndarray, tolerance: float) -> int:
    """Index of `point` in `known`, appended when it is new."""
    for i, other in enumerate(known):
        if np.abs(other - point).max() < tolerance:
            return i
    known.append(np.array(point))
    return len(known) - 1
