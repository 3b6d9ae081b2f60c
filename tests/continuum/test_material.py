"""`Material`: what it accepts and refuses, orientation, temperature, files from strangers."""
from __future__ import annotations

import json
import os

import numpy as np
import pytest

from solvers.continuum import Material, material_from_constants, young_surface
from solvers.continuum.constants import CLASSES, stiffness_from_constants
from solvers.continuum.orientation import orientation_matrix, parse_directions
from solvers.continuum.tensor import full_stiffness, pack_21, rotate, unpack_21
from solvers.core.errors import MissingError, ReadError, RefusedError, SetupError, StorageError

COPPER = {"C11": 168.4, "C12": 121.4, "C44": 75.4}


def copper(**more):
    return material_from_constants(COPPER, density=8960, name="Cu", **more)


def rich():
    """A material with everything: two temperatures, lattice, frame, two covariances, provenance."""
    rng = np.random.default_rng(3)
    c = copper().stiffness_voigt
    a = rng.normal(size=(21, 21)) * 1e8
    return Material(np.stack([c, 0.95 * c]), density=[8960, 8900], name="Cu ±", temperatures=[300, 500], validity=(300, 500), lattice=3.6 * np.eye(3),
                    covariance={"fit": a @ a.T, "amplitude": np.stack([np.eye(21), 4 * np.eye(21)]) * 1e16},
                    provenance={"method": "test", "functional": "PBE", "run_ids": ["a", "b"], "potentials": {"Cu": "0" * 64}},
                    atoms_per_volume=8.5e28).rotated("[110],[001]")


def test_either_form_of_stiffness_and_names_of_the_public_interface():
    c = copper().stiffness_voigt
    assert Material(stiffness=full_stiffness(c), density=8960.0, name="X").stiffness_voigt == pytest.approx(c)
    assert copper().young_modulus(np.array([1, 1, 1])) / 1e9 == pytest.approx(191.150, abs=6e-4)
    assert copper().averages().to_dict()["zener"] == pytest.approx(2 * 75.4 / 47)
    with pytest.raises(ValueError, match="read-only"):
        copper().stiffness[0, 0, 0] = 1


def test_save_and_load_are_exact(tmp_path):
    material = rich()
    material.save(tmp_path / "m.json")
    again = Material.load(tmp_path / "m.json")
    assert again.to_dict() == material.to_dict()
    assert np.array_equal(again.stiffness, material.stiffness) and np.array_equal(again.error(), material.error())
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_rotation_keeps_the_lattice_with_the_tensor():
    """A rotated material's modulus along the rotated lattice direction is the modulus of the unrotated one along it."""
    hcp = material_from_constants({"C11": 162.4, "C12": 92, "C13": 69, "C33": 180.7, "C44": 46.7}, c_over_a=1.588)
    turned = hcp.rotated("[2 1 3],[0001]")
    for direction in np.random.default_rng(0).normal(size=(5, 3)):
        assert turned.young_modulus(direction @ turned.axes) == pytest.approx(hcp.young_modulus(direction @ hcp.axes), rel=1e-12)
    assert (np.array([2, 1, 3]) @ turned.axes)[1:] == pytest.approx([0, 0], abs=1e-12)
    assert turned.rotated("[100],[010]").stiffness_voigt == pytest.approx(hcp.stiffness_voigt, rel=1e-12, abs=1)


def test_errors_rotate_as_sampling_says():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(21, 21)) * 1e8
    material = Material(copper().stiffness_voigt, covariance={"fit": a @ a.T})
    r = orientation_matrix("[123],[-210]", np.eye(3))
    samples = unpack_21(pack_21(material.stiffness_voigt) + rng.normal(size=(40000, 21)) @ a.T)
    spread = 1.96 * rotate(samples, r).std(axis=0)
    assert material.rotated(r).error() == pytest.approx(spread, rel=0.03)


def test_errors_add_in_quadrature_and_absence_is_unknown():
    material = Material(copper().stiffness_voigt, covariance={"fit": np.eye(21) * 9e16, "cutoff": np.eye(21) * 16e16})
    assert material.error()[0, 0] == pytest.approx(1.96 * 5e8, rel=1e-4)
    assert material.error("fit")[3, 3] == pytest.approx(1.96 * 3e8, rel=1e-4)
    assert material.error("k-mesh") is None and copper().error() is None
    assert "uncertainty: unknown" in copper().table()
    assert "k-mesh unknown" in material.table() and "amplitude unknown" in material.table()


