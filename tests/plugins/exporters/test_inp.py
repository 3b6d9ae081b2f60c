"""Decks: order of columns, width of fields, units, read-back, headers from hostile names, and what CalculiX makes of them."""
from __future__ import annotations

import importlib
import re

import numpy as np
import pytest

from solvers.continuum import Material, check_deck, fe_ccx
from solvers.continuum.inp import DIALECTS, MAX_FIELD, read_back
from solvers.continuum.tensor import mandel_eigenvalues
from solvers.core.errors import MissingError, ReadError, RunError, SetupError
from solvers.validate import deck as validate_deck

SOLVERS = [pytest.param("ccx", marks=pytest.mark.skipif(fe_ccx.find() is None, reason="CalculiX is not installed")), "skfem"]


def triclinic():
    return validate_deck.triclinic(7)


copper = validate_deck.copper


def data_lines(text):
    return [line for line in text.splitlines() if line and not line.startswith("*")]


@pytest.mark.parametrize("dialect", ["calculix", "abaqus"])
@pytest.mark.parametrize("units", ["SI", "mm-t-s", "mm-kg-ms", "um-kg-s"])
def test_round_trip_in_every_unit_system(tmp_path, dialect, units):
    material = triclinic()
    text = material.export(tmp_path / "deck.inp", format=dialect, units=units)
    assert (tmp_path / "deck.inp").read_text() == text
    deck = importlib.import_module(f"plugins.exporters.{dialect}").read_back(text)
    assert deck.stiffness[0] == pytest.approx(material.stiffness_voigt, rel=1e-11, abs=1e-2)
    assert deck.density[0] == pytest.approx(3210, rel=1e-12)
    assert deck.units.name == units and f"** UNIT SYSTEM: {units} " in text
    fields = [field for line in data_lines(text) for field in line.split(",")]
    assert len(fields) == 21 + 2 and max(map(len, fields)) <= MAX_FIELD and max(map(len, text.splitlines())) < 200


def test_columns_are_the_published_ones(tmp_path):
    """21 recognisable constants: the file must list 11, 12, 22, … in the manual's order, row by row of eight."""
    c = np.zeros((6, 6))
    for i in range(6):
        for j in range(i, 6):
            c[i, j] = c[j, i] = (10 * (i + 1) + j + 1) * 1e6 + (1e9 if i == j else 0)
    text = Material(c).export(tmp_path / "d.inp", format="calculix", units="mm-t-s")
    rows = [[float(field) for field in line.split(",")] for line in data_lines(text)]
    expected = "11 12 22 13 23 33 16 26 36 66 15 25 35 56 55 14 24 34 46 45 44".split()
    assert [len(row) for row in rows] == [8, 8, 5]
    assert [round(value) % 1000 for row in rows for value in row] == [int(text) for text in expected]


def test_temperature_table(tmp_path):
    base = triclinic()
    material = Material(np.stack([base.stiffness_voigt, 0.9 * base.stiffness_voigt]), density=3210, temperatures=[100, 1e3], name="table")
    text = material.export(tmp_path / "t.inp", format="abaqus", units="mm-t-s")
    deck = read_back(text, DIALECTS["abaqus"])
    assert deck.temperatures == pytest.approx([100, 1000]) and deck.stiffness == pytest.approx(material.stiffness, rel=1e-11, abs=1e-2)
    assert "temperature range: 100 to 1000 K" in text


def test_orientation_is_a_rotated_tensor(tmp_path):
    text = copper().export(tmp_path / "o.inp", format="calculix", orientation="[110],[001]")
    deck = read_back(text, DIALECTS["calculix"])
    assert 1 / np.linalg.inv(deck.stiffness[0])[0, 0] / 1e9 == pytest.approx(130.338, abs=6e-4)
    assert deck.orientation == "[110],[001]" and "x || [1 1 0], y || [0 0 1], z || [1 -1 0]" in text


