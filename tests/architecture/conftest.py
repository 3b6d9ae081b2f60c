"""What the architecture tests look at: the program's source files, parsed once."""
from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """One Python file of the program."""

    path: Path

    @property
    def name(self) -> str:
        """Path from the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """Dotted module name."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.name)

    @cached_property
    def imports(self) -> list[tuple[str, int]]:
        """(absolute dotted name, line) of every import, also inside functions; `from a import b` gives a and a.b."""
        found = []
        package = self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = package.split(".")[:len(package.split(".")) - node.level + 1]
                    base = ".".join([*above, *([base] if base else [])])
                found += [(base, node.lineno), *((f"{base}.{alias.name}", node.lineno) for alias in node.names)]
        return found

    def imports_any(self, *packages: str) -> list[str]:
        """``file:line name`` of every import of one of these packages or something below them."""
        return [f"{self.name}:{line} {name}" for name, line in self.imports if any(name == package or name.startswith(package + ".") for package in packages)]


def _sources(*folders: str) -> list[Source]:
    """Python files below these folders; an environment in installer/ is not ours."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Source(path) for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def program() -> list[Source]:
    """Every file of solvers, plugins and qcad_gui."""
    return _sources("solvers", "plugins", "qcad_gui")


@pytest.fixture(scope="session")
def engine(program) -> list[Source]:
    """Every file of solvers and plugins."""
    return [source for source in program if not source.name.startswith("qcad_gui/")]


@pytest.fixture(scope="session")
def window(program) -> list[Source]:
    """Every file of qcad_gui."""
    return [source for source in program if source.name.startswith("qcad_gui/")]


@pytest.fixture(scope="session")
def everything(program) -> list[Source]:
    """Every Python file of the repository."""
    return [*program, *_sources("tests", "installer")]
