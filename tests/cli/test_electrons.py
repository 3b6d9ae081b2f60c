"""Verbs that look at the electrons, as a user runs them."""
from __future__ import annotations

import pytest
from ase.build import bulk

CHEAP = ("--cutoff", "100", "--xc", "LDA", "--smearing", "none", "--tolerance", "1e-5")


@pytest.fixture
def silicon(qcad):
    bulk("Si").write(qcad.folder / "si.cif")


def test_bands_and_dos_write_pictures_and_tables(qcad, silicon):
    report = qcad.json("bands", "si.cif", *CHEAP, "--kpts", "2x2x2", "--path", "LG", "--path-spacing", "0.3", "--no-masses", "-o", "bands.png")
    assert report["labels"] == [[0, "L"], [4, "Γ"]] and report["gap_kind"] == "indirect" and len(report["eigenvalues"][0]) == 5
    assert (qcad.folder / "bands.png").read_bytes().startswith(b"\x89PNG")
    done = qcad("dos", "si.cif", *CHEAP, "--kpts", "2x2x2", "--dos-kpts", "3x3x3", "-o", "dos.csv")
    assert "outside atomic orbitals" in done.stdout
    head, first = (qcad.folder / "dos.csv").read_text().splitlines()[:2]
    assert head.startswith("energy [eV],energy from E_F [eV],total [states/eV],0 Si 3s [states/eV]") and len(first.split(",")) == len(head.split(","))


@pytest.mark.parametrize("words, message", [
    (("bands", "si.cif", "--path", "GQ"), "Points of this lattice"),
    (("bands", "si.cif", "-o", "bands.doc"), "Allowed: .png (picture)"),
    (("dos", "si.cif", "--method", "cubes"), "one of tetrahedra, gaussian"),
])
def test_wrong_use_is_one_sentence(qcad, silicon, words, message):
    done = qcad(*words, code=2)
    assert message in done.stderr and "Traceback" not in done.stderr
