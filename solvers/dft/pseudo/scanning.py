"""The scan of a potential file, in a process of its own where torch is not loaded: a window or a plan that only asks for a cutoff stays light."""
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from solvers.core.errors import QcadError
from solvers.core.process import child_environment, spawn

from .entry import FileEntry

_PATIENCE = 600.0  # s


def recommended(item: FileEntry) -> dict:
    """The row of `scan.recommend` for a file; kind "unknown" with the reason in words where the scan fails."""
    if "torch" in sys.modules or getattr(sys, "frozen", False):
        from .scan import recommend
        try:
            return recommend(item)
        except QcadError as error:
            return _unknown(str(error))
    with tempfile.TemporaryDirectory(prefix="qcad-scan-") as folder:
        answer, complaint = Path(folder) / "answer", Path(folder) / "complaint"
        with open(answer, "wb") as stdout, open(complaint, "wb") as stderr:
            argv = [sys.executable, "-P", "-m", "solvers.dft.pseudo.scan", "--file", item.path]
            child = spawn(argv, folder=folder, environment=child_environment(), stdout=stdout, stderr=stderr)
            try:
                status = child.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                child.kill()
                child.wait()
        if status != 0:
            words = complaint.read_text(errors="replace").strip().splitlines()
            return _unknown("the scan took too long" if status is None else words[-1][:200] if words else f"the scan ended with status {status}")
        return json.loads(answer.read_text(encoding="utf-8"))


def _unknown(reason: str) -> dict:
    return {"cutoff_ha": None, "kind": "unknown", "reason": reason}
