"""Add up the reports of all test processes: `summary.py FOLDER ALLOWED_SKIPS`. Exit status 1 when anything failed.

FOLDER holds one JUnit file per process and `codes` with "name exit-status" lines. A skip whose reason is not in ALLOWED_SKIPS counts as a failure, and so does
a process that ended without a report (a crash, the time limit).
"""
from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from defusedxml import ElementTree

ENDINGS = {"124": "the time limit", "137": "the time limit or a kill", "139": "a segmentation fault", "134": "an abort"}


@dataclass
class Count:
    """What happened in all processes."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # test, reason


def allowed_reasons(path: Path) -> list[str]:
    """Beginnings of reasons that a skip may have: the lines of the file that are neither empty nor comments."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def add(count: Count, report: Path, process: str) -> int:
    """Add one report; returns the number of tests in it."""
    tests = ElementTree.parse(report).getroot().iter("testcase")
    n = 0
    for test in tests:
        n += 1
        name = f"{test.get('classname', '').replace('.', '/')}::{test.get('name')} ({process})"
        kinds = {child.tag: child for child in test}
        if "failure" in kinds or "error" in kinds:
            count.failed.append(name)
        elif "skipped" in kinds:
            count.skipped.append((name, kinds["skipped"].get("message", "").strip()))
        else:
            count.passed += 1
    return n


def collect(folder: Path, allowed: list[str]) -> Count:
    """The sum over all processes named in ``codes``."""
    count = Count()
    for line in (folder / "codes").read_text().splitlines():
        process, code = line.rsplit(" ", 1)
        before = len(count.failed)
        report = folder / f"{process}.xml"
        try:
            n = add(count, report, process)
        except (OSError, ElementTree.ParseError):
            n = 0
        if code == "5" and n == 0:  # pytest's word for: nothing was selected
            count.failed.append(f"{process}: no test was found")
        elif code != "0" and len(count.failed) == before:
            count.failed.append(f"{process}: the process ended by {ENDINGS.get(code, f'exit status {code}')}")
    permitted = [(name, reason) for name, reason in count.skipped if any(reason.startswith(text) for text in allowed)]
    count.failed += [f"{name}: skipped without permission: {reason}" for name, reason in count.skipped if (name, reason) not in permitted]
    count.skipped = permitted
    return count


def main(folder: Path, allowed: Path) -> int:
    """Print the lists and the closing line."""
    count = collect(folder, allowed_reasons(allowed))
    print()
    for name, reason in count.skipped:
        print(f"skipped  {name}: {reason}")
    for name in count.failed:
        print(f"FAILED   {name}")
    print(f"{count.passed} passed, {len(count.failed)} failed, {len(count.skipped)} skipped")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
