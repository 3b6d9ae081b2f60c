"""Structures as actors: what stands in the picture, and that drawing never writes into the data."""

from __future__ import annotations

import time

import numpy as np
import pytest
from ase.build import bulk, molecule
from scipy import ndimage

from qcad_gui.scene import camera, styles
from qcad_gui.scene.draw import LABEL_LIMIT, Drawing
from qcad_gui.scene.geometry import cell_edges
from qcad_gui.scene.shapes import overwrite, vtk_array
from qcad_gui.theme import DARK, LIGHT
from solvers.core.structure import Structure

pytestmark = pytest.mark.scene


def test_vtk_array_copies():
    mine = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    mine.setflags(write=False)
    array = vtk_array(mine, "x")
    overwrite(array, np.zeros((2, 3)))
    assert mine.sum() == 15.0 and array.GetName() == "x" and array.GetComponent(1, 2) == 0.0


def test_drawing_never_writes_into_the_structure(drawing, shoot, silicon, gaussian):
    """The mutation test: run every consumer, then overwrite everything VTK holds; the frozen data keeps its fingerprint."""
    forces = np.ones((8, 3))
    forces.setflags(write=False)
    field = gaussian()
    before, values = silicon.fingerprint, field.values.copy()
    picture = drawing(silicon, labels="both", repeat=(2, 1, 1))
    picture.set_forces(forces)
    picture.set_selection([0])
    picture.set_field(field)
    picture.set_slice((1, 0, 0))
    picture.set_preview(silicon)
    picture.set_measurements([(0, 1)])
    shoot(picture)
    for shape in (picture.atoms, picture.sticks, picture.halo, picture.ghost_atoms, picture.force_arrows.shafts, picture.force_arrows.heads):
        assert shape.count > 0
        overwrite(shape.data.GetPoints().GetData(), 1e3)
        overwrite(shape.data.GetPointData().GetArray("rgb"), 7)
    picture.drawn.positions[:] = 1e3
    assert silicon.fingerprint == before and (forces == 1).all() and np.array_equal(field.values, values)


def test_one_named_actor_per_kind_and_none_piles_up(drawing, silicon, salt):
    picture = drawing(silicon)
    names = set(picture.plotter.renderer.actors)
    assert {"atoms", "bonds", "cell", "selection", "forces shafts", "isosurface +", "labels", "preview atoms", "surface"} <= names
    for structure in (salt, silicon, None, salt):
        picture.set_structure(structure)
        picture.set_selection([0, 1])
    assert set(picture.plotter.renderer.actors) == names


def test_atoms_carry_ids_radii_and_element_colours(drawing, salt):
    picture = drawing(salt)
    assert list(picture.atoms.array("atom")) == list(range(8))
    assert picture.atoms.array("") == pytest.approx(salt.positions, abs=1e-5)
    assert np.array_equal(picture.atoms.array("rgb"), styles.ELEMENT_COLOURS[salt.numbers])
    assert len(np.unique(picture.atoms.array("rgb"), axis=0)) == 2
    assert picture.atoms.array("radius") == pytest.approx(styles.radii(salt.numbers, picture.style), rel=1e-6)


def test_half_bonds_leave_through_the_faces(drawing, silicon):
    """Each silicon has four half bonds, an eighth of the body diagonal long; those of face atoms end outside the cell."""
    picture = drawing(silicon)
    assert picture.sticks.count == 8 * 4
    half = 5.43 * np.sqrt(3) / 8
    assert picture.sticks.array("size")[:, 0] == pytest.approx(half, rel=1e-5)
    centre, direction = picture.sticks.array("").astype(float), picture.sticks.array("direction").astype(float)
    starts, ends = centre - 0.5 * half * direction, centre + 0.5 * half * direction
    distance = np.linalg.norm(starts[:, None] - silicon.positions[None], axis=-1)
    assert distance.min(axis=1) == pytest.approx(0.0, abs=1e-4)
    assert np.bincount(distance.argmin(axis=1), minlength=8).tolist() == [4] * 8
    outside = ((ends / 5.43 < -1e-6) | (ends / 5.43 > 1 + 1e-6)).any(axis=1)
    assert outside.sum() == 9, "three from the corner atom, two from each of the three face atoms"
    gap = np.linalg.norm(ends[:, None] - ends[None], axis=-1) + 1e3 * np.eye(len(ends))
    assert (gap[~outside].min(axis=1) < 1e-4).sum() == 32 - 2 * 9, "inside, two halves meet"


