"""Functionals and dispersion beside stored results of ABINIT and Quantum ESPRESSO; `qcad validate functionals` runs the programs themselves."""
from __future__ import annotations

import json

import pytest

from solvers.validate import functionals as area

STORED = json.loads(area._STORED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [case for case in area.CASES if case.name in ("SiC revPBE",)], ids=lambda case: case.name)
def test_functional(case):
    rows = list(area.functional_rows(case, STORED[case.name], STORED[case.name]["version"]))
    assert len(rows) == 8 and all(row.passed for row in rows), rows


def test_dispersion():
    pytest.importorskip("dftd3", reason="dftd3 is not installed (extra 'dispersion')")
    rows = list(area.dispersion_rows(STORED[area.MOLECULE.name], "stored"))
    assert len(rows) == 6 and all(row.passed for row in rows), rows
    assert all(abs(row.ours) > 3 * row.tolerance for row in rows if row.quantity != "force 01 (worst)")


def test_every_case_is_stored():
    assert set(STORED) == {*(case.name for case in area.CASES), area.MOLECULE.name}
