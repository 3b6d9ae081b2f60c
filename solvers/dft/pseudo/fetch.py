"""Downloads of potentials: pinned by SHA-256, resumed where they broke off, installed whole or not at all.

Sources are sets of files with address, hash and what is known of their licence: ``resources/pseudo/sources.json``, or a file of the user's in the same form.
A part that has come stays in ``pseudos/.parts`` under its hash, so that another run goes on with it.
"""
from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solvers.core.errors import MissingError, QcadError, ReadError, RunError, SetupError
from solvers.core.paths import resource
from solvers.core.sealed import read_json, storage_error

from . import folder
from .entry import FileEntry
from .files import LARGEST

_ATTEMPTS = 6
_PATIENCE = 30.0  # s without a byte
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Remote:
    """A file to fetch: symbol ("" = not known before), its name, address, SHA-256, bytes (None = not known), recommended cutoff in Ha or None."""

    symbol: str
    filename: str
    url: str
    sha256: str
    size: int | None = None
    hint: float | None = None


@dataclass(frozen=True)
class Source:
    """A set of files: its name, one line about it, what is known of its licence, where it is described, and whom to cite."""

    name: str
    title: str
    licence: str
    home: str
    cite: str
    files: tuple[Remote, ...]


def sources(path: Path | None = None) -> dict[str, Source]:
    """The sets in a manifest of sources (default: the one that comes with the program). ReadError when it is damaged."""
    place = path or resource("pseudo", "sources.json")
    data = read_json(place)
    try:
        found = {}
        for name, item in data["sets"].items():
            rows = tuple(Remote(str(row["symbol"]), str(row.get("file") or row["path"].rsplit("/", 1)[-1]),
                                str(row.get("url") or item["base"] + urllib.parse.quote(row["path"])), _digest(row["sha256"]),
                                None if row.get("bytes") is None else int(row["bytes"]), None if row.get("cutoff_ha") is None else float(row["cutoff_ha"]))
                         for row in item["files"])
            found[name] = Source(name, str(item.get("title", "")), str(item.get("licence", "not stated")), str(item.get("home", "")),
                                 str(item.get("cite", "")), rows)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReadError(f"{place} is not a manifest of sources ({type(error).__name__}: {error}).",
                        hint='It holds {"sets": {NAME: {"base", "licence", "files": [{"symbol", "path" or "url", "sha256"}]}}}.') from None
    return found


def source(name: str, path: Path | None = None) -> Source:
    """The set called `name`; MissingError lists what there is."""
    known = sources(path)
    if name not in known:
        raise MissingError(f"There is no set {name!r} to fetch.", hint=f"Known: {', '.join(known)}. Or give --url and --sha256 of one file.")
    return known[name]


def fetch_set(chosen: Source, symbols: Iterable[str] = (), tell: Callable[[str], None] | None = None) -> Iterator[tuple[Remote, FileEntry]]:
    """Fetch a set, or the elements named, file by file; each is in the user's folder when it is yielded. MissingError for elements the set lacks."""
    symbols = list(symbols)
    lacking = sorted(set(symbols) - {remote.symbol for remote in chosen.files})
    if lacking:
        raise MissingError(f"The set {chosen.name} has no {', '.join(lacking)}.", hint=f"It has {', '.join(remote.symbol for remote in chosen.files)}.")
    have = {(row["set"], row["sha256"]) for row in folder.rows()}
    for remote in chosen.files:
        if symbols and remote.symbol not in symbols:
            continue
        if (chosen.name, remote.sha256) in have:
            entry = next(item for item in folder.entries(remote.symbol, chosen.name) if item.sha256 == remote.sha256)
            if Path(entry.path).is_file():
                yield remote, entry
                continue
        yield remote, fetch_file(remote, collection=chosen.name, licence=chosen.licence, tell=tell)


