"""Calls that run foreign code or start processes stand only where a reason stands beside them."""
from __future__ import annotations

import ast

#: file -> why it may start a process; everything else goes through solvers/core/process.py
MAY_START_PROCESSES = {
    "solvers/core/process.py": "the one place that spawns",
    "solvers/cli/admin.py": "opens the window as a child",
    "solvers/bench/process.py": "runs and measures ours and the peers",
    "solvers/validate/peers/abinit.py": "runs the peer code",
    "solvers/validate/peers/elk.py": "runs the peer code",
    "solvers/validate/peers/espresso.py": "runs the peer code",
    "solvers/validate/peers/phonon_espresso.py": "runs the peer code",
}


FOREIGN_CODE = ("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "os.system", "os.popen", "os.fork", "os.forkpty", "pty.spawn",
"yaml.load")
THREADS = ("Thread", "ThreadPoolExecutor", "ProcessPoolExecutor", "QThread", "QThreadPool", "QRunnable")


def _calls(source):
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_no_foreign_code_is_run(program):
    hits = []
    for source in program:
        for node, name in _calls(source):
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            forbidden = (name in FOREIGN_CODE or keywords.get("shell") == "True" or keywords.get("allow_pickle") == "True"
                         or (name.endswith("torch.load") and keywords.get("weights_only") != "True"))
            if forbidden:
                hits.append(f"{source.name}:{node.lineno} {name}")
    assert not hits


def test_processes_are_started_in_few_places(program):
    hits = {}
    for source in program:
        for node, name in _calls(source):
            if name in ("subprocess.Popen", "subprocess.run", "subprocess.call", "subprocess.check_output", "subprocess.check_call", "Popen", "QProcess") \
                    or name.startswith(("os.spawn", "os.exec", "os.posix_spawn", "QProcess.start")):
                hits.setdefault(source.name, []).append(f"{source.name}:{node.lineno} {name}")
    assert set(hits) <= set(MAY_START_PROCESSES), {name: lines for name, lines in hits.items() if name not in MAY_START_PROCESSES}
    assert set(MAY_START_PROCESSES) <= set(hits), "the list names a file that starts nothing"


def test_threads_of_the_window_live_in_one_file(window):
    hits = [f"{source.name}:{node.lineno} {name}" for source in window for node, name in _calls(source)
            if name.split(".")[-1] in THREADS and source.name != "qcad_gui/dispatch.py"]
    assert not hits


def test_no_error_is_swallowed(program):
    """A bare except, or `except Exception: pass`, hides mistakes; what is ignored on purpose names its exception or says why in a comment."""
    hits = []
    for source in program:
        lines = source.text.split("\n")
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(item, (ast.Pass, ast.Continue)) for item in node.body)
            explained = "#" in "".join(lines[node.lineno - 1:node.body[-1].end_lineno])
            if node.type is None or (broad and silent and not explained):
                hits.append(f"{source.name}:{node.lineno}")
    assert not hits


def test_no_assert_for_what_users_give(program):
    """`assert` vanishes under -O; inside the program errors come from core/errors.py."""
    hits = [f"{source.name}:{node.lineno}" for source in program for node in ast.walk(source.tree) if isinstance(node, ast.Assert)]
    allowed = [hit for hit in hits if hit.startswith("solvers/testing.py")]  # contract tests for plug-ins
    assert hits == allowed
