"""Which room may open which door."""
from __future__ import annotations

import subprocess
import sys

import pytest

QT = ("PySide6", "shiboken6", "qtpy", "pyqtgraph", "pytestqt")
DRAWING = ("vtk", "vtkmodules", "pyvista", "pyvistaqt")


def test_layers_of_the_engine(root):
    """The contracts of pyproject.toml, by import-linter."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120, env=_environment(root))
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "0 broken" in done.stdout and "0 kept" not in done.stdout


def test_every_package_of_the_engine_has_a_storey(root):
    import tomllib
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = {part.strip(" ()") for contract in contracts for layer in contract.get("layers", []) for part in layer.replace("|", " ").split()}
    present = {f"solvers.{path.stem}" for path in (root / "solvers").iterdir()
               if (path.suffix == ".py" or (path / "__init__.py").is_file()) and path.stem not in ("__init__", "__main__")}
    assert present <= listed and len(present) > 8, present - listed


def test_the_engine_knows_no_window(engine):
    assert not [hit for source in engine for hit in source.imports_any(*QT, *DRAWING, "qcad_gui")]


def test_solvers_import_no_plugin(engine):
    assert not [hit for source in engine if source.name.startswith("solvers/") for hit in source.imports_any("plugins")]


def test_matplotlib_only_in_the_pictures_of_the_shell(program):
    hits = [hit for source in program for hit in source.imports_any("matplotlib")]
    assert hits and all(hit.startswith("solvers/cli/pictures.py:") for hit in hits), hits


def test_the_window_owns_no_physics_and_no_data(window):
    assert window
    assert not [hit for source in window for hit in source.imports_any("torch", "numba", "h5py", "sqlite3", "spglib", "skfem")]


def test_panels_and_dialogs_do_not_know_each_other(window):
    seen = 0
    for source in window:
        package = source.module.split(".")
        if len(package) < 3 or package[1] not in ("panels", "dialogs"):
            continue
        seen += 1
        for name, line in source.imports:
            parts = name.split(".")
            if parts[0] != "qcad_gui" or len(parts) < 2:
                continue
            own_base = parts[1] == package[1] and (len(parts) == 2 or parts[2] in ("base", "parts"))
            assert parts[1] not in ("panels", "dialogs", "app") or own_base, f"{source.name}:{line} imports {name}"
    assert seen > 5


def test_only_the_scene_draws(window):
    hits = [hit for source in window if not source.name.startswith("qcad_gui/scene/") for hit in source.imports_any(*DRAWING)]
    assert not hits
    assert [hit for source in window for hit in source.imports_any(*DRAWING)]


def test_only_one_file_joins_vtk_to_qt(window):
    both = [source.name for source in window if source.imports_any("pyvistaqt")]
    assert both == ["qcad_gui/scene/view.py"]
    draw = [source for source in window if source.name == "qcad_gui/scene/draw.py"]
    assert draw and not draw[0].imports_any(*QT, "pyvistaqt")


@pytest.mark.parametrize("module, allowed", [
    ("sqlite3", r"solvers/core/project[\w/]*\.py"),  # persistence
    ("pickle", None), ("cPickle", None), ("dill", None), ("cloudpickle", None), ("shelve", None), ("marshal", None), ("joblib", None),  # data is never code
    ("multiprocessing", None),  # workers are started by solvers/core/process.py
    ("yaml", None), ("xml", None), ("lxml", None),  # defusedxml where XML must be read
    ("socket", r"solvers/core/process\.py"),  # the machine's name
    ("requests", None), ("urllib.request", r"solvers/dft/pseudo/fetch\.py"), ("http", r"solvers/dft/pseudo/fetch\.py"),  # the only network traffic: on command
    ("ase.units", None),  # CODATA 2014; ours are in core/units.py
])
def test_one_place_each(program, module, allowed):
    import re
    hits = [hit for source in program for hit in source.imports_any(module)]
    assert all(allowed and re.match(allowed, hit) for hit in hits), hits
    assert hits or allowed is None, f"nothing imports {module}: the rule is out of date"


def _environment(root):
    import os
    return {**os.environ, "PYTHONPATH": str(root)}
