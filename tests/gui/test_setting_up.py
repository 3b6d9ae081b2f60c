"""Dialogs that fill fields of the plane-wave form: potentials, k-points; what they show is the engine's, what they write is the form's text."""
from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from qcad_gui.dialogs import kmesh, potentials
from qcad_gui.editors import SmearingEdit
from qcad_gui.zoneview import turned
from solvers.core.structure import Structure


@pytest.fixture
def gallium(window, session):
    from ase.build import bulk
    session.add("structure", "GaAs", Structure.from_atoms(bulk("GaAs", "zincblende", a=5.65)))
    window.prepare("scf")
    return window


def press(qtbot, window, field):
    """The … button beside a field; the dialog it opens."""
    form = window.session.draft._form
    qtbot.mouseClick(form.buttons[field], Qt.MouseButton.LeftButton)
    return next(iter(window.dialogs.values()))


def test_potentials_are_chosen_with_the_mouse_and_their_effect_is_told(gallium, session, qtbot, calm):
    dialog = press(qtbot, gallium, "pseudos")
    qtbot.waitUntil(lambda: "eV" in dialog.effect.text.text(), timeout=15_000)
    heads = [dialog.tree.topLevelItem(k) for k in range(dialog.tree.topLevelItemCount())]
    assert [head.text(0) for head in heads] == ["Ga", "As"]
    rows = [heads[0].child(k) for k in range(heads[0].childCount())]
    assert "default" in rows[0].text(0) and rows[0].text(0).startswith("●") and rows[0].text(5) and len(rows) >= 2
    before = dialog.effect.text.text()
    soft = next(row for row in rows if "q3" in row.text(0))
    qtbot.mouseClick(dialog.tree.viewport(), Qt.MouseButton.LeftButton, pos=dialog.tree.visualItemRect(soft).center())
    qtbot.waitUntil(lambda: "→" in dialog.effect.text.text(), timeout=15_000)
    assert dialog.effect.text.text() != before and soft.text(0).startswith("●") and "q3" in dialog.about.text()
    dialog.all.setChecked(True)
    assert heads[0] is not None and dialog.tree.topLevelItem(0).childCount() > len(rows), "potentials of other functionals appear"
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    form = gallium.panels["calculate"].forms["scf"]
    assert form.fields["pseudos"].widget.text() == "Ga=GTH-PBE-q3"
    assert gallium.panels["calculate"].spec().params["pseudos"] == "Ga=GTH-PBE-q3"


def test_a_damaged_potential_file_is_told(gallium, session, qtbot, tmp_path, calm):
    dialog = press(qtbot, gallium, "pseudos")
    qtbot.waitUntil(lambda: dialog.table is not None, timeout=15_000)
    bad = tmp_path / "x.psp8"
    bad.write_text("nonsense\n")
    dialog.take_file(str(bad))
    qtbot.waitUntil(lambda: dialog.problem.isVisible(), timeout=15_000)
    assert "x.psp8" in dialog.problem.text() and not dialog.accept_button.isEnabled()


def test_the_mesh_goes_from_the_form_into_the_zone_and_back(gallium, session, qtbot, calm):
    dialog = press(qtbot, gallium, "kpts")
    qtbot.waitUntil(lambda: dialog.view.picture is not None and "1/Å" in dialog.words.text(), timeout=30_000)
    picture = dialog.view.picture
    assert dialog.way.currentData() == "spacing" and dialog.value() == "0.2/A"
    assert len(picture.faces) == 14 and {"Γ", "X", "L"} <= set(picture.labels) and 0 < len(picture.irreducible) < len(picture.mesh)
    assert picture.weights.sum() == pytest.approx(1)
    blank = dialog.view.grab().toImage()
    qtbot.mousePress(dialog.view, Qt.MouseButton.LeftButton, pos=QPoint(60, 60))
    qtbot.mouseMove(dialog.view, QPoint(110, 90))
    qtbot.mouseRelease(dialog.view, Qt.MouseButton.LeftButton, pos=QPoint(110, 90))
    assert np.allclose(dialog.view.rotation @ dialog.view.rotation.T, np.eye(3)) and dialog.view.grab().toImage() != blank
    dialog.way.setCurrentIndex(dialog.way.findData("size"))
    for box in dialog.counts:
        box.setValue(4)
    dialog.shifts[2].click()
    qtbot.waitUntil(lambda: "4 × 4 × 4: 64" in dialog.words.text(), timeout=15_000)
    dialog.accept()
    assert session.draft.params().kpts.size == (4, 4, 4) and session.draft.params().kpts.shift == (0, 0, 0.5)