def fetch_file(remote: Remote, *, collection: str = folder.OWN, name: str = "", licence: str = "", tell: Callable[[str], None] | None = None) -> FileEntry:
    """Fetch one file into the user's folder; returns its entry. RunError when the address does not answer, ReadError when the content has another hash or is
    no potential; nothing is installed then."""
    part = _parts() / f"{remote.sha256}.part"
    data = _download(remote, part, tell or (lambda text: None))
    digest = hashlib.sha256(data).hexdigest()
    if digest != remote.sha256:
        part.unlink(missing_ok=True)
        raise ReadError(f"{remote.url} has the SHA-256 {digest}, not {remote.sha256}: it is not the file that was meant, and was thrown away.",
                        hint="The file has changed at its source, or something on the way changes it.")
    try:
        entry = folder.add(data, remote.filename, collection=collection, name=name, licence=licence, origin=remote.url, hint=remote.hint)
    finally:
        part.unlink(missing_ok=True)
    if remote.symbol and entry.symbol != remote.symbol:
        folder.remove(entry.symbol, entry.selector)
        raise ReadError(f"{remote.url} is a potential of {entry.symbol}, not of {remote.symbol}.", hint="The manifest is wrong.")
    return entry


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", str(text)):
        raise SetupError(f"{text!r} is not a SHA-256.", hint="Give its 64 hexadecimal digits.")
    return str(text).lower()


def remote_of(url: str, sha256: str) -> Remote:
    """A single file named by the user."""
    address = urllib.parse.urlsplit(url)
    filename = urllib.parse.unquote(address.path.rsplit("/", 1)[-1])
    if address.scheme not in ("https", "http") or not address.hostname or not filename:
        raise SetupError(f"{url!r} is not the address of a file.", hint="It begins with https:// and ends in the file's name.")
    return Remote("", filename, url, _digest(sha256))


def _parts() -> Path:
    path = folder.folder() / ".parts"
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def _download(remote: Remote, part: Path, tell: Callable[[str], None]) -> bytes:
    """The content at the address, in as many attempts as it takes while bytes keep coming."""
    tries, reason = 0, ""
    while tries < _ATTEMPTS:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _receive(remote, part):
                return part.read_bytes()
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 404, 410, 451):
                raise RunError(f"{remote.url} answers {error.code} {error.reason}.", hint="The file is no longer there, or not for everybody.") from None
            reason = f"the server answers {error.code}"
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.filename == str(part):
                raise storage_error(error, part) from error
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        now = part.stat().st_size if part.exists() else 0
        tries = 1 if now > before else tries + 1
        tell(f"{remote.filename}: {reason}; {now} bytes are here, trying again")
        time.sleep(min(4.0, 0.05 * 2**tries))
    raise RunError(f"{remote.url} could not be fetched: {reason}.", hint="What has come is kept; run the command again to go on from there.")


def _receive(remote: Remote, part: Path) -> bool:
    """One attempt; whether the file is whole."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(remote.url, headers={"User-Agent": "qcad", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing beyond what is here: whole, or not the same file
            if remote.size == have or hashlib.sha256(part.read_bytes()).hexdigest() == remote.sha256:
                return True
            part.unlink()
            return False
        raise
    with answer:
        start = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", answer.headers.get("Content-Range", "") or "")
        goes_on = answer.status == 206 and start is not None and int(start[1]) == have
        if answer.status == 206 and not goes_on:
            part.unlink(missing_ok=True)
            return False
        announced = answer.headers.get("Content-Length")
        total = (have if goes_on else 0) + int(announced) if announced and announced.isdecimal() else remote.size
        if (total or 0) > LARGEST:
            raise ReadError(f"{remote.url} announces {total / 2**20:.0f} MB.", hint=f"A potential has at most {LARGEST >> 20} MB.")
        count = have if goes_on else 0
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if goes_on else os.O_TRUNC) | getattr(os, "O_BINARY", 0), 0o600)
        try:
            while chunk := answer.read(_CHUNK):
                count += len(chunk)
                if count > LARGEST:
                    raise ReadError(f"{remote.url} sends more than {LARGEST >> 20} MB.", hint="That is no potential.")
                os.write(handle, chunk)
        finally:
            os.close(handle)
    return count == total if total is not None else True


def describe(remote: Remote, error: QcadError) -> dict[str, Any]:
    """A row for what could not be fetched."""
    return {"symbol": remote.symbol, "file": remote.filename, "state": "failed", "reason": str(error)}
