"""Q-CAD's headless engine. Public names are imported on first use; importing `solvers` imports neither torch nor numba."""
from __future__ import annotations

import importlib

__version__ = "0.1.0"
_LAZY = {"Structure": "solvers.core.structure", "CalculatorSpec": "solvers.core.calculators", "GridField": "solvers.core.fields", "JobSpec": "solvers.core.job",
         "JobManager": "solvers.core.jobs", "Project": "solvers.core.project", "Material": "solvers.continuum", "DFT": "solvers.dft", "MLFF": "solvers.mlff"}
__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'solvers' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
