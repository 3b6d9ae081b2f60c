"""How many electrons each spin has and how many bands that takes. Imports no torch: plans count before anything heavy is loaded."""
from __future__ import annotations

import math


def channel_electrons(n_electrons: float, n_spin: int, moment: float) -> tuple[float, ...]:
    """(N,) without spin, else (N↑, N↓) = ((N + M)/2, (N − M)/2), kept between 0 and N."""
    if n_spin == 1:
        return (n_electrons,)
    moment = min(max(moment, -n_electrons), n_electrons)
    return (0.5 * (n_electrons + moment), 0.5 * (n_electrons - moment))


def count_bands(electrons: tuple[float, ...], smearing: str) -> int:
    """Bands per spin: the filled ones of the fuller spin for fixed occupations, else max(1.2 n, n + 4) of the n filled ones."""
    room = 2.0 if len(electrons) == 1 else 1.0
    filled = max(1, math.ceil(max(electrons) / room - 1e-9))
    return filled if smearing == "none" else max(math.ceil(1.2 * filled), filled + 4)
