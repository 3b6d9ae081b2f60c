"""Foreign files: read in a child, refused in words, whatever is in them."""
from __future__ import annotations

import json
import os
import tempfile
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io import write

from solvers.core import bridge
from solvers.core.bridge import FORMATS, format_of, read_field, read_frames, read_structure, read_trajectory
from solvers.core.errors import ReadError


def salt():
    atoms = bulk("NaCl", "rocksalt", 5.6, cubic=True)
    atoms.rattle(0.01, seed=4)
    atoms.set_constraint(FixAtoms([0]))
    rng = np.random.default_rng(0)
    atoms.calc = SinglePointCalculator(atoms, energy=-1.5, forces=rng.normal(size=(8, 3)), stress=rng.normal(size=6))
    return atoms


#: format -> (file name, arguments of ASE's writer, Å lost by the format)
FILES = {
    "cif": ("a.cif", {}, 1e-4), "vasp": ("POSCAR", {"direct": True}, 1e-9), "extxyz": ("a.extxyz", {}, 1e-7), "xyz": ("a.xyz", {}, 1e-7),
    "traj": ("a.traj", {}, 0.0),
    "cube": ("a.cube", {"data": np.random.default_rng(1).random((4, 5, 6))}, 1e-5), "json": ("a.json", {}, 0.0),
    "xsf": ("a.xsf", {"data": np.random.default_rng(1).random((5, 6, 7))}, 1e-9), "lammps-data": ("a.data", {"masses": True}, 1e-6),
}


def make(folder, kind):
    name, arguments, _ = FILES[kind]
    path = folder / name
    write(path, salt(), format=kind, **arguments)
    return path


@pytest.mark.parametrize("kind", FILES)
def test_structures_come_through(tmp_path, kind):
    folder = tmp_path / "Ünïcode 実験 'a b' $;"
    folder.mkdir()
    structure = read_structure(make(folder, kind))
    expected = salt()
    assert structure.formula == "Na4Cl4"
    if kind != "xyz":
        np.testing.assert_allclose(np.sort(np.linalg.norm(structure.cell, axis=1)), [5.6] * 3, atol=1e-4)
    distance = structure.positions - expected.positions
    if kind in ("cif", "lammps-data"):  # wrapped into the cell
        distance -= np.round(distance / 5.6) * 5.6
    assert np.abs(distance).max() <= max(FILES[kind][2], 1e-12)
    assert structure.numbers.tolist() == expected.numbers.tolist()


@pytest.mark.parametrize("kind", ["extxyz", "traj"])
def test_trajectories_come_with_their_results(tmp_path, kind):
    first, second = salt(), salt()
    second.positions += 0.1
    write(tmp_path / f"a.{kind}", [first, second], format=kind)
    trajectory = read_trajectory(tmp_path / f"a.{kind}")
    assert len(trajectory) == 2 and trajectory.columns["energy"] == "eV"
    frame = trajectory.frame(0)
    assert frame.get_potential_energy() == -1.5
    np.testing.assert_allclose(frame.get_forces(apply_constraint=False), first.calc.results["forces"], atol=1e-8)
    np.testing.assert_allclose(frame.get_stress(), first.calc.results["stress"], atol=1e-8)
    assert len(read_frames(tmp_path / f"a.{kind}")) == 2
    assert read_structure(tmp_path / f"a.{kind}", 0).positions[0, 0] == pytest.approx(first.positions[0, 0], abs=1e-7)
    with pytest.raises(ReadError, match="2 structures; number 5"):
        read_structure(tmp_path / f"a.{kind}", 5)


def test_fields(tmp_path):
    structure, field = read_field(make(tmp_path, "cube"))
    assert structure.formula == "Na4Cl4" and field.shape == (4, 5, 6) and field.unit == "e/Å³"
    np.testing.assert_allclose(field.cell, np.eye(3) * 5.6, atol=1e-4)
    values = FILES["cube"][1]["data"]
    np.testing.assert_allclose(field.values[0] / field.values[0].max(), values / values.max(), rtol=1e-4)
    structure, field = read_field(make(tmp_path, "xsf"))
    assert field.shape == (4, 5, 6) and field.unit == "" and field.values.max() > 0.5
    with pytest.raises(ReadError, match="holds no field"):
        read_field(make(tmp_path, "cif"))


