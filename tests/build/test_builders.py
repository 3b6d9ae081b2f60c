"""Laws of the builders: composition, volume, symmetry, seeds, and that the given structure is left alone."""
from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase.constraints import FixAtoms

from solvers import build
from solvers.build.cells import Strain, deformation
from solvers.build.values import CellMatrix, Indices, Sites, StrainTensor, Vector
from solvers.core.errors import QcadError, SetupError, StructureError
from solvers.core.params import describe, from_dict, to_dict
from solvers.core.structure import Structure, closest_pair, require_calculable

EXAMPLES = {
    "bulk": {"symbol": "MgO", "structure": "rocksalt", "a": 4.21},
    "crystal": {"sites": "Ti 2a 0 0 0; O 4f 0.3053 0.3053 0", "spacegroup": "136", "a": 4.594, "c": 2.959},
    "molecule": {"name": "CH4"}, "supercell": {"size": "2x1x1"}, "strain": {"strain": "0.01 0 0 0 0 0.02"}, "set_cell": {"a": 6, "b": 5, "c": 4, "beta": 100},
    "standardise": {}, "primitive": {}, "wrap": {}, "translate": {"vector": "0.1 0.2 0.3"}, "slab": {"plane": "1 1 1", "layers": 3},
    "vacancy": {"indices": "0"},
    "substitute": {"to": "Ge", "count": 1}, "rattle": {"amplitude": 0.05}, "add": {"symbol": "H", "position": "0.5 0.5 0.52", "fractional": True},
    "move": {"indices": "1", "by": "0.1 0 0"}, "delete": {"indices": "1"}, "set_element": {"indices": "0", "symbol": "C"}, "fix": {"indices": "0"},
}


def group(atoms) -> int:
    return spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=1e-4).number


@pytest.fixture
def silicon():
    return build.bulk(symbol="Si", structure="diamond", a=5.43, cubic=True)


def test_every_builder_has_an_example():
    assert set(EXAMPLES) == set(build.BUILDERS)


@pytest.mark.parametrize("name", build.BUILDERS)
def test_builder_is_pure_documented_and_survives_its_text_form(name, silicon):
    builder, values = build.BUILDERS[name], EXAMPLES[name]
    params = from_dict(builder.params_class(), values)
    again = from_dict(builder.params_class(), to_dict(params))
    assert again == params
    assert builder.function.__doc__ and builder.params_class().__doc__ and builder.summary
    assert all(info.help for info in describe(builder.params_class()))
    before = Structure.from_atoms(silicon)
    out = builder(silicon, **values) if builder.needs_structure else builder(**values)
    assert Structure.from_atoms(silicon) == before
    assert out is not silicon and out.calc is None
    if builder.needs_structure:
        out.positions += 1.0
        assert Structure.from_atoms(silicon) == before  # no shared memory
    repeat = builder.function(silicon, again) if builder.needs_structure else builder.function(again)
    out.positions -= 1.0 if builder.needs_structure else 0.0
    assert np.allclose(repeat.positions, out.positions, rtol=0, atol=1e-12) and (repeat.numbers == out.numbers).all()
    Structure.from_dict(Structure.from_atoms(out).to_dict())


@pytest.mark.parametrize("name", [name for name, item in build.BUILDERS.items() if item.needs_structure])
def test_asking_without_structure_is_refused(name):
    with pytest.raises(SetupError, match="was given none"):
        build.BUILDERS[name](**EXAMPLES[name])


@pytest.mark.parametrize("symbol, structure, a, number, atoms", [
    ("Al", "fcc", 4.05, 225, 1), ("Fe", "bcc", 2.87, 229, 1), ("Ti", "hcp", 2.95, 194, 2), ("Si", "diamond", 5.43, 227, 2), ("MgO", "rocksalt", 4.21, 225, 2),
    ("GaAs", "zincblende", 5.65, 216, 2), ("CsCl", "cesiumchloride", 4.12, 221, 2), ("CaF2", "fluorite", 5.46, 225, 3), ("ZnO", "wurtzite", 3.25, 186, 4),
    ("Ni3Al", "l12", 3.57, 221, 4), ("NiAl", "b2", 2.88, 221, 2), ("SrTiO3", "perovskite", 3.905, 221, 5), ("Po", "sc", 3.35, 221, 1)])
def test_prototypes_have_their_space_group(symbol, structure, a, number, atoms):
    out = build.bulk(symbol=symbol, structure=structure, a=a)
    assert (group(out), len(out)) == (number, atoms)
    require_calculable(Structure.from_atoms(out))


