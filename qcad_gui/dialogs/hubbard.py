"""Hubbard U of the shells of each element; the text that the parameter takes, and what it costs."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QDoubleSpinBox, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from solvers.core.errors import QcadError

from .. import looks
from ..effect import Effect
from ..sentences import explained
from ..session import Session
from ..translate import tr
from .base import Dialog

_LARGEST = 30.0  # eV, the engine's own limit


class HubbardDialog(Dialog):
    """One row per shell; zero means none."""

    name = "hubbard"

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(
            session, parent, title=tr("Hubbard U"), accept_text=tr("Use these values"), accept_tip=tr("Write the values into the form of the calculation")
        )
        self.boxes: dict[tuple[str, str], QDoubleSpinBox] = {}
        self.table = QTableWidget(0, 3, self)
        self.table.setHorizontalHeaderLabels([tr("Element"), tr("Shell"), tr("U − J / eV")])
        self.table.setToolTip(tr("Shells that the potentials treat; 0 means no U"))
        self.table.setAccessibleName(tr("Hubbard U"))
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.text = looks.label("", "muted", self, wrap=True, selectable=True)
        self.effect = Effect(session, self)
        advice = tr("Dudarev's form. d and f shells usually take 2 to 8 eV; energies of calculations with different U must not be compared.")
        self.body.addWidget(looks.label(advice, "muted", self, wrap=True))
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.text)
        self.body.addWidget(self.effect)
        self.resize(440, 520)
        session.current_changed.connect(self._load)
        self._load()

    def _load(self, *_: object) -> None:
        structure, draft = self.session.structure, self.session.draft
        if self.accept_button is not None:
            self.accept_button.setEnabled(draft.has("hubbard") and structure is not None)
        if structure is None:
            self.show_problem(tr("There is no structure whose shells could have a U."))
            return
        params = None
        if draft.ready:
            try:
                params = draft.params()
            except QcadError as error:
                self.show_problem(explained(error))
                return
        self.session.dispatcher.run(shells_of, tuple(dict.fromkeys(structure.symbols)), params, done=self._arrived, failed=self._failed, key="hubbard")

    def _failed(self, error: BaseException) -> None:
        self.show_problem(explained(error))

    def _arrived(self, rows: list[tuple[str, str, float]]) -> None:
        self.boxes = {}
        self.table.setRowCount(len(rows))
        for place, (symbol, shell, value) in enumerate(rows):
            for column, text in enumerate((symbol, shell)):
                item = QTableWidgetItem(text)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self.table.setItem(place, column, item)
            box = QDoubleSpinBox(self.table)
            box.setRange(-_LARGEST, _LARGEST)
            box.setSingleStep(0.5)
            box.setValue(value)
            box.setToolTip(tr("U of {symbol} {shell} in eV", symbol=symbol, shell=shell))
            box.setAccessibleName(tr("U of {symbol} {shell} in eV", symbol=symbol, shell=shell))
            box.valueChanged.connect(self._edited)
            self.table.setCellWidget(place, 2, box)
            self.boxes[symbol, shell] = box
        self._edited()

    def value(self) -> str | None:
        """The parameter's text, None for no U at all."""
        from solvers.dft.params_hubbard import HubbardU

        values = tuple((symbol, shell, box.value()) for (symbol, shell), box in sorted(self.boxes.items()) if box.value())
        return str(HubbardU(values)) if values else None

    def _edited(self, *_: object) -> None:
        self.text.setText(self.value() or tr("no U"))
        self.effect.show_change(hubbard=self.value())

    def accept(self) -> None:
        """Write the values into the form."""
        if self.session.attempt(lambda: self.session.draft.write(hubbard=self.value())):
            super().accept()


def shells_of(symbols: tuple[str, ...], params: Any) -> list[tuple[str, str, float]]:
    """(element, shell, U in eV) for every shell the potentials hold electrons in, d and f first, and for every shell that has a U now (pure; pool)."""
    from solvers.dft.params import DFTParams
    from solvers.dft.pseudo import library

    params = params or DFTParams()
    given = params.hubbard.nested() if params.hubbard is not None else {}
    rows = []
    for symbol in symbols:
        item = library.entry(symbol, params.xc, params.pseudos.selector(symbol))
        now = given.get(symbol, {})
        for shell in dict.fromkeys([*outer_shells(symbol, item.configuration), *now]):
            rows.append((symbol, shell, float(now.get(shell, 0.0))))
    return sorted(rows, key=lambda row: (-"spdf".index(row[1][-1]), symbols.index(row[0])))


def outer_shells(symbol: str, configuration: tuple[int, ...]) -> list[str]:
    """Names of the outermost shells of a neutral atom, filled in Madelung's order, for every l in which `configuration` (valence electrons per l) has some."""
    from ase.data import atomic_numbers

    left, highest = atomic_numbers[symbol], {}
    every = [(n, l) for n in range(1, 9) for l in range(min(n, 4))]
    for n, l in sorted(every, key=lambda item: (sum(item), item[0])):
        if left <= 0:
            break
        left -= 4 * l + 2
        highest[l] = max(highest.get(l, 0), n)
    return [f"{highest[l]}{'spdf'[l]}" for l, electrons in enumerate(configuration) if electrons > 0 and l in highest]
