"""Results as curves: bands, densities of states, phonons, thermal properties as plain arrays in the units that are plotted. No Qt; labels are words."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from solvers.core.job import Result
from solvers.core.units import BOLTZMANN_EV, THZ_INVERSE_CM, THZ_MEV

from .translate import mark, tr

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NEAR = 0.005  # eV; a level this close to a band edge is drawn as one
SPINS = (mark("spin up"), mark("spin down"))
#: unit of vibrations -> factor from THz
FREQUENCIES = {"THz": 1.0, "meV": THZ_MEV, "1/cm": THZ_INVERSE_CM}
#: quantity of the vibrations -> (words, unit, factor)
THERMAL = {
    "heat_capacity": (mark("Heat capacity"), "k_B", 1.0 / BOLTZMANN_EV),
    "entropy": (mark("Entropy"), "k_B", 1.0 / BOLTZMANN_EV),
    "helmholtz_energy": (mark("Helmholtz energy"), "eV", 1.0),
    "internal_energy": (mark("Internal energy"), "eV", 1.0),
}


@dataclass(frozen=True, eq=False)
class Bands:
    """distance (N,) along the path, levels (S, N, B); breaks: indices where a new piece begins; labels: (place, name); kpath (N, 3) or None.

    edges: (valence, conduction) or None for a metal; fermi None for vibrations. `gap` is the sentence about the gap. parts: (name, shares (S, N, B) in bands).
    """

    distance: np.ndarray
    levels: np.ndarray
    breaks: tuple[int, ...]
    labels: tuple[tuple[float, str], ...]
    kpath: np.ndarray | None = None
    fermi: float | None = None
    edges: tuple[float, float] | None = None
    gap: str = ""
    parts: tuple[tuple[str, np.ndarray], ...] = ()

    def share(self, group: str) -> np.ndarray | None:
        """Shares (S, N, B) of a group of projections in every level, None where the bands were not projected on it."""
        return _sum(self.parts, group)

    def strokes(self, spin: int, share: np.ndarray, zero: float = 0.0, factor: float = 1.0, classes: int = 8) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """(middle of the class, x, y) of the pieces of all bands between neighbouring points, by classes of the mean share (S, N, B) of their two ends; x and y
        hold pairs of ends. Pieces below a quarter of a class are left out."""
        whole = np.ones(len(self.distance) - 1, bool)
        whole[[place - 1 for place in self.breaks]] = False
        here = 0.5 * (share[spin, 1:] + share[spin, :-1])[whole]  # (pieces, B)
        y = np.stack([self.levels[spin, :-1][whole], self.levels[spin, 1:][whole]], -1)
        x = np.broadcast_to(np.stack([self.distance[:-1][whole], self.distance[1:][whole]], -1)[:, None], y.shape)
        which = np.where(here * classes > 0.25, np.clip((here * classes).astype(int), 0, classes - 1), -1)
        return [((k + 0.5) / classes, x[which == k].ravel(), (y[which == k].ravel() - zero) * factor) for k in range(classes) if (which == k).any()]

    def line(self, spin: int, zero: float = 0.0, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """x and y of all bands of one spin as a single line with NaN between pieces and bands."""
        x = np.insert(self.distance, list(self.breaks), np.nan)
        y = np.insert(self.levels[spin], list(self.breaks), np.nan, axis=0)
        x = np.append(x, np.nan)
        y = np.concatenate([y, np.full((1, y.shape[1]), np.nan)])
        return np.tile(x, y.shape[1]), (y.T.ravel() - zero) * factor

    def at_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the places on the path where the bands touch an edge of the gap."""
        if self.edges is None:
            return np.zeros(0), np.zeros(0)
        x, y = [], []
        for edge in self.edges:
            _, k, _ = np.nonzero(np.abs(self.levels - edge) < _NEAR)
            x.append(self.distance[k])
            y.append(np.full(len(k), edge))
        return np.concatenate(x), np.concatenate(y)

    def nearest(self, x: float, y: float) -> tuple[int, int, int]:
        """(spin, point, band) of the level nearest to a place of the plot: first the point, then the energy."""
        point = int(np.abs(self.distance - x).argmin())
        spin, band = np.unravel_index(int(np.abs(self.levels[:, point] - y).argmin()), (self.levels.shape[0], self.levels.shape[2]))
        return int(spin), point, int(band)


