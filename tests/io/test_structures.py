"""Writers: nothing lost that the format can hold, readable by ASE, atomic on disk."""
from __future__ import annotations

import io

import ase.io
import numpy as np
import pytest
from ase.constraints import FixAtoms

from solvers import build
from solvers.core.errors import QcadError, ReadError, SetupError, StorageError, StructureError
from solvers.core.structure import Structure
from solvers.io import read_extxyz, write_frames, write_structure
from solvers.io.structures import FORMATS, format_of, read_json


@pytest.fixture
def structure():
    crystal = build.strain(build.bulk(symbol="GaAs", structure="zincblende", a=5.65, cubic=True), strain="0.02 0 0.01 0.03 0.01 0.02")
    atoms = build.rattle(crystal, amplitude=0.05, seed=2)
    atoms.set_initial_magnetic_moments(np.linspace(-1, 1, 8))
    atoms.info = {"label": "a test", "step": 3, "good": True, "vector": np.array([1.5, 2.5])}
    atoms.set_constraint(FixAtoms([0, 3]))
    return Structure.from_atoms(atoms)


@pytest.mark.parametrize("name", ["s.cif", "s.vasp", "POSCAR", "s.extxyz", "s.xyz"])
def test_ase_reads_what_we_write(structure, tmp_path, name):
    write_structure(structure, tmp_path / name)
    seen = ase.io.read(tmp_path / name, format="extxyz" if name == "s.extxyz" else None)
    order = np.argsort(structure.numbers, kind="stable") if "vasp" in name or name == "POSCAR" else np.arange(8)
    order = order if (seen.numbers == structure.numbers[order]).all() else np.arange(8)
    assert (seen.numbers == structure.numbers[order]).all()
    if name != "s.xyz":
        assert np.allclose(seen.cell.cellpar(), structure.to_atoms().cell.cellpar(), rtol=1e-7)
        difference = seen.get_scaled_positions() - structure.to_atoms().get_scaled_positions()[order]
        assert np.abs(difference - np.round(difference)).max() < 1e-7
    else:
        assert np.allclose(seen.positions, structure.positions, rtol=0, atol=1e-14)


def test_json_keeps_everything(structure, tmp_path):
    write_structure(structure, tmp_path / "s.json")
    assert read_json(tmp_path / "s.json") == structure
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(ReadError, match="not a structure file"):
        read_json(tmp_path / "other.json")


def test_extxyz_keeps_everything_bit_for_bit(structure, tmp_path):
    write_structure(structure, tmp_path / "s.extxyz")
    back = read_extxyz(tmp_path / "s.extxyz")[0]
    assert back.constraints[0].index.tolist() == [0, 3]
    assert Structure.from_atoms(back).fingerprint == structure.fingerprint


@pytest.mark.parametrize("name, message", [("s.docx", "End the name in .cif"), ("s", "does not say"), ("s.cube", "does not say")])
def test_unknown_formats(structure, tmp_path, name, message):
    with pytest.raises(SetupError, match=message):
        write_structure(structure, tmp_path / name)
    assert not list(tmp_path.iterdir())
    with pytest.raises(SetupError, match="Allowed: cif"):
        write_structure(structure, tmp_path / name, format="docx")


def test_format_names():
    assert {format_of(name) for name in ("A.CIF", "POSCAR", "CONTCAR.relaxed", "x.poscar", "a.b.extxyz", "x.xyz", "x.json")} == set(FORMATS)


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    from ase import Atoms
    molecule = Structure.from_atoms(Atoms("H2", [(0, 0, 0), (0, 0, 0.74)]))
    for name in ("m.cif", "m.vasp"):
        with pytest.raises(StructureError, match="describes crystals"):
            write_structure(molecule, tmp_path / name)
    write_structure(molecule, tmp_path / "m.extxyz")
    assert not read_extxyz(tmp_path / "m.extxyz")[0].pbc.any()
    with pytest.raises(StructureError, match="no atoms"):
        write_structure(Structure([], np.zeros((0, 3))), tmp_path / "e.xyz")
    with pytest.raises(SetupError, match="no frames"):
        write_frames([], tmp_path / "e.extxyz")
    with pytest.raises(SetupError, match="Allowed: extxyz"):
        write_frames([molecule], tmp_path / "e.cif")


def test_a_failed_write_keeps_the_old_file(structure, tmp_path, monkeypatch):
    from solvers.core import sealed
    target = tmp_path / "s.cif"
    write_structure(structure, target)
    before = target.read_bytes()

    def full(self, path, data):
        path.write_bytes(data[:10])
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(sealed.Disk, "write", full)
    with pytest.raises(StorageError, match="disk is full"):
        write_structure(structure.with_(positions=structure.positions + 1), target)
    assert target.read_bytes() == before and [item.name for item in tmp_path.iterdir()] == ["s.cif"]


