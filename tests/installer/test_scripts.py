"""The scripts behind the README's two commands."""
from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLER = Path(__file__).resolve().parents[2] / "installer"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"qcad_installer_{name}", INSTALLER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def shell(code: str, **environment: str) -> subprocess.CompletedProcess:
    folder = shlex.quote(str(INSTALLER))
    text = f"set -eu\ninstaller={folder}\nroot=$(dirname -- \"$installer\")\n. \"$installer/common.sh\"\n{code}"
    environment = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=environment)


@pytest.mark.parametrize("name", ["setup.sh", "test.sh", "common.sh"])
def test_scripts_are_plain_sh(name):
    assert subprocess.run(["sh", "-n", str(INSTALLER / name)], capture_output=True).returncode == 0
    text = (INSTALLER / name).read_text()
    assert "[[" not in text and "function " not in text and "$'" not in text


def test_unknown_options_are_refused():
    done = subprocess.run(["sh", str(INSTALLER / "setup.sh"), "--cudda"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "allowed: --cuda" in done.stderr


def test_an_empty_home_is_replaced(tmp_path):
    usable = shell('ensure_home; printf %s "$HOME"', HOME=str(tmp_path))
    assert usable.returncode == 0 and usable.stdout == str(tmp_path)
    for environment in ({"HOME": ""}, {"HOME": "/nonexistent/place"}, {}):
        done = shell('ensure_home; printf %s "$HOME"', **environment)
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout).is_dir() and os.access(done.stdout, os.W_OK)


def test_a_python_that_is_too_old_is_not_taken(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = shell(f"good_python {shlex.quote(str(old))} && echo yes || echo no")
    assert done.stdout.strip() == "no"
    assert shell(f"good_python {shlex.quote(sys.executable)} && echo yes || echo no").stdout.strip() == "yes"


def test_missing_packages_are_listed_for_those_without_root(tmp_path):
    """Without root, without sudo: one line to copy, and the exit status says that something is missing."""
    for name, text in {"dpkg-query": "exit 1", "id": "echo 1000"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cut", "printf", "getent", "dirname"):
        if shutil.which(name):
            (tools / name).symlink_to(shutil.which(name))
    done = shell("need_packages 'the window' libfoo1 libbar2 || echo missing", PATH=f"{tmp_path}:{tools}")
    assert done.stdout.strip() == "missing"
    assert "sudo apt-get install --no-install-recommends libfoo1 libbar2" in done.stderr and "the window needs" in done.stderr


def test_menu_entry_quotes_every_path(tmp_path, monkeypatch):
    module = load("desktop_entry")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "ein Ordner mit Ümlaut"))
    environment = tmp_path / 'a "b" $c 100%' / "é"
    assert module.main(INSTALLER.parent, environment) == 0
    files = list((tmp_path / "ein Ordner mit Ümlaut" / "applications").iterdir())
    assert [path.name for path in files] == [module.NAME]
    line = next(line for line in files[0].read_text(encoding="utf-8").splitlines() if line.startswith("Exec="))
    assert line == f'Exec="{tmp_path}/a \\\\"b\\\\" \\\\$c 100%%/é/bin/qcad-gui" %f'
    if shutil.which("desktop-file-validate"):
        assert subprocess.run(["desktop-file-validate", str(files[0])], capture_output=True).returncode == 0


@pytest.mark.parametrize("requirements, cuda", [
    (["filelock", "numpy>=1.26; extra == 'x'"], False), (["filelock", "nvidia-cublas==13.1; platform_system == 'Linux'"], True),
    (["cuda-toolkit[cublas]==13.0"], True)])
def test_a_cuda_build_is_recognised(requirements, cuda):
    assert load("choose_torch").needs_cuda(requirements) is cuda


def report(folder: Path, name: str, body: str, code: int) -> None:
    (folder / f"{name}.xml").write_text(f'<testsuites><testsuite name="pytest">{body}</testsuite></testsuites>')
    with (folder / "codes").open("a") as file:
        file.write(f"{name} {code}\n")


PASSED = '<testcase classname="tests.a" name="one"/>'
SKIPPED = '<testcase classname="tests.a" name="two"><skipped type="pytest.skip" message="{}"/></testcase>'
FAILED = '<testcase classname="tests.a" name="three"><failure message="no"/></testcase>'


def summarise(folder: Path) -> tuple[int, str]:
    (folder / "allowed.txt").write_text("# reasons\n\nno CUDA device\n")
    done = subprocess.run([sys.executable, str(INSTALLER / "summary.py"), str(folder), str(folder / "allowed.txt")], capture_output=True, text=True)
    return done.returncode, done.stdout.strip().splitlines()[-1]


def test_summary_counts(tmp_path):
    report(tmp_path, "engine", PASSED * 3 + SKIPPED.format("no CUDA device here"), 0)
    assert summarise(tmp_path) == (0, "3 passed, 0 failed, 1 skipped")
    report(tmp_path, "widgets", PASSED + FAILED, 1)
    assert summarise(tmp_path) == (1, "4 passed, 1 failed, 1 skipped")


@pytest.mark.parametrize("body, code, last", [
    (PASSED + SKIPPED.format("I did not feel like it"), 0, "1 passed, 1 failed, 0 skipped"),  # a skip without permission
    (PASSED, 139, "1 passed, 1 failed, 0 skipped"),  # crashed after its last test
    ("", 5, "0 passed, 1 failed, 0 skipped"),  # nothing selected
    ("<broken", 1, "0 passed, 1 failed, 0 skipped"), (PASSED, 124, "1 passed, 1 failed, 0 skipped")])
def test_summary_lets_nothing_slip(tmp_path, body, code, last):
    report(tmp_path, "engine", body, code)
    assert summarise(tmp_path) == (1, last)


def test_a_process_without_report_fails(tmp_path):
    (tmp_path / "codes").write_text("scene 139\n")
    assert summarise(tmp_path) == (1, "0 passed, 1 failed, 0 skipped")
