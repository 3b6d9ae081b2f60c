"""Surfaces and slices of a `GridField`: marching cubes on the grid, then one affine map to the cell. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPlane
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkFlyingEdgesPlaneCutter

from solvers.core.fields import GridField

from .shapes import vtk_array

_LOCALISED = 0.8  # of the electron localisation function: bonds and lone pairs
Mesh = tuple[np.ndarray, np.ndarray, np.ndarray]


def closed_values(field: GridField, spin: int | None = None) -> np.ndarray:
    """(nx+1, ny+1, nz+1): the field with its first planes repeated at the far faces; spin None = the sum over spins."""
    values = field.values.sum(axis=0) if spin is None else field.values[spin]
    return np.pad(values, ((0, 1),) * 3, mode="wrap")


def default_level(field: GridField) -> float:
    """Mean plus twice the standard deviation of |field|: shows the bulk of a density without a search by hand; 0.8 for a localisation function."""
    if field.unit == "1" and field.values.min() >= 0.0 and field.values.max() <= 1.0 + 1e-6:  # a localisation function
        return _LOCALISED if field.values.max() > _LOCALISED else 0.5 * float(field.values.max())
    size = np.abs(field.values.sum(axis=0))
    level = float(size.mean() + 2.0 * size.std())
    return level if level < float(size.max()) else 0.5 * float(size.max())


def isosurface(field: GridField, level: float, *, spin: int | None = None, repeat: tuple[int, int, int] = (1, 1, 1)) -> Mesh:
    """points (N, 3) Å, triangles (M, 3), unit normals (N, 3) of the surface field = level over the whole cell; all empty when the level is not reached.

    The periodic closure makes the surface reach every face of the cell; normals are gradients, so they agree across faces.
    Flying edges: Schroeder, Maynard and Geveci, LDAV 2015.
    """
    values = closed_values(field, spin)
    image = _image(values)
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, float(level))
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    contour.Update()
    index, triangles = _mesh(contour.GetOutput())
    if not len(index):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3))
    steps = field.cell / np.array(field.shape)[:, None]  # Å per grid step, rows
    normals = -_periodic_gradient(values[:-1, :-1, :-1], index) @ np.linalg.inv(steps).T * np.sign(level if level else 1.0)
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-12)[:, None]
    points = index @ steps + np.asarray(field.origin)
    if np.prod(repeat) == 1:
        return points, triangles, normals
    moves = np.stack(np.meshgrid(*(np.arange(k) for k in repeat), indexing="ij"), axis=-1).reshape(-1, 3) @ field.cell
    count = len(moves)
    return (
        (points[None] + moves[:, None]).reshape(-1, 3),
        (triangles[None] + (np.arange(count) * len(points))[:, None, None]).reshape(-1, 3),
        np.tile(normals, (count, 1)),
    )


def slice_plane(
    field: GridField, hkl: tuple[float, float, float], offset: float = 0.5, *, spin: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """points (N, 3) Å, triangles (M, 3), values (N,) of the field on the plane h·x + k·y + l·z = const (fractional x, y, z) inside the cell.

    offset 0 … 1 runs from the first to the last corner of the cell that the family of planes touches. Raises ValueError for hkl = 0.
    """
    miller = np.asarray(hkl, float)
    if not np.abs(miller).max() > 0:
        raise ValueError("The plane (0 0 0) has no direction. Give at least one index that is not zero.")
    low, high = float(np.minimum(miller, 0).sum()), float(np.maximum(miller, 0).sum())
    constant = low + min(max(offset, 1e-6), 1 - 1e-6) * (high - low)
    shape = np.array(field.shape)
    normal = miller / shape  # in index space
    origin = normal * constant / float(normal @ normal)
    plane = vtkPlane()
    plane.SetNormal(*normal)
    plane.SetOrigin(*origin)
    cutter = vtkFlyingEdgesPlaneCutter()
    cutter.SetInputData(_image(closed_values(field, spin)))
    cutter.SetPlane(plane)
    cutter.ComputeNormalsOff()
    cutter.InterpolateAttributesOn()
    cutter.Update()
    out = cutter.GetOutput()
    index, triangles = _mesh(out)
    if not len(index):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros(0)
    values = vtk_to_numpy(out.GetPointData().GetArray("value")).astype(float)
    return index / shape @ field.cell + np.asarray(field.origin), triangles, values


def enclosed_volume(points: np.ndarray, triangles: np.ndarray) -> float:
    """Å³ inside a closed surface, by the divergence theorem; the sign tells the orientation."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6.0)


def _image(values: np.ndarray) -> vtkImageData:
    image = vtkImageData()
    image.SetDimensions(*values.shape)
    image.GetPointData().SetScalars(vtk_array(values.ravel(order="F"), "value"))
    return image


def _mesh(data) -> tuple[np.ndarray, np.ndarray]:
    if not data.GetNumberOfPoints():
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    return vtk_to_numpy(data.GetPoints().GetData()).astype(float), vtk_to_numpy(data.GetPolys().GetConnectivityArray()).astype(np.int64).reshape(-1, 3)


def _periodic_gradient(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(N, 3) central differences per grid step at fractional grid indices (N, 3), linear between the two grid points around each.

    Marching cubes puts its points on grid edges, so at most one of the three indices is not whole and two grid points suffice.
    """
    shape = np.array(values.shape)
    base = np.floor(index + 1e-6).astype(np.int64)
    part = np.clip(index - base, 0.0, 1.0)
    ahead = base + (part > 1e-6)
    weight = part.max(axis=1, keepdims=True)
    return (1.0 - weight) * _difference(values, base % shape, shape) + weight * _difference(values, ahead % shape, shape)


def _difference(values: np.ndarray, at: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """(N, 3) central differences at whole indices at (N, 3)."""
    out = np.empty(at.shape)
    for axis in range(3):
        forward, backward = at.copy(), at.copy()
        forward[:, axis] = (forward[:, axis] + 1) % shape[axis]
        backward[:, axis] -= 1  # -1 is the last plane: periodic
        out[:, axis] = 0.5 * (values[tuple(forward.T)] - values[tuple(backward.T)])
    return out