@pytest.mark.parametrize("spacegroup, cell, sites, atoms", [
    ("166", {"a": 2.816, "c": 14.05}, "Li 3a 0 0 0; Co 3b 0 0 1/2; O 6c 0 0 0.2605", 12),
    ("P 42/m n m", {"a": 4.594, "c": 2.959}, "Ti 0 0 0; O 0.3053 0.3053 0", 6),
    ("14", {"a": 5.15, "b": 5.21, "c": 5.31, "beta": 99.2}, "Zr 0.275 0.04 0.208; O 0.07 0.332 0.345; O 0.45 0.757 0.48", 12),
    ("2", {"a": 4, "b": 5, "c": 6, "alpha": 80, "beta": 95, "gamma": 100}, "Si 0.1 0.2 0.3", 2),
    ("152", {"a": 4.913, "c": 5.405}, "Si 3a 0.4697 0 1/3; O 6c 0.4135 0.2669 0.4524", 9)])
def test_crystal_has_the_space_group_that_was_asked_for(spacegroup, cell, sites, atoms):
    out = build.crystal(spacegroup=spacegroup, sites=sites, **cell)
    assert len(out) == atoms and out.info["spacegroup_number"] == group(out)
    assert len(build.crystal(spacegroup=spacegroup, sites=sites, primitive=True, **cell)) <= atoms


def test_every_space_group_fills_its_general_position():
    """Three general orbits have exactly the group's symmetry, found by spglib on its own; one orbit alone may have more."""
    systems = ((195, {}), (143, {"c": 7.9}), (75, {"c": 7.9}), (16, {"b": 6.7, "c": 7.9}), (3, {"b": 6.7, "c": 7.9, "beta": 97.0}),
               (1, {"b": 6.7, "c": 7.9, "alpha": 83.0, "beta": 97.0, "gamma": 105.0}))
    for number in range(1, 231):
        cell = next(values for first, values in systems if number >= first)
        out = build.crystal(spacegroup=str(number), sites="Si 0.137 0.271 0.082; C 0.351 0.048 0.423; N 0.219 0.446 0.317", a=25.3, **cell)
        found = spglib.get_symmetry_dataset((out.cell.array, out.get_scaled_positions(), out.numbers), symprec=1e-4)
        assert found.number == number and len(out) == 3 * len(found.rotations)


def test_supercell_keeps_density_composition_arrays_and_constraints(silicon):
    silicon.set_array("label", np.arange(8))
    silicon.set_constraint(FixAtoms([2]))
    for size in ("2x3x1", "-1 1 1; 1 -1 1; 1 1 -1", ((2, 1, 0), (0, 1, 0), (0, 0, 1))):
        out, factor = build.supercell(silicon, size=size), round(np.linalg.det(CellMatrix.coerce(size).array))
        assert len(out) == 8 * factor and out.cell.volume == pytest.approx(silicon.cell.volume * factor, rel=1e-12)
        assert group(out) == 227
        assert (np.bincount(out.arrays["label"]) == factor).all()
        held = out.constraints[0].index
        assert len(held) == factor and (out.arrays["label"][held] == 2).all()
        pair = closest_pair(Structure.from_atoms(out), 3.0)[1]
        assert pair == pytest.approx(5.43 * 3**0.5 / 4, rel=1e-9)
    assert len(build.primitive(out)) == 2 and len(build.standardise(out)) == 8


def test_strain_measures(silicon):
    e = StrainTensor.coerce((0.02, -0.01, 0.005, 0.03, -0.02, 0.01)).array
    assert e[1, 2] == 0.015 and (e == e.T).all()
    lagrange = deformation(Strain(e, kind="green-lagrange"))
    assert np.allclose((lagrange.T @ lagrange - np.eye(3)) / 2, e, atol=1e-14)
    assert np.allclose(lagrange, lagrange.T, atol=1e-14)
    for kind, gradient in (("small", np.eye(3) + e), ("green-lagrange", lagrange)):
        out = build.strain(silicon, strain=e, kind=kind)
        assert out.cell.volume / silicon.cell.volume == pytest.approx(np.linalg.det(gradient), rel=1e-12)
        assert np.allclose(out.cell.array, silicon.cell.array @ gradient.T, atol=1e-12)
        assert np.allclose(out.get_scaled_positions(), silicon.get_scaled_positions(), atol=1e-12)
    assert np.allclose(build.strain(silicon, strain="0 0 0 0 0 0").positions, silicon.positions, atol=1e-12)


def test_strain_moves_fixed_atoms_with_the_cell(silicon):
    silicon.set_constraint(FixAtoms([1]))
    out = build.strain(silicon, strain="0.1 0 0 0 0 0")
    assert out.positions[1, 0] == pytest.approx(1.1 * silicon.positions[1, 0]) and out.positions[1, 0] > 0.5
    assert isinstance(out.constraints[0], FixAtoms)


