"""Paths through the Brillouin zone: end points, spacing, names, cells that are not the standard one."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, make_supercell

from solvers.core.errors import SetupError
from solvers.core.structure import Structure
from solvers.dft.brillouin import brillouin_zone
from solvers.dft.kpath import band_path, parse_path, primitive, special_points


def structure(atoms):
    return Structure.from_atoms(atoms)


SILICON = structure(bulk("Si"))


@pytest.mark.parametrize("atoms", [bulk("Si"), bulk("Fe"), bulk("Mg"), bulk("NaCl", "rocksalt", a=5.6)])
def test_standard_points_lie_on_the_surface_of_the_zone(atoms):
    crystal = structure(atoms)
    zone, points = brillouin_zone(crystal.cell), special_points(crystal).cartesian()
    assert len(points) > 3
    folded = zone.fold(np.array([point for name, point in points.items() if name != "Γ"]))
    assert zone.holds(folded, 1e-6).all()
    assert not zone.holds(folded * 1.001).any()


def test_path_is_dense_and_holds_its_ends():
    path = band_path(SILICON, "GXWKG", spacing=0.1)
    assert path.text == "ΓXWKΓ"
    steps = np.diff(path.distance)
    assert 0 < steps.max() <= 0.1 + 1e-12 and steps.min() > 0.05
    np.testing.assert_allclose(np.linalg.norm(np.diff(path.cartesian(), axis=0), axis=1), steps, atol=1e-12)
    points = special_points(SILICON).points
    for index, name in path.labels:
        np.testing.assert_allclose(path.kpoints[index], points[name], atol=1e-12)


def test_breaks_do_not_lengthen_the_path():
    path = band_path(SILICON, "ΓX,KΓ")
    (first, second) = path.segments
    assert path.distance[second.start] == path.distance[first.stop - 1]
    assert not np.allclose(path.kpoints[second.start], path.kpoints[first.stop - 1])
    assert path.text == "ΓX|KΓ"


def test_the_standard_path_follows_a_turned_and_rearranged_cell():
    atoms = make_supercell(bulk("Si"), [[1, 1, 0], [0, 1, 0], [0, -1, 1]], wrap=True)
    atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    one, two = band_path(SILICON), band_path(structure(atoms))
    assert one.text == two.text
    assert two.distance[-1] == pytest.approx(one.distance[-1], abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(one.cartesian(), axis=1), np.linalg.norm(two.cartesian(), axis=1), atol=1e-6)


def test_a_supercell_becomes_primitive_and_a_primitive_cell_stays():
    small, moments = primitive(structure(bulk("Si", cubic=True)))
    assert len(small) == 2 and moments is None
    assert small.volume == pytest.approx(SILICON.volume)
    assert primitive(SILICON)[0] is SILICON
    kept, moments = primitive(structure(bulk("Fe", cubic=True)), (1.0, -1.0))
    assert len(kept) == 2 and moments == (1.0, -1.0)
    folded, moments = primitive(structure(bulk("Fe", cubic=True)), (2.0, 2.0))
    assert len(folded) == 1 and moments == (2.0,)


def test_a_supercell_has_the_points_of_its_own_lattice():
    special = special_points(structure(bulk("Si", cubic=True)))
    assert special.bravais == "cP" and set(special.points) >= {"Γ", "X", "M", "R"}


def test_the_path_of_a_slab_stays_in_its_plane():
    from ase.build import graphene
    sheet = graphene(vacuum=6.0)
    sheet.pbc = True
    assert band_path(structure(sheet), vacuum=2).text == "ΓMKΓ"
    assert "A" in band_path(structure(sheet)).text
    assert band_path(SILICON, vacuum=2).text  # a lattice without a plane of its own keeps its path


def test_coordinates_and_mistakes():
    chains, points = parse_path("G [1/2 0 .5] X", special_points(SILICON).points)
    assert chains == [["Γ", "[1/2 0 .5]", "X"]]
    np.testing.assert_allclose(points["[1/2 0 .5]"], (0.5, 0, 0.5))
    assert parse_path("gamma-w_2", special_points(SILICON).points)[0] == [["Γ", "W_2"]]
    with pytest.raises(SetupError, match="not understood at 'Q'.*Points of this lattice: Γ, X"):
        band_path(SILICON, "GXQ")
    with pytest.raises(SetupError, match="fewer than two"):
        band_path(SILICON, "GX,K")
    with pytest.raises(SetupError, match="is not a k-point"):
        band_path(SILICON, "G[1/0 0 0]")
