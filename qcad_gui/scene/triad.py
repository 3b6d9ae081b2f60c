"""The small axes in the corner: a, b, c of the cell or x, y, z, turning with the camera."""

from __future__ import annotations

import numpy as np
from vtkmodules.vtkRenderingCore import vtkCamera, vtkRenderer

from .shapes import Arrows, Colour, Texts

#: red, green, blue for the first, second and third axis, readable on light and dark
AXIS_COLOURS: tuple[Colour, ...] = ((0.85, 0.26, 0.24), (0.22, 0.63, 0.30), (0.25, 0.45, 0.88))


class Triad:
    """A renderer of its own in the lower left corner of a render window."""

    def __init__(self, render_window, main_renderer):
        self.window, self.main = render_window, main_renderer
        self.renderer = vtkRenderer()
        self.renderer.SetLayer(1)
        self.renderer.InteractiveOff()
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.arrows = [Arrows() for _ in range(3)]
        self.texts = [Texts() for _ in range(3)]
        for arrow, text in zip(self.arrows, self.texts, strict=True):
            for actor in (*arrow.actors, text.actor):
                self.renderer.AddActor(actor)
        render_window.SetNumberOfLayers(max(2, render_window.GetNumberOfLayers()))
        render_window.AddRenderer(self.renderer)
        camera, renderer = self.renderer.GetActiveCamera(), self.renderer  # the observer must not hold this object: VTK hides it from the garbage collector
        self.observer = main_renderer.AddObserver("StartEvent", lambda source, _event: _follow(source, renderer, camera))

    def set(self, directions: np.ndarray, names: str, text_colour: Colour, font_size: int) -> None:
        """directions (3, 3) rows (any length), three one-letter names; names = "" hides the triad."""
        self.renderer.SetDraw(bool(names))
        for k, name in enumerate(names):
            length = float(np.linalg.norm(directions[k]))
            unit = directions[k] / length if length > 1e-9 else np.zeros(3)
            self.arrows[k].set(np.zeros((1, 3)), unit[None], AXIS_COLOURS[k], thickness=0.055)
            shown = [name] if length > 1e-9 else []
            self.texts[k].set(1.28 * unit[None] if shown else np.zeros((0, 3)), shown, text_colour, font_size)

    def place(self, width: int, height: int, size: int) -> None:
        """A square of `size` device pixels in a window of width × height."""
        self.renderer.SetViewport(0.0, 0.0, min(1.0, size / max(width, 1)), min(1.0, size / max(height, 1)))

    def close(self) -> None:
        """Take the renderer and the observer out again."""
        self.main.RemoveObserver(self.observer)
        self.window.RemoveRenderer(self.renderer)


def _follow(main, renderer, camera: vtkCamera) -> None:
    """Turn the corner's camera as the main camera is turned."""
    source = main.GetActiveCamera()
    direction = np.array(source.GetDirectionOfProjection())
    camera.SetFocalPoint(0.0, 0.0, 0.0)
    camera.SetPosition(*(-5.0 * direction))
    camera.SetViewUp(*source.GetViewUp())
    camera.SetParallelScale(1.75)
    renderer.ResetCameraClippingRange(-2.0, 2.0, -2.0, 2.0, -2.0, 2.0)
