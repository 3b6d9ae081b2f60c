"""`Drawing`: a structure, its fields and marks as named actors on any pyvista plotter. No Qt; it never renders, the owner does, once per change.

drawing = Drawing(pyvista.Plotter(off_screen=True), LIGHT)
drawing.set_structure(structure)
drawing.fit()
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.core.fields import GridField
from solvers.core.structure import Structure

from ..theme import LIGHT, Theme, rgb
from ..translate import tr
from . import bonds as bond_search
from . import camera, geometry, measure
from .isosurface import default_level, isosurface, slice_plane
from .legend import ColourBar
from .pick import Projector, visible
from .shapes import Arrows, Dots, Lines, Spheres, Sticks, Surface, Texts, vtk_array
from .styles import DOTS_ABOVE, Style, drawable, element_colours, map_colours, paler, per_atom_value, radii, value_range
from .triad import Triad

__all__ = ["Drawing", "Drawn", "vtk_array"]

#: labels above this number of atoms would be a grey carpet and are left out, with a note
LABEL_LIMIT = 2000
#: eV/Å; below this every force is rounding
FORCE_NOISE = 1e-6
#: µB; below this a moment is what a cycle has left of one that vanished
MOMENT_NOISE = 1e-2
_FACE_LIMIT = 20_000  # atoms; above, nobody sees which ones stand on a face
#: what a picture off screen takes over
_COPIED = ("structure", "selection", "forces", "velocities", "moments", "preview", "measurements",
           "field", "level", "opacity", "surfaces", "_positions", "_cell", "_slice", "_surface")
_TRIAD_SIZE = 124  # device-independent pixels


@dataclass(frozen=True)
class Drawn:
    """What stands in the picture: positions (n, 3) Å and radii (n,) Å as drawn, images included; owner (n,) = the atom's index in the structure."""

    positions: np.ndarray
    radii: np.ndarray
    owner: np.ndarray