def test_temperature():
    material = rich()
    assert material.at(400).stiffness_voigt == pytest.approx(0.975 * material.stiffness[0], abs=1)
    assert material.at(300).density == pytest.approx(8960) and material.at(500).stiffness_voigt == pytest.approx(material.stiffness[1], abs=1)
    with pytest.raises(SetupError, match="600 K lies outside the table of Cu ±, 300 to 500 K"):
        material.at(600)
    with pytest.raises(SetupError, match="holds 2 temperatures"):
        material.averages()
    with pytest.raises(SetupError, match="Choose a temperature first"):
        young_surface(material, 1)
    static = Material(copper().stiffness_voigt, validity=(0, 0))
    with pytest.raises(SetupError, match="not 300 K"):
        static.at(300)


@pytest.mark.parametrize("change, words", [
    ({"density": -1}, "density is -1"), ({"density": 8.96e9}, "1 g/cm³ is 1000"), ({"validity": (300, 200)}, "300 to 200"),
    ({"lattice": np.ones((3, 3))}, "one plane"),
    ({"temperatures": [300, 200]}, "temperatures"), ({"covariance": {"fit": np.eye(6)}}, "covariance 'fit'"),
    ({"covariance": {"fit": -np.eye(21)}}, "negative variance"),
    ({"R_lattice_to_frame": 2 * np.eye(3)}, "not a proper rotation"), ({"R_lattice_to_frame": -np.eye(3)}, "not a proper rotation"),
    ({"atoms_per_volume": -1}, "atoms_per_volume"),
])
def test_wrong_parts_are_refused_in_words(change, words):
    with pytest.raises(SetupError, match=words):
        Material(copper().stiffness_voigt, **change)


@pytest.mark.parametrize("text, expected", [
    ("[110],[001]", [[1, 1, 0], [0, 0, 1]]), ("[1-10]", [[1, -1, 0]]), ("[1 -1 0] [0,0,1]", [[1, -1, 0], [0, 0, 1]]),
    ("[11-20],[0001]", [[3, 3, 0], [0, 0, 1]]),
    ("[1 0 -12]", [[1, 0, -12]]),
])
def test_directions(text, expected):
    assert [list(d) for d in parse_directions(text)] == expected


@pytest.mark.parametrize("text, words", [("110", "not understood"), ("[11]", "not understood"), ("[000]", "zero"), ("[1110]", "u \\+ v \\+ t"),
                                         ("[110],[220]", "parallel"),
                                         ("[abc]", "not understood"), ("[100],[010],[001]", "not understood"), ("", "not understood")])
def test_bad_directions_are_refused(text, words):
    with pytest.raises(SetupError, match=words):
        orientation_matrix(text, np.eye(3))


def test_orientation_is_a_rotation_with_the_second_direction_in_the_plane():
    for text in ("[124],[2-10]", "[111]", "[110],[011]"):
        r = orientation_matrix(text, np.array([[3.0, 0, 0], [-1.5, 2.6, 0], [0.1, 0.2, 4.7]]))
        assert r @ r.T == pytest.approx(np.eye(3), abs=1e-14) and np.linalg.det(r) == pytest.approx(1)


# ---- constants typed in -----------------------------------------------------------------------------------------------------------------------
def test_isotropic_gives_back_E_and_nu():
    material = material_from_constants({"E": 210, "nu": 0.3})
    a = material.averages()
    assert (a.young / 1e9, a.poisson, a.universal) == (pytest.approx(210), pytest.approx(0.3), pytest.approx(0, abs=1e-12))


@pytest.mark.parametrize("symmetry", [name for name in CLASSES if name not in ("isotropic", "triclinic")])
def test_every_class_is_invariant_under_its_point_group(symmetry):
    """The tensor made of random constants is invariant under the generators of its class, and under no generator of a higher class it does not have."""
    rng = np.random.default_rng(4)
    size = {"C11": 200, "C22": 200, "C33": 200, "C44": 70, "C55": 70, "C66": 70}
    values = {name: size.get(name, 10) * rng.uniform(0.8, 1.2) for name in CLASSES[symmetry].independent}
    c = stiffness_from_constants(values, symmetry)

    def turn(axis, degrees):
        from scipy.spatial.transform import Rotation
        return Rotation.from_rotvec(np.deg2rad(degrees) * np.eye(3)["xyz".index(axis)]).as_matrix()

    generators = {"cubic": [turn("x", 90), turn("z", 90)], "hexagonal": [turn("z", 60), turn("x", 180)], "trigonal": [turn("z", 120), turn("x", 180)],
                  "trigonal-low": [turn("z", 120)], "tetragonal": [turn("z", 90), turn("x", 180)], "tetragonal-low": [turn("z", 90)],
                  "orthorhombic": [turn("x", 180), turn("y", 180)], "monoclinic": [turn("y", 180)]}[symmetry]
    for r in generators:
        assert rotate(c, r) == pytest.approx(c, rel=1e-12, abs=1)
    assert np.abs(rotate(c, turn("x", 33)) - c).max() > 1e9
    n_independent = {"cubic": 3, "hexagonal": 5, "trigonal": 6, "trigonal-low": 7, "tetragonal": 6, "tetragonal-low": 7, "orthorhombic": 9, "monoclinic": 13}
    assert len(CLASSES[symmetry].independent) == n_independent[symmetry]