def test_computed_points_lie_in_the_wedge_of_the_path(silicon):
    picture, size, count = kmesh.zone_picture(silicon, "6x6x6", True)
    heart = np.mean([place for name, place in picture.labels.items() if name != "Γ"], axis=0)
    rotations = kmesh.group_of(silicon, True).cartesian
    images = np.einsum("rij,kj->rki", np.concatenate([rotations, -rotations]), picture.irreducible)
    assert size == (6, 6, 6) and count == len(picture.irreducible) == 16
    assert np.allclose(picture.irreducible @ heart, (images @ heart).max(axis=0))
    assert np.allclose(turned(0.3, 0.4) @ turned(0.3, 0.4).T, np.eye(3))


def test_smearing_is_text_for_the_form(qtbot, session):
    edit = SmearingEdit()
    qtbot.addWidget(edit)
    told = []
    edit.textEdited.connect(told.append)
    for text in ("fermi-dirac:0.05eV", "none", "cold:0.02eV", "gaussian:0.004Ha"):
        edit.setText(text)
        assert edit.text() == text
    assert not told
    edit.kind.setCurrentIndex(edit.kind.findData("none"))
    edit.kind.setCurrentIndex(edit.kind.findData("methfessel-paxton"))
    assert told[-1].startswith("methfessel-paxton:") and len(told) == 2


def test_pseudos_text_names_only_what_differs(session):
    assert potentials.pseudos_text("gth", {}) == "gth" and potentials.pseudos_text("gth", {"Ga": "GTH-PBE-q3"}) == "Ga=GTH-PBE-q3"


@pytest.fixture
def iron(window, session):
    from ase.build import bulk
    session.add("structure", "Fe2", Structure.from_atoms(bulk("Fe", "bcc", a=2.87, cubic=True)))
    window.prepare("scf")
    return window


def test_moments_are_set_by_layers_shown_in_the_scene_and_written(iron, session, qtbot, calm):
    dialog = press(qtbot, iron, "magmoms")
    qtbot.waitUntil(lambda: dialog.moments.any(), timeout=15_000)
    assert dialog.moments[0] == dialog.moments[1] > 1, "what the engine would begin with"
    dialog.value_edit.setText("2,5")
    qtbot.mouseClick(dialog.alternate, Qt.MouseButton.LeftButton)
    assert dialog.moments.tolist() == [2.5, -2.5] and "0 µB" in dialog.words.text()
    assert iron.view.calls[-1][0] == "set_moments" and iron.view.calls[-1][1][0].tolist() == [2.5, -2.5]
    session.select([1])
    assert dialog.which.currentData() == "selection"
    qtbot.mouseClick(dialog.flip, Qt.MouseButton.LeftButton)
    assert dialog.moments.tolist() == [2.5, 2.5]
    dialog.which.setCurrentIndex(0)
    dialog.plane.setCurrentIndex(dialog.plane.findData("110"))
    qtbot.mouseClick(dialog.alternate, Qt.MouseButton.LeftButton)
    assert "one layer" in dialog.problem.text()
    assert dialog.model.setData(dialog.model.index(1, 2), "-1") and dialog.moments[1] == -1
    dialog.show_problem("")
    dialog.accept()
    assert session.start_moments is None and session.draft.params().magmoms == (2.5, -1.0)


def test_layers_across_the_face_of_the_cell_are_one(session):
    from qcad_gui.dialogs.moments import layers
    cell = np.diag([3.0, 3.0, 8.0])
    structure = Structure([26] * 4, [[0, 0, 7.95], [1.5, 1.5, 0.1], [0, 0, 2.0], [0, 0, 4.0]], cell, True)
    assert layers(structure, np.arange(4), (0, 0, 1)).tolist() == [0, 0, 1, 2]


