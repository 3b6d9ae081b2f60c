"""Sums that a run of any length needs for a straight line through its samples."""
from __future__ import annotations

import numpy as np


class Line:
    """Least-squares line through samples (t, y) that are never stored. y is taken relative to the first sample, so no digits are lost."""

    def __init__(self):
        self.count = 0
        self.origin = self.first = 0.0
        self._sums = np.zeros(5)  # t, y, tt, ty, yy

    def add(self, t: float, y: float) -> None:
        """Add one sample."""
        if self.count == 0:
            self.origin, self.first = t, y
        t, y = t - self.origin, y - self.first
        self._sums += (t, y, t * t, t * y, y * y)
        self.count += 1

    def slope(self) -> tuple[float, float]:
        """Slope and its standard error for independent residuals; (0, 0) with fewer than three samples."""
        if self.count < 3:
            return 0.0, 0.0
        t, y, tt, ty, yy = self._sums
        spread = tt - t * t / self.count
        slope = (ty - t * y / self.count) / spread
        residual = max(yy - y * y / self.count - slope**2 * spread, 0.0)
        return float(slope), float(np.sqrt(residual / (self.count - 2) / spread))

    def to_array(self) -> np.ndarray:
        """All of it as eight numbers."""
        return np.array([self.count, self.origin, self.first, *self._sums])

    @classmethod
    def from_array(cls, values: np.ndarray) -> Line:
        """The line that `to_array` stored."""
        line = cls()
        line.count, line.origin, line.first = int(values[0]), float(values[1]), float(values[2])
        line._sums = np.array(values[3:], float)
        return line
