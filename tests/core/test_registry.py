"""Plug-ins from data files: nothing is imported to list them, strangers are off, broken ones are rows."""
from __future__ import annotations

import subprocess
import sys

import pytest

from solvers.core import registry
from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import MissingError

ROW = """[[plugin]]
kind = "calculator"
name = "strange"
path = "strange_plugin.code:make"
params = "strange_plugin.code:Params"
summary = "from somebody else"
"""
CODE = "import sys\nsys.strange_was_imported = True\nclass Params: pass\ndef make(**params): return params\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with plug-ins into a folder on sys.path."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def make(toml=ROW, code=CODE, version="1.0", entry="strange_plugin:plugins.toml"):
        package = site / "strange_plugin"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text("import sys\nsys.strange_was_imported = True\n")
        (package / "code.py").write_text(code)
        (package / "plugins.toml").write_text(toml)
        for old in site.glob("*.dist-info"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        info = site / f"strange_plugin-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: strange-plugin\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[qcad.plugins]\nstrange = {entry}\n")
        registry.refresh()

    yield make
    for name in [name for name in sys.modules if name.startswith("strange_plugin")]:
        del sys.modules[name]
    if hasattr(sys, "strange_was_imported"):
        del sys.strange_was_imported
    registry.refresh()


def strange():
    return next(row for row in registry.plugins() if row.package == "strange-plugin")


def test_ours_are_there_and_work():
    names = {(row.kind, row.name) for row in registry.plugins() if row.state == "on"}
    assert {("calculator", "dft"), ("calculator", "emt"), ("calculator", "lj"), ("calculator", "mlff"),
            ("exporter", "calculix"), ("exporter", "abaqus")} <= names
    assert [row.name for row in registry.plugins() if row.trouble()] == []
    assert CalculatorSpec("lj", {"cutoff": 9}).create().parameters["rc"] == 9


def test_listing_imports_nothing():
    code = "import sys; from solvers.core import registry; " \
           "print(len(registry.plugins()), [n for n in ('plugins', 'ase', 'torch', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == f"{len(registry.plugins())} []"


def test_unknown_names_get_the_nearest():
    with pytest.raises(MissingError, match="no calculator called 'emtt'. Did you mean 'emt'"):
        registry.get("calculator", "emtt")
    with pytest.raises(MissingError, match="no exporter called 'xyzzy'. Known: abaqus, calculix"):
        registry.get("exporter", "xyzzy")


def test_strangers_are_off_until_allowed(install):
    install()
    row = strange()
    assert row.state == "off" and row.version == "1.0" and len(row.sha256) == 64 and row.trouble() == ""
    with pytest.raises(MissingError, match="'strange' of strange-plugin 1.0 is not allowed.*qcad plugins allow strange-plugin"):
        CalculatorSpec("strange").create()
    assert not hasattr(sys, "strange_was_imported")
    assert registry.allow("strange-plugin").state == "on"
    assert not hasattr(sys, "strange_was_imported")
    assert CalculatorSpec("strange", {"a": 1}).create() == {"a": 1} and sys.strange_was_imported
    assert registry.get("calculator", "strange").params_class().__name__ == "Params"
    registry.forbid("strange-plugin")
    assert strange().state == "off"


def test_another_version_or_other_content_is_off_again(install):
    install()
    registry.allow("strange-plugin")
    install(version="1.1")
    assert strange().state == "off"
    registry.allow("strange-plugin")
    install(version="1.1", code=CODE + "# changed\n")
    assert strange().state == "off"


def test_safe_mode(install, monkeypatch):
    install()
    registry.allow("strange-plugin")
    monkeypatch.setenv("QCAD_SAFE_MODE", "1")
    registry.refresh()
    assert {row.package for row in registry.plugins()} == {"qcad-workbench"}


@pytest.mark.parametrize("options, words", [
    ({"toml": "[[plugin\n"}, "TOMLDecodeError"),
    ({"toml": ROW.replace('"calculator"', '"virus"')}, "Unknown kind 'virus'"),
    ({"toml": ROW.replace('path = "strange_plugin.code:make"', "")}, "has no path"),
    ({"toml": ROW.replace(":make", "")}, "is not a place"),
    ({"toml": ROW + 'colour = "red"\n'}, "Unknown key colour"),
    ({"entry": "no_such_package:plugins.toml"}, "is not a package here"),
    ({"entry": "strange_plugin:code"}, "does not name a TOML file"),
])
def test_a_broken_plug_in_is_a_row(install, options, words):
    install(**options)
    row = strange()
    assert row.state == "broken" and words in row.error
    assert "emt" in [item.name for item in registry.plugins("calculator")]
    assert not hasattr(sys, "strange_was_imported")


@pytest.mark.parametrize("code", ["raise RuntimeError('at import')", "def other(): pass", "import no_such_module_at_all"])
def test_an_import_that_fails_is_an_error_in_words(install, code):
    install(code=code)
    registry.allow("strange-plugin")
    with pytest.raises(MissingError, match="'strange' .* cannot be loaded: (RuntimeError|AttributeError|ModuleNotFoundError)"):
        CalculatorSpec("strange").create()
    assert "Traceback" in strange().trouble()


def test_nobody_takes_our_names(install):
    install(toml=ROW.replace('"strange"', '"dft"'))
    registry.allow("strange-plugin")
    row = strange()
    assert row.state == "broken" and "already belongs to qcad-workbench" in row.error
    assert registry.get("calculator", "dft").package == "qcad-workbench"
    with pytest.raises(MissingError, match="No installed package called 'nothing'"):
        registry.allow("nothing")


def test_a_damaged_list_allows_nothing(install):
    install()
    registry.allow("strange-plugin")
    registry._allowed_file().write_text("{")
    registry.refresh()
    assert strange().state == "off"


def test_installed_in_a_strange_place(tmp_path):
    """As a wheel lays it out, far from any source tree: our plug-ins are found once, through metadata, and workers and readers start."""
    import os
    import shutil
    from pathlib import Path
    root = Path(registry.__file__).resolve().parents[2]
    site = tmp_path / "site päckages"
    for name in ("solvers", "plugins"):
        shutil.copytree(root / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    info = site / "qcad_workbench-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: qcad-workbench\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[qcad.plugins]\nqcad = plugins:plugins.toml\n")
    code = """
import sys
from pathlib import Path
from solvers.core import registry, paths
names = [(row.kind, row.name) for row in registry.plugins()]
assert len(names) == len(set(names)) > 5 and all(row.state == "on" for row in registry.plugins()), registry.plugins()
assert "site p" in registry.__file__ and paths.python_path() == str(Path(registry.__file__).parents[2])
Path("a.xyz").write_text("1\\n\\nSi 0 0 0\\n")
from solvers.core.bridge import read_structure
assert read_structure("a.xyz").formula == "Si"  # by a child that imports this very copy
print(registry.get("calculator", "emt").load().__module__)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, env={**environment, "PYTHONPATH": str(site)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "plugins.calculators.emt"