@dataclass(frozen=True, eq=False)
class Density:
    """energies (E,), total (S, E), parts: (name, (S, E)); fermi None for vibrations."""

    energies: np.ndarray
    total: np.ndarray
    parts: tuple[tuple[str, np.ndarray], ...] = ()
    fermi: float | None = None
    edges: tuple[float, float] | None = None

    @property
    def kinds(self) -> tuple[tuple[str, np.ndarray], ...]:
        """(name, (S, E)): the projections added up over atoms of one element: "Si 3s"."""
        names = dict.fromkeys(" ".join(name.split()[1:]) for name, _ in self.parts)
        return tuple((name, np.sum([values for own, values in self.parts if own.split()[1:] == name.split()], axis=0)) for name in names)

    def share(self, group: str) -> np.ndarray | None:
        """Densities (S, E) of a group of projections, None where there are none."""
        return _sum(self.parts, group)


@dataclass(frozen=True, eq=False)
class Thermal:
    """Temperatures (T,) K and quantities (T,) by name, eV and eV/K per primitive cell; n_atoms of that cell."""

    temperatures: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)
    n_atoms: int = 0


@dataclass(frozen=True, eq=False)
class Profile:
    """Positions (P,) Å across a slab, the mean potential (P,) eV and its running mean; fermi and vacuum levels in eV, work functions as sentences."""

    positions: np.ndarray
    potential: np.ndarray
    smoothed: np.ndarray
    fermi: float
    vacuum: tuple[float, ...]
    work: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Image:
    """values (n1, n2) on the points of a lateral cell (2, 2) Å of rows in the plane; unit and name."""

    values: np.ndarray
    cell: np.ndarray
    unit: str
    name: str


def pretty(name: str) -> str:
    """ "W_2" -> "W₂", "GAMMA" -> "Γ"."""
    head, _, tail = name.partition("_")
    return ("Γ" if head.upper() == "GAMMA" else head) + tail.translate(_SUBSCRIPTS)


def belongs(name: str, group: str) -> bool:
    """Whether the projection "0 Si 3p" (atom, element, shell, orbital) is part of a group: "Si", "Si 3p", "0 Si" or itself."""
    own, wanted = name.split(), group.split()
    start = 0 if wanted[0].isdigit() else 1
    return own[start : start + len(wanted)] == wanted


def groups(names: Sequence[str], most: int = 60) -> list[str]:
    """What projections add up to: elements, their shells (and orbitals), single atoms and their shells; without repetitions of one set of projections."""
    words = [name.split() for name in names]
    kinds = [" ".join(own[1:k]) for k in (2, 3, 4) for own in words if len(own) >= k] + [" ".join(own[:k]) for k in (2, 3, 4) for own in words if len(own) >= k]
    found: dict[tuple[int, ...], str] = {}
    for group in dict.fromkeys(kinds):
        found.setdefault(tuple(k for k, name in enumerate(names) if belongs(name, group)), group)
    return list(found.values())[:most]


def _sum(parts: Sequence[tuple[str, np.ndarray]], group: str) -> np.ndarray | None:
    own = [values for name, values in parts if belongs(name, group)]
    return np.sum(own, axis=0) if own else None


def _parts(result: Result, key: str) -> tuple[tuple[str, np.ndarray], ...]:
    values = result.values
    return tuple((str(name), share) for name, share in zip(values["projections"], np.asarray(values[key], float), strict=True)) if key in values else ()


