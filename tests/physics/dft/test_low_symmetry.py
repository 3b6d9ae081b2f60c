"""Cells without symmetry beside stored results of `pw.x` on UPF files; the table of one line per case; Elk's input and output."""
from __future__ import annotations

import pytest

from solvers.core.errors import MissingError, ReadError, SetupError
from solvers.validate import areas, crystals, run, summaries, summary, table, upf, whole
from solvers.validate.cases import dft, low_symmetry, magnets
from solvers.validate.cases import upf as upf_cases
from solvers.validate.cases.crystals import BESIDE_ELK, CRYSTALS, STRAINS
from solvers.validate.peers import elk, espresso, store
from solvers.validate.report import compare


@pytest.mark.parametrize("name", ["H2O UPF at Γ", "Al4 UPF, cold smearing"])
def test_stored_espresso(name):
    """Both versions of UPF, a molecule whose hydrogen has no projectors and a mesh that begins late, a metal with cold smearing."""
    item = next(item for item in upf_cases.CASES if item.case.name == name)
    rows = list(upf.rows_of(item, live=False))
    assert all(row.passed for row in rows), "\n" + table(rows)
    assert {row.quantity.split()[0] for row in rows} == {"free", "force", "stress"} and {row.tolerance for row in rows} == {dft.ENERGY, dft.FORCE, dft.STRESS}


def test_the_table_has_every_kind():
    found = summaries.sheets()
    assert len(found) >= 40
    assert {sheet.kind for sheet in found.values()} >= {"insulator", "metal", "magnet", "molecule", "slab", "magnetic molecule", "magnetic slab"}
    assert {sheet.potential.split()[0] for sheet in found.values()} >= {"GTH", "psp8", "UPF"}
    for word in ("+U", "D3(BJ)", "core density", "cold", "HSE06", "r2SCAN", "LDA", "PBE"):
        assert any(word in sheet.features for sheet in found.values()), word
    assert all(case.forces and len(case.symbols) > 1 for case in low_symmetry.MORE)


def test_one_line_per_case_with_the_deviation_nearest_to_its_line():
    name = magnets.MAGNETS[1].name
    rows = [compare("dft", name, "free energy", -1.0, -1.0 - 1e-8, 5e-7, "Ha/atom", "P 1"), compare("dft", name, "stress xx", 1.0, 1.001, 0.01, "GPa", "P 1"),
            compare("dft", name, "stress yy", 1.0, 1.02, 0.01, "GPa", "P 1"), compare("dft", name, "total moment", 2.0, 2.0, 1e-3, "µB", "P 1"),
            compare("dft", name, "force 0x (worst of 6)", 0.1, 0.1, 1e-5, "Ha/bohr", "P 1"), compare("dft", "Al", "free energy", 1, 1, 1e-7, "Ha/atom", "P 1")]
    line, = summaries.lines(rows)
    assert line["case"] == name and line["kind"] == "magnet" and not line["passed"]
    assert line["stress"] == {"difference": pytest.approx(0.02), "line": 0.01} and line["energy"]["difference"] == pytest.approx(1e-8)
    assert "1 cells without symmetry, 1 outside a line" in summary(rows) and summary(rows[-1:]) == ""


def test_parts_run_once_and_cases_are_chosen_by_name():
    assert "dft" in whole() and not {"upf", "crystals", "bands"} & set(whole()) and set(whole()) < set(areas())
    with pytest.raises(MissingError, match="No case of 'crystals' that can run here is called 'Unobtainium'"):
        run("crystals", only=["Unobtainium"])
    with pytest.raises(SetupError, match="cannot be chosen by name"):
        run("elastic", only=["Si"])


def test_rows_are_told_as_they_come(monkeypatch):
    row, told = compare("upf", "X", "free energy", 1.0, 1.0, 1e-7, "Ha/atom", "P 1"), []

    def rows(full, only=None):
        yield row
        assert told == [row]
        yield row

    monkeypatch.setattr(upf, "run", rows)
    assert run("upf", tell=told.append) == told == [row, row]


def test_a_curve_that_jumps_is_no_curve():
    volumes = [10.0 * strain for strain in STRAINS]
    smooth = [0.01 * (strain - 1.0) ** 2 for strain in STRAINS]
    assert crystals._smooth(volumes, smooth) and not crystals._smooth(volumes, [*smooth[:-1], 0.0]) and not crystals._smooth(volumes, list(STRAINS))


def test_spin_lines_of_pw():
    iron = next(item.case for item in upf_cases.CASES if item.case.name.startswith("Fe2"))
    assert espresso.spin_lines(dft.CASES["Si2"]) == ""
    with_table = {**iron.__dict__, "pseudos": {"Fe": "GTH-PADE-q8"}}
    assert espresso.spin_lines(type(iron)(**with_table)) == "nspin = 2, starting_magnetization(1) = 0.5000"


def test_elk_input_and_output(monkeypatch):
    case = next(crystal for crystal in CRYSTALS if crystal.name == BESIDE_ELK[1]).case(1.0)
    text = elk.input_text(case)
    assert "xctype\n  20\n\n" in text and "stype\n  3\n\nswidth\n  0.01\n" in text
    assert "ngridk\n  10 10 10\n" in text and "'Al.in'\n  1\n  0.000000000000" in text
    with pytest.raises(SetupError, match="Elk is not asked for Fe bcc"):
        elk.input_text(magnets.MAGNETS[0])
    with pytest.raises(SetupError, match="No muffin-tin radius is chosen for Ga"):
        elk.input_text(dft.CASES["GaAs triclinic"])
    info = "| Elk version 8.4.30 started |\n muffin-tin radius :    2.000000000\n{}\n total energy                :     -242.820715657\n"
    found = elk.parse(info.format("Convergence targets achieved"), [2.0])
    assert found == {"version": "Elk 8.4.30", "energy": -242.820715657}
    with pytest.raises(ReadError, match="no converged total energy"):
        elk.parse(info.format(""), [2.0])
    with pytest.raises(ReadError, match=r"radii \[2.0\] instead of \[2.2\]"):
        elk.parse(info.format("Convergence targets achieved"), [2.2])
    monkeypatch.setattr(elk, "installed", lambda: False)
    with pytest.raises(MissingError, match="Elk is not installed"):
        elk.run(case)


def test_stored_curves_are_whole():
    for peer in ("abinit", "elk"):
        names = set(store.stored(peer, "crystals"))
        whole_ones = [crystal for crystal in CRYSTALS if {crystal.case(strain).name for strain in STRAINS} <= names]
        assert len(names) == len(STRAINS) * len(whole_ones) and len(whole_ones) >= (20 if peer == "abinit" else 4), peer


def test_twenty_stored_curves_are_smooth_enough_for_a_volume():
    """A curve that jumps with the number of plane waves has its energies judged and no volume: three may."""
    rough = [crystal.name for crystal in CRYSTALS if not crystals._smooth(
        [strain * crystal.volume for strain in STRAINS], [store.result("abinit", crystal.case(strain).name, "crystals")["energy"] for strain in STRAINS])]
    assert len(CRYSTALS) - len(rough) >= 20, rough