class Drawing:
    """Named actors for one structure. Every `set_…` replaces what it names and nothing else; `None` removes it."""

    def __init__(self, plotter: Any, theme: Theme = LIGHT, style: Style | None = None, pixel_ratio: float = 1.0):
        self.plotter, self.theme, self.style, self.pixel_ratio = plotter, theme, style or Style(), pixel_ratio
        self.structure: Structure | None = None
        self.selection: frozenset[int] = frozenset()
        self.forces: np.ndarray | None = None
        self.velocities: np.ndarray | None = None
        self.moments: np.ndarray | None = None
        self.preview: Structure | None = None
        self.measurements: tuple[tuple[int, ...], ...] = ()
        self.field: GridField | None = None
        self.level: float | None = None
        self.opacity = 0.55  # of isosurfaces
        self.surfaces = True  # isosurfaces are wanted, not only a slice
        self.bonds = bond_search.NONE
        self.drawn = Drawn(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64))
        self._shift, self._whole_cells = np.zeros((0, 3), np.int64), 0  # of every drawn atom, in cells; how many of them are not extra images on faces
        self._positions, self._cell = np.zeros((0, 3)), np.zeros((3, 3))
        self._same_images = False  # true while another frame of the same atoms is drawn
        self._notes: dict[str, str] = {}
        self._slice: tuple[tuple[float, float, float], float] | None = None
        self._surface: dict[str, Any] | None = None
        self.atoms, self.dots, self.halo, self.ghost_atoms = Spheres(), Dots(), Spheres(), Spheres()
        self.sticks, self.ghost_sticks = Sticks(), Sticks()
        self.cell_lines, self.outer_lines, self.ghost_cell, self.measure_lines = Lines(), Lines(), Lines(), Lines()
        self.force_arrows, self.velocity_arrows = Arrows(), Arrows()
        self.up_arrows, self.down_arrows = Arrows(), Arrows()
        self.positive, self.negative, self.cut, self.body = Surface(), Surface(), Surface(), Surface()
        self.labels, self.measure_texts = Texts(), Texts()
        self.labels_all: tuple[np.ndarray, list[str]] = (np.zeros((0, 3)), [])
        self.bar = ColourBar()
        named = {
            "atoms": self.atoms,
            "dots": self.dots,
            "bonds": self.sticks,
            "selection": self.halo,
            "preview atoms": self.ghost_atoms,
            "preview bonds": self.ghost_sticks,
            "cell": self.cell_lines,
            "repeated cell": self.outer_lines,
            "preview cell": self.ghost_cell,
            "measure lines": self.measure_lines,
            "isosurface +": self.positive,
            "isosurface -": self.negative,
            "slice": self.cut,
            "surface": self.body,
            "labels": self.labels,
            "measure texts": self.measure_texts,
        }
        for name, shape in named.items():
            plotter.add_actor(shape.actor, name=name, render=False, reset_camera=False, pickable=False)
        for name, arrows in (
            ("forces", self.force_arrows),
            ("velocities", self.velocity_arrows),
            ("moments up", self.up_arrows),
            ("moments down", self.down_arrows),
        ):
            for part, actor in zip(("shafts", "heads"), arrows.actors, strict=True):
                plotter.add_actor(actor, name=f"{name} {part}", render=False, reset_camera=False, pickable=False)
        plotter.add_actor(self.bar.actor, name="colour bar", render=False, reset_camera=False, pickable=False)
        plotter.render_window.SetMultiSamples(0)  # impostors gain nothing from it, and VTK's edge filter turns the picture black with it
        self.triad = Triad(plotter.render_window, plotter.renderer)
        camera.lights(plotter.renderer)
        self.set_theme(theme)

    # ---- what to draw --------------------------------------------------------------------------------------------------------
    def set_structure(self, structure: Structure | None, *, same_images: bool = False) -> None:
        """Draw `structure`; marks that no longer fit (selection, forces, measurements of atoms that are gone) are dropped.

        `same_images`: another frame of the same atoms; the images on the faces stay those of the frame before, or they would come and go with every vibration.
        """
        before = self.structure
        self._same_images = same_images and before is not None and structure is not None and np.array_equal(before.numbers, structure.numbers)
        self.structure = structure
        n = 0 if structure is None else len(structure)
        self.selection = frozenset(k for k in self.selection if k < n)
        self.measurements = tuple(item for item in self.measurements if max(item) < n)
        for name in ("forces", "velocities", "moments"):
            if getattr(self, name) is not None and len(getattr(self, name)) != n:
                setattr(self, name, None)
        self._positions = np.zeros((0, 3)) if structure is None else structure.positions
        self._cell = np.zeros((3, 3)) if structure is None else structure.cell
        self._draw_all()
        self._same_images = False

    def set_style(self, style: Style) -> None:
        """Draw everything in another style."""
        self.style = style
        self.plotter.renderer.GetActiveCamera().SetParallelProjection(not style.perspective)
        self._draw_everything()

    def set_theme(self, theme: Theme) -> None:
        """Change all colours that depend on light or dark."""
        self.theme = theme
        self.plotter.set_background(theme.view_bottom, top=theme.view_top)
        self.plotter.renderer.GetActiveCamera().SetParallelProjection(not self.style.perspective)
        self._draw_everything()

    def set_selection(self, atoms: Iterable[int]) -> None:
        """Halos around these atoms and their images."""
        n = 0 if self.structure is None else len(self.structure)
        self.selection = frozenset(int(k) for k in atoms if 0 <= int(k) < n)
        self._draw_selection()

    def set_forces(self, forces: np.ndarray | None) -> None:
        """Arrows along forces (N, 3) eV/Å; raises ValueError for another number of rows."""
        self.forces = self._vectors(forces, "forces")
        self._draw_vectors()
        if self.style.colour_by == "force":
            self._draw_atoms()

    def set_velocities(self, velocities: np.ndarray | None) -> None:
        """Arrows along velocities (N, 3) Å/fs; raises ValueError for another number of rows."""
        self.velocities = self._vectors(velocities, "velocities")
        self._draw_vectors()

    def set_moments(self, moments: np.ndarray | None) -> None:
        """Arrows through the atoms for magnetic moments (N,) µB, up and down in two colours; raises ValueError for another number of rows."""
        self.moments = None if moments is None else self._vectors(np.outer(np.asarray(moments, float), (0.0, 0.0, 1.0)), "moments")[:, 2]
        self._draw_moments()

    def set_field(self, field: GridField | None, level: float | None = None, opacity: float = 0.55, surfaces: bool = True) -> float | None:
        """Isosurfaces of `field` at +level and, where the field goes below, -level; level None = a default from the data. Returns the level used.

        `surfaces` False: the field is only there for a slice.
        """
        self.opacity = float(np.clip(opacity, 0.05, 1.0))
        self.field, self.surfaces = field, surfaces
        self.level = None if field is None else float(default_level(field) if level is None else abs(level))
        self._draw_field()
        return self.level

    def set_slice(self, hkl: tuple[float, float, float] | None, offset: float = 0.5) -> None:
        """A coloured cut through the field along a lattice plane; None removes it."""
        self._slice = None if hkl is None else (hkl, offset)
        self._draw_field()

    @property
    def has_slice(self) -> bool:
        """A cut is wanted."""
        return None not in (self._slice, self.field)

    def set_surface(
        self, points: np.ndarray | None, triangles: np.ndarray | None = None, values: np.ndarray | None = None, *, title: str = "", colour_map: str = "viridis"
    ) -> None:
        """A body coloured by a value per point, such as E(n) in GPa; it is scaled to the picture and hides the atoms until None is given."""
        self._surface = (
            None
            if points is None
            else {
                "points": np.array(points, float),
                "triangles": np.array(triangles, np.int64),
                "values": np.array(values, float),
                "title": title,
                "colour_map": colour_map,
            }
        )
        self._draw_everything()

    def set_preview(self, structure: Structure | None) -> None:
        """A ghost of a structure that is not accepted yet, over the present one."""
        self.preview = structure
        self._draw_preview()

    def set_measurements(self, measurements: Iterable[tuple[int, ...]]) -> None:
        """Lines and texts for tuples of 2, 3 or 4 atoms."""
        self.measurements = tuple(tuple(int(k) for k in item) for item in measurements)
        self._draw_measurements()

    def update_positions(self, positions: np.ndarray, cell: np.ndarray | None = None) -> None:
        """The fast road of playback: the same atoms elsewhere, arrays overwritten in place, bonds searched anew.

        Raises ValueError for another number of atoms.
        """
        n = 0 if self.structure is None else len(self.structure)
        if self.structure is None or np.shape(positions) != (n, 3):
            raise ValueError(f"A frame with positions of shape {np.shape(positions)} does not belong to the {n} atoms shown. Show its structure first.")
        self._positions = np.array(positions, float)
        if cell is not None and not np.array_equal(cell, self._cell):
            self._cell = np.array(cell, float)
            self._draw_cell()
        at = geometry.placed(self._positions, self._cell, self.drawn.owner, self._shift)
        self.drawn = Drawn(at, self.drawn.radii, self.drawn.owner)
        (self.dots if self._as_dots() else self.atoms).move(at)
        self._draw_bonds()
        if self.selection:
            self._draw_selection()
        if self.forces is not None or self.velocities is not None:
            self._draw_vectors()
        if self.moments is not None:
            self._draw_moments()
        if self.measurements:
            self._draw_measurements()
        if self.style.labels:
            self._draw_labels()

    # ---- camera ----------------------------------------------------------------------------------------------------------------
    def fit(self) -> None:
        """Bring everything into the picture without turning the camera."""
        centre, radius = self.extent()
        camera.fit(self.plotter.renderer.GetActiveCamera(), centre, radius, self.aspect(), self._outline())
        camera.clip(self.plotter.renderer, centre, radius)

    def start(self) -> None:
        """The first direction of view, everything in the picture."""
        camera.start(self.plotter.renderer.GetActiveCamera(), self._cell)
        self.fit()

    def look_along(self, axis: str) -> None:
        """Look along x, y, z or a, b, c ("-" in front: from the other side) and fit. Raises ValueError for another axis."""
        camera.look_along(self.plotter.renderer.GetActiveCamera(), axis, self._cell)
        self.fit()

    def turn(self, angle: float) -> None:
        """Turn the camera by `angle` degrees around the upright axis of the picture."""
        self.plotter.renderer.GetActiveCamera().Azimuth(angle)
        camera.clip(self.plotter.renderer, *self.extent())

    def extent(self) -> tuple[np.ndarray, float]:
        """Centre (3,) and radius in Å of a sphere around all that is drawn."""
        points, margin = self._outline()
        if not len(points):
            return np.zeros(3), 5.0
        centre = 0.5 * (points.min(axis=0) + points.max(axis=0))
        return centre, float(np.linalg.norm(points - centre, axis=1).max()) + margin

    def _outline(self) -> tuple[np.ndarray, float]:
        """Points (N, 3) Å that the picture should hold, and the margin in Å around each."""
        if self._surface is not None:
            return self._surface["points"], 0.05 * float(np.linalg.norm(self._surface["points"], axis=1).max())
        parts = [self.drawn.positions]
        edges = geometry.cell_edges(self._cell, self.style.repeat)
        if self.style.cell or not len(self.drawn.positions):
            parts.append(edges.reshape(-1, 3))
        if self.preview is not None:
            parts += [self.preview.positions, geometry.cell_edges(self.preview.cell).reshape(-1, 3)]
        return np.concatenate(parts), float(self.drawn.radii.max()) if len(self.drawn.radii) else 0.5

    def aspect(self) -> float:
        """Width over height of the render window."""
        width, height = self.plotter.render_window.GetSize()
        return width / height if width > 0 and height > 0 else 1.0

    def resized(self) -> None:
        """Call after the window changed its size or pixel ratio."""
        width, height = self.plotter.render_window.GetSize()
        self.triad.place(width, height, round(_TRIAD_SIZE * self.pixel_ratio))

    @property
    def notes(self) -> list[str]:
        """What is not drawn and why."""
        return list(self._notes.values())

    def copy_from(self, other: Drawing) -> None:
        """Draw what `other` draws, from the same camera; used for pictures off screen."""
        for name in _COPIED:
            setattr(self, name, getattr(other, name))
        self.theme, self.style = other.theme, other.style
        self._draw_everything()
        self.plotter.renderer.GetActiveCamera().DeepCopy(other.plotter.renderer.GetActiveCamera())
        camera.clip(self.plotter.renderer, *self.extent())
        self.resized()

    def close(self) -> None:
        """Take out what pyvista does not know about."""
        self.triad.close()

    # ---- drawing ---------------------------------------------------------------------------------------------------------------
    def _draw_all(self) -> None:
        self._notes.clear()
        self._draw_atoms()
        self._draw_bonds()
        self._draw_cell()
        self._draw_selection()
        self._draw_vectors()
        self._draw_moments()
        self._draw_labels()
        self._draw_measurements()
        self._draw_preview()
        self.resized()

    def _count(self) -> int:
        return 0 if self.structure is None else len(self.structure) * int(np.prod(self.style.repeat))

    def _as_dots(self) -> bool:
        return self.style.representation == "dots" or self._count() > DOTS_ABOVE

    def _hidden(self) -> bool:
        return self._surface is not None

    def _draw_atoms(self) -> None:
        n = 0 if self.structure is None else len(self.structure)
        numbers = self.structure.numbers if n else np.zeros(0, np.int64)
        owner = self.drawn.owner
        if not self._same_images:
            owner, self._shift = geometry.repeats(n, self.style.repeat)
            self._whole_cells = len(owner)
        if n and self.style.face_atoms and n <= _FACE_LIMIT and not self._same_images:
            more, beyond = geometry.face_images(self._positions, self._cell, self.structure.pbc, self.style.repeat)
            owner, self._shift = np.concatenate([owner, more]), np.concatenate([self._shift, beyond])
        at = geometry.placed(self._positions, self._cell, owner, self._shift)
        size = radii(numbers, self.style)[owner]
        self.drawn = Drawn(at, size, owner)
        own = self._colours()
        colours = own[owner]
        if not self.bar.actor.GetVisibility():  # a colour that stands for a number must not change
            colours[n:] = paler(colours[n:], rgb(self.theme.view_bottom))
        dots = self._as_dots()
        self.atoms.set(*((np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64)) if dots else (at, colours, size, owner)))
        self.dots.set(*((at, colours, 4.0 * self.pixel_ratio, owner) if dots else (np.zeros((0, 3)), np.zeros((0, 3), np.uint8), 1.0, np.zeros(0, np.int64))))
        if dots and self.style.representation != "dots":
            self._notes["dots"] = tr(
                "{count} atoms are drawn as dots: above {limit} spheres would be slow.", count=f"{self._count():,}", limit=f"{DOTS_ABOVE:,}"
            )
        for shape in (self.atoms, self.dots):
            if self._hidden():
                shape.actor.VisibilityOff()
        if self._surface is not None:  # its bar stays when the atoms behind it are drawn again
            self._draw_surface()

    def _colours(self) -> np.ndarray:
        """(N, 3) uint8 of the structure's own atoms; sets the colour bar."""
        self._notes.pop("colour", None)
        self.bar.hide()
        if self.structure is None:
            return np.zeros((0, 3), np.uint8)
        by = self.style.colour_by
        if by == "element":
            return element_colours(self.structure.numbers)
        values = self.forces if by == "force" else self.structure.arrays.get(by)
        if values is None or np.asarray(values).dtype.kind not in "biuf":
            self._notes["colour"] = tr("There are no numbers called {name} for these atoms; colours show elements.", name=by)
            return element_colours(self.structure.numbers)
        numbers = per_atom_value(values)
        low, high = self.style.colour_range or value_range(numbers)
        self.bar.set(self.style.colour_map, low, high, drawable(tr("force, eV/Å"), "|F|, eV/Å") if by == "force" else by, rgb(self.theme.view_text), 13)
        return map_colours(numbers, self.style.colour_map, low, high)

    def _bonds_wanted(self) -> bool:
        return self.structure is not None and self.style.bonds and self.style.representation in ("ball and stick", "sticks") and not self._hidden()

    def _draw_bonds(self) -> None:
        self._notes.pop("bonds", None)
        self.bonds = bond_search.NONE
        if self._bonds_wanted():
            if self._count() > bond_search.LIMIT:
                self._notes["bonds"] = tr("Bonds are not drawn above {limit} atoms.", limit=f"{bond_search.LIMIT:,}")
            else:
                self.bonds = self._search(self.structure.numbers, self._positions, self._cell, self.structure.pbc)
        extra = np.arange(len(self.drawn.owner)) >= self._whole_cells
        starts, vectors, row = geometry.half_bonds(self.bonds, self._positions, self._cell, self.drawn.owner, self._shift, extra)
        colours = (self.dots if self._as_dots() else self.atoms).array("rgb")[row] if len(row) else np.zeros((0, 3), np.uint8)
        self.sticks.set(starts, vectors, colours, self.style.bond_radius * (1.6 if self.style.representation == "sticks" else 1.0))

    def _search(self, numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> bond_search.Bonds:
        """Bonds, or none and a note where the atoms stand too close for a search."""
        try:
            return bond_search.find_bonds(numbers, positions, cell, pbc, scale=self.style.bond_reach)
        except bond_search.CrowdedError:
            self._notes["bonds"] = tr("Bonds are not drawn: the atoms stand closer together than matter allows. Is the file's unit of length Å?")
            return bond_search.NONE

    def _draw_cell(self) -> None:
        wanted = self.style.cell and not self._hidden()
        edges = geometry.cell_edges(self._cell) if wanted else np.zeros((0, 2, 3))
        self.cell_lines.set(edges, rgb(self.theme.cell), 2.0 * self.pixel_ratio)
        outer = geometry.cell_edges(self._cell, self.style.repeat) if wanted and self.style.repeat != (1, 1, 1) else np.zeros((0, 2, 3))
        self.outer_lines.set(outer, rgb(self.theme.cell), 1.5 * self.pixel_ratio, 0.5)
        lattice = self.style.axes == "abc" and np.linalg.norm(self._cell, axis=1).max() > 1e-9 and not self._hidden()
        directions = self._cell if lattice else np.eye(3)
        names = "" if not self.style.axes else "abc" if lattice else "xyz"
        self.triad.set(directions, names, rgb(self.theme.view_text), 13)

    def _draw_selection(self) -> None:
        chosen = (
            np.isin(self.drawn.owner, np.fromiter(self.selection, np.int64, len(self.selection)))
            if self.selection and not self._hidden()
            else np.zeros(len(self.drawn.owner), bool)
        )
        at, size = self.drawn.positions[chosen], self.drawn.radii[chosen]
        self.halo.set(at, rgb(self.theme.selected), size * 1.12 + 0.13, self.drawn.owner[chosen])
        look = self.halo.actor.GetProperty()
        look.SetOpacity(0.42)
        look.SetAmbient(0.9)
        look.SetDiffuse(0.25)
        look.SetSpecular(0.0)

    def _vectors(self, values: np.ndarray | None, what: str) -> np.ndarray | None:
        if values is None:
            return None
        values = np.array(values, float)
        n = 0 if self.structure is None else len(self.structure)
        if values.shape != (n, 3):
            raise ValueError(f"{what.capitalize()} of shape {values.shape} do not fit {n} atoms. Allowed: ({n}, 3).")
        return values

    def _draw_vectors(self) -> None:
        self._notes.pop("forces", None)
        if self.forces is not None and not self._hidden() and not geometry.above_noise(self.forces, FORCE_NOISE):
            self._notes["forces"] = tr("No forces are drawn: all are below {limit:g} eV/Å.", limit=FORCE_NOISE)
        for arrows, values, scale, colour, noise in (
            (self.force_arrows, self.forces, self.style.force_scale, self.theme.force, FORCE_NOISE),
            (self.velocity_arrows, self.velocities, self.style.velocity_scale, self.theme.velocity, 0.0),
        ):
            if values is None or self._hidden() or not geometry.above_noise(values, noise):  # scaled to 2 Å, noise would look like forces
                arrows.set(np.zeros((0, 3)), np.zeros((0, 3)), rgb(colour))
                continue
            vectors = self.arrow_lengths(values, scale)[self.drawn.owner]
            length = np.linalg.norm(vectors, axis=1, keepdims=True)
            starts = self.drawn.positions + vectors / np.maximum(length, 1e-12) * 0.9 * self.drawn.radii[:, None]
            arrows.set(starts, vectors, rgb(colour))

    def _draw_moments(self) -> None:
        moments = np.zeros(len(self._positions)) if self.moments is None or self._hidden() else self.moments
        starts, vectors = geometry.moment_arrows(self.drawn.positions, self.drawn.radii, moments[self.drawn.owner], MOMENT_NOISE)
        for arrows, sign, colour in ((self.up_arrows, 1.0, self.theme.positive), (self.down_arrows, -1.0, self.theme.negative)):
            chosen = sign * vectors[:, 2] > 0
            arrows.set(starts[chosen], vectors[chosen], rgb(colour), 0.09)

    @staticmethod
    def arrow_lengths(values: np.ndarray, scale: float | None) -> np.ndarray:
        """(N, 3) Å: values times `scale`; scale None makes the longest arrow 2 Å."""
        longest = float(np.linalg.norm(values, axis=1).max(initial=0.0))
        return values * (scale if scale is not None else 2.0 / longest if longest > 0 else 0.0)

    def set_coarse(self, coarse: bool) -> None:
        """While the view moves on a slow machine: bonds are left out, they cost most."""
        self.sticks.actor.SetVisibility(self.sticks.count > 0 and not coarse)

    def cull_labels(self, projector: Projector) -> None:
        """Take out the labels of atoms that stand behind others, seen through `projector`."""
        if not self.style.labels or not self.labels_all[1]:
            return
        places, texts = self.labels_all
        seen = visible(projector, self.drawn.positions, self.drawn.radii)
        self.labels.set(
            places[seen], [text for text, flag in zip(texts, seen, strict=True) if flag], rgb(self.theme.view_text), 13, back=rgb(self.theme.view_bottom)
        )

    def _draw_labels(self) -> None:
        self._notes.pop("labels", None)
        texts: list[str] = []
        if self.style.labels and self.structure is not None and not self._hidden():
            if self._count() > LABEL_LIMIT:
                self._notes["labels"] = tr("Labels are not drawn above {limit} atoms.", limit=f"{LABEL_LIMIT:,}")
            else:
                symbols = self.structure.symbols
                texts = [{"element": symbols[k], "index": str(k), "both": f"{symbols[k]}{k}"}[self.style.labels] for k in self.drawn.owner]
        self.labels_all = (self.drawn.positions if texts else np.zeros((0, 3)), texts)
        self.labels.set(*self.labels_all, rgb(self.theme.view_text), 13, back=rgb(self.theme.view_bottom))

    def _draw_measurements(self) -> None:
        segments, places, texts = [], [], []
        if self.structure is not None and not self._hidden():
            now = self.structure.with_(positions=self._positions, cell=self._cell)
            for item in self.measurements:
                points = measure.chain(now, item)
                segments += [points[k : k + 2] for k in range(len(points) - 1)]
                if len(item) > 1:
                    places.append(geometry.inside_angle(points) if len(item) == 3 else points.mean(axis=0))
                    texts.append(measure.short_text(now, item))
        self.measure_lines.set(np.array(segments).reshape(-1, 2, 3), rgb(self.theme.measure), 2.0 * self.pixel_ratio)
        self.measure_texts.set(np.array(places).reshape(-1, 3), texts, rgb(self.theme.measure), 14, back=rgb(self.theme.view_bottom))

    def _draw_preview(self) -> None:
        ghost = None if self._hidden() else self.preview
        colour = rgb(self.theme.preview)
        at = np.zeros((0, 3)) if ghost is None else ghost.positions
        numbers = np.zeros(0, np.int64) if ghost is None else ghost.numbers
        self.ghost_atoms.set(at, colour, radii(numbers, self.style) * 1.03, np.arange(len(at)))
        found = bond_search.NONE
        if ghost is not None and len(ghost) <= bond_search.LIMIT and self.style.bonds:
            found = self._search(ghost.numbers, ghost.positions, ghost.cell, ghost.pbc)
        own = np.arange(len(at))
        starts, vectors, _ = geometry.half_bonds(
            found, at, np.zeros((3, 3)) if ghost is None else ghost.cell, own, np.zeros((len(at), 3), np.int64), np.zeros(len(at), bool)
        )
        self.ghost_sticks.set(starts, vectors, colour, self.style.bond_radius)
        for shape in (self.ghost_atoms, self.ghost_sticks):
            shape.actor.GetProperty().SetOpacity(0.45)
        self.ghost_cell.set(np.zeros((0, 2, 3)) if ghost is None else geometry.cell_edges(ghost.cell), colour, 1.6 * self.pixel_ratio)

    def _draw_field(self) -> None:
        self._notes.pop("field", None)
        self.positive.hide()
        self.negative.hide()
        self.cut.hide()
        if self.field is None or self._hidden():
            return
        values = self.field.values.sum(axis=0)
        reached = False
        for shape, sign, colour in ((self.positive, 1.0, self.theme.positive), (self.negative, -1.0, self.theme.negative)):
            if self.surfaces and float((sign * values).max()) > self.level:
                points, triangles, normals = isosurface(self.field, sign * self.level, repeat=self.style.repeat)
                shape.set(points, triangles, normals=normals, colours=rgb(colour), opacity=self.opacity)
                reached = reached or len(triangles) > 0
        if not reached and self.surfaces:
            self._notes["field"] = tr(
                "{name} does not reach ±{level} {unit}; it lies between {low} and {high}.",
                name=self.field.name,
                level=f"{self.level:.4g}",
                unit=self.field.unit,
                low=f"{values.min():.4g}",
                high=f"{values.max():.4g}",
            )
        if self._slice is not None:
            points, triangles, numbers = slice_plane(self.field, *self._slice)
            low, high = value_range(values.ravel())
            name = "orange-blue" if low < 0 < high else "viridis"  # the sign has the colours that it has on surfaces
            if name == "orange-blue":
                high = max(-low, high)
                low = -high
            self.cut.set(points, triangles, colours=map_colours(numbers, name, low, high), lit=False)
            title = self.field.name if self.field.unit == "1" else f"{self.field.name}, {self.field.unit}"
            self.bar.set(name, low, high, title, rgb(self.theme.view_text), 13)
        elif self.style.colour_by == "element" and self._surface is None:
            self.bar.hide()

    def _draw_everything(self) -> None:
        self._draw_all()
        self._draw_field()
        self._draw_surface()

    def _draw_surface(self) -> None:
        if self._surface is None:
            self.body.hide()
            return
        item = self._surface
        low, high = value_range(item["values"])
        points, triangles = item["points"], item["triangles"]
        self.body.set(points, triangles, normals=geometry.point_normals(points, triangles), colours=map_colours(item["values"], item["colour_map"], low, high))
        self.bar.set(item["colour_map"], low, high, item["title"], rgb(self.theme.view_text), 13)
