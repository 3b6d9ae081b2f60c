"""The validation tables of molecular dynamics and force fields hold."""
from __future__ import annotations

import pytest

from solvers import validate


@pytest.mark.parametrize("area, at_least", [("md", 5), ("mlff", 3)])
def test_area(area, at_least, monkeypatch):
    monkeypatch.delenv("QCAD_MLEARN", raising=False)
    rows = validate.run(area)
    assert len(rows) >= at_least
    assert all(row.tolerance is not None for row in rows)
    assert not [row for row in rows if not row.passed], validate.table(rows)
