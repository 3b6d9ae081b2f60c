"""Plug-ins as rows of TOML data files, found through package metadata without importing anything.

An installed distribution names its file in the entry-point group ``qcad.plugins`` as ``package:file.toml``. Each row is

    [[plugin]]
    kind = "calculator"             # one of KINDS; each has a contract in solvers/testing.py
    name = "emt"
    path = "package.module:attribute"
    params = "package.module:Class" # params dataclass, optional
    summary = "one line"

The first-party file travels the same road; it is also found in the source tree. Others are off until `allow`ed; what is allowed is one version with one
hash over all its files, so an update is off again. Nothing here raises because of somebody else's plug-in: a broken one is a row with its traceback.
"""
from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import tomllib
import traceback
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from .errors import MissingError, SetupError
from .paths import user_data

GROUP = "qcad.plugins"
KINDS = ("calculator", "exporter", "importer", "builder", "task", "panel", "scheduler")
_FIRST_PARTY = Path(__file__).resolve().parents[2] / "plugins" / "plugins.toml"
_KEYS = {"kind", "name", "path", "params", "summary"}


@dataclass(frozen=True)
class Plugin:
    """One row. `error` holds the traceback of a row that cannot be used, `allowed` is False for a third-party row nobody has allowed yet."""

    kind: str
    name: str
    path: str
    params: str = ""
    summary: str = ""
    package: str = "qcad-workbench"
    version: str = ""
    sha256: str = ""
    allowed: bool = True
    error: str = ""

    @property
    def state(self) -> str:
        """"on", "off" (third party, not allowed) or "broken"."""
        return "broken" if self.error else "on" if self.allowed else "off"

    def load(self) -> Any:
        """The object that `path` names, imported now. MissingError when the row is off, broken, or its import fails."""
        return self._import(self.path)

    def params_class(self) -> type | None:
        """The params dataclass, None where the plug-in declares none."""
        return self._import(self.params) if self.params else None

    def trouble(self) -> str:
        """The traceback that using this plug-in gives, "" when it loads; a row that is off is not imported."""
        if self.error or not self.allowed:
            return self.error
        try:
            self._resolve(self.path)
            if self.params:
                self._resolve(self.params)
        except Exception:
            return traceback.format_exc()
        return ""

    def _import(self, dotted: str) -> Any:
        if not self.allowed:
            raise MissingError(f"The {self.kind} {self.name!r} of {self.package} {self.version} is not allowed on this account.",
                               hint=f"If you trust it, run: qcad plugins allow {self.package}")
        if self.error:
            raise MissingError(f"The {self.kind} {self.name!r} of {self.package} is broken: {self.error.strip().splitlines()[-1]}.", hint="Run: qcad plugins")
        try:
            return self._resolve(dotted)
        except Exception as error:
            raise MissingError(f"The {self.kind} {self.name!r} ({dotted}) cannot be loaded: {type(error).__name__}: {error}.",
                               hint="Run `qcad plugins` for the traceback.") from error

    @staticmethod
    def _resolve(dotted: str) -> Any:
        module, _, attribute = dotted.partition(":")
        value = importlib.import_module(module)
        for part in attribute.split("."):
            value = getattr(value, part)
        return value


def plugins(kind: str | None = None) -> list[Plugin]:
    """Every row of `kind` (all kinds when None), usable or not; files that could not be read appear as broken rows of kind ""."""
    return [row for row in _rows() if kind is None or row.kind == kind]


def get(kind: str, name: str) -> Plugin:
    """The plug-in called `name`. MissingError with the nearest names when there is none."""
    candidates = plugins(kind)
    for row in candidates:
        if row.name == name and not row.error:
            return row
    for row in candidates:
        if row.name == name:
            return row
    names = sorted({row.name for row in candidates if row.state == "on"})
    near = difflib.get_close_matches(name, names, 3)
    raise MissingError(f"There is no {kind} called {name!r}.",
                       hint=f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(names) or 'none'}.")


def refresh() -> None:
    """Look again for installed plug-ins and for what is allowed."""
    importlib.invalidate_caches()
    _rows.cache_clear()


def allow(package: str) -> Plugin:
    """Allow the installed version of distribution `package`; returns its first row. MissingError when it brings no plug-ins."""
    rows = [row for row in _rows() if row.package == package and row.path]
    if not rows:
        known = sorted({row.package for row in _rows()})
        raise MissingError(f"No installed package called {package!r} brings plug-ins.", hint=f"Known: {', '.join(known)}.")
    if not rows[0].sha256:  # first party
        return rows[0]
    _write_allowed({**_allowed(), package: {"version": rows[0].version, "sha256": rows[0].sha256}})
    refresh()
    return next(row for row in _rows() if row.package == package and row.path)


