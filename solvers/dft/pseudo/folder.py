"""The user's own potentials: files with a manifest that pins each by its SHA-256. No torch.

``pseudos/`` in the user's data folder holds ``manifest.json``, ``cutoffs.json`` (our own scans, by SHA-256) and one folder per set; "own" for single files.
A row of the manifest says everything a list shows, so that listing reads no potential; the hash is checked whenever one is used.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from solvers.core.errors import MissingError, QcadError, ReadError, SetupError, StorageError
from solvers.core.lock import Lock
from solvers.core.paths import user_data
from solvers.core.sealed import read_json, write_file, write_json

from . import files
from .entry import FileEntry

_SCHEMA = 1
OWN = "own"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")
_FIELDS = ("symbol", "name", "xc", "charge", "source", "licence", "sha256", "n_projectors", "has_core", "relativity", "hint")
_cache: dict[str, tuple[tuple[int, int], list[dict[str, Any]]]] = {}


def folder() -> Path:
    """The folder of the user's potentials, made on first use."""
    path = user_data() / "pseudos"
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def rows() -> list[dict[str, Any]]:
    """The manifest's rows; ReadError when the file is damaged."""
    path = folder() / "manifest.json"
    try:
        status = path.stat()
    except FileNotFoundError:
        return []
    key = status.st_mtime_ns, status.st_size
    if _cache.get(str(path), (None,))[0] != key:
        data = read_json(path)
        listed = data.get("potentials") if isinstance(data, dict) and data.get("schema") == _SCHEMA else None
        if not isinstance(listed, list) or not all(map(_sound, listed)):
            raise ReadError(f"{path} is not a manifest of potentials that this version understands.",
                            hint="Move it away and add the potentials again with `qcad pseudos add`.")
        _cache[str(path)] = key, listed
    return _cache[str(path)][1]


def _sound(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("symbol", "name", "set", "file", "sha256", "licence", "xc"))


def sets() -> tuple[str, ...]:
    """Names of the sets that the user has."""
    return tuple(sorted({row["set"] for row in rows()} - {OWN}))


def entries(symbol: str | None = None, collection: str | None = None) -> tuple[FileEntry, ...]:
    """The user's potentials, of one element and of one set where given."""
    found = [row for row in rows() if symbol in (None, row["symbol"]) and collection in (None, row["set"])]
    alone = {(row["set"], row["symbol"]): sum(other["set"] == row["set"] and other["symbol"] == row["symbol"] for other in rows()) == 1 for row in found}
    return tuple(_entry(row, alone[row["set"], row["symbol"]]) for row in found)


def _entry(row: dict[str, Any], alone: bool) -> FileEntry:
    listed = row["name"] if row["set"] == OWN else row["set"] if alone else f"{row['set']}:{row['name']}"
    return FileEntry(**{key: row.get(key) for key in _FIELDS}, configuration=tuple(row.get("configuration", ())), notes=tuple(row.get("notes", ())),
                     path=str(folder() / row["file"]), listed=listed, collection="" if row["set"] == OWN else row["set"])


def find(symbol: str, selector: str) -> FileEntry | None:
    """The user's potential of an element that `selector` means: its name, its set, or set:name; None when there is none. SetupError when several fit."""
    wanted = selector.lower()
    collection, _, name = wanted.partition(":")
    fitting = [item for item in entries(symbol) if wanted in (item.listed.lower(), item.name.lower() if not item.collection else "")
               or item.collection.lower() == collection and name in ("", item.name.lower())]
    exact = [item for item in fitting if item.listed.lower() == wanted] or [item for item in fitting if item.name == symbol]
    if len(fitting) <= 1 or len(exact) == 1:
        return (exact or fitting or [None])[0]
    there = ", ".join(f"{symbol}={item.selector}" for item in fitting)
    raise SetupError(f"{selector!r} holds {len(fitting)} potentials of {symbol}.", hint=f"Choose one: {there}.")


@contextmanager
def _changing() -> Iterator[list[dict[str, Any]]]:
    """The rows to change; written back as a whole when nothing failed. One process at a time."""
    lock = Lock(folder())
    owner = lock.acquire("qcad pseudos")
    if owner is not None:
        raise StorageError(f"The potentials in {folder()} are being changed by {owner}.", hint="Wait until it has finished.")
    try:
        changed = [dict(row) for row in rows()]
        yield changed
        changed.sort(key=lambda row: (row["set"], row["symbol"], row["name"]))
        write_json(folder() / "manifest.json", {"schema": _SCHEMA, "potentials": changed})
    finally:
        lock.release()


