"""Reader of single analytic potentials in ABINIT's text forms: pspcod 2 (GTH 1996), 3 (HGH 1998), 10 (HGH in Krack's form) and 12 (with a core density).

Layouts: ABINIT's page of each format; A. Willand et al., J. Chem. Phys. 138, 104109 (2013) for the core: a Gaussian of width `rcore` with the charge
`qcore` (Z − Z_ion). Spin–orbit coefficients are read over.
"""
from __future__ import annotations

import hashlib
import math

from solvers.core.errors import ReadError

from .data import valence_configuration
from .gth_table import GTHEntry
from .headers import functional_of_pspxc, licence_of, symbol_of

_HINT = "Restore the file, or take it from its source again."
# couplings of HGH 1998, eqs 20-28: h_12, h_13, h_23 of each l as multiples of h_22, h_33, h_33
_HGH = ((-0.5 * math.sqrt(3 / 5), 0.5 * math.sqrt(5 / 21), -0.5 * math.sqrt(100 / 63)),
        (-0.5 * math.sqrt(5 / 7), math.sqrt(35 / 11) / 6, -14 / (6 * math.sqrt(11))),
        (-0.5 * math.sqrt(7 / 9), 0.5 * math.sqrt(63 / 143), -9 / math.sqrt(143)),
        (0.0, 0.0, 0.0))


class _Words:
    """The numbers of a file line by line; words that are none end a line's numbers."""

    def __init__(self, text: str, name: str):
        self.name, self.at = name, 0
        self.lines = text.splitlines()

    def line(self, what: str, least: int) -> list[float]:
        """The leading numbers of the next line that is not blank; ReadError when there are fewer than `least`."""
        while self.at < len(self.lines) and not self.lines[self.at].strip():
            self.at += 1
        if self.at >= len(self.lines):
            raise ReadError(f"{self.name} ends before {what}.", hint="It is truncated. " + _HINT)
        self.at += 1
        found = []
        for word in self.lines[self.at - 1].replace(",", " ").split():
            try:
                found.append(float(word.replace("D", "E").replace("d", "e")))
            except ValueError:
                break
        if len(found) < least or not all(math.isfinite(value) and abs(value) < 1e9 for value in found):
            raise ReadError(f"{self.name}, line {self.at}: {self.lines[self.at - 1].strip()[:60]!r} is not {what}.", hint=_HINT)
        return found

    def whole(self, value: float, what: str, low: int, high: int) -> int:
        """`value` as a whole number within bounds."""
        if value != int(value) or not low <= value <= high:
            raise ReadError(f"{self.name}, line {self.at}: {what} is {value:g}.", hint=f"A whole number from {low} to {high} was expected. " + _HINT)
        return int(value)


def read_gth(text: str, name: str) -> GTHEntry:
    """The potential in `text`; `name` is the file's name for messages. Raises ReadError that names line and expectation."""
    words = _Words(text, name)
    title = words.lines[0].strip() if words.lines else ""
    words.at = 1
    nuclear, ion = words.line("nuclear and valence charge", 2)[:2]
    symbol, number = symbol_of(nuclear, name)
    charge = words.whole(ion, "the valence charge", 1, 60)
    head = words.line("pspcod, pspxc, lmax", 3)
    code = words.whole(head[0], "pspcod", 1, 100)
    if code not in (2, 3, 10, 11, 12):
        raise ReadError(f"{name} has pspcod {code}.", hint="Analytic potentials have 2, 3, 10 or 12; psp8 files need the ending .psp8.")
    local = words.line("the radius and coefficients of the local part", 2)
    if code in (2, 3):
        radius, coefficients = local[0], local[1:5]
        radii, matrices = _old(words, code, words.whole(head[2], "lmax", 0, 3))
    else:
        radius, count = local[0], words.whole(local[1], "the number of local coefficients", 0, 4)
        coefficients = local[2:2 + count]
        if len(coefficients) < count:
            raise ReadError(f"{name}, line {words.at}: {count} local coefficients were announced, {len(coefficients)} stand there.", hint=_HINT)
        radii, matrices = _krack(words)
    core = ()
    if code in (11, 12):
        width, fraction = words.line("rcore and qcore", 2)[:2]
        if not 0.01 < width < 10 or not 0 < fraction < 10:
            raise ReadError(f"{name}, line {words.at}: a core of width {width:g} bohr and {fraction:g} of the core's charge.", hint=_HINT)
        core = ((width, (4 * math.pi * fraction * (number - charge) / (math.sqrt(2 * math.pi) * width) ** 3,)),)
    while coefficients and coefficients[-1] == 0:
        coefficients = coefficients[:-1]
    return GTHEntry(symbol=symbol, name=name, xc=functional_of_pspxc(int(head[1])), configuration=valence_configuration(number, charge), local_radius=radius,
                    local_coefficients=tuple(coefficients), channel_radii=tuple(radii), channel_matrices=tuple(matrices), source=title[:80] or "GTH file",
                    licence=licence_of(text), sha256=hashlib.sha256(text.encode()).hexdigest(), core=core)


