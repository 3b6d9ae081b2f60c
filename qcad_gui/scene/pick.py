"""Screen position -> atom, by projecting all atoms: deterministic, no GPU read-back, the same at every pixel ratio.

Screen positions are widget coordinates: device-independent pixels, origin top left. `Projector` holds what a camera
and a widget say; it knows neither VTK nor Qt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projector:
    """A camera as numbers.

    matrix (4, 4): world -> normalised device coordinates (column vectors, as VTK's composite projection matrix);
    view (4, 4): world -> camera space, looking along -z; width, height of the widget in device-independent pixels;
    parallel_scale: half the view height in Å (orthographic) or None; view_angle in degrees (perspective).
    """

    matrix: np.ndarray
    view: np.ndarray
    width: float
    height: float
    parallel_scale: float | None
    view_angle: float = 30.0

    def project(self, positions: np.ndarray) -> np.ndarray:
        """(N, 2) pixels of positions (N, 3) Å; NaN for points behind the eye."""
        homogeneous = np.c_[positions, np.ones(len(positions))] @ self.matrix.T
        w = homogeneous[:, 3:]
        with np.errstate(divide="ignore", invalid="ignore"):
            ndc = homogeneous[:, :2] / np.where(w > 1e-9, w, np.nan)
        return np.stack([(ndc[:, 0] + 1.0) * 0.5 * self.width, (1.0 - ndc[:, 1]) * 0.5 * self.height], axis=1)

    def depth(self, positions: np.ndarray) -> np.ndarray:
        """(N,) Å in front of the camera."""
        return -(np.c_[positions, np.ones(len(positions))] @ self.view[2])

    def pixels_per_angstrom(self, depth: np.ndarray) -> np.ndarray:
        """Pixels that one ångström across the line of sight covers at `depth` (N,)."""
        if self.parallel_scale is not None:
            return np.full(np.shape(depth), 0.5 * self.height / self.parallel_scale)
        return 0.5 * self.height / (np.maximum(depth, 1e-9) * np.tan(np.radians(0.5 * self.view_angle)))

    def plane_vector(self, dx: float, dy: float, at: np.ndarray) -> np.ndarray:
        """(3,) Å: the move parallel to the screen through point `at` (3,) that dx, dy pixels (y downwards) stand for."""
        size = float(self.pixels_per_angstrom(self.depth(np.reshape(at, (1, 3))))[0])
        right, up = self.view[0, :3], self.view[1, :3]
        return (dx * right - dy * up) / size


def pick(projector: Projector, x: float, y: float, positions: np.ndarray, radii: np.ndarray, *, slack: float = 2.0) -> int:
    """Row of the frontmost sphere under pixel (x, y), -1 if none.

    positions (N, 3) and radii (N,) Å as drawn. Among the spheres whose disc holds the pixel the one whose surface is nearest to the eye there wins;
    only if there is none may the pixel miss a disc by `slack` pixels (small atoms stay hittable).
    """
    if not len(positions):
        return -1
    screen, depth = projector.project(positions), projector.depth(positions)
    scale = projector.pixels_per_angstrom(depth)
    miss2 = ((screen - (x, y)) ** 2).sum(axis=1)
    disc = radii * scale
    for margin in (0.0, slack):
        hit = np.flatnonzero((miss2 <= (disc + margin) ** 2) & (depth > 0))
        if len(hit):
            bulge = np.sqrt(np.maximum(radii[hit] ** 2 - miss2[hit] / scale[hit] ** 2, 0.0))
            return int(hit[np.argmin(depth[hit] - bulge)])
    return -1


def in_box(projector: Projector, corner: tuple[float, float], other: tuple[float, float], positions: np.ndarray) -> np.ndarray:
    """Rows of the atoms whose centre lies in the pixel rectangle between two corners, hidden ones included."""
    if not len(positions):
        return np.zeros(0, np.int64)
    low, high = np.minimum(corner, other), np.maximum(corner, other)
    screen = projector.project(positions)
    with np.errstate(invalid="ignore"):
        inside = ((screen >= low) & (screen <= high)).all(axis=1)
    return np.flatnonzero(inside & (projector.depth(positions) > 0))


def visible(projector: Projector, positions: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(N,) True for the spheres whose midpoint on the screen no nearer sphere covers. Work and memory grow with N²: for a few thousand."""
    screen, depth = projector.project(positions), projector.depth(positions)
    disc2 = (radii * projector.pixels_per_angstrom(depth)) ** 2
    out = np.zeros(len(positions), bool)
    for block in np.array_split(np.arange(len(positions)), max(1, len(positions) // 250)):
        apart2 = ((screen[block, None] - screen[None]) ** 2).sum(axis=-1)
        out[block] = ~((apart2 < disc2[None]) & (depth[None] < depth[block, None] - 1e-6)).any(axis=1)
    return out & (depth > 0)
