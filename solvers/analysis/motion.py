"""Mean square displacement and self-diffusion."""
from __future__ import annotations

import numpy as np

from solvers.core.errors import SetupError


def mean_square_displacement(positions: np.ndarray, *, remove_drift: bool = True) -> np.ndarray:
    """⟨|r(t₀+t) − r(t₀)|²⟩ in Å² for every lag, (F,), averaged over atoms and all starting frames.

    positions (F, N, 3) in Å at equal intervals and not wrapped into the cell; remove_drift takes off the mean motion. Method: correlation by
    fast Fourier transform (Calandrini et al., École thématique de la Société Française de la Neutronique 12, 201 (2011)). Raises SetupError for
    fewer than two frames.
    """
    positions = np.asarray(positions, float)
    if positions.ndim != 3 or positions.shape[0] < 2 or positions.shape[2] != 3:
        raise SetupError(f"Positions of shape {positions.shape} hold no motion.", hint="Needed: (frames, atoms, 3) with at least two frames.")
    if remove_drift:
        positions = positions - positions.mean(axis=1, keepdims=True)
    positions = positions - positions.mean(axis=0)  # large offsets would cost digits
    n = len(positions)
    lags = np.arange(n)
    spectrum = np.fft.rfft(positions, 2 * n, axis=0)
    correlation = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=2), 2 * n, axis=0)[:n] / (n - lags)[:, None]
    squares = (positions**2).sum(axis=2)
    total = np.concatenate([np.zeros((1, squares.shape[1])), np.cumsum(squares, axis=0)])
    ends = (total[n - lags] + total[n] - total[lags]) / (n - lags)[:, None]
    return np.maximum((ends - 2.0 * correlation).mean(axis=1), 0.0)


def diffusion_coefficient(displacement: np.ndarray, interval: float, *, begin: float = 0.1, end: float = 0.5) -> float:
    """D in Å²/fs from the slope of `displacement` (F,) Å² over 6, between the fractions begin and end of the lags; interval in fs between frames."""
    first, last = int(begin * len(displacement)), int(end * len(displacement))
    if last - first < 2:
        raise SetupError(f"{len(displacement)} lags are too few for a slope.", hint="Use a longer trajectory.")
    return float(np.polyfit(interval * np.arange(first, last), displacement[first:last], 1)[0] / 6.0)
