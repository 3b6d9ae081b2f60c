"""Full neighbour lists in compressed rows, built by a cell list on the CPU, and the skin that decides when to build again."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.core.errors import SetupError

from . import kernels
from .geometry import make_bins
from .threads import over_chunks


@dataclass(frozen=True, eq=False)
class NeighbourList:
    """Row i of a full list holds every pair (i, j, shift) with |r_j + shift·cell − r_i| <= cutoff, an atom's own images included,
    ordered by (j, shift): the same positions give the same order, whatever happened before.

    offsets (N+1,) int64, neighbours (M,) int32, shifts (M, 3) int32 in cell vectors, cutoff in Å.
    """

    offsets: np.ndarray
    neighbours: np.ndarray
    shifts: np.ndarray
    cutoff: float

    def __len__(self) -> int:
        return len(self.neighbours)

    @property
    def centres(self) -> np.ndarray:
        """The central atom of every pair, (M,) int64."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def vectors(self, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """r_j + shift·cell − r_i of every pair, (M, 3) in Å, for positions and a cell that may have moved since the list was built."""
        return positions[self.neighbours] + self.shifts @ np.asarray(cell, float) - positions[self.centres]


def neighbour_list(positions: np.ndarray, cell: np.ndarray, pbc, cutoff: float) -> NeighbourList:
    """The full neighbour list for positions (N, 3) Å, cell (3, 3) rows Å, pbc (3,), cutoff Å; any cell, also one smaller than the cutoff.

    Positions need not be wrapped; shifts belong to the positions as given. Raises StructureError for a singular cell, SetupError for a
    cutoff that is not positive. Method: linked cells (Allen & Tildesley, Computer Simulation of Liquids, §5.3.2), two passes, no pair buffer.
    """
    positions = np.ascontiguousarray(positions, dtype=float)
    if not cutoff > 0 or not np.isfinite(cutoff):
        raise SetupError(f"The neighbour cutoff is {cutoff} Å.", hint="It must be positive and finite.")
    n_atoms = len(positions)
    pbc = np.ascontiguousarray(np.broadcast_to(np.asarray(pbc, bool), 3))
    if n_atoms == 0:
        return NeighbourList(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros((0, 3), np.int32), float(cutoff))
    bins = make_bins(positions, cell, pbc, float(cutoff))
    atom_bins = kernels.assign_bins(bins.fractional, bins.origin, bins.length, bins.counts)
    starts, order = kernels.sort_bins(atom_bins, int(bins.counts.prod()))
    wrapped = bins.fractional @ bins.cell
    common = (wrapped, bins.cell, pbc, atom_bins, bins.counts, bins.reach, starts, order, float(cutoff) ** 2)
    counts = np.empty(n_atoms, np.int64)
    over_chunks(lambda _, begin, end: kernels.count_pairs(begin, end, *common, counts), n_atoms)
    offsets = np.zeros(n_atoms + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    neighbours = np.empty(offsets[-1], np.int32)
    shifts = np.empty((offsets[-1], 3), np.int32)
    over_chunks(lambda _, begin, end: kernels.fill_pairs(begin, end, *common, bins.wraps, offsets, neighbours, shifts), n_atoms)
    return NeighbourList(offsets, neighbours, shifts, float(cutoff))


class SkinList:
    """A neighbour list with a skin: built for cutoff + skin and kept while no atom can have brought a new pair within the cutoff.

    Between builds each atom may move by skin/2 relative to the frame that the cell deforms with; the shrinking of distances by a cell
    change is charged against the same skin.
    """

    def __init__(self, cutoff: float, skin: float = 1.0):
        self.cutoff, self.skin = float(cutoff), float(skin)
        self.n_builds = 0
        self._list: NeighbourList | None = None
        self._positions = self._cell = self._pbc = None

    def update(self, positions: np.ndarray, cell: np.ndarray, pbc) -> NeighbourList:
        """A list that holds every pair within `cutoff`, rebuilt only when it could miss one. Filter by distance when using it."""
        positions, cell = np.asarray(positions, float), np.asarray(cell, float)
        if self._list is None or self.stale(positions, cell, pbc):
            self._list = neighbour_list(positions, cell, pbc, self.cutoff + self.skin)
            self._positions, self._cell, self._pbc = positions.copy(), cell.copy(), np.array(np.broadcast_to(pbc, 3), bool)
            self.n_builds += 1
        return self._list

    def stale(self, positions: np.ndarray, cell: np.ndarray, pbc) -> bool:
        """Whether a pair outside cutoff + skin at the last build could now lie within the cutoff."""
        if self._positions is None or len(positions) != len(self._positions) or (np.broadcast_to(pbc, 3) != self._pbc).any():
            return True
        shrink = 1.0
        carried = self._positions
        if not np.array_equal(cell, self._cell):
            if not self._pbc.all():
                return True
            deformation = np.linalg.solve(self._cell, cell)  # old rows @ deformation = new rows
            shrink = float(np.linalg.svd(deformation, compute_uv=False)[-1])
            carried = self._positions @ deformation
        moved = np.sqrt(((positions - carried) ** 2).sum(axis=1).max()) if len(positions) else 0.0
        return bool(2.0 * moved >= shrink * (self.cutoff + self.skin) - self.cutoff)
