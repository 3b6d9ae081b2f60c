"""``qcad phonons`` as a user runs it."""
from __future__ import annotations

import numpy as np
from ase.build import bulk


def test_phonons_write_tables_and_one_object(qcad):
    bulk("Cu").write(qcad.folder / "cu.xyz", format="extxyz")
    words = ("phonons", "cu.xyz", "--calculator", "emt", "--supercell", "2x2x2", "--mesh", "20", "--no-check-displacement")
    report = qcad.json(*words, "-o", "cu.csv")
    assert report["stable"] and report["converged"] and report["lowest_frequency"] > -1e-3
    assert [name for _, name in report["labels"]][0] == "Γ" and report["supercell"] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    heading, *rows = (qcad.folder / "cu.csv").read_text().splitlines()
    assert heading.startswith("temperature [K],helmholtz_energy [eV]") and len(rows) == len(report["temperatures"])
    assert np.array(rows[-1].split(","), float)[4] == report["heat_capacity"][-1]
    assert "branch_3 [THz]" in (qcad.folder / "cu-bands.csv").read_text() and (qcad.folder / "cu-dos.csv").is_file()
    refused = qcad(*words, "-o", "cu.pdf", code=2)
    assert "Allowed: .png" in refused.stderr


def test_phonons_draw_a_picture(tmp_path):
    from solvers.cli import vibrations
    from solvers.core.calculators import CalculatorSpec
    from solvers.core.job import drain
    from solvers.core.structure import Structure
    from solvers.phonons import PhononParams, phonons
    inputs = {"structure": Structure.from_atoms(bulk("Cu")), "calculator": CalculatorSpec("emt")}
    result = drain(phonons(PhononParams(supercell=(2, 2, 2), mesh=20.0, check_displacement=False), inputs))
    for name, start in (("a.png", b"\x89PNG"), ("a.yaml", b"phonopy:")):
        files = vibrations.write(result, tmp_path / name)
        assert files == [tmp_path / name] and files[0].read_bytes().startswith(start)
    assert any("dynamically stable" in line for line in vibrations.words(result))
