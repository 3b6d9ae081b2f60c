"""Curves of results: what is drawn are the result's numbers on the right zero, linked axes, crosshair, files."""
from __future__ import annotations

import csv

import numpy as np
import pytest
from PySide6.QtCore import QPoint

from qcad_gui import spectra
from solvers.core.job import Result
from solvers.core.units import BOLTZMANN_EV, THZ_MEV


def bands_result(spins=1, metal=False):
    """Two parabolas with a gap of 1 eV between k = 0 and the end of a path of two pieces."""
    k = np.linspace(0, 0.5, 11)
    kpath = np.concatenate([np.stack([k, 0 * k, 0 * k], -1), np.stack([0 * k + 0.5, 0.5 + k / 2, 0 * k], -1)])
    distance = np.concatenate([k, 0.5 + k])
    levels = np.stack([5.0 - distance**2, 6.0 + (distance - 1.0) ** 2], -1)[None].repeat(spins, 0)
    labels = np.array([["0", "Γ"], ["10", "U"], ["11", "K"], ["21", "W_2"]])
    values = {"kpath": kpath, "distance": distance, "eigenvalues": levels, "fermi_energy": 5.4, "labels": labels}
    first = np.linspace(1, 0, 22)[:, None] * np.ones(2)  # turns from the first atom to the second along the path
    shares = np.stack([0.6 * first, 0.3 * first, 1 - first])[:, None].repeat(spins, 1)
    values |= {"projections": np.array(["0 Si 3s", "0 Si 3p", "1 Si 3s"]), "band_projections": shares}
    if not metal:
        values |= {"band_edges": np.array([5.0, 6.0]), "band_gap": 1.0, "direct_gap": 1.25}
    return Result(values, settings={"gap_kind": "metal" if metal else "indirect"})


def dos_result():
    energies = np.linspace(0, 10, 101)
    total = np.exp(-((energies - 4) ** 2))
    return Result({"energies": energies, "dos": total[None], "projected": np.stack([0.7 * total, 0.3 * total])[:, None],
                   "projections": np.array(["0 Si 3s", "0 Si 3p"]), "dos_fermi_energy": 5.4})


def test_the_line_of_all_bands_breaks_where_the_path_does():
    bands = spectra.bands_of(bands_result())
    assert bands.breaks == (11,) and bands.labels == ((0.0, "Γ"), (0.5, "U|K"), (1.0, "W₂"))
    x, y = bands.line(0, zero=5.0)
    assert np.isnan(x[11]) and np.isnan(x[-1]) and len(x) == 2 * 24
    assert np.nanmin(np.where(y > 0.5, y, np.nan)) == pytest.approx(1.0) and y[0] == pytest.approx(0.0)
    assert bands.nearest(0.0, 6.5) == (0, 0, 1)
    places, energies = bands.at_edges()
    assert 0.0 in places and 1.0 in places and set(energies) == {5.0, 6.0}
    assert "1.000" in bands.gap and "1.250" in bands.gap


def node_of(session, result, task, job, parent):
    session.jobs.results[job] = result
    return session.add("run", task, {"job": job, "task": task}, parent=parent)


@pytest.fixture
def shown(session, silicon, window, qtbot):
    """The plots of a band structure with a density of states of the same structure."""
    root = session.add("structure", "Si2", silicon)
    node_of(session, dos_result(), "dos", "job-dos", root)
    node_of(session, bands_result(), "bands", "job-bands", root)
    window.resize(1500, 1100)
    panel = window.panels["plots"]
    qtbot.waitUntil(lambda: panel.bands is not None and panel.density is not None and panel.isVisible(), timeout=10_000)
    return panel


def test_groups_of_projections_add_up():
    names = ["0 Ga 4s", "0 Ga 4p", "1 As 4s", "2 As 4s"]
    assert spectra.groups(names) == ["Ga", "As", "Ga 4s", "Ga 4p", "1 As", "2 As"], "no group twice: As 4s is As, 1 As 4s is 1 As"
    assert spectra.belongs("0 Si 3p x", "Si 3p") and spectra.belongs("0 Si 3p x", "0 Si") and not spectra.belongs("10 Si 3p", "0 Si")
    bands = spectra.bands_of(bands_result())
    assert bands.share("Si 3s") == pytest.approx(bands.share("0 Si 3s") + bands.share("1 Si 3s")) and bands.share("Ge") is None
    strokes = bands.strokes(0, bands.share("1 Si"), zero=5.0)
    middles = [middle for middle, _, _ in strokes]
    assert middles == sorted(middles) and len(middles) == 8 and sum(len(x) for _, x, _ in strokes) <= 2 * 2 * 20, "no piece across the break"
    widest = strokes[-1]
    assert widest[1].min() > 0.7, "the share grows along the path"


def test_one_projection_is_highlighted_in_bands_and_states(shown):
    view = shown.view
    plain, curves = len(view.left.items), len(view.right.items)
    shown.fat.setCurrentIndex(shown.fat.findData("0 Si"))
    assert view.highlight == "0 Si" and len(view.left.items) > plain and len(view.right.items) != curves
    assert [label.text for _, label in view.legend.items] == [view.legend.items[0][1].text, "0 Si"], "the total and the highlighted one"
    widths = {item.opts["pen"].widthF() for item in view.left.items if hasattr(item, "opts") and item.opts.get("connect") == "pairs"}
    assert len(widths) == 8 and max(widths) > 4 * min(widths)
    shown.fat.setCurrentIndex(0)
    assert view.highlight == "" and len(view.left.items) == plain


