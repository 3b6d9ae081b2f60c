"""How atoms look: the style's parameters, element colours, radii, colour maps. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase.data import covalent_radii, vdw_radii
from ase.data.colors import jmol_colors

REPRESENTATIONS = ("ball and stick", "space filling", "sticks", "dots")
COLOURINGS = ("element", "force", "array")
#: above this many drawn atoms every representation but dots becomes dots
DOTS_ABOVE = 100_000
_LATIN_END = 0x250  # code point after the last Latin letter
_UNKNOWN_RADIUS = 1.5  # Å, where the tables know nothing
_TABLE_GAP = 0.2  # what ASE's covalent table holds for elements without data

# Softer than the pure red and white of Jmol's table, and carbon and hydrogen visible on both backgrounds; everything else is Jmol's (as tabulated in ASE).
_OWN = {
    1: "#e3e7ec",
    6: "#69717b",
    7: "#3f68d8",
    8: "#e0443c",
    9: "#7fd06b",
    13: "#a9b4c4",
    14: "#d9a45f",
    15: "#f0862e",
    16: "#ecc93b",
    17: "#3fbf57",
    11: "#9a63d8",
    12: "#6fbf3a",
    22: "#9aa5b4",
    26: "#d9703a",
    29: "#cb7f42",
    30: "#8288b8",
    42: "#5fb0b4",
    47: "#b9c0ca",
    74: "#3f8fd0",
    79: "#f0c440",
}


def _table() -> np.ndarray:
    out = np.full((119, 3), 0.6)
    out[: len(jmol_colors)] = jmol_colors[:119]
    for number, colour in _OWN.items():
        out[number] = [int(colour[k : k + 2], 16) / 255.0 for k in (1, 3, 5)]
    out[0] = (0.55, 0.55, 0.6)  # a vacancy or an unknown
    return np.rint(out * 255).astype(np.uint8)


#: (119, 3) uint8, one row per atomic number
ELEMENT_COLOURS = _table()
ELEMENT_COLOURS.setflags(write=False)

# nine control points each; viridis: Smith and van der Walt (2015); cool-warm: Moreland (2009), "Diverging color maps for scientific visualization";
# orange-blue: ours, the colours of isosurfaces and arrows at its ends (CONVENTIONS.md, Pictures)
_MAPS = {
    "viridis": ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"],
    "cool-warm": ["#3b4cc0", "#6788ee", "#9abbff", "#c9d7f0", "#dddddd", "#f2cab5", "#f7a889", "#e26952", "#b40426"],
    "orange-blue": ["#8f3d0a", "#b4541a", "#e0742a", "#efb184", "#e6e6e6", "#93bcec", "#2f7bd6", "#2160b0", "#174680"],
    "magma": ["#000004", "#1d1147", "#51127c", "#822681", "#b63679", "#e65164", "#fb8861", "#fec287", "#fcfdbf"],
}
COLOUR_MAPS = tuple(_MAPS)


@dataclass(frozen=True)
class Style:
    """Everything about a picture of atoms that is not data. Immutable: `but(**changes)` gives another one."""

    representation: str = "ball and stick"
    colour_by: str = "element"  # element, force, or the name of a per-atom array
    colour_map: str = "viridis"
    colour_range: tuple[float, float] | None = None  # None = from the data
    atom_scale: float = 0.42  # ball radius over covalent radius
    bond_radius: float = 0.11  # Å
    bond_reach: float = 1.15  # times the sum of covalent radii
    bonds: bool = True
    cell: bool = True
    axes: str = "abc"  # abc, xyz or "" for none
    labels: str = ""  # "", element, index, both
    repeat: tuple[int, int, int] = (1, 1, 1)  # images of the cell that are only drawn
    face_atoms: bool = True  # also draw atoms of a face, edge or corner on the opposite ones
    force_scale: float | None = None  # Å of arrow per eV/Å; None = the longest arrow is 2 Å
    velocity_scale: float | None = None  # Å of arrow per Å/fs; None = the longest arrow is 2 Å
    perspective: bool = False

    def __post_init__(self):
        if self.representation not in REPRESENTATIONS:
            raise ValueError(f"There is no representation {self.representation!r}. Allowed: {', '.join(REPRESENTATIONS)}.")
        if self.colour_map not in COLOUR_MAPS:
            raise ValueError(f"There is no colour map {self.colour_map!r}. Allowed: {', '.join(COLOUR_MAPS)}.")
        if len(self.repeat) != 3 or min(self.repeat) < 1 or max(self.repeat) > 20:
            raise ValueError(f"The display cannot be repeated {self.repeat} times. Allowed: three whole numbers from 1 to 20.")
        if self.labels not in ("", "element", "index", "both") or self.axes not in ("", "abc", "xyz"):
            raise ValueError(f"Labels {self.labels!r} with axes {self.axes!r} are not possible. Allowed: labels '', element, index, both; axes '', abc, xyz.")
        for name in ("atom_scale", "bond_radius", "bond_reach", "force_scale", "velocity_scale"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < 1e4:
                raise ValueError(f"{name} = {getattr(self, name)} is not possible. Allowed: above 0, below 10000.")

    def but(self, **changes) -> Style:
        """This style with some parameters replaced; raises TypeError for an unknown name, ValueError for a value that is not allowed."""
        return replace(self, **changes)


def radii(numbers: np.ndarray, style: Style) -> np.ndarray:
    """(N,) Å as drawn: scaled covalent radii, van der Waals radii when filling space, the stick's own radius for sticks."""
    covalent = np.where(covalent_radii[numbers] > _TABLE_GAP, covalent_radii[numbers], _UNKNOWN_RADIUS)
    if style.representation == "space filling":
        full = vdw_radii[np.minimum(numbers, len(vdw_radii) - 1)]
        return np.where(np.isfinite(full) & (full > 0), full, 1.35 * covalent)
    if style.representation == "sticks":
        return np.full(len(numbers), 1.6 * style.bond_radius)
    return np.maximum(style.atom_scale * covalent, 1.5 * style.bond_radius)


