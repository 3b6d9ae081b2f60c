"""Moving a VTK camera: turn, pan, zoom, roll, fit, look along. Deterministic functions of pixels; no interactor style is involved."""

from __future__ import annotations

import numpy as np
from vtkmodules.vtkRenderingCore import vtkCamera, vtkLight, vtkRenderer

from .pick import Projector

_DEGREES_PER_PIXEL = 0.4
_START = np.array([0.81, -0.47, 0.35])  # cosines with the faces' normals: in a cubic or hexagonal cell no axis hides another


def rotate(camera: vtkCamera, dx: float, dy: float) -> None:
    """Turn about the focal point: the picture follows a drag of dx, dy pixels (y downwards)."""
    camera.Azimuth(-_DEGREES_PER_PIXEL * dx)
    camera.Elevation(_DEGREES_PER_PIXEL * dy)
    camera.OrthogonalizeViewUp()


def roll(camera: vtkCamera, degrees: float) -> None:
    """Turn the picture about the line of sight."""
    camera.Roll(degrees)
    camera.OrthogonalizeViewUp()


def pan(camera: vtkCamera, projector: Projector, dx: float, dy: float) -> None:
    """Move the picture by dx, dy pixels."""
    focal = np.array(camera.GetFocalPoint())
    move = projector.plane_vector(dx, dy, focal)
    camera.SetFocalPoint(*(focal - move))
    camera.SetPosition(*(np.array(camera.GetPosition()) - move))


def zoom(camera: vtkCamera, factor: float) -> None:
    """Make everything `factor` times larger; the same feel in perspective and orthographic views."""
    factor = float(np.clip(factor, 0.05, 20.0))
    if camera.GetParallelProjection():
        camera.SetParallelScale(float(np.clip(camera.GetParallelScale() / factor, 1e-2, 1e6)))
    else:
        focal, position = np.array(camera.GetFocalPoint()), np.array(camera.GetPosition())
        distance = float(np.clip(np.linalg.norm(position - focal) / factor, 1e-2, 1e6))
        camera.SetPosition(*(focal + (position - focal) / np.linalg.norm(position - focal) * distance))


def zoom_at(camera: vtkCamera, projector: Projector, factor: float, x: float, y: float) -> None:
    """Zoom so that what lies under pixel (x, y) stays there."""
    dx, dy = x - 0.5 * projector.width, y - 0.5 * projector.height
    pan(camera, projector, -dx * (1.0 - 1.0 / factor), -dy * (1.0 - 1.0 / factor))
    zoom(camera, factor)


def fit(camera: vtkCamera, centre: np.ndarray, radius: float, aspect: float, outline: tuple[np.ndarray, float] | None = None) -> None:
    """Show the sphere (centre, radius Å), or tighter the `outline` (points (N, 3) Å and a margin in Å around each), keeping the direction of view.

    aspect = width / height. A tenth of the window stays free, so that a turn does not push corners out at once.
    """
    direction, up = np.array(camera.GetDirectionOfProjection()), np.array(camera.GetViewUp())
    right = np.cross(direction, up)
    half = radius / min(1.0, aspect)
    if outline is not None and len(outline[0]):
        across, along = outline[0] @ right, outline[0] @ up
        centre = centre + (0.5 * (across.min() + across.max()) - centre @ right) * right + (0.5 * (along.min() + along.max()) - centre @ up) * up
        half = max(0.5 * np.ptp(along) + outline[1], (0.5 * np.ptp(across) + outline[1]) / aspect)
    half *= 1.12
    tangent = np.tan(np.radians(0.5 * camera.GetViewAngle()))
    camera.SetFocalPoint(*centre)
    # the nearest points of the outline are a radius nearer to the eye than the centre, and look larger in perspective
    camera.SetPosition(*(centre - (half / tangent + radius) * direction))
    camera.SetParallelScale(half)
    camera.OrthogonalizeViewUp()