# ---- what is no file ----------------------------------------------------------------------------------------------------------------------------
def test_what_is_no_structure_file(tmp_path):
    fifo = tmp_path / "pipe.cif"
    os.mkfifo(fifo)
    folder = tmp_path / "folder.cif"
    folder.mkdir()
    empty = tmp_path / "empty.cif"
    empty.touch()
    dead = tmp_path / "dead.cif"
    dead.symlink_to(tmp_path / "nothing")
    for path, words in (("-", "'-' is not a file"), ("http://example.org/a.cif", "is not a file. Save it"), ("user@host:a.cif", "is not there"),
                        (fifo, "a pipe or a device"),
                        (folder, "a folder, not a file"), ("/dev/zero", "a pipe or a device"), (empty, "empty.cif is empty"), (dead, "is not there"),
                        (tmp_path / "none.cif", "is not there. Check the path"), ("a\0b.cif", "NUL"), (tmp_path / ("x" * 300 + ".cif"), "cannot be opened")):
        start = time.monotonic()
        with pytest.raises(ReadError, match=words):
            read_structure(path)
        assert time.monotonic() - start < 1


def test_unknown_endings_list_the_known_ones(tmp_path):
    path = tmp_path / "a.docx"
    path.write_text("x")
    with pytest.raises(ReadError, match=r"'a.docx' stands for no known format. Known: \.cif, .*POSCAR"):
        read_structure(path)
    with pytest.raises(ReadError, match="no reader called 'pickle'"):
        read_structure(path, format="pickle")
    names = {"x.cif": "cif", "POSCAR": "vasp", "CONTCAR.2": "vasp", "a.POSCAR": "vasp", "Si.XYZ": "xyz", "b.lammps-data": "lammps-data", "c.cub": "cube"}
    assert {name: format_of(name) for name in names} == names


@pytest.mark.parametrize("content, words", [
    (b"\n\n  \n", "only blank lines"), (b"\xff\xfea\0b\0", "UTF-16"), (b"\x7fELF\0\0\0\0" * 50, "binary file"),
    (b"hello, I am prose\n" * 5, "cannot be read|does not begin"),
    (b"a" * 3_000_000, "more than two million characters"), (b"\xef\xbb\xbf", "only blank lines|cannot be read"),
])
@pytest.mark.parametrize("kind", ["cif", "extxyz"])
def test_odd_contents(tmp_path, content, words, kind):
    path = tmp_path / f"odd.{kind}"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=words) as caught:
        read_structure(path)
    assert "odd." in str(caught.value)


@pytest.mark.parametrize("name, content, words", [
    ("a.xyz", "1000000000000\ncomment\nH 0 0 0\n", "announces 1000000000000 atoms but holds only"),
    ("a.xyz", "2\ncomment\nH 0 0 0\n", "2 atoms are announced and 1 follow"),
    ("a.xyz", "1\n\nXx1 0 0 0\n", "Xx1"),
    ("a.xyz", "1\n\nH 0 0 nan\n", "finite|nan"),
    ("a.xyz", "1\n\nH 0 0 1e30\n", "a length of 1e\\+30"),
    ("a.cube", "t\nt\n1 0 0 0\n100000 1 0 0\n100000 0 1 0\n100000 0 0 1\n1 1 0 0 0\n1.0\n", "grid of"),
    ("a.json", "[[[[" * 50_000, "nested too deeply|cannot be read"),
    ("a.json", '{"a": 1}', "neither a structure of this program nor a database"),
    ("POSCAR", "x\n1\n1 0 0\n0 1 0\n0 0 1\n1000000000\nDirect\n0 0 0\n", "cannot be read|memory"),
    ("a.cif", "data_x\n_cell_length_a 1e400\n", "cannot be read|not finite|holds no structure"),
])
def test_claims_and_damage(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ReadError, match=words):
        read_structure(path)


