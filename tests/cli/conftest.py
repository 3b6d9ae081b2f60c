"""Command lines run as a user runs them: a process with its own data folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """Runs `qcad …` in a folder; `json` also parses the one object that stdout must hold."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {**os.environ, "QCAD_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "QCAD_THREADS": "1"}

    def __call__(self, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "solvers", *map(str, words)], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == code, f"exit {done.returncode} instead of {code}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words, code=0):
        return json.loads(self(*words, "--json", code=code).stdout)


@pytest.fixture
def qcad(tmp_path):
    folder = tmp_path / "Prüfung 试验"
    folder.mkdir()
    return Shell(folder)
