"""Occupations: sum rule, stationarity, limits and the energy at zero smearing."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import erf

from solvers.core.errors import NonFiniteError, SetupError
from solvers.dft.smearing import entropy, missing_bands, occupation, occupation_slope, occupy, to_zero

KINDS = ("fermi-dirac", "gaussian", "methfessel-paxton", "cold")
RNG = np.random.default_rng(2)
METAL = np.sort(RNG.normal(scale=0.3, size=(1, 30, 12)), -1)
WEIGHTS = RNG.random(30)
WEIGHTS /= WEIGHTS.sum()
INSULATOR = np.concatenate([np.linspace(-1, -0.9, 12).reshape(1, 3, 4), np.linspace(0.3, 0.5, 6).reshape(1, 3, 2)], -1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1e-4, 0.005, 0.05, 0.3])
@pytest.mark.parametrize("electrons", [1.0, 11.0, 14.5])
def test_sum_rule(kind, width, electrons):
    filling, fermi, free = occupy(METAL, WEIGHTS, electrons, kind, width)
    assert (filling * WEIGHTS[None, :, None]).sum() == pytest.approx(electrons, abs=2e-11)
    assert METAL.min() - 40 * width < fermi < METAL.max() + 40 * width and np.isfinite(free)


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_a_normalised_delta(kind):
    x, dx = np.linspace(-45, 45, 90001, retstep=True)
    assert (occupation_slope(kind, x) * dx).sum() == pytest.approx(1.0, abs=1e-10)
    h = 1e-4
    assert (occupation(kind, x + h) - occupation(kind, x - h)) / (2 * h) == pytest.approx(occupation_slope(kind, x), abs=1e-7)
    assert occupation(kind, np.array([-700.0, 700.0])) == pytest.approx([0, 1], abs=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_entropy_makes_the_energy_stationary(kind):
    """d(−TS)/dx = x df/dx in units of the width."""
    x, h = np.linspace(-6, 6, 400), 1e-4
    slope = (entropy(kind, x + h) - entropy(kind, x - h)) / (2 * h)
    assert slope == pytest.approx(x * occupation_slope(kind, x), abs=1e-7)
    assert np.abs(slope).max() > 0.1
    assert entropy(kind, np.array([-900.0, 900.0])) == pytest.approx([0, 0], abs=1e-15)


def test_cold_is_the_published_one():
    """Marzari et al. 1999: the entropy is never positive in total for a flat density of states, and f(x) = ½ + ½ erf(x−1/√2) + e^{−(x−1/√2)²}/√2π."""
    x = np.linspace(-4, 4, 50)
    y = x - 2**-0.5
    assert occupation("cold", x) == pytest.approx(0.5 + 0.5 * erf(y) + np.exp(-y * y) / np.sqrt(2 * np.pi), abs=1e-15)
    assert occupation("cold", x).min() > -1e-12  # it never goes below zero


@pytest.mark.parametrize(("kind", "power"), [("fermi-dirac", 2), ("gaussian", 2), ("methfessel-paxton", 4), ("cold", 3)])
def test_energy_to_zero_converges_faster_than_the_free_energy(kind, power):
    """A smooth density of states, D(e) ~ √e: the extrapolated energy is right to a higher power of the width."""
    n = 40001
    energies = np.linspace(0.0, 2.0, n)
    weights = np.sqrt(energies)
    weights /= weights.sum()
    exact = None
    errors = []
    for width in (1e-6, 0.02, 0.04):
        filling, _, free = occupy(energies.reshape(1, n, 1), weights, 0.7, kind, width)
        total = float((filling[0, :, 0] * weights) @ energies)
        if exact is None:
            exact = total
            continue
        errors.append((abs(total + free - exact), abs(to_zero(kind, total + free, free) - exact)))
    assert errors[1][1] < 0.05 * 0.04**2  # free energies err by about D(E_F) width²
    assert errors[1][1] <= errors[1][0] + 1e-12
    if kind in ("fermi-dirac", "gaussian"):
        assert errors[0][0] > 1e-5 and errors[0][1] < 0.05 * errors[0][0]


@pytest.mark.parametrize("kind", (*KINDS, "none"))
def test_insulators_have_their_fermi_energy_mid_gap(kind):
    filling, fermi, free = occupy(INSULATOR, np.ones(3) / 3, 8, kind, 0.01)
    assert fermi == pytest.approx(-0.3, abs=5e-3 if kind == "fermi-dirac" else 1e-5)
    assert filling == pytest.approx(np.broadcast_to([2, 2, 2, 2, 0, 0], filling.shape), abs=1e-10)
    assert abs(free) < 1e-10


def test_fixed_occupations_follow_the_order_of_energies():
    shuffled = INSULATOR[..., [5, 0, 3, 1, 4, 2]]
    filling, _, _ = occupy(shuffled, np.ones(3) / 3, 8, "none", 0.0)
    assert np.array_equal(filling, 2.0 * (shuffled < 0))


def test_all_bands_full():
    filling, fermi, _ = occupy(INSULATOR[..., :4], np.ones(3) / 3, 8, "fermi-dirac", 0.01)
    assert filling == pytest.approx(2.0) and fermi > INSULATOR[..., :4].max()


@pytest.mark.parametrize("kind", ["methfessel-paxton", "cold"])
def test_non_monotonic_kinds_find_a_root(kind):
    """Two groups of states a few widths apart, where occupations overshoot."""
    values = np.concatenate([np.full((1, 1, 3), -0.02), np.full((1, 1, 3), 0.02)], -1)
    for electrons in (1.0, 5.0, 6.0, 7.0, 11.0):
        filling, _, _ = occupy(values, np.ones(1), electrons, kind, 0.01)
        assert filling.sum() == pytest.approx(electrons, abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_bands_are_missing_when_the_highest_still_counts(kind):
    """Negative occupations of Methfessel–Paxton count as much as positive ones: 2e-3 at x = −2."""
    values = np.array([[-0.5, 0.0, 0.02], [-0.5, 0.0, 0.5]])
    assert missing_bands(values, 0.0, kind, 0.01) == 4
    assert missing_bands(values + [0, 0, 0.5], 0.0, kind, 0.01) == 0
    assert missing_bands(values, 0.0, "none", 0.0) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spacing", [1e-3, 4e-3])
def test_bands_that_are_missing_are_added_at_once(kind, spacing):
    """In a ladder of levels the first answer suffices and is not larger than it must be, but a fifth of the bands, and at most doubles them."""
    def ladder(count):
        return np.arange(count)[None] * spacing
    for fermi in (28 * spacing, 29 * spacing):
        first = missing_bands(ladder(30), fermi, kind, 0.004)
        assert 6 <= first <= 30
        if first < 30:
            assert missing_bands(ladder(30 + first), fermi, kind, 0.004) == 0
        if 6 < first < 30:
            assert missing_bands(ladder(29 + first), fermi, kind, 0.004) > 0
    assert missing_bands(ladder(30), 29 * spacing, kind, 0.004) > 6 or spacing > 1e-3


def test_tensors_in_tensors_out():
    filling, _, _ = occupy(torch.as_tensor(METAL), torch.as_tensor(WEIGHTS), 11.0, "cold", 0.02)
    assert isinstance(filling, torch.Tensor) and filling.dtype == torch.float64
    assert filling.numpy() == pytest.approx(occupy(METAL, WEIGHTS, 11.0, "cold", 0.02)[0], abs=0)


@pytest.mark.parametrize(("arguments", "message"), [
    ((METAL, WEIGHTS, 25.0, "gaussian", 0.1), "25 electrons do not fit into 12 bands, which hold at most 24"),
    ((METAL, WEIGHTS, 11.0, "none", 0.0), "11 electrons do not fill whole bands.*even number"),
    ((METAL, WEIGHTS, 11.0, "gaussian", 0.0), "width 0 Ha.*positive"),
    ((METAL, WEIGHTS, 11.0, "tepid", 0.1), "Unknown smearing 'tepid'.*cold"),
])
def test_messages(arguments, message):
    with pytest.raises(SetupError, match=message):
        occupy(*arguments)


def test_nan_is_an_error():
    with pytest.raises(NonFiniteError, match="eigenvalue is not finite"):
        occupy(np.full((1, 1, 2), np.nan), np.ones(1), 2, "gaussian", 0.1)