def check_entry(entry: GTHEntry, name: str) -> GTHEntry:
    """`entry` when its numbers can belong to a potential; ReadError that names the field otherwise."""
    from ase.data import atomic_numbers
    if not 1 <= atomic_numbers.get(entry.symbol, 0) <= 103:
        raise ReadError(f"{name} names the element {entry.symbol[:20]!r}.", hint="Elements from H to Lr are known. " + _HINT)
    if len(entry.channel_matrices) > 4 or not 1 <= entry.charge <= 60 or any(not 0 <= count <= 4 * (4 * l + 2) for l, count in enumerate(entry.configuration)):
        raise ReadError(f"{name} has {len(entry.channel_matrices)} angular momenta and the valence electrons {entry.configuration}.",
                        hint="Allowed: l = 0 to 3 and 1 to 60 electrons. " + _HINT)
    used = [radius for radius, matrix in zip(entry.channel_radii, entry.channel_matrices, strict=True) if matrix]
    for radius in (entry.local_radius, *used, *(radius for radius, _ in entry.core)):
        if not 0.01 < radius < 10:
            raise ReadError(f"{name} has a Gaussian of radius {radius:g} bohr.", hint="Radii of analytic potentials lie between 0.01 and 10 bohr. " + _HINT)
    numbers = [*entry.local_coefficients, *(value for matrix in entry.channel_matrices for row in matrix for value in row),
               *(value for _, coefficients in entry.core for value in coefficients)]
    worst = max((abs(value) if math.isfinite(value) else math.inf for value in numbers), default=0.0)
    if worst > 1e5 or len(entry.local_coefficients) > 4 or any(len(coefficients) > 8 for _, coefficients in entry.core) or len(entry.core) > 8:
        raise ReadError(f"{name} has {len(entry.local_coefficients)} local coefficients and numbers up to {worst:.3g}.",
                        hint="Analytic potentials have up to four, and numbers below 100000 Ha. " + _HINT)
    return entry


def _old(words: _Words, code: int, lmax: int) -> tuple[list[float], list]:
    """Radii and matrices of pspcod 2 (s and p, no couplings) and 3 (diagonals, a line of spin–orbit after each l ≥ 1)."""
    radii, matrices = [], []
    for l in range(2 if code == 2 else lmax + 1):
        row = words.line(f"radius and strengths of l = {l}", 2)
        diagonal = [*row[1:4], 0.0, 0.0, 0.0][:2 - l if code == 2 else 3]
        radii.append(row[0])
        n = max((i + 1 for i, value in enumerate(diagonal) if value), default=0)
        matrix = [[0.0] * n for _ in range(n)]
        for i in range(n):
            matrix[i][i] = diagonal[i]
        if code == 3:
            for (i, j), factor in zip(((0, 1), (0, 2), (1, 2)), _HGH[l], strict=True):
                if j < n:
                    matrix[i][j] = matrix[j][i] = factor * diagonal[j]
            if l > 0:
                words.line(f"spin-orbit strengths of l = {l}", 1)
        matrices.append(tuple(map(tuple, matrix)))
    return radii, matrices


def _krack(words: _Words) -> tuple[list[float], list]:
    """Radii and matrices of pspcod 10 and 12: the upper triangle row by row, then for l ≥ 1 that of spin–orbit."""
    radii, matrices = [], []
    for l in range(words.whole(words.line("the number of angular momenta", 1)[0], "the number of angular momenta", 0, 4)):
        row = words.line(f"radius and couplings of l = {l}", 2)
        radii.append(row[0])
        n = words.whole(row[1], f"the number of projectors of l = {l}", 0, 3)
        matrix = [[0.0] * n for _ in range(n)]
        for i in range(n):
            values = row[2:] if i == 0 else words.line(f"row {i + 1} of the couplings of l = {l}", n - i)
            if len(values) < n - i:
                raise ReadError(f"{words.name}, line {words.at}: {n - i} couplings of l = {l} were expected.", hint=_HINT)
            for j in range(i, n):
                matrix[i][j] = matrix[j][i] = values[j - i]
        if l > 0:
            for i in range(n):
                words.line(f"row {i + 1} of the spin-orbit couplings of l = {l}", n - i)
        matrices.append(tuple(map(tuple, matrix)))
    return radii, matrices
