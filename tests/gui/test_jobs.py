"""Jobs through the session with real workers: live curves, cancel, resume, failure, re-attach after the window died, results as rows and CSV."""
from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from qcad_gui.dispatch import Dispatcher
from qcad_gui.panels.jobs import duration
from qcad_gui.rows import rows, to_csv
from qcad_gui.session import Session
from qcad_gui.settings import Settings
from solvers.core.calculators import CalculatorSpec
from solvers.core.job import JobSpec, Result

pytestmark = pytest.mark.slow


def md(structure, steps, calculator="emt", interval=20, parent=""):
    return JobSpec("md", {"steps": steps, "interval": interval, "temperature": 300.0}, {"structure": structure, "calculator": CalculatorSpec(calculator)},
                   "test run", "cpu", 1, parent)


def only(session):
    return next(iter(session.jobs.views.values()))


def test_a_job_is_watched_cancelled_resumed_and_shown(window, session, copper, qtbot, said):
    session.add("structure", "Cu4", copper)
    window.show_panel("jobs")
    panel = window.panels["jobs"]
    session.start_job(md(copper, 3000, parent=session.current))
    qtbot.waitUntil(lambda: bool(session.jobs.views) and only(session).status.step > 200, timeout=90_000)
    view = only(session)
    assert view.state == "running" and {"temperature", "total_energy"} <= set(view.columns) and len(view.steps) == len(view.columns["temperature"])
    qtbot.waitUntil(lambda: panel.cancel.isEnabled() and len(panel.curve.getData()[0]) > 3, timeout=5000)
    assert panel.column.currentData() == "temperature" and not panel.resume.isEnabled()
    session.outcome.show_job(view.id)
    qtbot.waitUntil(lambda: session.frames is not None and len(session.frames) > 1, timeout=20_000)
    panel.cancel.click()
    qtbot.waitUntil(lambda: only(session).state == "cancelled", timeout=60_000)
    stopped = only(session).status.step
    assert 0 < stopped < 3000
    qtbot.waitUntil(lambda: panel.resume.isEnabled() and not panel.cancel.isEnabled(), timeout=5000)
    panel.resume.click()
    qtbot.waitUntil(lambda: only(session).state == "finished", timeout=120_000)
    view = only(session)
    assert view.status.attempt == 2 and view.steps[-1] == 3000 and (np.diff(view.steps) > 0).all()
    qtbot.waitUntil(lambda: session.outcome.node_of(view.id) is not None and session.outcome.result() is not None, timeout=30_000)
    assert session.node().kind == "run" and session.nodes[session.node().parent].name == "Cu4"
    assert any("finished" in text for text in said())
    assert session.structure is not None and not session.editable
    session.outcome.use_structure()
    assert session.editable and session.undo_stack.count() == 2


def test_a_failing_job_says_why(session, silicon, qtbot, said, calm):
    session.add("structure", "Si2", silicon)
    session.start_job(md(silicon, 10))
    qtbot.waitUntil(lambda: bool(session.jobs.views) and only(session).state == "failed", timeout=90_000)
    calm(session)
    assert "Si" in only(session).status.message and any("Si" in text for text in said())


def test_a_running_job_is_found_again_after_the_window_died(session, copper, qtbot, calm):
    session.add("structure", "Cu4", copper)
    session.start_job(md(copper, 4000))
    qtbot.waitUntil(lambda: bool(session.jobs.views) and only(session).status.step > 100, timeout=90_000)
    calm(session)
    folder = session.keeper.folder
    session.jobs.follow(None)
    session.keeper.close()
    session.dispatcher.flush()
    later = Session(Dispatcher(), Settings())
    try:
        later.keeper.begin(folder)
        qtbot.waitUntil(lambda: bool(later.jobs.views) and only(later).state == "running", timeout=30_000)
        qtbot.waitUntil(lambda: only(later).state == "finished", timeout=120_000)
        view = only(later)
        assert view.status.attempt == 1 and view.steps[-1] == 4000
        qtbot.waitUntil(lambda: later.outcome.node_of(view.id) is not None, timeout=30_000)
    finally:
        later.close()


