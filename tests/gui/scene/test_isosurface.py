"""Isosurfaces and slices against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from qcad_gui.scene.isosurface import default_level, enclosed_volume, isosurface, slice_plane
from solvers.core.fields import GridField

pytestmark = pytest.mark.scene


def ball(width: float, level: float) -> tuple[float, float]:
    radius = width * np.sqrt(-2.0 * np.log(level))
    return radius, 4.0 / 3.0 * np.pi * radius**3


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_volume_and_radius_of_a_gaussian(gaussian, level):
    field = gaussian(n=80)
    points, triangles, normals = isosurface(field, level)
    radius, volume = ball(0.8, level)
    centre = np.array([0.5, 0.5, 0.5]) @ field.cell
    assert abs(enclosed_volume(points, triangles)) == pytest.approx(volume, rel=0.02)
    assert np.linalg.norm(points - centre, axis=1) == pytest.approx(radius, abs=0.01)
    outward = (points - centre) / np.linalg.norm(points - centre, axis=1)[:, None]
    assert (np.einsum("ni,ni->n", normals, outward) > 0.99).all()


def test_the_error_falls_with_the_square_of_the_step(gaussian):
    _radius, volume = ball(0.8, 0.5)
    errors = [abs(abs(enclosed_volume(*isosurface(gaussian(n=n), 0.5)[:2])) - volume) for n in (24, 48)]
    assert errors[0] > 1e-4
    assert 3.0 < errors[0] / errors[1] < 5.5


def test_a_negative_lobe_has_outward_normals_too(gaussian):
    field = gaussian(sign=-1.0)
    points, _triangles, normals = isosurface(field, -0.5)
    assert len(points) > 100
    assert (np.einsum("ni,ni->n", normals, points - np.array([0.5, 0.5, 0.5]) @ field.cell) > 0).all()
    assert len(isosurface(field, 0.5)[0]) == 0


def test_a_lobe_at_the_corner_reaches_all_faces_and_repeats(gaussian):
    """Periodic closure: eight caps of one ball. Repeating twice gives 8 cells' worth of area."""
    corner = gaussian(at=(0.0, 0.0, 0.0))
    points, triangles, _ = isosurface(corner, 0.5)
    fractional = points @ np.linalg.inv(corner.cell)
    assert fractional.min() == pytest.approx(0.0, abs=1e-9) and fractional.max() == pytest.approx(1.0, abs=1e-9)

    def area(p, t):
        return 0.5 * np.linalg.norm(np.cross(p[t[:, 1]] - p[t[:, 0]], p[t[:, 2]] - p[t[:, 0]]), axis=1).sum()

    radius, _ = ball(0.8, 0.5)
    assert area(points, triangles) == pytest.approx(4 * np.pi * radius**2, rel=0.02)
    more, faces, normals = isosurface(corner, 0.5, repeat=(2, 1, 2))
    assert area(more, faces) == pytest.approx(4 * area(points, triangles)) and len(normals) == len(more)


def test_left_handed_cells_and_an_origin(gaussian):
    field = gaussian()
    swapped = GridField(field.values.swapaxes(1, 2), field.cell[[1, 0, 2]], field.unit, field.name, origin=(1.0, 2.0, 3.0))
    points, triangles, normals = isosurface(swapped, 0.5)
    centre = np.array([0.5, 0.5, 0.5]) @ field.cell + [1.0, 2.0, 3.0]
    assert points.mean(axis=0) == pytest.approx(centre, abs=0.02)
    assert (np.einsum("ni,ni->n", normals, points - centre) > 0).all()
    assert abs(enclosed_volume(points - centre, triangles)) == pytest.approx(ball(0.8, 0.5)[1], rel=0.02)


def test_slice_lies_in_its_plane_and_carries_the_field(gaussian):
    field = gaussian()
    for hkl in ((1, 0, 0), (1, 1, 0), (1, -1, 2)):
        points, triangles, values = slice_plane(field, hkl)
        inside = points @ np.linalg.inv(field.cell)
        assert len(triangles) > 100
        assert inside @ np.array(hkl) == pytest.approx(0.5 * sum(hkl), abs=1e-6)
        centre = np.array([0.5, 0.5, 0.5]) @ field.cell
        near = np.linalg.norm(points - centre, axis=1) < 2.0
        assert near.sum() > 20
        assert values[near] == pytest.approx(np.exp(-0.5 * ((points[near] - centre) ** 2).sum(axis=1) / 0.64), abs=0.02)
    with pytest.raises(ValueError, match="no direction"):
        slice_plane(field, (0, 0, 0))


def test_default_level_is_reached(gaussian):
    for field in (gaussian(), gaussian(sign=-1.0), GridField(np.ones((3, 3, 3)), np.eye(3), "", "flat")):
        assert 0 < default_level(field) <= np.abs(field.values).max()
