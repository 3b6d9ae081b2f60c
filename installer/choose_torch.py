"""Install torch in the wanted build: `choose_torch.py cpu|cuda VERSION`.

The same version number means a CPU build on some indexes and a CUDA build with several gigabytes of libraries on PyPI for Linux. For "cpu" the ordinary
index is asked first what it would give; where that is the CUDA build, PyTorch's own CPU index is tried, and only if that cannot be reached the CUDA
build is taken, which also runs on a CPU.
"""
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def needs_cuda(requirements: list[str]) -> bool:
    """Whether the requirements of a torch build name CUDA libraries."""
    return any(item.lower().startswith(("nvidia-", "cuda-")) for item in requirements)


def offered(wanted: str) -> list[str] | None:
    """Requirements of the build that the ordinary index gives; None when it gives none."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run([*PIP, "install", "-q", "--dry-run", "--no-deps", "--ignore-installed", "--report", str(report), f"torch=={wanted}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if done.returncode or not report.is_file():
            return None
        return json.loads(report.read_text())["install"][0]["metadata"].get("requires_dist", [])


def install(*words: str) -> bool:
    """Run pip install; True on success."""
    return subprocess.run([*PIP, "install", "-q", "--progress-bar", "off", *words], stdin=subprocess.DEVNULL).returncode == 0


def main(build: str, wanted: str) -> int:
    """0 when torch in version `wanted` is installed."""
    try:
        present = version("torch")
    except PackageNotFoundError:
        present = ""
    if present.split("+")[0] == wanted and not (build == "cuda" and present.endswith("+cpu")):
        return 0
    again = ["--force-reinstall", "--no-deps"] if present else []
    if build == "cuda":
        return 0 if install(*again, f"torch=={wanted}") and install(f"torch=={wanted}") else 1
    requirements = offered(wanted)
    if requirements is not None and not needs_cuda(requirements):
        return 0 if install("--no-deps", f"torch=={wanted}") else 1
    print("setup: fetching the CPU build of torch from " + CPU_INDEX, file=sys.stderr)
    if install("--no-deps", "--index-url", CPU_INDEX, "--timeout", "20", "--retries", "1", f"torch=={wanted}"):
        return 0
    if requirements is None:
        return 1
    print("setup: that index cannot be reached; taking the CUDA build, which is several gigabytes and runs on a CPU too", file=sys.stderr)
    return 0 if install(f"torch=={wanted}") else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2]))
