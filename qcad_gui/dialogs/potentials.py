"""The potentials of the elements in the structure: what exists, what each one is and needs, and what a choice does to the cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QCheckBox, QFileDialog, QHBoxLayout, QHeaderView, QPushButton, QTreeWidget, QTreeWidgetItem, QWidget

from solvers.core.errors import QcadError

from .. import looks
from ..effect import Effect
from ..sentences import explained, said
from ..session import Session
from ..translate import mark, tr
from .base import Dialog

_HEAD = (mark("Potential"), mark("Valence"), mark("Functional"), mark("Cutoff / eV"), mark("Core correction"), mark("Licence"), mark("Source"))
CUTOFF_KINDS = {"scanned": mark("from our own scan"), "hint": mark("recommended by its makers"), "unknown": mark("not known")}
_ROW = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Choice:
    """One potential as a row: `selector` is what `pseudos` takes for it, `cutoff` in eV (None = not known), `hint` one sentence, `default`: what the library
    takes by itself for this functional."""

    symbol: str
    name: str
    selector: str
    valence: float
    xc: str
    cutoff: float | None
    cutoff_kind: str
    nlcc: bool
    relativity: str
    licence: str
    source: str
    default: bool
    hint: str


@dataclass(frozen=True)
class Table:
    """The choices of every element, the functional they are for, and what is chosen now (symbol -> selector)."""

    choices: dict[str, tuple[Choice, ...]]
    xc: str
    chosen: dict[str, str]
    library: str
    problems: tuple[str, ...]


class PotentialsDialog(Dialog):
    """One potential per element; nothing is written before the main button."""

    name = "potentials"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(
            session,
            parent,
            title=tr("Potentials"),
            accept_text=tr("Use these potentials"),
            accept_tip=tr("Write the choice into the form of the calculation"),
        )
        self.table: Table | None = None
        self.chosen: dict[str, str] = {}
        self.tree = QTreeWidget(self)
        self.tree.setHeaderLabels([tr(text) for text in _HEAD])
        self.tree.setToolTip(tr("Click a row (or press Space on it) to choose it for its element; ● is chosen, “default” is what the library takes by itself"))
        self.tree.setAccessibleName(tr("Potentials"))
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setAlternatingRowColors(True)
        self.tree.setUniformRowHeights(True)
        for section in range(len(_HEAD) - 1):
            self.tree.header().setSectionResizeMode(section, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.itemClicked.connect(lambda item, _column: self._choose(item))
        self.tree.itemActivated.connect(lambda item, _column: self._choose(item))
        self.tree.currentItemChanged.connect(lambda item, _before: self._describe(item))
        self.all = QCheckBox(tr("Also those made for other functionals"), self)
        self.all.setToolTip(tr("A potential of another functional is a compromise; the result says so"))
        self.all.toggled.connect(self._fill)
        self.about = looks.label("", "muted", self, wrap=True, selectable=True)
        self.effect = Effect(session, self)
        self.file = QPushButton(tr("From a file…"), self)
        self.file.setToolTip(tr("Take a potential file (psp8, UPF or GTH) for the element it is made for"))
        self.file.clicked.connect(lambda: self.take_file())
        row = QHBoxLayout()
        row.addWidget(self.all)
        row.addStretch(1)
        row.addWidget(self.file)
        self.body.addWidget(self.tree, 1)
        self.body.addLayout(row)
        self.body.addWidget(self.about)
        self.body.addWidget(self.effect)
        self.resize(820, 620)
        session.draft.changed.connect(self._load)
        session.current_changed.connect(self._load)
        self._load()

    # ---- what there is ---------------------------------------------------------------------------------------------------------
    def _load(self, *_: object) -> None:
        structure, draft = self.session.structure, self.session.draft
        if structure is None:
            self.tree.clear()
            self.show_problem(tr("There is no structure whose elements need potentials. Open a file or build a crystal first."))
            return
        try:
            params = draft.params() if draft.ready else None
        except QcadError as error:
            self.show_problem(explained(error))
            return
        symbols = tuple(dict.fromkeys(structure.symbols))
        self.session.dispatcher.run(table_of, symbols, params, done=self._arrived, failed=self._failed, key="potentials")

    def _arrived(self, table: Table) -> None:
        fresh = self.table is None or self.table.chosen != table.chosen or self.table.choices.keys() != table.choices.keys() or self.table.xc != table.xc
        self.table = table
        if fresh:
            self.chosen = dict(table.chosen)
        self.show_problem("\n".join(table.problems))
        self._fill()

    def _failed(self, error: BaseException) -> None:
        self.show_problem(explained(error))

    def _fill(self, *_: object) -> None:
        table = self.table
        if table is None:
            return
        self.tree.clear()
        for symbol, choices in table.choices.items():
            head = QTreeWidgetItem([symbol])
            font = head.font(0)
            font.setBold(True)
            head.setFont(0, font)
            head.setFlags(Qt.ItemFlag.ItemIsEnabled)
            self.tree.addTopLevelItem(head)
            for choice in choices:
                mine = choice.selector == self.chosen.get(symbol)
                if choice.xc != table.xc and not mine and not self.all.isChecked():
                    continue
                item = QTreeWidgetItem(
                    [
                        f"{'●' if mine else '○'} {choice.name}{'  (' + tr('default') + ')' if choice.default else ''}",
                        f"{choice.valence:g}",
                        choice.xc,
                        tr("not known") if choice.cutoff is None else f"{choice.cutoff:.0f}",
                        tr("yes") if choice.nlcc else tr("no"),
                        choice.licence,
                        choice.source,
                    ]
                )
                for place in (1, 3):
                    item.setTextAlignment(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(3, said(choice.hint))
                item.setToolTip(6, choice.source)
                item.setData(0, _ROW, choice)
                head.addChild(item)
                if mine:
                    self.tree.setCurrentItem(item)
            head.setExpanded(True)
        self._effect()

    def take_file(self, path: str = "") -> None:
        """Ask for a potential file (unless given) and choose it for its element."""
        if not path:
            kinds = tr("Potentials") + " (*.psp8 *.upf *.UPF *.gth);;" + tr("All files") + " (*)"
            path, _ = QFileDialog.getOpenFileName(self, tr("Potential from a file"), "", kinds)
        if path and self.table is not None:
            self.session.dispatcher.run(read_file, path, self.table.xc, done=self._file_arrived, failed=self._failed, key="potential file")

    def _file_arrived(self, choice: Choice) -> None:
        table = self.table
        if choice.symbol not in table.choices:
            self.show_problem(tr("This is a potential of {symbol}, which the structure does not contain.", symbol=choice.symbol))
            return
        others = tuple(item for item in table.choices[choice.symbol] if item.selector != choice.selector)
        self.table = replace(table, choices={**table.choices, choice.symbol: (*others, choice)})
        self.chosen[choice.symbol] = choice.selector
        self.show_problem("")
        self._fill()

    # ---- choosing ------------------------------------------------------------------------------------------------------------------
    def _choose(self, item: QTreeWidgetItem) -> None:
        choice = item.data(0, _ROW)
        if choice is None:
            return
        self.chosen[choice.symbol] = choice.selector
        head = item.parent()
        for place in range(head.childCount()):
            other = head.child(place)
            other.setText(0, ("● " if other is item else "○ ") + other.text(0)[2:])
        self._describe(item)
        self._effect()

    def _describe(self, item: QTreeWidgetItem | None) -> None:
        choice = item.data(0, _ROW) if item is not None else None
        if choice is None:
            return
        kind = tr(CUTOFF_KINDS.get(choice.cutoff_kind, choice.cutoff_kind))
        words = [
            f"{choice.symbol} {choice.name}: {said(choice.hint)}",
            tr("Cutoff: {kind}. Relativity: {relativity}.", kind=kind, relativity=said(choice.relativity)),
            tr("Source: {source}. Licence: {licence}.", source=choice.source, licence=said(choice.licence)),
        ]
        self.about.setText("\n".join(filter(None, words)))

    def value(self) -> str:
        """The choice as the parameter `pseudos` takes it: only what differs from the library's own choice is named."""
        table = self.table
        if table is None:
            return ""
        named = {}
        for symbol, choices in table.choices.items():
            default = next((choice.selector for choice in choices if choice.default), None)
            chosen = self.chosen.get(symbol)
            if chosen is not None and chosen != default:
                named[symbol] = chosen
        return pseudos_text(table.library, named)

    def _effect(self) -> None:
        if self.value():
            self.effect.show_change(pseudos=self.value())
        if self.accept_button is not None:
            self.accept_button.setEnabled(self.session.draft.ready and self.table is not None and not self.problem.isVisibleTo(self))

    def accept(self) -> None:
        """Write the choice into the form."""
        if self.session.attempt(lambda: self.session.draft.write(pseudos=self.value())):
            super().accept()


