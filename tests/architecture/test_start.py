"""What importing costs and needs: no torch for a help text, no Qt for the engine."""
from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "numba", "scipy", "matplotlib", "PySide6", "vtk", "pyvista", "skfem")


def run(root, code: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=240, env={**os.environ,
    "PYTHONPATH": str(root), **more})


@pytest.mark.parametrize("statement", ["import solvers", "import solvers.dft", "import solvers.dft.params", "import solvers.md", "import solvers.mlff",
"import solvers.continuum",
                                       "import solvers.build", "import solvers.io", "import solvers.phonons.params",
                                       "import solvers.dft.response.params", "import solvers.tasks; solvers.tasks.TASKS"])
def test_importing_a_package_is_light(root, statement):
    done = run(root, f"{statement}; import sys, json; print(json.dumps([name for name in {HEAVY[:2]!r} if name in sys.modules]))")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [], f"{statement} imports {done.stdout}"


@pytest.mark.parametrize("words", [["--help"], ["scf", "--help"], ["elastic", "--help"], ["phonons", "--help"], ["dielectric", "--help"], ["train",
                                   "--help"], ["build", "bulk", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(root, words):
    code = f"""
import sys, json
from solvers.cli import main
try:
    code = main({words!r})
except SystemExit as stop:
    code = stop.code
print(json.dumps([code or 0, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
    done = run(root, code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().split("\n")[-1]) == [0, []]
    assert len(done.stdout) > 15


def test_every_engine_module_imports_without_qt(root, engine):
    modules = [source.module for source in engine if not source.module.endswith("__main__")]
    code = f"""
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("PySide6", "shiboken6", "vtk", "vtkmodules", "pyvista", "pyvistaqt", "qcad_gui"):
            raise ImportError(f"the engine may not import {{name}}")
sys.meta_path.insert(0, Refuse())
failed = []
for name in {modules!r}:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append(f"{{name}}: {{error}}")
print("\\n".join(failed) or "all imported")
"""
    done = run(root, code)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "all imported"
    assert len(modules) > 50


def test_public_names_exist(root):
    import importlib

    import solvers
    names = ("build", "io", "dft", "dft.response", "md", "mlff", "phonons", "continuum", "neighbours", "analysis")
    for package in (solvers, *(importlib.import_module(f"solvers.{name}") for name in names)):
        assert package.__doc__
        for name in getattr(package, "__all__", ()):
            assert getattr(package, name) is not None, f"{package.__name__}.{name}"
