"""The project folder ``NAME.qcad``: nodes, undo history and jobs.

::

    NAME.qcad/
      project.sqlite          nodes, edits, arrays up to 1 MB; one transaction per edit, so nothing is ever unsaved
      data/<sha256>.h5        larger arrays and trajectory segments, sealed
      jobs/…                  job folders (`jobfolder`); the folder is the truth, the table `jobs` a cache
      lock                    the process that owns the project; everybody else reads only

`Project` knows no window. Methods raise StorageError when the disk refuses or the project is read-only, and leave everything as it was.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import archive, table
from .errors import MissingError, ReadError, SetupError, StorageError
from .jobfolder import JobFolder
from .jobs import JobManager
from .lock import Lock, Owner
from .nodes import KINDS, Node, SetNode, array_keys, pack_node, unpack_node
from .paths import user_data
from .project_store import Store
from .sealed import disk, plain, storage_error, sweep

__all__ = ["KINDS", "UNDO_STEPS", "Node", "Project", "SetNode", "untitled_folder"]

UNDO_STEPS = 200
_IN_USE, _TRASHED, _FORGOTTEN, _HIDDEN = range(4)  # column `trashed` of a node
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")


class Project:
    """An open project. Make one with `create`, `open` or `untitled`; use it as a context manager or `close` it. Safe to call from several threads."""

    def __init__(self, lock: Lock, store: Store, owner: Owner | None):
        self.owner = owner
        self._lock, self._store = lock, store

    # ---- opening ---------------------------------------------------------------------------------------------------------------
    @classmethod
    def create(cls, folder: Path | str, *, program: str = "qcad") -> Project:
        """A new, empty project. SetupError when something is there already or the name does not end in .qcad, StorageError when it cannot be written."""
        folder = Path(folder).expanduser().resolve()
        if folder.suffix != ".qcad":
            raise SetupError(f"{folder.name!r} does not end in .qcad.", hint=f"Call it {folder.name}.qcad.")
        if folder.exists():
            raise SetupError(f"{folder} is there already.", hint="Open it, or choose another name.")
        making = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            (making / "data").mkdir(parents=True)
            (making / "jobs").mkdir()
            Store.create(making / "project.sqlite")
            disk.sync_folder(making)
            os.rename(making, folder)
            disk.sync_folder(folder.parent)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise _storage(error, folder) from error
        return cls.open(folder, program=program)

    @classmethod
    def open(cls, folder: Path | str, *, read_only: bool = False, program: str = "qcad", take_over: bool = False) -> Project:
        """Open a project; read-only when asked for, when another process owns it, or when the folder cannot be written: `read_only_reason` says why.

        MissingError when there is none, ReadError when it is damaged or newer than this program. A crash needs no repair: every edit is one transaction.
        """
        folder = Path(folder).expanduser().resolve()
        if folder.is_file() and folder.suffix == ".qcadz":
            raise SetupError(f"{folder.name} is a packed project.", hint=f"Unpack it: qcad project unpack {folder.name}")
        if not (folder / "project.sqlite").is_file():
            raise MissingError(f"{folder} is not a project: it holds no project.sqlite.", hint="Choose a folder that ends in .qcad, or make a new project.")
        lock, owner, why = Lock(folder), None, "It was opened for reading only." if read_only else ""
        if not read_only:
            try:
                owner = lock.acquire(program, take_over=take_over)
                why = f"It is open in another program ({owner})." if owner else ""
            except StorageError as error:
                why = error.message
        try:
            return cls(lock, Store(folder, writable=lock.held, refusal=why), owner)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def untitled(cls, *, program: str = "qcad") -> Project:
        """A new project in the user's data folder, until `keep_as` gives it a name."""
        folder = untitled_folder()
        folder.mkdir(parents=True, exist_ok=True)
        return cls.create(folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.urandom(2).hex()}.qcad", program=program)

    @staticmethod
    def recoverable() -> list[Path]:
        """Untitled projects that hold something and that nobody has open, newest first. Empty ones are removed on the way."""
        found = []
        for folder in sorted(untitled_folder().glob("*.qcad"), reverse=True):
            if Lock(folder).owner() is not None or not (folder / "project.sqlite").is_file():
                continue
            try:
                with Project.open(folder) as project:
                    empty = project.empty and not project.read_only
            except (ReadError, StorageError):
                empty = False  # unreadable is not empty: it is kept and offered
            if empty:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                found.append(folder)
        return found

    def close(self) -> None:
        """Give the project back. An untitled project in which nothing ever happened is removed."""
        with self._store.mutex:
            if self._store.connection is None:
                return
            forget = self.is_untitled and not self.read_only and self.empty
            self._store.close()
            self._lock.release()
            if forget:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ---- what it is --------------------------------------------------------------------------------------------------------------
    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self._store.folder

    @property
    def name(self) -> str:
        """The folder's name without the ending."""
        return self.folder.stem

    @property
    def read_only(self) -> bool:
        """Whether edits are refused; `read_only_reason` says why."""
        return not self._store.writable

    @property
    def read_only_reason(self) -> str:
        """Why edits are refused, "" when they are not."""
        return self._store.refusal

    @property
    def is_untitled(self) -> bool:
        """Whether it still lives in the user's data folder."""
        return self.folder.parent == untitled_folder()

    @property
    def empty(self) -> bool:
        """No node, no edit, no job."""
        count = self._store.query("SELECT (SELECT count(*) FROM nodes) + (SELECT count(*) FROM edits)")[0][0]
        return count == 0 and not any((self.folder / "jobs").glob("*/spec.json"))

    @staticmethod
    def jobs_folder(project: Path | str) -> Path:
        """Where the jobs of the project at `project` live, whoever owns it. MissingError when there is no project."""
        folder = Path(project).expanduser().resolve()
        if not (folder / "project.sqlite").is_file():
            raise MissingError(f"{folder} is not a project.", hint=f"Make it: qcad project new {folder}")
        return folder / "jobs"

    def jobs(self, **options: Any) -> JobManager:
        """A JobManager of this project's jobs; options as in JobManager."""
        return JobManager(self.folder / "jobs", **options)

    # ---- nodes -------------------------------------------------------------------------------------------------------------------
    def nodes(self) -> list[Node]:
        """Every node that is not in the trash, oldest first."""
        return self._nodes(_IN_USE)

    def node(self, node_id: str) -> Node:
        """One node, from the trash too. MissingError when there is none."""
        rows = self._store.query("SELECT data FROM nodes WHERE id = ?", (node_id,))
        if not rows:
            raise MissingError(f"This project has no node {node_id!r}.", hint="It may have been removed for good.")
        return self._node(json.loads(rows[0][0]))

    def trash(self) -> list[Node]:
        """Nodes in the trash, oldest first."""
        return self._nodes(_TRASHED)

    def add_node(self, kind: str, name: str, payload: Any, *, parent: str = "", made_by: str = "", style: Mapping[str, Any] | None = None,
                 undoable: bool = True) -> Node:
        """Add a node. Results are added with undoable=False: undo belongs to what people did."""
        node = Node.new(kind, name, payload, parent=parent, made_by=made_by, style=style)
        if undoable:
            self.set_node(node.id, None, node, f"New {name}")
        else:
            with self._store.transaction() as connection:
                self._write(connection, node.id, self._packed(connection, node))
        return node

    def rename(self, node_id: str, name: str) -> Node:
        """Give a node another name (undoable)."""
        return self.change(node_id, f"Rename to {name}", name=name)

    def move(self, node_id: str, parent: str) -> Node:
        """Put a node below another one, "" = to the top (undoable). SetupError when it would hang below itself."""
        above, seen = parent, set()
        while above and above not in seen:
            if above == node_id:
                raise SetupError(f"{self.node(node_id).name!r} cannot be put below itself.", hint="Choose a node outside of it.")
            seen.add(above)
            above = self.node(above).parent
        return self.change(node_id, "Move", parent=parent)

    def change(self, node_id: str, text: str, **fields: Any) -> Node:
        """Replace fields of a node (undoable); returns the new snapshot."""
        before = self.node(node_id)
        after = replace(before, **fields)
        self.set_node(node_id, before, after, text)
        return after

    def move_to_trash(self, node_id: str) -> None:
        """Put a node into the trash (undoable)."""
        node = self.node(node_id)
        self.set_node(node_id, node, None, f"Delete {node.name}")

    def restore(self, node_id: str) -> Node:
        """Take a node out of the trash (undoable)."""
        node = self.node(node_id)
        self.set_node(node_id, None, node, f"Restore {node.name}")
        return node

    def put_node(self, node: Node) -> None:
        """Write a snapshot without an undo step: a style, or a result that arrived."""
        with self._store.transaction() as connection:
            self._write(connection, node.id, self._packed(connection, node))

    # ---- undo --------------------------------------------------------------------------------------------------------------------
    def set_node(self, node_id: str, before: Node | None, after: Node | None, text: str, *, merge: bool = False) -> None:
        """The one edit: node `node_id` was `before` and is now `after` (None: it did not exist, it goes to the trash). One transaction; redo is forgotten.

        merge=True makes it one with the latest edit of the same node (a drag, a spin box). The oldest edits beyond UNDO_STEPS are forgotten.
        """
        with self._store.transaction() as connection:
            position = self._position(connection)
            old, new = self._packed(connection, before), self._packed(connection, after)
            connection.execute("DELETE FROM edits WHERE seq > ?", (position,))
            last = connection.execute("SELECT node FROM edits WHERE seq = ?", (position,)).fetchone()
            if merge and last is not None and last[0] == node_id:
                connection.execute("UPDATE edits SET after = ?, text = ? WHERE seq = ?", (_text(new), text, position))
            else:
                position += 1
                connection.execute("INSERT INTO edits VALUES (?, ?, ?, ?, ?, ?)", (position, node_id, _text(old), _text(new), text, time.time()))
                connection.execute("DELETE FROM edits WHERE seq <= ?", (position - UNDO_STEPS,))
            self._set_position(connection, position)
            self._write(connection, node_id, new)

    def undo(self) -> SetNode | None:
        """Take back the latest edit; returns it, None when there is none."""
        return self._step(back=True)

    def redo(self) -> SetNode | None:
        """Do the edit again that was taken back last; returns it, None when there is none."""
        return self._step(back=False)

    def history(self) -> tuple[list[SetNode], int]:
        """The undo history, oldest first, and how many of its edits are done (the rest can be redone). It survives a restart."""
        position = int(self._store.query("SELECT value FROM meta WHERE name = 'position'")[0][0])
        rows = self._store.query("SELECT seq, node, before, after, text FROM edits ORDER BY seq")
        return [self._edit(row[1:]) for row in rows], sum(row[0] <= position for row in rows)

    def _step(self, back: bool) -> SetNode | None:
        with self._store.transaction() as connection:
            position = self._position(connection)
            row = connection.execute("SELECT node, before, after, text FROM edits WHERE seq = ?", (position if back else position + 1,)).fetchone()
            if row is None:
                return None
            before, after = (json.loads(text) if text else None for text in row[1:3])
            self._write(connection, row[0], before if back else after)
            self._set_position(connection, position - 1 if back else position + 1)
            return self._edit(row)

    def _edit(self, row: tuple) -> SetNode:
        node_id, before, after, text = row
        return SetNode(node_id, self._node(json.loads(before)) if before else None, self._node(json.loads(after)) if after else None, text)

    # ---- jobs --------------------------------------------------------------------------------------------------------------------
    def import_jobs(self) -> list[Node]:
        """Bring the job table up to date and make nodes of finished jobs that have none: a run, its structure and its material; returns the new nodes.

        A job whose nodes were put into the trash is not imported again.
        """
        known = {row[0]: row[1] for row in self._store.query("SELECT id, attempt FROM jobs")}
        present = {row[0] for row in self._store.query("SELECT json_extract(data, '$.made_by') FROM nodes")}
        made: list[Node] = []
        for folder in [job.folder for job in self.jobs().list()]:
            try:
                status = folder.status()
                if known.get(folder.id) == status.attempt and (status.state != "finished" or folder.id in present):
                    continue
                if status.active:
                    continue
                row, nodes = self._read_job(folder, status, present)
            except (ReadError, OSError) as error:
                row, nodes = {"state": "damaged", "message": str(error)}, []
                status = None
            with self._store.transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", (folder.id, status.attempt if status else -1, json.dumps(row)))
                for node in nodes:
                    self._write(connection, node.id, self._packed(connection, node))
            made += nodes
        return made

    def _read_job(self, folder: JobFolder, status: Any, present: set[str]) -> tuple[dict[str, Any], list[Node]]:
        spec = folder.spec
        row = {"state": status.state, "message": status.message, "task": spec.task, "title": spec.title, "created": folder.created,
               "exit_code": status.exit_code}
        if status.state != "finished" or folder.id in present:
            return row, []
        result = folder.result()
        title = spec.title or " ".join(folder.id.split("-")[2:-1])
        scalars = {name: value.item() for name, value in result.values.items() if value.size == 1 and value.dtype.kind in "biuf"}
        payload = {"job": folder.id, "task": spec.task, "converged": result.converged, "refused": result.refused, "warnings": list(result.warnings),
                   "values": plain(scalars)}
        parent = spec.parent if self._store.query("SELECT 1 FROM nodes WHERE id = ? AND trashed = 0", (spec.parent,)) else ""
        nodes = [Node.new("run", title, payload, parent=parent, made_by=folder.id)]
        if result.structure is not None:
            nodes.append(Node.new("structure", f"{title}: structure", result.structure, parent=nodes[0].id, made_by=folder.id))
        if result.material is not None:
            nodes.append(Node.new("material", f"{title}: material", dict(result.material), parent=nodes[0].id, made_by=folder.id))
        return row, nodes

    def job_folder(self, job_id: str) -> JobFolder:
        """The folder of a job, e.g. of a run node's ``payload["job"]``. MissingError when it is not there."""
        if not _JOB_ID.fullmatch(job_id) or not (self.folder / "jobs" / job_id / "spec.json").is_file():
            raise MissingError(f"This project has no job {job_id!r}.", hint="Its folder may have been removed by hand.")
        return JobFolder(self.folder / "jobs" / job_id)

    def table(self, *, task: str = "", property: str = "", job: str = "") -> list[dict[str, Any]]:
        """Every number of every finished job, one row each: run, property, component, value, unit, uncertainty, method, … (`table.COLUMNS`).

        task, property, job choose some of them. Damaged jobs give a row that says so.
        """
        rows: list[dict[str, Any]] = []
        for item in self.jobs().list():
            if job and item.id != job:
                continue
            rows += [row for row in table.rows_of(item.folder) if (not task or row["task"] == task) and (not property or row["property"] == property)]
        return rows

    def table_csv(self, **choice: str) -> str:
        """`table` as CSV text; cells that a spreadsheet would take for a formula are quoted."""
        return table.csv_text(self.table(**choice))

    # ---- keeping, packing, compacting ------------------------------------------------------------------------------------------------
    def keep_as(self, folder: Path | str) -> Path:
        """Keep the project under a name. An untitled project moves there (its running jobs go on); a titled one is copied and stays open itself.

        Returns the new folder. SetupError when the place is taken, StorageError when it cannot be written.
        """
        folder = Path(folder).expanduser().resolve()
        folder = folder if folder.suffix == ".qcad" else folder.with_name(folder.name + ".qcad")
        if folder.exists():
            raise SetupError(f"{folder} is there already.", hint="Choose another name.")
        with self._store.mutex:
            if not self.is_untitled or self.read_only:
                return self._copy(folder)
            try:
                os.rename(self.folder, folder)
            except OSError:  # another file system
                if any(item.status.active for item in self.jobs().list()):
                    raise SetupError("Jobs are running, and the new place is on another disk.",
                                     hint="Wait for them or cancel them, then keep the project.") from None
                old = self.folder
                self._copy(folder)
                self._reopen(folder)
                shutil.rmtree(old, ignore_errors=True)
            else:
                disk.sync_folder(folder.parent)
                self._reopen(folder)
            return folder

    def _reopen(self, folder: Path) -> None:
        self._store.close()
        lock = Lock(folder)
        lock.acquire("qcad", take_over=True)  # the folder is new or was ours
        self._lock, self._store = lock, Store(folder, writable=True)

    def _copy(self, folder: Path) -> Path:
        making = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            making.mkdir(parents=True)
            self._store.backup(making / "project.sqlite")
            for part in ("data", "jobs"):
                shutil.copytree(self.folder / part, making / part, ignore=shutil.ignore_patterns(".*.tmp", ".reserve"))
            archive.sync_tree(making)
            os.rename(making, folder)
            disk.sync_folder(folder.parent)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise _storage(error, folder) from error
        return folder

    def pack(self, target: Path | str) -> Path:
        """Write the project to one ``.qcadz`` file for sending. StorageError when it cannot be written."""
        target = Path(target).expanduser().resolve()
        database = target.with_name(f".{target.name}.{os.getpid()}.sqlite.tmp")
        try:
            self._store.backup(database)
            return archive.pack(self.folder, database, target)
        except OSError as error:
            raise _storage(error, target) from error
        finally:
            database.unlink(missing_ok=True)

    @staticmethod
    def unpack(file: Path | str, target: Path | str) -> Path:
        """Unpack a ``.qcadz`` from anybody to the new folder `target`. ReadError when the archive breaks a rule; nothing is left behind then."""
        return archive.unpack(Path(file), Path(target))

    def compact(self, *, history: bool = True) -> int:
        """Remove arrays nothing refers to and leftovers of crashes; history=False also forgets the undo steps. Returns the bytes freed."""
        with self._store.mutex:
            before = archive.folder_size(self.folder)
            with self._store.transaction() as connection:
                if not history:
                    connection.execute("DELETE FROM edits")
                    self._set_position(connection, 0)
                connection.execute("DELETE FROM nodes WHERE trashed = ? AND id NOT IN (SELECT node FROM edits)", (_HIDDEN,))
                used: set[str] = set()
                for sql in ("SELECT data FROM nodes", "SELECT before FROM edits WHERE before NOT NULL", "SELECT after FROM edits WHERE after NOT NULL"):
                    used = used.union(*(array_keys(json.loads(text)) for (text,) in connection.execute(sql)))
                unused = [row for row in connection.execute("SELECT hash FROM arrays").fetchall() if row[0] not in used]
                connection.executemany("DELETE FROM arrays WHERE hash = ?", unused)
            for path in (self.folder / "data").glob("*.h5"):
                if path.stem not in used:
                    path.unlink()
            sweep(self.folder / "data")
            self.jobs().sweep()
            self._store.vacuum()
            return max(0, before - archive.folder_size(self.folder))

    def empty_trash(self) -> int:
        """Forget what is in the trash, with the undo steps that could bring it back; returns how many nodes. Job folders stay."""
        with self._store.transaction() as connection:
            rows = connection.execute("SELECT id, data FROM nodes WHERE trashed = 1").fetchall()
            for node_id, data in rows:
                # a shell stays, so that the job it came from is not imported again
                connection.execute("UPDATE nodes SET trashed = 2, data = ? WHERE id = ?", (json.dumps({**json.loads(data), "payload": None}), node_id))
            if rows:
                connection.execute("DELETE FROM edits")
                self._set_position(connection, 0)
        return len(rows)

    # ---- rows -----------------------------------------------------------------------------------------------------------------
    @staticmethod
    def _position(connection: Any) -> int:
        return int(connection.execute("SELECT value FROM meta WHERE name = 'position'").fetchone()[0])

    @staticmethod
    def _set_position(connection: Any, position: int) -> None:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'position'", (str(position),))

    @staticmethod
    def _write(connection: Any, node_id: str, new: Mapping[str, Any] | None) -> None:
        if new is None:
            # a node whose making was undone never was: it is hidden, not in the trash, unless it had been there before
            deleted = connection.execute("SELECT 1 FROM edits WHERE node = ? AND after IS NULL", (node_id,)).fetchone()
            connection.execute("UPDATE nodes SET trashed = ? WHERE id = ?", (_TRASHED if deleted else _HIDDEN, node_id))
        else:
            connection.execute("INSERT OR REPLACE INTO nodes VALUES (?, ?, 0)", (node_id, _text(new)))

    def _packed(self, connection: Any, node: Node | None) -> dict[str, Any] | None:
        return pack_node(node, lambda array: self._store.put(connection, array), self._store.put_segment)

    def _nodes(self, where: int) -> list[Node]:
        found = (self._node(json.loads(text)) for (text,) in self._store.query("SELECT data FROM nodes WHERE trashed = ?", (where,)))
        return sorted(found, key=lambda node: (node.created, node.id))

    def _node(self, data: Mapping[str, Any]) -> Node:
        return unpack_node(data, self._store.array, self._store.segment)


def untitled_folder() -> Path:
    """Where projects live that have no name yet."""
    return (user_data() / "untitled").resolve()


def _text(data: Mapping[str, Any] | None) -> str | None:
    return None if data is None else json.dumps(data, allow_nan=False, ensure_ascii=False)


def _storage(error: OSError, path: Path) -> StorageError:
    return error if isinstance(error, StorageError) else storage_error(error, path)
