"""Distance, angle, dihedral between atoms, through the nearest periodic images; pure functions, text with units."""

from __future__ import annotations

import itertools

import numpy as np

from solvers.core.structure import Structure

from ..translate import tr


def nearest_image(vector: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """`vector` (3,) Å moved by cell vectors to its shortest length; exact for any cell.

    Rounding fractional coordinates is not enough in skewed cells, so the cell is reduced first (Minkowski) and the neighbouring images are compared.
    """
    from ase.geometry import complete_cell, minkowski_reduce

    periodic = np.asarray(pbc, bool) & (np.linalg.norm(cell, axis=1) > 1e-9)
    if not periodic.any():
        return np.array(vector, float)
    full = complete_cell(np.where(periodic[:, None], cell, 0.0))
    if abs(np.linalg.det(full)) < 1e-9 * np.prod(np.linalg.norm(full, axis=1)):
        return np.array(vector, float)  # a singular cell, legal while editing, has no images to speak of
    reduced, _ = minkowski_reduce(full, pbc=periodic)
    fractional = np.linalg.solve(reduced.T, np.asarray(vector, float))
    home = vector - np.where(periodic, np.rint(fractional), 0.0) @ reduced
    shifts = np.array(list(itertools.product(*((-1, 0, 1) if flag else (0,) for flag in periodic))))
    candidates = home + shifts @ reduced
    best = candidates[int(np.argmin(np.einsum("ni,ni->n", candidates, candidates)))]
    # of several images equally near the one that was meant wins: the picture's line then stays inside the cell
    return np.array(vector, float) if np.linalg.norm(vector) < np.linalg.norm(best) + 1e-6 else best


def chain(structure: Structure, atoms: tuple[int, ...]) -> np.ndarray:
    """(n, 3) Å: the atoms' positions, each moved to the image nearest to the one before it. This is what a measurement's line follows."""
    points = [np.array(structure.positions[atoms[0]])]
    for first, second in itertools.pairwise(atoms):
        points.append(points[-1] + nearest_image(structure.positions[second] - structure.positions[first], structure.cell, structure.pbc))
    return np.array(points)


def distance(structure: Structure, i: int, j: int) -> float:
    """Å between two atoms through the nearest image."""
    return float(np.linalg.norm(nearest_image(structure.positions[j] - structure.positions[i], structure.cell, structure.pbc)))


def angle(structure: Structure, i: int, j: int, k: int) -> float:
    """Degrees, 0 to 180, at atom j between i and k, each through the image nearest to j. NaN when two of them coincide."""
    first = nearest_image(structure.positions[i] - structure.positions[j], structure.cell, structure.pbc)
    second = nearest_image(structure.positions[k] - structure.positions[j], structure.cell, structure.pbc)
    size = np.linalg.norm(first) * np.linalg.norm(second)
    if size < 1e-12:
        return float("nan")
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))


def dihedral(structure: Structure, i: int, j: int, k: int, l: int) -> float:
    """Degrees, -180 to 180, IUPAC sign (looking along j→k, clockwise from i to l is positive). NaN when three in a row are on one line."""
    points = chain(structure, (i, j, k, l))
    b1, b2, b3 = np.diff(points, axis=0)
    n1, n2 = np.cross(b1, b2), np.cross(b2, b3)
    if min(np.linalg.norm(n1), np.linalg.norm(n2)) < 1e-9:
        return float("nan")
    return float(np.degrees(np.arctan2(np.linalg.norm(b2) * (b1 @ n2), n1 @ n2)))


def value(structure: Structure, atoms: tuple[int, ...]) -> tuple[float, str]:
    """(number, unit) of a measurement over 2, 3 or 4 atoms; raises ValueError for another number of atoms."""
    kinds = {2: (distance, "Å"), 3: (angle, "°"), 4: (dihedral, "°")}
    if len(atoms) not in kinds:
        raise ValueError(f"{len(atoms)} atoms cannot be measured. Allowed: 2 for a distance, 3 for an angle, 4 for a dihedral.")
    function, unit = kinds[len(atoms)]
    return function(structure, *atoms), unit


def short_text(structure: Structure, atoms: tuple[int, ...]) -> str:
    """What stands beside the line in the picture: "2.352 Å", "109.47°"."""
    number, unit = value(structure, atoms)
    if not np.isfinite(number):
        return tr("undefined")
    return f"{number:.3f} Å" if unit == "Å" else f"{number:.2f}°"


def sentence(structure: Structure, atoms: tuple[int, ...]) -> str:
    """One line for the status bar: "Distance Si 0 – Si 1: 2.352 Å"."""
    names = " – ".join(f"{structure.symbols[k]} {k}" for k in atoms)
    kind = {2: tr("Distance"), 3: tr("Angle"), 4: tr("Dihedral")}[len(atoms)]
    return f"{kind} {names}: {short_text(structure, atoms)}"