def test_bands_find_the_density_of_states_beside_them_and_share_the_axis(shown, session, qtbot, tmp_path, calm):
    view = shown.view
    assert shown.zero.currentData() == "edge" and view.zero == 5.0
    view.left.setYRange(-3, 2, padding=0)
    assert view.right.viewRange()[1] == pytest.approx([-3, 2])
    view.right.setYRange(-1, 1, padding=0)
    assert view.left.viewRange()[1] == pytest.approx([-1, 1])
    at = view.mapFromScene(view.left.sceneBoundingRect().center())
    qtbot.mouseMove(view.viewport(), QPoint(5, 5))
    view._moved(view.mapToScene(at))
    assert "band" in shown.words.text() and "k = (" in shown.words.text() and "states" in shown.words.text()
    shown.zero.setCurrentIndex(shown.zero.findData("fermi"))
    assert view.zero == 5.4
    shown.parts.menu().actions()[0].setChecked(False)
    assert view.hidden_parts == {"Si 3s"}
    shown.export_csv(str(tmp_path / "out.csv"))
    shown.export_picture(str(tmp_path / "out.png"))
    calm(session)
    rows = list(csv.reader(line for line in (tmp_path / "out-bands.csv").read_text().splitlines() if not line.startswith("#")))
    assert rows[0][:3] == ["distance_1/A", "label", "k1"] and float(rows[1][5]) == 5.0 and len(rows) == 23
    rows = list(csv.reader(line for line in (tmp_path / "out-dos.csv").read_text().splitlines() if not line.startswith("#")))
    assert rows[0] == ["energy_eV", "total", "0 Si 3s", "0 Si 3p"] and len(rows) == 102
    assert (tmp_path / "out.png").stat().st_size > 5000
    shown.beside.setCurrentIndex(shown.beside.findData(""))
    qtbot.waitUntil(lambda: shown.density is None)


def test_a_metal_has_its_fermi_energy_and_spins_two_lines(session, silicon, window, qtbot):
    root = session.add("structure", "Si2", silicon)
    node_of(session, bands_result(spins=2, metal=True), "bands", "job-metal", root)
    panel = window.panels["plots"]
    qtbot.waitUntil(lambda: panel.bands is not None, timeout=10_000)
    assert panel.zero.currentData() == "fermi" and len(panel.bands.levels) == 2 and panel.bands.gap == "metal: no gap"


def test_vibrations_have_units_and_heat(session, silicon, window, qtbot):
    root = session.add("structure", "Si2", silicon)
    q = np.linspace(0, 0.5, 5)
    values = {"phonon_frequencies": np.stack([q, 2 * q], -1), "phonon_distance": q, "phonon_kpath": np.stack([q, 0 * q, 0 * q], -1),
              "phonon_dos_frequencies": q, "phonon_dos": q, "temperatures": np.array([0.0, 300.0]), "heat_capacity": np.array([0.0, 6 * BOLTZMANN_EV]),
              "primitive_numbers": np.array([14, 14])}
    node_of(session, Result(values, settings={"labels": [[0, "GAMMA"], [4, "X"]], "breaks": []}), "phonons", "job-ph", root)
    panel = window.panels["plots"]
    qtbot.waitUntil(lambda: panel.heat is not None and panel.heat_plot.isVisible(), timeout=10_000)
    panel.unit.setCurrentIndex(panel.unit.findData("meV"))
    assert panel.view.factor == THZ_MEV and "meV" in panel.view.axis_name and panel.bands.labels[0] == (0.0, "Γ")
    curve = panel.heat_plot.getPlotItem().listDataItems()[0]
    assert curve.yData[-1] == pytest.approx(6.0), "heat capacity in units of k_B"


def test_plots_get_a_window_of_their_own_and_come_back(shown, window, qtbot):
    window.run_command("results.plots")
    assert window.docks["plots"].isFloating() and shown.isVisible()
    window.run_command("results.plots")
    assert not window.docks["plots"].isFloating()


def test_potential_and_tunnelling_image_of_a_slab(session, silicon, window, qtbot, tmp_path, calm):
    root = session.add("structure", "slab", silicon)
    z = np.linspace(0, 10, 20)
    profile = {"potential_profile": np.sin(z), "profile_positions": z, "vacuum_levels": np.array([1.0, 1.2]), "work_functions": np.array([4.0, 4.2]),
               "fermi_energy": -3.0}
    node_of(session, Result(profile), "workfunction", "job-wf", root)
    panel = window.panels["plots"]
    qtbot.waitUntil(lambda: panel.profile is not None and panel.heat_plot.isVisible() and not panel.view.isVisible(), timeout=10_000)
    image = {"stm_image": np.arange(12.0).reshape(3, 4), "stm_cell": np.array([[0.0, 3.0, 0.0], [2.5, 1.5, 0.0]])}
    node_of(session, Result(image, settings={"mode": "height"}), "stm", "job-stm", root)
    qtbot.waitUntil(lambda: panel.image is not None and panel.lattice.isVisible(), timeout=10_000)
    cell = panel.image.cell
    assert cell[0] == pytest.approx([3.0, 0.0]) and np.linalg.norm(cell[1]) == pytest.approx(np.hypot(2.5, 1.5)) and cell[1, 0] == pytest.approx(1.5)
    panel.export_csv(str(tmp_path / "stm.csv"))
    calm(session)
    rows = [line for line in (tmp_path / "stm.csv").read_text().splitlines() if not line.startswith("#")]
    assert len(rows) == 13 and float(rows[-1].split(",")[2]) == 11.0