def test_hubbard_offers_the_shells_of_the_potential(iron, session, qtbot, calm):
    dialog = press(qtbot, iron, "hubbard")
    qtbot.waitUntil(lambda: bool(dialog.boxes), timeout=15_000)
    assert next(iter(dialog.boxes)) == ("Fe", "3d")
    dialog.boxes["Fe", "3d"].setValue(4.0)
    assert dialog.text.text() == "Fe-3d=4.0"
    dialog.accept()
    assert str(session.draft.params().hubbard) == "Fe-3d=4.0"
    dialog = press(qtbot, iron, "hubbard")
    qtbot.waitUntil(lambda: bool(dialog.boxes), timeout=15_000)
    dialog.boxes["Fe", "3d"].setValue(0.0)
    dialog.accept()
    assert session.draft.params().hubbard is None


def test_the_convergence_assistant_follows_a_study_and_fills_the_form(window, session, silicon, qtbot, calm):
    """The curves are the engine's errors; the proposal goes into the form."""
    from qcad_gui import ladder
    from solvers.core.job import Result
    from solvers.dft.ladders import errors
    session.add("structure", "Si2", silicon)
    window.prepare("scf")
    session.draft.write(cutoff=150.0, kpts="2x2x2")
    dialog = press(qtbot, window, "cutoff")
    assert not dialog.accept_button.isEnabled() and dialog.start.isEnabled()
    dialog.form.write({"energy_error": 0.02})
    spec = dialog.spec()
    assert spec.task == "converge" and spec.params["cutoff"] == 150.0 and spec.params["kpts"] == "2x2x2" and spec.params["energy_error"] == 0.02
    stage = np.array([0, 0, 0, 1, 1, 2])
    columns = {"stage": stage, "cutoff": np.array([100.0, 120, 140, 100, 100, 140]), "n_mesh": np.array([1.0, 1, 1, 8, 27, 27]),
               "seconds": np.arange(1.0, 7), "energy": np.array([-1.0, -1.5, -1.6, -2.0, -2.1, -2.7]), "pressure": np.zeros(6)}
    live = ladder.of_steps(columns)
    assert np.allclose(live.ladders["cutoff"].errors["energy"], errors(columns["energy"][:3])) and live.ladders["mesh"].names == ("8 k", "27 k")
    names = np.array(["cutoff"] * 3 + ["mesh"] * 2 + ["check"])
    values = {"ladder_stages": names, "ladder_cutoffs": columns["cutoff"], "ladder_meshes": np.array([[1, 1, 1]] * 3 + [[2, 2, 2], [3, 3, 3], [3, 3, 3]]),
              "ladder_energies": columns["energy"], "ladder_pressures": columns["pressure"], "ladder_seconds": columns["seconds"],
              "ladder_forces": np.zeros((6, 2, 3)), "proposed_errors": np.array([0.01, 0.0, 0.1]), "proposed_seconds": 3.0}
    session.jobs.results["job"] = Result(values, settings={"proposed": {"cutoff": 140.0, "kpts": "3x3x3", "smearing": "fermi-dirac:0.05eV"}})
    dialog.job = "job"
    dialog.refresh()
    assert dialog.study.ladders["mesh"].names == ("1×1×1", "2×2×2", "3×3×3") and "140 eV" in dialog.proposal.text()
    assert len(dialog.plot.getPlotItem().listDataItems()) == 3, "two ladders and the proposal"
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    params = session.draft.params()
    assert params.cutoff == 140.0 and params.kpts.size == (3, 3, 3)


