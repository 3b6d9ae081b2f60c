"""``qcad-gui [FILE]``: what must happen before the first window, and the loop."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path
from typing import Any

_COLLECT_EVERY = 2000  # ms; cyclic garbage is collected in the GUI thread only (elsewhere it could destroy Qt or VTK objects)
NO_DISPLAY = """Q-CAD cannot open its window: there is no display (DISPLAY and WAYLAND_DISPLAY are not set).
Start it in a desktop session, log in with `ssh -X`, or use the command line: `qcad --help` can do everything the window can."""


def display_missing(environment: Any = os.environ, platform: str = sys.platform) -> bool:
    """True where Qt would abort because no display is there: it must be asked before QApplication is made."""
    if not platform.startswith("linux") or environment.get("QT_QPA_PLATFORM", "").split(":")[0] in ("offscreen", "minimal", "vnc", "linuxfb", "eglfs"):
        return False
    return not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def prepare_environment(environment: Any = os.environ, platform: str = sys.platform) -> None:
    """VTK draws into an X window; on a Wayland desktop Qt is told to use XWayland unless the user chose otherwise."""
    if platform.startswith("linux") and not environment.get("QT_QPA_PLATFORM") and environment.get("DISPLAY"):
        environment["QT_QPA_PLATFORM"] = "xcb"
    environment.setdefault("PYQTGRAPH_QT_LIB", "PySide6")
    environment.setdefault("QT_API", "pyside6")


def display_refused(environment: Any = os.environ) -> str:
    """Why the X display does not answer, "" when it does or is not asked. Qt would abort the process instead of saying so."""
    if environment.get("QT_QPA_PLATFORM", "").split(":")[0] != "xcb" or not environment.get("DISPLAY"):
        return ""
    import ctypes
    import ctypes.util

    name = ctypes.util.find_library("xcb") or "libxcb.so.1"
    try:
        xcb = ctypes.CDLL(name)
    except OSError:
        return "the library libxcb is missing (Debian: apt install libxcb1 libxcb-cursor0)"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = xcb.xcb_connect(environment["DISPLAY"].encode(), None)
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return f"the display {environment['DISPLAY']!r} does not answer" if failed else ""


def make_application(argv: list[str]) -> Any:
    """The QApplication with name, icon and organisation."""
    from PySide6.QtCore import QCoreApplication
    from PySide6.QtGui import QGuiApplication
    from PySide6.QtWidgets import QApplication

    QCoreApplication.setApplicationName("Q-CAD")
    QGuiApplication.setDesktopFileName("qcad-workbench")
    app = QApplication.instance() or QApplication(argv[:1])
    app.setQuitOnLastWindowClosed(True)
    return app


def make_window(settings: Any = None, *, make_view: Any = None, threads: int = 2) -> Any:
    """The main window with its session, not yet shown. `make_view(parent)` builds the scene; None means the real one."""
    from PySide6.QtWidgets import QApplication

    from . import looks, theme, translate
    from .dispatch import Dispatcher
    from .session import Session
    from .settings import Settings
    from .window import MainWindow

    settings = settings or Settings()
    translate.load(settings.get("language"))
    looks.use(QApplication.instance(), theme.choose(settings.get("theme")))
    dispatcher = Dispatcher(workers=threads)
    session = Session(dispatcher, settings)
    dispatcher.setParent(session)
    if make_view is None:
        from .scene.view import SceneView

        def make_view(parent):
            return SceneView(parent, theme=looks.current())

    window = MainWindow(session, make_view)
    session.setParent(window)
    return window


def tame_garbage(parent: Any) -> None:
    """What the imports made is never looked at again; the rest is collected by a timer of the GUI thread."""
    from PySide6.QtCore import QTimer

    gc.collect()
    gc.freeze()
    gc.disable()
    timer = QTimer(parent)
    timer.setInterval(_COLLECT_EVERY)
    timer.timeout.connect(gc.collect)
    timer.start()


def main(argv: list[str] | None = None) -> int:
    """Run the window; returns the exit code. 1 with one clear message where there is no display."""
    argv = sys.argv if argv is None else ["qcad-gui", *argv]
    if len(argv) > 2 and argv[1] == "--worker":  # the frozen program starts its workers this way
        from solvers.core.worker import main as work

        return work(argv[2:])
    parser = argparse.ArgumentParser(prog="qcad-gui", description="Q-CAD: design a material from its atoms and hand it to finite-element programs.")
    parser.add_argument("file", nargs="?", metavar="FILE", help="structure, trajectory, density, material or project to open")
    arguments = parser.parse_args(argv[1:])
    if display_missing():
        print(NO_DISPLAY, file=sys.stderr)
        return 1
    prepare_environment()
    reason = display_refused()
    if reason:
        print(f"Q-CAD cannot open its window: {reason}.\nCheck DISPLAY and xhost, or use the command line: `qcad --help`.", file=sys.stderr)
        return 1
    from . import messages

    app = make_application(argv)
    messages.install()
    window = make_window()
    window.session.keeper.begin(Path(arguments.file) if arguments.file else None)
    tame_garbage(window)
    window.show()
    return app.exec()


if __name__ == "__main__":
    raise SystemExit(main())