def test_header_says_what_is_known_and_what_is_not(tmp_path):
    material = Material(copper().stiffness_voigt, name="Si", covariance={"fit": np.eye(21) * 1e16}, validity=(0, 0),
                        provenance={"method": "finite strain, relaxed ions", "functional": "PBE", "conditions": "0 K, static",
                                    "run_ids": ["20261121-1200-si-elastic-3f2a"],
                                    "potentials": {"GTH-PBE-q4 Si": "ab" * 32}, "model_error": "PBE"})
    text = " ".join(line.removeprefix("**").strip() for line in material.export(tmp_path / "h.inp", format="calculix").splitlines() if line.startswith("**"))
    for words in ("0 K, static, PBE", "functional: PBE", "20261121-1200-si-elastic-3f2a", "ab" * 32, "95 %", "fit 0.196 GPa", "cutoff unknown",
                  "model error not included: PBE",
                  "temperature range: 0 K only", "density: unknown, so no *DENSITY", "C11 168.4000 +- 0.1960"):
        assert words in text, words


def test_a_name_cannot_smuggle_keywords(tmp_path):
    wicked = "x\n*INCLUDE, INPUT=/etc/passwd\r\n** UNIT SYSTEM: SI\n" + "y" * 300
    text = Material(copper().stiffness_voigt, name=wicked, provenance={"source": wicked, "method": "é\x00*STEP"}).export(tmp_path / "w.inp", format="calculix",
                                                                                                                         units="mm-t-s")
    assert [line.split(",")[0] for line in text.splitlines() if line.startswith("*") and not line.startswith("**")] == ["*MATERIAL", "*ELASTIC"]
    assert text.isascii() and read_back(text, DIALECTS["calculix"]).units.name == "mm-t-s"
    name = re.search(r"NAME=(.*)", text).group(1)
    assert re.fullmatch(r"[A-Z][A-Z0-9_-]{0,37}", name)


def test_export_refuses_in_words(tmp_path):
    with pytest.raises(SetupError, match="Unknown unit system 'inch'"):
        copper().export(tmp_path / "x.inp", format="calculix", units="inch")
    with pytest.raises(MissingError, match="no exporter called 'nastrn'"):
        copper().export(tmp_path / "x.inp", format="nastrn")
    assert not (tmp_path / "x.inp").exists()


def test_a_field_of_twenty_characters_is_refused_on_reading():
    """CalculiX would cut 1.684000000000000e+05 to 1.684000000000000e+0: wrong by 1e5 without a word."""
    from solvers.continuum.inp import deck_text
    text = deck_text(copper(), DIALECTS["calculix"], "mm-t-s")
    assert "1.684000000000e+05" in text
    head, body = text.split("*MATERIAL")
    with pytest.raises(ReadError, match="has 21 characters"):
        read_back(head + "*MATERIAL" + body.replace("1.684000000000e+05", "1.684000000000000e+05", 1), DIALECTS["calculix"])


@pytest.mark.parametrize("change, words", [
    (lambda t: t.replace("** UNIT SYSTEM", "** UNITS"), "does not say its unit system"),
    (lambda t: t.replace("TYPE=ANISO", "TYPE=ISO"), "not an anisotropic table"),
    (lambda t: t[:t.rindex(",")] + "\n", "holds 20 numbers"), (lambda t: t[:t.index("*MATERIAL")], "no \\*MATERIAL"),
    (lambda t: t.rstrip() + "x\n", "not a number"),
])
def test_damaged_decks_are_refused(change, words):
    from solvers.continuum.inp import deck_text
    with pytest.raises(ReadError, match=words):
        read_back(change(deck_text(triclinic(), DIALECTS["calculix"])), DIALECTS["calculix"])


# ---- finite elements -------------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_validation_rows_hold(solver):
    rows = [*validate_deck.random_tensor(9, solver), *validate_deck.wrong_orders(solver)]
    assert len(rows) == 5 and all(row.passed for row in rows), rows