def test_bond_halves_have_their_own_atoms_colour(drawing, salt):
    picture = drawing(salt)
    colours = picture.sticks.array("rgb")
    starts = picture.sticks.array("") - 0.5 * picture.sticks.array("size")[:, :1] * picture.sticks.array("direction")
    owner = np.linalg.norm(starts[:, None] - salt.positions[None], axis=-1).argmin(axis=1)
    assert np.array_equal(colours, styles.ELEMENT_COLOURS[salt.numbers[owner]])


def test_repeating_the_picture_is_not_a_supercell(drawing, silicon):
    picture = drawing(silicon, repeat=(2, 3, 1))
    assert len(picture.drawn.positions) == 48 and set(picture.drawn.owner) == set(range(8))
    supercell = np.sort(silicon.to_atoms().repeat((2, 3, 1)).positions.round(5), axis=0)
    assert np.sort(picture.drawn.positions.round(5), axis=0) == pytest.approx(supercell)
    assert len(picture.structure) == 8
    own, image = picture.atoms.array("rgb")[:8], picture.atoms.array("rgb")[8:]
    assert (own == styles.ELEMENT_COLOURS[14]).all() and (np.abs(image.astype(int) - own[0]).sum(axis=1) > 40).all(), "images are paler than atoms"
    picture.set_selection([3])
    assert picture.halo.count == 6 and set(picture.halo.array("atom")) == {3}


def blobs(image: np.ndarray, background: np.ndarray) -> int:
    """Connected regions that differ from the picture of the empty scene."""
    return ndimage.label(np.abs(image.astype(int) - background.astype(int)).max(axis=2) > 24)[1]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("representation", ["ball and stick", "space filling", "dots"])
def test_as_many_blobs_as_atoms(drawing, shoot, theme, representation):
    apart = Structure([14, 8, 79, 1, 26], np.array([[0, 0, 0], [11, 0, 0], [0, 9, 0], [0, 0, 10], [9, 9, 13]], float))
    picture = drawing(apart, theme=theme, bonds=False, axes="", representation=representation, size=(500, 400))
    image = shoot(picture)
    picture.atoms.actor.VisibilityOff()
    picture.dots.actor.VisibilityOff()
    empty = shoot(picture)
    assert image.std() > 1
    assert blobs(image, empty) == 5


def test_pictures_are_the_same_twice_and_differ_between_themes(drawing, shoot, salt):
    first, again, dark = shoot(drawing(salt)), shoot(drawing(salt)), shoot(drawing(salt, theme=DARK))
    assert np.array_equal(first, again)
    assert first.mean() > 150 > 100 > dark.mean()


def test_empty_scene_and_switching_the_theme_at_run_time(drawing, shoot, silicon):
    picture = drawing(None)
    assert shoot(picture).std() > 0 and picture.notes == []
    picture.set_structure(silicon)
    picture.fit()
    picture.set_theme(DARK)
    switched = shoot(picture)
    assert switched.mean() == pytest.approx(shoot(drawing(silicon, theme=DARK)).mean(), abs=0.5)


def test_playback_moves_in_place(drawing, shoot, silicon):
    picture = drawing(silicon)
    points, colours = picture.atoms.data.GetPoints().GetData(), picture.atoms.array("rgb")
    before = shoot(picture)
    moved = silicon.positions + np.random.default_rng(0).normal(size=(8, 3)) * 0.2
    picture.update_positions(moved)
    assert picture.atoms.data.GetPoints().GetData() is points, "the same VTK array, overwritten"
    assert picture.atoms.array("") == pytest.approx(moved, abs=1e-5) and np.array_equal(picture.atoms.array("rgb"), colours)
    assert picture.drawn.positions == pytest.approx(moved)
    assert (shoot(picture) != before).any()
    with pytest.raises(ValueError, match=r"\(7, 3\) does not belong to the 8 atoms"):
        picture.update_positions(moved[:7])


def test_bonds_follow_the_atoms_in_playback(drawing, silicon):
    picture = drawing(silicon)
    moved = np.array(silicon.positions)
    moved[0] -= 0.9  # away from its four neighbours
    picture.update_positions(moved)
    assert len(picture.bonds) < 16
    picture.update_positions(silicon.positions)
    assert len(picture.bonds) == 16


def test_changing_cells_are_followed(drawing, silicon):
    picture = drawing(silicon)
    picture.update_positions(silicon.positions * 1.1, silicon.cell * 1.1)
    from vtkmodules.util.numpy_support import vtk_to_numpy

    corners = vtk_to_numpy(picture.cell_lines.data.GetPoints().GetData())
    assert corners.max() == pytest.approx(5.43 * 1.1, rel=1e-6)


