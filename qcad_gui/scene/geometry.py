"""Points and segments of a picture: images of the cell, cell edges, half bonds. Plain numpy."""

from __future__ import annotations

import numpy as np

from .bonds import Bonds, bond_vectors

_MOMENT_LENGTH = 0.8  # Å
#: the twelve edges of a parallelepiped as pairs of corner indices, corner = 4 i + 2 j + k
_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_EDGES = np.array([[m, n] for m in range(8) for n in range(m + 1, 8) if np.abs(_CORNERS[m] - _CORNERS[n]).sum() == 1])


def cell_edges(cell: np.ndarray, repeat: tuple[int, int, int] = (1, 1, 1), origin: np.ndarray | tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """(12, 2, 3) Å: the edges of the cell repeated as a whole; (0, 2, 3) for a cell without extent."""
    if np.linalg.norm(cell, axis=1).max() < 1e-9:
        return np.zeros((0, 2, 3))
    corners = (_CORNERS * np.array(repeat)) @ cell + np.asarray(origin)
    edges = corners[_EDGES]
    return edges[np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1) > 1e-9]


def repeats(count: int, repeat: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """owner (n·m·k · count,) and shift (…, 3): `count` atoms in every repeated cell, image after image; the first image is the cell itself."""
    shifts = np.stack(np.meshgrid(*(np.arange(k) for k in repeat), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.tile(np.arange(count), len(shifts)), np.repeat(shifts, count, axis=0)


def face_images(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, repeat: tuple[int, int, int], *, within: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """owner and shift of the images that complete the picture's faces: an atom within `within` Å of a face, edge or corner also stands on the opposite ones."""
    nothing = np.zeros(0, np.int64), np.zeros((0, 3), np.int64)
    if not len(positions) or abs(np.linalg.det(cell)) < 1e-6:
        return nothing
    inverse = np.linalg.inv(cell)
    margin = within * np.linalg.norm(inverse, axis=0)  # fractional, over the height between two faces
    fractional = positions @ inverse
    owners, shifts = [], []
    for offset in np.ndindex(*(k + 2 for k in repeat)):
        shift = np.array(offset) - 1  # one cell beyond the picture on each side
        if ((shift >= 0) & (shift < repeat)).all() or (~np.asarray(pbc, bool) & ((shift < 0) | (shift >= repeat))).any():
            continue
        at = fractional + shift
        touching = ((at > -margin) & (at < np.array(repeat) + margin)).all(axis=1)
        owners.append(np.flatnonzero(touching))
        shifts.append(np.repeat(shift[None], touching.sum(), axis=0))
    return (np.concatenate(owners), np.concatenate(shifts)) if owners else nothing


def placed(positions: np.ndarray, cell: np.ndarray, owner: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(n, 3) Å: where the images stand."""
    return positions[owner] + shift @ cell


def half_bonds(
    bonds: Bonds, positions: np.ndarray, cell: np.ndarray, owner: np.ndarray, shift: np.ndarray, whole_only: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """starts (h, 3) Å, vectors (h, 3) Å and row (h,): from each drawn atom to the middle of each of its bonds.

    Inside the picture two halves meet; through a face that nothing was drawn behind, the half leaves the cell: a periodic bond needs no special case. Images
    flagged in `whole_only` (n,) (the extra ones on the faces) show only bonds to atoms that are drawn.
    """
    towards = 0.5 * bond_vectors(bonds, positions, cell)
    atom = np.concatenate([bonds.i, bonds.j])
    partner = np.concatenate([bonds.j, bonds.i])
    vectors = np.concatenate([towards, -towards])
    step = np.concatenate([bonds.shift, -bonds.shift])
    order = np.argsort(atom, kind="stable")
    count = np.bincount(atom, minlength=len(positions))
    first = np.concatenate([[0], np.cumsum(count)])[owner]
    per_image = count[owner]
    image = np.repeat(np.arange(len(owner)), per_image)
    which = order[np.repeat(first, per_image) + np.arange(len(image)) - np.repeat(np.cumsum(per_image) - per_image, per_image)]
    if whole_only.any():
        drawn = _keys(owner, shift)
        keep = ~whole_only[image] | np.isin(_keys(partner[which], shift[image] + step[which]), drawn)
        image, which = image[keep], which[keep]
    return positions[owner[image]] + shift[image] @ cell, vectors[which], image


def _keys(owner: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """One whole number per image, unique while shifts stay below a thousand cells."""
    wide = shift.astype(np.int64) + 1000
    return ((owner.astype(np.int64) * 2001 + wide[:, 0]) * 2001 + wide[:, 1]) * 2001 + wide[:, 2]


def above_noise(values: np.ndarray, noise: float) -> bool:
    """True when one of the vectors (N, 3) is longer than `noise`."""
    return bool(np.linalg.norm(values, axis=1).max(initial=0.0) > noise)


def inside_angle(points: np.ndarray) -> np.ndarray:
    """(3,) Å: a place for the text of an angle, between its legs near the tip."""
    legs = points[[0, 2]] - points[1]
    legs /= np.maximum(np.linalg.norm(legs, axis=1, keepdims=True), 1e-9)
    return points[1] + 0.45 * legs.sum(axis=0)


def point_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals: area-weighted means of the adjoining triangles'."""
    faces = np.cross(points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]])
    out = np.zeros_like(points)
    for k in range(3):
        np.add.at(out, triangles[:, k], faces)
    out /= np.maximum(np.linalg.norm(out, axis=1), 1e-300)[:, None]
    return out if np.einsum("ni,ni->", out, points) >= 0 else -out


def moment_arrows(positions: np.ndarray, radii: np.ndarray, moments: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """starts (n, 3) Å and vectors (n, 3) Å of arrows through atoms, along z (collinear spin has no direction of its own); they stand out of their atoms by up
    to `_MOMENT_LENGTH` on either side. Nothing where no moment exceeds `noise`; small ones beside a large one are left out."""
    largest = float(np.abs(moments).max(initial=0.0))
    if largest <= noise:
        return np.zeros((0, 3)), np.zeros((0, 3))
    share = moments / largest
    kept = np.abs(share) > 0.02
    along = np.outer((np.sign(share) * (radii + _MOMENT_LENGTH * np.abs(share)))[kept], (0.0, 0.0, 1.0))
    return positions[kept] - along, 2.0 * along
