"""Verbs that look at the electrons, as a user runs them."""
from __future__ import annotations

import json

import pytest
from ase import Atoms
from ase.build import bulk, fcc111

from solvers import tasks
from solvers.cli import electron_words, electrons
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure

CHEAP = ("--cutoff", "100", "--xc", "LDA", "--smearing", "none", "--tolerance", "1e-5")


@pytest.fixture
def silicon(qcad):
    bulk("Si").write(qcad.folder / "si.cif")


def test_bands_as_a_user_runs_them(qcad, silicon):
    report = qcad.json("bands", "si.cif", *CHEAP, "--kpts", "2x2x2", "--path", "LG", "--path-spacing", "0.3", "--no-masses", "-o", "bands.png")
    assert report["labels"] == [[0, "L"], [4, "Γ"]] and report["gap_kind"] == "indirect" and len(report["eigenvalues"][0]) == 5
    assert (qcad.folder / "bands.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words, message", [
    (("bands", "si.cif", "-o", "bands.doc"), "Allowed: .png (picture)"),
    (("dos", "si.cif", "--method", "cubes"), "one of tetrahedra, gaussian"),
])
def test_wrong_use_is_one_sentence(qcad, silicon, words, message):
    done = qcad(*words, code=2)
    assert message in done.stderr and "Traceback" not in done.stderr


def result_of(verb, atoms, **own):
    atoms.pbc = True
    task = tasks.get(verb)
    params = from_dict(task.params_class(), {"xc": "LDA", "cutoff": 80, "tolerance": 1e-5, "device": "cpu", **own})
    return drain(task.run(params, {"structure": Structure.from_atoms(atoms)}))


SLAB = {"kpts": "2x2x1", "smearing": "fermi-dirac:0.3eV"}


def test_tables_have_a_column_for_every_state(tmp_path):
    result = result_of("dos", bulk("Si"), kpts="2x2x2", dos_kpts="3x3x3", smearing="none")
    electrons.write("dos", result, tmp_path / "dos.csv")
    head, first = (tmp_path / "dos.csv").read_text().splitlines()[:2]
    assert head.startswith("energy [eV],energy from E_F [eV],total [states/eV],0 Si 3s [states/eV]") and len(first.split(",")) == len(head.split(","))
    result = result_of("bands", bulk("Si"), kpts="2x2x2", path="LG,GX", path_spacing=0.5, masses=False, smearing="none")
    electrons.write("bands", result, tmp_path / "bands.csv")
    assert "bands touch" not in "".join(electron_words.words("bands", result)) and ",Γ," in (tmp_path / "bands.csv").read_text()


@pytest.mark.parametrize("verb, atoms, own, suffixes, said", [
    ("dos", bulk("Si"), {"kpts": "2x2x2", "dos_kpts": "2x2x2", "smearing": "none"}, (".png", ".csv"), "outside atomic orbitals"),
    ("workfunction", fcc111("Al", (1, 1, 1), a=4.05, vacuum=5.0), SLAB, (".png", ".csv", ".cube"), "work function"),
    ("stm", fcc111("Al", (1, 1, 1), a=4.05, vacuum=5.0), {**SLAB, "mode": "current"}, (".png", ".csv", ".cube"), "Å above the outermost atom"),
    ("field", bulk("H", "sc", a=3.5), {"kpts": "2x2x2", "magmoms": (1.0,), "kind": "elf"}, (".cube",), "spin channels: 2"),
    ("charges", Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.8]], cell=[5, 5, 7]), {"smearing": "none"}, (".csv",), "Hirshfeld"),
    ("converge", bulk("Si"), {"cutoff": 110, "kpts": "2x2x2", "smearing": "none", "max_rungs": 3}, (".png", ".csv", ".json"), "proposed "),
])
def test_every_verb_says_and_writes_its_result(tmp_path, verb, atoms, own, suffixes, said):
    result = result_of(verb, atoms, **own)
    assert said in "\n".join(electron_words.words(verb, result))
    report = json.loads(json.dumps(electrons.summary(verb, result)))
    assert set(electrons._KEYS[verb]) & set(report) and all(key in report for key in electrons._SETTINGS[verb])
    assert set(suffixes) == set(electrons._OUTPUT[verb])
    for suffix in suffixes:
        path = tmp_path / f"result{suffix}"
        electrons.write(verb, result, path)
        made = sorted(tmp_path.glob(f"result*{suffix}"))
        assert made and all(file.stat().st_size > 20 for file in made)
    if verb == "field":  # the localisation of two spins is no sum
        assert [file.name for file in sorted(tmp_path.glob("*.cube"))] == ["result-down.cube", "result-up.cube"]
    if verb == "converge":
        from solvers.dft import DFT
        DFT(**json.loads((tmp_path / "result.json").read_text()))