def bands_of(result: Result) -> Bands | None:
    """The bands in a result, None when there are none."""
    values = result.values
    if "kpath" not in values or "eigenvalues" not in values:
        return None
    distance = np.asarray(values["distance"], float)
    edges = tuple(map(float, values["band_edges"])) if "band_edges" in values else None
    return Bands(
        distance,
        np.asarray(values["eigenvalues"], float),
        _breaks(distance, values["kpath"]),
        _labels(distance, values["labels"]),
        np.asarray(values["kpath"], float),
        float(values["fermi_energy"]),
        edges,
        gap_sentence(result),
        _parts(result, "band_projections"),
    )


def gap_sentence(result: Result) -> str:
    """What the result says of its gap."""
    gap, kind = result.values.get("band_gap"), result.settings.get("gap_kind", "")
    if kind == "metal" or (gap is not None and float(gap) <= 0):
        return tr("metal: no gap")
    if gap is None:
        return ""
    if kind == "direct":
        return tr("gap {gap:.3f} eV, direct", gap=float(gap))
    return tr("gap {gap:.3f} eV, indirect (smallest direct one {direct:.3f} eV)", gap=float(gap), direct=float(result.values.get("direct_gap", np.nan)))


def density_of(result: Result) -> Density | None:
    """The electronic density of states in a result, None when there is none."""
    values = result.values
    if "dos" not in values:
        return None
    energies = np.asarray(values["energies"], float)
    total = np.atleast_2d(np.asarray(values["dos"], float))
    parts = _parts(result, "projected")
    edges = tuple(map(float, values["band_edges"])) if "band_edges" in values else None
    fermi = next((float(values[name]) for name in ("dos_fermi_energy", "fermi_energy") if name in values), None)
    return Density(energies, total, parts, fermi, edges)


def phonons_of(result: Result) -> tuple[Bands, Density, Thermal] | None:
    """Phonon bands and density in THz, thermal properties; None when the result is not about vibrations."""
    values = result.values
    if "phonon_frequencies" not in values:
        return None
    distance = np.asarray(values["phonon_distance"], float)
    labels = result.settings.get("labels", ())
    breaks = tuple(int(place) for place in result.settings.get("breaks", ()) if 0 < int(place) < len(distance))
    bands = Bands(distance, np.asarray(values["phonon_frequencies"], float)[None], breaks, _labels(distance, labels), np.asarray(values["phonon_kpath"], float))
    density = Density(np.asarray(values["phonon_dos_frequencies"], float), np.asarray(values["phonon_dos"], float)[None])
    heat = Thermal(np.asarray(values["temperatures"], float), {name: np.asarray(values[name], float) for name in THERMAL if name in values},
                   len(np.asarray(values["primitive_numbers"])))
    return bands, density, heat


def profile_of(result: Result) -> Profile | None:
    """The potential across a slab, None when the result holds none."""
    values = result.values
    if "potential_profile" not in values:
        return None
    smoothed = values.get("potential_smoothed", values["potential_profile"])
    levels, work = (tuple(map(float, np.ravel(values.get(name, ())))) for name in ("vacuum_levels", "work_functions"))
    return Profile(
        np.asarray(values["profile_positions"], float),
        np.asarray(values["potential_profile"], float),
        np.asarray(smoothed, float),
        float(values["fermi_energy"]),
        levels,
        work,
    )


def image_of(result: Result) -> Image | None:
    """The tunnelling image in a result, None when there is none. The lateral cell is turned so that its first vector lies along x."""
    values = result.values
    if "stm_image" not in values:
        return None
    first, second = np.asarray(values["stm_cell"], float)
    length = float(np.linalg.norm(first))
    along = float(second @ first) / length
    cell = np.array([[length, 0.0], [along, float(np.sqrt(max(second @ second - along**2, 0.0)))]])
    height = result.settings.get("mode") == "current"
    return Image(np.asarray(values["stm_image"], float), cell, "Å" if height else "e/Å³", tr("Height of the tip") if height else tr("Density of states"))


def _breaks(distance: np.ndarray, kpath: np.ndarray) -> tuple[int, ...]:
    """Where a new piece begins: the path stands still while k jumps."""
    jump = (np.abs(np.diff(distance)) < 1e-9) & (np.abs(np.diff(np.asarray(kpath), axis=0)).max(axis=1) > 1e-9)
    return tuple(int(k) + 1 for k in np.flatnonzero(jump))


