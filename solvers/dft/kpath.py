"""Lines through the Brillouin zone: the standard path of a crystal, or one a user writes, as k-points of the cell that is calculated. No torch.

Standard paths and point names: Y. Hinuma, G. Pizzi, Y. Kumagai, F. Oba, I. Tanaka, Comput. Mater. Sci. 128, 140 (2017), by the package seekpath.
Units: Å and 1/Å (2π included); k-points in fractions of the reciprocal cell.
"""
from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from ..core.structure import Structure

GAMMA = "Γ"
_NAMES_OF_GAMMA = ("GAMMA", "G", "Γ", "\\Gamma")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:/\d+)?"


@dataclass(frozen=True, eq=False)
class SpecialPoints:
    """Named k-points of a crystal in its own reciprocal cell, and the standard path as pairs of names. bravais: e.g. "cF"; cell rows in Å."""

    cell: np.ndarray
    points: dict[str, np.ndarray]
    path: tuple[tuple[str, str], ...]
    bravais: str

    def cartesian(self) -> dict[str, np.ndarray]:
        """The points in 1/Å."""
        reciprocal = 2.0 * math.pi * np.linalg.inv(self.cell).T
        return {name: point @ reciprocal for name, point in self.points.items()}


@dataclass(frozen=True, eq=False)
class KPath:
    """k-points along a path: kpoints (N, 3) fractional, distance (N,) 1/Å, labels [(index, name)], segments: slices of points that are connected."""

    cell: np.ndarray
    kpoints: np.ndarray
    distance: np.ndarray
    labels: tuple[tuple[int, str], ...]
    segments: tuple[slice, ...]

    @property
    def text(self) -> str:
        """The path as a user would write it: "ΓXU|KΓ"."""
        names = dict(self.labels)
        return "|".join("".join(names[i] for i in range(part.start, part.stop) if i in names) for part in self.segments)

    def cartesian(self) -> np.ndarray:
        """(N, 3) in 1/Å."""
        return self.kpoints @ (2.0 * math.pi * np.linalg.inv(self.cell).T)


