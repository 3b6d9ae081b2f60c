"""From pixels to atoms and back, at every pixel ratio, in both projections."""

from __future__ import annotations

import numpy as np
import pytest

from qcad_gui.scene import camera
from qcad_gui.scene.pick import in_box, pick, visible

pytestmark = pytest.mark.scene


@pytest.mark.parametrize("perspective", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_every_visible_atom_is_found_at_its_own_pixel(drawing, salt, ratio, perspective):
    width, height = 400, 300
    picture = drawing(salt, size=(round(width * ratio), round(height * ratio)), ratio=ratio, perspective=perspective)
    projector = camera.projector(picture.plotter.camera, width, height)
    at, radii = picture.drawn.positions, picture.drawn.radii
    pixels, seen = projector.project(at), visible(projector, at, radii)
    assert seen.sum() >= 6
    for k in np.flatnonzero(seen):
        assert pick(projector, *pixels[k], at, radii) == k
    hidden = np.flatnonzero(~seen)
    depth = projector.depth(at)
    for k in hidden:
        found = pick(projector, *pixels[k], at, radii)
        assert found >= 0 and depth[found] < depth[k]
    assert pick(projector, 1.0, 1.0, at, radii) == -1


@pytest.mark.parametrize("perspective", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_projection_is_where_the_renderer_puts_the_colour(drawing, shoot, salt, ratio, perspective):
    """The independent check: the colour of the rendered pixel at the projected place is the atom's."""
    width, height = 400, 300
    picture = drawing(salt, size=(round(width * ratio), round(height * ratio)), ratio=ratio, perspective=perspective, bonds=False, cell=False)
    projector = camera.projector(picture.plotter.camera, width, height)
    image = shoot(picture).astype(float)
    at = picture.drawn.positions
    pixels = projector.project(at)
    for k in np.flatnonzero(visible(projector, at, picture.drawn.radii)):
        x, y = pixels[k] * ratio
        seen = image[int(round(y)), int(round(x))]
        wanted = picture.atoms.array("rgb")[k].astype(float)
        assert seen @ wanted / np.linalg.norm(seen) / np.linalg.norm(wanted) > 0.97
        edge = projector.pixels_per_angstrom(projector.depth(at))[k] * picture.drawn.radii[k]
        assert pick(projector, pixels[k, 0] + 0.95 * edge, pixels[k, 1], at, picture.drawn.radii) >= 0


def test_the_front_of_two_overlapping_spheres_wins_even_if_its_centre_is_behind(drawing, silicon):
    picture = drawing(silicon)
    picture.look_along("z")
    projector = camera.projector(picture.plotter.camera, 400, 300)
    at = np.array([[0.0, 0.0, 0.0], [0.3, 0.0, 0.5]])
    x, y = projector.project(at[1:])[0]
    assert pick(projector, x, y, at, np.array([2.0, 0.3])) == 0  # the small one is inside the big one
    assert pick(projector, x, y, at, np.array([0.4, 0.3])) == 1


def test_small_atoms_stay_hittable_but_never_before_a_direct_hit(drawing, silicon):
    picture = drawing(silicon)
    picture.look_along("z")
    projector = camera.projector(picture.plotter.camera, 400, 300)
    scale = projector.pixels_per_angstrom(np.array([1.0]))[0]
    at = np.zeros((1, 3))
    x, y = projector.project(at)[0]
    assert pick(projector, x + 1.5, y, at, np.array([0.1 / scale])) == 0
    assert pick(projector, x + 9.0, y, at, np.array([0.1 / scale])) == -1


def test_box(drawing, silicon):
    picture = drawing(silicon)
    projector = camera.projector(picture.plotter.camera, 400, 300)
    pixels = projector.project(silicon.positions)
    assert list(in_box(projector, (400, 300), (0, 0), silicon.positions)) == list(range(8))
    k = 5
    assert list(in_box(projector, pixels[k] - 1, pixels[k] + 1, silicon.positions)) == [k]
    assert len(in_box(projector, (0, 0), (2, 2), silicon.positions)) == 0


def test_a_drag_of_pixels_moves_by_the_same_pixels(drawing, silicon):
    for perspective in (False, True):
        picture = drawing(silicon, perspective=perspective)
        projector = camera.projector(picture.plotter.camera, 400, 300)
        for point in silicon.positions[:3]:
            moved = point + projector.plane_vector(17.0, -9.0, point)
            assert projector.project(moved[None])[0] - projector.project(point[None])[0] == pytest.approx([17.0, -9.0], abs=1e-6)
            assert projector.depth(moved[None]) == pytest.approx(projector.depth(point[None]))


def test_nothing_to_pick(drawing):
    picture = drawing(None)
    projector = camera.projector(picture.plotter.camera, 400, 300)
    assert pick(projector, 5, 5, np.zeros((0, 3)), np.zeros(0)) == -1
    assert len(in_box(projector, (0, 0), (9, 9), np.zeros((0, 3)))) == 0
