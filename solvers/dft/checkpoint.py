"""The density file behind `DFT(checkpoint=…)`: a start for the next run, readable across geometries, boxes and k-meshes."""
from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ReadError, StorageError
from .plan import Plan

if TYPE_CHECKING:
    from .calculation import Calculation


def save_density(path: str, calculation: Calculation) -> None:
    """Write numbers, potentials and the bonding density (ρ minus superposed atoms, coefficients times volume) to `path` (npz), replacing it in one rename."""
    grid = calculation.problem.grid
    bonding = calculation.bonding.cpu().numpy()
    target = Path(path).expanduser()
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, suffix=".part", delete=False) as file:
            part = Path(file.name)
            np.savez(file, numbers=calculation.plan.structure.numbers, potentials=_potentials(calculation.plan), xc=calculation.plan.params.xc,
                     moments=_moments(calculation.plan), shape=np.array(grid.shape), bonding=bonding)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        raise StorageError(f"The density could not be written to {target}: {error.strerror or error}.",
                           hint="Choose another checkpoint path or free some space.") from error


def load_density(path: str, plan: Plan) -> tuple[np.ndarray, tuple[int, int, int]] | None:
    """(bonding coefficients (S, …) times volume, their box) stored at `path`; None when there is no file or it belongs to other atoms. Raises ReadError for a
    damaged file.
    """
    target = Path(path).expanduser()
    if not target.exists():
        return None
    try:
        with np.load(target, allow_pickle=False) as data:
            same = np.array_equal(data["numbers"], plan.structure.numbers) and str(data["xc"]) == plan.params.xc and np.array_equal(data["potentials"],
                                                                                                                                    _potentials(plan))
            if not same:
                return None
            bonding, shape = data["bonding"] if data["bonding"].ndim == 4 else data["bonding"][None], tuple(int(n) for n in data["shape"])
            if len(shape) != 3 or bonding.shape[1:] != (shape[0], shape[1], shape[2] // 2 + 1) or not np.isfinite(bonding).all():
                raise ValueError(f"its density of shape {bonding.shape} is not one of finite numbers on the box {shape}")
            if not np.array_equal(data["moments"] if "moments" in data else np.zeros(0), _moments(plan)):
                bonding = bonding[:1]  # another magnetic order: only the charge helps
            return bonding, shape
    except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ReadError(f"{target} is not a density file of this program: {error}.", hint="Remove it or choose another checkpoint path.") from error


def _potentials(plan: Plan) -> np.ndarray:
    return np.array([f"{symbol} {entry.name} {entry.sha256[:16]}" for symbol, entry in sorted(plan.entries.items())])


def _moments(plan: Plan) -> np.ndarray:
    return np.zeros(0) if plan.moments is None else plan.moments
