"""Machine-learned force fields: descriptor, linear model, training, model files, ASE calculator. Names are imported on first use."""
from __future__ import annotations

import importlib

_LAZY = {"MLFF": "calculator", "train": "training", "TrainParams": "params", "LinearModel": "model", "read_labelled": "data", "labelled": "data"}
__all__ = [*_LAZY]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
