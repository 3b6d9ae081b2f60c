"""Cube files: exact geometry, values to the digits written, an independent reader agrees, damage is told."""
from __future__ import annotations

import io

import numpy as np
import pytest
from ase.io.cube import read_cube as ase_read_cube

from solvers import build
from solvers.core.errors import ReadError, SetupError
from solvers.core.fields import GridField
from solvers.core.structure import Structure
from solvers.core.units import BOHR_ANGSTROM
from solvers.io.cube import cube_text, parse_cube, read_cube, write_cube


@pytest.fixture
def structure():
    crystal = build.strain(build.bulk(symbol="SiC", structure="zincblende", a=4.36), strain="0.02 0 0.01 0.03 0 0.01")
    return Structure.from_atoms(build.rattle(crystal, amplitude=0.05))


def field(structure, shape=(5, 4, 7), spin=1, unit="e/Å³"):
    return GridField(np.random.default_rng(1).normal(size=(spin, *shape)), structure.cell, unit, "density", (0.1, -0.2, 0.3))


@pytest.mark.parametrize("unit", ["e/Å³", "eV", "1", "µ_B/Å³"])
@pytest.mark.parametrize("shape", [(5, 4, 7), (2, 3, 6), (1, 1, 12), (3, 2, 1)])
def test_round_trip(structure, tmp_path, unit, shape):
    before = field(structure, shape, unit=unit)
    write_cube(tmp_path / "x.cube", structure, before)
    after_structure, after = read_cube(tmp_path / "x.cube")
    assert (after.unit, after.name, after.shape) == (unit, "density", shape)
    assert np.allclose(after.values, before.values, rtol=1e-10, atol=0) and np.abs(before.values).max() > 0.5
    assert np.allclose(after.cell, structure.cell, rtol=0, atol=1e-10) and np.allclose(after.origin, before.origin, atol=1e-10)
    assert (after_structure.numbers == structure.numbers).all() and np.allclose(after_structure.positions, structure.positions, rtol=0, atol=1e-10)
    assert after.integral() == pytest.approx(before.integral(), rel=1e-9)


def test_an_independent_reader_sees_atomic_units(structure):
    written = field(structure)
    seen = ase_read_cube(io.StringIO(cube_text(structure, written)))
    assert np.allclose(seen["data"], written.values[0] * BOHR_ANGSTROM**3, rtol=1e-9)
    assert np.allclose(seen["atoms"].cell.array, structure.cell, rtol=1e-7) and np.allclose(seen["atoms"].positions, structure.positions, atol=1e-6)


def test_spin_components(structure):
    both = field(structure, spin=2)
    up, down = both.values
    for component, expected in (("total", up + down), ("up", up), ("down", down), ("spin", up - down)):
        assert np.allclose(parse_cube(cube_text(structure, both, component=component), "x")[1].values[0], expected, rtol=1e-9, atol=1e-12)
    with pytest.raises(SetupError, match="has no spin"):
        cube_text(structure, field(structure), component="spin")
    with pytest.raises(SetupError, match="Allowed: total, up"):
        cube_text(structure, both, component="updown")


def test_foreign_dialects(structure):
    text = cube_text(structure, field(structure)).split("\n")
    text[0] = "from elsewhere"
    plain = parse_cube("\n".join(text), "rho.cube")[1]
    assert (plain.unit, plain.name) == ("e/Å³", "rho")
    fortran = parse_cube("\n".join([*text[:8], *[line.replace("E", "D") for line in text[8:]]]), "rho.cube")[1]
    assert (fortran.values == plain.values).all()
    orbital = [*text[:2], text[2].replace("    2", "   -2", 1), *text[3:8], "    1    17", *text[8:]]
    assert (parse_cube("\n".join(orbital), "mo.cube")[1].values == plain.values).all()
    angstrom = [*text[:3], *["-" + line.strip() for line in text[3:6]], *text[6:]]
    assert np.allclose(parse_cube("\n".join(angstrom), "a.cube")[1].cell * BOHR_ANGSTROM, plain.cell)


def test_what_cannot_be_written_is_refused(structure):
    with pytest.raises(SetupError, match="belongs to another cell"):
        cube_text(structure.with_(cell=structure.cell * 2), field(structure))
    with pytest.raises(SetupError, match="Allowed units"):
        cube_text(structure, field(structure, unit="kg"))
    broken = GridField(np.full((2, 2, 2), np.nan), structure.cell, "eV", "v")
    with pytest.raises(SetupError, match="NaN"):
        cube_text(structure, broken)


def damage(lines: list[str], index: int, text: str) -> str:
    return "\n".join([*lines[:index], text, *lines[index + 1:]])


def test_damaged_files_are_told_in_words(structure, tmp_path):
    text = cube_text(structure, field(structure))
    lines = text.split("\n")
    for broken, message in [("", "header of six"), ("\n" * 9, "line 3"), (text[:len(text) // 2], "values for a grid"),
    (damage(lines, 3, "  x 1 0 0"), "line 4"),
                            (damage(lines, 3, "  99999999 1 0 0"), "Allowed: at least 1"), (damage(lines, 2, "99999 0 0 0"), "ends before them"),
                            (damage(lines, 8, "1 2 3 4 5 nan"), "NaN"), (damage(lines, 8, "1 2 3 4 5 zzz"), "not a number"),
                            (damage(lines, 3, " 0 1 0 0"), "at least 1"),
                            (damage(lines, 2, "2 0 0 0 3"), "one value per point")]:
        with pytest.raises(ReadError, match=message) as caught:
            parse_cube(broken, "x.cube")
        assert caught.value.exit_code == 2 and "x.cube" in str(caught.value)
    (tmp_path / "binary.cube").write_bytes(bytes(range(256)))
    with pytest.raises(ReadError, match="not a text file"):
        read_cube(tmp_path / "binary.cube")
    with pytest.raises(ReadError, match="not there"):
        read_cube(tmp_path / "missing.cube")
