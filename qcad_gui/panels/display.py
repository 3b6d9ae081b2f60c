"""How the structure looks: representation, colours, bonds, cell, labels, repetition, forces, isosurface."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from solvers.core.errors import SetupError

from .. import looks
from ..forms import Binding, number_of
from ..scene.styles import COLOUR_MAPS, REPRESENTATIONS
from ..session import Session
from ..translate import mark, tr
from .base import Panel

LABELS = {"": mark("none"), "element": mark("element"), "index": mark("number"), "both": mark("element and number")}
PARTS = {"total": mark("sum of both spins"), "spin": mark("spin density (up − down)"), "up": mark("spin up"), "down": mark("spin down")}
_STEPS = 200  # of the slider of the slice plane
AXES = {"abc": mark("cell vectors"), "xyz": mark("x, y, z"), "": mark("none")}
_NAMES = (mark("ball and stick"), mark("space filling"), mark("sticks"), mark("dots"), mark("viridis"), mark("cool-warm"), mark("orange-blue"), mark("magma"))


class DisplayPanel(Panel):
    """Two-way bindings between widgets and `Session.display`."""

    name, title = "display", mark("Display")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.bindings: list[Binding] = []
        self.grid = QGridLayout()
        self.grid.setColumnStretch(1, 1)
        self._row = 0
        self._heading(tr("Atoms"))
        self.representation = self._choice(tr("Style"), tr("How atoms and bonds are drawn"), {name: tr(name) for name in REPRESENTATIONS}, "representation")
        self.colour_by = self._choice(tr("Colour by"), tr("What the colours of the atoms mean"), {"element": tr("element"), "force": tr("force")}, "colour_by")
        self.colour_map = self._choice(tr("Colour map"), tr("Colours of numbers from low to high"), {name: tr(name) for name in COLOUR_MAPS}, "colour_map")
        self.atom_scale = self._number(tr("Size of atoms"), tr("Radius drawn over the covalent radius"), "atom_scale", 0.1, 2.0, 0.05)
        self.labels = self._choice(tr("Labels"), tr("Text beside the atoms"), {key: tr(text) for key, text in LABELS.items()}, "labels")
        self._heading(tr("Bonds and cell"))
        self.bonds = self._check(tr("Bonds"), tr("Draw bonds, also across the faces of the cell"), "bonds")
        self.bond_reach = self._number(tr("Reach of bonds"), tr("Longest bond over the sum of covalent radii"), "bond_reach", 0.8, 2.0, 0.05)
        self.cell = self._check(tr("Unit cell"), tr("Draw the edges of the cell"), "cell")
        self.axes = self._choice(tr("Axes"), tr("The triad in the corner"), {key: tr(text) for key, text in AXES.items()}, "axes")
        self.perspective = self._check(tr("Perspective"), tr("Perspective instead of parallel projection"), "perspective")
        self.face_atoms = self._check(tr("Atoms on faces"), tr("Repeat atoms of a face, edge or corner on the opposite ones, paler"), "face_atoms")
        self.repeat = [QSpinBox(self) for _ in range(3)]
        row = QHBoxLayout()
        for place, box in enumerate(self.repeat):
            box.setRange(1, 20)
            box.setToolTip(tr("Images of the cell that are only drawn; the structure stays as it is"))
            box.setAccessibleName(tr("Repeat along {axis}", axis="abc"[place]))
            row.addWidget(box)
            self._bind(box, lambda place=place: session.display.style.repeat[place], lambda value, place=place: self._repeat(place, value))
        self._add(tr("Draw images"), row)
        self.drawn = looks.label("", "muted", self, wrap=True)
        self.grid.addWidget(self.drawn, self._row, 0, 1, 2)
        self._row += 1
        self._heading(tr("Arrows"))
        self.forces = self._check(tr("Forces as arrows"), tr("Needs a calculation with forces"), "forces", own=True)
        self.force_scale = self._number(tr("Length of arrows"), tr("Å of arrow per eV/Å"), "force_scale", 0.0, 1000.0, 0.5, automatic=True)
        self.moments = self._check(tr("Magnetic moments"), tr("As arrows, up and down in two colours; needs a calculation with spin"), "moments", own=True)
        self._heading(tr("Fields"))
        self.which = QComboBox(self)
        self.which.setToolTip(tr("Which field of the result is shown"))
        self.which.setAccessibleName(tr("Field"))
        self.which.currentIndexChanged.connect(lambda _: session.show_field(self.which.currentData() or ""))
        self._add(tr("Field"), self.which)
        self.part = QComboBox(self)
        self.part.setToolTip(tr("Sum of both spins, their difference, or one of them"))
        self.part.setAccessibleName(tr("Spin"))
        for name, text in PARTS.items():
            self.part.addItem(tr(text), name)
        self._add(tr("Spin"), self.part)
        self._bind(self.part, lambda: session.display.part, lambda value: session.set_display(part=value, level=None))
        self.field = self._check(tr("Isosurface"), tr("Needs a calculation or file with a field"), "field", own=True)
        self.level = QLineEdit(self)
        self.level.setPlaceholderText(tr("automatic"))
        self.level.setToolTip(tr("Value of the field on the surface; empty chooses it. A field with both signs has a second surface at the opposite value"))
        self.level.setAccessibleName(tr("Level"))
        self.level.editingFinished.connect(self._level)
        self.unit = QLabel("e/Å³", self)
        self.unit.setProperty("role", "muted")
        row = QHBoxLayout()
        row.addWidget(self.level, 1)
        row.addWidget(self.unit)
        self._add(tr("Level"), row)
        self.opacity = self._number(tr("Opacity"), tr("Of the isosurface"), "opacity", 0.05, 1.0, 0.1, own=True)
        self.slice = self._check(tr("Slice plane"), tr("A coloured cut through the field; Shift and the wheel move it in the scene"), "slice", own=True)
        self.hkl = QLineEdit(self)
        self.hkl.setToolTip(tr("Lattice plane of the cut: three numbers h k l"))
        self.hkl.setAccessibleName(tr("Plane h k l"))
        self._bind(self.hkl, lambda: " ".join(f"{item:g}" for item in session.display.slice_hkl), self._plane)
        self._add(tr("Plane h k l"), self.hkl)
        self.offset = QSlider(Qt.Orientation.Horizontal, self)
        self.offset.setRange(0, _STEPS)
        self.offset.setPageStep(_STEPS // 10)
        self.offset.setToolTip(tr("Where the plane cuts the cell, from its first to its last corner"))
        self.offset.setAccessibleName(tr("Place of the plane"))
        self._bind(self.offset, lambda: round(session.display.slice_offset * _STEPS), lambda value: session.set_display(slice_offset=value / _STEPS))
        self._add(tr("Place of the plane"), self.offset)
        self.difference = QPushButton(tr("Difference of two results…"), self)
        self.difference.setToolTip(tr("Subtract the density of one result from that of another on the same grid"))
        self.difference.clicked.connect(lambda: session.dialog_requested.emit("difference"))
        self.grid.addWidget(self.difference, self._row, 0, 1, 2)
        self._row += 1
        column = QVBoxLayout(self)
        column.addLayout(self.grid)
        column.addStretch(1)
        session.shown_changed.connect(self.later)
        session.display_changed.connect(self.later)

    def refresh(self) -> None:
        """What can be shown of the present data; the colours offered are those the structure has numbers for."""
        session = self.session
        self.forces.setEnabled(session.forces is not None)
        self.force_scale.setEnabled(session.forces is not None)
        self.moments.setEnabled(session.moments is not None or session.start_moments is not None)
        there = session.field is not None
        for widget in (self.which, self.field, self.level, self.opacity, self.slice, self.hkl, self.offset):
            widget.setEnabled(there)
        self.part.setEnabled(there and len(session.field.values) == 2)
        names = list(session.fields)
        with QSignalBlocker(self.which):
            if [self.which.itemData(place) for place in range(self.which.count())] != names:
                self.which.clear()
                for name in names:
                    self.which.addItem(tr(name), name)
            self.which.setCurrentIndex(next((place for place, name in enumerate(names) if session.fields[name] is session.field), -1))
        self.unit.setText(session.field.unit if session.field is not None else "e/Å³")
        repeat = session.display.style.repeat
        self.drawn.setText(tr("{n} images are drawn; the structure itself has one cell.", n=repeat[0] * repeat[1] * repeat[2]) if max(repeat) > 1 else "")
        self.drawn.setVisible(max(repeat) > 1)
        self.colour_map.setEnabled(session.display.style.colour_by != "element")

    # ---- making ------------------------------------------------------------------------------------------------------------
    def _heading(self, text: str) -> None:
        self.grid.addWidget(looks.label(text, "heading", self), self._row, 0, 1, 2)
        self._row += 1

    def _add(self, text: str, item) -> None:
        name = QLabel(text, self)
        self.grid.addWidget(name, self._row, 0)
        if isinstance(item, QWidget):
            name.setBuddy(item)
            self.grid.addWidget(item, self._row, 1)
        else:
            self.grid.addLayout(item, self._row, 1)
        self._row += 1

    def _get(self, name: str, own: bool):
        return getattr(self.session.display if own else self.session.display.style, name)

    def _bind(self, widget: QWidget, read, write) -> None:
        self.bindings.append(Binding(widget, read, write, self.session.display_changed))

    def _choice(self, text: str, tip: str, items: dict[str, str], name: str) -> QComboBox:
        box = QComboBox(self)
        box.setToolTip(tip)
        box.setAccessibleName(text)
        for value, shown in items.items():
            box.addItem(shown, value)
        self._add(text, box)
        self._bind(box, lambda: self._get(name, False), lambda value: self.session.set_display(**{name: value}))
        return box

    def _check(self, text: str, tip: str, name: str, *, own: bool = False) -> QCheckBox:
        box = QCheckBox(text, self)
        box.setToolTip(tip)
        self.grid.addWidget(box, self._row, 0, 1, 2)
        self._row += 1
        self._bind(box, lambda: self._get(name, own), lambda value: self.session.set_display(**{name: value}))
        return box

    def _number(self, text: str, tip: str, name: str, low: float, high: float, step: float, *, own: bool = False, automatic: bool = False) -> QDoubleSpinBox:
        box = QDoubleSpinBox(self)
        box.setRange(low, high)
        box.setSingleStep(step)
        box.setDecimals(2)
        box.setToolTip(tip)
        box.setAccessibleName(text)
        self._add(text, box)
        if automatic:  # the lowest value stands for None
            box.setSpecialValueText(tr("automatic"))
            self._bind(box, lambda: self._get(name, own) or low, lambda value: self.session.set_display(**{name: value if value > low else None}))
        else:
            self._bind(box, lambda: self._get(name, own), lambda value: self.session.set_display(**{name: value}))
        return box

    def _repeat(self, place: int, value: int) -> None:
        repeat = list(self.session.display.style.repeat)
        repeat[place] = value
        self.session.set_display(repeat=tuple(repeat))

    def _plane(self, text: str) -> None:
        def do() -> None:
            numbers = [number_of(word, "") for word in text.replace(",", " ").split()]
            if len(numbers) != 3 or not any(numbers):
                raise SetupError(tr("“{text}” is no lattice plane.", text=text), hint=tr("Give three numbers of which one is not zero: 0 0 1, 1 1 0."))
            self.session.set_display(slice_hkl=tuple(numbers))

        if not self.session.attempt(do):
            self.hkl.binding.refresh()

    def _level(self) -> None:
        text = self.level.text().strip()
        self.session.attempt(lambda: self.session.set_display(level=number_of(text, "") if text else None))
