"""Reader of the GTH potential table in the text format of CP2K and PySCF. No torch: `qcad pseudos` only lists.

Format: M. Krack, Theor. Chem. Acc. 114, 145 (2005); it is described in the head of the table itself.
"""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from solvers.core.errors import ReadError
from solvers.core.paths import resource

from .entry import Entry

#: functional in the table's names -> our name
FUNCTIONALS = {"PADE": "LDA", "PBE": "PBE", "PBESOL": "PBEsol"}
_NAME = re.compile(r"GTH-(?:NLCC-)?(?P<functional>[A-Za-z0-9]+)-q(?P<charge>\d+)(?:[-_]\w+)?$")


@dataclass(frozen=True)
class GTHEntry(Entry):
    """One potential as numbers: `local_radius` bohr, `local_coefficients` Ha, per l a `radius` (bohr) and the upper triangle of h (Ha)."""

    symbol: str
    name: str
    aliases: tuple[str, ...]
    xc: str
    configuration: tuple[int, ...]
    local_radius: float
    local_coefficients: tuple[float, ...]
    channel_radii: tuple[float, ...]
    channel_matrices: tuple[tuple[tuple[float, ...], ...], ...]  # [l][i][j], full symmetric
    source: str
    licence: str
    sha256: str  # of this entry's own text

    @property
    def charge(self) -> int:
        """Number of valence electrons."""
        return sum(self.configuration)

    @property
    def plain(self) -> bool:
        """Whether this entry carries the plain alias (``GTH-PBE``), the one that "gth" means."""
        return any(_NAME.match(alias) is None for alias in self.aliases)

    @property
    def n_projectors(self) -> int:
        """Projector functions per atom."""
        return sum(len(matrix) * (2 * l + 1) for l, matrix in enumerate(self.channel_matrices))


def read_table(path: Path, source: str = "", licence: str = "") -> tuple[tuple[GTHEntry, ...], tuple[tuple[str, str, str], ...]]:
    """(entries, excluded) of the table at `path`; excluded rows are (symbol, name, reason). Functionals other than LDA, PBE, PBEsol are skipped.

    Raises ReadError naming file, line and what was expected.
    """
    entries, excluded, block, start = [], [], [], 0
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate([*lines, "#"], 1):
        text = line.split("#", 1)[0].strip()
        if text and text[0].isalpha() and not text.upper().startswith("NLCC"):
            _finish(path, start, block, entries, excluded, source, licence)
            block, start = [text], number
        elif text:
            if not block:
                raise ReadError(f"{path.name}, line {number}: {text[:40]!r} stands before any element.", hint="A potential starts with its symbol and name.")
            block.append(text)
    _finish(path, start, block, entries, excluded, source, licence)
    if not entries:
        raise ReadError(f"{path} holds no GTH potential for LDA, PBE or PBEsol.", hint="Give a file in the format of CP2K's GTH_POTENTIALS.")
    return tuple(entries), tuple(excluded)


def _finish(path, start, block, entries, excluded, source, licence) -> None:
    if not block:
        return
    symbol, *names = block[0].split()
    match = next((found for found in map(_NAME.match, names) if found), None)
    if match is None or match["functional"].upper() not in FUNCTIONALS:
        return
    if any(text.upper().startswith("NLCC") for text in block) or any("NLCC" in name.upper() for name in names):
        excluded.append((symbol, names[0], "has a non-linear core correction, which this version does not treat"))
        return
    try:
        entries.append(_entry(symbol, names, FUNCTIONALS[match["functional"].upper()], block, source, licence))
    except (ValueError, IndexError) as error:
        raise ReadError(f"{path.name}, line {start}: potential {symbol} {names[0]} is damaged ({error}).",
                        hint="Restore the file: its checksum stands beside it.") from error
    if entries[-1].charge != int(match["charge"]):
        raise ReadError(f"{path.name}, line {start}: {symbol} {names[0]} lists {entries[-1].charge} electrons.", hint="Name and configuration must agree.")


def _entry(symbol, names, xc, block, source, licence) -> GTHEntry:
    configuration = tuple(int(word) for word in block[1].split())
    words = " ".join(block[2:]).split()
    cursor = 0

    def take(kind):
        nonlocal cursor
        cursor += 1
        return kind(words[cursor - 1])

    radius, n_local = take(float), take(int)
    coefficients = tuple(take(float) for _ in range(n_local))
    radii, matrices = [], []
    for _ in range(take(int)):
        radii.append(take(float))
        n = take(int)
        matrix = [[0.0] * n for _ in range(n)]
        for i in range(n):
            for j in range(i, n):
                matrix[i][j] = matrix[j][i] = take(float)
        matrices.append(tuple(map(tuple, matrix)))
    if cursor != len(words):
        raise ValueError(f"{len(words) - cursor} numbers too many")
    digest = hashlib.sha256("\n".join(" ".join(text.split()) for text in block).encode()).hexdigest()
    return GTHEntry(symbol, names[0], tuple(names[1:]), xc, configuration, radius, coefficients, tuple(radii), tuple(matrices), source, licence, digest)


@cache
def embedded() -> tuple[tuple[GTHEntry, ...], tuple[tuple[str, str, str], ...]]:
    """(entries, excluded) of the table that comes with the program."""
    return read_table(resource("pseudo", "gth", "GTH_POTENTIALS"), "GTH_POTENTIALS of PyPI pyscf 2.14.0 (M. Krack, update 2024-04-02)", "Apache-2.0")
