"""Extrapolation along ladders."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.dft.ladders import errors, first_good, limit_of


def test_geometric_convergence_is_extrapolated_exactly():
    x = 3.0 + 0.7 * 0.4 ** np.arange(6)
    limit, uncertainty = limit_of(x)
    assert limit == pytest.approx(3.0, abs=1e-12)
    assert np.abs(x[-1] - 3.0) <= uncertainty * (1 + 1e-9) < 0.02
    np.testing.assert_allclose(errors(x) - uncertainty, x - 3.0, atol=1e-12)


def test_errors_cover_the_truth_for_other_laws():
    for values in (1.0 + 1.0 / np.arange(2, 9) ** 4, 1.0 + np.exp(-np.arange(1, 8)) * np.cos(2 * np.arange(1, 8)), 1.0 + 0.3 * (-0.5) ** np.arange(6)):
        assert (errors(values) >= 0.99 * np.abs(values - 1.0)).all()


def test_no_trend_means_the_last_change():
    limit, uncertainty = limit_of(np.array([1.0, 2.0, 1.5, 2.1]))
    assert (limit, uncertainty) == (2.1, pytest.approx(0.6))
    assert limit_of(np.array([1.0]))[1] == np.inf


def test_vectors_and_empty_components():
    values = np.array([[1.0, 0.0], [0.5, 0.0], [0.25, 0.0]])
    np.testing.assert_allclose(limit_of(values)[0], [0.0, 0.0], atol=1e-12)
    assert errors(values)[0] == pytest.approx(1.0 + 0.25)
    assert list(errors(np.zeros((3, 0)))) == [0, 0, 0]


def test_first_good_rung_stays_good():
    assert first_good([np.array([0.5, 0.01, 0.3, 0.01, 0.001])], [0.1]) == 3
    assert first_good([np.array([0.01, 0.01]), np.array([0.5, 0.01])], [0.1, 0.1]) == 1
    assert first_good([np.array([0.01, 0.2])], [0.1]) is None
    assert first_good([np.array([0.01, 0.02])], [0.1]) == 0
