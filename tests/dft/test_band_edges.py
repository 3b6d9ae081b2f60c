"""Gaps, edges, jumps and masses of bands that are known in closed form."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.dft.band_edges import METAL, band_gap, degenerate_with, jumps
from solvers.dft.masses import DIRECTIONS, derivatives, follow, stencil

K = np.stack([np.linspace(0, 0.5, 21), np.zeros(21), np.zeros(21)], 1)


def talk(conversation, levels):
    """Answer a `follow` conversation with a function k -> levels."""
    points = next(conversation)
    while True:
        try:
            points = conversation.send(levels(points))
        except StopIteration as stop:
            return stop.value


def test_indirect_and_direct_gap():
    x = K[:, 0]
    bands = np.stack([-1 - x**2, 2 - 3 * x + 2 * x**2], 1)[None]
    gap = band_gap(bands, K, 0.0)
    assert gap.valence.index == 0 and gap.conduction.index == 20
    assert gap.size == pytest.approx(bands[0, 20, 1] + 1)
    assert gap.direct == pytest.approx((bands[0, :, 1] - bands[0, :, 0]).min()) and gap.direct > gap.size
    assert not gap.is_direct


def test_spins_have_their_own_counts_and_crossing_bands_are_a_metal():
    x = K[:, 0]
    up, down = np.stack([-2 + x, -1 - x, 3 + x], 1), np.stack([-2 + x, 1 - x, 4 + x], 1)
    gap = band_gap(np.stack([up, down]), K, 0.0)
    assert (gap.valence.spin, gap.valence.band, gap.conduction.spin, gap.conduction.band) == (0, 1, 1, 1)
    assert gap.size == pytest.approx(0.5 + 1.0)
    assert band_gap(np.stack([up, np.stack([-2 + x, -0.2 + x, 4 + x], 1)]), K, 0.0) is METAL


def test_a_missed_band_is_a_jump_and_a_crossing_is_none():
    x = np.linspace(-1, 1, 41)
    bands = np.sort(np.stack([x, -x, 2 + x**2, 4 - x**2], 1), 1)[None]
    assert jumps(bands, (slice(0, 41),), 0.05) == []
    missed = bands.copy()
    missed[0, 17, 1:3] = bands[0, 17, 2:4]
    assert {(0, 17, 1), (0, 17, 2)} <= set(jumps(missed, (slice(0, 41),), 0.05))


def test_touching_bands_are_found():
    assert degenerate_with(np.array([0.0, 1.0, 1.0 + 1e-7, 1.0 + 2e-7, 2.0]), 2, 1e-5) == (1, 3)
    assert degenerate_with(np.array([0.0, 1.0, 2.0]), 1, 1e-5) == (1, 1)


def test_stencil_is_exact_for_a_quartic_polynomial():
    rng = np.random.default_rng(3)
    H, g, quartic = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3)
    H = H + H.T
    points = stencil() * 0.1
    values = 2.0 + points @ g + 0.5 * np.einsum("ni,ij,nj->n", points, H, points) + points**4 @ quartic
    gradient, hessian, error = derivatives(values, 0.1)
    np.testing.assert_allclose(gradient, g, atol=1e-11)
    np.testing.assert_allclose(hessian, H, atol=1e-10)
    assert 0.0 < error.max() < 0.1


def test_mass_of_a_shifted_anisotropic_valley():
    inverse = np.diag([1.0, 5.0, 5.0])
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    inverse = turn @ inverse @ turn.T
    centre = np.array([0.4, 0.1, -0.2])

    def levels(k):
        d = k - centre
        return np.stack([-1 - (k**2).sum(1), 0.3 + 0.5 * np.einsum("ni,ij,nj->n", d, inverse, d)], 1)
    mass = talk(follow(centre + [0.03, -0.02, 0.01], 1, -1, 0.02), levels)
    assert mass.kind == "minimum" and mass.found
    np.testing.assert_allclose(mass.inverse, inverse, atol=1e-6)
    np.testing.assert_allclose(mass.kpoint, centre, atol=1e-6)
    assert mass.energy == pytest.approx(0.3, abs=1e-9)
    assert not talk(follow(centre, 1, 1, 0.02), levels).found  # a minimum is no valence band edge


def test_the_step_is_halved_where_a_narrow_gap_bends_the_band():
    gap, p = 0.02, 0.6  # two bands of a k·p model: E = ½ (√(gap² + 4p²k²)), mass gap/(2p²)

    def levels(k):
        root = 0.5 * np.sqrt(gap**2 + 4 * p**2 * (k**2).sum(1))
        return np.stack([-root, root], 1)
    mass = talk(follow(np.zeros(3), 1, -1, 0.02), levels)
    rough = derivatives(levels(stencil() * 0.02)[:, 1], 0.02)[1]
    exact = 2 * p**2 / gap
    assert abs(rough[0, 0] - exact) > 0.1 * exact
    np.testing.assert_allclose(mass.inverse, exact * np.eye(3), atol=0.01 * exact)


def test_touching_bands_get_masses_along_lines():
    def levels(k):
        q = (k**2).sum(1)
        return np.sort(np.stack([-0.5 * q, -2.0 * q, 3 + q], 1), 1)
    mass = talk(follow(np.zeros(3), 1, 1, 0.02), levels)
    assert mass.kind == "touching" and (mass.first, mass.last) == (0, 1) and mass.inverse is None
    np.testing.assert_allclose(mass.along, np.repeat([[-4.0], [-1.0]], len(DIRECTIONS), 1), rtol=1e-8)
