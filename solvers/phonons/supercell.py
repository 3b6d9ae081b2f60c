"""Which supercell holds the force constants: given, or the smallest one whose images are far enough apart; and its calculator with a frozen basis."""
from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from ..core.errors import SetupError
from ..core.structure import Structure
from ..md.evaluation import live_calculator

#: energy tolerance in eV/atom that displaced cells are solved to at least: forces err by about its square root
TOLERANCE = 1e-10
_MOST_ATOMS = 5000


def shortest_vector(cell: np.ndarray) -> float:
    """Length of the shortest lattice vector of `cell` (rows), exact for the reduced cells that come out of `reduced`."""
    rows = reduced(cell)
    n = np.array([c for c in product((-1, 0, 1), repeat=3) if any(c)])
    return float(np.linalg.norm(n @ rows, axis=1).min())


def reduced(cell: np.ndarray) -> np.ndarray:
    """Minkowski-reduced rows of `cell`."""
    from ase.geometry import minkowski_reduce
    return np.asarray(minkowski_reduce(cell)[0])


def choose(structure: Structure, min_length: float, tolerance: float) -> np.ndarray:
    """The matrix (3, 3) of the smallest supercell whose shortest lattice vector is at least `min_length` Å, among equal-handed multiples of the cell
    and of its conventional cell; axes that symmetry links get equal multiples, axes without periodicity one. Raises SetupError where it is huge.
    """
    import spglib
    cell = np.asarray(structure.cell)
    candidates = [np.eye(3, dtype=int)]
    dataset = spglib.get_symmetry_dataset((cell, structure.positions @ np.linalg.inv(cell), structure.numbers), symprec=tolerance)
    if dataset is not None and structure.pbc.all():
        matrix = np.linalg.inv(dataset.transformation_matrix).T  # conventional rows in rows of the cell
        whole = np.round(matrix)
        if np.abs(matrix - whole).max() < 1e-6 and np.linalg.det(whole) > 0.5:
            candidates.append(whole.astype(int))
    best, best_volume = None, math.inf
    for base in candidates:
        groups = _linked(dataset, base) if structure.pbc.all() else [[i] for i in range(3)]
        free = [group for group in groups if structure.pbc[group].all()]
        for counts in _multiples(base @ cell, free, min_length):
            found = np.diag(counts) @ base
            volume = abs(round(float(np.linalg.det(found))))
            if volume < best_volume:
                best, best_volume = found, volume
    if best is None or best_volume * len(structure) > _MOST_ATOMS:
        raise SetupError(f"Images {min_length:g} Å apart need a supercell of more than {_MOST_ATOMS} atoms.", hint="Lower min_length or give a supercell.")
    return best


def _linked(dataset: Any, base: np.ndarray) -> list[list[int]]:
    """Axes of the cell `base` that some rotation of the crystal mixes."""
    if dataset is None:
        return [[0], [1], [2]]
    turn = np.linalg.inv(base.T) @ np.asarray(dataset.rotations) @ base.T  # fractions of `base` rows
    linked = (np.abs(turn) > 1e-6).any(0) | np.eye(3, dtype=bool)
    linked = np.linalg.matrix_power((linked | linked.T).astype(int), 3) > 0
    return [list(group) for group in sorted({tuple(int(i) for i in np.nonzero(row)[0]) for row in linked})]


def _multiples(cell: np.ndarray, groups: list[list[int]], length: float) -> list[list[int]]:
    """Numbers of cells per axis, one per group, just large enough; axes outside of `groups` stay single and are not looked at."""
    periodic = [axis for group in groups for axis in group]
    top = max(1, math.ceil(length / min(np.linalg.norm(cell, axis=1)) * 2))
    found = []
    for counts in product(range(1, top + 1), repeat=len(groups)):
        n = [1, 1, 1]
        for group, count in zip(groups, counts, strict=True):
            for axis in group:
                n[axis] = count
        if _periodic_length(np.diag(n) @ cell, periodic) >= length - 1e-6:
            found.append(n)
    return found


def _periodic_length(cell: np.ndarray, axes: list[int]) -> float:
    if not axes:
        return math.inf
    rows = cell.copy()
    for axis in set(range(3)) - set(axes):  # no images that way
        rows[axis] = 1e4 * rows[axis] / np.linalg.norm(rows[axis])
    return shortest_vector(rows)


def frozen(source: Any, unit, supercell, matrix: np.ndarray, origin: np.ndarray) -> Any:
    """A live calculator for `supercell` and all its displaced copies; unconverged cycles come back flagged instead of raising.

    A plane-wave calculator (duck-typed by `frozen_for`) gets one cutoff, one FFT box and the k-mesh of `unit` (ase.Atoms) folded into the supercell `matrix`
    (rows); origin (N,): the atom of `unit` that each atom of the supercell repeats.
    """
    calculator = live_calculator(source)
    if hasattr(calculator, "frozen_for"):
        keywords = calculator.todict()
        chosen = calculator.resolve(unit)
        keywords |= {"kpts": folded_mesh(chosen["kpts"], unit.cell.array, matrix), "cutoff": chosen["cutoff"], "grid": None,
                     "checkpoint": None}  # a file that keeps the unit cell's density must not get a supercell's
        if keywords.get("magmoms") is not None:
            keywords["magmoms"] = [list(keywords["magmoms"])[i] for i in origin]
        cells = len(origin) / len(unit)
        keywords |= {name: keywords[name] * cells for name in ("charge", "total_moment") if keywords.get(name)}  # both belong to one cell
        keywords["tolerance"] = min(keywords.get("tolerance", TOLERANCE), TOLERANCE)
        calculator = type(calculator)(**keywords).frozen_for(supercell)
    if hasattr(calculator, "strict"):
        calculator.strict = False
    return calculator


def folded_mesh(kpts: Mapping[str, Any], cell: np.ndarray, matrix: np.ndarray) -> dict[str, Any]:
    """The k-mesh of a supercell that is at least as dense as {"size", "shift"} of the cell; the same points where the multiples divide the mesh."""
    size = np.array(kpts["size"])
    if np.array_equal(matrix, np.diag(np.diag(matrix))):
        new = np.ceil(size / np.diag(matrix) - 1e-9)
    else:
        spacing = min(np.linalg.norm(np.linalg.inv(cell), axis=0) / size)
        new = np.ceil(np.linalg.norm(np.linalg.inv(matrix @ cell), axis=0) / spacing - 1e-6)
    return {"size": tuple(int(max(1, n)) for n in new), "shift": tuple(kpts["shift"])}
