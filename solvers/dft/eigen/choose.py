"""Which block eigensolver serves how many bands on which machine."""
from __future__ import annotations

from collections.abc import Callable

from . import ppcg as groups
from .davidson import Bands, davidson


def block_solver(device: str, n_bands: int) -> Callable[..., Bands]:
    """Davidson, or projected conjugate gradients on CUDA from some hundred bands on, where one large eigenproblem per expansion would rule the time."""
    return groups.ppcg if device == "cuda" and n_bands >= groups.WORTHWHILE else davidson
