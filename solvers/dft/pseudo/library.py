"""Which potentials exist, which one a name means, and the cutoff each one needs: what its makers recommend, or our own scan (for the table in
resources/pseudo/gth/cutoffs.json, for files in the user's folder)."""
from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from solvers.core.errors import MissingError, SetupError
from solvers.core.paths import resource
from solvers.core.units import HARTREE_EV

from . import files, folder
from .entry import Entry, FileEntry
from .gth_table import GTHEntry, embedded

if TYPE_CHECKING:
    from .base import Pseudopotential


@dataclass(frozen=True)
class CutoffRow:
    """A recommended cutoff: `energy` in eV (None when unknown), `kind` "scanned" or "unknown", `reason` in words; `energies_only`: what energies and
    forces alone need (eV), without stresses. The criterion stands in `scan.py`."""

    energy: float | None
    kind: str
    reason: str
    energies_only: float | None = None


#: functional -> the one whose potentials it takes where it has none of its own, as is usual for it
_MADE_FOR = {"revPBE": "PBE", "RPBE": "PBE", "PBE0": "PBE", "HSE06": "PBE", "HSE06-PBE": "PBE", "r2SCAN": "PBE"}


def made_for(xc: str) -> str:
    """The functional whose potentials `xc` takes."""
    return _MADE_FOR.get(xc, xc)


def entries(symbol: str | None = None, xc: str | None = None) -> tuple[GTHEntry, ...]:
    """All table entries, of one element and of one functional ("LDA", "PBE", "PBEsol") where given."""
    return tuple(item for item in embedded() if symbol in (None, item.symbol) and xc in (None, item.xc))


def entry(symbol: str, xc: str, selector: str = "gth") -> Entry:
    """The entry that `selector` means for an element and functional: "gth" = the one with the plain alias, a name like "GTH-PBE-q2" or an alias of it, or the
    path of a potential file, or the name of one in the user's folder or of a set there.

    Functionals without potentials of their own take those made for another one (`made_for`). Raises MissingError that lists what exists, SetupError for a file
    of another element, ReadError for a damaged one.
    """
    if files.is_path(selector):
        return _in_file(symbol, selector)
    if selector.lower() != "gth":
        return _named(symbol, made_for(xc), selector)
    xc = made_for(xc)
    of_element = _of_element(symbol)
    candidates = [item for item in of_element if item.xc == xc and item.plain]
    if candidates:
        return candidates[0]
    named = [item.name for item in of_element if item.xc == xc]
    if named:
        raise MissingError(f"{symbol} has no default GTH potential for {xc}.",
                           hint=f"Choose one by name: pseudos = {symbol}={named[0]} (there are: {', '.join(named)}).")
    others = ", ".join(item.name for item in of_element)
    raise MissingError(f"{symbol} has no GTH potential for {xc}.",
                       hint=f"There are: {others}. Choose one by name if a potential of another functional is acceptable.")


def _named(symbol: str, xc: str, selector: str) -> Entry:
    """The table's entry of that name or alias, else the user's of that name or set."""
    for item in entries(symbol):
        if selector.lower() in (name.lower() for name in (item.name, *item.aliases)) and (item.xc == xc or selector.lower() == item.name.lower()):
            return item
    own = folder.find(symbol, selector)
    if own is not None:
        return own
    if selector in folder.sets():
        raise MissingError(f"The set {selector!r} has no potential of {symbol}.",
                           hint=f"It has {', '.join(sorted({item.symbol for item in folder.entries(collection=selector)}))}. Choose one by name for {symbol}.")
    there = [item.selector for item in (*_of_element(symbol), *folder.entries(symbol))]
    raise MissingError(f"{symbol} has no potential named {selector!r}.", hint=f"There are: {', '.join(there)}.")


def _of_element(symbol: str) -> tuple[GTHEntry, ...]:
    """The table's entries of an element; MissingError with the nearest element when there are none."""
    found = entries(symbol)
    if not found:
        near = difflib.get_close_matches(symbol, {item.symbol for item in entries()}, 1, 0.5)
        raise MissingError(f"There is no potential for element {symbol!r}.",
                           hint=(f"Did you mean {near[0]!r}? " if near else "") + "The GTH table covers H to Lr without Fr and Ra.")
    return found