def test_training_takes_frames_of_the_project_and_says_what_is_wrong_with_others(window, session, copper, qtbot, tmp_path):
    from ase.calculators.emt import EMT
    from ase.io import write

    from solvers.core.trajectory import Trajectory
    frames = []
    for k in range(12):
        atoms = copper.to_atoms()
        atoms.rattle(0.05, seed=k)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    session.add("trajectory", "frames", Trajectory.from_frames(frames))
    dialog = window.open_dialog("training")
    assert not dialog.accept_button.isEnabled() and dialog.problem.text()
    dialog.source.setCurrentIndex(1)
    qtbot.waitUntil(lambda: dialog.accept_button.isEnabled(), timeout=20_000)
    spec = dialog.spec()
    assert len(spec.inputs["train"]) == 11 and len(spec.inputs["test"]) == 1 and "ref_energy" in spec.inputs["train"][0].info
    write(tmp_path / "bare.xyz", copper.to_atoms())
    dialog.source.setCurrentIndex(0)
    dialog.paths["train"].setText(str(tmp_path / "bare.xyz"))
    dialog.read()
    qtbot.waitUntil(lambda: "no energy" in dialog.problem.text(), timeout=20_000)
    assert not dialog.accept_button.isEnabled()


def test_the_estimate_of_phonons_counts_supercells(silicon):
    from qcad_gui import estimating
    from solvers.core.calculators import CalculatorSpec
    from solvers.core.job import JobSpec
    spec = JobSpec("phonons", {"supercell": "2x2x2"}, {"structure": silicon, "calculator": CalculatorSpec("dft", {"cutoff": 150.0, "kpts": "4x4x4"})})
    lines = "\n".join(estimating.estimate(spec).lines)
    assert "3 supercells of 16 atoms" in lines and "In all about" in lines and "8 k-points" in lines, "4×4×4 of the cell is 2×2×2 of the supercell"
    cheap = JobSpec("phonons", {"supercell": "2x2x2"}, {"structure": silicon, "calculator": CalculatorSpec("emt", {})})
    assert "3 supercells" in estimating.estimate(cheap).lines[0]


def test_the_dialogs_serve_a_calculator_too(gallium, session, qtbot, calm):
    """Plane waves as the calculator of a relaxation: the same buttons, and the choice lands in the calculator's parameters."""
    gallium.prepare("relax")
    calculate = gallium.panels["calculate"]
    calculate.calculator.setCurrentIndex(calculate.calculator.findData("dft"))
    assert session.draft.has("pseudos") and session.draft.structure == session.structure
    session.draft.write(pseudos="Ga=GTH-PBE-q3")
    spec = session.draft.spec(kpts="3x3x3")
    assert spec.task == "relax" and dict(spec.inputs["calculator"].params)["kpts"] == "3x3x3" and spec.inputs["calculator"].params["pseudos"] == "Ga=GTH-PBE-q3"
    calculate.calculator.setCurrentIndex(calculate.calculator.findData("emt"))
    assert not session.draft.ready


def test_what_plane_waves_were_told_follows_to_the_next_task(gallium, session):
    """Else a change of task would quietly go back to the Γ point alone."""
    calculate = gallium.panels["calculate"]
    calculate.forms["scf"].write({"kpts": "3x3x3", "cutoff": 333.0, "xc": "PBEsol"})
    assert calculate.quality.currentData() == "", "own values"
    gallium.prepare("bands")
    params = calculate.spec().params
    assert params["kpts"] == "3x3x3" and params["cutoff"] == 333.0 and params["xc"] == "PBEsol"
    gallium.prepare("relax")
    calculate.calculator.setCurrentIndex(calculate.calculator.findData("dft"))
    assert calculate.spec().inputs["calculator"].params["kpts"] == "3x3x3"


def test_the_estimate_counts_what_comes_after_the_cycle(silicon):
    from qcad_gui import estimating
    from solvers.core.job import JobSpec
    own = {"cutoff": 150.0, "kpts": "4x4x4"}
    lines = "\n".join(estimating.estimate(JobSpec("bands", {**own, "path": "GX", "path_spacing": 0.1}, {"structure": silicon})).lines)
    assert "then bands at 13 k-points" in lines and "In all about" in lines
    lines = "\n".join(estimating.estimate(JobSpec("converge", own, {"structure": silicon})).lines)
    assert "Usually" in lines and "In all about" in lines
