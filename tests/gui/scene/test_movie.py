"""Stills and films as files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from qcad_gui.scene import movie
from solvers.core.errors import SetupError

pytestmark = pytest.mark.scene


def test_still_has_the_asked_size_the_same_camera_and_can_be_transparent(drawing, shoot, salt):
    picture = drawing(salt)
    picture.plotter.camera.Azimuth(25)
    small, large = movie.still(picture, (400, 300)), movie.still(picture, (800, 600), pixel_ratio=2.0)
    assert small.shape == (300, 400, 3) and large.shape == (600, 800, 3)
    reduced = np.asarray(Image.fromarray(large).resize((400, 300), Image.Resampling.BOX)).astype(float)
    assert np.abs(reduced - small).mean() < 4
    assert np.abs(small.astype(float) - shoot(picture)).mean() < 4, "the off-screen copy shows what the window shows"
    clear = movie.still(picture, (400, 300), transparent=True)
    assert clear.shape == (300, 400, 4) and clear[0, 0, 3] == 0 and clear[..., 3].max() == 255


def test_saving(tmp_path, drawing, silicon):
    image = movie.still(drawing(silicon), (120, 90))
    for name in ("a.png", "b.jpg", "c.tif"):
        path = movie.save(image, tmp_path / name)
        assert Image.open(path).size == (120, 90)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.jpg", "c.tif"], "no half files left"
    with pytest.raises(SetupError, match="cannot be written as '.xyz'. Allowed: .png"):
        movie.save(image, tmp_path / "d.xyz")
    with pytest.raises(SetupError, match="9000 × 90 pixels cannot be drawn. Allowed: 16 to 8192"):
        movie.still(drawing(silicon), (9000, 90))


def frames_of(structure, count):
    for k in range(count):
        yield structure.positions + [0.2 * k, 0.0, 0.0], structure.cell


def test_series_and_gif(tmp_path, drawing, silicon):
    picture = drawing(silicon)
    files = movie.record(picture, frames_of(silicon, 4), tmp_path / "run.png", size=(160, 120))
    assert [path.name for path in files] == [f"run-0000{k}.png" for k in range(4)]
    images = [np.asarray(Image.open(path)) for path in files]
    assert all((images[k] != images[k + 1]).any() for k in range(3))
    (gif,) = movie.record(picture, frames_of(silicon, 4), tmp_path / "run.gif", size=(160, 120), fps=10)
    with Image.open(gif) as film:
        assert film.n_frames == 4 and film.info["duration"] == 100 and film.info["loop"] == 0
    assert np.array_equal(picture.drawn.positions, silicon.positions), "the window's own picture stands still"


def test_a_film_can_be_stopped_and_refuses_nothing_and_odd_names(tmp_path, drawing, silicon):
    picture = drawing(silicon)
    files = movie.record(picture, frames_of(silicon, 9), tmp_path / "stop.png", size=(64, 64), progress=lambda k: k < 2)
    assert len(files) == 3
    with pytest.raises(SetupError, match="no frames. Open a trajectory"):
        movie.record(picture, [], tmp_path / "none.gif")
    with pytest.raises(SetupError, match="cannot be written as '.avi'"):
        movie.record(picture, frames_of(silicon, 1), tmp_path / "x.avi")
    with pytest.raises(SetupError, match="Allowed: 0.1 to 120"):
        movie.record(picture, frames_of(silicon, 1), tmp_path / "x.gif", fps=0)
