"""``.qcadz``: a project folder as one zip for sending. Packing is plain; unpacking trusts nothing.

Rules for archives of others: names of letters, digits and ``_.-/`` only, no way out of the folder, no links, nothing twice, no reserved Windows names; at most
100 000 members, 200 times their packed size, half of the free disk. Everything goes to a new folder, is verified in the reader child, and only then gets
its name.
"""
from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .errors import MissingError, ReadError, SetupError, StorageError
from .sealed import disk, storage_error

MOST_MEMBERS = 100_000
MOST_RATIO = 200
_NAME = re.compile(r"[A-Za-z0-9_.\-/]+")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{i}" for name in ("com", "lpt") for i in range(1, 10))}
_TOP = {"project.sqlite", "data", "jobs"}
_SKIP = re.compile(r"\.|cancel$|lock$")
_CHUNK = 1 << 20


def pack(folder: Path, database: Path, target: Path) -> Path:
    """Write `folder` with `database` in place of its own to the zip `target`, atomically. Job folders with foreign names are refused."""
    making = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(making, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            file.write(database, "project.sqlite")
            for path in _files(folder):
                name = path.relative_to(folder).as_posix()
                if not _NAME.fullmatch(name):
                    raise SetupError(f"The file {name!r} cannot be packed.",
                                     hint="Only letters, digits, dot, dash and underscore are allowed in names; rename or remove it.")
                file.write(path, name, zipfile.ZIP_STORED if path.suffix == ".h5" else zipfile.ZIP_DEFLATED)
        with open(making, "rb") as file:
            os.fsync(file.fileno())
        disk.rename(making, target)
        disk.sync_folder(target.parent)
    except OSError as error:
        raise (error if isinstance(error, StorageError) else storage_error(error, target)) from error
    finally:
        making.unlink(missing_ok=True)
    return target


def unpack(source: Path, target: Path) -> Path:
    """Unpack `source` to the new folder `target` (ending in .qcad). ReadError names the rule that the archive breaks."""
    source, target = source.expanduser().resolve(), target.expanduser().resolve()
    target = target if target.suffix == ".qcad" else target.with_name(target.name + ".qcad")
    if not source.is_file():
        raise MissingError(f"{source} is not there.", hint="Check the path.")
    if target.exists():
        raise SetupError(f"{target} is there already.", hint="Choose another name.")
    making = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        making.mkdir(parents=True)
        try:
            with zipfile.ZipFile(source) as file:
                members = _checked(file, source)
                budget = shutil.disk_usage(making).free // 2
                for member in members:
                    budget = _extract(file, member, making / member.filename, source, budget)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
            if isinstance(error, ReadError):
                raise
            raise ReadError(f"{source.name} is not a good archive: {error}.", hint="It may have been cut off on the way; ask for it again.") from error
        for name in ("data", "jobs"):
            (making / name).mkdir(exist_ok=True)
        _verify(making)
        sync_tree(making)
        os.rename(making, target)
        disk.sync_folder(target.parent)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise (error if isinstance(error, StorageError) else storage_error(error, target)) from error
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return target


def _checked(file: zipfile.ZipFile, source: Path) -> list[zipfile.ZipInfo]:
    members = file.infolist()

    def refuse(why: str) -> ReadError:
        return ReadError(f"{source.name} {why}.", hint="It was not made by this program; do not open it.")

    if len(members) > MOST_MEMBERS:
        raise refuse(f"holds {len(members)} files, more than {MOST_MEMBERS}")
    seen: set[str] = set()
    for member in members:
        name = member.filename
        parts = PurePosixPath(name).parts
        odd_part = any(part == ".." or part.endswith(".") or len(part) > 200 for part in parts)
        if not _NAME.fullmatch(name) or name.startswith("/") or odd_part or len(name) > 400:
            raise refuse(f"holds a file with the forbidden name {name[:80]!r}")
        if any(part.split(".")[0].lower() in _RESERVED or part.startswith(".") for part in parts) or parts[0] not in _TOP:
            raise refuse(f"holds {name[:80]!r}, which has no place in a project")
        if name.rstrip("/").lower() in seen:
            raise refuse(f"holds {name[:80]!r} twice")
        seen.add(name.rstrip("/").lower())
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 1:
            raise refuse(f"holds {name[:80]!r}, which is a link, a device or encrypted")
    if "project.sqlite" not in seen:
        raise refuse("holds no project.sqlite")
    return [member for member in members if not member.is_dir()]


def _extract(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, source: Path, budget: int) -> int:
    """Stream one member to `path`; counts what really comes out, because sizes in the archive are claims. Returns what is left of `budget`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    allowed = max(member.compress_size, 1024) * MOST_RATIO
    with file.open(member) as stream, open(path, "xb") as out:
        while chunk := stream.read(_CHUNK):
            written += len(chunk)
            if written > allowed:
                raise ReadError(f"{source.name}: {member.filename!r} unpacks to more than {MOST_RATIO} times its size.",
                                hint="That is an attack; do not open it.")
            if written > budget:
                raise ReadError(f"{source.name} would fill more than half of the free disk.", hint="Free some space, or choose a place on another disk.")
            out.write(chunk)
    return budget - written


def _verify(folder: Path) -> None:
    from .bridge import verify_sealed
    verify_sealed([folder / "project.sqlite", *sorted(folder.rglob("*.h5"))])


def _files(folder: Path) -> Iterator[Path]:
    for top in ("data", "jobs"):
        for path in sorted((folder / top).rglob("*")):
            if path.is_file() and not path.is_symlink() and not any(_SKIP.match(part) for part in path.relative_to(folder).parts):
                yield path


def sync_tree(folder: Path) -> None:
    """Make every file and name below `folder` durable."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            disk.sync_folder(path)
        elif path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def folder_size(folder: Path) -> int:
    """Bytes in all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