@pytest.mark.parametrize("solver", SOLVERS)
def test_copper_along_four_directions(solver):
    report = check_deck(copper(), solver)
    assert report.passed and report.solver == solver, report.text
    found = [row.found for row in report.rows if row.what.startswith("E(x)")]
    assert found == pytest.approx([66.689, 130.338, 191.150, 106.2036], abs=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_titanium(solver):
    report = check_deck(validate_deck.titanium(), solver, directions=("[0001]", "[2-1-10]"))
    assert report.passed, report.text
    assert [row.found for row in report.rows if row.what.startswith("E(x)")] == pytest.approx([143.271, 104.372], abs=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dialect", ["calculix", "abaqus"])
def test_triclinic_deck(tmp_path, solver, dialect):
    material = triclinic()
    material.export(tmp_path / "t.inp", format=dialect, units="mm-t-s", orientation=None)
    report = check_deck(tmp_path / "t.inp", solver)
    assert report.passed, report.text
    assert check_deck(tmp_path / "t.inp", solver, material=material).passed


@pytest.mark.parametrize("solver", SOLVERS)
def test_oriented_deck_against_its_material(tmp_path, solver):
    material = Material(triclinic().stiffness_voigt, density=3210, lattice=[[5, 0, 0], [1, 6, 0], [0.5, 0.7, 7]], name="t")
    material.export(tmp_path / "t.inp", format="calculix", units="mm-t-s", orientation="[1 -2 1],[001]")
    assert check_deck(tmp_path / "t.inp", solver, material=material).passed


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("order", ["comsol-voigt", "ls-dyna", "moose"])
def test_the_unpermuted_file_fails(tmp_path, solver, order):
    """The same constants in Voigt's or another program's order make another body: the check must see it."""
    material = triclinic()
    path = tmp_path / "t.inp"
    validate_deck.unpermuted(material, order, path)
    stable = mandel_eigenvalues(read_back(path.read_text(), DIALECTS["calculix"]).stiffness[0])[0] > 0
    assert stable == (order != "moose")  # listed by rows the tensor is not even positive: that must not crash the check
    for truth in (None, material):
        report = check_deck(path, solver, material=truth)
        assert not report.passed and report.max_relative_error > 0.01


@pytest.mark.parametrize("solver", SOLVERS)
def test_wrong_density_fails(tmp_path, solver):
    material = copper()
    path = tmp_path / "d.inp"
    path.write_text(material.export(path, format="calculix", units="mm-t-s").replace("8.960000000000e-09", "8.960000000000e-06"))
    assert not check_deck(path, solver, material=material).passed
    assert check_deck(path, solver).passed


@pytest.mark.skipif(fe_ccx.find() is None, reason="CalculiX is not installed")
def test_temperature_rows_reach_calculix(tmp_path):
    base = triclinic()
    material = Material(np.stack([base.stiffness_voigt, 0.8 * base.stiffness_voigt]), temperatures=[100, 500], name="table")
    material.export(tmp_path / "t.inp", format="calculix", units="mm-t-s")
    report = check_deck(tmp_path / "t.inp", "ccx")
    assert report.passed and len(report.rows) == 4, report.text


@pytest.mark.skipif(fe_ccx.find() is None, reason="CalculiX is not installed")
def test_calculix_says_why_it_refuses():
    with pytest.raises(RunError, match="CalculiX refused the deck"):
        fe_ccx.stiffness("*MATERIAL, NAME=A\n*ELASTIC, TYPE=NONSENSE\n1,2,3\n", "A")


def test_without_calculix(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("QCAD_CCX", raising=False)
    with pytest.raises(MissingError, match="ccx.*not installed"):
        check_deck(copper(), "ccx")
    report = check_deck(copper(), "auto")
    assert report.passed and report.solver == "skfem" and "CalculiX is not installed" in report.text
    with pytest.raises(SetupError, match="Unknown solver 'abaqus'"):
        check_deck(copper(), "abaqus")
    with pytest.raises(MissingError, match="no file"):
        check_deck(tmp_path / "none.inp", "skfem")