def test_frames_carry_results(structure, tmp_path):
    from ase.calculators.singlepoint import SinglePointCalculator
    frames = []
    for i in range(3):
        atoms = structure.to_atoms()
        random = np.random.default_rng(i)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.5 - i, free_energy=-1.6 - i, forces=random.normal(size=(8, 3)), stress=random.normal(size=6))
        frames.append(atoms)
    assert write_frames(frames, tmp_path / "t.extxyz") == 3
    ours, theirs = read_extxyz(tmp_path / "t.extxyz"), ase.io.read(tmp_path / "t.extxyz", ":")
    for before, own, other in zip(frames, ours, theirs, strict=True):
        for name, value in before.calc.results.items():
            assert np.array_equal(own.calc.results[name], value), name
            assert np.allclose(other.calc.results[name], value, rtol=1e-15), name
        assert np.array_equal(own.positions, before.positions) and own.info["label"] == "a test"


GOOD = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 pbc="T T F" virial="1 0 0 0 2 0 0 0 3"\n' \
       "Si 0 0 0 1 2 3\nGe 1 1 1 -1 -2 -3\n"


def test_virial_becomes_stress_and_text_stays_text(tmp_path):
    (tmp_path / "x.extxyz").write_text(GOOD.replace("energy", 'config_type="slab 1 T" file=a/b.c energy') * 2)
    frames = read_extxyz(tmp_path / "x.extxyz")
    assert len(frames) == 2 and np.allclose(frames[0].calc.results["stress"], np.array([-1, -2, -3, 0, 0, 0]) / 64)
    assert frames[1].info == {"config_type": "slab 1 T", "file": "a/b.c"} and frames[0].pbc.tolist() == [True, True, False]
    (tmp_path / "plain.xyz").write_text("2\nany comment = at all\nH 0 0 0\nH 0 0 0.74 extra\n")
    assert np.allclose(read_extxyz(tmp_path / "plain.xyz")[0].positions[1], (0, 0, 0.74))


@pytest.mark.parametrize("old, new, message", [
    ("2\n", "two\n", "should be the number of atoms"), ("2\n", "3\n", "3 atoms are announced and 2 follow"), ("Ge ", "Qq ", "no element 'Qq'"),
    ("1 1 1", "1 x 1", "'pos'"),
    ("1 1 1", "1 1", "instead of 7"), ("forces:R:3", "forces:Q:3", "cannot be understood"), ("1 1 1", "1 nan 1", "not finite"),
    ('"4 0 0', '"4 a 0', "nine numbers"),
    ("virial", "stress", None), ('virial="1 0 0 0', 'stress="0 0', "stress holds")])
def test_damaged_extxyz_is_told_in_words(tmp_path, old, new, message):
    path = tmp_path / "x.extxyz"
    path.write_text(GOOD.replace(old, new, 1))
    if message is None:
        assert np.allclose(read_extxyz(path)[0].calc.results["stress"], (1, 2, 3, 0, 0, 0))
        return
    with pytest.raises(ReadError, match=message) as caught:
        read_extxyz(path)
    assert "x.extxyz, frame 0, line 1" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 50, b"\n\n\n", b"7"])
def test_empty_and_binary_files(tmp_path, content):
    (tmp_path / "x.extxyz").write_bytes(content)
    with pytest.raises(QcadError):
        read_extxyz(tmp_path / "x.extxyz")


def test_csv_has_units_full_precision_and_no_formulas(tmp_path):
    import csv

    from solvers.io.csv import table_text, write_table
    rows = [{"name": "=1+1", "energy": -1 / 3, "n": np.int64(4), "ok": True, "missing": None}, {"name": 'a, "b"\nc', "energy": float("nan"), "n": 5,
    "ok": np.bool_(False)}]
    columns = ["name", "energy", "n", "ok", "missing"]
    write_table(tmp_path / "t.csv", columns, rows, {"energy": "eV"})
    table = list(csv.reader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert table[0] == ["name", "energy [eV]", "n", "ok", "missing"]
    assert float(table[1][1]) == -1 / 3 and table[1][0] == "'=1+1" and table[1][2:] == ["4", "yes", ""]
    assert table[2][0] == 'a, "b"\nc' and table[2][1] == "" and table[2][3] == "no"
    with pytest.raises(SetupError, match="array of shape"):
        table_text(["x"], [{"x": [1, 2]}])
