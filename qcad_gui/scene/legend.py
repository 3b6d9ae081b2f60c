"""The bar that explains colours by value."""

from __future__ import annotations

import textwrap

from vtkmodules.vtkCommonCore import vtkLookupTable
from vtkmodules.vtkRenderingAnnotation import vtkScalarBarActor

from .shapes import Colour
from .styles import lookup_table

_LINE = 14  # letters of a title that fit beside the right edge of a narrow view


class ColourBar:
    """A scalar bar at the right edge; `actor` goes into a plotter."""

    def __init__(self):
        self.actor = vtkScalarBarActor()
        self.actor.SetOrientationToVertical()
        self.actor.SetPosition(0.84, 0.22)
        self.actor.SetWidth(0.14)
        self.actor.SetHeight(0.56)
        self.actor.SetBarRatio(0.13)
        self.actor.SetNumberOfLabels(5)
        self.actor.UnconstrainedFontSizeOn()
        self.actor.SetVerticalTitleSeparation(8)
        self.actor.VisibilityOff()

    def set(self, colour_map: str, low: float, high: float, title: str, colour: Colour, font_size: int) -> None:
        """Show `colour_map` from `low` to `high` with `title` (name and unit)."""
        table = vtkLookupTable()
        rows = lookup_table(colour_map)
        table.SetNumberOfTableValues(len(rows))
        for k, row in enumerate(rows / 255.0):
            table.SetTableValue(k, *map(float, row), 1.0)
        table.SetRange(low, high)
        self.actor.SetLookupTable(table)
        lines = [line for part in title.split(", ") for line in textwrap.wrap(part, _LINE, break_long_words=False)]
        self.actor.SetTitle("\n".join(lines))
        self.actor.SetLabelFormat("{:.4g}")
        for text in (self.actor.GetTitleTextProperty(), self.actor.GetLabelTextProperty()):
            text.SetColor(*colour)
            text.SetFontSize(font_size)
            text.ItalicOff()
            text.BoldOff()
            text.ShadowOff()
        self.actor.VisibilityOn()

    def hide(self) -> None:
        """No values are coloured."""
        self.actor.VisibilityOff()
