"""Print the test files below a folder that hold tests marked `gl`, one per line."""
from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).rglob("test_*.py")):
        if "mark.gl" in path.read_text(encoding="utf-8"):
            print(path)
