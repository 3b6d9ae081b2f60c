"""The project behind the session: opening files and projects, writing every edit through the store thread, keeping under a name.

Nothing is ever unsaved: an edit is one transaction, begun the moment it is made. When the disk refuses one, the window goes back to what the disk holds
and says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from solvers.core import bridge, paths, sealed
from solvers.core.errors import QcadError, ReadError, StorageError
from solvers.core.nodes import Node
from solvers.core.project import Project

from . import messages
from .sentences import explained
from .translate import tr

if TYPE_CHECKING:
    from .session import Session

_PROGRAM = "Q-CAD"
_NICE = 10


class Keeper(QObject):
    """Owns the open `Project`; `name`, `folder`, `left_behind` are for display."""

    opened = Signal()

    def __init__(self, session: Session):
        super().__init__(session)
        self.session = session
        self.project: Project | None = None
        self.left_behind: list[tuple[Path, str]] = []
        self._box: list[Project] = []  # the project as the store thread knows it
        self.failed_writes = 0
        self._waiting: list[Path] = []  # files to open as soon as there is a project to put them into

    @property
    def name(self) -> str:
        """The project's name, "Untitled" until it has one."""
        return tr("Untitled") if self.project is None or self.project.is_untitled else self.project.name

    @property
    def folder(self) -> Path | None:
        """Where the project is kept."""
        return self.project.folder if self.project is not None else None

    @property
    def last_folder(self) -> str:
        """Where file dialogs begin."""
        recent = self.session.settings.recent()
        return os.path.dirname(recent[0]) if recent else os.path.expanduser("~")

    # ---- projects --------------------------------------------------------------------------------------------------------------
    def begin(self, path: Path | None = None) -> None:
        """At the start: look for what was left behind, then open `path` or a fresh project."""
        self.session.dispatcher.store(_left_behind, done=self._found)
        if path is not None and _is_project(path):
            self.open_path(path)
            return
        if path is not None:
            self._waiting.append(path)
        self.new()

    def _found(self, left: list[tuple[Path, str]]) -> None:
        self.left_behind = left
        self.session.project_changed.emit()

    def new(self) -> None:
        """An empty untitled project in the user's data folder."""
        self._switch(lambda: Project.untitled(program=_PROGRAM))

    def open_project(self, folder: Path) -> None:
        """Open a project folder; read-only when another window owns it."""
        self._switch(lambda: Project.open(folder, program=_PROGRAM), remember=folder)

    def _switch(self, make: Callable[[], Project], *, remember: Path | None = None) -> None:
        old = self.project

        def work():
            project = make()
            try:
                if not project.read_only:
                    project.import_jobs()
                contents = project.nodes(), *project.history()
            except BaseException:
                project.close()
                raise
            if old is not None:
                old.close()
            self._box[:] = [project]
            return project, contents

        def arrived(answer) -> None:
            project, (nodes, history, position) = answer
            self.project = project
            session = self.session
            session.read_only = (str(project.owner) if project.owner else project.read_only_reason) if project.read_only else ""
            manager = project.jobs(threads=session.settings.worker_threads, nice=_NICE)
            session.jobs.follow(manager)
            session.replay(nodes, history, position)
            if remember is not None:
                session.settings.remember(remember)
            self.opened.emit()
            waiting, self._waiting = self._waiting, []
            for path in waiting:
                session.attempt(self.open_path, path)

        def failed(error: BaseException) -> None:
            messages.post_error(error)
            if self.project is None and remember is not None:  # there must always be a project to work in
                self.new()

        self.session.dispatcher.store(work, done=arrived, failed=failed)

    def keep_as(self, folder: Path, done: Callable[[Path], None] | None = None) -> None:
        """Give the project a name. An untitled one moves there; a named one is copied and the copy is opened."""
        project = self.project
        if project is None:
            raise StorageError(tr("No project is open."), hint=tr("Make a new one with Ctrl+N."))
        moves = project.is_untitled and not project.read_only

        def arrived(path: Path) -> None:
            self.session.settings.remember(path)
            if moves:
                self.session.jobs.follow(project.jobs(threads=self.session.settings.worker_threads, nice=_NICE))
                self.session.project_changed.emit()
            else:
                self.open_project(path)
            messages.post("good", tr("The project is kept in {path}.", path=path))
            if done is not None:
                done(path)

        self.session.jobs.follow(None) if moves else None
        self.session.dispatcher.store(project.keep_as, folder, done=arrived, failed=self._not_kept)

    def _not_kept(self, error: BaseException) -> None:
        messages.post_error(error)
        if self.project is not None:
            self.session.jobs.follow(self.project.jobs(threads=self.session.settings.worker_threads, nice=_NICE))

    # ---- edits -------------------------------------------------------------------------------------------------------------------
    def edited(self, node_id: str, before: Node | None, after: Node | None, text: str, *, merge: bool) -> None:
        """Write an edit that was just made."""
        self._write(lambda project: project.set_node(node_id, before, after, text, merge=merge), node_id)

    def stepped(self, how: str) -> None:
        """Write that an edit was undone or redone."""
        self._write(lambda project: project.undo() if how == "undo" else project.redo(), "")

    def _write(self, write: Callable[[Project], Any], node_id: str) -> None:
        box = self._box

        def work():
            if not box:
                raise StorageError(tr("The project is not open yet."), hint=tr("Try again in a moment."))
            write(box[0])

        self.session.dispatcher.store(work, done=lambda _: self.session.committed.emit(node_id), failed=self._refused)

    def _refused(self, error: BaseException) -> None:
        """The disk refused an edit: show what it holds, and why."""
        messages.post_error(error)
        project = self.project
        self.failed_writes += 1
        if project is not None:
            self.session.dispatcher.store(lambda: (project.nodes(), *project.history()), done=lambda contents: self.session.replay(*contents))

    def import_jobs(self, done: Callable[[list[Node]], None]) -> None:
        """Make nodes of finished jobs."""
        project = self.project
        if project is None or project.read_only:
            return

        def arrived(nodes: list[Node]) -> None:
            if self.project is project:
                self.session.import_nodes(nodes)
                done(nodes)

        self.session.dispatcher.store(project.import_jobs, done=arrived)

    # ---- files -------------------------------------------------------------------------------------------------------------------
    def open_path(self, path: Path | str) -> None:
        """Open whatever `path` is: project, packed project, material, structure, trajectory, density. Foreign files are parsed by a child process."""
        path = Path(path).expanduser()
        if _is_project(path):
            self.open_project(path.parent if path.name == "project.sqlite" else path)
        elif path.suffix.lower() == ".qcadz":
            target = _free(path.with_suffix(".qcad"))
            self.session.dispatcher.store(Project.unpack, path, target, done=lambda _: self.open_project(target))
        elif self.project is None:
            self._waiting.append(path)
        else:
            self.session.require_writable()
            self.session.dispatcher.run(read, path, done=lambda answer: self._read(path, *answer))

    def _read(self, path: Path, kind: str, value: Any) -> None:
        session, name = self.session, path.stem
        if not path.is_relative_to(_examples()):
            session.settings.remember(path)
        if kind == "field":
            structure, field = value
            parent = session.add("structure", name, structure, made_by=str(path), current=False)
            session.add("field", f"{name}: {field.name}", field, parent=parent, made_by=str(path))
        elif kind == "material":
            session.add("material", name, value, made_by=str(path))
        elif len(value) > 1:
            session.add("trajectory", name, value, made_by=str(path))
        else:
            session.add("structure", name, value.structure(0), made_by=str(path))
        if kind != "material":
            session.echo(f"atoms = read_structure({str(path)!r}).to_atoms()")

    def write_file(self, path: str | Path, content: str | bytes | Callable[[Path], Any]) -> None:
        """Write a file through the store thread and say so."""
        path = Path(path)

        def work():
            if callable(content):
                content(path)
            else:
                sealed.write_file(path, content if isinstance(content, bytes) else content.encode())

        self.session.dispatcher.store(work, done=lambda _: messages.post("good", tr("Written: {path}", path=path)))

    def close(self) -> None:
        """Wait for the last edit, give the project back."""
        project, self.project = self.project, None
        box, self._box = self._box, []
        self.session.dispatcher.store(lambda: [item.close() for item in (box or ([project] if project else []))])


