"""`Session`: the one Qt-aware model. It turns project, jobs, selection and undo into signals; panels call its methods and listen.

It owns no physics: structures come from `solvers.build`, files from `solvers.core.bridge`, numbers from jobs. Everything here runs in the GUI
thread and is short; whatever may take longer goes through `Dispatcher`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from solvers.core.errors import QcadError, SetupError
from solvers.core.job import JobSpec
from solvers.core.nodes import Node
from solvers.core.structure import Structure

from . import messages
from .dispatch import Dispatcher
from .draft import Draft
from .keeping import Keeper
from .outcome import Outcome
from .scene.styles import Style
from .settings import Settings
from .translate import tr
from .undo import SetNode, make_stack
from .watching import Jobs

MODES = ("view", "select", "edit", "measure")


@dataclass(frozen=True)
class Display:
    """What the scene shows beside the atoms; the atoms' own looks are `style`. Not part of undo."""

    style: Style = Style()
    forces: bool = False
    velocities: bool = False
    moments: bool = True  # magnetic ones, where there are any
    field: bool = False
    level: float | None = None  # isosurface, in the field's unit; None = the scene's own choice
    opacity: float = 0.5
    part: str = "total"  # of a field with spin: `fields.FIELD_PARTS`
    slice: bool = False
    slice_hkl: tuple[float, float, float] = (0.0, 0.0, 1.0)
    slice_offset: float = 0.5  # 0 to 1, from the first to the last corner of the cell that the planes touch
    surface: bool = False  # Young's modulus instead of atoms


