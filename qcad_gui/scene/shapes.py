"""Primitive shapes as VTK actors that are updated in place: spheres, sticks, arrows, lines, texts, surfaces.

Spheres and sticks are impostors (two triangles each, the curved surface is computed per pixel), so 10⁵ atoms stay smooth at any zoom.
Every array goes through `vtk_array`, which copies: VTK's own `numpy_to_vtk` shares memory and writes even through read-only arrays.
"""

from __future__ import annotations

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDataArray, vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersSources import vtkConeSource
from vtkmodules.vtkRenderingCore import vtkActor, vtkActor2D, vtkGlyph3DMapper, vtkPolyDataMapper
from vtkmodules.vtkRenderingLabel import vtkLabeledDataMapper
from vtkmodules.vtkRenderingOpenGL2 import vtkOpenGLSphereMapper, vtkOpenGLStickMapper

Colour = tuple[float, float, float]


def vtk_array(array: np.ndarray, name: str = "", dtype: type = np.float32) -> vtkDataArray:
    """A VTK array that owns a copy of `array`; the caller's memory is never reached by VTK."""
    out = numpy_to_vtk(np.array(array, dtype=dtype, copy=True, order="C"), deep=True)
    if name:
        out.SetName(name)
    return out


def overwrite(target: vtkDataArray, values: np.ndarray) -> None:
    """Copy `values` into the memory that the VTK array owns and mark it changed."""
    vtk_to_numpy(target)[...] = values
    target.Modified()


class Points:
    """Points with RGB colours and further arrays; the common part of spheres, sticks and arrows."""

    def __init__(self, mapper, **arrays: int):
        self.data = vtkPolyData()
        self.widths = {"rgb": 3, **arrays}
        self.count = -1
        self.actor = vtkActor()
        self.actor.SetMapper(mapper)
        self.actor.VisibilityOff()
        mapper.SetInputDataObject(0, self.data)
        self.mapper = mapper

    def set(self, positions: np.ndarray, colours: np.ndarray | Colour, **arrays: np.ndarray) -> None:
        """positions (N, 3) Å, colours (N, 3) uint8 or one colour; memory is reused when N is unchanged. With N = 0 the actor is hidden."""
        n = len(positions)
        if isinstance(colours, tuple):
            colours = np.broadcast_to(np.rint(np.array(colours) * 255).astype(np.uint8), (n, 3))
        if n != self.count:
            self._allocate(n, positions, colours, arrays)
        else:
            overwrite(self.data.GetPoints().GetData(), positions)
            for name, value in {"rgb": colours, **arrays}.items():
                overwrite(self.data.GetPointData().GetArray(name), value)
            self.touch()
        self.actor.SetVisibility(n > 0)

    def move(self, positions: np.ndarray, **arrays: np.ndarray) -> None:
        """New positions (and arrays) of the same number of points; colours stay."""
        overwrite(self.data.GetPoints().GetData(), positions)
        for name, value in arrays.items():
            overwrite(self.data.GetPointData().GetArray(name), value)
        self.touch()

    def touch(self) -> None:
        """Tell VTK that the arrays changed."""
        self.data.GetPoints().Modified()
        self.data.Modified()

    def array(self, name: str) -> np.ndarray:
        """A copy of the point array `name` ("" = the positions)."""
        source = self.data.GetPoints().GetData() if not name else self.data.GetPointData().GetArray(name)
        return vtk_to_numpy(source).copy()

    def _allocate(self, n: int, positions: np.ndarray, colours: np.ndarray, arrays: dict[str, np.ndarray]) -> None:
        self.data.Initialize()
        points = vtkPoints()
        points.SetData(vtk_array(np.reshape(positions, (n, 3))))
        self.data.SetPoints(points)
        vertices = vtkCellArray()  # one cell with all points: the mapper's bounds come from cells
        vertices.InsertNextCell(n)
        for k in np.arange(n) if n <= 64 else ():
            vertices.InsertCellPoint(int(k))
        if n > 64:
            vertices.SetData(vtk_array(np.array([0, n]), dtype=np.int64), vtk_array(np.arange(n), dtype=np.int64))
        if n:
            self.data.SetVerts(vertices)
        self.data.GetPointData().SetScalars(vtk_array(np.reshape(colours, (n, 3)), "rgb", np.uint8))
        for name, value in arrays.items():
            integer = np.asarray(value).dtype.kind in "iu"
            self.data.GetPointData().AddArray(vtk_array(value, name, np.int64 if integer else np.float32))
        self.count = n
        self.data.Modified()


