"""Sealed files: written once, in full, under a temporary name; fsync, rename, fsync of the folder; never opened for writing again.

An HDF5 file that stays open for writing is not a durable store: a crash between two of its writes can lose what was committed before. A sealed file is
either absent or complete, and carries a SHA-256 over its content that `unseal` checks. The file image is built in memory, so every error of the disk
happens in a plain write where it can be reported, not in the destructor of an HDF5 handle.
"""
from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ReadError, StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: no sealed file of ours declares more than this; a claim beyond it is damage or an attack
LARGEST = 64 * 2**30


class Disk:
    """The few file-system calls that durable writing needs. Tests replace `disk` by one that fails at the n-th call."""

    def write(self, path: Path, data: bytes) -> None:
        """Write `data` to a new file and make it durable."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view):]
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Rename within one folder, replacing `target`."""
        os.replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in `folder` durable."""
        if os.name != "posix":
            return  # Windows has no such call; NTFS journals names
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def append(self, handle: int, data: bytes) -> None:
        """Append to a log opened with O_APPEND."""
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view):]

    def sync(self, handle: int) -> None:
        """Make what was appended durable."""
        os.fsync(handle)


disk = Disk()


def storage_error(error: OSError, path: Path, n_bytes: int = 0) -> StorageError:
    """The sentence for an I/O error while writing `path`."""
    size = f" ({n_bytes / 2**20:.1f} MB)" if n_bytes > 50_000 else ""
    if error.errno in _FULL:
        reason, hint = "the disk is full", "Free some space and resume; everything committed before is safe."
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        reason, hint = "the folder is read-only", "Choose another place or change its permissions."
    elif error.errno in (errno.ENOENT, errno.ENOTDIR):
        reason, hint = f"there is no folder {path.parent}", "Make the folder, or choose another place."
    elif error.errno == errno.EISDIR:
        reason, hint = "it is a folder", "Name a file in it."
    else:
        reason, hint = f"{error.strerror or error}", "Check the disk and resume; everything committed before is safe."
    out = StorageError(f"Cannot write {path}{size}: {reason}.", hint=hint)
    out.errno = error.errno
    return out


def is_full(error: BaseException) -> bool:
    """Whether an error means that no space is left."""
    return isinstance(error, OSError) and error.errno in _FULL


def write_file(path: Path, data: bytes) -> None:
    """`path` with content `data`, atomically and durably. StorageError names path, size and reason; the temporary file is removed."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        disk.write(temporary, data)
        disk.rename(temporary, path)
        disk.sync_folder(path.parent)
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # it may never have come to exist; a leftover is swept by name
        raise storage_error(error, path, len(data)) from error


def write_json(path: Path, data: Any) -> None:
    """`path` with `data` as JSON, atomically and durably."""
    write_file(path, json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False).encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file; ReadError when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReadError(f"{path} is not there.", hint="The folder is incomplete.") from None
    except (OSError, ValueError) as error:
        raise ReadError(f"{path} cannot be read: {error}.", hint="It may have been damaged or edited by hand.") from error


