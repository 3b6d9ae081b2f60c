"""Parameters of a plane-wave calculation: k-points, smearing, potentials and the keywords of `DFT`. Imports neither torch nor numba."""
from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.core.errors import SetupError
from solvers.core.params import check, param
from solvers.core.units import BOLTZMANN_EV, HARTREE_EV

from .params_hubbard import HubbardU

SMEARINGS = ("none", "fermi-dirac", "gaussian", "methfessel-paxton", "cold")
_SMEARING_ALIASES = {"fixed": "none", "fd": "fermi-dirac", "fermi": "fermi-dirac", "mp": "methfessel-paxton", "mv": "cold", "marzari-vanderbilt": "cold"}
_WIDTH_UNITS = {"ev": 1.0, "mev": 1e-3, "ha": HARTREE_EV, "ry": HARTREE_EV / 2, "k": BOLTZMANN_EV}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class KPoints:
    """A Monkhorst–Pack mesh: `size` points along each reciprocal axis, or `spacing` in 1/Å (2π included); `shift` in mesh steps, zero = Γ-centred.

    Text forms: ``4x4x4``, ``4x4x4+0.5,0.5,0.5``, ``0.2/A``, ``gamma``.
    """

    size: tuple[int, int, int] | None = (1, 1, 1)
    spacing: float | None = None
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def coerce(cls, value: Any) -> KPoints:
        """A KPoints from itself, "4x4x4", (4, 4, 4), 4, {"size": …, "shift": …}, {"spacing": 0.2}, "0.2/A"; raises SetupError otherwise."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            unknown = set(value) - {"size", "spacing", "shift"}
            if unknown or ("size" in value) == ("spacing" in value):
                raise _bad_kpoints(value)
            shift = _three(value.get("shift", (0, 0, 0)), float, value)
            if "spacing" in value:
                return cls(None, _positive_spacing(value["spacing"], value), shift)
            return cls(_mesh_size(value["size"], value), None, shift)
        if isinstance(value, str):
            return cls._from_text(value)
        return cls(_mesh_size(value, value))

    @classmethod
    def _from_text(cls, text: str) -> KPoints:
        body = text.strip().lower().replace("å", "a").replace("×", "x").replace(" ", "")
        if body in ("gamma", "γ"):
            return cls()
        body, _, tail = body.partition("+")
        shift = _three(tail.split(","), float, text) if tail else (0.0, 0.0, 0.0)
        if body.endswith("/a"):
            return cls(None, _positive_spacing(body[:-2], text), shift)
        parts = body.split("x")
        return cls(_mesh_size(parts if len(parts) > 1 else body, text), None, shift)

    def mesh(self, cell: np.ndarray) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
        """(size, shift in mesh steps) for a cell (3, 3) of rows in Å; a spacing is rounded up to whole meshes."""
        if self.size is not None:
            return self.size, self.shift
        reciprocal = 2 * math.pi * np.linalg.norm(np.linalg.inv(np.asarray(cell, float)), axis=0)  # |b_i| in 1/Å: columns of the inverse
        # a length that is a whole multiple up to rounding noise must not gain a point
        return tuple(max(1, math.ceil(length / self.spacing - 1e-9)) for length in reciprocal), self.shift

    def __str__(self) -> str:
        body = f"{self.spacing!r}/A" if self.size is None else "x".join(map(str, self.size))
        return body + ("+" + ",".join(repr(step) for step in self.shift) if any(self.shift) else "")


@dataclass(frozen=True)
class Smearing:
    """How electrons fill the bands: `kind` (one of `SMEARINGS`) and `width` in eV (kT for Fermi–Dirac). Text forms: ``fermi-dirac:0.05eV``, ``none``."""

    kind: str = "none"
    width: float = 0.0

    @classmethod
    def coerce(cls, value: Any) -> Smearing:
        """A Smearing from itself, None, "none", ("fermi-dirac", 0.05), "cold:0.01Ha" (units eV, meV, Ha, Ry, K); raises SetupError otherwise."""
        if isinstance(value, cls):
            return value
        if value is None:
            return cls()
        if isinstance(value, Mapping):
            value = (value.get("kind", ""), value.get("width", 0.0))
        if isinstance(value, str):
            kind, _, text = value.partition(":")
            match = re.fullmatch(rf"\s*({_NUMBER})\s*([A-Za-z]*)\s*", text) if text else None
            if text and (match is None or (match[2] or "eV").lower() not in _WIDTH_UNITS):
                raise SetupError(f"Smearing width {text!r} is not understood.", hint="Write a number with eV, meV, Ha, Ry or K: fermi-dirac:0.05eV.")
            width = float(match[1]) * _WIDTH_UNITS[(match[2] or "eV").lower()] if match else 0.0
        else:
            try:
                kind, width = value
                width = float(width)
            except (TypeError, ValueError):
                raise SetupError(f"Smearing {value!r} is not understood.",
                                 hint="Give ('fermi-dirac', 0.05) with the width in eV, a text like fermi-dirac:0.05eV, or None.") from None
        kind = str(kind).strip().lower().replace("_", "-")
        kind = _SMEARING_ALIASES.get(kind, kind)
        if kind not in SMEARINGS:
            raise SetupError(f"Unknown smearing {kind!r}.", hint=f"Allowed: {', '.join(SMEARINGS)}.")
        if kind == "none":
            return cls()
        if not 0 < width <= 5.0:
            raise SetupError(f"Smearing width {width:g} eV is out of range.", hint="Allowed: above 0 up to 5 eV; metals usually take 0.05 to 0.3 eV.")
        return cls(kind, width)

    def __str__(self) -> str:
        return "none" if self.kind == "none" else f"{self.kind}:{self.width!r}eV"


@dataclass(frozen=True)
class Pseudos:
    """Which potential each element gets: `library`, except for those in `chosen` (symbol -> name or path of a file; paths become absolute).

    Text forms: ``gth``, ``dojo-pbe-standard`` (a set of the user's folder), ``Mg=GTH-PBE-q2,O=files/O.psp8``; a comma or percent sign within a path is
    written %2C or %25.
    """

    library: str = "gth"
    chosen: tuple[tuple[str, str], ...] = ()

    @classmethod
    def coerce(cls, value: Any) -> Pseudos:
        """A Pseudos from itself, "gth", {"Mg": "GTH-PBE-q2"}, "gth,Mg=GTH-PBE-q2"; raises SetupError otherwise."""
        if isinstance(value, cls):
            return value
        library, chosen = "gth", {}
        if isinstance(value, str):
            for part in filter(None, (item.strip() for item in value.split(","))):
                symbol, equals, name = part.partition("=")
                if equals:
                    chosen[symbol.strip()] = name.strip().replace("%2C", ",").replace("%25", "%")
                else:
                    library = part
        elif isinstance(value, Mapping):
            chosen = {str(symbol): str(name) for symbol, name in value.items()}
        else:
            raise SetupError(f"pseudos = {value!r} is not understood.", hint="Give 'gth', {'Mg': 'GTH-PBE-q2'} or the text Mg=GTH-PBE-q2,O=GTH-PBE-q6.")
        if library != "gth":
            library = _set_of_the_user(library)
        for symbol, name in chosen.items():
            if not re.fullmatch(r"[A-Z][a-z]?", symbol) or not name:
                raise SetupError(f"pseudos holds {symbol!r} = {name!r}.", hint="Each entry is a chemical symbol and a potential's name: Mg=GTH-PBE-q2.")
        return cls(library, tuple(sorted((symbol, _located(name)) for symbol, name in chosen.items())))

    def selector(self, symbol: str) -> str:
        """The name chosen for `symbol`, else the library's name."""
        return dict(self.chosen).get(symbol, self.library)

    def __str__(self) -> str:
        return ",".join(([] if self.chosen and self.library == "gth" else [self.library]) + [f"{symbol}={_written(name)}" for symbol, name in self.chosen])


def _set_of_the_user(name: str) -> str:
    """The set of the user's folder that `name` means, whatever its case; "gth" for GTH. SetupError lists what there is."""
    from .pseudo import folder
    if name.lower() == "gth":
        return "gth"
    for known in folder.sets():
        if known.lower() == name.lower():
            return known
    there = ", ".join(("gth", *folder.sets()))
    raise SetupError(f"Unknown potential library {name!r}.",
                     hint=f"Allowed: {there}, or single potentials as Symbol=NAME; `qcad pseudos fetch` gets others.")


def _located(name: str) -> str:
    """A path of a potential made absolute, so that it means the same in a worker's folder; names stay as they are."""
    from .pseudo.files import is_path
    return os.path.abspath(os.path.expanduser(name)) if is_path(name) else name


def _written(name: str) -> str:
    return name.replace("%", "%25").replace(",", "%2C")


@dataclass(frozen=True)
class DFTParams:
    """The keywords of `DFT(...)`; raises SetupError naming the parameter, its value and what is allowed."""

    xc: str = param("PBE", choices=("LDA", "PBE", "PBEsol", "revPBE", "r2SCAN", "PBE0", "HSE06", "HSE06-PBE"), group="physics",
                    help="exchange-correlation functional: LDA = Slater + PW92, PBE = libxc 101+130; PBE0 and HSE06 hold exact exchange and cost far more")
    cutoff: float | None = param(None, unit="eV", low=20.0, high=20000.0, group="basis",
                                 help="plane waves with |k+G|²/2 up to this; empty = largest recommended for the potentials")
    kpts: KPoints = param(KPoints(), help="k-points: 4x4x4, 4x4x4+0.5,0.5,0.5 (shift in mesh steps), or a spacing like 0.2/A", group="basis")
    grid: tuple | None = param(None, group="basis", advanced=True, help="FFT box n1,n2,n3; empty = smallest 2,3,5-smooth box that holds twice the largest |G|")
    smearing: Smearing = param(Smearing("fermi-dirac", 0.05), group="physics",
                               help="occupations: none, fermi-dirac:0.05eV, gaussian:…, methfessel-paxton:…, cold:…")
    pseudos: Pseudos = param(Pseudos(), help="gth = plain alias of each element, or choices like Mg=GTH-PBE-q2 or Si=/path/Si.psp8", group="physics")
    spin: str = param("auto", choices=("auto", "none", "collinear"), group="physics",
                      help="spin polarisation: auto = where moments are given or elements are usually magnetic")
    magmoms: tuple | None = param(None, unit="µB", group="physics",
                                  help="starting magnetic moments, one per atom; empty = the structure's own, or parallel ones for magnetic elements")
    total_moment: float | None = param(None, unit="µB", low=-2000.0, high=2000.0, group="physics", advanced=True,
                                       help="fixed total moment n↑ − n↓ of the cell; empty = free")
    charge: float = param(0.0, unit="e", low=-100.0, high=100.0, help="charge of the cell: positive = electrons removed", group="physics", advanced=True)
    charged: str = param("refuse", choices=("refuse", "background"), group="physics", advanced=True,
                         help="what to do with a charge: refuse, or neutralise it by a homogeneous background without any correction")
    hubbard: HubbardU | None = param(None, unit="eV", group="physics", help="Hubbard U (U − J, Dudarev) of shells, e.g. Ni-3d=5.0,O-2p=2; empty = none")
    hubbard_projection: str = param("ortho-atomic", choices=("ortho-atomic", "atomic"), group="physics", advanced=True,
                                    help="what U counts electrons in: Löwdin-orthonormalised orbitals of all atoms, or the atoms' own")
    exchange_singularity: str = param("gygi-baldereschi", choices=("gygi-baldereschi", "extrapolated", "spherical", "zero"), group="physics", advanced=True,
                                      help="hybrids: the Coulomb kernel at q + G = 0")
    dispersion: str = param("none", choices=("none", "d3bj", "d3bj-abc", "d4"), group="physics",
                            help="van der Waals correction: D3 with Becke–Johnson damping, with three-body energy (abc), or D4")
    dipole: str = param("none", choices=("none", "a", "b", "c"), group="physics", advanced=True,
                        help="slabs: cell vector across the vacuum along which the field between periodic images of the dipole is taken away")
    symmetry: bool = param(True, help="use the space group; time reversal is used in any case", group="basis")
    precision: str = param("double", choices=("double",), help="arithmetic", group="run", advanced=True)
    device: str = param("auto", choices=("auto", "cpu", "cuda"), help="where the calculation runs", group="run")
    tolerance: float = param(1e-8, unit="eV/atom", low=1e-13, high=1e-1, help="energy error at which the self-consistent cycle stops", group="run")
    max_steps: int = param(60, low=1, high=1000, help="most self-consistent steps", group="run", advanced=True)
    checkpoint: str | None = param(None, help="file that keeps the density for a restart", group="run", advanced=True)

    def __post_init__(self):
        check(self)
        if self.grid is not None:
            parts = re.split(r"[x×,\s]+", self.grid.strip()) if isinstance(self.grid, str) else self.grid
            parts = re.split(r"[x×]", parts[0]) if len(parts) == 1 and isinstance(parts[0], str) else parts
            try:
                box = tuple(int(part) for part in parts)
            except (TypeError, ValueError):
                box = ()
            if len(box) != 3 or min(box) < 1 or max(box) > 4096:
                raise SetupError(f"grid = {self.grid!r} is not an FFT box.", hint="Give three whole numbers from 1 to 4096, e.g. 36,36,36.")
            object.__setattr__(self, "grid", box)
        if self.magmoms is not None:
            try:
                moments = tuple(float(moment) for moment in self.magmoms)
            except (TypeError, ValueError):
                raise SetupError(f"magmoms = {self.magmoms!r} are not numbers.", hint="Give one moment in µB per atom, or leave it out.") from None
            if not all(math.isfinite(moment) for moment in moments):
                raise SetupError(f"magmoms = {moments} holds a number that is not finite.", hint="Give one moment in µB per atom, or leave it out.")
            object.__setattr__(self, "magmoms", moments)
        if self.charge and self.charged == "refuse":
            raise SetupError(f"charge = {self.charge:g} e makes a charged cell, whose energy in a periodic lattice is not defined by itself.",
                             hint="charged = background neutralises it by a homogeneous background; no correction for finite cells is applied.")


def _bad_kpoints(value: Any) -> SetupError:
    return SetupError(f"k-points {value!r} are not understood.",
                      hint="Give a mesh of whole numbers from 1 to 200 (4x4x4, with a shift 4x4x4+0.5,0.5,0.5) or a spacing in 1/Å from 0.005 to 10 (0.2/A).")


def _three(value: Any, kind: type, shown: Any) -> tuple:
    try:
        items = tuple(kind(item) for item in value)
    except (TypeError, ValueError):
        raise _bad_kpoints(shown) from None
    if len(items) != 3 or not all(math.isfinite(item) for item in items):
        raise _bad_kpoints(shown)
    return items


def _mesh_size(value: Any, shown: Any) -> tuple[int, int, int]:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        value = (value,) * 3
    numbers = _three(value, float, shown)
    if any(number != int(number) or not 1 <= number <= 200 for number in numbers):
        raise _bad_kpoints(shown)
    return tuple(int(number) for number in numbers)


def _positive_spacing(value: Any, shown: Any) -> float:
    try:
        spacing = float(value)
    except (TypeError, ValueError):
        raise _bad_kpoints(shown) from None
    if not 0.005 <= spacing <= 10.0:
        raise _bad_kpoints(shown)
    return spacing