def _examples() -> Path:
    return paths.resource("examples")


def _is_project(path: Path) -> bool:
    return (path.is_dir() and (path.suffix == ".qcad" or (path / "project.sqlite").exists())) or path.name == "project.sqlite"


def _free(path: Path) -> Path:
    return (
        path
        if not path.exists()
        else next(candidate for count in range(2, 1000) if not (candidate := path.with_name(f"{path.stem} {count}{path.suffix}")).exists())
    )


def _left_behind() -> list[tuple[Path, str]]:
    """Untitled projects of earlier sessions: (folder, what is in it)."""
    out = []
    for folder in Project.recoverable()[:6]:
        try:
            with Project.open(folder, read_only=True) as project:
                names = [node.name for node in project.nodes()]
                interrupted = sum(job.status.state == "interrupted" for job in project.jobs().list())
        except QcadError as error:
            names, interrupted = [explained(error)], 0
        text = tr(
            "Untitled of {date}: {names}",
            date=_date(folder.name),
            names=", ".join(names[:3]) + ("…" if len(names) > 3 else "") if names else tr("only calculations"),
        )
        out.append((folder, text + (" · " + tr("{n} interrupted", n=interrupted) if interrupted else "")))
    return out


def _date(name: str) -> str:
    return f"{name[:4]}-{name[4:6]}-{name[6:8]} {name[9:11]}:{name[11:13]}" if len(name) > 13 and name[:8].isdigit() else name


def read(path: Path) -> tuple[str, Any]:
    """("frames", Trajectory), ("field", (Structure, GridField)) or ("material", dict) of a foreign file; pool."""
    if path.suffix.lower() == ".json":
        from solvers import Material

        try:
            return "material", Material.load(path).to_dict()
        except ReadError:
            pass  # not a material: a structure, or nothing we know, which the reader says better
    if path.exists() and bridge.format_of(path) in ("cube", "xsf"):
        try:
            return "field", bridge.read_field(path)
        except ReadError:
            if bridge.format_of(path) == "cube":
                raise
    return "frames", bridge.read_trajectory(path)
