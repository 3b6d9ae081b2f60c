"""One FFT box, one k-mesh, one cutoff for all strains of a study, and the denser choices that measure convergence.

Works by duck typing: a calculator with `frozen_for(atoms, strain)` (plane waves) has a basis to fix; any other is used as it is.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..core.calculators import CalculatorSpec
from ..md.evaluation import live_calculator

#: energy tolerance in eV/atom that strained cells are solved to at least: forces err by its square root, and a stress is worth no more than its forces
TOLERANCE = 1e-9


def fixed_calculator(source: Any, atoms, strain: float) -> Any:
    """A live calculator whose basis is fixed for cells strained by up to `strain`; unconverged cycles come back flagged instead of raising."""
    calculator = live_calculator(source)
    if hasattr(calculator, "frozen_for"):
        calculator = calculator.frozen_for(atoms, strain)
        keywords = calculator.todict()
        if keywords.get("tolerance", 0.0) > TOLERANCE:
            calculator = type(calculator)(**{**keywords, "tolerance": TOLERANCE})
    if hasattr(calculator, "strict"):
        calculator.strict = False
    return calculator


def has_basis(calculator: Any) -> bool:
    """Whether the calculator has a cutoff and a k-mesh that convergence runs can change."""
    return hasattr(calculator, "frozen_for") and hasattr(calculator, "resolve")


def denser(calculator: Any, atoms, strain: float, *, cutoff: float = 1.0, kpoints: float = 1.0) -> Any:
    """The same calculator with its cutoff and k-mesh multiplied; a mesh grows by at least one point along each axis that has more than one point."""
    chosen = calculator.resolve(atoms, strain)
    size = chosen["kpts"]["size"]
    if kpoints > 1:
        size = tuple(n if n == 1 else max(n + 1, math.ceil(n * kpoints - 1e-9)) for n in size)
    keywords = {**calculator.todict(), "kpts": {**chosen["kpts"], "size": size}, "cutoff": chosen["cutoff"] * cutoff, "grid": None}
    return fixed_calculator(type(calculator)(**keywords), atoms, strain)


def is_converged(calculator: Any) -> bool:
    """Whether the last evaluation says so; calculators that say nothing are taken at their word."""
    return bool(getattr(calculator, "results", {}).get("converged", True))


def provenance(source: Any, calculator: Any, atoms) -> dict[str, Any]:
    """functional, calculator, settings, potentials {name: sha256} and what the model's own error is called; None where unknown."""
    if hasattr(calculator, "plan"):
        plan = calculator.plan(atoms)
        settings = _plain(plan.settings)
        names = {entry.name: entry for entry in plan.entries.values()}
        potentials = {name: str(getattr(entry, "sha256", None) or "unknown") for name, entry in names.items()}
        return {"functional": settings["xc"], "calculator": "plane-wave DFT", "settings": settings, "potentials": potentials,
                "model_error": f"the {settings['xc']} functional and the pseudopotentials"}
    name = source.name if isinstance(source, CalculatorSpec) else type(calculator).__name__
    files = dict(source.files) if isinstance(source, CalculatorSpec) else {}
    parameters = _plain(dict(source.params)) if isinstance(source, CalculatorSpec) else {}
    return {"functional": None, "calculator": name, "settings": {key: value for key, value in parameters.items() if key != "path"} or None,
            "potentials": {path.rsplit("/", 1)[-1]: digest for path, digest in files.items()}, "model_error": f"the interatomic potential {name}"}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        return value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
