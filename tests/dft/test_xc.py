"""Functionals: libxc's numbers, and potentials that are the derivatives of the energy."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from solvers.core.errors import SetupError
from solvers.dft.xc import functional
from solvers.dft.xc.functional import FLOOR

NAMES = ("LDA", "PBE", "PBEsol")
STORED = json.loads((Path(__file__).parent / "libxc_reference.json").read_text())


def random_points(n=500, seed=7):
    rng = np.random.default_rng(seed)
    rho = 10 ** rng.uniform(-8, 2, n)
    sigma = 10 ** rng.uniform(-3, 2, n) * rho ** (8 / 3) * 4 * (3 * np.pi**2) ** (2 / 3)  # s² from 0.001 to 100
    return torch.as_tensor(rho)[None], torch.as_tensor(sigma)[None]


@pytest.mark.parametrize("name", NAMES)
def test_stored_libxc_values(name):
    sigma = torch.tensor(STORED["sigma"], dtype=torch.float64)[None]
    rho = torch.tensor(STORED["rho"], dtype=torch.float64)[None]
    e, v, w, _ = functional(name).evaluate(rho, sigma)
    reference = STORED["functionals"][name]
    assert tuple(reference["libxc_ids"]) == functional(name).libxc_ids
    assert (e / rho[0]).numpy() == pytest.approx(np.array(reference["energy_per_electron"]), rel=2e-11)
    assert v[0].numpy() == pytest.approx(np.array(reference["v_rho"]), rel=2e-11)
    if w is not None:
        assert w[0].numpy() == pytest.approx(np.array(reference["v_sigma"]), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_live_libxc_where_pyscf_is_installed(name):
    libxc = pytest.importorskip("pyscf.dft.libxc", reason="pyscf is not installed: the stored libxc table is compared in its place")
    rho, sigma = random_points()
    e, v, w, _ = functional(name).evaluate(rho, sigma)
    r, gradient = rho[0].numpy(), np.sqrt(sigma[0].numpy())
    given = r if name == "LDA" else np.stack([r, gradient, 0 * gradient, 0 * gradient])
    energy, potential, *_ = libxc.eval_xc(",".join(map(str, functional(name).libxc_ids)), given)
    assert e.numpy() / r == pytest.approx(energy, rel=1e-11)
    assert v[0].numpy() == pytest.approx(potential[0], rel=1e-11)
    if w is not None:
        assert w[0].numpy() == pytest.approx(potential[1], rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_potentials_are_derivatives(name):
    rho, sigma = random_points(200, 11)
    item = functional(name)
    _, v, w, _ = item.evaluate(rho, sigma)
    h = 1e-3

    def slope(f, x):
        return (f(x * (1 - 2 * h)) - 8 * f(x * (1 - h)) + 8 * f(x * (1 + h)) - f(x * (1 + 2 * h))) / (12 * h * x[0])

    assert torch.allclose(v[0], slope(lambda x: item.evaluate(x, sigma)[0], rho), rtol=1e-8, atol=1e-12)
    if w is not None:
        numeric = slope(lambda x: item.evaluate(rho, x)[0], sigma)
        assert torch.allclose(w[0], numeric, rtol=1e-6, atol=1e-9 * float(w.abs().max()))
        assert float(w.abs().max()) > 0


def test_uniform_gas_limits():
    """A gradient functional without gradient is its local part; PW92 inside PBE is the unrounded one, so energies differ by less than 1e-6."""
    rho = torch.logspace(-4, 1, 40, dtype=torch.float64)[None]
    local, gradient = functional("LDA").evaluate(rho), functional("PBE").evaluate(rho, torch.zeros_like(rho))
    relative = ((gradient[0] - local[0]) / rho[0]).abs().max()
    assert 1e-9 < float(relative) < 1e-6


def test_vacuum_is_silent():
    rho = torch.tensor([[-1e-3, 0.0, FLOOR / 2, 1e-20]], dtype=torch.float64)
    for part in functional("PBE").evaluate(rho, torch.full_like(rho, 1e-3))[:3]:
        assert not part.abs().any()
    for part in functional("PBE").evaluate(torch.full_like(rho, 2 * FLOOR), torch.full_like(rho, 1e-3))[:3]:
        assert torch.isfinite(part).all() and float(part.abs().max()) < 1.0


def test_messages():
    with pytest.raises(SetupError, match="Unknown functional 'B3LYP'.*LDA, PBE, PBEsol"):
        functional("B3LYP")
    with pytest.raises(SetupError, match=r"density of shape \(3, 5\).*spin up and spin down"):
        functional("LDA").evaluate(torch.ones(3, 5))
    with pytest.raises(SetupError, match="needs .*beside the density, got None"):
        functional("PBE").evaluate(torch.ones(1, 5))
    assert functional("pbe").name == "PBE"
