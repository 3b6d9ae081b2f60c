"""Pictures and films to files: one still at any size, PNG series, GIF. Drawn off screen, so the window's size and what covers it do not matter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyvista
from vtkmodules.vtkRenderingOpenGL2 import vtkOpenGLFXAAPass, vtkRenderStepsPass, vtkSSAAPass

from solvers.core.errors import SetupError

from ..translate import tr

#: pixels along one side; most drivers refuse more
LARGEST = 8192


def set_quality(renderer, still: bool) -> None:
    """Smooth edges: four samples per pixel for a picture that stands still, a cheap filter while it moves."""
    if getattr(renderer, "_qcad_still", None) is still:
        return
    renderer._qcad_still = still
    steps = vtkRenderStepsPass()
    smooth = vtkSSAAPass() if still else vtkOpenGLFXAAPass()
    smooth.SetDelegatePass(steps)
    renderer.SetPass(smooth)


def still(drawing, size: tuple[int, int], *, pixel_ratio: float = 1.0, transparent: bool = False) -> np.ndarray:
    """(height, width, 3 or 4) uint8: what `drawing` shows, from the same camera, at `size` pixels. Raises SetupError for a size no driver can draw."""
    _check_size(size)
    with Studio(drawing, size, pixel_ratio) as studio:
        return studio.shoot(transparent)


class Studio:
    """An off-screen copy of a drawing that can shoot many frames. Use as a context manager."""

    def __init__(self, drawing, size: tuple[int, int], pixel_ratio: float = 1.0):
        from .draw import Drawing

        self.plotter = pyvista.Plotter(off_screen=True, window_size=size)
        self.plotter.camera_set = True  # else the first screenshot turns the camera to pyvista's own default
        self.plotter.render_window.SetDPI(round(72 * pixel_ratio))
        self.drawing = Drawing(self.plotter, drawing.theme, drawing.style, pixel_ratio)
        self.drawing.copy_from(drawing)
        set_quality(self.plotter.renderer, still=True)

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_details: object) -> None:
        self.drawing.close()
        self.plotter.renderer.SetPass(None)
        self.plotter.close()

    def shoot(self, transparent: bool = False) -> np.ndarray:
        """(height, width, 3 or 4) uint8 of the present state."""
        if not transparent:
            return self._render()
        # the smoothing passes lose VTK's own transparency, so it is worked out from the picture on black and on white:
        # seen = colour · alpha + background · (1 - alpha)
        self.plotter.set_background("black")
        on_black = self._render().astype(float)
        self.plotter.set_background("white")
        on_white = self._render().astype(float)
        self.plotter.set_background(self.drawing.theme.view_bottom, top=self.drawing.theme.view_top)
        alpha = np.clip(1.0 - (on_white - on_black).mean(axis=2, keepdims=True) / 255.0, 0.0, 1.0)
        colour = np.where(alpha > 1e-3, on_black / np.maximum(alpha, 1e-3), 0.0)
        return np.rint(np.clip(np.concatenate([colour, 255.0 * alpha], axis=2), 0, 255)).astype(np.uint8)

    def _render(self) -> np.ndarray:
        self.plotter.render()
        return np.array(self.plotter.screenshot(None, return_img=True))


def save(image: np.ndarray, path: str | Path) -> Path:
    """Write (height, width, 3 or 4) uint8 as PNG, JPEG, TIFF or BMP by the file's ending; raises SetupError for another ending.

    Written beside and renamed: no half file.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"):
        raise SetupError(f"A picture cannot be written as {path.suffix or 'a file without an ending'!r}.", hint="Allowed: .png, .jpg, .tif, .bmp.")
    picture = Image.fromarray(image)
    if path.suffix.lower() in (".jpg", ".jpeg", ".bmp"):
        picture = picture.convert("RGB")
    part = path.with_name(f".{path.name}.part{path.suffix}")
    picture.save(part)
    os.replace(part, path)
    return path


class Film:
    """A film that grows frame by frame, so that a window stays alive between two frames. A context manager; leaving it without `finish` discards a GIF.

    PATH.gif is one looping GIF; PATH.png a series PATH-00000.png …, which every video program reads. Raises SetupError for another ending, an
    impossible rate or size.
    """

    def __init__(self, drawing, path: str | Path, *, size: tuple[int, int] = (1280, 720), fps: float = 25.0):
        self.path, self.fps = Path(path), fps
        if self.path.suffix.lower() not in (".gif", ".png"):
            raise SetupError(
                f"A film cannot be written as {self.path.suffix or 'a file without an ending'!r}.", hint="Allowed: .gif, or .png for a series of pictures."
            )
        if not 0.1 <= fps <= 120:
            raise SetupError(f"{fps} frames per second are not possible.", hint="Allowed: 0.1 to 120.")
        _check_size(size)
        self.written: list[Path] = []
        self._pictures: list = []
        self._studio = Studio(drawing, size)

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_details: object) -> None:
        self._studio.__exit__()

    def add(self, positions: np.ndarray, cell: np.ndarray | None = None) -> None:
        """One more frame of the same atoms: positions (N, 3) Å, cell (3, 3) Å or None for no change."""
        self._studio.drawing.update_positions(positions, cell)
        self.snap()

    @property
    def drawing(self):
        """What is filmed: a copy of the drawing, whose camera or slice may be moved between two pictures."""
        return self._studio.drawing

    def snap(self) -> None:
        """One more picture of what is filmed as it stands."""
        image = self._studio.shoot()
        if self.path.suffix.lower() == ".png":
            self.written.append(save(image, self.path.with_name(f"{self.path.stem}-{len(self.written):05d}.png")))
        else:
            self._pictures.append(_indexed(image))

    def finish(self) -> list[Path]:
        """Write what is to be written at the end; returns all files. Raises SetupError when there was no frame."""
        if self._pictures:
            part = self.path.with_name(f".{self.path.name}.part.gif")
            self._pictures[0].save(part, save_all=True, append_images=self._pictures[1:], duration=round(1000.0 / self.fps), loop=0, optimize=False)
            os.replace(part, self.path)
            self.written.append(self.path)
        if not self.written:
            raise SetupError(tr("The film has no frames."), hint=tr("Open a trajectory first."))
        return self.written


def record(
    drawing,
    frames: Iterable[tuple[np.ndarray, np.ndarray | None]],
    path: str | Path,
    *,
    size: tuple[int, int] = (1280, 720),
    fps: float = 25.0,
    progress: Callable[[int], bool] | None = None,
) -> list[Path]:
    """Film `frames` of (positions (N, 3) Å, cell or None) with the drawing's camera and style; returns the files written (see `Film`).

    `progress(k)` is called after frame k and stops the film, keeping what there is, by returning False.
    """
    with Film(drawing, path, size=size, fps=fps) as film:
        for k, (positions, cell) in enumerate(frames):
            film.add(positions, cell)
            if progress is not None and progress(k) is False:
                break
        return film.finish()


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if not (16 <= width <= LARGEST and 16 <= height <= LARGEST):
        raise SetupError(f"A picture of {width} × {height} pixels cannot be drawn.", hint=f"Allowed: 16 to {LARGEST} along each side.")


def _indexed(image: np.ndarray):
    from PIL import Image

    return Image.fromarray(image).quantize(colors=256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
