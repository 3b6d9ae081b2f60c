"""What ends up in a wheel, and that the locked versions are the declared ones."""
from __future__ import annotations

import re
import tomllib

import pytest


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_resource_is_shipped(root, project):
    shipped = {}
    for target, patterns in project["tool"]["setuptools"]["data-files"].items():
        for pattern in patterns:
            found = [path for path in root.glob(pattern)]
            assert found and all(path.is_file() for path in found), f"{pattern}: setuptools cannot ship a folder or nothing"
            shipped |= {path: target for path in found}
    for path in sorted((root / "resources").rglob("*")):
        if path.is_file() and path.parent.name not in ("screenshots", "__pycache__"):
            assert path in shipped, f"{path.relative_to(root)} would be missing in a wheel: name its folder under [tool.setuptools.data-files]"
            assert shipped[path] == "share/qcad-workbench/" + path.parent.relative_to(root / "resources").as_posix()
    assert len(shipped) > 50


def test_every_data_file_of_a_package_is_shipped(root, project):
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    for package in ("solvers", "plugins", "qcad_gui"):
        for path in (root / package).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc", ".nbi", ".nbc"):
                assert any(path.match(pattern) for pattern in patterns), f"{path.relative_to(root)} would be missing in a wheel"


def test_every_package_has_an_init(root):
    for package in ("solvers", "plugins", "qcad_gui"):
        for folder in {path.parent for path in (root / package).rglob("*.py")}:
            assert (folder / "__init__.py").is_file(), folder


def _pins(root) -> dict[str, str]:
    rows = [line.split("#")[0].strip() for line in (root / "installer" / "requirements.lock").read_text().splitlines()]
    rows += [line.split("#")[0].strip() for line in (root / "installer" / "requirements-test.lock").read_text().splitlines()]
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[\w.]+", row) for row in rows if row), [row for row in rows if row and "==" not in row]
    return {_key(row.split("==")[0]): row.split("==")[1] for row in rows if row}


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_locked_versions_satisfy_what_is_declared(root, project):
    packaging = pytest.importorskip("packaging.requirements")
    pins = _pins(root)
    extras = project["project"]["optional-dependencies"]
    for text in [*project["project"]["dependencies"], *extras["gui"], *extras["test"]]:
        requirement = packaging.Requirement(text)
        assert requirement.specifier.contains(pins[_key(requirement.name)]), f"{text} against {pins[_key(requirement.name)]}"
    assert pins["torch"] == "2.13.0" and pins["pyside6-essentials"].startswith("6.11.")


def test_the_build_tool_is_locked_for_an_offline_build(root, project):
    packaging = pytest.importorskip("packaging.requirements")
    for text in project["build-system"]["requires"]:
        requirement = packaging.Requirement(text)
        assert requirement.specifier.contains(_pins(root)[_key(requirement.name)])


def test_every_dependency_has_its_line_in_the_architecture_page(root, project):
    page = (root / "ARCHITECTURE.md").read_text(encoding="utf-8").lower()
    names = [re.match(r"[\w\-]+", text).group().lower() for text in [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["gui"]]]
    assert len(names) > 10 and not [name for name in names if f"`{name}`" not in page]
