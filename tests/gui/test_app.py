"""What happens before the first window, and around it: no display, environment, garbage, uncaught errors, threads, closing."""
from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qcad_gui import app, messages
from solvers.core.errors import ReadError

ROOT = Path(__file__).resolve().parents[2]


def start(*words, **environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    return subprocess.run([sys.executable, "-m", "qcad_gui.app", *words], cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, timeout=120)


def test_no_display_is_one_clear_message():
    done = start()
    assert done.returncode == 1
    assert "no display" in done.stderr and "qcad --help" in done.stderr and "Traceback" not in done.stderr


def test_a_display_that_does_not_answer_is_one_clear_message():
    done = start(DISPLAY=":987")
    assert done.returncode == 1
    assert ":987" in done.stderr and "Traceback" not in done.stderr


def test_help_needs_no_display():
    done = start("--help")
    assert done.returncode == 0 and "FILE" in done.stdout


def test_xwayland_is_chosen_unless_the_user_chose():
    environment = {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}
    app.prepare_environment(environment, "linux")
    assert environment["QT_QPA_PLATFORM"] == "xcb"
    environment = {"DISPLAY": ":0", "QT_QPA_PLATFORM": "wayland"}
    app.prepare_environment(environment, "linux")
    assert environment["QT_QPA_PLATFORM"] == "wayland"
    environment = {}
    app.prepare_environment(environment, "darwin")
    assert "QT_QPA_PLATFORM" not in environment


@pytest.mark.parametrize("environment, missing", [({}, True), ({"DISPLAY": ":0"}, False), ({"WAYLAND_DISPLAY": "wayland-0"}, False),
                                                  ({"QT_QPA_PLATFORM": "offscreen"}, False)])
def test_display_missing(environment, missing):
    assert app.display_missing(environment, "linux") is missing
    assert app.display_missing(environment, "win32") is False


def test_garbage_is_collected_by_the_gui_thread_only(session, qtbot):
    try:
        app.tame_garbage(session)
        assert not gc.isenabled() and gc.get_freeze_count() > 1000
    finally:
        gc.enable()
        gc.unfreeze()


def test_uncaught_errors_become_messages(qtbot, monkeypatch):
    monkeypatch.setattr(sys, "__excepthook__", lambda *_: None)
    before = sys.excepthook
    try:
        messages.install()
        try:
            raise ReadError("The file is torn.", hint="Get it again.")
        except ReadError:
            sys.excepthook(*sys.exc_info())
    finally:
        sys.excepthook = before
    last = messages.central().history[-1]
    assert (last.level, last.what, last.advice) == ("error", "The file is torn.", "Get it again.") and "ReadError" in last.details


def test_our_errors_and_faults_are_told_apart():
    ours, fault = messages.from_error(ReadError("x", hint="y")), messages.from_error(KeyError("z"))
    assert ours.what == "x" and "mistake" in fault.what and fault.advice


def test_work_comes_back_to_the_gui_thread(session, qtbot):
    seen = []
    session.dispatcher.run(lambda: threading.current_thread().name,
                           done=lambda name: seen.append((name, threading.current_thread() is threading.main_thread())))
    qtbot.waitUntil(lambda: len(seen) == 1)
    assert seen[0][0].startswith("qcad-pool") and seen[0][1]


def test_only_the_newest_of_a_key_is_delivered(session, qtbot, calm):
    seen = []
    for number in range(6):
        session.dispatcher.run(lambda number=number: (time.sleep(0.02), number)[1], done=seen.append, key="preview")
    calm(session)
    assert seen == [5]


def test_a_failing_call_is_told(session, qtbot, calm, said):
    session.dispatcher.run(lambda: 1 / 0)
    calm(session)
    assert any("ZeroDivisionError" in text for text in said())


def test_a_failing_watch_is_told_once(session, qtbot, said):
    end = session.dispatcher.watch(lambda: 1 / 0, lambda _: None, interval=0.01)
    qtbot.wait(1300)
    end()
    assert len([text for text in said() if "ZeroDivisionError" in text]) == 1


def test_slots_are_short(window, session, copper, qtbot, calm):
    """What a click costs the GUI thread: processor time, not wall clock."""
    big = copper.to_atoms().repeat((6, 6, 6))
    from solvers.core.structure import Structure
    session.add("structure", "Cu864", Structure.from_atoms(big))
    calm(session)
    session.set_mode("edit")
    costs = {}
    for name, call in {"select": lambda: session.select(range(200)), "mode": lambda: session.set_mode("select"),
                       "display": lambda: session.set_display(bonds=False),
                       "theme of actions": window.refresh}.items():
        begin = time.thread_time()
        call()
        costs[name] = time.thread_time() - begin
    assert max(costs.values()) < 0.2, costs  # four times the rule of 50 ms: tests share the machine


def test_closing_leaves_no_thread(qtbot, own_data):
    from qcad_gui.scene.fake import FakeView
    app.make_application(["test"])
    before = {thread.name for thread in threading.enumerate()}
    window = app.make_window(make_view=FakeView)
    qtbot.addWidget(window)
    window.session.keeper.begin()
    window.show()
    qtbot.waitUntil(lambda: window.session.keeper.project is not None, timeout=20000)
    folder = window.session.keeper.folder
    window.close()
    qtbot.waitUntil(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("qcad-") and thread.name not in before], timeout=5000)
    assert "shut_down" in window.view.names() and not folder.exists(), "an untitled project in which nothing happened is not kept"
    assert window.session.settings.window()[0] is not None


def test_messages_show_and_fade(window, qtbot):
    messages.post("error", "It broke.", "Mend it.", "details")
    assert window.bar.isVisible() and "It broke." in window.bar.label.text() and window.bar.details.isVisible() and not window.bar._fade.isActive()
    messages.post("good", "It works.")
    assert window.bar._fade.isActive() and not window.bar.details.isVisible()
    window.bar.dismiss.click()
    assert not window.bar.isVisible()


def test_no_call_is_lost_from_the_count(qtbot):
    """Watch threads and the GUI thread change the same number."""
    import sys

    from qcad_gui.dispatch import Dispatcher
    dispatcher = Dispatcher()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        others = [threading.Thread(target=lambda: [dispatcher._count(1) for _ in range(20000)]) for _ in range(2)]
        for thread in others:
            thread.start()
        for _ in range(40000):
            dispatcher._count(-1)
        for thread in others:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert dispatcher.pending == 0
    dispatcher.close()