def table_of(symbols: tuple[str, ...], params: Any) -> Table:
    """All potentials of these elements (pure; pool). `params` are the plane-wave parameters, None for the defaults."""
    from solvers.dft.params import DFTParams
    from solvers.dft.pseudo import library

    params = params or DFTParams()
    pseudos = params.pseudos
    choices, chosen, problems = {}, {}, []
    for symbol in symbols:
        rows = [Choice(**{name: row[name] for name in Choice.__dataclass_fields__}) for row in library.choices(symbol, params.xc, pseudos.library)]
        own = dict(pseudos.chosen).get(symbol)
        try:
            now = library.entry(symbol, params.xc, pseudos.selector(symbol))
        except QcadError as error:
            if own is not None or not rows:
                problems.append(explained(error))
        else:
            mine = next((row for row in rows if row.selector == now.selector or (own is None and row.default)), None)
            if mine is None:  # a file that lies elsewhere
                mine = of_file(now, own or now.selector, params.xc)
                rows.append(mine)
            chosen[symbol] = mine.selector
        choices[symbol] = tuple(rows)
    return Table(choices, params.xc, chosen, pseudos.library, tuple(problems))


def of_file(item: Any, selector: str, xc: str) -> Choice:
    """The row of a potential that is in no list."""
    from solvers.dft.pseudo import library

    cutoff = library.cutoff_row(item)
    words = tr("from a file") + ("" if item.xc == xc else "; " + tr("made for {one}, not for {other}", one=item.xc, other=xc))
    return Choice(
        item.symbol,
        item.name,
        selector,
        item.charge,
        item.xc,
        cutoff.energy,
        cutoff.kind,
        item.has_core,
        item.relativity,
        item.licence,
        item.source,
        False,
        " ".join((words + ".", *item.notes)),
    )


def read_file(path: str, xc: str) -> Choice:
    """The row of the potential in a file (pure; pool). Raises ReadError for what is none."""
    from solvers.dft.pseudo.files import file_entry

    return of_file(file_entry(path), path, xc)


def pseudos_text(library: str, named: dict[str, str]) -> str:
    """The parameter `pseudos` as text: the library, and what differs from it."""
    from solvers.dft.params import Pseudos

    return str(Pseudos(library, tuple(sorted(named.items()))))