def element_colours(numbers: np.ndarray) -> np.ndarray:
    """(N, 3) uint8."""
    return ELEMENT_COLOURS[numbers]


def paler(colours: np.ndarray, background: tuple[float, float, float]) -> np.ndarray:
    """(N, 3) uint8: periodic images, told apart from the structure's own atoms by standing a third nearer to the background."""
    return np.rint(0.66 * colours + 0.34 * 255.0 * np.asarray(background)).astype(np.uint8)


def map_colours(values: np.ndarray, name: str, low: float, high: float) -> np.ndarray:
    """(N, 3) uint8 of `values` on a colour map between `low` and `high`; values that are not finite are grey."""
    control = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in _MAPS[name]], float)
    at = np.clip((np.asarray(values, float) - low) / (high - low if high > low else 1.0), 0.0, 1.0)
    finite = np.isfinite(at)
    place = np.where(finite, at, 0.0) * (len(control) - 1)
    out = np.stack([np.interp(place, np.arange(len(control)), control[:, k]) for k in range(3)], axis=-1)
    out[~finite] = 128
    return np.rint(out).astype(np.uint8)


def drawable(text: str, symbol: str) -> str:
    """`text`, or `symbol` where the scene's own font lacks its letters: it knows Latin ones only and would leave the others out."""
    return text if all(ord(letter) < _LATIN_END for letter in text) else symbol


def lookup_table(name: str, size: int = 256) -> np.ndarray:
    """(size, 3) uint8 along a colour map."""
    return map_colours(np.linspace(0.0, 1.0, size), name, 0.0, 1.0)


def per_atom_value(value: np.ndarray) -> np.ndarray:
    """(N,) one number per atom: vectors and tensors by their norm."""
    value = np.asarray(value, float)
    return value if value.ndim == 1 else np.linalg.norm(value.reshape(len(value), -1), axis=1)


def value_range(values: np.ndarray) -> tuple[float, float]:
    """(low, high) of the finite values, never of zero width."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    pad = max(abs(low), abs(high), 1e-12) * 1e-6
    return (low, high) if high - low > pad else (low - pad, high + pad)
