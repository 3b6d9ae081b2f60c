"""Bands beside densities of states, phonons beside their thermal properties: one energy axis, a crosshair, the gap, pictures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyqtgraph
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QMenu, QPushButton, QSplitter, QVBoxLayout, QWidget

from solvers.core.job import Result

from .. import looks, messages, spectra, theme
from ..charts import LatticeImage, SpectrumView, draw_profile, html, picture
from ..looks import set_icon
from ..session import Session
from ..translate import mark, tr
from .base import Panel

ZEROS = {"edge": mark("from the valence band edge"), "fermi": mark("from the Fermi energy"), "absolute": mark("absolute")}
_WINDOW = (-14.0, 8.0)  # eV around the zero, shown at first
_WIDE = 1200  # device-independent pixels; a panel where all buttons have room for words
_MARGIN = 0.04  # of the range, above and below


class PlotsPanel(Panel):
    """Shows whatever of the current result is a curve over energies or temperatures."""

    name, title = "plots", mark("Plots")

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(session, parent)
        self.bands: spectra.Bands | None = None
        self.density: spectra.Density | None = None
        self.heat: spectra.Thermal | None = None
        self.profile: spectra.Profile | None = None
        self.image: spectra.Image | None = None
        self._of = ""  # what the window of energies was chosen for
        self.zero = self._box(tr("Zero of energy"), tr("What stands at zero on the energy axis"))
        self.beside = self._box(tr("Beside it"), tr("Another result of the same structure on the same energy axis"))
        self.parts = QPushButton(tr("Projections"), self)
        self.parts.setToolTip(tr("Which parts of the density of states are drawn"))
        self.parts.setMenu(QMenu(self.parts))
        self.fat = self._box(tr("Highlight"), tr("The projection that is drawn as the width of the bands and filled in the density of states"))
        self.unit = self._box(tr("Unit"), tr("Unit of the frequencies"))
        for name in spectra.FREQUENCIES:
            self.unit.addItem("cm⁻¹" if name == "1/cm" else name, name)
        self.quantity = self._box(tr("Thermal property"), tr("What the curve on the right shows, per primitive cell"))
        for name, (words, unit, _) in spectra.THERMAL.items():
            self.quantity.addItem(f"{tr(words)} / {_unit(unit)}", name)
        self.fit = self._button(tr("Whole range"), tr("Show all energies"), "fit", self.show_all)
        self.save = self._button(tr("Picture…"), tr("Write the plots as a PNG file"), "camera", lambda: self.export_picture())
        self.csv = self._button(tr("CSV…"), tr("Write the numbers of the plots"), "table", lambda: self.export_csv())
        own = tr("Show the plots in a window of their own, or bring them back")
        self.large = self._button(tr("Own window"), own, "view", lambda: session.show_requested.emit("plots"))
        row = QHBoxLayout()
        for widget in (self.zero, self.beside, self.fat, self.parts, self.unit, self.quantity):
            row.addWidget(widget)
        row.addStretch(1)
        for widget in (self.fit, self.save, self.csv, self.large):
            row.addWidget(widget)
        self.view = SpectrumView(self)
        self.view.setMinimumSize(330, 110)  # two plots with their axes
        self.heat_plot = pyqtgraph.PlotWidget(self)
        self.heat_plot.setMenuEnabled(False)
        self.heat_plot.setAccessibleName(tr("Thermal property"))
        self.heat_plot.getAxis("left").enableAutoSIPrefix(False)
        self.heat_plot.setMinimumWidth(120)
        self.lattice = LatticeImage(self)
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.addWidget(self.view)
        self.splitter.addWidget(self.lattice)
        self.splitter.addWidget(self.heat_plot)
        self.splitter.setStretchFactor(0, 3)
        self.splitter.setStretchFactor(1, 3)
        self.splitter.setStretchFactor(2, 2)
        self.splitter.setChildrenCollapsible(False)
        self.words = looks.label("", "muted", self, selectable=True)
        self.words.setMinimumWidth(50)
        self.empty = looks.label(
            tr("Choose a finished band structure, density of states or phonon calculation in the project to see its curves."), "muted", self, wrap=True
        )
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(3)
        column.addLayout(row)
        column.addWidget(self.empty, 1)
        column.addWidget(self.splitter, 1)
        column.addWidget(self.words)
        self.fat.currentIndexChanged.connect(self._highlight)
        for box, call in ((self.zero, self._redraw), (self.unit, self._redraw), (self.quantity, self._draw_heat), (self.beside, self.later)):
            box.currentIndexChanged.connect(call)
        self.view.pointed.connect(self._pointed)
        for widget in (self.splitter, self.words, self.zero, self.beside, self.fat, self.parts, self.unit, self.quantity):
            widget.hide()  # until there is something to show; what is hidden asks for no room at the first start
        session.current_changed.connect(self.now)
        session.jobs.result_arrived.connect(self.later)
        session.nodes_changed.connect(self.later)

    def _box(self, name: str, tip: str) -> QComboBox:
        box = QComboBox(self)
        box.setToolTip(f"{name}: {tip}")
        box.setAccessibleName(name)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        box.setMinimumWidth(60)  # else the row would keep the whole window from becoming narrow
        box.setMaximumWidth(260)
        return box

    def _button(self, text: str, tip: str, icon: str, call: Any) -> QPushButton:
        button = QPushButton(self)  # its words come with its room: resizeEvent
        button.setAccessibleName(text)
        button.setToolTip(tip)
        button.setProperty("icon_name", icon)
        set_icon(button, icon)
        button.clicked.connect(call)
        return button

    # ---- what there is -----------------------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """The curves of the current result and of what stands beside it."""
        result = self.session.outcome.result()
        self.bands = self.density = self.heat = None
        self.profile = spectra.profile_of(result) if result is not None else None
        self.image = spectra.image_of(result) if result is not None else None
        vibrations = spectra.phonons_of(result) if result is not None else None
        others: list[tuple[str, str]] = []
        if vibrations is not None:
            self.bands, self.density, self.heat = vibrations
        elif result is not None:
            self.bands, self.density = spectra.bands_of(result), spectra.density_of(result)
            if (self.bands is None) != (self.density is None):
                others = self._others("bands" if self.bands is None else "dos")
        self._offer(others)
        other = self._fetch(self.beside.currentData()) if others else None
        if other is not None:
            self.bands = self.bands if self.bands is not None else spectra.bands_of(other)
            self.density = self.density if self.density is not None else spectra.density_of(other)
        something = self.bands is not None or self.density is not None
        anything = something or self.profile is not None or self.image is not None
        self.empty.setVisible(not anything)
        for widget in (self.splitter, self.save, self.csv, self.large):
            widget.setVisible(anything)
        for widget in (self.view, self.words, self.fit):
            widget.setVisible(something)
        self.lattice.setVisible(self.image is not None)
        self.heat_plot.setVisible(self.heat is not None or self.profile is not None)
        self.zero.setVisible(something and self.heat is None)
        self.unit.setVisible(self.heat is not None)
        self.quantity.setVisible(self.heat is not None)
        self.parts.setVisible(something and self.density is not None and bool(self.density.parts))
        self.fat.setVisible(something and any(item is not None and bool(item.parts) for item in (self.bands, self.density)))
        self.beside.setVisible(bool(others))
        if something:
            self._offer_zeros()
            self._offer_parts()
            self._offer_groups()
            self._redraw()
        self._draw_rest()

    def _draw_rest(self) -> None:
        """What has no energy axis: heat, the potential across a slab, a tunnelling image."""
        self._draw_heat()
        if self.profile is not None:
            draw_profile(self.heat_plot, self.profile)
        if self.image is not None:
            self.lattice.show_image(self.image)

    def _others(self, task: str) -> list[tuple[str, str]]:
        """(job, name) of finished runs of `task` that started from the same structure, newest first."""
        session, node = self.session, self.session.node()
        if node is None:
            return []
        found = [
            (other.payload.get("job", ""), other.name, other.created)
            for other in session.nodes.values()
            if other.kind == "run" and isinstance(other.payload, dict) and other.payload.get("task") == task and other.parent == node.parent
        ]
        return [(job, name) for job, name, _ in sorted(found, key=lambda item: item[2], reverse=True)]

    def _offer(self, others: list[tuple[str, str]]) -> None:
        now = [self.beside.itemData(place) for place in range(self.beside.count())]
        if now == [*(job for job, _ in others), ""]:
            return
        with QSignalBlocker(self.beside):
            self.beside.clear()
            for job, name in others:
                self.beside.addItem(tr("beside: {name}", name=name), job)
            self.beside.addItem(tr("beside: nothing"), "")

    def _fetch(self, job: str) -> Result | None:
        if not job:
            return None
        if job not in self.session.jobs.results:
            self.session.jobs.fetch(job)
        return self.session.jobs.results.get(job)

    @property
    def _reference(self) -> Any:
        return self.bands if self.bands is not None else self.density

    def _offer_zeros(self) -> None:
        there = {"edge": self._reference.edges is not None, "fermi": self._reference.fermi is not None, "absolute": True}
        possible = [name for name in ZEROS if there[name]]
        if [self.zero.itemData(place) for place in range(self.zero.count())] != possible:
            with QSignalBlocker(self.zero):
                self.zero.clear()
                for name in possible:
                    self.zero.addItem(tr(ZEROS[name]), name)

    def _offer_parts(self) -> None:
        if self.density is None:
            return
        menu = self.parts.menu()
        names = [name for name, _ in self.density.kinds]
        if [action.data() for action in menu.actions()] == names:
            return
        menu.clear()
        self.view.hidden_parts &= set(names)
        for name in names:
            action = menu.addAction(name)
            action.setData(name)
            action.setCheckable(True)
            action.setChecked(name not in self.view.hidden_parts)
            action.toggled.connect(lambda on, name=name: self._show_part(name, on))

    def _offer_groups(self) -> None:
        """Sums of the projections in bands and density of states; the one that was highlighted stays."""
        there = [item.parts for item in (self.bands, self.density) if item is not None]
        names = ["", *dict.fromkeys(name for parts in there for name in spectra.groups([name for name, _ in parts]))]
        if [self.fat.itemData(place) for place in range(self.fat.count())] != names:
            with QSignalBlocker(self.fat):
                self.fat.clear()
                for name in names:
                    self.fat.addItem(name or tr("highlight: nothing"), name)
                self.fat.setCurrentIndex(max(0, self.fat.findData(self.view.highlight)))
        self.view.highlight = str(self.fat.currentData() or "")

    def _highlight(self, *_: object) -> None:
        self.view.highlight = str(self.fat.currentData() or "")
        self.view.draw()

    def _show_part(self, name: str, on: bool) -> None:
        self.view.hidden_parts = self.view.hidden_parts - {name} if on else self.view.hidden_parts | {name}
        self.view.draw()

    # ---- drawing -----------------------------------------------------------------------------------------------------------------
    def _redraw(self, *_: object) -> None:
        if self._reference is None:
            return
        if self.heat is not None:
            unit = self.unit.currentData()
            factor, shown, zero = spectra.FREQUENCIES[unit], _unit(unit), 0.0
            axis, states = tr("Frequency / {unit}", unit=shown), tr("modes / {unit}", unit=shown)
        else:
            way = self.zero.currentData()
            zero = self._reference.edges[0] if way == "edge" else self._reference.fermi if way == "fermi" else 0.0
            factor, shown, states = 1.0, "eV", tr("states / eV")
            axis = {"edge": "E − E_v / eV", "fermi": "E − E_F / eV"}.get(way, "E / eV")
        key = f"{self.session.outcome.job()} {axis} {self.density is None}"
        window = None
        if key != self._of:
            self._of = key
            window = self._window(zero, factor)
        self.view.show_spectra(self.bands, self.density, zero=zero, factor=factor, unit=shown, axis=axis, density_name=states, window=window)
        self._pointed("")

    def _window(self, zero: float, factor: float, whole: bool = False) -> tuple[float, float]:
        values = self.bands.levels if self.bands is not None else self.density.energies
        low, high = (float(values.min()) - zero) * factor, (float(values.max()) - zero) * factor
        if self.heat is None and not whole and zero != 0.0:
            low, high = max(low, _WINDOW[0]), min(high, _WINDOW[1])
        margin = _MARGIN * max(high - low, 1e-3)
        return low - margin, high + margin

    def show_all(self) -> None:
        """The whole range of energies, and the whole path."""
        if self._reference is not None:
            self.view.show_range(*self._window(self.view.zero, self.view.factor, whole=True))
            if self.bands is not None:
                self.view.show_path()

    def _draw_heat(self, *_: object) -> None:
        if self.heat is None:
            return
        colours = looks.current()
        name = self.quantity.currentData()
        words, unit, factor = spectra.THERMAL[name]
        self.heat_plot.clear()
        theme.style_plot(self.heat_plot, colours)
        if name in self.heat.values:
            self.heat_plot.plot(self.heat.temperatures, self.heat.values[name] * factor, pen=pyqtgraph.mkPen(colours.plot_lines[0], width=2))
        if name == "heat_capacity":
            limit = 3.0 * self.heat.n_atoms
            pen = pyqtgraph.mkPen(colours.muted, style=Qt.PenStyle.DashLine)
            options = {"color": colours.muted, "position": 0.2, "anchors": [(0, 0), (0, 0)]}
            self.heat_plot.addItem(pyqtgraph.InfiniteLine(limit, angle=0, pen=pen, label=tr("Dulong–Petit"), labelOpts=options))
        self.heat_plot.setLabel("left", html(f"{tr(words)} / {_unit(unit)}"), color=colours.plot_text)
        self.heat_plot.setLabel("bottom", tr("Temperature / K"), color=colours.plot_text)
        self.heat_plot.enableAutoRange()

    def _pointed(self, text: str) -> None:
        self.words.setText(text or tr("Move the mouse over the curves to read them; drag to shift, wheel to zoom."))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """In a narrow panel the buttons on the right keep their icons only, so that the choices on the left can be read."""
        super().resizeEvent(event)
        for button in (self.fit, self.save, self.csv, self.large):
            button.setText(button.accessibleName() if self.width() >= _WIDE else "")

    def theme_changed(self) -> None:
        """Colours of plots and icons."""
        for button in (self.fit, self.save, self.csv, self.large):
            set_icon(button, button.property("icon_name"))
        self.view.setBackground(looks.current().plot_background)
        if self._reference is not None:
            self.view.draw()
        self._draw_rest()
        super().theme_changed()

    # ---- files -------------------------------------------------------------------------------------------------------------------
    def _title(self) -> str:
        node = self.session.node()
        return node.name if node is not None else ""

    def export_picture(self, path: str = "") -> None:
        """Ask for a file (unless given) and write what is shown at twice its size."""
        if not path:
            path, _ = QFileDialog.getSaveFileName(self, tr("Export picture"), f"{self._title() or 'plot'}.png", "PNG (*.png)")
        if not path:
            return
        self.view.hide_crosshair()
        if picture(self.splitter).save(path):
            messages.post("good", tr("Written: {path}", path=path))
        else:
            messages.post("error", tr("This file could not be written: {path}", path=path))

    def export_csv(self, path: str = "") -> None:
        """Ask for a file (unless given) and write the numbers: bands, densities and thermal properties stand in files of their own beside each other."""
        if not path:
            path, _ = QFileDialog.getSaveFileName(self, tr("Export the numbers of the plots"), f"{self._title() or 'plot'}.csv", "CSV (*.csv)")
        if not path:
            return
        title, unit = self._title(), "THz" if self.heat is not None else "eV"
        texts = {
            "bands": spectra.bands_csv(self.bands, unit, title) if self.bands is not None else "",
            "dos": spectra.density_csv(self.density, unit, title) if self.density is not None else "",
            "thermal": spectra.thermal_csv(self.heat, title) if self.heat is not None else "",
            "potential": spectra.profile_csv(self.profile, title) if self.profile is not None else "",
            "image": spectra.image_csv(self.image, title) if self.image is not None else "",
        }
        texts = {name: text for name, text in texts.items() if text}
        place = Path(path)
        for name, text in texts.items():
            self.session.keeper.write_file(str(place if len(texts) == 1 else place.with_name(f"{place.stem}-{name}{place.suffix or '.csv'}")), text)


def _unit(name: str) -> str:
    return {"k_B": "k_B", "1/cm": "cm⁻¹"}.get(name, name)
