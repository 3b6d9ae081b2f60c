"""Put pip into the environment whose Python runs this file, from a wheel with a known hash. For systems without python3-venv and without pip.

The wheel comes from Debian's python3-pip-whl where that is installed, else from the package index (PIP_INDEX_URL or PyPI).
"""
from __future__ import annotations

import hashlib
import html
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

NAME, SHA256 = "pip-26.0-py3-none-any.whl", "98436feffb9e31bc9339cf369fd55d3331b1580b6a6f1173bacacddcf9c34754"


def download(folder: Path) -> Path:
    """The wheel in `folder`; RuntimeError when the index does not hold it or the hash differs."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    with urllib.request.urlopen(f"{index}/pip/", timeout=60) as answer:
        page, base = answer.read().decode("utf-8", errors="replace"), answer.geturl()
    link = re.search(r"""href\s*=\s*["']([^"']*/""" + re.escape(NAME) + r"""[^"']*)["']""", page)
    if link is None:
        raise RuntimeError(f"{base} does not list {NAME}")
    url = urllib.parse.urljoin(base, html.unescape(link.group(1)))
    with urllib.request.urlopen(url, timeout=120) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise RuntimeError(f"{url} has another SHA-256 than expected")
    path = folder / NAME
    path.write_bytes(data)
    return path


def main() -> int:
    """Install pip; 0 on success."""
    with tempfile.TemporaryDirectory() as folder:
        local = sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))
        try:
            wheel = local[-1] if local else download(Path(folder))
        except (OSError, RuntimeError, ValueError) as error:
            print(f"setup: {error}", file=sys.stderr)
            return 1
        # a wheel is a zip: pip runs from inside it and installs itself
        command = [sys.executable, f"{wheel}/pip", "install", "-q", "--no-index", "--disable-pip-version-check", str(wheel)]
        return subprocess.call(command, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    raise SystemExit(main())
