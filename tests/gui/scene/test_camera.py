"""The camera's moves, as pixels."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkRenderingCore import vtkCamera

from qcad_gui.scene import camera
from qcad_gui.scene.mouse import MODES, PRESETS, action


@pytest.fixture(params=[True, False], ids=["orthographic", "perspective"])
def view(request):
    out = vtkCamera()
    out.SetParallelProjection(request.param)
    camera.start(out)
    camera.fit(out, np.array([1.0, 2.0, 3.0]), 5.0, 4 / 3)
    out.SetClippingRange(0.1, 1000.0)
    return out


def pixel(view, point):
    return camera.projector(view, 400, 300).project(np.reshape(point, (1, 3)))[0]


def test_the_middle_is_the_focal_point_and_up_is_up(view):
    assert pixel(view, [1, 2, 3]) == pytest.approx([200, 150])
    assert pixel(view, [1, 2, 4])[1] < 150, "z points up on the screen, pixel rows count downwards"


def test_pan_moves_the_picture_by_the_pixels_of_the_drag(view):
    before = pixel(view, [1, 2, 3])
    camera.pan(view, camera.projector(view, 400, 300), 30.0, -12.0)
    assert pixel(view, [1, 2, 3]) - before == pytest.approx([30.0, -12.0], abs=1e-6)


def test_zoom_at_keeps_what_is_under_the_mouse(view):
    projector = camera.projector(view, 400, 300)
    point = np.array([1.0, 2.0, 3.0]) + projector.plane_vector(80.0, 40.0, np.array([1.0, 2.0, 3.0]))
    assert pixel(view, point) == pytest.approx([280.0, 190.0], abs=1e-6)
    size = np.linalg.norm(pixel(view, point) - pixel(view, [1, 2, 3]))
    camera.zoom_at(view, projector, 1.5, 280.0, 190.0)
    assert pixel(view, point) == pytest.approx([280.0, 190.0], abs=1e-3)
    assert np.linalg.norm(pixel(view, point) - pixel(view, [1, 2, 3])) == pytest.approx(1.5 * size, rel=1e-3)


def test_rotation_follows_the_drag_and_keeps_the_centre(view):
    nearest = np.array([1.0, 2.0, 3.0]) - np.array(view.GetDirectionOfProjection())  # a point towards the eye
    camera.rotate(view, 20.0, 0.0)
    assert pixel(view, nearest)[0] > 200, "dragging right moves the front to the right"
    camera.rotate(view, 0.0, 20.0)
    assert pixel(view, nearest)[1] > 150, "dragging down moves the front down"
    assert pixel(view, [1, 2, 3]) == pytest.approx([200, 150], abs=1e-6)


@pytest.mark.parametrize("axis", ["x", "y", "z", "a", "b", "c", "-x", "-c"])
def test_looking_along_an_axis_puts_it_behind_the_focal_point(view, axis):
    cell = np.array([[4.0, 0, 0], [1.0, 5.0, 0], [0.5, 0.7, 6.0]])
    camera.look_along(view, axis, cell)
    vector = dict(zip("xyzabc", [*np.eye(3), *cell], strict=True))[axis[-1]] * (-1 if axis[0] == "-" else 1)
    assert np.array(view.GetDirectionOfProjection()) == pytest.approx(-vector / np.linalg.norm(vector), abs=1e-9)
    assert abs(np.dot(view.GetViewUp(), vector)) < 1e-6


def test_other_axes_are_refused(view):
    with pytest.raises(ValueError, match="no axis 'q'.*Allowed: x, y, z, a, b, c"):
        camera.look_along(view, "q", np.eye(3))


def test_every_preset_can_rotate_pan_and_box_in_some_way():
    for name, (text, table) in PRESETS.items():
        assert text and {"rotate", "pan", "box"} <= set(table.values()), name
    for mode in MODES:
        assert action("default", mode, "middle", frozenset()) == "pan"
    assert action("default", "view", "left", frozenset()) == "rotate"
    assert action("default", "view", "left", frozenset({"shift"})) == "pan"
    assert action("default", "select", "left", frozenset()) == "box" and action("default", "select", "left", frozenset({"ctrl"})) == "box"
    assert action("default", "select", "right", frozenset()) == "rotate"
    assert action("blender", "view", "left", frozenset({"alt"})) is None


@pytest.mark.parametrize("name", ["Si", "Fe", "Ti", "NaCl", "skewed"])
def test_the_first_view_shows_no_face_edge_on(view, name):
    from ase.build import bulk

    cells = {"NaCl": bulk("NaCl", "rocksalt", a=5.64, cubic=True).cell.array, "skewed": np.array([[3.0, 0, 0], [2.4, 2.0, 0], [-1.0, 1.1, 5.0]])}
    cell = cells[name] if name in cells else bulk(name).cell.array
    camera.start(view, cell)
    normals = np.linalg.inv(cell).T
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    cosines = normals @ -np.array(view.GetDirectionOfProjection())
    assert (np.abs(cosines) > 0.1).all(), cosines
    assert cosines / np.linalg.norm(cosines) == pytest.approx(camera._START / np.linalg.norm(camera._START), abs=1e-6)
