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


@dataclass(frozen=True, kw_only=True)
class GTHEntry(Entry):
    """One potential as numbers, its sha256 that of its own text: `local_radius` bohr, `local_coefficients` Ha, per l a `radius` (bohr) and the matrix h (Ha).

    core: Gaussians (radius a in bohr, coefficients c_i) of 4π ρ_core(r) = Σ e^{−r²/2a²} Σ_i c_i (r/a)^{2i−2}.
    """

    local_radius: float
    local_coefficients: tuple[float, ...]
    channel_radii: tuple[float, ...]
    channel_matrices: tuple[tuple[tuple[float, ...], ...], ...]  # [l][i][j], full symmetric
    core: tuple[tuple[float, tuple[float, ...]], ...] = ()

    @property
    def has_core(self) -> bool:
        """Whether a core density enters exchange and correlation."""
        return bool(self.core)

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


def read_table(path: Path, source: str = "", licence: str = "") -> tuple[GTHEntry, ...]:
    """The entries of the table at `path`; functionals other than LDA, PBE, PBEsol are skipped. Raises ReadError naming file, line and what was expected."""
    return read_text(path.read_text(encoding="utf-8"), path.name, source, licence)


def read_text(text: str, name: str, source: str = "", licence: str = "") -> tuple[GTHEntry, ...]:
    """The entries of a table's text; see `read_table`."""
    entries: list[GTHEntry] = []
    block: list[str] = []
    start = 0
    for number, line in enumerate([*text.splitlines(), "#"], 1):
        words = line.split("#", 1)[0].strip()
        if words and words[0].isalpha() and not words.upper().startswith("NLCC"):
            _finish(name, start, block, entries, source, licence)
            block, start = [words], number
        elif words:
            if not block:
                raise ReadError(f"{name}, line {number}: {words[:40]!r} stands before any element.", hint="A potential starts with its symbol and name.")
            block.append(words)
    _finish(name, start, block, entries, source, licence)
    if not entries:
        raise ReadError(f"{name} holds no GTH potential for LDA, PBE or PBEsol.", hint="Give a file in the format of CP2K's GTH_POTENTIALS.")
    return tuple(entries)


def _finish(name: str, start: int, block: list[str], entries: list[GTHEntry], source: str, licence: str) -> None:
    if not block:
        return
    symbol, *names = block[0].split()
    match = next((found for found in map(_NAME.match, names) if found), None)
    if match is None or match["functional"].upper() not in FUNCTIONALS:
        return
    try:
        entries.append(_entry(symbol, names, FUNCTIONALS[match["functional"].upper()], block, source, licence))
    except (ValueError, IndexError) as error:
        raise ReadError(f"{name}, line {start}: potential {symbol[:8]} {names[0][:60]} is damaged ({str(error)[:80]}).",
                        hint="Restore the file: its checksum stands beside it.") from error
    if entries[-1].charge != int(match["charge"]):
        raise ReadError(f"{name}, line {start}: {symbol[:8]} {names[0][:60]} lists {entries[-1].charge} electrons.", hint="Name and configuration must agree.")


def _entry(symbol: str, names: list[str], xc: str, block: list[str], source: str, licence: str) -> GTHEntry:
    configuration = tuple(int(word) for word in block[1].split())
    words = " ".join(block[2:]).split()
    cursor = 0

    def take(kind):
        nonlocal cursor
        cursor += 1
        return kind(words[cursor - 1])

    radius, n_local = take(float), take(int)
    coefficients = tuple(take(float) for _ in range(n_local))
    cores = []

    def take_core():  # behind the local part or at the end
        nonlocal cursor
        if words[cursor:cursor + 1] == ["NLCC"]:
            cursor += 1
            for _ in range(take(int)):
                width, count = take(float), take(int)
                cores.append((width, tuple(take(float) for _ in range(count))))

    take_core()
    radii, matrices = [], []
    for _ in range(take(int)):
        radii.append(take(float))
        n = take(int)
        if not 0 <= n <= 8:
            raise ValueError(f"{n} projectors of one angular momentum")
        matrix = [[0.0] * n for _ in range(n)]
        for i in range(n):
            for j in range(i, n):
                matrix[i][j] = matrix[j][i] = take(float)
        matrices.append(tuple(map(tuple, matrix)))
    take_core()
    if cursor != len(words):
        raise ValueError(f"{len(words) - cursor} numbers too many")
    digest = hashlib.sha256("\n".join(" ".join(text.split()) for text in block).encode()).hexdigest()
    return GTHEntry(symbol=symbol, name=names[0], aliases=tuple(names[1:]), xc=xc, configuration=configuration, local_radius=radius,
                    local_coefficients=coefficients, channel_radii=tuple(radii), channel_matrices=tuple(matrices), source=source, licence=licence,
                    sha256=digest, core=tuple(cores))


@cache
def embedded() -> tuple[GTHEntry, ...]:
    """The entries of the table that comes with the program."""
    return read_table(resource("pseudo", "gth", "GTH_POTENTIALS"), "GTH_POTENTIALS of PyPI pyscf 2.14.0 (M. Krack, update 2024-04-02)", "Apache-2.0")
