"""Orbitals at every point of a k-mesh from those at its irreducible points: which operation takes which point where, and what it does to coefficients."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.core.errors import SetupError

from .basis import Sphere
from .kpoints import mesh
from .symmetry import SpaceGroup


@dataclass(frozen=True, eq=False)
class Image:
    """A point `k` (3,) fractional of the full mesh: the orbitals at irreducible point `source`, turned by operation W, w, complex conjugated if `reversed`."""

    k: np.ndarray
    source: int
    rotation: np.ndarray
    translation: np.ndarray
    reversed: bool

    @property
    def trivial(self) -> bool:
        """Whether it is the irreducible point itself."""
        return not self.reversed and bool((self.rotation == np.eye(3, dtype=int)).all()) and not np.abs(self.translation).any()

    def coefficients(self, sphere: Sphere) -> tuple[np.ndarray, np.ndarray]:
        """(integer G' (n_pw, 3), phases (n_pw,)): coefficient c(k+G) of the source goes to k'+G' as phase·c, or phase·c* where `reversed`.

        {W|w} takes ψ(x) to ψ(W⁻¹(x − w)): wave vector K becomes K' = W⁻ᵀK, and its coefficient gets e^{−2πi K'·w}.
        """
        turned = (sphere.miller + sphere.k) @ np.rint(np.linalg.inv(self.rotation)).astype(int)
        phases = np.exp(-2j * np.pi * turned @ self.translation)
        if self.reversed:
            turned, phases = -turned, phases.conj()
        return np.rint(turned - self.k).astype(np.int64), phases


def images(kpoints: np.ndarray, size: tuple[int, int, int], shift: tuple[float, float, float], group: SpaceGroup | None,
           time_reversal: bool) -> list[Image]:
    """One `Image` for every point of the mesh (`size`, `shift` in steps). kpoints (K, 3): its irreducible points under `group` and time reversal.

    Raises SetupError when they do not reach the whole mesh.
    """
    counts, steps = np.asarray(size), np.asarray(shift, float)
    points = mesh(size, shift)
    found: dict[int, Image] = {}
    unit = (np.eye(3, dtype=int)[None], np.zeros((1, 3)))
    rotations, translations = unit if group is None else (group.rotations, group.translations)
    order = np.argsort([not (W == np.eye(3)).all() or np.abs(w).any() for W, w in zip(rotations, translations, strict=True)], kind="stable")  # identity first
    for sign in (1, -1) if time_reversal else (1,):
        for operation in order:
            W = rotations[operation]
            place = sign * (np.asarray(kpoints) @ np.linalg.inv(W)) * counts - steps
            whole = np.abs(place - np.rint(place)).max(1) < 1e-6
            index = np.ravel_multi_index(tuple((np.rint(place).astype(int) % counts).T), size)
            for source in np.flatnonzero(whole):
                if index[source] not in found:
                    found[int(index[source])] = Image(points[index[source]], int(source), W, translations[operation], sign < 0)
    if len(found) != len(points):
        raise SetupError(f"The {len(kpoints)} k-points reach only {len(found)} of the {len(points)} points of the mesh {'x'.join(map(str, size))}.",
                         hint="Exact exchange needs a full mesh: use the symmetry group that the k-points were reduced by.")
    return [found[i] for i in range(len(points))]