def test_ten_thousand_atoms_update_twenty_times_a_second(drawing):
    crystal = Structure.from_atoms(bulk("Si", cubic=True).repeat(11))
    assert len(crystal) > 10_000
    picture = drawing(crystal)
    rng = np.random.default_rng(0)
    frames = [crystal.positions + 0.03 * rng.normal(size=crystal.positions.shape) for _ in range(5)]
    spent = []
    for frame in frames:
        began = time.thread_time()
        picture.update_positions(frame)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.05, f"update code took {spent}"


def test_forces_point_along_and_scale(drawing, silicon):
    picture = drawing(silicon, force_scale=2.0, bonds=False)
    forces = np.zeros((8, 3))
    forces[2] = [0.0, 0.5, 0.0]
    picture.set_forces(forces)
    assert picture.force_arrows.shafts.count == 1
    assert picture.force_arrows.heads.array("vector")[0] == pytest.approx([0, 1, 0])
    shaft, head = picture.force_arrows.shafts.array("size")[0, 0], picture.force_arrows.heads.array("height")[0]
    assert shaft + head == pytest.approx(1.0, rel=1e-5)
    with pytest.raises(ValueError, match=r"Forces of shape \(7, 3\) do not fit 8 atoms"):
        picture.set_forces(forces[:7])
    picture.set_forces(None)
    assert not picture.force_arrows.shafts.actor.GetVisibility()
    assert np.linalg.norm(Drawing.arrow_lengths(forces, None), axis=1).max() == pytest.approx(2.0)


def test_colour_by_force_and_by_array(drawing, silicon):
    charged = silicon.with_(arrays={"charge": np.linspace(-1, 1, 8), "name": np.array(list("abcdefgh"))})
    picture = drawing(charged, colour_by="charge", colour_map="cool-warm")
    assert picture.bar.actor.GetVisibility() and len(np.unique(picture.atoms.array("rgb"), axis=0)) == 8
    picture.set_style(picture.style.but(face_atoms=True))
    assert len(picture.drawn.owner) == 18 and len(np.unique(picture.atoms.array("rgb"), axis=0)) == 8, "images keep a colour that means a number"
    picture.set_style(picture.style.but(colour_by="element"))
    assert not picture.bar.actor.GetVisibility()
    picture.set_style(picture.style.but(colour_by="force"))
    assert "no numbers called force" in picture.notes[0]
    picture.set_forces(np.arange(24.0).reshape(8, 3))
    assert picture.notes == [] and "force" in picture.bar.actor.GetTitle()
    picture.set_style(picture.style.but(colour_by="name"))
    assert len(picture.notes) == 1, "text cannot be a colour; said, not hidden"


def test_field_both_signs_level_and_note(drawing, shoot, silicon, gaussian):
    picture = drawing(silicon)
    plain = shoot(picture)
    field = gaussian()
    mixed = type(field)(field.values[0] - 0.5 * gaussian(at=(0.1, 0.2, 0.2)).values[0], field.cell, field.unit, field.name)
    assert picture.set_field(mixed, 0.3, 0.8) == 0.3 and picture.positive.actor.GetProperty().GetOpacity() == 0.8
    assert picture.positive.actor.GetVisibility() and picture.negative.actor.GetVisibility()
    assert (shoot(picture) != plain).any()
    picture.set_field(mixed, 99.0)
    assert "does not reach ±99 e/Å³" in picture.notes[0] and not picture.positive.actor.GetVisibility()
    assert picture.set_field(field) > 0 and not picture.negative.actor.GetVisibility() and picture.notes == []
    picture.set_slice((1, 1, 0))
    assert picture.cut.actor.GetVisibility() and picture.bar.actor.GetVisibility()
    picture.set_slice(None)
    picture.set_field(None)
    assert not any(shape.actor.GetVisibility() for shape in (picture.positive, picture.negative, picture.cut, picture.bar))
    assert np.array_equal(shoot(picture), plain)


def test_elastic_surface_replaces_the_atoms_and_gives_them_back(drawing, shoot, silicon):
    import pyvista

    picture = drawing(silicon)
    plain = shoot(picture)
    sphere = pyvista.Sphere(theta_resolution=30, phi_resolution=30)
    points, triangles = np.array(sphere.points) * 300.0, sphere.faces.reshape(-1, 4)[:, 1:]
    picture.set_surface(points, triangles, np.array(points[:, 2]), title="E, GPa")
    picture.fit()
    assert picture.body.actor.GetVisibility() and not picture.atoms.actor.GetVisibility() and not picture.sticks.actor.GetVisibility()
    from vtkmodules.util.numpy_support import vtk_to_numpy

    normals = vtk_to_numpy(picture.body.data.GetPointData().GetNormals())
    assert (np.einsum("ni,ni->n", normals, points) > 0).all(), "lit from outside"
    assert shoot(picture).std() > 10
    picture.set_surface(None)
    camera.start(picture.plotter.camera)
    picture.fit()
    assert np.array_equal(shoot(picture), plain)