def _in_file(symbol: str, path: str) -> Entry:
    found = files.file_entry(path)
    if found.symbol != symbol:
        raise SetupError(f"{path} is a potential of {found.symbol}, not of {symbol}.", hint=f"Give {symbol} a potential of its own.")
    return found


def find(symbol: str, xc: str, selector: str = "gth") -> Pseudopotential:
    """The live potential that `selector` means (see `entry`)."""
    return live(entry(symbol, xc, selector))


@cache
def live(item: Entry) -> Pseudopotential:
    """The potential behind an entry, ready to compute; one per entry."""
    from .gth import GTH
    if isinstance(item, FileEntry):
        found = files.potential_of(item)
        if isinstance(found, GTHEntry):
            return GTH(replace(found, name=item.name, sha256=item.sha256, licence=item.licence))
        from .numerical import NumericalPotential
        return NumericalPotential(item, found)
    return GTH(item)


def softer(item: Entry) -> tuple[Entry, ...]:
    """Table entries of the same element and functional with fewer valence electrons, softest last: what to choose when `item` is unaffordable."""
    if not isinstance(item, GTHEntry):
        return ()
    found = [other for other in entries(item.symbol, item.xc) if other.charge < item.charge]
    return tuple(sorted(found, key=lambda other: -other.charge))


@cache
def _cutoffs() -> dict:
    try:
        path = resource("pseudo", "gth", "cutoffs.json")
    except MissingError:
        return {"entries": {}}
    return json.loads(path.read_text(encoding="utf-8"))


def cutoff_row(item: Entry) -> CutoffRow:
    """The recommended cutoff of an entry and where it comes from."""
    if item.hint is not None:
        return CutoffRow(item.hint * HARTREE_EV, "hint", "recommended in the file by its makers")
    row = folder.stored_cutoffs().get(item.sha256) if isinstance(item, FileEntry) else _cutoffs()["entries"].get(f"{item.symbol} {item.name}")
    if row is None:
        return CutoffRow(None, "unknown", "not scanned yet")
    energy, alone = row.get("cutoff_ha"), row.get("energy_cutoff_ha")
    return CutoffRow(None if energy is None else energy * HARTREE_EV, row["kind"], row.get("reason", ""), None if alone is None else alone * HARTREE_EV)


def recommended_cutoff(item: Entry) -> float | None:
    """The recommended plane-wave cutoff in eV, None when none is known (see `cutoff_row` for the reason)."""
    return cutoff_row(item).energy


def default_cutoff(items: list[Entry] | tuple[Entry, ...]) -> float:
    """The largest recommended cutoff (eV) of several potentials; raises SetupError naming the one that has none."""
    values = {item: recommended_cutoff(item) or scanned_cutoff(item) for item in items}
    for item, value in values.items():
        if value is None:
            raise SetupError(f"No recommended cutoff is known for {item.symbol} {item.name}: {cutoff_row(item).reason}.",
                             hint="Give cutoff in eV, one at which the energy no longer changes."
                             + softer_hint(item))
    return max(values.values())


def scanned_cutoff(item: Entry) -> float | None:
    """The cutoff (eV) of a potential in a file, scanned now when nobody did before, and kept in the user's folder; None for others and where it fails."""
    if not isinstance(item, FileEntry):
        return None
    if item.sha256 not in folder.stored_cutoffs():
        from .scanning import recommended
        folder.store_cutoff(item.sha256, recommended(item))
    return cutoff_row(item).energy


