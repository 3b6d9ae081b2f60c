"""The way through the program in four stages above the scene, and the one sentence in the status bar that says what to do next."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from solvers.core.nodes import Node

from . import looks
from .commands import BY_ID
from .session import Session
from .translate import mark, tr

#: stage -> (title, command, what it is for)
STAGES: tuple[tuple[str, str, str, str], ...] = (
    ("structure", mark("Structure"), "build.bulk", mark("Open or build the crystal")),
    ("relax", mark("Relax"), "calculate.relax", mark("Bring atoms and cell to rest")),
    ("elastic", mark("Elastic constants"), "calculate.elastic", mark("Stiffness with error bars")),
    ("deck", mark("Material deck"), "results.deck", mark("Write the material for a finite-element program")),
)
_STRUCTURE = ("file.open", "build.bulk", "build.crystal", "file.examples")


def done_stages(session: Session) -> set[str]:
    """Which stages the current structure and all that was made from it have behind them (the whole project when nothing is current)."""
    nodes = _family(session)
    runs = [node.payload for node in nodes if node.kind == "run" and isinstance(node.payload, dict)]
    good = {run.get("task") for run in runs if run.get("converged", True) and not run.get("refused")}
    done = {"structure"} if any(node.kind in ("structure", "trajectory") for node in nodes) else set()
    done |= {"relax"} & good
    if "elastic" in good or any(node.kind == "material" for node in nodes):
        done.add("elastic")
    if session.decks_written and "elastic" in done:
        done.add("deck")
    return done


def _family(session: Session) -> list[Node]:
    """Every node with the same root as the current one: the relaxation of one crystal says nothing about another."""

    def root(node: Node) -> str:
        while node.parent in session.nodes:
            node = session.nodes[node.parent]
        return node.id

    current = session.node()
    if current is None:
        return list(session.nodes.values())
    head = root(current)
    return [node for node in session.nodes.values() if root(node) == head]


def next_step(session: Session) -> str:
    """What a person who has never seen the program should do now."""
    if session.read_only:
        return tr("You are looking at somebody else's project. Ctrl+S keeps a copy that you can change.")
    if not session.nodes:
        return tr("Begin: open a structure (Ctrl+O), build a crystal (Ctrl+B) or take an example.")
    broken = [view for view in session.jobs.views.values() if view.state in ("interrupted", "paused")]
    if broken:
        return tr("A calculation was interrupted: choose it under Jobs and press Resume.")
    if session.jobs.running:
        return tr("A calculation runs; its curve is under Jobs. You can go on working.")
    if session.mode == "edit":
        return tr("Edit mode: click atoms, then change, move or delete them on the right; Ctrl+Z takes back.")
    if session.mode == "measure":
        return tr("Measure mode: click two atoms for a distance, three for an angle, four for a dihedral.")
    if session.mode == "select":
        return tr("Select mode: click an atom, Ctrl+click for more, drag for a box.")
    result = session.outcome.result()
    if result is not None and result.refused:
        return tr("The result was refused: Results says why. Relax the structure first, or choose a higher quality, and compute again.")
    if result is not None and not result.converged:
        return tr("The calculation did not converge: allow more steps or change its settings, and compute again.")
    if session.outcome.material() is not None:
        return tr("Next: look at the stiffness in every direction, or write the material deck (Ctrl+Shift+K).")
    if session.outcome.structure() is not None and session.node() is not None and session.node().kind == "run":
        if session.nodes[session.current].payload.get("task") == "relax":
            return tr("Next: compute the elastic constants of the relaxed structure (Ctrl+L).")
        return tr("Next: look at the numbers, forces and density under Results, or relax the structure (Ctrl+Shift+R).")
    if session.structure is None:
        return tr("Choose a structure in the project on the left.")
    done = done_stages(session)
    if "relax" not in done:
        return tr("Next: relax the structure (Ctrl+Shift+R), or compute its energy first (Ctrl+R).")
    return tr("Next: compute the elastic constants (Ctrl+L).")


class Guide(QWidget):
    """The four stages as buttons: done ones are ticked, the next one is marked."""

    chosen = Signal(str)  # command id

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.setObjectName("guide")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 2, 8, 2)
        row.setSpacing(2)
        self.buttons: dict[str, QPushButton] = {}
        for place, (name, _, command, _) in enumerate(STAGES):
            if place:
                arrow = looks.label("›", "muted", self)
                row.addWidget(arrow)
            button = QPushButton(self)
            button.setFlat(True)
            button.setProperty("link", True)
            if name == "structure":
                menu = QMenu(button)
                for identifier in _STRUCTURE:
                    menu.addAction(BY_ID[identifier].title, lambda identifier=identifier: self.chosen.emit(identifier))
                button.setMenu(menu)
            else:
                button.clicked.connect(lambda _=False, command=command: self.chosen.emit(command))
            self.buttons[name] = button
            row.addWidget(button)
        row.addStretch(1)
        self.refresh()

    def refresh(self) -> None:
        """Tick what is done, mark what comes next."""
        done = done_stages(self.session)
        following = next((name for name, *_ in STAGES if name not in done), "")
        for number, (name, title, _, tip) in enumerate(STAGES, 1):
            button = self.buttons[name]
            button.setText(f"{'✓' if name in done else number}  {tr(title)}")
            button.setToolTip(tr(tip))
            looks.set_property(button, "stage", "done" if name in done else "next" if name == following else "")

    def theme_changed(self) -> None:
        """Nothing is cached."""
        self.refresh()
