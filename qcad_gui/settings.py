"""What the window remembers between starts: language, theme, mouse, threads, recent files, geometry. One INI file in the user's data folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

from solvers.core import device, paths

from .scene.mouse import PRESETS
from .translate import mark

THEMES = {"system": mark("As the desktop"), "light": mark("Light"), "dark": mark("Dark")}
MOUSE = {name: text for name, (text, _) in PRESETS.items()}
_DEFAULTS = {"language": "", "theme": "system", "mouse": "default", "threads": 0, "guide": True}
N_RECENT = 8


class Settings:
    """Typed access to the INI file; unreadable values fall back to the default."""

    def __init__(self, path: Path | None = None):
        self.path = path or paths.user_data() / "window.ini"
        self._store = QSettings(str(self.path), QSettings.Format.IniFormat)

    def get(self, name: str):
        """The value of "language", "theme", "mouse", "threads" or "guide"."""
        default = _DEFAULTS[name]
        value = self._store.value(name, default)
        if isinstance(default, bool):
            return str(value).lower() in ("true", "1")
        if isinstance(default, int):
            return int(value) if str(value).lstrip("-").isdigit() else default
        value = str(value)
        allowed = {"theme": THEMES, "mouse": MOUSE}.get(name)
        return value if allowed is None or value in allowed else default

    def set(self, name: str, value) -> None:
        """Remember `value` for `name`."""
        if name not in _DEFAULTS:
            raise KeyError(name)
        self._store.setValue(name, value)
        self._store.sync()

    @property
    def worker_threads(self) -> int:
        """Threads a job gets: the setting, or one less than there are cores so that the window stays fluent."""
        return self.get("threads") or max(1, device.cores() - 1)

    def recent(self) -> list[str]:
        """Files and projects opened lately that still exist, newest first."""
        value = self._store.value("recent", [])
        names = [value] if isinstance(value, str) else list(value or [])
        return [name for name in names if Path(name).exists()]

    def remember(self, path: str | Path) -> None:
        """Put `path` first in the list of recent files."""
        name = str(Path(path).resolve())
        self._store.setValue("recent", [name, *(item for item in self.recent() if item != name)][:N_RECENT])
        self._store.sync()

    def save_window(self, geometry: QByteArray, state: QByteArray) -> None:
        """Remember where the window and its docks are."""
        self._store.setValue("geometry", geometry)
        self._store.setValue("state", state)
        self._store.sync()

    def window(self) -> tuple[QByteArray | None, QByteArray | None]:
        """Geometry and dock state as saved, None where there is none."""
        geometry, state = self._store.value("geometry"), self._store.value("state")
        return (geometry if isinstance(geometry, QByteArray) else None), (state if isinstance(state, QByteArray) else None)