def forbid(package: str) -> None:
    """Take back what `allow` did."""
    _write_allowed({name: item for name, item in _allowed().items() if name != package})
    refresh()


# ---- reading ---------------------------------------------------------------------------------------------------------------------------------
@cache
def _rows() -> tuple[Plugin, ...]:
    rows = list(_read(_FIRST_PARTY, Plugin("", "", ""))) if _FIRST_PARTY.is_file() else []
    safe_mode = os.environ.get("QCAD_SAFE_MODE", "") not in ("", "0")
    allowed = _allowed()
    for entry in () if safe_mode else importlib.metadata.entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else entry.name
        try:
            version = entry.dist.version if entry.dist else ""
            file = _data_file(entry.value)
            if file.resolve() == _FIRST_PARTY.resolve():
                continue
            digest = _content_hash(file.parent)
            ticket = allowed.get(package, {})
            ours = Plugin("", "", "", package=package, version=version, sha256=digest, allowed=ticket == {"version": version, "sha256": digest})
            rows += _read(file, ours)
        except Exception:
            rows.append(Plugin("", package, "", package=package, error=traceback.format_exc()))
    return tuple(_without_doubles(rows))


def _data_file(value: str) -> Path:
    """The file behind ``package:file.toml``. Only the top-level package is looked up, which imports nothing."""
    dotted, _, name = value.partition(":")
    top, *below = dotted.strip().split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        raise MissingError(f"Entry point {value!r} names package {top!r}, which is not a package here.", hint="Install it again.")
    name = name.strip()
    if not name.endswith(".toml") or "/" in name or "\\" in name:
        raise SetupError(f"Entry point {value!r} does not name a TOML file.", hint="Write package:plugins.toml.")
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*below, name)


def _read(file: Path, template: Plugin) -> list[Plugin]:
    try:
        items = tomllib.loads(file.read_text(encoding="utf-8")).get("plugin", [])
    except Exception:
        return [replace(template, name=template.package, error=traceback.format_exc())]
    return [_row(item, template) for item in items]


def _row(item: Any, template: Plugin) -> Plugin:
    try:
        unknown = set(item) - _KEYS
        if unknown:
            raise SetupError(f"Unknown key {', '.join(sorted(unknown))}.", hint=f"Allowed: {', '.join(sorted(_KEYS))}.")
        for key in ("kind", "name", "path"):
            if not isinstance(item.get(key), str) or not item[key]:
                raise SetupError(f"A plug-in row has no {key}.", hint=f"Got {dict(item)!r}.")
        if item["kind"] not in KINDS:
            raise SetupError(f"Unknown kind {item['kind']!r}.", hint=f"Allowed: {', '.join(KINDS)}.")
        for key in ("path", "params"):
            module, colon, attribute = item.get(key, "m:a").partition(":")
            if not (module and colon and attribute):
                raise SetupError(f"{key} = {item[key]!r} is not a place.", hint="Write package.module:attribute.")
        return replace(template, **item)
    except Exception:
        texts = {key: item[key] for key in ("kind", "name") if isinstance(item, dict) and isinstance(item.get(key), str)}
        return replace(template, **{"name": template.package, **texts}, error=traceback.format_exc())


def _without_doubles(rows: list[Plugin]) -> list[Plugin]:
    taken: dict[tuple[str, str], str] = {}
    out = []
    for row in rows:
        owner = taken.setdefault((row.kind, row.name), row.package) if row.state == "on" else None
        if owner not in (None, row.package):
            row = replace(row, error=f"The name {row.name!r} already belongs to {owner}.")
        out.append(row)
    return out


# ---- what is allowed ---------------------------------------------------------------------------------------------------------------------------
def _allowed_file() -> Path:
    return user_data() / "plugins-allowed.json"


def _allowed() -> dict[str, dict[str, str]]:
    try:
        data = json.loads(_allowed_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent or damaged: nothing is allowed, which is the safe reading
        return {}
    return data if isinstance(data, dict) else {}


def _write_allowed(data: dict[str, dict[str, str]]) -> None:
    file = _allowed_file()
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(data, indent=1, sort_keys=True), encoding="utf-8")
    os.replace(temporary, file)


def _content_hash(folder: Path) -> str:
    """SHA-256 over names and contents of every file below `folder`, compiled ones excepted."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
