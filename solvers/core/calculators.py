"""`CalculatorSpec`: how a calculator crosses into a worker, a recipe or a project: name, params, files with SHA-256.

Calculators are plug-ins of kind "calculator" (`plugins/plugins.toml`), ours included; see `registry`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import MissingError, SetupError


@dataclass(frozen=True)
class CalculatorSpec:
    """name ("dft", "emt", "mlff" …), plain params, and files {path: sha256} the calculator reads."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))

    @classmethod
    def coerce(cls, value: CalculatorSpec | str | Mapping[str, Any]) -> CalculatorSpec:
        """From a spec, from text (``dft``, ``emt``, ``mlff:model.qff``, ``plugin:NAME``) or from ``{"name": …, "params": …}``.

        A file named after the colon is hashed now; MissingError if it is not there.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            unknown = set(value) - {"name", "params", "files"}
            if "name" not in value or unknown:
                raise SetupError(f"A calculator needs a name; got {dict(value)!r}.", hint='Write { name = "dft", params = { … } }.')
            spec = cls(str(value["name"]), value.get("params", {}), value.get("files", {}))
            return spec
        text = str(value)
        name, _, rest = text.partition(":")
        if name == "plugin":
            return cls(rest)
        if not rest:
            return cls(name)
        path = Path(rest).expanduser().resolve()
        if not path.is_file():
            raise MissingError(f"Calculator {text!r} names the file {path}, which is not there.", hint="Check the path.")
        return cls(name, {"path": str(path)}, {str(path): hashlib.sha256(path.read_bytes()).hexdigest()})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values for `coerce`."""
        return {"name": self.name, "params": dict(self.params), "files": dict(self.files)}

    def create(self, **overrides: Any):
        """A live ASE calculator. Raises MissingError for an unknown name, SetupError when a file changed since the spec was made."""
        from . import registry

        for path, digest in self.files.items():
            if not Path(path).is_file():
                raise MissingError(f"Calculator {self.name!r} needs {path}, which is not there.", hint="Restore the file or choose another.")
            now = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            if now != digest:
                raise SetupError(
                    f"{path} changed since it was chosen (SHA-256 {now[:12]} instead of {digest[:12]}).",
                    hint="Choose the file again to accept the new content.",
                )
        plugin = registry.get("calculator", self.name)
        return plugin.load()(**{**self.params, **overrides})