class Session(QObject):
    """The open project, what is current in it, and the undo stack."""

    project_changed = Signal()  # another project, or its name or owner
    nodes_changed = Signal()  # the tree
    current_changed = Signal(str)  # id of the node now current, "" for none
    structure_changed = Signal(str)  # id of the node whose structure changed
    shown_changed = Signal()  # what the scene must show: structure, frame, preview, forces, field, surface
    selection_changed = Signal()
    mode_changed = Signal(str)
    display_changed = Signal()
    player_changed = Signal()  # other frames than before
    frame_changed = Signal(int)
    measured = Signal(str)  # a measurement in words
    script_changed = Signal()  # one more line of Python
    committed = Signal(str)  # id of a node whose newest state is on the disk
    dialog_requested = Signal(str)  # name of a dialog
    show_requested = Signal(str)  # "forces", "field", "surface", "structure", "deck", "csv" of the current result

    def __init__(self, dispatcher: Dispatcher, settings: Settings, parent: QObject | None = None):
        super().__init__(parent)
        self.dispatcher, self.settings = dispatcher, settings
        self.undo_stack = make_stack(self)
        self.nodes: dict[str, Node] = {}
        self.current = ""
        self.selection: tuple[int, ...] = ()
        self.mode = "view"
        self.display = Display()
        self.preview: Structure | None = None
        self.ghost = True  # the preview lies over the structure instead of in its place
        self.script: list[str] = []
        self.read_only = ""  # who owns the project, "" when it is ours
        self.frames: Any = None  # the trajectory being played: len(), frame(i), column(name)
        self.frame = 0
        self.forces: np.ndarray | None = None
        self.moments: np.ndarray | None = None  # (N,) µB of the result
        self.start_moments: np.ndarray | None = None  # (N,) µB while they are being set up
        self.fields: dict[str, Any] = {}  # name -> GridField of the current result
        self.field: Any = None  # the one of them that is shown
        self.decks_written: list[str] = []
        self._replaying = False
        self.draft = Draft(self)
        self.jobs = Jobs(dispatcher, self)
        self.outcome = Outcome(self)
        self.keeper = Keeper(self)

    # ---- nodes -------------------------------------------------------------------------------------------------------------
    def node(self, node_id: str = "") -> Node | None:
        """The node with this id, the current one when empty."""
        return self.nodes.get(node_id or self.current)

    def children(self, parent: str) -> list[Node]:
        """Nodes below `parent`, oldest first."""
        known = self.nodes
        return sorted((node for node in known.values() if (node.parent if node.parent in known else "") == parent), key=lambda node: (node.created, node.id))

    @property
    def structure(self) -> Structure | None:
        """The structure of the current node, or of its result: what edits change and calculations start from."""
        node = self.node()
        if node is None:
            return None
        if isinstance(node.payload, Structure):
            return node.payload
        if node.kind == "field" and node.parent in self.nodes and isinstance(self.nodes[node.parent].payload, Structure):
            return self.nodes[node.parent].payload
        if node.kind == "trajectory" and len(node.payload):
            return node.payload.structure(self.frame if node.payload is self.frames else len(node.payload) - 1)
        if node.kind in ("run", "material"):
            return self.outcome.structure() or self._structure_above(node)
        return None

    def _structure_above(self, node: Node) -> Structure | None:
        """The structure that a run started from."""
        while node.parent in self.nodes:
            node = self.nodes[node.parent]
            if isinstance(node.payload, Structure):
                return node.payload
        return None

    @property
    def shown(self) -> Structure | None:
        """What the scene shows: a preview, else the frame being played, else the current structure."""
        if self.preview is not None:
            return self.preview
        if self.frames is not None and len(self.frames):
            return self.frames.structure(self.frame)
        return self.structure

    @property
    def editable(self) -> bool:
        """True when the current structure may be changed here."""
        node = self.node()
        return not self.read_only and node is not None and node.kind == "structure" and isinstance(node.payload, Structure)

    def set_current(self, node_id: str) -> None:
        """Make a node current; the selection is forgotten."""
        if node_id == self.current or (node_id and node_id not in self.nodes):
            return
        self.current = node_id
        self.preview = None
        self._show_none()
        self._select(())
        node = self.node()
        if node is not None and node.kind == "trajectory":
            self.set_frames(node.payload, at=0)
        elif node is not None and node.kind == "field":
            self.set_fields({node.payload.name: node.payload})
            self.set_display(field=True)
        self.outcome.became_current()
        self.current_changed.emit(node_id)
        self.shown_changed.emit()

    def _show_none(self) -> None:
        self.forces = self.field = self.moments = self.start_moments = None
        self.fields = {}
        if self.display.surface:
            self.set_display(surface=False)
        self.set_frames(None)

    def add(self, kind: str, name: str, payload: Any, *, parent: str = "", made_by: str = "", current: bool = True) -> str:
        """A new node (undoable); returns its id."""
        self.require_writable()
        node = Node.new(kind, self._free_name(name), payload, parent=parent, made_by=made_by)
        self._put(SetNode(self.apply, node.id, None, node, tr("New {name}", name=node.name)))
        if current:
            self.set_current(node.id)
        return node.id

    def import_nodes(self, nodes: Sequence[Node]) -> None:
        """Take over nodes that the project made of finished jobs; they are on the disk already and not undoable."""
        for node in nodes:
            self.nodes[node.id] = node
        if nodes:
            self.nodes_changed.emit()

    def _free_name(self, name: str) -> str:
        taken = {node.name for node in self.nodes.values()}
        if name not in taken:
            return name
        return next(f"{name} {count}" for count in range(2, len(taken) + 3) if f"{name} {count}" not in taken)

    def rename(self, node_id: str, name: str) -> None:
        """Give a node another name (undoable)."""
        node = self.nodes[node_id]
        name = name.strip()
        if name and name != node.name:
            self._push(node, replace(node, name=name), tr("Rename to {name}", name=name))

    def remove(self, node_id: str) -> None:
        """Move a node to the trash (undoable); what hangs below it moves up."""
        node = self.nodes.get(node_id)
        if node is None:
            return
        self.require_writable()
        self._put(SetNode(self.apply, node_id, node, None, tr("Delete {name}", name=node.name)))

    def commit(self, structure: Structure, text: str, *, python: str = "", merge: str = "", keep_selection: bool = False) -> None:
        """Replace the current structure (undoable). `text` names the step, `python` is the same step as a line of Python."""
        node = self.node()
        if self.frames is not None:  # frames of a job that is watched would hide what is being edited
            self.outcome.watched = ""
            self.set_frames(None)
        if node is None or node.kind != "structure":
            self.add("structure", structure.formula or tr("Structure"), structure, made_by=python)
        elif structure.fingerprint != node.payload.fingerprint:
            self._push(node, replace(node, payload=structure, made_by=python or node.made_by), text, merge)
        if not keep_selection or (self.selection and max(self.selection) >= len(structure)):
            self._select(())
        if python:
            self.echo(python)

    def _push(self, before: Node, after: Node, text: str, merge: str = "") -> None:
        self.require_writable()
        self._put(SetNode(self.apply, before.id, before, after, text, merge=merge))

    def _put(self, command: SetNode) -> None:
        """Push an edit and send it to the disk."""
        stack = self.undo_stack
        last = stack.command(stack.index() - 1) if stack.index() else None
        merges = isinstance(last, SetNode) and last.takes(command)
        node_id, before, after, text = command.node_id, command.before, command.after, command.text()
        stack.push(command)
        self.keeper.edited(node_id, before, after, text, merge=merges)

    def replay(self, nodes: Sequence[Node], history: Sequence[Any], position: int) -> None:
        """Take over what a project on the disk holds, its undo history included."""
        self._replaying = True
        try:
            self.undo_stack.clear()
            for step in history:
                self.undo_stack.push(SetNode(self.apply, step.node_id, step.before, step.after, step.text, done=True))
            self.undo_stack.setIndex(position)
        finally:
            self._replaying = False
        self.nodes = {node.id: node for node in nodes}
        self.current = ""
        self.script.clear()
        self.decks_written = []
        self.preview = None
        self._show_none()
        self._select(())
        self.nodes_changed.emit()
        self.script_changed.emit()
        newest = max(self.nodes.values(), key=lambda node: node.created, default=None)
        if newest is not None:
            self.set_current(newest.id)
        else:
            self.current_changed.emit("")
            self.shown_changed.emit()
        self.project_changed.emit()

    def require_writable(self) -> None:
        """Raise SetupError in a project that somebody else owns."""
        if self.read_only:
            raise SetupError(
                tr("This project is open in another window ({owner}).", owner=self.read_only),
                hint=tr("Close that window, or keep a copy under another name with Ctrl+S."),
            )

    def apply(self, node_id: str, snapshot: Node | None, how: str = "do") -> None:
        """Put a snapshot in place (None: gone) and tell everybody; called by undo commands only."""
        if self._replaying:
            return
        before = self.nodes.get(node_id)
        if snapshot is None:
            self.nodes.pop(node_id, None)
        else:
            self.nodes[node_id] = snapshot
        if how != "do":
            self.keeper.stepped(how)
        self.nodes_changed.emit()
        if snapshot is None and self.current == node_id:
            rest = [node for node in self.nodes.values() if node.kind == "structure"] or list(self.nodes.values())
            self.current = ""
            self.set_current(max(rest, key=lambda node: node.created).id if rest else "")
            if not rest:
                self._show_none()
                self._select(())
                self.current_changed.emit("")
                self.shown_changed.emit()
        elif snapshot is not None and not self.current and how != "do":  # what undo brought back
            self.set_current(node_id)
        elif snapshot is not None and (before is None or before.payload is not snapshot.payload):
            self.structure_changed.emit(node_id)
            if node_id == self.current:
                self.preview = None
                if self.selection and isinstance(snapshot.payload, Structure) and max(self.selection) >= len(snapshot.payload):
                    self._select(())
                self.forces = self.moments = self.start_moments = None
                self.shown_changed.emit()

    # ---- selection, mode, display ----------------------------------------------------------------------------------------------
    def select(self, indices: Sequence[int], how: str = "set") -> None:
        """Select atoms: "set", "add", "toggle" or "remove". The order of clicks is kept."""
        now = list(self.selection)
        if how == "set":
            now = list(dict.fromkeys(indices))
        elif how == "remove":
            now = [item for item in now if item not in set(indices)]
        else:
            for item in dict.fromkeys(indices):
                if item not in now:
                    now.append(item)
                elif how == "toggle":
                    now.remove(item)
        n = len(self.shown or ())
        self._select(tuple(int(item) for item in now if 0 <= item < n))

    def _select(self, indices: tuple[int, ...]) -> None:
        if indices != self.selection:
            self.selection = indices
            self.selection_changed.emit()

    def set_mode(self, mode: str) -> None:
        """ "view", "select", "edit" or "measure"."""
        if mode not in MODES:
            raise SetupError(f"Unknown mode {mode!r}.", hint=f"Allowed: {', '.join(MODES)}.")
        if mode != self.mode:
            self.mode = mode
            self.mode_changed.emit(mode)

    def set_display(self, **changes: Any) -> None:
        """Change what the scene shows; names of `Display` or of `Style`."""
        own = {name: changes.pop(name) for name in list(changes) if name in Display.__dataclass_fields__}
        display = replace(self.display, **own)
        if changes:
            display = replace(display, style=display.style.but(**changes))
        if display != self.display:
            self.display = display
            self.display_changed.emit()

    def set_preview(self, structure: Structure | None, *, ghost: bool = True) -> None:
        """Show `structure` in the scene without touching the project, over the present one (`ghost`) or in its place; None ends it."""
        if structure is not self.preview:
            self.preview, self.ghost = structure, ghost
            self.shown_changed.emit()

    def set_fields(self, fields: dict[str, Any]) -> None:
        """Other fields can be shown; the one shown before stays where it is among them."""
        before = next((name for name, field in self.fields.items() if field is self.field), None)
        self.fields = dict(fields)
        self.field = self.fields.get(before, next(iter(self.fields.values()), None))

    def show_field(self, name: str) -> None:
        """Show the field called `name`."""
        if name in self.fields and self.fields[name] is not self.field:
            self.field = self.fields[name]
            self.set_display(level=None)
            self.shown_changed.emit()

    def set_start_moments(self, moments: np.ndarray | None) -> None:
        """Show these moments (N,) µB while a calculation is set up; None ends it."""
        if moments is not None or self.start_moments is not None:
            self.start_moments = moments
            self.shown_changed.emit()

    # ---- frames ------------------------------------------------------------------------------------------------------------------
    def set_frames(self, frames: Any, *, at: int | None = None) -> None:
        """Play `frames` (len, structure(i), column(name), columns); None ends playing."""
        if frames is None and self.frames is None:
            return
        self.frames = frames
        n = len(frames) if frames is not None else 0
        self.frame = 0 if not n else min(max(at if at is not None else n - 1, 0), n - 1)
        self.player_changed.emit()
        self.frame_changed.emit(self.frame)
        self.shown_changed.emit()

    def set_frame(self, index: int) -> None:
        """Show frame `index` (clamped)."""
        if self.frames is None or not len(self.frames):
            return
        index = min(max(int(index), 0), len(self.frames) - 1)
        if index != self.frame:
            self.frame = index
            self.frame_changed.emit(index)
            self.shown_changed.emit()

    # ---- builders ------------------------------------------------------------------------------------------------------------------
    def build(
        self,
        name: str,
        values: dict[str, Any],
        *,
        text: str = "",
        new: bool = False,
        done: Callable[[Structure], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Run builder `name` in the pool and make its result the current structure (or, with `new` or without a structure, a new node)."""
        from solvers.build import builder

        tool = builder(name)
        start, node_id = (self.structure if tool.needs_structure else None), self.current
        if tool.needs_structure and start is None:
            raise SetupError(tr("There is no structure to change."), hint=tr("Open a file or build a crystal first."))

        def arrived(structure: Structure) -> None:
            if start is not None and (self.current != node_id or self.structure is not start):
                messages.post(
                    "warning", tr("The structure changed while this step was computed; the step was dropped."), tr("Do it again if you still want it.")
                )
                return
            python = python_of(name, values, tool.needs_structure)
            title = text or tr(tool.summary)
            if tool.needs_structure and not new and self.editable:
                self.commit(structure, title, python=python)
            else:
                asked = str(values.get("symbol", "")) if name == "bulk" and len(set(structure.symbols)) > 1 else ""  # Ni3Al, not AlNi3
                self.add("structure", asked or structure.formula or title, structure, parent=node_id if tool.needs_structure else "", made_by=python)
                self.echo(python)
            if done is not None:
                done(structure)

        self.dispatcher.run(run_builder, name, start, values, done=arrived, failed=failed)

    def edit(self, name: str, values: dict[str, Any], text: str, *, merge: str = "", keep_selection: bool = False) -> None:
        """Run a small edit (add, move, delete, change element) at once. Raises SetupError."""
        if not self.editable:
            self.require_writable()
            raise SetupError(tr("There is no structure to edit."), hint=tr("Choose a structure in the project, or copy the shown frame into one."))
        structure = run_builder(name, self.structure, values)
        self.commit(structure, text, python=python_of(name, values, True), merge=merge, keep_selection=keep_selection)

    def attempt(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        """Call `function`; an error of ours becomes a message. True when it went well."""
        try:
            function(*args, **kwargs)
        except QcadError as error:
            messages.post_error(error)
            return False
        return True

    def echo(self, line: str) -> None:
        """Add a line to the session's Python script."""
        self.script.append(line)
        self.script_changed.emit()

    def python_script(self) -> str:
        """What was done as a script that runs without the window."""
        return (
            "\n".join(
                [
                    "from solvers import CalculatorSpec, JobManager, JobSpec, Structure, build",
                    "from solvers.core.bridge import read_structure",
                    "",
                    *self.script,
                ]
            )
            + "\n"
            if self.script
            else ""
        )

    def start_job(self, spec: JobSpec, done: Callable[[str], None] | None = None) -> None:
        """Start a job; when it has ended its result becomes part of the project. `done(job id)` is called as soon as it has an id."""
        self.require_writable()
        calculator = spec.inputs.get("calculator")
        extra = f", 'calculator': CalculatorSpec({calculator.name!r}, {dict(calculator.params)!r})" if calculator is not None else ""
        inputs = f"{{'structure': Structure.from_atoms(atoms){extra}}}" if "structure" in spec.inputs else "{'train': frames, 'test': held_out}"
        self.echo(f"job = JobManager('jobs').start(JobSpec({spec.task!r}, {dict(spec.params)!r}, {inputs}))")

        def started(job_id: str) -> None:
            self.outcome.started(job_id)
            if done is not None:
                done(job_id)

        self.jobs.start(spec, done=started)

    def close(self) -> None:
        """Write what is to be written, stop watching, end the threads. Running jobs go on."""
        self.jobs.follow(None)
        self.keeper.close()
        self.dispatcher.close()


def run_builder(name: str, start: Structure | None, values: dict[str, Any]) -> Structure:
    """The structure that builder `name` makes (pure; pool)."""
    from solvers.build import builder

    return Structure.from_atoms(builder(name)(start.to_atoms() if start is not None else None, **values))


def python_of(name: str, values: dict[str, Any], changes: bool) -> str:
    """The builder call as a line of Python."""
    words = [
        f"{key}={value!r}" if isinstance(value, (bool, int, float, str, tuple, list, type(None))) else f"{key}={str(value)!r}" for key, value in values.items()
    ]
    return f"atoms = build.{name}({', '.join((['atoms'] if changes else []) + words)})"