def test_selection_preview_measurements_and_stale_marks(drawing, silicon):
    picture = drawing(silicon)
    picture.set_selection([1, 2, 99, -1])
    assert picture.selection == {1, 2} and picture.halo.count == 2
    picture.set_measurements([(0, 1), (0, 1, 2), (0, 1, 2, 3)])
    assert [text[-1] for text in picture.measure_texts.texts] == ["Å", "°", "°"]
    picture.set_forces(np.ones((8, 3)))
    picture.set_structure(Structure(silicon.numbers[:2], silicon.positions[:2], silicon.cell, silicon.pbc))
    assert picture.selection == {1} and picture.measurements == ((0, 1),) and picture.forces is None
    picture.set_preview(silicon)
    assert picture.ghost_atoms.count == 8 and picture.ghost_atoms.actor.GetProperty().GetOpacity() < 1
    picture.set_preview(None)
    assert not picture.ghost_atoms.actor.GetVisibility()


def test_labels_only_where_they_can_be_read(drawing, salt):
    picture = drawing(salt, labels="both")
    picture.cull_labels(camera.projector(picture.plotter.camera, 400, 300))
    assert len(picture.labels.texts) == 8
    picture.look_along("z")
    picture.cull_labels(camera.projector(picture.plotter.camera, 400, 300))
    assert len(picture.labels.texts) == 4 and set(picture.labels.texts) <= {f"{s}{k}" for k, s in enumerate(salt.symbols)}
    assert len(picture.labels_all[1]) == 8


def test_limits_are_said_never_silent(drawing):
    many = Structure(np.full(LABEL_LIMIT + 1, 2), np.random.default_rng(0).uniform(0, 100, (LABEL_LIMIT + 1, 3)))
    picture = drawing(many, labels="index")
    assert picture.notes == ["Labels are not drawn above 2,000 atoms."]
    huge = Structure(np.full(100_001, 14), np.random.default_rng(0).uniform(0, 200, (100_001, 3)), np.eye(3) * 200, True)
    picture = drawing(huge)
    assert picture.dots.count == 100_001 and not picture.atoms.actor.GetVisibility()
    assert len(picture.notes) == 2 and "drawn as dots" in picture.notes[0] and "Bonds are not drawn" in picture.notes[1]


def test_a_file_in_nanometres_is_not_searched_for_ever(drawing):
    crystal = bulk("Si", cubic=True).repeat(5)
    wrong = Structure(crystal.numbers, crystal.positions / 10, crystal.cell.array / 10, True)
    began = time.thread_time()
    picture = drawing(wrong)
    assert time.thread_time() - began < 3
    assert len(picture.notes) == 1 and "Is the file's unit of length Å?" in picture.notes[0] and picture.sticks.count == 0


def test_fit_keeps_everything_inside_the_window(drawing, silicon):
    for structure in (silicon, Structure.from_atoms(molecule("C60")), Structure.from_atoms(bulk("Cu").repeat((12, 1, 1)))):
        for size in ((400, 300), (200, 500)):
            picture = drawing(structure, size=size)
            pixels = camera.projector(picture.plotter.camera, *size).project(structure.positions)
            assert (pixels > 0).all() and (pixels < size).all()
            edges = cell_edges(structure.cell).reshape(-1, 3)
            if len(edges):
                corners = camera.projector(picture.plotter.camera, *size).project(edges)
                assert (corners > 0).all() and (corners < size).all()


def test_face_atoms_complete_the_cell_without_adding_atoms(drawing, silicon, salt):
    picture = drawing(silicon, face_atoms=True)
    assert len(picture.drawn.owner) == 8 + 10, "8 corners and 6 faces in all, as in a textbook"
    assert len(picture.structure) == 8 and np.bincount(picture.drawn.owner).tolist() == [8, 1, 2, 1, 2, 1, 2, 1]
    fractional = picture.drawn.positions / 5.43
    assert fractional.min() > -1e-9 and fractional.max() < 1 + 1e-9
    starts = picture.sticks.array("") - 0.5 * picture.sticks.array("size")[:, :1] * picture.sticks.array("direction")
    ends = starts + picture.sticks.array("size")[:, :1] * picture.sticks.array("direction")
    extra = np.linalg.norm(starts[:, None] - picture.drawn.positions[None, 8:], axis=-1).min(axis=1) < 1e-4
    assert extra.sum() == 9 and (ends[extra] > -1e-4).all() and (ends[extra] < 5.43 + 1e-4).all(), "extra images show whole bonds only"
    assert len(drawing(salt, face_atoms=True).drawn.owner) == 27
    assert len(drawing(salt, face_atoms=True, repeat=(2, 1, 1)).drawn.owner) == 5 * 3 * 3
    wire = Structure([29], [[0, 0, 0]], np.diag([2.5, 9, 9]), [True, False, False])
    assert len(drawing(wire, face_atoms=True).drawn.owner) == 2
    picture.update_positions(silicon.positions + 0.05)
    assert len(picture.drawn.owner) == 18, "playback keeps the images it began with"


