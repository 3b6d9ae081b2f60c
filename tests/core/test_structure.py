"""Laws of the frozen structure: copies share nothing, equal content has an equal fingerprint, bad input is refused in words."""
import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from solvers.core.errors import StructureError
from solvers.core.structure import Structure, closest_pair, require_calculable, tensor


@pytest.fixture
def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.set_array("charges", np.array([0.1, 0.2, 0.3, 0.4]))
    atoms.info["name"] = "copper"
    atoms.set_constraint(FixAtoms([0, 2]))
    return atoms


def test_round_trip_keeps_everything_and_shares_nothing(copper):
    structure = Structure.from_atoms(copper)
    back = structure.to_atoms()
    assert Structure.from_atoms(back) == structure
    assert back.constraints[0].index.tolist() == [0, 2] and back.info == {"name": "copper"} and back.arrays["charges"].tolist() == [0.1, 0.2, 0.3, 0.4]
    before = structure.fingerprint
    back.positions += 1.0
    back.arrays["charges"] += 1.0
    back.cell[:] *= 2.0
    copper.positions += 1.0
    copper.info["name"] = "changed"
    moved = tensor(structure.positions)
    moved += 5.0
    assert structure.fingerprint == before


def test_json_round_trip_is_bit_exact(copper):
    copper.positions += np.random.default_rng(1).normal(size=copper.positions.shape) * 0.1
    structure = Structure.from_atoms(copper)
    again = Structure.from_dict(json.loads(json.dumps(structure.to_dict())))
    assert again == structure and (again.positions == structure.positions).all()


def test_arrays_are_read_only(copper):
    structure = Structure.from_atoms(copper)
    for array in (structure.positions, structure.cell, structure.numbers, structure.arrays["charges"]):
        with pytest.raises(ValueError):
            array[0] = 0
    with pytest.raises(TypeError):
        structure.info["name"] = "x"


def test_calculated_results_do_not_travel(copper):
    copper.calc = EMT()
    copper.get_potential_energy()
    assert Structure.from_atoms(copper) == Structure.from_atoms(Structure.from_atoms(copper).to_atoms())
    assert "forces" not in Structure.from_atoms(copper).arrays


@pytest.mark.parametrize("change", [{"positions": np.ones((4, 3))}, {"cell": np.eye(3)}, {"pbc": False}, {"info": {"name": "other"}}, {"constraints": ()},
                                    {"arrays": {}}])
def test_any_change_changes_the_fingerprint(copper, change):
    structure = Structure.from_atoms(copper)
    assert structure.with_(**change).fingerprint != structure.fingerprint


def test_not_finite_is_refused_with_place_and_value():
    with pytest.raises(StructureError, match="row 1, component 2 is nan"):
        Structure([1, 1], [[0, 0, 0], [0, 0, np.nan]])
    with pytest.raises(StructureError, match="Atomic number 119 does not exist"):
        Structure([119], [[0, 0, 0]])
    with pytest.raises(StructureError, match="2 atomic numbers came with positions of shape"):
        Structure([1, 1], [[0, 0, 0]])


def test_what_cannot_be_calculated_is_refused(copper):
    require_calculable(Structure.from_atoms(copper))
    with pytest.raises(StructureError, match="holds no atoms"):
        require_calculable(Structure([], np.zeros((0, 3))))
    with pytest.raises(StructureError, match="left-handed"):
        require_calculable(Structure.from_atoms(copper).with_(cell=np.diag([3.6, 3.6, -3.6])))
    with pytest.raises(StructureError, match="singular.*linearly independent"):
        require_calculable(Structure.from_atoms(copper).with_(cell=np.diag([3.6, 3.6, 0.0])))
    close = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 4.9]], cell=[5, 5, 5], pbc=True)
    with pytest.raises(StructureError, match=r"Atoms 0 and 1 are 0\.1 Å apart.*0\.4 Å"):
        require_calculable(Structure.from_atoms(close))


def test_closest_pair_sees_periodic_images():
    (i, j), distance = closest_pair(Structure([14], [[0, 0, 0]], np.eye(3) * 3.0, True), 4.0)
    assert (i, j) == (0, 0) and distance == pytest.approx(3.0)
    assert closest_pair(Structure([14], [[0, 0, 0]], np.eye(3) * 3.0, True), 2.0)[1] == float("inf")


def test_closest_pair_of_few_atoms_is_that_of_the_neighbour_list():
    from ase.neighborlist import primitive_neighbor_list

    from solvers.core.structure import _closest_directly
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(60):
        cell, n = rng.normal(size=(3, 3)) * rng.uniform(1, 4), rng.integers(1, 5)
        structure = Structure(np.ones(n, int), rng.normal(size=(n, 3)) * 5, cell, True)
        reach = rng.uniform(0.3, 4)
        found = _closest_directly(structure, reach)
        if found is None or abs(np.linalg.det(cell)) < 1:
            continue
        distances = primitive_neighbor_list("d", structure.pbc, structure.cell, structure.positions, reach, self_interaction=False)
        assert found[1] == pytest.approx(distances.min() if len(distances) else np.inf, rel=1e-12)
        compared += 1
    assert compared > 20
