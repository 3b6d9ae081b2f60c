"""Phases, projectors, density accumulation and Ewald sums: CPU launchers and the CUDA simulator against their references, compilation to PTX."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from solvers.dft.kernels import accumulate, lattice_sums, phases
from solvers.dft.terms import ewald


def material():
    """Three atoms, a few plane waves, two forms, some fields: toy sizes, for a simulator that runs one thread after another."""
    rng = np.random.default_rng(3)
    fractional = torch.from_numpy(rng.uniform(-1, 1, size=(3, 3)))
    miller = rng.integers(-4, 5, size=(9, 3)).astype(np.int32)
    miller[0] = 0
    forms = torch.from_numpy(rng.normal(size=(2, 9)) + 1j * rng.normal(size=(2, 9)))
    boxes = [torch.polar(torch.ones(3, n, dtype=torch.float64), torch.from_numpy(rng.uniform(0, 6, size=(3, n)))) for n in (4, 3, 5)]
    fields = torch.from_numpy(rng.normal(size=(2, 3, 20)) + 1j * rng.normal(size=(2, 3, 20)))
    return fractional, miller, np.array([0.1, -0.2, 0.3]), forms, boxes, fields, torch.from_numpy(rng.uniform(size=(2, 3)))


def salt():
    """A rattled salt of 4 ions: (cell, positions, charges)."""
    rng = np.random.default_rng(4)
    cell = np.array([[5.0, 0.2, 0.0], [0.1, 6.0, -0.3], [0.0, 0.4, 5.5]])
    return cell, rng.uniform(size=(4, 3)) @ cell, np.array([1.0, 2.0, -1.5, 0.5])


@pytest.mark.parametrize("half", [False, True])
def test_projector_rows_on_the_cpu(half):
    fractional, miller, k, forms, *_ = material()
    k = np.zeros(3) if half else k
    out = torch.full((6, 11), 7.0, dtype=torch.complex128)
    phases.projector_rows(fractional, miller, k, forms, half, out)
    expected = phases.projectors_torch(fractional, miller, k, forms, half)
    assert torch.allclose(out[:, :9], expected, atol=1e-14) and bool((out[:, 9:] == 7.0).all())
    assert not half or out[:, 0].imag.abs().max() == 0.0


@pytest.mark.parametrize("half", [False, True])
def test_stretches_of_projector_rows_on_the_cpu(half):
    """Real forms with a factor per row, some columns at a time, atoms shared out."""
    fractional, miller, k, forms, *_ = material()
    k, turns = np.zeros(3) if half else k, np.array([1.0, -1j])
    expected = phases.projectors_torch(fractional, miller, k, forms.real * torch.from_numpy(turns)[:, None], half).numpy()
    tables = [table.numpy() for table in phases.tables(fractional, miller, k)]
    for start, stop in ((0, 4), (4, 9)):
        out = np.zeros((6, stop - start), complex)
        for first in range(2):
            phases.projectors_cpu(*tables, miller, forms.real.contiguous().numpy(), half, out, turns, start, first, 2)
        assert np.abs(out - expected[:, start:stop]).max() < 1e-14


def test_structure_factor_and_density_on_the_cpu():
    *_, boxes, fields, weights = material()
    expected = phases.factor_torch(*boxes)
    out = np.empty(60, complex)
    phases.factor_cpu(*(table.numpy() for table in boxes), out)
    assert np.allclose(out, expected.reshape(-1).numpy(), atol=1e-14) and np.ptp(out.real) > 1.0
    assert torch.equal(phases.structure_factor(*boxes), expected)
    rho, reference = torch.ones(20, dtype=torch.float64), torch.ones(20, dtype=torch.float64)
    accumulate.accumulate(fields, weights, 0.5 * weights, rho)
    accumulate.accumulate_torch(fields, weights, 0.5 * weights, reference)
    assert torch.allclose(rho, reference, atol=1e-14) and rho.min() > 1.0


def test_compiled_lattice_sums_are_ewald(monkeypatch):
    plain = ewald.ewald(*salt())
    monkeypatch.setattr(ewald, "WORTHWHILE", 1)
    calls = []
    monkeypatch.setattr(lattice_sums, "near_part", lambda *given, near=lattice_sums.near_part: calls.append(1) or near(*given))
    fused = ewald.ewald(*salt())
    assert calls and fused[0] == pytest.approx(plain[0], abs=1e-12)
    for mine, theirs in zip(fused[1:], plain[1:], strict=True):
        assert np.abs(mine - theirs).max() < 1e-12 < np.abs(theirs).max()


SIMULATED = """
import importlib.util
import numpy as np, torch
from solvers.dft.kernels import accumulate, accumulate_cuda, lattice_sums, lattice_sums_cuda, phases, phases_cuda
from solvers.dft.kernels.boxes import launch_grid
spec = importlib.util.spec_from_file_location("lattice_tests", {path!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
fractional, miller, k, forms, boxes, fields, weights = tests.material()
for half in (False, True):
    point = np.zeros(3) if half else k
    out = np.zeros((6, 9), complex)
    blocks, threads = launch_grid(9, 6, 1, threads=4)
    phases_cuda.projectors[blocks, threads](*(t.numpy() for t in phases.tables(fractional, miller, point)), miller, forms.numpy(), half, out)
    assert np.abs(out - phases.projectors_torch(fractional, miller, point, forms, half).numpy()).max() < 1e-13
out = np.zeros(60, complex)
blocks, threads = launch_grid(60, 1, 1, threads=16)
phases_cuda.factor[blocks, threads](*(t.numpy() for t in boxes), out)
assert np.abs(out - phases.factor_torch(*boxes).numpy().reshape(-1)).max() < 1e-14
rho = np.zeros(20)
blocks, threads = launch_grid(20, 1, 1, threads=8)
accumulate_cuda.accumulate[blocks, threads](fields.numpy(), weights.numpy(), 0.5 * weights.numpy(), rho)
reference = torch.zeros(20, dtype=torch.float64)
accumulate.accumulate_torch(fields, weights, 0.5 * weights, reference)
assert np.abs(rho - reference.numpy()).max() < 1e-14
cell, positions, charges = tests.salt()
rng = np.random.default_rng(1)
G, weight = rng.normal(size=(7, 3)), rng.uniform(size=7)
s, f = np.zeros(7, complex), np.zeros((4, 3))
blocks, threads = launch_grid(7, 1, 1, threads=4)
lattice_sums_cuda.factors[blocks, threads](G, positions, charges, s)
blocks, threads = launch_grid(4, 3, 1, threads=4)
lattice_sums_cuda.smooth[blocks, threads](G, weight, s, positions, charges, f)
expected = np.exp(-1j * G @ positions.T) * charges
assert np.abs(s - expected.sum(1)).max() < 1e-13
forces = -2 * np.einsum("g,gn,gi->ni", weight, (np.conj(s)[:, None] * expected).imag, G)
assert np.abs(f - forces).max() < 1e-12 and np.abs(f).max() > 0.1
images = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
near = np.zeros((4, 10))
blocks, threads = launch_grid(4, 1, 1, threads=4)
lattice_sums_cuda.near[blocks, threads](positions, charges, images, 0.5, 6.0, near)
other = np.zeros((4, 10))
for a in range(4):
    lattice_sums.near_sums(positions, charges, images, 0.5, 6.0, a, other)
d = positions[:, None, None] - positions[None, :, None] + images
r = np.sqrt((d**2).sum(-1))
import math
from scipy.special import erfc
ok = (r < 6.0) & (r > 1e-6)
energy = 0.5 * (charges[:, None, None] * charges[None, :, None] * np.where(ok, erfc(0.5 * r) / np.where(ok, r, 1), 0)).sum()
assert abs(near[:, 0].sum() - energy) < 1e-12 and np.array_equal(near, other) and abs(energy) > 0.01
"""


def test_kernels_in_the_simulator(cuda_child):
    cuda_child.simulate(SIMULATED.format(path=__file__))


COMPILED = """
from numba import boolean, complex128, float64, int32
from solvers.dft.kernels import accumulate_cuda, lattice_sums_cuda, phases_cuda
c1, c2, c3, f1, f2 = complex128[::1], complex128[:, ::1], complex128[:, :, ::1], float64[::1], float64[:, ::1]
kernels = ((phases_cuda.factor_body, (c2, c2, c2, c1)), (phases_cuda.projectors_body, (c2, c2, c2, int32[:, ::1], c2, boolean, c2)),
           (accumulate_cuda.accumulate_body, (c3, f2, f2, f1)), (lattice_sums_cuda.factors_body, (f2, f2, f1, c1)),
           (lattice_sums_cuda.smooth_body, (f2, f1, c1, f2, f1, f2)), (lattice_sums_cuda.near_body, (f2, f1, f2, float64, float64, f2)))
compile_all(kernels)
"""


def test_kernels_compile_to_ptx_without_a_device(cuda_child):
    cuda_child.compile(COMPILED)