def test_results_are_rows_with_units_and_errors():
    c = np.diag([160e9] * 3 + [80e9] * 3)
    result = Result({"energy": -7.5, "stiffness": c, "stiffness_error": np.full((6, 6), 0.25e9), "forces": np.zeros((2, 3)), "iterations": 9},
                    settings={"xc": "PBE"})
    table = {row.name: row for row in rows(result)}
    assert list(table)[0] == "energy" and table["energy"].error_text() == "unknown" and table["energy"].unit == "eV"
    stiffness = {child.title: child for child in table["stiffness"].children}
    assert set(stiffness) == {"C11", "C22", "C33", "C44", "C55", "C66"}
    assert stiffness["C11"].unit == "GPa" and stiffness["C11"].text() == "160.00" and stiffness["C11"].error_text() == "± 0.25"
    assert table["iterations"].error_text() == "" and table["iterations"].text() == "9"
    lines = list(csv.DictReader(io.StringIO(to_csv(result, job="20261121-x", title="Si"))))
    assert len(lines) == 1 + 36 + 36 + 6 + 1
    first = next(line for line in lines if line["property"] == "stiffness" and line["component"] == "0 0")
    assert float(first["value"]) == 160e9 and float(first["error_95"]) == 0.25e9 and first["unit"] == "Pa"
    assert first["job"] == "20261121-x" and "PBE" in first["method"]


@pytest.mark.parametrize("seconds, text", [(3.2, "3 s"), (125, "2:05 min"), (7260, "2:01 h")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_estimates_speak_before_anything_runs(silicon, copper):
    import sys

    from qcad_gui.estimating import estimate
    from solvers.core.errors import QcadError
    waves = estimate(JobSpec("scf", {"cutoff": 200.0, "kpts": "4x4x4"}, {"structure": silicon}))
    assert "plane waves" in waves.lines[0] and "k-points" in waves.lines[0] and "memory" in waves.lines[2]
    elastic = estimate(JobSpec("elastic", {}, {"structure": copper, "calculator": CalculatorSpec("emt")}))
    assert "strained cells" in elastic.lines[0]
    relax = estimate(JobSpec("relax", {"max_steps": 77}, {"structure": silicon, "calculator": CalculatorSpec("dft", {"cutoff": 200.0})}))
    assert any("77" in line for line in relax.lines) and any("In all" in line for line in relax.lines)
    with pytest.raises(QcadError):
        estimate(JobSpec("scf", {"cutoff": 200.0}, {"structure": silicon.with_(positions=np.zeros((2, 3)))}))
    assert "torch" not in sys.modules


def test_what_a_calculation_changed_by_itself_is_told(session, tmp_path):
    """Sentences of the cycle, with their step; what is calculated at all and the progress of other tasks are no such sentences."""
    from qcad_gui.panels.jobs import remark_text
    from qcad_gui.watching import JobView, _Followed
    from solvers.core.job import Event
    from solvers.core.jobfolder import Status

    class Folder:
        spec, id, path = None, "job", tmp_path

    followed = _Followed(Folder())
    def step(n, kind, text):
        return Event(n, "step", float(n), {"kind": kind, "n": n, "values": {}, "text": text})
    followed._take([step(1, "scf", "749 plane waves, 3 k-points; mixing: Kerker (metal)"), step(2, "bands", "10 of 20 k-points"), step(3, "scf", ""),
                    step(4, "scf", "2 bands added: the highest one was still partly filled")])
    assert followed.remarks == [(1, "mixing: Kerker (metal)"), (4, "2 bands added: the highest one was still partly filled")]
    view = JobView("job", "Si", "scf", "", Status("running"), remarks=tuple(followed.remarks))
    assert remark_text(view, 1) == "1 more before, see the log\nStep 4: 2 bands added: the highest one was still partly filled"