def cutoff_notes(items: Iterable[Entry], cutoff: float) -> list[str]:
    """Sentences for people about a cutoff (eV): potentials that it is too low for, and potentials so hard that
    a softer valence is worth a thought."""
    notes = []
    for item in items:
        row = cutoff_row(item)
        if row.energy is None:
            continue
        soft = [other for other in softer(item) if (recommended_cutoff(other) or row.energy) < 0.5 * row.energy]
        if row.energies_only is not None and cutoff < 0.999 * row.energies_only:
            notes.append(f"cutoff {cutoff:.0f} eV is low for {item.symbol} {item.name}: energies want {row.energies_only:.0f} eV, stresses {row.energy:.0f} eV."
                         + (softer_hint(item) if soft else ""))
        elif cutoff < 0.999 * row.energy:
            notes.append(f"cutoff {cutoff:.0f} eV is enough for energies with {item.symbol} {item.name}, but stresses want {row.energy:.0f} eV.")
        elif soft and row.energy > 0.999 * cutoff:
            notes.append(f"{item.symbol} {item.name} needs a cutoff of {row.energy:.0f} eV." + softer_hint(item))
    return notes


def softer_hint(item: Entry) -> str:
    """One sentence naming a softer valence of the same element, "" when there is none."""
    found = softer(item)
    if not found:
        return ""
    best = found[-1]
    energy = recommended_cutoff(best)
    return f" A softer valence exists: pseudos = {best.symbol}={best.name}" + (f" ({energy:.0f} eV)." if energy else ".")


def listing(symbol: str | None = None, xc: str | None = None) -> list[dict]:
    """Rows for `qcad pseudos list`, the table's and the user's: symbol, name, selector, set, valence, xc, default, cutoff_ha, cutoff_ev, cutoff_kind, nlcc,
    relativity, licence, source, sha256."""
    own = [item for item in folder.entries(symbol) if xc in (None, item.xc)]
    rows = []
    for item in (*entries(symbol, xc), *own):
        cutoff = cutoff_row(item)
        belongs = item.collection if isinstance(item, FileEntry) else "gth"
        rows.append({"symbol": item.symbol, "name": item.name, "selector": item.selector, "set": belongs, "valence": item.charge, "xc": item.xc,
                     "default": item.plain, "cutoff_ha": None if cutoff.energy is None else cutoff.energy / HARTREE_EV,
                     "cutoff_ev": cutoff.energy, "cutoff_kind": cutoff.kind, "nlcc": item.has_core, "relativity": item.relativity, "licence": item.licence,
                     "source": item.source, "sha256": item.sha256})
    return rows


def choices(symbol: str, xc: str | None = None, library: str = "gth") -> list[dict]:
    """What a user can choose for an element, best first: rows with name (shown), selector (what `pseudos` takes), valence, xc, licence, cutoff (eV or None),
    cutoff_kind ("scanned", "hint", "unknown"), nlcc, relativity, source, default (whether `library` means it) and hint, one sentence for people."""
    wanted = None if xc is None else made_for(xc)
    try:
        meant = None if library == "gth" else folder.find(symbol, library)
    except SetupError:  # several of the element in the set: none is the default
        meant = None
    rows = []
    for item in (*entries(symbol), *folder.entries(symbol)):
        row = cutoff_row(item)
        default = item.plain if library == "gth" else item == meant
        rows.append({"symbol": symbol, "name": item.name, "selector": item.selector, "valence": item.charge, "xc": item.xc, "licence": item.licence,
                     "cutoff": row.energy, "cutoff_kind": row.kind, "nlcc": item.has_core, "relativity": item.relativity, "source": item.source,
                     "default": default and wanted in (None, item.xc), "hint": _hint(item, row, wanted)})
    rows.sort(key=lambda row: (wanted is not None and row["xc"] != wanted, not row["default"], row["cutoff"] or 1e9))
    return rows


def _hint(item: Entry, row: CutoffRow, xc: str | None) -> str:
    electrons = f"{item.charge:g} valence electron" + ("s" if item.charge != 1 else "")
    need = f"needs {row.energy:.0f} eV" if row.energy else f"cutoff not known ({row.reason})"
    extra = (f"; made for {item.xc}, not for {xc}" if xc not in (None, item.xc) else "") + ("; with core correction" if item.has_core else "")
    return f"{electrons}, {need}{extra}." + "".join(f" {note}" for note in item.notes)
