"""What the current node's calculation brought: result, structure, material, frames, forces, density, stiffness surface."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from solvers.core.errors import MissingError
from solvers.core.job import Result
from solvers.core.nodes import Node
from solvers.core.structure import Structure

from . import messages
from .sentences import said
from .translate import tr

if TYPE_CHECKING:
    from .session import Session

_FINENESS = 5  # subdivisions of the icosahedron: 10242 directions


class Outcome(QObject):
    """Answers for the current node; loads results when they are wanted."""

    def __init__(self, session: Session):
        super().__init__(session)
        self.session = session
        self.surface: tuple | None = None  # points, triangles, values in Pa
        self.watched = ""  # a job without a node (running, interrupted) that is shown
        self._loading = ""
        self.mine: dict[str, str] = {}  # jobs started here -> node they started from
        self._material: tuple[Any, Any] = (None, None)
        session.jobs.ended.connect(self._ended)
        session.jobs.changed.connect(self._changed)
        session.jobs.result_arrived.connect(self._arrived)

    # ---- who made the current node ---------------------------------------------------------------------------------------------
    def job(self) -> str:
        """Id of the job behind the current node, or of the job watched; "" if none."""
        node = self.session.node()
        if self.watched:
            return self.watched
        if node is None:
            return ""
        if node.kind == "run" and isinstance(node.payload, dict):
            return str(node.payload.get("job", ""))
        return node.made_by if node.made_by in self.session.jobs.views else ""

    def node_of(self, job_id: str) -> Node | None:
        """The run node of a job."""
        return next(
            (node for node in self.session.nodes.values() if node.kind == "run" and isinstance(node.payload, dict) and node.payload.get("job") == job_id), None
        )

    def result(self) -> Result | None:
        """The result behind the current node, None while there is none or it is still being loaded."""
        job_id = self.job()
        if job_id and job_id not in self.session.jobs.results:
            view = self.session.jobs.views.get(job_id)
            if view is not None and view.state == "finished":
                self.session.jobs.fetch(job_id)
        return self.session.jobs.results.get(job_id)

    def structure(self) -> Structure | None:
        """The structure that the result brought."""
        result = self.session.jobs.results.get(self.job())
        return result.structure if result is not None else None

    def material(self) -> Any:
        """The `Material` of the current node or of its result, None if there is none."""
        node = self.session.node()
        result = self.session.jobs.results.get(self.job())
        data = node.payload if node is not None and node.kind == "material" else result.material if result is not None else None
        if data is None:
            return None
        if self._material[0] is not data:
            from solvers import Material

            material = Material.from_dict(data)
            if self.job() and not material.provenance.get("run_ids"):  # a number in a deck leads back to its run
                material = replace(material, provenance={**material.provenance, "run_ids": [self.job()]})
            self._material = (data, material)
        return self._material[1]

    # ---- showing -----------------------------------------------------------------------------------------------------------------
    def became_current(self) -> None:
        """Another node is current: what it brought is shown as it arrives."""
        self.watched = ""
        self.surface = None
        if self.job():
            if self.result() is not None:
                self._take()
            self._load_frames()

    def show_job(self, job_id: str) -> None:
        """Show a job: its node where it has one, else its frames so far."""
        node = self.node_of(job_id)
        if node is not None:
            self.session.set_current(node.id)
            return
        self.watched = job_id
        self._load_frames()
        self.session.current_changed.emit(self.session.current)

    def _load_frames(self) -> None:
        job_id, session = self.job(), self.session
        node = session.node()
        if not job_id or (node is not None and node.kind not in ("run",) and not self.watched):
            return

        if self._loading == job_id:  # the frames on their way are new enough; asking again would overtake them for ever
            return
        self._loading = job_id

        def arrived(frames: Any) -> None:
            self._loading = ""
            if self.job() == job_id and len(frames) > 1:
                at = session.frame if session.frames is not None and session.frame < len(session.frames) - 1 else None
                session.set_frames(frames, at=at)

        session.jobs.trajectory(job_id, arrived, self._not_loaded)

    def _not_loaded(self, error: BaseException) -> None:
        self._loading = ""
        messages.post_error(error)

    def _take(self) -> None:
        """Forces and density of the result, ready to be shown."""
        result, session = self.result(), self.session
        if result is None:
            return
        session.forces = result.values.get("forces")
        session.moments = result.values.get("magmoms")
        session.set_fields(result.fields)
        session.shown_changed.emit()

    def show(self, what: str) -> None:
        """Show or hide "forces", "field" or "surface"."""
        session = self.session
        if what == "surface":
            if session.display.surface:
                session.set_display(surface=False)
                return
            material = self.material()
            if material is None:
                raise MissingError(tr("There is no material to draw."), hint=tr("Compute elastic constants first."))
            session.dispatcher.run(_surface, material, done=self._draw_surface)
            return
        self._take()
        if getattr(session, what) is None:
            raise MissingError(tr("This result holds no such data."), hint=tr("Run “Energy and forces” for this structure."))
        session.set_display(**{what: not getattr(session.display, what)})

    def _draw_surface(self, surface: tuple) -> None:
        self.surface = surface
        self.session.set_display(surface=True)

    def use_structure(self) -> None:
        """Make the result's structure a new structure node."""
        structure = self.structure()
        if structure is None:
            raise MissingError(tr("This result holds no structure."), hint=tr("Choose a finished relaxation."))
        self.session.add("structure", structure.formula or tr("Structure"), structure, parent="", made_by=self.job())

    # ---- jobs --------------------------------------------------------------------------------------------------------------------
    def started(self, job_id: str) -> None:
        """A job was started here."""
        self.mine[job_id] = self.session.current
        messages.post("info", tr("The calculation has started. Its curve is under Jobs."))

    def _changed(self, job_id: str) -> None:
        view = self.session.jobs.views.get(job_id)
        if job_id == self.watched and view is not None and view.status.active:
            self._load_frames()

    def _ended(self, job_id: str) -> None:
        self.session.keeper.import_jobs(lambda nodes: self._imported(job_id))

    def _imported(self, job_id: str) -> None:
        session, view, node = self.session, self.session.jobs.views.get(job_id), self.node_of(job_id)
        if view is None:
            return
        started_from = self.mine.pop(job_id, None) if view.state == "finished" else None  # a resumed one is still ours
        if view.state == "finished":
            refused = node is not None and node.payload.get("refused")
            converged = node is None or node.payload.get("converged", True)
            level, words = (
                ("warning", tr("{title} finished, but the result is refused: {why}", title=view.title, why=said(str(refused))))
                if refused
                else ("good", tr("{title} is finished.", title=view.title))
                if converged
                else ("warning", tr("{title} finished without converging.", title=view.title))
            )
            messages.post(level, words)
        elif view.state in ("failed", "interrupted", "paused"):
            messages.post(
                "error" if view.state == "failed" else "warning",
                f"{view.title}: {said(view.status.message)}",
                tr("Look under Jobs; Resume continues from the last checkpoint."),
            )
        untouched = session.mode in ("view", "select") and session.preview is None
        if node is not None and untouched and (started_from == session.current or self.watched == job_id):
            session.set_current(node.id)

    def _arrived(self, job_id: str) -> None:
        if job_id == self.job():
            self._take()
            self.session.current_changed.emit(self.session.current)


def _surface(material: Any) -> tuple:
    from solvers.continuum import young_surface

    return young_surface(material, _FINENESS)
