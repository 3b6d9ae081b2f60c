"""Reader of UPF files (unified pseudopotential format of Quantum ESPRESSO), versions 1 and 2, norm-conserving. Rydberg units in the file, Hartree here.

What a file of each version holds is brought into one shape (`Sections`), then interpreted in one place. Known defects of files that are met here:
* ONCVPSP 3 writes a broken tail of the local potential for a dozen elements beyond 6 bohr: r v + Z and the core density end there (`_local_end`),
  as they do in psp8 files; the valence density is never cut.
* Projectors that a faulty program filled with garbage are refused by name (`_sound_projectors`).
* PP_INFO with characters that XML forbids, missing cutoff_radius_index, missing labels of PP_CHI are put up with.
"""
from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np

from solvers.core.errors import ReadError

from .data import Projectors, RadialPotential, Shell, check, highest_shell, valence_configuration
from .headers import cutoff_hint, functional_of_upf, licence_of

_HINT = "Restore the file, or take it from its source again."
_CUT = 6.0  # bohr, where local potential and core density of healthy files have ended
_TAIL = 1.5e-4  # Ha bohr: r v + Z below which the tail has ended
_LAST = 10.0  # bohr, for files with long tails
_MOST = 100  # projectors, orbitals


@dataclass
class Sections:
    """The content of a UPF file: header by lower-case keys, arrays as written (Ry), projectors [(l, values, cutoff index or None)], D (n, n),
    orbitals [(label, l, occupation, energy or None, values)]."""

    name: str
    header: dict[str, str]
    r: np.ndarray
    step: np.ndarray
    local: np.ndarray
    projectors: list[tuple[int, np.ndarray, int | None]]
    coupling: np.ndarray
    core: np.ndarray | None = None
    density: np.ndarray | None = None
    orbitals: list[tuple[str, int, float, float | None, np.ndarray]] = field(default_factory=list)
    info: str = ""


def read_upf(text: str, name: str) -> RadialPotential:
    """The potential in `text`; `name` is the file's name for messages. Raises ReadError for damage, and for kinds this program does not compute with."""
    if re.search(r"<UPF\s[^>]{0,200}version", text):
        from .upf2 import sections
    else:
        from .upf1 import sections
    return _potential(sections(text, name), text)


def refuse_kind(name: str, kind: str) -> None:
    """Raise ReadError for a pseudo_type that is not norm-conserving."""
    kind = kind.strip().strip("'\"").upper()
    reasons = {"US": "ultrasoft: it needs augmentation charges and a generalised eigenproblem", "USPP": "ultrasoft: it needs augmentation charges",
               "PAW": "of the projector augmented-wave method: it needs augmentation charges and on-site energies",
               "1/R": "a bare Coulomb potential, which no plane-wave cutoff converges"}
    if kind in reasons:
        raise ReadError(f"{name} is {reasons[kind]}.", hint="This program computes with norm-conserving potentials: take one of PseudoDojo, SG15, SPMS or GTH.")
    if kind not in ("NC", "SL"):
        raise ReadError(f"{name} is of the unknown kind {kind[:20]!r}.", hint="Norm-conserving files say NC. " + _HINT)


def numbers(name: str, what: str, text: str, count: int | None = None) -> np.ndarray:
    """The numbers in `text`; ReadError when a word is none of them, or when there are not `count`."""
    try:
        found = np.array(text.replace("D", "E").replace("d", "e").split(), dtype=float)
    except ValueError as error:
        raise ReadError(f"{name}: {what} holds a word that is not a number ({str(error)[:80]}).", hint=_HINT) from None
    if count is not None and len(found) < count:
        raise ReadError(f"{name}: {what} has {len(found)} values; {count} were announced.", hint="The file is truncated. " + _HINT)
    return found if count is None else found[:count]


