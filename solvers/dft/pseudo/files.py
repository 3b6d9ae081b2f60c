"""Potentials in files: which reader a file wants, its entry for lists, its numbers for the engine. No torch."""
from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np

from solvers.core.errors import MissingError, ReadError

from .data import RadialPotential
from .entry import FileEntry
from .gth_table import GTHEntry, read_text
from .gth_text import check_entry, read_gth
from .headers import licence_of
from .psp8 import read_psp8
from .upf import read_upf

#: bytes; the largest known potential files have a few megabytes
LARGEST = 32 * 2**20
_LONGEST = 2000  # characters of a word or of a gap: numbers of a million digits take seconds each, so do patterns that look for what follows a gap
ENDINGS = {".psp8": "psp8", ".upf": "upf", ".gth": "gth", ".hgh": "gth", ".pspgth": "gth", ".psp10": "gth"}
_parsed: OrderedDict[tuple[str, int, int], tuple[str, RadialPotential | GTHEntry]] = OrderedDict()


def is_path(selector: str) -> bool:
    """Whether `selector` names a file rather than an entry of a library."""
    return "/" in selector or os.sep in selector or Path(selector).suffix.lower() in ENDINGS


def load(path: Path | str) -> tuple[str, RadialPotential | GTHEntry]:
    """(SHA-256, potential) of a file: numbers on a mesh, or an analytic entry. Parsed once per content. Raises MissingError, ReadError."""
    path = Path(path).expanduser()
    data, key = _bytes(path)
    if key in _parsed:
        _parsed.move_to_end(key)
        return _parsed[key]
    digest = hashlib.sha256(data).hexdigest()
    _parsed[key] = digest, parse(data, path.name)
    while len(_parsed) > 200:
        _parsed.popitem(last=False)
    return _parsed[key]


def parse(data: bytes, name: str) -> RadialPotential | GTHEntry:
    """The potential in the bytes of a file called `name`. Raises ReadError."""
    text = _text(data, name)
    kind = ENDINGS.get(Path(name).suffix.lower()) or _guess(text)
    with np.errstate(all="ignore"):  # damaged numbers overflow; what comes of it is refused by `check`
        if kind == "psp8":
            return read_psp8(text, name)
        if kind == "upf":
            return read_upf(text, name)
        if kind == "gth":
            return check_entry(_analytic(text, name), name)
    raise ReadError(f"{name} is not a potential in a known format.", hint=f"Known endings: {', '.join(sorted(ENDINGS))}.")


def file_entry(path: Path | str) -> FileEntry:
    """The entry of a file. Raises MissingError, ReadError."""
    path = Path(path).expanduser()
    return _entry(*load(path), path.name, str(path.absolute()))


def entry_of(data: bytes, name: str) -> FileEntry:
    """The entry of the bytes of a file called `name`, which need not lie on a disk."""
    return _entry(hashlib.sha256(data).hexdigest(), parse(data, name), name, name)


def _entry(digest: str, found: RadialPotential | GTHEntry, name: str, path: str) -> FileEntry:
    analytic = isinstance(found, GTHEntry)
    return FileEntry(symbol=found.symbol, name=name, xc=found.xc, charge=float(found.charge), configuration=found.configuration, source=found.source,
                     licence=found.licence, sha256=digest, n_projectors=found.n_projectors, has_core=found.has_core if analytic else found.core is not None,
                     relativity=found.relativity, hint=found.hint, notes=found.notes, path=path)


def potential_of(entry: FileEntry) -> RadialPotential | GTHEntry:
    """The numbers behind an entry; ReadError when the file is no longer the one the entry was made of."""
    digest = hashlib.sha256(read_bytes(entry.path)).hexdigest()
    if digest != entry.sha256:
        raise ReadError(f"{entry.path} is not the file it was (SHA-256 {digest[:12]} instead of {entry.sha256[:12]}).",
                        hint="Start again to take the file as it is now; `qcad pseudos verify` checks the user folder.")
    return load(entry.path)[1]


def read_bytes(path: Path | str) -> bytes:
    """The content of a potential file. Raises MissingError, ReadError."""
    return _bytes(Path(path).expanduser())[0]


def _bytes(path: Path) -> tuple[bytes, tuple[str, int, int]]:
    if not path.exists():
        raise MissingError(f"The potential {path} is not there.", hint="Check the path; `qcad pseudos list` shows potentials by name.")
    if not path.is_file():
        raise ReadError(f"The potential {path} is not a regular file.", hint="Give the path of one potential file.")
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size > LARGEST:
                raise ReadError(f"{path.name} has {status.st_size / 2**20:.0f} MB.", hint=f"A potential has at most {LARGEST >> 20} MB.")
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ReadError(f"The potential {path} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    return data, (str(path.absolute()), status.st_mtime_ns, status.st_size)


def _text(data: bytes, name: str) -> str:
    if not data.strip():
        raise ReadError(f"{name} is empty.", hint="Was the program that wrote it interrupted?")
    if b"\0" in data[:4096] or data[:2] == b"\x1f\x8b":
        raise ReadError(f"{name} is a binary file.", hint="Potentials are text; unpack compressed files first.")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if max(map(len, text.split()), default=0) > _LONGEST:
        raise ReadError(f"{name} has a word of more than {_LONGEST} characters.", hint="No potential has; the file is damaged.")
    if max(map(len, re.findall(r"\s+", text)), default=0) > _LONGEST:
        raise ReadError(f"{name} has more than {_LONGEST} blanks in a row.", hint="No potential has; the file is damaged.")
    return text


def _analytic(text: str, name: str) -> GTHEntry:
    """A single potential in one of ABINIT's forms, or in the form of CP2K's table."""
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    if re.match(r"\s*[A-Z][a-z]?\s+\S*GTH-\S+", first):
        entries = read_text(text, name, licence=licence_of(text))
        if len(entries) != 1:
            raise ReadError(f"{name} holds {len(entries)} potentials.", hint="Give a file with one.")
        return entries[0]
    return read_gth(text, name)


def _guess(text: str) -> str:
    if "<PP_HEADER" in text[:200_000]:
        return "upf"
    words = text.split("\n", 3)[2].split() if text.count("\n") > 3 else []
    return {"8": "psp8", "2": "gth", "3": "gth", "10": "gth", "11": "gth", "12": "gth"}.get(words[0] if words else "", "")
