"""Light and dark: readable, switchable, complete."""

from __future__ import annotations

from dataclasses import fields

import pytest
from PySide6.QtCore import QSize

from qcad_gui import theme
from qcad_gui.theme import DARK, LIGHT, contrast, luminance, rgb
from solvers.core.errors import MissingError
from solvers.core.paths import resource

BOTH = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
ICONS = sorted(path.stem for path in resource("icons").glob("*.svg"))


def test_contrast_is_the_wcag_figure():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#777777") == 1.0
    assert luminance("#ff0000") == pytest.approx(0.2126)
    assert rgb("#ff8000") == pytest.approx((1.0, 128 / 255, 0.0))


@BOTH
def test_text_can_be_read(colours):
    for text in (colours.text, colours.good, colours.bad, colours.warning, colours.accent):
        assert contrast(text, colours.base) >= 4.5, text
    for ground in (colours.window, colours.base, colours.alternate):
        assert contrast(colours.text, ground) >= 7 and contrast(colours.muted, ground) >= 4.5
    assert contrast(colours.on_accent, colours.accent) >= 4.5
    for ground in (colours.view_top, colours.view_bottom):
        assert contrast(colours.view_text, ground) >= 7
        for mark in (colours.cell, colours.measure, colours.force, colours.velocity):
            assert contrast(mark, ground) >= 3, mark
    for line in colours.plot_lines[:2]:
        assert contrast(line, colours.plot_background) >= 3
    assert colours.is_dark == (colours is DARK)


@BOTH
def test_every_colour_is_one(colours):
    for item in fields(colours):
        value = getattr(colours, item.name)
        for colour in value if isinstance(value, tuple) else [value]:
            assert item.name == "name" or (len(rgb(colour)) == 3 and colour.startswith("#"))


def test_names():
    assert theme.choose("light") is LIGHT and theme.choose("dark") is DARK and theme.choose("system") in (LIGHT, DARK)
    with pytest.raises(ValueError, match="no theme 'pink'. Allowed: system, light, dark"):
        theme.choose("pink")


@BOTH
def test_applying_changes_a_live_application(qapp, colours):
    before = qapp.palette(), qapp.styleSheet()
    theme.apply(qapp, colours)
    palette = qapp.palette()
    assert palette.color(palette.ColorRole.Window).name() == colours.window and palette.color(palette.ColorRole.Text).name() == colours.text
    assert palette.color(palette.ColorGroup.Disabled, palette.ColorRole.Text).name() == colours.muted
    assert qapp.property("qcad_style") == "Fusion"
    qapp.setPalette(before[0])
    qapp.setStyleSheet(before[1])


@BOTH
def test_every_icon_draws_something_in_the_themes_colour_at_three_resolutions(qapp, colours):
    assert len(ICONS) > 50
    for name in ICONS:
        icon = theme.icon(name, colours)
        for scale in (1.0, 2.0, 3.0):
            image = icon.pixmap(QSize(20, 20), scale).toImage()
            assert image.width() == 20 * scale
        inked = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()) if image.pixelColor(x, y).alpha() > 200]
        assert 100 < len(inked) < 0.75 * image.width() * image.height(), name
        assert any(colour.name() == colours.text for colour in inked), name


def test_a_missing_icon_is_an_error_that_names_it(qapp):
    with pytest.raises(MissingError, match="icons/nonsense.svg is missing"):
        theme.icon("nonsense", LIGHT)


def test_plots_follow(qapp, qtbot):
    pyqtgraph = pytest.importorskip("pyqtgraph")
    plot = pyqtgraph.PlotWidget()
    qtbot.addWidget(plot)
    theme.style_plot(plot, DARK)
    assert plot.backgroundBrush().color().name() == DARK.plot_background
    assert plot.getPlotItem().getAxis("left").pen().color().name() == DARK.plot_text
    assert theme.matplotlib_style(DARK)["axes.facecolor"] == DARK.plot_background