ODD = {
    "no atoms, a cell": Structure([], np.zeros((0, 3)), np.eye(3) * 4, True),
    "one atom, no cell": Structure([79], [[0, 0, 0]]),
    "overlapping atoms": Structure([14, 14, 14], [[1, 1, 1], [1, 1, 1], [1, 1, 1.0001]], np.eye(3) * 5, True),
    "left-handed cell": Structure([11, 17], [[0, 0, 0], [2, 0, 0]], np.eye(3)[[1, 0, 2]] * 4, True),
    "singular cell": Structure([6, 6], [[0, 0, 0], [1.4, 0, 0]], [[3, 0, 0], [6, 0, 0], [0, 0, 5]], True),
    "periodic in one direction only": Structure([6], [[0, 0, 0]], [[0, 0, 0], [0, 1.4, 0], [0, 0, 0]], [False, True, False]),
    "periodic without extent": Structure([6, 8], [[0, 0, 0], [1.1, 0, 0]], np.zeros((3, 3)), True),
    "far away": Structure([6, 8], [[1e6, 0, 0], [1e6 + 1.1, 0, 0]]),
    "atoms many cells outside": Structure([14, 14], [[100.0, -50, 3], [0.3, 0, 0]], np.eye(3) * 3, True),
    "a vacancy and the last element": Structure([0, 118], [[0, 0, 0], [2, 0, 0]], np.eye(3) * 4, True),
    "a tiny cell": Structure([2], [[0, 0, 0]], np.eye(3) * 0.3, True),
    "a needle": Structure([14] * 2, [[0, 0, 0], [0, 0, 900.0]], np.diag([2.0, 2.0, 1000.0]), True),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
def test_odd_structures_are_drawn_without_a_word(drawing, shoot, name):
    odd = ODD[name]
    picture = drawing(odd, labels="both", face_atoms=True)
    picture.start()
    picture.set_selection(range(len(odd)))
    picture.set_forces(np.zeros((len(odd), 3)))
    picture.set_preview(odd)
    picture.update_positions(odd.positions + 0.1, odd.cell)
    for axis in ("a", "-b", "c", "z"):
        picture.look_along(axis)
    picture.cull_labels(camera.projector(picture.plotter.camera, 400, 300))
    assert np.isfinite(picture.plotter.camera.GetPosition()).all() and np.isfinite(picture.drawn.positions).all()
    assert shoot(picture).shape == (300, 400, 3)
    if len(odd):
        picture.set_preview(None)
        picture.fit()
        pixels = camera.projector(picture.plotter.camera, 400, 300).project(picture.drawn.positions)
        assert (pixels > -1).all() and (pixels < [401, 301]).all()


def test_rounding_is_not_drawn_as_forces(drawing, silicon):
    picture = drawing(silicon)
    picture.set_forces(np.full((8, 3), 1e-16))
    assert not picture.force_arrows.shafts.actor.GetVisibility() and "below 1e-06 eV/Å" in picture.notes[0]
    picture.set_forces(np.full((8, 3), 1e-3))
    assert picture.force_arrows.shafts.actor.GetVisibility() and not picture.notes


def test_images_on_faces_do_not_flicker_in_playback(drawing):
    """Atoms that vibrate across a face keep their pale images, frame after frame."""
    atoms = bulk("Cu", cubic=True)
    picture = drawing(Structure.from_atoms(atoms), face_atoms=True)
    before = len(picture.drawn.owner)
    assert before > len(atoms)
    atoms.rattle(0.2, seed=1)
    frame = Structure.from_atoms(atoms)
    picture.update_positions(frame.positions, frame.cell)
    picture.set_structure(frame, same_images=True)
    assert len(picture.drawn.owner) == before and np.allclose(picture.drawn.positions[:4], frame.positions)
    picture.set_structure(frame)
    assert len(picture.drawn.owner) != before
