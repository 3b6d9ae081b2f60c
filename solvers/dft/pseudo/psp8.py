"""Reader of psp8 files, the format that ONCVPSP writes for ABINIT. D. R. Hamann, Phys. Rev. B 88, 085117 (2013); layout: ABINIT's page "psp8_info".

An equidistant mesh from r = 0; blocks `l, ekb…` with columns `i r p₁ p₂ …` of r p(r); one block with v_loc(r), of its own number (lloc > lmax) or in the place
of one l; with spin–orbit (extension_switch 2, 3) blocks of l ≥ 1 that scalar calculations leave out; 4π ρ_core and its derivatives when fchrg > 0; 4π times the
pseudo-valence density when extension_switch is 1 or 3; then text, usually the input of the generating program.
"""
from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from solvers.core.errors import ReadError

from .data import Projectors, RadialPotential, check, valence_configuration
from .headers import cutoff_hint, functional_of_pspxc, licence_of, symbol_of

_HINT = "Restore the file, or take it from its source again."
_MOST_PROJECTORS = 12  # per l


@dataclass
class _Lines:
    """The lines of a file and a cursor that knows where it stands."""

    lines: list[str]
    name: str
    at: int = 0

    def fail(self, message: str, line: int | None = None) -> ReadError:
        return ReadError(f"{self.name}, line {self.at if line is None else line}: {message}", hint=_HINT)

    def next(self, what: str) -> list[str]:
        if self.at >= len(self.lines):
            raise ReadError(f"{self.name} ends after {len(self.lines)} lines, before {what}.", hint="It is truncated. " + _HINT)
        self.at += 1
        return self.lines[self.at - 1].replace("D", "E").replace("d", "e").split()

    def numbers(self, what: str, kind: type, count: int) -> list:
        words = self.next(what)
        try:
            found = [kind(word) for word in words[:count]]
            finite = all(math.isfinite(value) for value in found)
        except (ValueError, OverflowError):
            raise self.fail(f"{' '.join(words)[:60]!r} is not {what}.") from None
        if len(found) < count or not finite:
            raise self.fail(f"{' '.join(words)[:60]!r} is not {what}.")
        return found

    def table(self, what: str, rows: int, columns: int) -> np.ndarray:
        """(rows, columns) of numbers behind the index in the first column."""
        block = self.lines[self.at:self.at + rows]
        if len(block) < rows:
            raise ReadError(f"{self.name} ends within {what}.", hint="It is truncated. " + _HINT)
        try:
            values = [[float(word) for word in line.replace("D", "E").replace("d", "e").split()[1:columns + 1]] for line in block]
        except ValueError as error:
            raise self.fail(f"within {what} from here on, a word is not a number ({str(error)[:80]}).", self.at + 1) from None
        for i, row in enumerate(values):
            if len(row) != columns:
                raise self.fail(f"{what} needs {columns} columns behind the index, got {len(row)}.", self.at + i + 1)
        self.at += rows
        table = np.array(values)
        if not np.isfinite(table).all():
            raise self.fail(f"{what} above holds a value that is not a finite number.")
        return table


