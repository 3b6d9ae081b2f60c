"""Charts of bands and densities of states on one shared axis, with crosshair, gap and labels; pyqtgraph. They get arrays and know no physics."""

from __future__ import annotations

import re

import numpy as np
import pyqtgraph
from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPen, QTransform
from PySide6.QtWidgets import QWidget

from . import looks
from .spectra import SPINS, Bands, Density, Image, Profile
from .theme import Theme, style_plot
from .translate import tr

_SHARE = (3, 1)  # widths of bands and density of states
_AXIS = 40  # device-independent pixels below two plots beside each other
_FATTEST = 9.0  # device-independent pixels; the width of a band that is wholly of the highlighted projection
_ROWS = 4  # of the legend in a flat plot
_WIDEST = 16777215  # Qt's largest width


class SpectrumView(pyqtgraph.GraphicsLayoutWidget):
    """Bands on the left and a density of states on the right of one energy axis; either may be missing. `pointed(text)` follows the mouse."""

    pointed = Signal(str)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setAccessibleName(tr("Bands and density of states"))
        self.bands: Bands | None = None
        self.density: Density | None = None
        self.zero, self.factor, self.unit, self.axis_name = 0.0, 1.0, "eV", ""
        self.density_name = tr("states / eV")
        self.hidden_parts: set[str] = set()
        self.highlight = ""  # the group of projections that is drawn fat
        self.left = self.addPlot(row=0, col=0)
        self.right = self.addPlot(row=0, col=1)
        self.left.sigYRangeChanged.connect(lambda _, limits: self._share_axis(self.right, limits))  # pyqtgraph's own link follows pixels, not values
        self.right.sigYRangeChanged.connect(lambda _, limits: self._share_axis(self.left, limits))
        self.left.getAxis("bottom").setStyle(hideOverlappingLabels=False)  # the first and the last name reach beyond the axis
        self.legend = self.right.addLegend(offset=(-4, 4))
        for plot in (self.left, self.right):
            plot.setMenuEnabled(False)
            plot.hideButtons()
            for side in ("left", "bottom"):
                plot.getAxis(side).enableAutoSIPrefix(False)
        self._lines = {plot: pyqtgraph.InfiniteLine(angle=0) for plot in (self.left, self.right)}
        self._upright = pyqtgraph.InfiniteLine(angle=90)
        self._told = ""
        self.scene().sigMouseMoved.connect(self._moved)

    # ---- what is drawn -----------------------------------------------------------------------------------------------------------
    def show_spectra(
        self,
        bands: Bands | None,
        density: Density | None,
        *,
        zero: float,
        factor: float,
        unit: str,
        axis: str,
        density_name: str,
        window: tuple[float, float] | None,
    ) -> None:
        """Draw; energies are shown as (value − zero) × factor in `unit`; `window` is the range shown at first, None keeps what the user chose."""
        self.bands, self.density = bands, density
        self.zero, self.factor, self.unit, self.axis_name, self.density_name = zero, factor, unit, axis, density_name
        self.draw()
        if window is not None:
            self.show_range(*window)

    def show_range(self, low: float, high: float) -> None:
        """This range of the energy axis, and all of the other axes."""
        if self.alone:
            self.right.setXRange(low, high, padding=0)
            self.right.enableAutoRange(axis="y")
        else:
            self.left.setYRange(low, high, padding=0)
            self.right.setYRange(low, high, padding=0)
            self.right.enableAutoRange(axis="x")

    @property
    def alone(self) -> bool:
        """Only a density of states: its energy axis lies flat."""
        return self.bands is None

    def _share_axis(self, other: pyqtgraph.PlotItem, limits: tuple[float, float]) -> None:
        if self.bands is not None and self.density is not None and tuple(other.viewRange()[1]) != tuple(limits):
            other.setYRange(*limits, padding=0)

    def draw(self) -> None:
        """Draw again, in the present theme."""
        theme = looks.current()
        self.setBackground(theme.plot_background)
        self.left.clear()
        self.right.clear()
        self.legend.clear()
        for column, (plot, there) in enumerate(((self.left, self.bands is not None), (self.right, self.density is not None))):
            plot.setVisible(there)
            self.ci.layout.setColumnStretchFactor(column, _SHARE[column] if there else 0)
            self.ci.layout.setColumnMaximumWidth(column, _WIDEST if there else 0)
        for plot in (self.left, self.right):
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(theme.plot_text)
                plot.getAxis(side).setTextPen(theme.plot_text)
            plot.showGrid(x=plot is self.right, y=True, alpha=0.18)
        self.left.setLabel("left", html(self.axis_name), color=theme.plot_text)
        self.left.setTitle(self.bands.gap if self.bands is not None and self.bands.gap else None, color=theme.plot_text, size="9pt")
        both = self.bands is not None and self.density is not None
        self.right.setTitle(" " if both and self.bands.gap else None, size="9pt")
        for plot in (self.left, self.right):  # one axis only where both begin and end at the same height
            plot.getAxis("bottom").setHeight(_AXIS if both else None)
        if self.bands is not None:
            self._draw_bands(theme)
        if self.density is not None:
            self._draw_density(theme)
        for plot, line in self._lines.items():
            line.setPen(pyqtgraph.mkPen(theme.muted, width=1, style=Qt.PenStyle.DotLine))
            line.hide()
            plot.addItem(line, ignoreBounds=True)
        self._upright.setPen(pyqtgraph.mkPen(theme.muted, width=1, style=Qt.PenStyle.DotLine))
        self._upright.hide()
        self.left.addItem(self._upright, ignoreBounds=True)

    def show_path(self) -> None:
        """The whole path, with room for its first and last name."""
        self.left.setXRange(float(self.bands.distance[0]), float(self.bands.distance[-1]), padding=0.015)

    def hide_crosshair(self) -> None:
        """As without a mouse."""
        for line in (*self._lines.values(), self._upright):
            line.hide()
        self.say("")

    def shown(self, value: float) -> float:
        """An energy as it stands on the axis."""
        return (value - self.zero) * self.factor

    def _draw_bands(self, theme: Theme) -> None:
        bands = self.bands
        for place, _ in bands.labels:
            self.left.addItem(pyqtgraph.InfiniteLine(place, angle=90, pen=pyqtgraph.mkPen(theme.plot_text, width=0.8)), ignoreBounds=True)
        self.left.getAxis("bottom").setTicks([list(bands.labels)])
        for spin in range(len(bands.levels)):
            x, y = bands.line(spin, self.zero, self.factor)
            style = Qt.PenStyle.SolidLine if spin == 0 else Qt.PenStyle.DashLine
            pen = pyqtgraph.mkPen(theme.plot_lines[spin], width=1.6, style=style)
            if (share := bands.share(self.highlight) if self.highlight else None) is not None:
                pen = pyqtgraph.mkPen(theme.muted, width=1.0, style=style)
                self._draw_fat(spin, share, theme)
            self.left.plot(x, y, connect="finite", pen=pen)
        self.show_path()
        self._levels(self.left, bands.fermi, bands.edges, theme)
        x, y = bands.at_edges()
        if len(x):
            self.left.addItem(pyqtgraph.ScatterPlotItem(x, self.shown(y), size=8, pen=None, brush=pyqtgraph.mkBrush(theme.bad)))

    def _draw_fat(self, spin: int, share: np.ndarray, theme: Theme) -> None:
        """The highlighted projection as the width of the bands; the spins in the colours of their lines."""
        colour = pyqtgraph.mkColor(_fat_colour(theme, spin))
        colour.setAlpha(190)
        for middle, x, y in self.bands.strokes(spin, share, self.zero, self.factor):
            pen = pyqtgraph.mkPen(colour, width=_FATTEST * middle)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            item = pyqtgraph.PlotCurveItem(x, y, connect="pairs", pen=pen)
            item.setZValue(-5)
            self.left.addItem(item, ignoreBounds=True)

    def _levels(self, plot: pyqtgraph.PlotItem, fermi: float | None, edges: tuple[float, float] | None, theme: Theme) -> None:
        """The gap as a band of colour, or the Fermi energy as a line; for vibrations the line of no frequency."""
        flat = plot is self.right and self.alone
        if edges is not None:
            colour = pyqtgraph.mkColor(theme.accent)
            colour.setAlpha(28)
            low, high = (self.shown(edge) for edge in edges)
            pen = pyqtgraph.mkPen(theme.accent, width=0.8)
            region = pyqtgraph.LinearRegionItem((low, high), orientation="vertical" if flat else "horizontal", movable=False, brush=colour, pen=pen)
            region.setZValue(-10)
            plot.addItem(region, ignoreBounds=True)
            return
        pen = pyqtgraph.mkPen(theme.warning, width=1.2, style=Qt.PenStyle.DashLine)
        options = {"color": theme.warning, "position": 0.97 if flat else 0.03, "anchors": [(0, 0), (0, 0)] if flat else [(0, 1), (0, 1)]}
        words = tr("Fermi energy") if fermi is not None else None
        plot.addItem(pyqtgraph.InfiniteLine(self.shown(fermi or 0.0), angle=90 if flat else 0, pen=pen, label=words, labelOpts=options), ignoreBounds=True)

    def _draw_density(self, theme: Theme) -> None:
        density = self.density
        energies = self.shown(density.energies)
        signs = (1.0,) if len(density.total) == 1 else (1.0, -1.0)
        self._filled(energies, density.total, signs, pyqtgraph.mkPen(theme.plot_text, width=1.4), theme.plot_text, 22, tr("total"))
        fat = density.share(self.highlight) if self.highlight else None
        if fat is not None:
            for spin, sign in enumerate(signs):  # each in the colour of its bands
                colour, words = _fat_colour(theme, spin), self.highlight if len(signs) == 1 else f"{self.highlight}, {tr(SPINS[spin])}"
                self._filled(energies, fat[spin : spin + 1], (sign,), pyqtgraph.mkPen(colour, width=2.2), colour, 110, words)
        for place, (name, curves) in enumerate(density.kinds):
            if name not in self.hidden_parts and fat is None:
                colour = theme.plot_lines[place % len(theme.plot_lines)]
                style = Qt.PenStyle.SolidLine if place < len(theme.plot_lines) else Qt.PenStyle.DashLine
                self._filled(energies, curves, signs, pyqtgraph.mkPen(colour, width=1.3, style=style), colour, 70, name)
        self.legend.setVisible(bool(density.parts))
        self.legend.setColumnCount(1 + len(self.legend.items) // _ROWS if self.alone else 1)
        self.legend.setLabelTextColor(theme.plot_text)
        backing = pyqtgraph.mkColor(theme.plot_background)
        backing.setAlpha(215)
        self.legend.setBrush(pyqtgraph.mkBrush(backing))
        if len(signs) == 2:
            line = pyqtgraph.InfiniteLine(0.0, angle=0 if self.alone else 90, pen=pyqtgraph.mkPen(theme.plot_text, width=0.8))
            self.right.addItem(line, ignoreBounds=True)
        self.right.setLabel("bottom", html(self.axis_name) if self.alone else self.density_name, color=theme.plot_text)
        self.right.getAxis("left").setStyle(showValues=self.alone)
        if self.alone:
            self.right.setLabel("left", self.density_name, color=theme.plot_text)
            self._levels(self.right, density.fermi, density.edges, theme)
        else:
            self.right.getAxis("left").showLabel(False)
            self._levels(self.right, self.bands.fermi, self.bands.edges, theme)

    def _filled(self, energies: np.ndarray, curves: np.ndarray, signs: tuple[float, ...], pen: QPen, colour: str, alpha: int, name: str) -> None:
        """A curve per spin, spin down to the other side, filled down to the axis."""
        fill = pyqtgraph.mkColor(colour)
        fill.setAlpha(alpha)
        for spin, sign in enumerate(signs):
            states, none = sign * curves[spin] / self.factor, np.zeros(len(energies))
            curve, base = (
                pyqtgraph.PlotCurveItem(*((energies, values) if self.alone else (values, energies)), pen=line) for values, line in ((states, pen), (none, None))
            )
            self.right.addItem(pyqtgraph.FillBetweenItem(curve, base, brush=fill))
            self.right.addItem(curve)
            if spin == 0:
                self.legend.addItem(curve, name)

    # ---- crosshair ---------------------------------------------------------------------------------------------------------------
    def _moved(self, at: QPointF) -> None:
        """One horizontal line through both plots; the words are those of the level or the density under it."""
        inside = next((plot for plot in (self.left, self.right) if plot.isVisible() and plot.sceneBoundingRect().contains(at)), None)
        for line in (*self._lines.values(), self._upright):
            line.setVisible(inside is not None)
        if inside is None:
            self.say("")
            return
        place = inside.vb.mapSceneToView(at)
        energy = place.x() if self.alone else place.y()
        for line in self._lines.values():
            line.setAngle(90 if self.alone else 0)
            line.setValue(energy)
        words = [f"{self.axis_name}: {energy:.3f}"]
        if self.bands is not None and inside is self.left:
            spin, point, band = self.bands.nearest(place.x(), energy / self.factor + self.zero)
            self._upright.setValue(self.bands.distance[point])
            level = self.shown(self.bands.levels[spin, point, band])
            if self.bands.kpath is not None:
                words.append("k = ({:.3f}, {:.3f}, {:.3f})".format(*self.bands.kpath[point]))
            spin_words = f" ({tr(SPINS[spin])})" if len(self.bands.levels) > 1 else ""
            words.append(tr("band {n}{spin}: {level:.3f} {unit}", n=band + 1, spin=spin_words, level=level, unit=self.unit))
        else:
            self._upright.hide()
        if self.density is not None:
            index = int(np.abs(self.shown(self.density.energies) - energy).argmin())
            words.append(f"{self.density_name}: " + " / ".join(f"{curve[index] / self.factor:.3f}" for curve in self.density.total))
        self.say("    ".join(words))

    def say(self, text: str) -> None:
        """Tell what is under the mouse, once."""
        if text != self._told:
            self._told = text
            self.pointed.emit(text)

    def leaveEvent(self, event) -> None:  # noqa: N802 (Qt's name)
        """No crosshair without a mouse."""
        super().leaveEvent(event)
        self.hide_crosshair()


class LatticeImage(pyqtgraph.GraphicsLayoutWidget):
    """A periodic picture on a lattice that need not be rectangular, with its colour bar; repeated so that the pattern is seen."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setAccessibleName(tr("Tunnelling image"))
        self.plot = self.addPlot(row=0, col=0)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setAspectLocked(True)
        self.bar = pyqtgraph.ColorBarItem(interactive=False, width=14, colorMap=pyqtgraph.colormap.get("viridis"))
        self.addItem(self.bar, row=0, col=1)
        self.image: Image | None = None

    def show_image(self, image: Image) -> None:
        """Draw `image`, as many times along each vector as makes it about square."""
        self.image = image
        self.draw()

    def draw(self) -> None:
        """Draw again, in the present theme."""
        if self.image is None:
            return
        theme, image = looks.current(), self.image
        self.setBackground(theme.plot_background)
        self.plot.clear()
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(theme.plot_text)
            axis.setTextPen(theme.plot_text)
            self.plot.setLabel(side, "Å", color=theme.plot_text)
        longest = float(np.linalg.norm(image.cell, axis=1).max())
        repeat = [max(1, round(2.0 * longest / float(np.linalg.norm(vector)))) for vector in image.cell]
        values = np.tile(image.values, repeat)
        low, high = float(image.values.min()), float(image.values.max())
        item = pyqtgraph.ImageItem(values, levels=(low, high if high > low else low + 1.0))
        step = image.cell / np.array(image.values.shape)[:, None]
        item.setTransform(QTransform(step[0, 0], step[0, 1], step[1, 0], step[1, 1], 0.0, 0.0))
        self.bar.setImageItem(item)
        self.bar.setLevels((low, high if high > low else low + 1.0))
        self.plot.setTitle(f"{image.name} / {image.unit}", color=theme.plot_text, size="9pt")
        self.bar.axis.enableAutoSIPrefix(False)
        self.bar.axis.setPen(theme.plot_text)
        self.bar.axis.setTextPen(theme.plot_text)
        self.plot.addItem(item)
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ image.cell
        self.plot.plot(corners[:, 0], corners[:, 1], pen=pyqtgraph.mkPen(theme.plot_background, width=1.2))
        self.plot.autoRange()


def _fat_colour(theme: Theme, spin: int) -> str:
    """The colour of a highlighted projection in bands and densities of states alike."""
    return theme.plot_lines[(2, 3)[spin] % len(theme.plot_lines)]


def draw_profile(plot: pyqtgraph.PlotWidget, profile: Profile) -> None:
    """The potential across a slab with Fermi energy and vacuum levels."""
    theme = looks.current()
    plot.clear()
    style_plot(plot, theme)
    plot.plot(profile.positions, profile.potential, pen=pyqtgraph.mkPen(theme.plot_lines[0], width=1.2))
    plot.plot(profile.positions, profile.smoothed, pen=pyqtgraph.mkPen(theme.plot_lines[1], width=2))
    marks = [(profile.fermi, tr("Fermi energy"), theme.warning)] + [
        (level, tr("vacuum, work function {work:.3f} eV", work=work), theme.good) for level, work in zip(profile.vacuum, profile.work, strict=False)
    ]
    for place, (level, words, colour) in enumerate(marks):
        options = {"color": colour, "position": (0.05, 0.95, 0.5)[place % 3], "anchors": [(0 if place == 0 else 1, 1)] * 2}
        plot.addItem(pyqtgraph.InfiniteLine(level, angle=0, pen=pyqtgraph.mkPen(colour, style=Qt.PenStyle.DashLine), label=words, labelOpts=options))
    plot.setLabel("left", tr("Potential of an electron / eV"), color=theme.plot_text)
    plot.setLabel("bottom", tr("Position across the slab / Å"), color=theme.plot_text)
    plot.enableAutoRange()


def html(text: str) -> str:
    """Letters after an underscore as an index: E_F."""
    return re.sub(r"_(\w)", r"<sub>\1</sub>", text)


def picture(widget: QWidget, scale: float = 2.0) -> QImage:
    """What a widget shows, drawn again at `scale` times its size (letters and lines stay sharp)."""
    out = QImage(widget.size() * scale, QImage.Format.Format_RGB32)
    out.setDevicePixelRatio(scale)
    out.fill(looks.current().plot_background)
    painter = QPainter(out)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    widget.render(painter, QPoint(0, 0))
    painter.end()
    return out


