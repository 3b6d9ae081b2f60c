"""Where things are: resources (source tree, wheel, frozen), the user's folders, and the command line of a worker."""
from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from .errors import MissingError

_ROOT = Path(__file__).resolve().parents[2]


def resource(*parts: str) -> Path:
    """Path of a file below `resources/`; raises MissingError naming every place that was searched."""
    places = [Path(text) for text in (os.environ.get("QCAD_RESOURCES", ""),) if text]
    if hasattr(sys, "_MEIPASS"):
        places.append(Path(sys._MEIPASS) / "share" / "qcad-workbench")
    if (_ROOT / "pyproject.toml").is_file():
        places.append(_ROOT / "resources")
    places += [Path(sysconfig.get_path("data")) / "share" / "qcad-workbench", Path(sys.prefix) / "share" / "qcad-workbench"]
    for place in places:
        path = place.joinpath(*parts)
        if path.exists():
            return path
    raise MissingError(f"Resource {'/'.join(parts)} is missing.", hint=f"Looked in {', '.join(map(str, places))}. Install the program again.")


def user_data() -> Path:
    """The user's data folder (QCAD_DATA overrides), created with mode 0700."""
    import platformdirs
    return _private(Path(os.environ.get("QCAD_DATA") or platformdirs.user_data_dir("qcad-workbench", appauthor=False)))


def user_cache() -> Path:
    """The user's cache folder, created with mode 0700."""
    import platformdirs
    return _private(Path(os.environ.get("QCAD_CACHE") or platformdirs.user_cache_dir("qcad-workbench", appauthor=False)))


def numba_cache() -> Path:
    """Numba's cache: its files are pickles, so the folder belongs to the user alone."""
    return _private(user_cache() / "numba")


def use_numba_cache() -> None:
    """Point Numba's cache at `numba_cache()`, unless NUMBA_CACHE_DIR says otherwise. Kernel modules call it before their first `njit`."""
    import numba

    from .workarounds import numba_without_scipy
    numba_without_scipy()
    if not os.environ.get("NUMBA_CACHE_DIR"):
        os.environ["NUMBA_CACHE_DIR"] = str(numba_cache())
        numba.config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]


def worker_argv(folder: Path) -> list[str]:
    """The one command line that spawns a worker on job folder `folder`. `-P` keeps the user's folder off sys.path."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--worker", str(folder)]
    return [sys.executable, "-P", "-m", "solvers.core.worker", str(folder)]


def reader_argv() -> list[str]:
    """The command line of the child that reads foreign files."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--reader"]
    return [sys.executable, "-P", "-m", "solvers.core.reader"]


def python_path() -> str:
    """PYTHONPATH a child needs to import this very copy of the program, "" when it is installed where Python looks anyway."""
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return "" if _ROOT in installed or getattr(sys, "frozen", False) else str(_ROOT)


def _private(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