def _potential(upf: Sections, text: str) -> RadialPotential:
    name, header = upf.name, upf.header
    symbol, number = _element(name, header.get("element", ""))
    charge = _number(name, header, "z_valence")
    if len(upf.r) != len(upf.step) or len(upf.local) > len(upf.r):
        raise ReadError(f"{name}: PP_R, PP_RAB and PP_LOCAL have {len(upf.r)}, {len(upf.step)} and {len(upf.local)} values.", hint=_HINT)
    r = upf.r[:len(upf.local)]
    for what, array in (("PP_R", r), ("PP_RAB", upf.step), ("PP_LOCAL", upf.local)):
        if not np.isfinite(array).all() or len(array) < 20:
            raise ReadError(f"{name}: {what} holds too few values or one that is not a finite number.", hint=_HINT)
    channels, notes, reach = _projectors(upf, r)
    screened = r * upf.local / 2 + charge
    end, note = _local_end(r, screened, reach)
    core = None
    if upf.core is not None and np.any(upf.core):
        core = upf.core[:end]
    density = None
    if upf.density is not None:
        n = min(len(upf.density), len(r))
        squares = np.maximum(r[:n], 1e-12) ** 2
        density = upf.density[:n] / (4 * math.pi * squares)
        if r[0] < 1e-6:
            density[0] = density[1]
    shells = tuple(Shell(label.strip() or f"{max(highest_shell(number, l), l + 1)}{'spdf'[l]}", l, max(occupation, 0.0), energy, values[:len(r)])
                   for label, l, occupation, energy, values in upf.orbitals if 0 <= l <= 3 and np.any(values))
    return check(RadialPotential(
        symbol, f"{symbol}.upf", functional_of_upf(header.get("functional", "")), charge, r, upf.step[:len(r)], screened[:end], channels, core, density, shells,
        configuration=_configuration(shells, charge) or valence_configuration(number, charge),
        relativity=header.get("relativistic", "not stated") or "not stated", source=_source(header, upf.info), licence=licence_of(text),
        hint=_cutoff(header) or cutoff_hint(upf.info), notes=(*notes, *note)), name)


def _element(name: str, text: str) -> tuple[str, int]:
    from ase.data import atomic_numbers
    symbol = text.strip().strip("'\"").capitalize()
    if not 1 <= atomic_numbers.get(symbol, 0) <= 103:
        raise ReadError(f"{name} names the element {text[:20]!r}.", hint="PP_HEADER must name one from H to Lr. " + _HINT)
    return symbol, atomic_numbers[symbol]


def _number(name: str, header: dict[str, str], key: str) -> float:
    try:
        value = float(header[key].replace("D", "E").replace("d", "e"))
    except KeyError:
        raise ReadError(f"{name}: PP_HEADER has no {key}.", hint=_HINT) from None
    except ValueError:
        raise ReadError(f"{name}: PP_HEADER says {key} = {header[key][:30]!r}.", hint="A number was expected. " + _HINT) from None
    if not math.isfinite(value):
        raise ReadError(f"{name}: PP_HEADER says {key} = {value}.", hint="A finite number was expected. " + _HINT)
    return value


def _projectors(upf: Sections, r: np.ndarray) -> tuple[tuple[Projectors, ...], list[str], float]:
    """(channels, notes, largest radius of a projector in bohr)."""
    name, notes = upf.name, []
    if not upf.projectors:
        return (), notes, 0.0
    n = len(upf.projectors)
    if upf.coupling.shape != (n, n) or not np.isfinite(upf.coupling).all():
        raise ReadError(f"{name}: PP_DIJ does not hold {n} x {n} finite numbers for {n} projectors.", hint=_HINT)
    momenta = np.array([l for l, _, _ in upf.projectors])
    if np.abs(upf.coupling[momenta[:, None] != momenta[None]]).sum() > 1e-8 * np.abs(upf.coupling).max():
        raise ReadError(f"{name}: PP_DIJ couples projectors of different angular momenta.", hint=_HINT)
    ends = [cut for _, _, cut in upf.projectors if cut]
    longest = max(len(values) for _, values, _ in upf.projectors)
    end = min(max(ends), longest, len(r)) if len(ends) == n and max(ends) >= 20 else min(longest, len(r))
    channels, reach = [], 0.0
    for l in sorted(set(momenta.tolist())):
        own = np.flatnonzero(momenta == l)
        functions = np.zeros((len(own), end))
        for row, i in enumerate(own):
            values = upf.projectors[i][1][:end]
            functions[row, :len(values)] = values
        coupling = upf.coupling[np.ix_(own, own)]
        idle = (np.abs(functions).max(1) < 1e-10) & (np.abs(coupling).max(1) < 1e-10)
        if idle.any():
            notes.append(f"{int(idle.sum())} empty projectors of l = {l} are left out.")
            functions, coupling = functions[~idle], coupling[np.ix_(~idle, ~idle)]
        if not len(functions):
            continue
        _sound_projectors(name, l, functions, r, upf.step)
        if np.abs(coupling - coupling.T).max() > 1e-6 * max(np.abs(coupling).max(), 1e-12):
            raise ReadError(f"{name}: the couplings of l = {l} in PP_DIJ are not symmetric.", hint=_HINT)
        last = np.flatnonzero(np.abs(functions).max(0) > 1e-6 * np.abs(functions).max())
        reach = max(reach, float(r[last[-1]]))
        channels.append(Projectors(int(l), functions, coupling / 2))  # Ry to Ha
    return tuple(channels), notes, reach