@pytest.mark.parametrize("values, symmetry, words", [
    ({"C11": 168, "C12": 121}, None, "fit no crystal class"), ({"C11": 168, "C12": 121}, "cubic", "C44 is missing"),
    ({"C11": 100, "C12": 120, "C44": 50}, None, "no stable crystal"),
    ({"C11": 100, "C12": 20, "C44": 50, "C13": 30}, "cubic", "contradicts"), ({"X": 1}, None, "Unknown elastic constant X"),
    ({"E": 200, "nu": 0.5}, None, "nu = 0.5"),
    (COPPER, "quasicrystal", "Unknown crystal class"), ({**COPPER, "C11": float("nan")}, None, "not finite"),
])
def test_wrong_constants_are_refused_in_words(values, symmetry, words):
    with pytest.raises(SetupError, match=words):
        material_from_constants(values, symmetry)


def test_redundant_but_consistent_constants_are_accepted():
    assert material_from_constants({**COPPER, "C33": 168.4, "C66": 75.4}, "cubic").stiffness_voigt == pytest.approx(copper().stiffness_voigt)


# ---- files from strangers ------------------------------------------------------------------------------------------------------------------------
def _edited(**changes):
    data = copper().to_dict()
    for key, value in changes.items():
        if value is ...:
            del data[key]
        else:
            data[key] = value
    return json.dumps(data)


@pytest.mark.parametrize("content, words", [
    ("", "not a material"), ("not json", "not a material"), ("[" * 100000, "not a material"), ("[1, 2]", "not a Q-CAD material"),
    ("{}", "not a Q-CAD material"),
    (b"\x00\xff\xfe", "not a material"), (_edited(version=99), "version 99"), (_edited(stiffness_pa=...), "no stiffness"),
    (_edited(stiffness_pa=[[1, 2], [3]]), "not an array"),
    (_edited(stiffness_pa="x"), "not an array"), (_edited(stiffness_pa=[]), "not an array"), (_edited(extra=1), "unknown entry 'extra'"),
    (_edited(covariance_pa2=[1]), "not an object"),
    (_edited(provenance={"potentials": [1]}), "potentials is list"), (_edited(provenance={"run_ids": "x"}), "run_ids is str"),
    (_edited(provenance={"clamped_stiffness_pa": [1, 2]}), "wrong shape"), (_edited(provenance={"zero_strain_stress_gpa": "x"}), "not an array"),
    (_edited(name=5), "name"), (_edited(name="x" * 1000), "name"), (_edited(density_kg_m3=-5), "density"), (_edited(validity_k=[1]), "pair"),
    (_edited(atoms_per_m3=[1, 2]), "one number"),
    (_edited().replace("8960", "NaN"), "NaN, which is not a number"), (_edited().replace("8960.0", "1e999"), "finite"),
    (_edited(stiffness_pa=[[True] * 6] * 6), "not an array"),
])
def test_hostile_files(tmp_path, content, words):
    path = tmp_path / "m.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ReadError, match=words):
        Material.load(path)


def test_missing_file_folder_and_unwritable_place(tmp_path):
    with pytest.raises(MissingError, match="no file"):
        Material.load(tmp_path / "none.json")
    with pytest.raises(ReadError, match="cannot be read"):
        Material.load(tmp_path)
    with pytest.raises(StorageError, match="Cannot write.*there is no folder"):
        copper().save(tmp_path / "no" / "folder" / "m.json")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.json"
    copper().save(path)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        rich().save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_unstable_material_is_not_exported(tmp_path):
    c = copper().stiffness_voigt.copy()
    c[3, 3] = -1e9
    with pytest.raises(RefusedError, match="fails Born's test"):
        Material(c).export(tmp_path / "x.inp", format="calculix")
    assert not (tmp_path / "x.inp").exists()


def test_settings_read_as_people_write_them():
    from solvers.continuum.report import provenance_words
    settings = {"xc": "PBE", "cutoff": 408.1707936897175, "kpts": {"size": (6, 6, 6), "shift": (0.0, 0.0, 0.0)}, "smearing": "none", "grid": [25, 25, 25]}
    shifted = {"kpts": {"size": (4, 4, 2), "shift": (0.5, 0.5, 0.0)}}
    lines = provenance_words(Material(np.diag([3.0, 3, 3, 1, 1, 1]) * 1e11, provenance={"settings": settings}))
    assert "settings: xc=PBE, cutoff=408.17079, kpts=6x6x6, smearing=none, grid=25x25x25" in lines
    assert "settings: kpts=4x4x2+0.5,0.5,0" in provenance_words(Material(np.diag([3.0, 3, 3, 1, 1, 1]) * 1e11, provenance={"settings": shifted}))
