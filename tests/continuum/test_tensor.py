"""Laws of the tensor algebra, the golden orders of the finite-element dialects, and the unit systems."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from solvers.continuum import tensor
from solvers.continuum.packing import PACKINGS
from solvers.continuum.unit_systems import UNIT_SYSTEMS, unit_system
from solvers.core.errors import SetupError

GOLDEN = {
    "calculix": "C11 C12 C22 C13 C23 C33 C16 C26 C36 C66 C15 C25 C35 C56 C55 C14 C24 C34 C46 C45 C44",
    "abaqus": "C11 C12 C22 C13 C23 C33 C16 C26 C36 C66 C15 C25 C35 C56 C55 C14 C24 C34 C46 C45 C44",
    "mapdl": "C11 C12 C13 C16 C14 C15 C22 C23 C26 C24 C25 C33 C36 C34 C35 C66 C46 C56 C44 C45 C55",
    "ls-dyna": "C11 C12 C22 C13 C23 C33 C16 C26 C36 C66 C14 C24 C34 C46 C44 C15 C25 C35 C56 C45 C55",
    "nastran": "C11 C12 C13 C16 C14 C15 C22 C23 C26 C24 C25 C33 C36 C34 C35 C66 C46 C56 C44 C45 C55",
    "comsol": "C11 C12 C22 C13 C23 C33 C16 C26 C36 C66 C14 C24 C34 C46 C44 C15 C25 C35 C56 C45 C55",
    "comsol-voigt": "C11 C12 C22 C13 C23 C33 C14 C24 C34 C44 C15 C25 C35 C45 C55 C16 C26 C36 C46 C56 C66",
    "moose": "C11 C12 C13 C14 C15 C16 C22 C23 C24 C25 C26 C33 C34 C35 C36 C44 C45 C46 C55 C56 C66",
    "openradioss": "C11 C12 C13 C16 C14 C15 C22 C23 C26 C24 C25 C33 C36 C34 C35 C66 C46 C56 C44 C45 C55",
    "elmer": "C11 C12 C13 C16 C14 C15 C12 C22 C23 C26 C24 C25 C13 C23 C33 C36 C34 C35 C16 C26 C36 C66 C46 C56 C14 C24 C34 C46 C44 C45 C15 C25 C35 C56 C45 C55",
}


def random_stiffness(seed=7):
    a = np.random.default_rng(seed).normal(size=(6, 6))
    return 1e9 * tensor.from_mandel(a @ a.T + 10 * np.eye(6))


@pytest.mark.parametrize("dialect", sorted(PACKINGS))
def test_golden_orders(dialect):
    assert " ".join(PACKINGS[dialect].labels) == GOLDEN[dialect]
    c = random_stiffness()
    assert np.array_equal(PACKINGS[dialect].unpack(PACKINGS[dialect].pack(c)), c)


def test_every_dialect_has_a_golden_string():
    assert set(GOLDEN) == set(PACKINGS)


def test_full_and_voigt_forms_agree():
    c = random_stiffness()
    full = tensor.full_stiffness(c)
    assert np.array_equal(tensor.voigt_stiffness(full), c)
    assert full[0, 0, 1, 2] == c[0, 3] and full[2, 0, 0, 1] == c[4, 5]
    strain = np.random.default_rng(1).normal(size=(3, 3))
    strain += strain.T
    stress = np.einsum("ijkl,kl->ij", full, strain)
    assert tensor.stress_voigt(stress) == pytest.approx(c @ tensor.strain_voigt(strain))
    assert tensor.strain_tensor(tensor.strain_voigt(strain)) == pytest.approx(strain)
    assert tensor.stress_tensor(tensor.stress_voigt(stress)) == pytest.approx(stress)


def test_compliance_carries_the_shear_factors():
    c = random_stiffness()
    strain = np.random.default_rng(2).normal(size=(3, 3))
    strain += strain.T
    stress = np.einsum("ijkl,kl->ij", tensor.full_stiffness(c), strain)
    assert np.einsum("ijkl,kl->ij", tensor.full_compliance(tensor.compliance(c)), stress) == pytest.approx(strain)
    with pytest.raises(SetupError, match="singular"):
        tensor.compliance(np.zeros((6, 6)))


def test_rotation_agrees_with_four_index_rotation():
    c = random_stiffness()
    for r in Rotation.random(5, random_state=3).as_matrix():
        slow = np.einsum("ai,bj,ck,dl,ijkl->abcd", r, r, r, r, tensor.full_stiffness(c))
        assert tensor.rotate(c, r) == pytest.approx(tensor.voigt_stiffness(slow), rel=1e-12, abs=1)
        assert tensor.rotate(tensor.rotate(c, r), r.T) == pytest.approx(c, rel=1e-12, abs=1)
        assert tensor.mandel_eigenvalues(tensor.rotate(c, r)) == pytest.approx(tensor.mandel_eigenvalues(c))
        q = tensor.bond_matrix(r)
        assert q @ q.T == pytest.approx(np.eye(6), abs=1e-14)
    assert np.abs(tensor.rotate(c, r) - c).max() > 1e8


def test_born_by_mandel_eigenvalues():
    c = random_stiffness()
    assert tensor.is_stable(c)
    values, vectors = np.linalg.eigh(tensor.mandel(c))
    values[0] *= -1e-3
    assert not tensor.is_stable(tensor.from_mandel(vectors * values @ vectors.T))


def test_packing_21():
    c = random_stiffness()
    assert np.array_equal(tensor.unpack_21(tensor.pack_21(c)), c)
    assert tensor.NAMES_21[:7] == ("C11", "C12", "C13", "C14", "C15", "C16", "C22")


@pytest.mark.parametrize("value, words", [
    (np.eye(5), "shape"), (np.full((6, 6), np.nan), "NaN"), (np.eye(6) * 165, "165"), (np.triu(np.ones((6, 6))) * 1e9, "not symmetric"),
    ("text", "not an array"),
    (np.eye(6) * 1e15, "1e\\+15"), (np.random.default_rng(0).normal(size=(3, 3, 3, 3)) * 1e9, "minor symmetries"),
])
def test_bad_stiffness_is_refused_in_words(value, words):
    with pytest.raises(SetupError, match=words):
        tensor.coerce_stiffness(value)


def test_stiffness_in_any_form():
    c = random_stiffness()
    stack = np.stack([c, 0.9 * c])
    assert np.array_equal(tensor.coerce_stiffness(tensor.full_stiffness(c)), c[None])
    assert np.array_equal(tensor.coerce_stiffness(tensor.full_stiffness(stack)), stack)


def test_unit_table():
    """continuum engineers' table: stress, density, conductivity, specific heat and force factors from SI."""
    table = {"SI": (1, 1, 1, 1, 1), "mm-t-s": (1e-6, 1e-12, 1, 1e6, 1), "mm-kg-ms": (1e-9, 1e-9, 1e-6, 1, 1e-3), "um-kg-s": (1e-6, 1e-18, 1e6, 1e12, 1e6)}
    assert set(table) == set(UNIT_SYSTEMS)
    for name, expected in table.items():
        system = UNIT_SYSTEMS[name]
        assert (system.stress, system.density, system.conductivity, system.specific_heat, system.force) == pytest.approx(expected, rel=1e-15)
        # a wave's speed must come out in this system's length per time: sqrt(stress/density)
        assert (system.stress / system.density) ** 0.5 == pytest.approx(float(system.time / system.length), rel=1e-14)
    assert unit_system("MM-T-S").name == "mm-t-s"
    with pytest.raises(SetupError, match="furlong.*Allowed: SI, mm-t-s"):
        unit_system("furlong")