# ---- mutations ------------------------------------------------------------------------------------------------------------------------------------
def mutations(data, rng, count):
    """Flipped bytes, truncations, lines doubled, removed and swapped, numbers replaced by absurd ones."""
    for k in range(count):
        kind = k % 5
        if kind == 0:
            out = bytearray(data)
            for _ in range(rng.integers(1, 6)):
                out[rng.integers(len(out))] = rng.integers(256)
            yield bytes(out)
        elif kind == 1:
            yield data[:rng.integers(1, len(data))]
        else:
            lines = data.split(b"\n")
            i, j = rng.integers(len(lines), size=2)
            if kind == 2:
                lines[i] = rng.choice([b"", lines[j], lines[i] * 2])
            elif kind == 3:
                lines[i], lines[j] = lines[j], lines[i]
            else:
                words = lines[i].split()
                if words:
                    words[rng.integers(len(words))] = rng.choice([b"1e309", b"-1", b"9223372036854775808", b"nan", b"1" * 400, b"\xff\xfe"])
                lines[i] = b" ".join(words)
            yield b"\n".join(lines)


READER = """
import json, resource, sys, time
from pathlib import Path
from solvers.core import reader
from solvers.core.errors import QcadError, ReadError
kind, paths = sys.argv[1], sys.argv[2:]
import ase.io.formats
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
out = []
for path in paths:
    start = time.perf_counter()
    request = {"do": "frames", "path": path, "format": kind, "name": Path(path).name, "index": ":", "memory": 2**30}
    try:
        header, arrays = reader.answer(request, Path(path).read_bytes())
        said = "ok"
    except ReadError as error:
        said = "ReadError" if len(str(error)) > 20 else "short"
    except MemoryError:
        said = "MemoryError"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    out.append([Path(path).name, said, time.perf_counter() - start])
print(json.dumps([out, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


@pytest.mark.parametrize("kind", FILES)
def test_mutated_files_give_read_errors_only(tmp_path, kind):
    """Fifty mutations of a file, parsed one after another by the child's own function under its memory limit: only ReadError, at most 5 s and 1 GB."""
    import subprocess
    import sys
    source = make(tmp_path, kind)
    data = source.read_bytes()
    rng = np.random.default_rng(list(FILES).index(kind))
    paths = []
    for k, content in enumerate(mutations(data, rng, 50)):
        paths.append(tmp_path / f"m{k:02d}.{kind}")
        paths[-1].write_bytes(content)
    done = subprocess.run([sys.executable, "-c", READER, kind, *map(str, paths)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    rows, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert len(rows) == 50
    strange = [(name, said) for name, said, _ in rows if said not in ("ok", "ReadError", "MemoryError")]
    assert not strange
    assert sum(said == "ReadError" for _, said, _ in rows) >= 5
    assert max(seconds for *_, seconds in rows) < 5 and megabytes < 1024


def test_some_mutations_through_the_whole_bridge(tmp_path):
    rng = np.random.default_rng(9)
    refused = 0
    for kind in ("cif", "traj"):
        data = make(tmp_path, kind).read_bytes()
        for content in mutations(data, rng, 3):
            path = tmp_path / f"m.{kind}"
            path.write_bytes(content)
            try:
                assert len(read_structure(path)) > 0
            except ReadError as error:
                refused += 1
                assert "m." in str(error)
    assert refused > 1


# ---- the child ------------------------------------------------------------------------------------------------------------------------------------
def child(code):
    """A reader that misbehaves: python code in place of `solvers.core.reader`."""
    import sys
    return lambda: [sys.executable, "-c", code]


def test_a_child_that_is_dead_before_it_is_asked(tmp_path, monkeypatch):
    path = make(tmp_path, "cif")
    monkeypatch.setattr(bridge, "reader_argv", child("import os; os._exit(3)"))
    exchange = bridge._exchange

    def late(process, *rest):
        process.wait(timeout=20)
        return exchange(process, *rest)

    monkeypatch.setattr(bridge, "_exchange", late)
    with pytest.raises(ReadError, match="broke down"):
        read_structure(path)


@pytest.mark.parametrize("code, words", [
    ("import os; os.abort()", "broke down"),
    ("import sys; print('noise'); sys.exit(0)", "broke down"),
    ("import sys; sys.stderr.write('MemoryError')", "more memory than a reader is given"),
    ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass", "of processor time"),
    ("import time; time.sleep(30)", "took longer than"),
    ("import sys, struct; sys.stdout.buffer.write(b'QCB1' + struct.pack('<Q', 2**60)); sys.stdout.flush(); import time; time.sleep(5)", "broke down"),
    ("import sys, struct; h = b'{\"header\": {\"ok\": true}, \"arrays\": [{\"name\": \"x\", \"dtype\": \"O\", \"shape\": [1]}]}';"
     "sys.stdout.buffer.write(b'QCB1' + struct.pack('<Q', len(h)) + h + bytes(8))", "broke down"),
    ("import sys, struct; h = b'{\"header\": {\"ok\": true}, \"arrays\": [{\"name\": \"x\", \"dtype\": \"<f8\", \"shape\": [1000000000000]}]}';"
     "sys.stdout.buffer.write(b'QCB1' + struct.pack('<Q', len(h)) + h + bytes(8))", "broke down"),
])
def test_a_child_that_crashes_hangs_or_lies(tmp_path, monkeypatch, code, words):
    path = make(tmp_path, "cif")
    monkeypatch.setattr(bridge, "reader_argv", child(code))
    if "sleep(30)" in code:
        exchange = bridge._exchange
        monkeypatch.setattr(bridge, "_exchange", lambda child, request, path, patience: exchange(child, request, path, 1.0))
    own = tmp_path / "temporary"  # other readers may be at work in the common folder
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    start = time.monotonic()
    with pytest.raises(ReadError, match=words):
        read_structure(path)
    assert time.monotonic() - start < 60  # generous: the machine may be busy, the limits are in the child
    assert not list(own.iterdir())


def test_the_child_is_shut_in(tmp_path):
    """After `restrict` the child can neither write files nor reach the network, and its memory is limited."""
    import subprocess
    import sys
    code = f"""
import json, socket
from solvers.core import reader
reader.restrict({{"memory": 2**30, "seconds": 10}})
said = {{}}
try:
    with open({str(tmp_path / "written")!r}, "w") as file:
        file.write("x" * 10)
    said["write"] = "done"
except OSError as error:
    said["write"] = "refused"
try:
    bytearray(2**31)
    said["memory"] = "given"
except MemoryError:
    said["memory"] = "refused"
said["interfaces"] = [name for _, name in socket.if_nameindex() if name != "lo"]
print(json.dumps(said))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    said = json.loads(done.stdout)
    assert said["write"] == "refused" and said["memory"] == "refused"
    if os.geteuid() == 0:  # without privileges a system may forbid new namespaces
        assert said["interfaces"] == []


def test_constraints_and_infos_of_strangers_stay_data(tmp_path):
    atoms = salt()
    atoms.info["note"] = "__import__('os').system('true')"
    write(tmp_path / "a.traj", atoms)
    structure = read_structure(tmp_path / "a.traj")
    assert structure.constraints[0]["name"] == "FixAtoms" and len(structure.to_atoms().constraints) == 1
    assert isinstance(structure.info.get("note", ""), str)


def test_every_format_is_tested():
    assert set(FORMATS) - set(FILES) == {"lammps-dump"}


def test_lammps_dump(tmp_path):
    path = tmp_path / "a.dump"
    path.write_text("ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\n"
                    "ITEM: BOX BOUNDS pp pp pp\n0 4\n0 4\n0 4\nITEM: ATOMS id type element x y z\n1 1 Si 0 0 0\n2 1 Si 1 1 1\n")
    structure = read_structure(path)
    assert structure.formula == "Si2" and structure.positions[1, 2] == 1 and structure.cell[0, 0] == 4


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.xyz"
    with open(path, "wb") as file:
        file.truncate(3 * 2**30)  # sparse: it takes no room
    with pytest.raises(ReadError, match=r"huge.xyz has 3\.0 GB\. At most 2 GB are read at once; split the file"):
        read_structure(path)
