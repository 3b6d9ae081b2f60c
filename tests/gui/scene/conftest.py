"""Scene tests draw with EGL: no display, no Qt."""

from __future__ import annotations

import os

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import numpy as np
import pytest
from ase.build import bulk

from solvers.core.fields import GridField
from solvers.core.structure import Structure


@pytest.fixture
def silicon() -> Structure:
    return Structure.from_atoms(bulk("Si", "diamond", a=5.43, cubic=True))


@pytest.fixture
def salt() -> Structure:
    return Structure.from_atoms(bulk("NaCl", "rocksalt", a=5.64, cubic=True))


@pytest.fixture
def gaussian():
    """field(width, at, n): a normalised Gaussian in a triclinic cell, periodic."""

    def make(width: float = 0.8, at=(0.5, 0.5, 0.5), n: int = 48, sign: float = 1.0) -> GridField:
        cell = np.array([[6.0, 0.0, 0.0], [1.5, 6.5, 0.0], [-0.7, 1.1, 7.0]])
        grid = np.stack(np.meshgrid(*(np.arange(n) / n for _ in range(3)), indexing="ij"), axis=-1)
        offset = grid - np.asarray(at)
        r2 = (((offset - np.rint(offset)) @ cell) ** 2).sum(axis=-1)
        return GridField(sign * np.exp(-0.5 * r2 / width**2), cell, "e/Å³", "test density")

    return make


@pytest.fixture
def drawing():
    """make(structure, theme=…, size=…, …) -> Drawing on an off-screen plotter with the first camera; closed after the test."""
    import pyvista

    from qcad_gui.scene import camera, movie
    from qcad_gui.scene.draw import Drawing
    from qcad_gui.scene.styles import Style
    from qcad_gui.theme import LIGHT

    open_ones = []

    def make(structure=None, *, theme=LIGHT, size=(400, 300), ratio=1.0, **style):
        plotter = pyvista.Plotter(off_screen=True, window_size=size)
        plotter.camera_set = True
        out = Drawing(plotter, theme, Style(**{"face_atoms": False, **style}), ratio)
        open_ones.append(out)
        out.set_structure(structure)
        camera.start(plotter.camera)
        out.fit()
        movie.set_quality(plotter.renderer, still=False)
        return out

    yield make
    for item in open_ones:
        item.close()
        item.plotter.close()


@pytest.fixture
def shoot():
    """(height, width, 3) uint8 of a drawing."""

    def take(drawing):
        drawing.plotter.render()
        return np.array(drawing.plotter.screenshot(None, return_img=True))

    return take