class Spheres(Points):
    """Sphere impostors; arrays radius (N,) Å and atom (N,), the id that picking and tests read."""

    def __init__(self):
        mapper = vtkOpenGLSphereMapper()
        mapper.SetScaleArray("radius")
        super().__init__(mapper, radius=1, atom=1)
        matte(self.actor)

    def set(self, positions: np.ndarray, colours: np.ndarray | Colour, radius: np.ndarray, atom: np.ndarray) -> None:  # type: ignore[override]
        """positions (N, 3) Å, colours (N, 3) uint8 or one colour, radius (N,) Å, atom (N,)."""
        super().set(positions, colours, radius=radius, atom=atom)


class Dots(Points):
    """Square-millimetre points for very large structures: one GL point each, `size` in device pixels."""

    def __init__(self):
        super().__init__(vtkPolyDataMapper(), atom=1)
        self.actor.GetProperty().SetRenderPointsAsSpheres(True)
        matte(self.actor)

    def set(self, positions: np.ndarray, colours: np.ndarray | Colour, size: float, atom: np.ndarray) -> None:  # type: ignore[override]
        """positions (N, 3) Å, colours (N, 3) uint8 or one colour, size in device pixels, atom (N,)."""
        super().set(positions, colours, atom=atom)
        self.actor.GetProperty().SetPointSize(size)


class Sticks(Points):
    """Cylinder impostors around a centre; arrays direction (M, 3) of unit length and size (M, 3) = length, radius, radius in Å."""

    def __init__(self):
        mapper = vtkOpenGLStickMapper()
        mapper.SetOrientationArray("direction")
        mapper.SetScaleArray("size")
        super().__init__(mapper, direction=3, size=3)
        matte(self.actor)

    def set(self, starts: np.ndarray, vectors: np.ndarray, colours: np.ndarray | Colour, radius: float) -> None:  # type: ignore[override]
        """starts (M, 3) and vectors (M, 3) Å to the other end."""
        super().set(starts + 0.5 * vectors, colours, **self._arrays(vectors, radius))

    def move(self, starts: np.ndarray, vectors: np.ndarray, radius: float) -> None:  # type: ignore[override]
        """The same number of sticks elsewhere; colours stay."""
        super().move(starts + 0.5 * vectors, **self._arrays(vectors, radius))

    @staticmethod
    def _arrays(vectors: np.ndarray, radius: float) -> dict[str, np.ndarray]:
        length = np.linalg.norm(vectors, axis=1)
        size = np.stack([length, np.full(len(length), radius), np.full(len(length), radius)], axis=1)
        return {"direction": vectors / np.maximum(length, 1e-9)[:, None], "size": size}


class Cones(Points):
    """Arrow heads: one cone per point along `vector` (N, 3), `height` (N,) Å."""

    def __init__(self):
        mapper = vtkGlyph3DMapper()
        cone = vtkConeSource()
        cone.SetResolution(20)
        cone.SetRadius(0.4)
        cone.SetHeight(1.0)
        mapper.SetSourceConnection(cone.GetOutputPort())
        mapper.SetOrientationArray("vector")
        mapper.SetScaleArray("height")
        mapper.SetScaleModeToScaleByMagnitude()
        super().__init__(mapper, vector=3, height=1)
        matte(self.actor)


class Arrows:
    """Arrows of constant thickness: sticks with cones. `actors` are the two actors to add to a plotter."""

    def __init__(self):
        self.shafts, self.heads = Sticks(), Cones()
        self.actors = (self.shafts.actor, self.heads.actor)

    def set(self, starts: np.ndarray, vectors: np.ndarray, colour: Colour, thickness: float = 0.06) -> None:
        """starts and vectors (N, 3) Å; arrows shorter than a hundredth of an ångström are left out."""
        length = np.linalg.norm(vectors, axis=1)
        keep = length > 1e-2
        starts, vectors, length = starts[keep], vectors[keep], length[keep]
        height = np.minimum(0.5 * length, 6.0 * thickness)
        unit = vectors / length[:, None] if len(length) else vectors
        self.shafts.set(starts, unit * (length - height)[:, None], colour, thickness)
        self.heads.set(starts + unit * (length - 0.5 * height)[:, None], colour, vector=unit, height=height)


