"""What a list of potentials knows of each one, whatever it is made of: a row of a table (`gth_table.GTHEntry`) or a file (`FileEntry`). No torch."""
from __future__ import annotations

from dataclasses import dataclass, field


class Entry:
    """Common face of all potentials before they are live.

    symbol; name; xc ("LDA", "PBE", "PBEsol", or what the file says); charge: valence electrons; configuration: valence electrons per l of the free atom;
    plain: whether the library's own name means this one; source, licence ("not stated" where the file says nothing), sha256 of the content;
    n_projectors: projector functions per atom, m counted; has_core: a core density for exchange and correlation; relativity in words;
    hint: cutoff in Ha that its makers recommend, or None; notes: sentences that a user should see; selector: what to write for it in `pseudos`.
    """

    symbol: str
    name: str
    xc: str
    charge: float
    configuration: tuple[int, ...]
    source: str
    licence: str
    sha256: str
    n_projectors: int
    aliases: tuple[str, ...]
    plain: bool = False
    has_core: bool = False
    relativity: str = "not stated"
    hint: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """What `pseudos` takes for it."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class FileEntry(Entry):
    """A potential in a file of its own. collection: the set of the user folder it belongs to ("" = none)."""

    symbol: str
    name: str
    xc: str
    charge: float
    configuration: tuple[int, ...]
    source: str
    licence: str
    sha256: str
    n_projectors: int
    has_core: bool
    relativity: str
    hint: float | None
    notes: tuple[str, ...]
    path: str = field(compare=False)
    aliases: tuple[str, ...] = ()
    collection: str = field(default="", compare=False)
    listed: str = field(default="", compare=False)

    @property
    def selector(self) -> str:
        """Its name in the user folder, else its path."""
        return self.listed or self.path