def _sound_projectors(name: str, l: int, functions: np.ndarray, r: np.ndarray, step: np.ndarray) -> None:
    """Refuse projectors that cannot be functions of a potential: not finite, rough from point to point, not ended, or multiples of one another."""
    cause = "Files of PseudoDojo 0.5 are known for this; take version 0.4, 0.5.1 or the psp8 file instead."
    n = functions.shape[1]
    for i, function in enumerate(functions, 1):
        what = f"{name}: projector {i} of l = {l}"
        largest = np.abs(function).max()
        if not np.isfinite(function).all() or largest > 1e8 or largest < 1e-10:
            raise ReadError(f"{what} reaches {largest:.3g}: it is not a projector.", hint=cause)
        if np.abs(np.diff(function, 2)).max() > 0.25 * largest:
            raise ReadError(f"{what} jumps from point to point: it is not a smooth function.", hint=cause)
        if r[n - 1] > 1.5 and np.abs(function[-3:]).min() > 0.05 * largest:
            raise ReadError(f"{what} has not ended at {r[n - 1]:.2f} bohr.", hint=cause)
    norms = np.sqrt((functions**2) @ step[:n])
    gram = (functions * step[:n]) @ functions.T / np.outer(norms, norms)
    if len(functions) > 1 and np.linalg.eigvalsh(gram)[0] < 1e-9:
        raise ReadError(f"{name}: the {len(functions)} projectors of l = {l} are multiples of one another.", hint=cause)


def _local_end(r: np.ndarray, screened: np.ndarray, reach: float) -> tuple[int, tuple[str, ...]]:
    """(points after which r v + Z is taken for zero, notes)."""
    def points(radius: float) -> int:
        return int(np.searchsorted(r, radius - 1e-9))

    for radius in np.arange(max(_CUT, reach), _LAST, 0.5):
        window = np.abs(screened[points(radius - 0.25):points(radius)])
        if window.size and window.max() < _TAIL:
            end = points(radius)
            beyond = np.abs(screened[end:points(_LAST)])
            if beyond.size and beyond.max() > 2e-4:
                return end, (f"The local potential's tail is broken beyond {radius:.1f} bohr (r v + Z up to {beyond.max():.1g} Ha bohr) and is cut off there.",)
            return end, ()
    return min(points(_LAST), len(r)), ()


def _configuration(shells: tuple[Shell, ...], charge: float) -> tuple[int, ...]:
    per_l = [sum(shell.occupation for shell in shells if shell.l == l) for l in range(4)]
    if abs(sum(per_l) - charge) > 1e-6 or any(abs(count - round(count)) > 1e-6 for count in per_l):
        return ()
    while per_l and per_l[-1] == 0:
        per_l.pop()
    return tuple(round(count) for count in per_l)


def _source(header: dict[str, str], info: str) -> str:
    for text in (header.get("generated", ""), *info.splitlines()):
        words = " ".join(text.split())
        if words:
            return words[:80]
    return "UPF file"


def _cutoff(header: dict[str, str]) -> float | None:
    """Suggested wavefunction cutoff in Ha."""
    try:
        value = float(header.get("wfc_cutoff", "0").replace("D", "E").replace("d", "e")) / 2
    except ValueError:
        return None
    return value if 2.0 <= value <= 500.0 else None