def read_psp8(text: str, name: str) -> RadialPotential:
    """The potential in `text`; `name` is the file's name for messages. Raises ReadError that names line, what was found and what was expected."""
    lines = _Lines(text.splitlines(), name)
    title = " ".join(lines.next("its title"))
    nuclear, charge = lines.numbers("nuclear and valence charge", float, 2)
    words = lines.numbers("pspcod, pspxc, lmax, lloc, mmax", int, 5)
    code, pspxc, lmax, lloc, points = words
    if code != 8:
        raise lines.fail(f"pspcod is {code}, not 8.")
    if not 0 <= lmax <= 4 or not 0 <= lloc <= 5 or not 20 <= points <= 100_000:
        raise lines.fail(f"lmax = {lmax}, lloc = {lloc}, mmax = {points}; allowed are lmax 0 to 4, lloc 0 to 5, mmax 20 to 100000.")
    _, has_core, _ = lines.numbers("rchrg, fchrg, qchrg", float, 3)
    counts = lines.numbers("the numbers of projectors", int, lmax + 1)
    extension = lines.numbers("extension_switch", int, 1)[0]
    if extension not in (0, 1, 2, 3) or any(not 0 <= count <= _MOST_PROJECTORS for count in counts):
        raise lines.fail(f"{counts} projectors and extension_switch {extension}; allowed are 0 to {_MOST_PROJECTORS} per l and switches 0 to 3.")
    spin_orbit = extension in (2, 3)
    spin_counts = lines.numbers("the numbers of spin-orbit projectors", int, lmax) if spin_orbit and lmax else []
    if any(not 0 <= count <= _MOST_PROJECTORS for count in spin_counts):
        raise lines.fail(f"{spin_counts} spin-orbit projectors; allowed are 0 to {_MOST_PROJECTORS} per l.")
    symbol, number = symbol_of(nuclear, name)

    mesh: np.ndarray | None = None
    local: np.ndarray | None = None
    channels: dict[int, Projectors] = {}
    for _ in range(lmax + 1 + (lloc > lmax)):
        head = lines.next("a block of projectors")
        try:
            l, energies = int(head[0]), [float(word) for word in head[1:]]
        except (ValueError, IndexError):
            raise lines.fail(f"{' '.join(head)[:60]!r} is not the head of a block: l and one energy per projector.") from None
        if l == lloc:
            if local is not None:
                raise lines.fail(f"a second local potential (block {l}).")
            table = lines.table("the local potential", points, 2)
            local = table[:, 1]
        else:
            if not 0 <= l <= lmax or l in channels or len(energies) < counts[l]:
                raise lines.fail(f"block of l = {l} with {len(energies)} energies; expected one block for each l from 0 to {lmax}.")
            table = lines.table(f"the projectors of l = {l}", points, counts[l] + 1)
            channels[l] = Projectors(l, table[:, 1:].T.copy(), np.diag(energies[:counts[l]]))
        mesh = _same_mesh(lines, mesh, table[:, 0])
    if local is None:
        raise lines.fail(f"no block of the local potential (number {lloc}) came.")
    for l, count in enumerate(spin_counts, 1):
        lines.next("a block of spin-orbit projectors")
        lines.table(f"the spin-orbit projectors of l = {l}", points, count + 1)
    core = lines.table("the core density", points, 2)[:, 1] / (4 * math.pi) if has_core > 0 else None
    valence = lines.table("the valence density", points, 2)[:, 1] / (4 * math.pi) if extension in (1, 3) else None

    rest = "\n".join(lines.lines[lines.at:])
    step = np.full(points, mesh[1])
    notes = ("The file also holds spin-orbit projectors; the scalar-relativistic part is used.",) if spin_orbit else ()
    version = re.search(r"ONCVPSP\S*", title)
    return check(RadialPotential(
        symbol, f"{symbol}.psp8", functional_of_pspxc(pspxc), charge, mesh, step, mesh * local + charge,
        tuple(channel for l, channel in sorted(channels.items()) if len(channel.functions)), core, valence,
        configuration=_configuration(rest, charge) or valence_configuration(number, charge),
        relativity="spin-orbit (scalar part used)" if spin_orbit else "scalar or none", source=version[0] if version else title[:60],
        licence=licence_of(text), hint=cutoff_hint(rest), notes=notes), name)


def _same_mesh(lines: _Lines, mesh: np.ndarray | None, r: np.ndarray) -> np.ndarray:
    if mesh is None:
        step = (r[-1] - r[0]) / (len(r) - 1)
        if not 1e-4 <= step <= 0.1 or np.abs(r - step * np.arange(len(r))).max() > 1e-4 * step:
            raise lines.fail(f"the mesh from {r[0]:.3g} to {r[-1]:.3g} bohr is not equidistant from zero, as psp8 wants it.")
        return step * np.arange(len(r))
    if np.abs(mesh - r).max() > 1e-4 * mesh[1]:
        raise lines.fail("the mesh of this block differs from that of the first one.")
    return mesh


def _configuration(text: str, charge: float) -> tuple[int, ...]:
    """Valence electrons per l from the input of ONCVPSP behind the tables, () where it is not there or does not fit."""
    match = re.search(r"#\s*atsym\s+z\s+nc\s+nv[^\n]*\n\s*(\S+)\s+([\d.]+)\s+(\d{1,3})\s+(\d{1,3})\s[^\n]*\n(?:#[^\n]*\n)*"
                      r"((?:[ \t]*\d+[ \t]+\d[ \t]+[\d.]{1,12}[^\n]*\n)+)", text)
    if match is None:
        return ()
    rows = [line.split()[:3] for line in match[5].splitlines()][int(match[3]):int(match[3]) + int(match[4])]
    per_l = [0.0] * 4
    for _, l, electrons in rows:
        if int(l) > 3:
            return ()
        per_l[int(l)] += float(electrons)
    if any(count != int(count) for count in per_l) or sum(per_l) != charge:
        return ()
    while per_l[-1] == 0:
        per_l.pop()
    return tuple(int(count) for count in per_l)
