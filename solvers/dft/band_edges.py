"""What a set of bands says about gaps, edges and continuity. NumPy only; one unit of energy throughout, k-points in whatever unit the caller has."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Edge:
    """One band edge: energy, spin, band, index of the k-point and the k-point itself (3,)."""

    energy: float
    spin: int
    band: int
    index: int
    kpoint: tuple[float, float, float]


@dataclass(frozen=True)
class Gap:
    """size: 0 for a metal; valence, conduction: the edges (None for a metal); direct: smallest vertical gap, direct_edge: its valence state."""

    size: float
    valence: Edge | None
    conduction: Edge | None
    direct: float
    direct_edge: Edge | None

    @property
    def is_direct(self) -> bool:
        """Whether both edges lie at the same k-point and spin."""
        return (self.valence is not None and self.conduction is not None and self.valence.spin == self.conduction.spin
                and np.allclose(self.valence.kpoint, self.conduction.kpoint, atol=1e-9))


METAL = Gap(0.0, None, None, 0.0, None)


def band_gap(eigenvalues: np.ndarray, kpoints: np.ndarray, fermi_energy: float | np.ndarray) -> Gap:
    """The gap at the Fermi energy (one, or one per spin) of eigenvalues (S, K, B) at kpoints (K, 3): a metal where the number of bands below it changes along
    the points.

    Bands must be sorted. In a half-metal one spin has no gap, hence neither has the crystal.
    """
    counts = (eigenvalues < np.reshape(fermi_energy, (-1, 1, 1))).sum(-1)  # (S, K)
    filled = counts[:, 0]
    if (counts != filled[:, None]).any() or (filled == 0).all() or (filled >= eigenvalues.shape[2]).any():
        return METAL
    spins = [spin for spin in range(len(filled)) if filled[spin] > 0]
    valence = max((_edge(eigenvalues, kpoints, spin, filled[spin] - 1, 1) for spin in spins), key=lambda edge: edge.energy)
    conduction = min((_edge(eigenvalues, kpoints, spin, filled[spin], -1) for spin in range(len(filled))), key=lambda edge: edge.energy)
    vertical = {spin: eigenvalues[spin, :, filled[spin]] - eigenvalues[spin, :, filled[spin] - 1] for spin in spins}
    spin = min(vertical, key=lambda item: vertical[item].min())
    index = int(vertical[spin].argmin())
    band = int(filled[spin] - 1)
    edge = Edge(float(eigenvalues[spin, index, band]), spin, band, index, tuple(map(float, kpoints[index])))
    return Gap(conduction.energy - valence.energy, valence, conduction, float(vertical[spin].min()), edge)


def _edge(eigenvalues: np.ndarray, kpoints: np.ndarray, spin: int, band: int, sign: int) -> Edge:
    values = eigenvalues[spin, :, band]
    # of equal values the first counts: points at the ends of a path, which have names, come before points beside them
    index = int(np.flatnonzero(sign * values >= (sign * values).max() - 1e-9)[0])
    return Edge(float(values[index]), spin, int(band), index, tuple(map(float, kpoints[index])))


def degenerate_with(levels: np.ndarray, band: int, tolerance: float) -> tuple[int, int]:
    """(first, last) band of the group of `levels` (B,) that `band` belongs to, neighbours within `tolerance`."""
    first = last = band
    while first > 0 and levels[first] - levels[first - 1] < tolerance:
        first -= 1
    while last + 1 < len(levels) and levels[last + 1] - levels[last] < tolerance:
        last += 1
    return first, last


def jumps(eigenvalues: np.ndarray, segments: tuple[slice, ...], floor: float) -> list[tuple[int, int, int]]:
    """(spin, k-point, band) where a sorted band leaves both neighbours by more than `floor` and more than thrice its largest change elsewhere on the segment.

    Sorted eigenvalues are continuous in k; a band that the eigensolver missed at one point lifts all bands above it there.
    """
    found = []
    for part in segments:
        if part.stop - part.start < 5:
            continue
        values = eigenvalues[:, part]
        change = np.abs(np.diff(values, axis=1))  # (S, n - 1, B)
        inner = np.minimum(values[:, 1:-1] - values[:, :-2], values[:, 1:-1] - values[:, 2:])  # > 0: above both neighbours
        near = np.maximum(change[:, :-1], change[:, 1:])
        order = np.sort(change, axis=1)
        usual = order[:, -3][:, None]  # the two steps beside one bad point are the largest two
        bad = (inner > floor) & (near > 3.0 * np.maximum(usual, 1e-12))
        found += [(int(s), int(k) + part.start + 1, int(b)) for s, k, b in np.argwhere(bad)]
    return found
