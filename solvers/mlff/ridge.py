"""Ridge regression from normal equations in double precision, its regularisation by held-out blocks, and the covariance of its weights.

A row is one number (an energy per atom, a force component, a virial component) already multiplied by the square root of its weight. Frames
belong to folds; every fold keeps its own sums, so that holding one out costs a subtraction.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STRENGTHS = np.logspace(-13, -2, 34)  # of the penalty, relative to the mean square of each column


@dataclass
class Normal:
    """Sums over rows x with right-hand sides y, by fold: gram (F, D, D) = Σ x xᵀ, moment (F, D) = Σ x y, square (F,) = Σ y², rows (F,)."""

    gram: np.ndarray
    moment: np.ndarray
    square: np.ndarray
    rows: np.ndarray

    @classmethod
    def empty(cls, folds: int, n_features: int) -> Normal:
        """No rows yet."""
        return cls(np.zeros((folds, n_features, n_features)), np.zeros((folds, n_features)), np.zeros(folds), np.zeros(folds))

    def add(self, fold: int, rows: np.ndarray, labels: np.ndarray) -> None:
        """Add rows (D, n) with labels (n,) to `fold`."""
        self.gram[fold] += rows @ rows.T
        self.moment[fold] += rows @ labels
        self.square[fold] += labels @ labels
        self.rows[fold] += len(labels)


@dataclass(frozen=True)
class Solution:
    """weights (D,); whitening (D, D): whitening·whiteningᵀ = (gram + penalty)⁻¹; strength of the penalty; held_out: mean square error of a held-out row."""

    weights: np.ndarray
    whitening: np.ndarray
    strength: float
    held_out: float


def column_scale(gram: np.ndarray) -> np.ndarray:
    """Root mean square of every column up to a common factor, 1 where a column is empty, (D,)."""
    diagonal = np.diag(gram)
    return np.where(diagonal > 1e-14 * diagonal.max(initial=0.0), np.sqrt(np.maximum(diagonal, 1e-300)), np.inf)


def solve(gram: np.ndarray, moment: np.ndarray, free: np.ndarray, strengths: np.ndarray = STRENGTHS):
    """For every strength: (weights (D, n), a function giving the whitening of strength i). `free` (D,) bool marks columns without a penalty of their own.

    Columns are scaled to unit length, so one strength penalises all alike; free columns get the smallest strength always.
    """
    scale = column_scale(gram)
    inverse = np.where(np.isfinite(scale), 1.0 / scale, 0.0)
    # a free column is one with a wide prior: stretched, so that the common penalty weighs little on it
    inverse = np.where(free, inverse * 1e3, inverse)
    values, vectors = np.linalg.eigh(gram * inverse[:, None] * inverse[None])
    values = np.maximum(values, 0.0)
    projected = vectors.T @ (inverse * moment)
    weights = inverse[:, None] * (vectors @ (projected[:, None] / (values[:, None] + strengths[None])))

    def whitening(i: int) -> np.ndarray:
        return inverse[:, None] * vectors / np.sqrt(values + strengths[i])

    return weights, whitening


def fit(normal: Normal, free: np.ndarray) -> tuple[Solution, list[Solution]]:
    """The solution on all rows, with the strength that predicts held-out folds best, and the solution without each fold at that strength."""
    gram, moment = normal.gram.sum(axis=0), normal.moment.sum(axis=0)
    used = np.flatnonzero(normal.rows)
    losses = np.zeros(len(STRENGTHS))
    without = []
    for fold in used if len(used) > 1 else []:
        weights, whitening = solve(gram - normal.gram[fold], moment - normal.moment[fold], free)
        losses += normal.square[fold] - 2.0 * normal.moment[fold] @ weights + np.einsum("ds,de,es->s", weights, normal.gram[fold], weights, optimize=True)
        without.append((fold, weights, whitening))
    best = int(np.argmin(losses)) if without else len(STRENGTHS) // 2
    held_out = float(losses[best] / normal.rows.sum()) if without else float("nan")
    weights, whitening = solve(gram, moment, free)
    folds = [Solution(fold_weights[:, best], fold_whitening(best), float(STRENGTHS[best]), held_out) for _, fold_weights, fold_whitening in without]
    return Solution(weights[:, best], whitening(best), float(STRENGTHS[best]), held_out), folds