def test_defects_count_and_seed(silicon):
    big = build.supercell(silicon, size="2x2x2")
    alloy = build.substitute(big, to="Ge", fraction=0.25, seed=3)
    assert alloy.get_chemical_formula() == "Ge16Si48"
    assert (build.substitute(big, to="Ge", fraction=0.25, seed=3).numbers == alloy.numbers).all()
    assert (build.substitute(big, to="Ge", fraction=0.25, seed=4).numbers != alloy.numbers).any()
    holes = build.vacancy(alloy, element="Ge", count=5, seed=1)
    assert holes.get_chemical_formula() == "Ge11Si48" and holes.cell.volume == big.cell.volume
    shaken = build.rattle(big, amplitude=0.02, seed=7)
    shift = shaken.positions - big.positions
    assert np.allclose(shift.mean(axis=0), 0, atol=1e-14) and 0.015 < shift.std() < 0.025
    assert (build.rattle(big, amplitude=0.02, seed=7).positions == shaken.positions).all()


def test_substitute_forgets_a_stored_mass(silicon):
    silicon.set_masses([28.0] * 8)
    out = build.substitute(silicon, to="Ge", indices="0")
    assert out.get_masses()[0] == pytest.approx(72.63, abs=0.01) and out.get_masses()[1] == 28.0


@pytest.mark.parametrize("plane, distance", [("1 1 1", 4.05 / 3**0.5), ("100", 4.05 / 2), ("1 1 0", 4.05 / 8**0.5)])
def test_slab_planes_have_the_bulk_distance(plane, distance):
    crystal = build.bulk(symbol="Al", structure="fcc", a=4.05, cubic=True)
    out = build.slab(crystal, plane=plane, layers=4, vacuum=12)
    heights = np.unique(np.round(out.positions[:, 2], 6))
    assert np.allclose(np.diff(heights), distance, atol=1e-6) and len(heights) >= 4
    assert out.cell.array[2, 2] - np.ptp(heights) == pytest.approx(12, abs=distance + 1e-6)
    assert out.pbc.all() and closest_pair(Structure.from_atoms(out), 4)[1] == pytest.approx(4.05 / 2**0.5)


def test_edits(silicon):
    more = build.add(silicon, symbol="H", position="0.5 0.5 0.5", fractional=True)
    assert more.get_chemical_formula() == "HSi8" and np.allclose(more.positions[-1], 2.715)
    moved = build.move(more, indices="8", to="1 2 3")
    assert np.allclose(moved.positions[-1], (1, 2, 3)) and (moved.positions[:-1] == more.positions[:-1]).all()
    assert np.allclose(build.move(more, indices="0-3", by="0 0 1").positions[:4, 2], more.positions[:4, 2] + 1)
    assert build.set_element(more, indices="0,2-3", symbol="C").get_chemical_formula() == "C3HSi5"
    assert len(build.delete(more, indices="all")) == 0
    held = build.fix(build.fix(more, indices="0-4"), indices="2", free=True)
    assert held.constraints[0].index.tolist() == [0, 1, 3, 4]
    assert len(build.delete(held, indices="1").constraints[0].index) == 3
    outside = build.translate(silicon, vector="1.25 0 0", fractional=True)
    assert outside.get_scaled_positions(wrap=False)[:, 0].min() >= 1.25 - 1e-12
    inside = build.wrap(outside).get_scaled_positions(wrap=False)
    assert inside.min() > -1e-9 and inside.max() < 1


@pytest.mark.parametrize("kind, given, text", [
    (Vector, (1, 0.5, -2), "1 0.5 -2"), (Vector, "1/3, 2/3 0", "0.3333333333333333 0.6666666666666666 0"), (Indices, [3, 0, 4, 5], "3,0,4-5"),
    (Indices, "ALL", "all"),
    (CellMatrix, 2, "2x2x2"), (CellMatrix, (1, 2, 3), "1x2x3"), (StrainTensor, (0.01, 0, 0, 0, 0, 0.5), "0.01 0 0 0 0 0.5"),
    (StrainTensor, ((0, 1, 0), (0, 0, 0), (0, 0, 0)), "0 1 0; 0 0 0; 0 0 0"), (Sites, [("O", 0.25, 0.5, 0)], "O 0.25 0.5 0.0")])
def test_values_have_one_text_form(kind, given, text):
    value = kind.coerce(given)
    assert str(value) == text and kind.coerce(text) == value and kind.coerce(value) is value