def canonical_hash(arrays: Mapping[str, np.ndarray], meta: Any = None) -> str:
    """SHA-256 over names, kinds, shapes and little-endian bytes of `arrays` and over `meta` as sorted JSON."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = np.asarray(arrays[name])
        if value.dtype.kind not in "biufcUS":
            raise TypeError(f"array {name!r} of type {value.dtype} cannot be stored")
        payload = json.dumps(value.tolist()).encode() if value.dtype.kind == "U" else np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes()
        kind = value.dtype.kind if value.dtype.kind == "U" else value.dtype.str.lstrip("<>|=")
        digest.update(f"{name}\0{kind}{value.shape}\0".encode() + payload)
    digest.update(json.dumps(meta, sort_keys=True).encode())
    return digest.hexdigest()


def seal(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any] | None = None) -> str:
    """Write arrays (numbers, booleans, text) and plain JSON `meta` to a sealed HDF5 file; returns its content hash. StorageError as in `write_file`."""
    import h5py
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    meta = json.loads(json.dumps(dict(meta or {}), allow_nan=False))
    digest = canonical_hash(arrays, meta)
    with h5py.File("image", "w", driver="core", backing_store=False) as file:
        for name, value in arrays.items():
            key = _quote(name)
            if value.dtype.kind == "U":
                text = np.frombuffer(json.dumps(value.tolist()).encode(), np.uint8)
                file.create_dataset(key, data=text).attrs["text"] = True
            else:
                file.create_dataset(key, data=value)
        # a dataset, not an attribute: attributes are limited to 64 kB
        file.create_dataset("%meta", data=np.frombuffer(json.dumps({"meta": meta, "sha256": digest}).encode(), np.uint8))
        file.flush()
        image = file.id.get_file_image()
    write_file(Path(path), image)
    return digest


def unseal(path: Path, only: Iterable[str] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, meta) of a sealed file; `only` reads some of the arrays, without checking the hash.

    ReadError when the file is missing, damaged, not ours, or uses a feature of HDF5 that reaches outside the file.
    """
    import h5py
    path = Path(path)
    arrays: dict[str, np.ndarray] = {}
    try:
        with h5py.File(path, "r") as file:
            wanted = list(file) if only is None else ["%meta", *(key for key in map(_quote, only) if key in file)]
            found = _checked(file, wanted, path)
            if "%meta" not in found:
                raise ReadError(f"{path.name} is not a file of this program.", hint="It holds no description of its content.")
            head = json.loads(found.pop("%meta")[()].tobytes())
            for key, item in found.items():
                value = item[()]
                arrays[urllib.parse.unquote(key)] = np.array(json.loads(value.tobytes()), dtype=str) if item.attrs.get("text", False) else np.asarray(value)
            whole = only is not None or canonical_hash(arrays, head["meta"]) == head["sha256"]
            meta = dict(head["meta"])
    except FileNotFoundError:
        raise ReadError(f"{path} is not there.", hint="The folder is incomplete.") from None
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{path} is damaged: {error}.", hint="An older generation or a backup may still be good.") from error
    if not whole:
        raise ReadError(f"{path} is damaged: its content does not match its checksum.", hint="An older generation or a backup may still be good.")
    return arrays, meta


def sweep(folder: Path, older_than: float = 60.0) -> int:
    """Remove temporary files that a killed process left in `folder` more than `older_than` seconds ago; returns how many."""
    import time
    count = 0
    for path in Path(folder).glob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > older_than:
                path.unlink()
                count += 1
        except OSError:
            continue  # somebody else removed it, or the folder is read-only: a leftover does no harm
    return count


def _quote(name: str) -> str:
    return urllib.parse.quote(name, safe=" +-_.,()")


def _checked(file: Any, keys: Iterable[str], path: Path) -> dict[str, Any]:
    """The datasets called `keys`; ReadError for anything that could read other files or claims an absurd size."""
    import h5py
    found = {}
    total = 0
    for key in keys:
        if not isinstance(file.get(key, getlink=True), h5py.HardLink) or not isinstance(item := file[key], h5py.Dataset):
            raise ReadError(f"{path.name}: {key!r} is a link or a group.", hint="Files of this program hold plain arrays only.")
        layout = item.id.get_create_plist()
        kind = layout.get_layout()
        if kind == h5py.h5d.VIRTUAL or (kind == h5py.h5d.CONTIGUOUS and layout.get_external_count()) or item.dtype.kind not in "biufcS" or item.dtype.hasobject:
            raise ReadError(f"{path.name}: {key!r} is not a plain array.", hint="External, virtual and object data are refused.")
        if kind == h5py.h5d.CHUNKED or layout.get_nfilters():
            raise ReadError(f"{path.name}: {key!r} is compressed.", hint="Files of this program are not; a small file could unpack to a huge one.")
        total += item.size * item.dtype.itemsize
        found[key] = item
    if total > min(LARGEST, path.stat().st_size):
        raise ReadError(f"{path.name} claims {total} bytes of arrays but holds {path.stat().st_size}.", hint="The file is truncated or forged.")
    return found


def plain(value: Any) -> Any:
    """`value` as plain JSON: arrays become lists, numbers that are not finite become None, unknown objects their text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
