"""Parameters of training."""
from __future__ import annotations

from dataclasses import dataclass

from solvers.core.params import check, param


@dataclass(frozen=True)
class TrainParams:
    """Fit of the linear force field."""

    preset: str = param("standard", choices=("fast", "standard", "accurate"), help="size of the descriptor: speed against accuracy")
    time_limit: float | None = param(None, unit="s", low=0.01, help="stop reading frames after this time and fit what was read")
    seed: int = param(0, low=0, high=2**63 - 1, help="order in which frames are read; matters only when the time limit cuts")
    energy_weight: float = param(15.0, low=0.0, high=1e6, help="weight of energies per atom, relative to their variance")
    force_weight: float = param(1.0, low=0.0, high=1e6, help="weight of forces, relative to their variance")
    stress_weight: float = param(0.1, low=0.0, high=1e6, help="weight of virials per atom, relative to their variance")
    repulsion: bool = param(True, help="screened nuclear repulsion (ZBL) below the shortest bonds, so that atoms never fuse")
    folds: int = param(6, low=2, high=20, help="blocks of frames held out in turn to choose the regularisation and calibrate the error bars", advanced=True)

    def __post_init__(self):
        check(self)