def clip(renderer: vtkRenderer, centre: np.ndarray, radius: float) -> None:
    """Near and far planes around the sphere (centre, radius Å), wherever the camera stands; an orthographic camera that came too near steps back."""
    camera = renderer.GetActiveCamera()
    position, direction = np.array(camera.GetPosition()), np.array(camera.GetDirectionOfProjection())
    reach = 1.3 * radius + 2.0
    along = float((centre - position) @ direction)
    if camera.GetParallelProjection() and along < 1.5 * reach:
        position = position - (2.0 * reach - along) * direction
        camera.SetPosition(*position)
        along = 2.0 * reach
    near = max(along - reach, 1e-3 * reach)
    camera.SetClippingRange(near, max(along + reach, 2.0 * near))


def look_along(camera: vtkCamera, axis: str, cell: np.ndarray) -> None:
    """Stand on the positive side of an axis (x, y, z, a, b, c; "-x" for the other side) and look back along it. Raises ValueError for another name."""
    sign, name = (-1.0, axis[1:]) if axis.startswith("-") else (1.0, axis)
    if len(name) != 1 or name not in "xyzabc":
        raise ValueError(f"There is no axis {axis!r} to look along. Allowed: x, y, z, a, b, c, each with an optional minus.")
    vectors = np.eye(3) if name in "xyz" else np.array(cell, float)
    k = ("xyz" if name in "xyz" else "abc").index(name)
    if np.linalg.norm(vectors[k]) < 1e-9:
        vectors = np.eye(3)
    direction = sign * vectors[k] / np.linalg.norm(vectors[k])
    up = vectors[2] if k != 2 else vectors[1]
    up = up - (up @ direction) * direction
    if np.linalg.norm(up) < 1e-6:
        up = np.eye(3)[int(np.argmin(np.abs(direction)))]
    focal = np.array(camera.GetFocalPoint())
    distance = max(camera.GetDistance(), 1.0)
    camera.SetPosition(*(focal + distance * direction))
    camera.SetViewUp(*up)
    camera.OrthogonalizeViewUp()


def start(camera: vtkCamera, cell: np.ndarray | None = None) -> None:
    """The first direction of view: a comes forward, b goes to the right, c up, and no face of `cell` (3, 3) is seen edge-on.

    The direction d has the same cosines with the normals of the three faces, up to a factor, whatever the cell: d = sum of t_i a_i / h_i, h_i the heights.
    """
    vectors = np.eye(3) if cell is None or abs(np.linalg.det(cell)) < 1e-6 else np.array(cell, float)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(vectors), axis=0)
    direction = (_START / heights) @ vectors
    direction /= np.linalg.norm(direction)
    up = np.array([0.0, 0.0, 1.0]) if abs(direction[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    focal = np.array(camera.GetFocalPoint())
    camera.SetPosition(*(focal + max(camera.GetDistance(), 1.0) * direction))
    camera.SetViewUp(*up)
    camera.OrthogonalizeViewUp()


def lights(renderer: vtkRenderer) -> None:
    """A key light from the upper left, a fill from the right and a weak one from behind the eye, all fixed to the camera."""
    renderer.RemoveAllLights()
    renderer.AutomaticLightCreationOff()
    for place, strength in (((-0.6, 0.9, 1.0), 0.78), ((0.9, -0.1, 0.7), 0.26), ((0.0, 0.0, 1.0), 0.22)):
        light = vtkLight()
        light.SetLightTypeToCameraLight()
        light.SetPosition(*place)
        light.SetFocalPoint(0.0, 0.0, 0.0)
        light.SetIntensity(strength)
        renderer.AddLight(light)


def projector(camera: vtkCamera, width: float, height: float) -> Projector:
    """What the camera does, as numbers, for a widget of width × height device-independent pixels."""
    near, far = camera.GetClippingRange()
    matrix = camera.GetCompositeProjectionTransformMatrix(width / max(height, 1.0), -1.0, 1.0)
    view = camera.GetViewTransformMatrix()
    as_array = lambda source: np.array([[source.GetElement(i, j) for j in range(4)] for i in range(4)])  # noqa: E731
    return Projector(
        as_array(matrix),
        as_array(view),
        float(width),
        float(height),
        float(camera.GetParallelScale()) if camera.GetParallelProjection() else None,
        float(camera.GetViewAngle()),
    )
