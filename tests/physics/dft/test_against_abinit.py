"""Energies, forces and stresses beside stored ABINIT results; cases and tolerances stand in solvers/validate."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.validate import dft as area
from solvers.validate import table
from solvers.validate.cases import dft as cases
from solvers.validate.cases.low_symmetry import MORE
from solvers.validate.cases.magnets import FILE_CASES, MAGNETS
from solvers.validate.peers import abinit, store

#: cases that take more than ten seconds on one core
SLOW = {"MgO", "quartz any origin", "Cu2 distorted", "Ti2 LDA distorted", "BaO distorted", "H2O at Γ"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in cases.CASES])
def test_stored_abinit(name):
    case = cases.CASES[name]
    rows = list(area.peer_rows(case, live=False))
    assert all(row.passed for row in rows), "\n" + table(rows)
    assert len(rows) >= (8 if case.forces else 1)
    assert rows[0].tolerance == case.energy_tolerance and abs(rows[0].ours) > 0.5


@pytest.mark.parametrize("case", [case for case in MAGNETS if case.name == "O2 triplet at Γ"], ids=lambda case: case.name)
def test_stored_magnets(case):
    """A triplet here; metals, antiferromagnets and core densities in `qcad validate dft`."""
    rows = list(area.peer_rows(case, live=False))
    assert all(row.passed for row in rows), "\n" + table(rows)
    assert next(row for row in rows if row.quantity == "total moment").ours > 1.9


@pytest.mark.parametrize("name", list(cases.ESPRESSO_CASES))
def test_stored_espresso(name):
    """Cold smearing has no other peer: ABINIT's two kinds are other polynomials."""
    rows = list(area.espresso_rows(cases.ESPRESSO_CASES[name], live=False))
    assert all(row.passed for row in rows), "\n" + table(rows)


def test_the_stored_values_are_complete_and_say_where_they_come_from():
    results = store.stored("abinit")
    assert set(cases.CASES) <= set(results) <= {*cases.CASES, *(case.name for case in (*MAGNETS, *FILE_CASES, *MORE))}
    for name, row in results.items():
        assert row["version"].startswith("ABINIT 9") and "ecut" in row["input"] and "ixc" in row["input"], name
        assert all(isinstance(n, int) for n in row["box"])
    # six or more low-symmetry cells with forces that are not zero and stresses that are not isotropic
    low = [results[case.name] for case in cases.CASES.values() if case.forces]
    assert len(low) >= 8
    assert all(np.abs(row["forces"]).max() > 1e-3 and np.abs(row["stress"] - np.trace(row["stress"]) / 3 * np.eye(3)).max() > 0.05 for row in low)


def test_literature_totals():
    """ABINIT values of the DFTK test suite (PBE, 33³ box there, 36³ here: Si is insensitive) and of QE 6.7."""
    assert store.result("abinit", "Si2")["energy"] == pytest.approx(-7.854477356672080, abs=5e-9)
    assert store.result("abinit", "Si2 LDA")["energy"] == pytest.approx(-7.9113941778, abs=1e-9)


def test_abinit_input_and_output_round_trip():
    """The writer names what the case asks for; the parser reads what ABINIT prints and refuses what it does not."""
    case = cases.CASES["Ti2 LDA distorted"]
    text = abinit.input_text(case, ["Ti.psp10"])
    assert "occopt 6" in text and "tsmear 0.02" in text and "nsym 1" in text and "ixc -1012" in text and "ngkpt 3 3 2" in text
    with pytest.raises(Exception, match="lacks the energy"):
        abinit.parse("nothing here", 2)


@pytest.mark.skipif(not abinit.installed(), reason="ABINIT is not installed: its stored results are compared in test_stored_abinit")
def test_live_abinit_repeats_its_stored_result():
    live, stored = abinit.run(cases.CASES["Si2 displaced"]), store.result("abinit", "Si2 displaced")
    assert live["energy"] == pytest.approx(stored["energy"], abs=1e-8)
    assert live["forces"] == pytest.approx(stored["forces"], abs=1e-7)
    assert live["stress"] == pytest.approx(stored["stress"], abs=1e-3)
