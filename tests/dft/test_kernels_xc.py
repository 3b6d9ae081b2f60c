"""Fused kernels of the functionals against their torch references, in the CUDA simulator, and compiled to PTX."""
from __future__ import annotations

import pytest
import torch

from solvers.dft.kernels import gga, mgga
from solvers.dft.xc import functional

NAMES = ("PBE", "PBEsol", "revPBE", "PBE0", "HSE06", "HSE06-PBE")


def points(spins, n=4000):
    """Densities and sigma of all kinds: usual ones, empty channels, vacuum, negative rounding, impossible σ↑↓."""
    generator = torch.Generator().manual_seed(5)

    def uniform(rows):
        return torch.rand(rows, n, generator=generator, dtype=torch.float64)

    rho = 10 ** (8 * uniform(spins) - 6)
    sigma = 10 ** (4 * uniform(2 * spins - 1) - 3) * rho.sum(0) ** (8 / 3)
    if spins == 2:
        sigma[1] *= 2 * uniform(1)[0] - 1
    rho[0, :50], rho[-1, 50:100], rho[:, 100:150] = 0.0, -1e-9, 1e-13
    sigma[:, 150:200] = -1e-12
    return rho, sigma


def agree(found, wanted, *variables):
    """Slopes are measured by the energy they carry, since they pass through zero where exchange and correlation cancel; so may the energy itself."""
    rho = variables[0]
    scale = wanted[0].abs() + 1e-2 * rho.sum(0).abs()
    assert bool(((found[0] - wanted[0]).abs() <= 1e-12 * scale).all()) and float(wanted[0].abs().max()) > 1e-3
    carried = 1e-11 * scale
    for mine, reference, variable in zip(found[1:], wanted[1:], variables, strict=False):
        assert mine.shape == reference.shape and torch.isfinite(mine).all()
        difference = (mine - reference).abs()
        assert bool(((difference * variable.abs() <= carried) | (difference <= 1e-11 * reference.abs())).all())
        assert not mine[..., rho.sum(0) < 1e-12].any() and bool(mine.any())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spins", [1, 2])
def test_fused_kernel_equals_torch(name, spins):
    item = functional(name)
    rho, sigma = points(spins)
    reference = item.sum_of_parts(item.parts[-item.n_fused:], rho, sigma)
    agree(gga.evaluate(rho, sigma, item.fused), reference, rho, sigma)


@pytest.mark.parametrize("spins", [1, 2])
def test_fused_r2scan_equals_automatic_derivatives(spins):
    item = functional("r2SCAN")
    rho, sigma, tau = points_and_tau(spins)
    agree(mgga.evaluate(rho, sigma, tau), item.sum_of_parts(item.parts, rho, sigma, tau), rho, sigma, tau)


def points_and_tau(spins, n=4000):
    """`points` with kinetic-energy densities from below the least possible one (as beside a core density) to far above the uniform gas."""
    rho, sigma = points(spins, n)
    own = sigma[::2].clamp_min(0.0) / (8 * rho.clamp_min(1e-12))
    factor = torch.linspace(0.3, 4.0, n, dtype=torch.float64)
    return rho, sigma, own * factor.clamp_max(1.0) + (factor - 1).clamp_min(0.0) * 3 * rho.clamp_min(0.0) ** (5 / 3)


def test_the_fused_kernel_is_what_large_grids_use(monkeypatch):
    """The switch is by size; both sides of it agree, for a functional with parts beside the kernel too."""
    rho, sigma = points(1)
    monkeypatch.setattr(gga, "WORTHWHILE", 1)
    calls = []
    evaluate = gga.evaluate
    monkeypatch.setattr(gga, "evaluate", lambda *given: calls.append(given) or evaluate(*given))
    for name in ("PBE", "HSE06"):
        fused = functional(name).evaluate(rho, sigma)
        monkeypatch.setattr(gga, "usable", lambda _: False)
        plain = functional(name).evaluate(rho, sigma)
        monkeypatch.undo()
        monkeypatch.setattr(gga, "WORTHWHILE", 1)
        monkeypatch.setattr(gga, "evaluate", lambda *given: calls.append(given) or evaluate(*given))
        assert torch.allclose(fused.energy, plain.energy, rtol=1e-12, atol=0) and torch.allclose(fused.v_rho, plain.v_rho, rtol=1e-11, atol=1e-15)
    assert len(calls) == 2


SIMULATED = """
import importlib.util
import torch
from solvers.dft.kernels import gga_cuda
from solvers.dft.xc import functional
spec = importlib.util.spec_from_file_location("tests", {path!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
from solvers.dft.kernels import mgga_cuda
for spins in (1, 2):
    given = [v[:, 200::4].contiguous() for v in tests.points_and_tau(spins, 400)]
    results = [torch.full((50,), torch.nan, dtype=torch.float64), *(torch.full_like(v, torch.nan) for v in given)]
    mgga_cuda.launch(*(v.numpy() for v in given), *(v.numpy() for v in results), threads=32)
    item = functional("r2SCAN")
    tests.agree(results, item.sum_of_parts(item.parts, *given), *given)
    rho, sigma = tests.points(spins, 300)
    rho, sigma = rho[:, 30::3].contiguous(), sigma[:, 30::3].contiguous()
    item = functional("PBE")
    energy, v_rho, v_sigma = torch.full((90,), torch.nan, dtype=torch.float64), torch.full_like(rho, torch.nan), torch.full_like(sigma, torch.nan)
    gga_cuda.launch(rho.numpy(), sigma.numpy(), item.fused, energy.numpy(), v_rho.numpy(), v_sigma.numpy(), threads=32)
    reference = item.sum_of_parts(item.parts, rho, sigma)
    tests.agree((energy, v_rho, v_sigma), reference, rho, sigma)
"""


def test_cuda_kernel_in_the_simulator(cuda_child):
    cuda_child.simulate(SIMULATED.format(path=__file__))


COMPILED = """
from numba import float64
from solvers.dft.kernels import gga_cuda, mgga_cuda
array, line = float64[:, ::1], float64[::1]
family = (array, array, float64, float64, float64, float64, line, array, array)
meta = (array, array, array, line, array, array, array)
compile_all(((gga_cuda.unpolarised_body, family), (gga_cuda.polarised_body, family), (mgga_cuda.polarised_body, meta)))
"""


def test_cuda_kernel_compiles_to_ptx_without_a_device(cuda_child):
    cuda_child.compile(COMPILED)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["PBE", "r2SCAN"])
@pytest.mark.parametrize("spins", [1, 2])
def test_a_device_gives_the_same(name, spins, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    monkeypatch.setattr(gga, "WORTHWHILE", 1)
    item = functional(name)
    given = points_and_tau(spins) if item.needs_kinetic_energy else points(spins)
    found = item.evaluate(*(variable.cuda() for variable in given))
    agree([None if part is None else part.cpu() for part in found][:len(given) + 1], item.sum_of_parts(item.parts, *given), *given)
