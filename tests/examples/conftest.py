"""A folder like a newcomer's: `resources/` beside it, results of the commands in it."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """(folder, call): call(words) runs a command line of Python in it and returns the finished process."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "resources").symlink_to(ROOT / "resources")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QCAD_DATA": str(folder / "data")}

    def call(*words: str, seconds: float = 280.0) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)

    return folder, call
