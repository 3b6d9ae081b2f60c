"""From words such as "[110],[001]" to the rotation that turns a crystal into a part's axes.

The first direction becomes the part's x axis; the second lies in its x-y plane on the side of +y; z completes the right-handed frame.
Indices are those of lattice vectors, [uvw] or [uvtw] for hexagonal cells: "[110]", "[1-10]", "[1 0 -12]", "[11-20],[0001]".
"""
from __future__ import annotations

import re

import numpy as np

from ..core.errors import SetupError

_EXAMPLE = 'Write lattice directions for x and for the x-y plane: "[110],[001]".'


def parse_directions(text: str) -> list[np.ndarray]:
    """The directions of `text` as integer vectors [u, v, w]; four indices [u v t w] become three. SetupError when it cannot be read."""
    groups = re.findall(r"\[([^\[\]]*)\]", text)
    if not 1 <= len(groups) <= 2 or re.sub(r"\[[^\[\]]*\]", "", text).strip(" ,;"):
        raise SetupError(f"The orientation {text!r} is not understood.", hint=_EXAMPLE)
    return [_indices(group, text) for group in groups]


def has_four_indices(text: str) -> bool:
    """Whether a direction of `text` is written [u v t w], which means something in a hexagonal lattice only. SetupError when it cannot be read."""
    parse_directions(text)
    return any(len(_words(group)) == 4 for group in re.findall(r"\[([^\[\]]*)\]", text))


def _words(group: str) -> list[str]:
    separated = re.search(r"[\s,]", group.strip())
    return re.split(r"[\s,]+", group.strip()) if separated else re.findall(r"[-+]?\d", group)


def _indices(group: str, text: str) -> np.ndarray:
    separated = re.search(r"[\s,]", group.strip())
    words = _words(group)
    if not all(re.fullmatch(r"[-+]?\d{1,3}", word) for word in words) or (not separated and "".join(words) != group.strip()) or len(words) not in (3, 4):
        raise SetupError(f"The direction [{group}] in {text!r} is not understood.", hint="Give three or four whole numbers: [110], [1 -1 0], [11-20].")
    values = np.array([int(word) for word in words])
    if len(values) == 4:
        if values[:3].sum():
            raise SetupError(f"The direction [{group}] has four indices, but u + v + t = {values[:3].sum()}.",
                             hint="Hexagonal indices need t = −(u + v), as in [11-20].")
        values = np.array([values[0] - values[2], values[1] - values[2], values[3]])
    if not values.any():
        raise SetupError(f"The direction [{group}] is zero.", hint=_EXAMPLE)
    return values


def orientation_matrix(orientation, axes: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) whose rows are the part's x, y, z axes in the crystal's frame.

    orientation: None (identity), text as above, or a rotation matrix; axes (3, 3): lattice vectors as rows in the crystal's frame, any unit.
    With one direction only, y is the lattice axis farthest from x, made perpendicular. Raises SetupError for parallel directions and improper matrices.
    """
    if orientation is None:
        return np.eye(3)
    if not isinstance(orientation, str):
        try:
            matrix = np.array(orientation, dtype=float)
        except (TypeError, ValueError):
            matrix = np.zeros(0)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or np.abs(matrix @ matrix.T - np.eye(3)).max() > 1e-8 or np.linalg.det(matrix) < 0:
            raise SetupError(f"The orientation {np.array2string(np.asarray(orientation), threshold=12)} is not a proper rotation matrix.", hint=_EXAMPLE)
        return matrix
    directions = [vector @ axes for vector in parse_directions(orientation)]
    x = directions[0] / np.linalg.norm(directions[0])
    if len(directions) == 1:
        unit = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        directions.append(unit[np.argmin(np.abs(unit @ x))])
    y = directions[1] - (directions[1] @ x) * x
    if np.linalg.norm(y) < 1e-6 * np.linalg.norm(directions[1]):
        raise SetupError(f"The two directions of {orientation!r} are parallel.", hint=_EXAMPLE)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)])
