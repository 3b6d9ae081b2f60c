"""Structures from nothing: prototypes, space group with occupied sites, molecules."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import SetupError, StructureError
from ..core.params import check, param
from .values import Site, Sites

if TYPE_CHECKING:
    from ase import Atoms

#: prototype -> number of elements it needs; ASE's builder knows all but the last three
PROTOTYPES = {"fcc": 1, "bcc": 1, "sc": 1, "hcp": 1, "diamond": 1, "bct": 1, "rocksalt": 2, "zincblende": 2, "wurtzite": 2, "cesiumchloride": 2, "fluorite": 2,
              "l12": 2, "b2": 2, "perovskite": 3}
_CUBIC_ORBITS = {  # Strukturbericht L1_2 (Cu3Au), B2 (CsCl), E2_1 (CaTiO3): space group 221 each, sites in the order of the formula's elements
    "b2": ((0, 0, 0), (0.5, 0.5, 0.5)),
    "perovskite": ((0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0)),
}
LATTICE_LENGTHS = (0.5, 1000.0)  # Å


@dataclass(frozen=True)
class Bulk:
    """Parameters of `bulk`."""

    symbol: str = param("Si", help="element or formula: Si, MgO, Ni3Al")
    structure: str | None = param(None, choices=tuple(PROTOTYPES), help="prototype; left out: the ground state of the element")
    a: float | None = param(None, unit="Å", low=LATTICE_LENGTHS[0], high=LATTICE_LENGTHS[1], help="lattice constant; left out: measured one of the element")
    c: float | None = param(None, unit="Å", low=LATTICE_LENGTHS[0], high=LATTICE_LENGTHS[1], help="second lattice constant of hcp, wurtzite, bct")
    u: float | None = param(None, low=0.0, high=1.0, help="internal coordinate of wurtzite", advanced=True)
    cubic: bool = param(False, help="conventional cubic cell instead of the primitive one")

    def __post_init__(self):
        check(self)


def bulk(params: Bulk) -> Atoms:
    """The crystal, periodic in three directions.

    Lattice constants left out come from ASE's table of elements (experiment); compounds need `a`. Raises SetupError for an unknown element, a
    prototype that the formula does not fit, or a missing lattice constant.
    """
    import ase.build
    elements = _elements(params.symbol)
    structure = params.structure
    if structure is None and len(elements) > 1:
        raise SetupError(f"{params.symbol} is a compound and has no default structure.",
                         hint=f"Give one of {', '.join(PROTOTYPES)} and the lattice constant a.")
    if structure is not None and PROTOTYPES[structure] != len(elements):
        raise SetupError(f"{structure} needs {PROTOTYPES[structure]} element(s); {params.symbol} has {len(elements)}.",
                         hint="Change the formula or the prototype.")
    if len(elements) > 1 and params.a is None:
        raise SetupError(f"The lattice constant of {params.symbol} is not known.", hint="Give a in Å.")
    if structure in ("l12", *_CUBIC_ORBITS):
        return _cubic_prototype(params, structure, elements)
    try:
        return ase.build.bulk(params.symbol, structure, a=params.a, c=params.c, u=params.u, cubic=params.cubic)
    except (ValueError, RuntimeError, KeyError, NotImplementedError) as error:
        raise SetupError(f"{params.symbol} cannot be built as {structure or 'its ground state'}: {error}.",
                         hint="Give the prototype and its lattice constants, or use the crystal builder.") from error


def _elements(formula: str) -> dict[str, int]:
    from ase.data import atomic_numbers
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    if not parts or "".join(symbol + count for symbol, count in parts) != formula:
        raise SetupError(f"{formula!r} is not a chemical formula.", hint="Example: Si, MgO, Ni3Al.")
    for symbol, _ in parts:
        if atomic_numbers.get(symbol, 0) < 1:
            raise SetupError(f"There is no element {symbol!r}.", hint="Element symbols start with a capital letter: Si, Mg.")
    return {symbol: int(count or 1) for symbol, count in parts}


def _cubic_prototype(params: Bulk, structure: str, elements: dict[str, int]) -> Atoms:
    if structure == "l12":
        if sorted(elements.values()) != [1, 3]:
            raise SetupError(f"l12 is an A3B structure; {params.symbol} is not.", hint="Example: Ni3Al with a = 3.57.")
        orbits = {symbol: (0, 0.5, 0.5) if count == 3 else (0, 0, 0) for symbol, count in elements.items()}
    else:
        expected = {"b2": [1, 1], "perovskite": [1, 1, 3]}[structure]
        if list(elements.values()) != expected:
            raise SetupError(f"{structure} has the formula {'AB' if structure == 'b2' else 'ABX3'}; {params.symbol} does not fit.",
                             hint="Example: NiAl, SrTiO3.")
        orbits = dict(zip(elements, _CUBIC_ORBITS[structure], strict=True))
    sites = Sites(tuple(Site(symbol, tuple(map(float, position))) for symbol, position in orbits.items()))
    return crystal(Crystal(sites=sites, spacegroup="221", a=params.a))


@dataclass(frozen=True)
class Crystal:
    """Parameters of `crystal`."""

    sites: Sites = param(help="occupied sites: element, optional Wyckoff label, fractions: Ti 2a 0 0 0; O 4f 0.3053 0.3053 0")
    spacegroup: str = param(help="number 1 to 230 or Hermann–Mauguin symbol, blanks between its parts: 136 or P 42/m n m")
    a: float = param(unit="Å", low=LATTICE_LENGTHS[0], high=LATTICE_LENGTHS[1], help="lattice constant a")
    b: float | None = param(None, unit="Å", low=LATTICE_LENGTHS[0], high=LATTICE_LENGTHS[1], help="b; left out where symmetry gives it")
    c: float | None = param(None, unit="Å", low=LATTICE_LENGTHS[0], high=LATTICE_LENGTHS[1], help="c; left out where symmetry gives it")
    alpha: float | None = param(None, unit="°", low=10.0, high=170.0, help="angle between b and c; left out where symmetry gives it")
    beta: float | None = param(None, unit="°", low=10.0, high=170.0, help="angle between a and c; left out where symmetry gives it")
    gamma: float | None = param(None, unit="°", low=10.0, high=170.0, help="angle between a and b; left out where symmetry gives it")
    setting: int = param(1, choices=(1, 2), help="origin choice, or 2 = rhombohedral axes", advanced=True)
    primitive: bool = param(False, help="reduce to the primitive cell")

    def __post_init__(self):
        check(self)


def crystal(params: Crystal) -> Atoms:
    """The crystal with the given space group, every orbit filled, in the conventional cell or the primitive one.

    Symmetry-given lattice constants may be left out; given against the crystal system they are refused. A site whose Wyckoff label states a
    multiplicity that its coordinates do not have is refused (0.333 is not 1/3). Raises SetupError or StructureError.
    """
    from ase.data import atomic_numbers
    from ase.spacegroup import Spacegroup
    from ase.spacegroup import crystal as ase_crystal
    from ase.spacegroup.spacegroup import SpacegroupError
    symbol = int(params.spacegroup) if params.spacegroup.strip().isdigit() else params.spacegroup.strip()
    try:
        group = Spacegroup(symbol, params.setting)
    except (SpacegroupError, ValueError) as error:
        raise SetupError(f"Space group {params.spacegroup!r} in setting {params.setting} is not known.",
                         hint="Allowed: 1 to 230, or the full symbol with blanks such as P 42/m n m; most groups have setting 1 only.") from error
    cellpar = _cell_parameters(params, group.no)
    for site in params.sites.sites:
        if atomic_numbers.get(site.symbol, 0) < 1:
            raise SetupError(f"There is no element {site.symbol!r}.", hint="Element symbols start with a capital letter: Si, Mg.")
        found = len(group.equivalent_sites([site.position], symprec=1e-5)[0])
        wanted = int(re.match(r"\d*", site.wyckoff).group() or found)
        if found != wanted:
            raise StructureError(f"Site {site.symbol} {site.wyckoff} at {site.position} has {found} equivalent atoms, not {wanted}.",
                                 hint="Write fractions exactly (1/3, not 0.333) or correct the label.")
    positions = [site.position for site in params.sites.sites]
    alone = sum(len(group.equivalent_sites([position], symprec=1e-5)[0]) for position in positions)
    together = len(group.equivalent_sites(positions, onduplicates="keep", symprec=1e-3)[0])
    if together != alone:
        raise StructureError(f"The sites {params.sites} share atoms: {alone} places, {together} of them different.",
                             hint="Remove the repeated site; partial occupancy is not supported.")
    atoms = ase_crystal([site.symbol for site in params.sites.sites], positions, spacegroup=group, cellpar=cellpar, onduplicates="keep", symprec=1e-5,
                        primitive_cell=params.primitive)
    atoms.info = {"spacegroup_number": int(group.no)}
    if "spacegroup_kinds" in atoms.arrays:
        del atoms.arrays["spacegroup_kinds"]
    return atoms


def _cell_parameters(params: Crystal, number: int) -> tuple[float, ...]:
    """a, b, c, alpha, beta, gamma with what the crystal system gives filled in (International Tables A, table 2.1.2.1)."""
    rhombohedral = number in (146, 148, 155, 160, 161, 166, 167) and params.setting == 2
    equal = {"a": "a", "b": "b", "c": "c"}
    angle = {"alpha": None, "beta": None, "gamma": None}
    if number >= 195:
        system, equal, angle = "cubic", {"b": "a", "c": "a"}, dict.fromkeys(angle, 90.0)
    elif rhombohedral:
        system, equal, angle = "rhombohedral", {"b": "a", "c": "a"}, {"beta": "alpha", "gamma": "alpha", "alpha": None}
    elif number >= 143:
        system, equal, angle = "trigonal or hexagonal", {"b": "a"}, {"alpha": 90.0, "beta": 90.0, "gamma": 120.0}
    elif number >= 75:
        system, equal, angle = "tetragonal", {"b": "a"}, dict.fromkeys(angle, 90.0)
    elif number >= 16:
        system, angle = "orthorhombic", dict.fromkeys(angle, 90.0)
    elif number >= 3:
        system, angle = "monoclinic", {"alpha": 90.0, "gamma": 90.0, "beta": None}
    else:
        system = "triclinic"
    values: dict[str, float] = {"a": params.a}
    for name in ("b", "c", "alpha", "beta", "gamma"):
        given, rule = getattr(params, name), {**equal, **angle}.get(name)
        implied = values.get(rule) if isinstance(rule, str) and rule != name else rule if isinstance(rule, float) else None
        if given is None and implied is None:
            raise SetupError(f"Space group {number} is {system} and needs {name}.", hint=f"Give {name} in {'°' if name in angle else 'Å'}.")
        if given is not None and implied is not None and abs(given - implied) > 1e-6 * abs(implied):
            raise SetupError(f"{name} = {given:g} does not fit space group {number} ({system}), where it is {implied:g}.",
                             hint=f"Leave {name} out or choose another group.")
        values[name] = implied if given is None else given
    return tuple(values[name] for name in ("a", "b", "c", "alpha", "beta", "gamma"))


@dataclass(frozen=True)
class Molecule:
    """Parameters of `molecule`."""

    name: str = param("H2O", help="molecule of the G2 set (H2O, CH4, CO2 …) or one element for a single atom")
    vacuum: float = param(5.0, unit="Å", low=0.0, high=100.0, help="empty space on every side")
    periodic: bool = param(True, help="periodic box, which plane waves need")

    def __post_init__(self):
        check(self)


def molecule(params: Molecule) -> Atoms:
    """The molecule in the middle of a rectangular box. Raises SetupError for an unknown name."""
    from ase import Atoms
    from ase.build import molecule as ase_molecule
    from ase.collections import g2
    from ase.data import atomic_numbers
    if params.name in g2.names:
        atoms = ase_molecule(params.name)
        atoms.set_initial_magnetic_moments(None)
    elif atomic_numbers.get(params.name, 0) >= 1:
        atoms = Atoms(params.name, positions=[(0.0, 0.0, 0.0)])
    else:
        import difflib
        near = difflib.get_close_matches(params.name, g2.names, 3)
        hint = f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(sorted(g2.names)[:20])} …"
        raise SetupError(f"Molecule {params.name!r} is not known.", hint=hint)
    if params.vacuum == 0.0 and params.periodic:
        raise SetupError("vacuum = 0 makes a periodic molecule overlap its images.", hint="Give at least a few Å.")
    atoms.center(vacuum=params.vacuum)
    atoms.pbc = params.periodic
    return atoms