class Lines:
    """Straight segments, `width` in device pixels."""

    def __init__(self):
        self.data, self.actor, self.mapper = vtkPolyData(), vtkActor(), vtkPolyDataMapper()
        self.mapper.SetInputData(self.data)
        self.actor.SetMapper(self.mapper)
        self.actor.VisibilityOff()
        self.actor.GetProperty().LightingOff()

    def set(self, segments: np.ndarray, colour: Colour, width: float, opacity: float = 1.0) -> None:
        """segments (M, 2, 3) Å."""
        m = len(segments)
        points, cells = vtkPoints(), vtkCellArray()
        points.SetData(vtk_array(np.reshape(segments, (2 * m, 3))))
        cells.SetData(vtk_array(np.arange(0, 2 * m + 1, 2), dtype=np.int64), vtk_array(np.arange(2 * m), dtype=np.int64))
        self.data.SetPoints(points)
        self.data.SetLines(cells)
        self.data.Modified()
        self.actor.SetVisibility(m > 0)
        look = self.actor.GetProperty()
        look.SetColor(*colour)
        look.SetLineWidth(width)
        look.SetOpacity(opacity)


class Texts:
    """Short texts at points in space, always on top. VTK's built-in font knows Latin-1 (Å, °, numbers), nothing else."""

    def __init__(self):
        self.data, self.actor, self.mapper = vtkPolyData(), vtkActor2D(), vtkLabeledDataMapper()
        self.mapper.SetInputData(self.data)
        self.mapper.SetLabelModeToLabelFieldData()
        self.mapper.SetFieldDataName("text")
        self.actor.SetMapper(self.mapper)
        self.actor.VisibilityOff()
        self.texts: list[str] = []

    def set(self, positions: np.ndarray, texts: list[str], colour: Colour, size: int, back: Colour | None = None) -> None:
        """positions (N, 3) Å, one text each, `size` in points (the window's dpi knows the pixel ratio); `back` is the colour of a plate behind."""
        points, names = vtkPoints(), vtkStringArray()
        points.SetData(vtk_array(np.reshape(positions, (len(texts), 3))))
        names.SetName("text")
        names.SetNumberOfValues(len(texts))
        for k, text in enumerate(texts):
            names.SetValue(k, text)
        self.data.Initialize()
        self.data.SetPoints(points)
        self.data.GetPointData().AddArray(names)
        self.data.Modified()
        self.texts = list(texts)
        look = self.mapper.GetLabelTextProperty()
        look.SetColor(*colour)
        look.SetFontSize(size)
        look.BoldOff()
        look.ItalicOff()
        look.ShadowOff()
        look.SetJustificationToCentered()
        look.SetVerticalJustificationToCentered()
        look.SetBackgroundOpacity(0.0 if back is None else 0.75)
        if back is not None:
            look.SetBackgroundColor(*back)
        self.actor.SetVisibility(len(texts) > 0)


class Surface:
    """Triangles with normals and one colour or one colour per point."""

    def __init__(self):
        self.data, self.actor, self.mapper = vtkPolyData(), vtkActor(), vtkPolyDataMapper()
        self.mapper.SetInputData(self.data)
        self.actor.SetMapper(self.mapper)
        self.actor.VisibilityOff()
        matte(self.actor)

    def set(
        self,
        points: np.ndarray,
        triangles: np.ndarray,
        *,
        normals: np.ndarray | None = None,
        colours: np.ndarray | Colour,
        opacity: float = 1.0,
        lit: bool = True,
    ) -> None:
        """points (N, 3) Å, triangles (M, 3), normals (N, 3), colours (N, 3) uint8 or one colour."""
        self.data.Initialize()
        places, cells = vtkPoints(), vtkCellArray()
        places.SetData(vtk_array(np.reshape(points, (-1, 3))))
        m = len(triangles)
        cells.SetData(vtk_array(np.arange(0, 3 * m + 1, 3), dtype=np.int64), vtk_array(np.reshape(triangles, -1), dtype=np.int64))
        self.data.SetPoints(places)
        self.data.SetPolys(cells)
        if normals is not None and len(normals):
            self.data.GetPointData().SetNormals(vtk_array(normals, "normals"))
        look = self.actor.GetProperty()
        if isinstance(colours, tuple):
            look.SetColor(*colours)
        elif len(colours):
            self.data.GetPointData().SetScalars(vtk_array(colours, "rgb", np.uint8))
        look.SetOpacity(opacity)
        look.SetAmbient(0.28 if opacity == 1.0 else 0.5)  # the far side of a translucent body is seen from within
        look.SetLighting(lit)
        self.data.Modified()
        self.actor.SetVisibility(m > 0)

    def hide(self) -> None:
        """Nothing to draw."""
        self.actor.VisibilityOff()


def matte(actor: vtkActor) -> None:
    """The material of everything solid: soft, with a small highlight."""
    look = actor.GetProperty()
    look.SetInterpolationToPhong()
    look.SetAmbient(0.28)
    look.SetDiffuse(0.72)
    look.SetSpecular(0.22)
    look.SetSpecularPower(28.0)
