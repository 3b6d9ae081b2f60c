"""Write the menu entry of the window into the user's data folder: `desktop_entry.py ROOT ENVIRONMENT`."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAME = "qcad-workbench.desktop"


def quoted(text: str) -> str:
    """One argument of an Exec line (Desktop Entry Specification: double quotes, four characters escaped, % doubled)."""
    for character in '\\"`$':
        text = text.replace(character, "\\" + character)
    # the value itself is a string in which a backslash is written twice
    return '"' + text.replace("\\", "\\\\").replace("%", "%%") + '"'


def entry(program: Path, icon: Path | None) -> str:
    """The file's text."""
    lines = ["[Desktop Entry]", "Type=Application", "Name=Q-CAD", "GenericName=Materials workbench", "Comment=Design a material from its atoms",
             f"Exec={quoted(str(program))} %f", f"TryExec={str(program)}", "Terminal=false", "Categories=Science;Physics;Education;", "StartupWMClass=qcad-gui",
             "MimeType=chemical/x-cif;chemical/x-xyz;"]
    if icon is not None:
        lines.append(f"Icon={icon}")
    return "\n".join(lines) + "\n"


def main(root: Path, environment: Path) -> int:
    """Write the entry and tell the desktop; 0 on success."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    icon = root / "resources" / "icons" / "app.svg"
    path = data / "applications" / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{NAME}.tmp")
    temporary.write_text(entry(environment / "bin" / "qcad-gui", icon if icon.is_file() else None), encoding="utf-8")
    os.replace(temporary, path)
    updater = shutil.which("update-desktop-database")
    if updater:
        subprocess.run([updater, str(path.parent)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"setup: menu entry {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
    except OSError as error:
        print(f"setup: {error}", file=sys.stderr)
        raise SystemExit(1) from None
