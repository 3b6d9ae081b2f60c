"""What a list of potentials knows of each one, whatever it is made of: a row of a table (`gth_table.GTHEntry`) or a file (`FileEntry`). No torch."""
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Common face of all potentials before they are live.

    symbol; name; xc ("LDA", "PBE", "PBEsol", or what the file says); configuration: valence electrons per l of the free atom; source, licence ("not stated"
    where the file says nothing), sha256 of the content; aliases: other names; relativity in words; hint: cutoff in Ha that its makers recommend, or None;
    notes: sentences that a user should see; selector: what to write for it in `pseudos`.

    Files store, and tables compute from their numbers: charge: valence electrons; n_projectors: projector functions per atom, m counted; has_core: a core
    density for exchange and correlation. plain: whether the library's own name means this one.
    """

    symbol: str
    name: str
    xc: str
    configuration: tuple[int, ...]
    source: str
    licence: str
    sha256: str
    aliases: tuple[str, ...] = ()
    relativity: str = "not stated"
    hint: float | None = None
    notes: tuple[str, ...] = ()
    plain = False

    @property
    def selector(self) -> str:
        """What `pseudos` takes for it."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class FileEntry(Entry):
    """A potential in a file of its own. collection: the set of the user folder it belongs to ("" = none); listed: its name there."""

    charge: float
    n_projectors: int
    has_core: bool
    path: str = field(compare=False)
    collection: str = field(default="", compare=False)
    listed: str = field(default="", compare=False)

    @property
    def selector(self) -> str:
        """Its name in the user folder, else its path."""
        return self.listed or self.path
