"""Which starting moments a calculation gets: the user's, the structure's own, or Hund's for elements that are usually magnetic. Imports no torch; µ_B.

A self-consistent cycle that starts without moments stays without: whatever is to become magnetic has to start so.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from ..core.structure import Structure

#: unpaired electrons of the free atom's d or f shell for elements whose solids are usually magnetic
HUND = {"Cr": 5, "Mn": 5, "Fe": 4, "Co": 3, "Ni": 2, "Ce": 1, "Pr": 3, "Nd": 4, "Pm": 5, "Sm": 6, "Eu": 7, "Gd": 7, "Tb": 5, "Dy": 4, "Ho": 3, "Er": 2, "Tm": 1,
        "Pa": 2, "U": 3, "Np": 4, "Pu": 6, "Am": 7, "Cm": 7}
#: an atom without a neighbour within this distance (Å), and within so many of its covalent radii, is a free atom
_FREE, _FREE_RADII = 5.0, 4.4
#: bond length (Å) below which two oxygen atoms with no other neighbour are a molecule of dioxygen, a triplet
_DIOXYGEN = 1.45
#: pairs of atoms and images up to which all distances are compared, which needs no SciPy at the start
_FEW = 200_000


@dataclass(frozen=True)
class Moments:
    """n_spin 1 or 2, starting moments (N,) or None without spin, and what to tell the user."""

    n_spin: int
    values: np.ndarray | None
    notes: tuple[str, ...] = ()


def choose_moments(structure: Structure, spin: str, given: tuple[float, ...] | None, total: float | None, configurations: dict[str, tuple[int, ...]],
                   charges: dict[str, float]) -> Moments:
    """How a calculation starts. spin: "auto", "none" or "collinear"; given: moments per atom (µ_B) of the parameters; total: the fixed total moment;
    configurations: valence electrons per l, charges: valence electrons, both per element of the potentials.

    Raises SetupError for moments that contradict `spin`, are not one per atom, or exceed the valence electrons of their atom.
    """
    source = "magmoms"
    if given is None and "initial_magmoms" in structure.arrays:
        own = np.asarray(structure.arrays["initial_magmoms"], float)
        if own.ndim == 1 and own.any():
            source, given = "the structure's initial magnetic moments", tuple(own)
        elif np.abs(own).max() > 0:
            raise SetupError(f"The structure's initial magnetic moments have the shape {own.shape}: vectors, not numbers.",
                             hint="Only collinear moments are treated: give one number per atom.")
    if given is not None:
        _check(structure, given, source, charges)
    if spin == "none":
        if given is not None and any(given) and source == "magmoms" or total:
            raise SetupError("spin = none contradicts magnetic moments that are not zero.",
                             hint="Leave out magmoms and total_moment, or choose spin = collinear.")
        return Moments(1, None)
    if given is not None and (any(given) or spin == "collinear"):
        return Moments(2, np.array(given, float))
    if given is not None and total is None:
        return Moments(1, None)
    guess, notes = _guess(structure, configurations, charges, everything=spin == "collinear" or total is not None)
    if guess.any():
        return Moments(2, guess, notes)
    return Moments(2, np.zeros(len(structure))) if spin == "collinear" or total is not None else Moments(1, None)


def _check(structure: Structure, given: tuple[float, ...], source: str, charges: dict[str, float]) -> None:
    if len(given) != len(structure):
        raise SetupError(f"{source} holds {len(given)} moments for {len(structure)} atoms.", hint="Give one per atom or leave it out.")
    for number, (symbol, moment) in enumerate(zip(structure.symbols, given, strict=True)):
        if abs(moment) > charges[symbol]:
            raise SetupError(f"{source} gives atom {number} ({symbol}) a moment of {moment:g} µB, more than its {charges[symbol]:g} valence electrons.",
                             hint="Give a moment between minus and plus the number of valence electrons, in µB.")


def _shell_moment(symbol: str, configuration: tuple[int, ...]) -> float:
    """The moment of an open d or f shell that the potential really has: none where it counts these electrons as core."""
    outer = configuration[2:]
    if not outer:
        return 0.0
    return float(min(HUND[symbol], sum(min(count, 2 * (2 * l + 1) - count) for l, count in enumerate(outer, 2))))


def _guess(structure: Structure, configurations: dict[str, tuple[int, ...]], charges: dict[str, float], everything: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Moments that nobody gave: of elements that are usually magnetic, of free atoms and of O2; with `everything` of every open shell."""
    from ase.data import covalent_radii, ground_state_magnetic_moments
    symbols = structure.symbols
    hund = ground_state_magnetic_moments[structure.numbers]
    nearest, count = _neighbours(structure)
    values, notes = np.zeros(len(symbols)), []
    bulk = {symbol: _shell_moment(symbol, configurations[symbol]) for symbol in set(symbols) & set(HUND)}
    for symbol, moment in sorted(bulk.items()):
        atoms = np.array([name == symbol for name in symbols])
        values[atoms] = moment
        if moment:
            notes.append(f"{symbol} is usually magnetic and no moments were given: every {symbol} atom starts with {moment:g} µB, all parallel. "
                         "Other orders (antiferromagnetic, ferrimagnetic) need magmoms; magmoms of zero give the non-magnetic state.")
    free = nearest > np.maximum(_FREE, _FREE_RADII * covalent_radii[structure.numbers])
    values[free] = hund[free]
    if free.any() and values[free].any():
        notes.append(f"{int(free.sum())} free atom(s) start with the moment of Hund's rule.")
    oxygen = np.array([name == "O" for name in symbols]) & (nearest < _DIOXYGEN) & (count == 1)
    if oxygen.sum() >= 2 and oxygen.sum() % 2 == 0:
        values[oxygen] = 1.0
        notes.append(f"{int(oxygen.sum()) // 2} O2 molecule(s) start as triplets.")
    if everything:
        values = np.where(values == 0, hund, values)
    return np.minimum(values, [charges[symbol] for symbol in symbols]), tuple(notes)


def _neighbours(structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    """(distance to the nearest atom or image in Å, number of atoms within 2 Å) of every atom; images count where the cell is periodic."""
    shifts = np.stack(np.meshgrid(*((-1, 0, 1) if periodic else (0,) for periodic in structure.pbc), indexing="ij"), -1).reshape(-1, 3)
    images = (structure.positions[None] + (shifts @ structure.cell)[:, None]).reshape(-1, 3)
    if len(images) * len(structure) < _FEW:
        apart = np.linalg.norm(structure.positions[:, None] - images, axis=-1)
        return np.append(np.sort(apart, axis=1), np.full((len(apart), 1), np.inf), 1)[:, 1], (apart <= 2.0).sum(1) - 1
    from scipy.spatial import cKDTree
    tree = cKDTree(images)
    distances = tree.query(structure.positions, k=2, workers=1)[0] if len(images) > 1 else np.full((1, 2), np.inf)
    return distances[:, 1], np.array([len(found) - 1 for found in tree.query_ball_point(structure.positions, 2.0)])