def add(data: bytes, filename: str, *, collection: str = OWN, name: str = "", licence: str = "", origin: str = "", hint: float | None = None) -> FileEntry:
    """Check the potential in `data` and put it into the folder; returns its entry.

    collection: the set it joins; name: its name (default: the file's, without its ending); licence: what is known beside the file; origin: where it came from;
    hint: recommended cutoff in Ha that its makers publish elsewhere. The same content under the same name again is no change.
    Raises ReadError for a file that is no potential, SetupError for names that are taken or not allowed.
    """
    for what, value in (("set", collection), ("name", name or Path(filename).stem)):
        if not _NAME.fullmatch(value) or value.lower() == "gth":
            raise SetupError(f"{value!r} cannot be the {what} of a potential.", hint="Letters, digits and . _ + - are allowed, at most 80; gth is taken.")
    name = name or Path(filename).stem
    ending = Path(filename).suffix.lower()
    entry = files.entry_of(data, filename)
    if ending not in files.ENDINGS:
        raise SetupError(f"{filename} has the ending {ending!r}.", hint=f"Known endings: {', '.join(sorted(files.ENDINGS))}.")
    from .gth_table import embedded
    if any(name.lower() in (known.lower() for known in (item.name, *item.aliases)) for item in embedded() if item.symbol == entry.symbol):
        raise SetupError(f"{entry.symbol} has a potential named {name!r} in the table that comes with the program.", hint="Give another name with --name.")
    place = Path(collection) / f"{name}{ending}"
    row = {key: getattr(entry, key) for key in _FIELDS} | {
        "name": name, "set": collection, "file": place.as_posix(), "configuration": list(entry.configuration), "notes": list(entry.notes), "origin": origin,
        "licence": entry.licence if entry.licence != "not stated" or not licence else licence, "hint": entry.hint if entry.hint is not None else hint}
    with _changing() as changed:
        same = [other for other in changed if (other["set"], other["name"], other["symbol"]) == (collection, name, entry.symbol)]
        taken = [other for other in changed if other["file"] == row["file"] and other not in same]
        if taken or any(other["sha256"] != entry.sha256 for other in same):
            raise SetupError(f"There is another potential named {name!r} in {collection!r} (SHA-256 {(taken or same)[0]['sha256'][:12]}).",
                             hint="Give another name or set, or remove the old one with `qcad pseudos remove`.")
        (folder() / collection).mkdir(exist_ok=True)
        write_file(folder() / place, data)
        changed[:] = [other for other in changed if other not in same] + [row]
    return next(item for item in entries(entry.symbol, collection) if item.path == str(folder() / place))


def remove(symbol: str, selector: str) -> FileEntry:
    """Take a potential out of the folder; returns what it was. MissingError when there is none of that name."""
    entry = find(symbol, selector)
    if entry is None:
        raise MissingError(f"There is no potential {selector!r} of {symbol} in {folder()}.", hint="`qcad pseudos list` shows them.")
    with _changing() as changed:
        changed[:] = [row for row in changed if str(folder() / row["file"]) != entry.path]
    Path(entry.path).unlink(missing_ok=True)
    return entry


def verify() -> list[dict[str, str]]:
    """One row per potential: symbol, name, set, file, state ("sound", "missing", "changed", "damaged") and reason."""
    found = []
    for row in rows():
        state, reason = _state(folder() / row["file"], row)
        found.append({key: row[key] for key in ("symbol", "name", "set", "file", "sha256")} | {"state": state, "reason": reason})
    return found


def _state(path: Path, row: dict[str, Any]) -> tuple[str, str]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "missing", f"{path} is not there"
    except OSError as error:
        return "damaged", f"{path} cannot be read: {error.strerror}"
    digest = hashlib.sha256(data).hexdigest()
    if digest != row["sha256"]:
        return "changed", f"SHA-256 is {digest[:12]}, was {row['sha256'][:12]}"
    try:
        files.entry_of(data, path.name)
    except QcadError as error:
        return "damaged", str(error)
    return "sound", ""


def stored_cutoffs() -> dict[str, dict]:
    """Our own scans by SHA-256; {} when there are none. A damaged file counts as none: it can be made again."""
    try:
        data = read_json(folder() / "cutoffs.json")
    except ReadError:
        return {}
    return data if isinstance(data, dict) else {}


def store_cutoff(sha256: str, row: dict) -> None:
    """Keep a scan."""
    write_json(folder() / "cutoffs.json", {**stored_cutoffs(), sha256: row})
