"""The durable store under a project: one SQLite database and the sealed files in ``data/``. The only importer of sqlite3.

journal_mode=DELETE and synchronous=EXTRA: a transaction that has returned survives the loss of power. Arrays are stored once, under the hash of their
content: up to 1 MB in the database, larger ones and trajectory segments in files that are written before the transaction that refers to them.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ReadError, StorageError
from .sealed import canonical_hash, is_full, seal, storage_error, unseal

SCHEMA = 1
_SMALL = 2**20
_APPLICATION = 0x51434144  # "QCAD" in the database's header
TABLES = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "nodes": "CREATE TABLE nodes (id TEXT PRIMARY KEY, data TEXT NOT NULL, trashed INTEGER NOT NULL DEFAULT 0)",
    "edits": "CREATE TABLE edits (seq INTEGER PRIMARY KEY, node TEXT NOT NULL, before TEXT, after TEXT, text TEXT NOT NULL, time REAL NOT NULL)",
    "arrays": "CREATE TABLE arrays (hash TEXT PRIMARY KEY, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL)",
    "jobs": "CREATE TABLE jobs (id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, data TEXT NOT NULL)",
}
#: schema version n -> what brings a database from n to n + 1; runs inside one transaction, after a backup
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}
_HASH = re.compile(r"[0-9a-f]{64}")


class Store:
    """The database of the project in `folder`, read-only unless `writable`. ReadError when it is damaged or newer, StorageError when it cannot be used."""

    def __init__(self, folder: Path, *, writable: bool, refusal: str = ""):
        self.folder = folder
        self.path = folder / "project.sqlite"
        self.writable = writable
        self.refusal = refusal
        self.mutex = threading.RLock()
        self.connection: sqlite3.Connection | None = _connect(folder, writable=writable)

    @staticmethod
    def create(path: Path) -> None:
        """A new, empty database."""
        try:
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                _durable(connection)
                connection.execute("BEGIN")
                for sql in TABLES.values():
                    connection.execute(sql)
                connection.executemany("INSERT INTO meta VALUES (?, ?)", [("position", "0"), ("created", datetime.now(UTC).isoformat(timespec="seconds"))])
                connection.execute("COMMIT")
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise _storage(error, path) from error

    def close(self) -> None:
        """Close the database."""
        with self.mutex:
            if self.connection is not None:
                self.connection.close()
                self.connection = None

    # ---- statements --------------------------------------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction; whatever goes wrong, nothing of it happened."""
        with self.mutex:
            connection = self._open()
            if not self.writable:
                raise StorageError(f"Project {self.folder.stem} is read-only: {self.refusal}", hint="Keep a copy under another name to change it.")
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise _storage(error, self.path) from error

    def query(self, sql: str, values: tuple = ()) -> list[tuple]:
        """Rows of a SELECT."""
        with self.mutex:
            try:
                return self._open().execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                raise _storage(error, self.path) from error
            except sqlite3.DatabaseError as error:
                raise ReadError(f"{self.path} is damaged: {error}.", hint="Restore the project from a copy; its jobs/ are still good.") from error

    def vacuum(self) -> None:
        """Give free pages back to the disk."""
        with self.mutex:
            try:
                self._open().execute("VACUUM")
            except sqlite3.Error as error:
                raise _storage(error, self.path) from error

    def backup(self, path: Path) -> None:
        """A consistent copy of the database."""
        with self.mutex:
            try:
                copy = sqlite3.connect(path)
                try:
                    self._open().backup(copy)
                finally:
                    copy.close()
            except sqlite3.Error as error:
                raise _storage(error, path) from error

    def _open(self) -> sqlite3.Connection:
        if self.connection is None:
            raise StorageError(f"Project {self.folder.stem} is closed.", hint="Open it again.")
        return self.connection

    # ---- arrays --------------------------------------------------------------------------------------------------------------------
    def put(self, connection: sqlite3.Connection, array: np.ndarray) -> str:
        """Store `array` within a transaction; returns its key."""
        array = np.asarray(array)
        key = canonical_hash({"array": array}, {})
        if array.nbytes > _SMALL:
            return self._put_file(key, {"array": array}, {})
        text = array.dtype.kind == "U"
        data = json.dumps(array.tolist()).encode() if text else np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        dtype = "text" if text else array.dtype.newbyteorder("<").str
        connection.execute("INSERT OR IGNORE INTO arrays VALUES (?, ?, ?, ?)", (key, dtype, json.dumps(array.shape), data))
        return key

    def put_segment(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> str:
        """Store a trajectory segment; returns its key."""
        meta = json.loads(json.dumps(dict(meta)))
        return self._put_file(canonical_hash(arrays, meta), arrays, meta)

    def _put_file(self, key: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> str:
        path = self.folder / "data" / f"{key}.h5"
        if not path.exists():
            seal(path, arrays, meta)
        return key

    def array(self, key: str) -> np.ndarray:
        """The array behind `key`. ReadError when the project misses it."""
        rows = self.query("SELECT dtype, shape, data FROM arrays WHERE hash = ?", (key,))
        if not rows:
            return unseal(self.segment(key))[0]["array"]
        dtype, shape, data = rows[0]
        shape = tuple(json.loads(shape))
        return np.array(json.loads(data), dtype=str).reshape(shape) if dtype == "text" else np.frombuffer(data, np.dtype(dtype)).reshape(shape)

    def segment(self, key: str) -> Path:
        """The sealed file behind `key`. ReadError when the project misses it."""
        path = self.folder / "data" / f"{key}.h5"
        if not _HASH.fullmatch(key) or not path.is_file():
            raise ReadError(f"The project misses the array {key[:12]}….", hint="Its data folder is incomplete; restore it from a copy.")
        return path


def verify_database(path: Path) -> None:
    """Refuse a database that is damaged, newer, or holds anything but our tables (no views, triggers, virtual tables). Runs in the reader child."""
    connection = sqlite3.connect(f"file:{_uri(path)}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        _check_schema(connection, path)
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise ReadError(f"{path.name} is damaged.", hint="Ask for the project again.")
    except sqlite3.Error as error:
        raise ReadError(f"{path.name} is damaged: {error}.", hint="Ask for the project again.") from error
    finally:
        connection.close()


def _connect(folder: Path, *, writable: bool) -> sqlite3.Connection:
    path = folder / "project.sqlite"
    try:
        if not writable and path.with_name(path.name + "-journal").exists() and not os.access(folder, os.W_OK):
            path = _beside(path)  # a crash left a journal, and rolling it back needs a place where one can write
        mode = "rw" if writable else "ro"
        connection = sqlite3.connect(f"file:{_uri(path)}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            version = _check_schema(connection, path)
            if writable:
                _durable(connection)
                if version < SCHEMA:
                    _migrate(connection, path, version)
        except BaseException:
            connection.close()
            raise
    except sqlite3.OperationalError as error:
        raise _storage(error, path) from error
    except sqlite3.DatabaseError as error:
        raise ReadError(f"{path} is damaged: {error}.", hint="Restore the project from a copy; its jobs/ are still good.") from error
    return connection


def _beside(path: Path) -> Path:
    """A copy of the database and its journal in a temporary folder, rolled back to the last transaction."""
    folder = Path(tempfile.mkdtemp(prefix="qcad-open-"))
    for name in (path.name, path.name + "-journal"):
        shutil.copyfile(path.with_name(name), folder / name)
    sqlite3.connect(folder / path.name).execute("SELECT count(*) FROM sqlite_master").connection.close()
    return folder / path.name


def _durable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")


def _check_schema(connection: sqlite3.Connection, path: Path) -> int:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise ReadError(f"{path} is not a database of this program.", hint="Choose another folder.")
    if version > SCHEMA:
        raise ReadError(f"{path.parent.name} was made by a newer version of this program (schema {version}; this one knows up to {SCHEMA}).",
                        hint="Update the program.")
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_autoindex_%'")}
    kinds = {kind for (kind,) in connection.execute("SELECT type FROM sqlite_master")}
    if version == SCHEMA and (names != set(TABLES) or kinds - {"table", "index"}):
        raise ReadError(f"{path} holds {', '.join(sorted(names ^ set(TABLES))) or 'triggers or views'}, which is not ours.",
                        hint="Do not open projects from sources you do not trust.")
    return version


def _migrate(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Bring an old database up to date: a backup beside it first, then one transaction."""
    backup = path.with_name(f"project.sqlite.schema{version}.bak")
    copy = sqlite3.connect(backup)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, SCHEMA):
            MIGRATIONS[step](connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _uri(path: Path) -> str:
    return urllib.parse.quote(str(path))


def _storage(error: BaseException, path: Path) -> StorageError:
    """The sentence for a failure of SQLite or of the file system."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        return storage_error(error, path)
    text = str(error)
    if "full" in text or is_full(error):
        return StorageError(f"Cannot write {path}: the disk is full.", hint="Free some space; the project is as it was before this edit.")
    if "readonly" in text or "read-only" in text:
        return StorageError(f"Cannot write {path}: it is read-only.", hint="Keep a copy under another name.")
    if "locked" in text or "busy" in text:
        return StorageError(f"{path} is being written by another program.", hint="Try again in a moment.")
    return StorageError(f"Cannot use {path}: {text}.", hint="The project is as it was before this edit.")
