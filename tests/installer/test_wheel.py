"""A wheel in an environment of its own, with the source out of sight, finds its code, its data and its plug-ins."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder of a virtual environment that holds the wheel; the dependencies are lent by the environment of the tests."""
    folder = tmp_path_factory.mktemp("whéel test")
    source = folder / "source"
    for name in ("solvers", "plugins", "qcad_gui", "resources"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.nb[ic]"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", str(folder), str(source)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    shutil.rmtree(source)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run([*install, *map(str, folder.glob("*.whl"))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    # lending by a .pth adds a path but does not run that environment's own .pth files, so an editable install of the source stays out of sight
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return environment


def call(environment: Path, *words: str, **more: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "QCAD_"))}
    return subprocess.run(words, cwd=environment, capture_output=True, text=True, timeout=240, env={**clean, "QCAD_DATA": str(environment / "data"), **more})


@pytest.mark.slow
def test_code_data_and_plugins_come_from_the_wheel(installed):
    code = """import solvers, plugins, qcad_gui; from solvers.core.paths import resource
print(solvers.__file__, plugins.__file__, qcad_gui.__file__, resource("pseudo", "gth"), sep="\\n")"""
    done = call(installed, str(installed / "bin" / "python"), "-c", code)
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(line.startswith(str(installed)) for line in done.stdout.splitlines()), done.stdout
    qcad = str(installed / "bin" / "qcad")
    assert call(installed, qcad, "--version").stdout.startswith("qcad ")
    pseudos = json.loads(call(installed, qcad, "pseudos", "list", "Si", "--json").stdout)["pseudos"]
    assert len(pseudos) >= 2
    plugins = json.loads(call(installed, qcad, "plugins", "--json").stdout)["plugins"]
    assert {"emt", "dft", "calculix", "abaqus"} <= {row["name"] for row in plugins} and not [row for row in plugins if row["error"]]


@pytest.mark.slow
def test_a_job_runs_from_the_wheel(installed):
    qcad = str(installed / "bin" / "qcad")
    example = next((installed / "share" / "qcad-workbench" / "examples").glob("copper.cif"))
    done = call(installed, qcad, "relax", str(example), "--calculator", "emt", "--cell", "full", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["converged"] and 10.5 < report["volume"] < 12.5
