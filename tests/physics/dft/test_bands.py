"""Bands off the mesh beside ABINIT's stored ones; the tolerance stands in `solvers/validate/bands.py`."""
from __future__ import annotations

import numpy as np

from solvers.validate import bands


def test_bands_of_rattled_silicon_are_those_of_abinit():
    (row,) = bands.rows_of(bands.CASES[0], live=False)
    assert row.passed, row
    assert np.ptp(bands._stored(bands.CASES[0].name)["levels"]) > 0.5