def _labels(distance: np.ndarray, labels: Any) -> tuple[tuple[float, str], ...]:
    """(place on the axis, name), names at one place joined: U|K."""
    joined: dict[float, list[str]] = {}
    for index, name in labels:
        names = joined.setdefault(round(float(distance[int(index)]), 9), [])
        if pretty(str(name)) not in names:
            names.append(pretty(str(name)))
    return tuple((place, "|".join(names)) for place, names in sorted(joined.items()))


def table(columns: Sequence[tuple[str, np.ndarray]], notes: Sequence[str] = ()) -> str:
    """Columns of equal length as CSV, notes as comment lines before them."""
    out = io.StringIO()
    for note in notes:
        out.write(f"# {note}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    for row in zip(*(values for _, values in columns), strict=True):
        writer.writerow([item if isinstance(item, str) else repr(float(item)) for item in row])
    return out.getvalue()


def bands_csv(bands: Bands, unit: str, title: str) -> str:
    """Every level of every point; absolute energies, the zero named in a comment."""
    names = dict.fromkeys(range(len(bands.distance)), "")
    for place, name in bands.labels:
        names[int(np.abs(bands.distance - place).argmin())] = name
    columns: list[tuple[str, np.ndarray]] = [("distance_1/A", bands.distance), ("label", np.array(list(names.values()), object))]
    if bands.kpath is not None:
        columns += [(f"k{axis}", bands.kpath[:, axis - 1]) for axis in (1, 2, 3)]
    spins = ("",) if len(bands.levels) == 1 else ("up_", "down_")
    for spin, word in zip(bands.levels, spins, strict=True):
        columns += [(f"{word}band{band + 1}_{unit}", spin[:, band]) for band in range(spin.shape[1])]
    for name, share in bands.parts:
        words = "_" + name.replace(" ", "_")
        columns += [(f"{word}band{band + 1}{words}", own[:, band]) for word, own in zip(spins, share, strict=True) for band in range(own.shape[1])]
    notes = [title] + ([f"fermi_energy_eV {bands.fermi!r}"] if bands.fermi is not None else [])
    if bands.edges is not None:
        notes.append(f"band_edges_eV {bands.edges[0]!r} {bands.edges[1]!r}")
    return table(columns, notes)


def density_csv(density: Density, unit: str, title: str) -> str:
    """Energies, total and projected densities of states."""
    spins = ("",) if len(density.total) == 1 else ("_up", "_down")
    columns = [(f"energy_{unit}", density.energies)]
    for name, curves in (("total", density.total), *density.parts):
        columns += [(f"{name}{word}", curve) for curve, word in zip(curves, spins, strict=True)]
    return table(columns, [title] + ([f"fermi_energy_eV {density.fermi!r}"] if density.fermi is not None else []))


def thermal_csv(heat: Thermal, title: str) -> str:
    """Thermal properties per primitive cell, eV and eV/K."""
    return table([("temperature_K", heat.temperatures), *heat.values.items()], [title, "per primitive cell, eV and eV/K"])


def profile_csv(profile: Profile, title: str) -> str:
    """The potential across a slab."""
    columns = [("position_A", profile.positions), ("potential_eV", profile.potential), ("smoothed_eV", profile.smoothed)]
    return table(columns, [title, f"fermi_energy_eV {profile.fermi!r}", "work_functions_eV " + " ".join(map(repr, profile.work))])


def image_csv(image: Image, title: str) -> str:
    """Every point of a tunnelling image with its place."""
    n1, n2 = image.values.shape
    share = np.stack(np.meshgrid(np.arange(n1) / n1, np.arange(n2) / n2, indexing="ij"), -1).reshape(-1, 2) @ image.cell
    return table([("x_A", share[:, 0]), ("y_A", share[:, 1]), (f"value_{image.unit}", image.values.ravel())], [title, image.name])