BAD = [
    ("bulk", {"symbol": "Xx"}, "There is no element 'Xx'"), ("bulk", {"symbol": "si"}, "not a chemical formula"), ("bulk", {"symbol": "MgO"}, "Give one of"),
    ("bulk", {"symbol": "MgO", "structure": "fcc", "a": 4}, "fcc needs 1 element"), ("bulk", {"symbol": "MgO", "structure": "rocksalt"}, "Give a in Å"),
    ("bulk", {"symbol": "Si", "structure": "dimond"}, "Allowed: one of fcc"), ("bulk", {"symbol": "Si", "a": -5}, "a = -5 is out of range"),
    ("bulk", {"symbol": "NiAl", "structure": "l12", "a": 3.5}, "A3B"), ("bulk", {"simbol": "Si"}, "Did you mean 'symbol'"),
    ("bulk", {"symbol": "Ga", "structure": "hcp"}, "Give the prototype"),
    ("crystal", {"sites": "Si 0 0 0", "spacegroup": "231", "a": 5}, "1 to 230"),
    ("crystal", {"sites": "Si 0 0 0", "spacegroup": "227", "a": 5, "b": 6}, "b = 6 does not fit"),
    ("crystal", {"sites": "Si 0 0 0", "spacegroup": "194", "a": 5}, "needs c"),
    ("crystal", {"sites": "Mg 2c 0.333 0.667 0.25", "spacegroup": "194", "a": 3.2, "c": 5.2}, "1/3, not 0.333"),
    ("crystal", {"sites": "Si 0 0 0; C 0.5 0.5 0", "spacegroup": "225", "a": 5}, "share atoms"),
    ("crystal", {"sites": "Si 0 0", "spacegroup": "1", "a": 5}, "cannot be read"),
    ("molecule", {"name": "H2OO"}, "Did you mean"), ("supercell", {"size": "0x2x2"}, "at least 1"),
    ("supercell", {"size": "1 0 0; 0 0 1; 0 1 0"}, "swap two rows"),
    ("supercell", {"size": "1.5x1x1"}, "whole numbers"), ("supercell", {"size": "999x999x999"}, "Allowed: up to"),
    ("strain", {"strain": "nan 0 0 0 0 0"}, "not finite"),
    ("strain", {"strain": "1 2"}, "six Voigt"), ("strain", {"strain": "-1 0 0 0 0 0"}, "smaller strain"),
    ("strain", {"strain": "-0.6 0 0 0 0 0", "kind": "green-lagrange"}, "above −0.5"),
    ("strain", {"strain": "0 1 0 0 0 0 0 0 0", "kind": "green-lagrange"}, "not symmetric"),
    ("set_cell", {"a": 5, "b": 5, "c": 5, "alpha": 30, "beta": 30, "gamma": 100}, "enclose no volume"), ("slab", {"plane": "0 0 0"}, "not a plane"),
    ("vacancy", {"indices": "99"}, "Allowed: 0 to 7"), ("vacancy", {"indices": "all"}, "leaves none"), ("vacancy", {}, "exactly one of them"),
    ("vacancy", {"element": "Ge", "count": 1}, "holds no Ge"), ("substitute", {"to": "Ge", "fraction": 0.01}, "larger supercell"),
    ("substitute", {"to": "Qq", "count": 1}, "no element"),
    ("add", {"symbol": "H", "position": "0 0 0.1"}, "0.1 Å from atom 0"), ("move", {"indices": "0"}, "exactly one of them"),
    ("move", {"indices": "0,1", "to": "0 0 0"}, "Use by"),
    ("delete", {"indices": "-1"}, "indices counted from 0"), ("delete", {"indices": "1,1"}, "appear once"), ("delete", {"indices": ""}, "does not list atoms"),
]


@pytest.mark.parametrize("name, values, message", BAD)
def test_wrong_input_is_refused_in_words(name, values, message, silicon):
    builder = build.BUILDERS[name]
    with pytest.raises(QcadError, match=message) as caught:
        builder(silicon, **values) if builder.needs_structure else builder(**values)
    assert caught.value.exit_code == 2 and caught.value.hint


def test_cell_is_needed_where_it_is_needed():
    from ase import Atoms
    dimer = Atoms("H2", [(0, 0, 0), (0, 0, 0.74)])
    for name in ("strain", "supercell", "standardise", "wrap", "slab"):
        with pytest.raises(StructureError):
            build.BUILDERS[name](dimer, **EXAMPLES[name])
    with pytest.raises(StructureError, match="Fractional coordinates need a cell"):
        build.add(dimer, symbol="H", position="0 0 0.5", fractional=True)


def test_unknown_builder_names_the_nearest():
    with pytest.raises(SetupError, match="Did you mean 'supercell'"):
        build.builder("super-cell")
    assert build.builder("set-cell") is build.BUILDERS["set_cell"]
