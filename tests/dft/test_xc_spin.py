"""Spin-polarised functionals: limits, scaling laws, derivatives and libxc's numbers."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from solvers.core.errors import SetupError
from solvers.dft.xc import functional

NAMES = ("LDA", "PBE", "PBEsol")


def spin_points(n=200, seed=3):
    """Spin densities over eight decades with gradients of s = 0.03 to 10 at random angles: rho (2, n), gradients (2, 3, n), sigma (3, n)."""
    rng = np.random.default_rng(seed)
    total, zeta = 10 ** rng.uniform(-6, 2, n), 0.999 * rng.uniform(-1, 1, n)
    zeta[:20] = 0.0
    rho = np.stack([total * (1 + zeta), total * (1 - zeta)]) / 2
    gradient = rng.normal(size=(2, 3, n))
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    gradient *= (10 ** rng.uniform(-1.5, 1, (2, n)) * (3 * np.pi**2) ** (1 / 3) * (2 * rho) ** (4 / 3))[:, None]
    sigma = np.stack([(gradient[0] ** 2).sum(0), (gradient[0] * gradient[1]).sum(0), (gradient[1] ** 2).sum(0)])
    return torch.as_tensor(rho), gradient, torch.as_tensor(sigma)


def given(name, sigma):
    return sigma if functional(name).needs_gradient else None


@pytest.mark.parametrize("name", NAMES)
def test_live_libxc_where_pyscf_is_installed(name):
    libxc = pytest.importorskip("pyscf.dft.libxc", reason="pyscf is not installed: the stored libxc table is compared in its place")
    rho, gradient, sigma = spin_points()
    values = functional(name).evaluate(rho, given(name, sigma))
    channels = [r if name == "LDA" else np.vstack([r, g]) for r, g in zip(rho.numpy(), gradient, strict=True)]
    energy, potential, *_ = libxc.eval_xc(",".join(map(str, functional(name).libxc_ids)), channels, spin=1)
    assert (values.energy / rho.sum(0)).numpy() == pytest.approx(energy, rel=1e-11)
    assert values.v_rho.numpy() == pytest.approx(potential[0].T, rel=1e-11)
    if values.v_sigma is not None:
        assert values.v_sigma.numpy() == pytest.approx(potential[1].T, rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_two_equal_spins_are_the_unpolarised_functional(name):
    rho, _, _ = spin_points()
    total = rho[:1]
    sigma = 0.3 * total ** (8 / 3)
    once = functional(name).evaluate(total, given(name, sigma))
    twice = functional(name).evaluate(total.repeat(2, 1) / 2, given(name, sigma.repeat(3, 1) / 4))
    assert torch.allclose(twice.energy, once.energy, rtol=1e-12, atol=0)
    assert torch.allclose(twice.v_rho, once.v_rho.repeat(2, 1), rtol=1e-11, atol=0)
    if once.v_sigma is not None:
        # |∇n|² = σ↑↑ + 2σ↑↓ + σ↓↓ with four equal parts
        assert torch.allclose(twice.v_sigma.sum(0), 4 * once.v_sigma[0], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_spins_may_be_exchanged(name):
    rho, _, sigma = spin_points()
    values, swapped = functional(name).evaluate(rho, given(name, sigma)), functional(name).evaluate(rho.flip(0), given(name, sigma.flip(0)))
    assert torch.allclose(values.energy, swapped.energy, rtol=1e-13, atol=0)
    assert torch.allclose(values.v_rho, swapped.v_rho.flip(0), rtol=1e-11, atol=0)
    assert float((values.v_rho[0] - values.v_rho[1]).abs().max()) > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_potentials_are_derivatives(name):
    rho, _, sigma = spin_points(100, 11)
    item = functional(name)
    values = item.evaluate(rho, given(name, sigma))
    h = 2e-4

    def slope(variable, row):
        def energy(factor):
            arguments = {"rho": rho.clone(), "sigma": sigma.clone()}
            arguments[variable][row] *= factor
            return item.evaluate(arguments["rho"], given(name, arguments["sigma"])).energy
        reference = {"rho": rho, "sigma": sigma}[variable][row]
        return (energy(1 - 2 * h) - 8 * energy(1 - h) + 8 * energy(1 + h) - energy(1 + 2 * h)) / (12 * h * reference)

    for row in range(2):
        assert torch.allclose(values.v_rho[row], slope("rho", row), rtol=2e-7, atol=1e-10 * float(values.v_rho.abs().max()))
    for row in range(3 if values.v_sigma is not None else 0):
        # a change of energy below 1e-16 of itself is rounding
        bound = 1e-12 * values.energy.abs() / (h * sigma[row].abs())
        assert bool(((values.v_sigma[row] - slope("sigma", row)).abs() <= 1e-5 * values.v_sigma[row].abs() + bound).all())


@pytest.mark.parametrize("name", NAMES)
def test_empty_channels_vacuum_and_rounding_are_harmless(name):
    rho = torch.tensor([[0.2, 0.2, 1e-3, 0.0, -1e-9, 1e-14, 0.1], [0.0, -1e-7, 1e-13, 0.0, -1e-9, 1e-14, 0.1]], dtype=torch.float64)
    sigma = torch.tensor([[0.01] * 7, [1e-3] * 7, [-1e-18, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 0.0]], dtype=torch.float64)
    values = functional(name).evaluate(rho, given(name, sigma))
    for part in values:
        if part is not None:
            assert torch.isfinite(part).all() and not part[..., 3:6].any()
    assert float(values.v_rho.abs().max()) < 1e3
    # one spin alone: the limit is reached from partial polarisation, and the energy is not that of two spins
    near = functional(name).evaluate(torch.tensor([[0.2], [2e-9]], dtype=torch.float64), given(name, torch.tensor([[0.01], [0.0], [0.0]], dtype=torch.float64)))
    alone = functional(name).evaluate(torch.tensor([[0.2], [0.0]], dtype=torch.float64), given(name, torch.tensor([[0.01], [0.0], [0.0]], dtype=torch.float64)))
    assert float((near.energy - alone.energy).abs()) < 1e-6 * float(alone.energy.abs())
    both = functional(name).evaluate(torch.tensor([[0.2]], dtype=torch.float64), given(name, torch.tensor([[0.01]], dtype=torch.float64)))
    assert float(alone.energy) < 1.05 * float(both.energy)


def test_exchange_of_one_spin_is_that_of_twice_its_density():
    """E_x[n, 0] = ½ E_x[2n]: 2^{1/3} times the exchange energy per electron."""
    from solvers.dft.xc import lda_x_slater

    n = torch.tensor([[0.3], [0.0]], dtype=torch.float64)
    energy, v_rho, _ = lda_x_slater.evaluate(n)
    unpolarised, potential, _ = lda_x_slater.evaluate(n[0])
    assert float(energy) == pytest.approx(2 ** (1 / 3) * float(unpolarised), rel=1e-14)
    assert float(v_rho[0]) == pytest.approx(2 ** (1 / 3) * float(potential), rel=1e-14) and float(v_rho[1]) == 0.0


def test_messages():
    with pytest.raises(SetupError, match=r"PBE needs .*got \(2, 5\).*\(3, 5\)"):
        functional("PBE").evaluate(torch.ones(2, 5), torch.ones(2, 5))