def primitive(structure: Structure, magmoms: tuple[float, ...] | None = None) -> tuple[Structure, tuple[float, ...] | None]:
    """(structure, magmoms) in the standard primitive cell when the given one is a supercell of it, else unchanged: no cell is turned without need.

    Atoms of one element with different moments count as different. A turned copy has no constraints and no per-atom arrays.
    """
    import seekpath
    kinds, moments = _kinds(structure, magmoms)
    found = _quietly(seekpath.get_path, structure, kinds)
    if found["volume_original_wrt_prim"] < 1.5:
        return structure, magmoms
    which = np.asarray(found["primitive_types"])
    cell = np.asarray(found["primitive_lattice"])
    small = Structure(which // 1000, np.asarray(found["primitive_positions"]) @ cell, cell, True)
    return small, (None if magmoms is None else tuple(float(moments[kind % 1000]) for kind in which))


def special_points(structure: Structure, magmoms: tuple[float, ...] | None = None) -> SpecialPoints:
    """Named k-points and standard path of `structure` in its own cell. A supercell gets those of its own lattice, since its bands are folded into that zone.

    Raises SetupError when no path can be found for the cell.
    """
    import seekpath
    kinds, _ = _kinds(structure, magmoms)
    found = _quietly(seekpath.get_path_orig_cell, structure, kinds)
    if found["is_supercell"]:
        found = _quietly(seekpath.get_path_orig_cell, Structure(np.array([1]), np.zeros((1, 3)), structure.cell, True), np.array([1]))
    points = {_pretty(name): np.array(value, float) for name, value in found["point_coords"].items()}
    return SpecialPoints(structure.cell, points, tuple((_pretty(a), _pretty(b)) for a, b in found["path"]), found["bravais_lattice"])


def band_path(structure: Structure, path: str | None = None, spacing: float = 0.05, magmoms: tuple[float, ...] | None = None,
              vacuum: int | None = None) -> KPath:
    """k-points along `path` in the cell of `structure`, neighbours at most `spacing` (1/Å) apart; every named point is one of them.

    path: names without or with separators, "GXWKG", "G-X-W", breaks by "," or "|"; also coordinates in brackets, "[0 0 0][1/2 0 0]"; None = standard path.
    vacuum: cell vector along which a slab is empty: of the standard path only what lies in the plane is kept, for bands across vacuum are flat.
    Raises SetupError for a name the lattice does not have.
    """
    special = special_points(structure, magmoms)
    if path is None or not path.strip():
        points = special.points
        flat = [pair for pair in special.path if vacuum is not None and all(abs(points[name][vacuum]) < 1e-9 for name in pair)]
        chains = _chains(tuple(flat) or special.path)
    else:
        chains, points = parse_path(path, special.points)
    reciprocal = 2.0 * math.pi * np.linalg.inv(structure.cell).T
    kpoints, distance, labels, segments, total = [], [], [], [], 0.0
    for chain in chains:
        begin = len(kpoints)
        kpoints.append(points[chain[0]])
        distance.append(total)
        labels.append((begin, chain[0]))
        for first, second in zip(chain, chain[1:], strict=False):
            length = float(np.linalg.norm((points[second] - points[first]) @ reciprocal))
            steps = max(1, math.ceil(length / spacing - 1e-9))
            share = np.arange(1, steps + 1) / steps
            kpoints.extend(points[first] + share[:, None] * (points[second] - points[first]))
            distance.extend(total + share * length)
            total += length
            labels.append((len(kpoints) - 1, second))
        segments.append(slice(begin, len(kpoints)))
    return KPath(structure.cell, np.array(kpoints), np.array(distance), tuple(labels), tuple(segments))


def parse_path(text: str, known: dict[str, np.ndarray]) -> tuple[list[list[str]], dict[str, np.ndarray]]:
    """(chains of names, all points by name) of a path as written; names are matched as long as possible ("W_2" before "W")."""
    points = dict(known)
    names = sorted([*known, *(_NAMES_OF_GAMMA if GAMMA in known else ())], key=len, reverse=True)
    lookup = {name.upper(): (GAMMA if name in _NAMES_OF_GAMMA else name) for name in names}
    chains: list[list[str]] = [[]]
    rest = text.strip()
    while rest:
        if rest[0] in ",|;":
            chains.append([])
            rest = rest[1:]
            continue
        if rest[0] in " -–→>\t":
            rest = rest[1:]
            continue
        if match := re.match(r"\[([^\]]*)\]", rest):
            name, point = _coordinates(match[1], text)
            points[name] = point
        else:
            hit = next((name for name in sorted(lookup, key=len, reverse=True) if rest.upper().startswith(name)), None)
            if hit is None:
                raise SetupError(f"The path {text!r} is not understood at {rest[:8]!r}.",
                                 hint=f"Points of this lattice: {', '.join(known)}; G is Γ; other points as [1/2 0 0]; a comma breaks the path.")
            name, match = lookup[hit], re.match(re.escape(rest[:len(hit)]), rest)
        chains[-1].append(name)
        rest = rest[match.end():]
    chains = [chain for chain in chains if chain]
    if not chains or any(len(chain) < 2 for chain in chains):
        raise SetupError(f"The path {text!r} has a piece of fewer than two points.", hint="Write at least two points between breaks, e.g. GX,KG.")
    return chains, points


def _coordinates(text: str, path: str) -> tuple[str, np.ndarray]:
    words = [word for word in re.split(r"[\s,]+", text.strip()) if word]
    if len(words) != 3 or not all(re.fullmatch(_NUMBER, word) for word in words) or any(word.endswith("/0") for word in words):
        raise SetupError(f"[{text}] in the path {path!r} is not a k-point.", hint="Give three numbers or fractions of the reciprocal cell, e.g. [1/2 0 1/2].")
    values = [float(word.partition("/")[0]) / float(word.partition("/")[2] or 1) for word in words]
    return "[" + " ".join(words) + "]", np.array(values)


def _chains(pairs: tuple[tuple[str, str], ...]) -> list[list[str]]:
    chains: list[list[str]] = []
    for first, second in pairs:
        if chains and chains[-1][-1] == first:
            chains[-1].append(second)
        else:
            chains.append([first, second])
    return chains


def _pretty(name: str) -> str:
    return GAMMA if name == "GAMMA" else name


def _kinds(structure: Structure, magmoms: tuple[float, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    """(integers that tell atoms of other elements or moments apart: 1000 Z + place of the moment, the distinct moments)."""
    moments = np.zeros(len(structure)) if magmoms is None else np.round(np.asarray(magmoms, float), 6)
    distinct, place = np.unique(moments, return_inverse=True)
    return 1000 * np.asarray(structure.numbers) + place, distinct


def _quietly(search, structure: Structure, kinds: np.ndarray) -> dict:
    fractions = np.asarray(structure.positions) @ np.linalg.inv(structure.cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a supercell means is decided by the callers
        try:
            return search((np.array(structure.cell), fractions, kinds), symprec=1e-4)
        except Exception as error:  # seekpath raises several unrelated classes; every one means that it has no path for this cell
            raise SetupError(f"No standard path was found for this crystal: {error}.", hint="Give a path of coordinates, e.g. [0 0 0][1/2 0 0].") from error
