"""The local operator and the sphere–box pair against their torch references, on every road that runs here."""
from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from solvers.dft.basis import Basis
from solvers.dft.box import default_shape
from solvers.dft.kernels import boxes, fft_plans
from solvers.dft.kernels.local import PlainOperator, PrunedOperator
from solvers.dft.parallel import Workers

CELL = np.array([[9.0, 0.3, -0.2], [0.4, 10.5, 0.1], [0.2, -0.6, 8.2]])
POINTS = {"complex": [[0.1, 0.2, 0.3], [0.25, 0.0, 0.5]], "gamma": [[0.0, 0.0, 0.0]]}


def make_basis(kind: str, **options) -> Basis:
    points = np.array(POINTS[kind])
    return Basis(CELL, 6.0, points, np.full(len(points), 1 / len(points)), default_shape(CELL, 6.0), **options)


@pytest.mark.skipif(not fft_plans.available(), reason="torch brings no MKL on this platform: the plain operator is used")
@pytest.mark.parametrize("n_bands", [1, 4, 5])
@pytest.mark.parametrize("kind, size", [*((kind, 1) for kind in POINTS), ("complex", 2)])
def test_pruned_operator_is_the_plain_one(kind, size, n_bands):
    basis = make_basis(kind, batch_size=size)
    fast, plain = PrunedOperator(basis, Workers(2)), PlainOperator(basis)
    generator = torch.Generator().manual_seed(1)
    potential = torch.randn(2, *basis.grid.shape, dtype=torch.float64, generator=generator)
    for operator in (fast, plain):
        operator.set_potential(potential)
    for batch in basis.batches:
        assert len(batch) == size and (size == 1 or batch.mask is not None)
        X = batch.clean(torch.randn(size, n_bands, batch.storage_length, dtype=basis.dtype, generator=generator))
        a, b = torch.full_like(X, torch.nan), torch.empty_like(X)
        fast.apply(batch, X, a)
        plain.apply(batch, X, b)
        assert b.abs().max() > 1.0
        assert torch.allclose(a, b, rtol=0, atol=1e-12 * float(b.abs().max()))
        fast.apply(batch, X, a, spin=1)
        assert (a - b).abs().max() > 1e-3 * b.abs().max()  # the other spin's potential
        plain.apply(batch, X, b, spin=1)
        assert torch.allclose(a, b, rtol=0, atol=1e-12 * float(b.abs().max()))
        weights = torch.rand(size, n_bands, dtype=torch.float64, generator=generator)
        weights[0, 0] = 0.0
        densities = []
        for operator in (fast, plain):
            rho = operator.new_density()
            operator.density(batch, X, weights, rho)
            densities.append(operator.finish_density([rho]))
        assert torch.allclose(*densities, rtol=0, atol=1e-11 * float(1 + densities[1].abs().max()))
        # normalised orbitals of total weight w integrate to w
        expected = float((weights * torch.linalg.vector_norm(X, dim=-1) ** 2).sum())
        assert float(densities[0].mean()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", list(POINTS))
def test_local_operator_is_hermitian(kind):
    basis = make_basis(kind)
    operator = PlainOperator(basis)
    operator.set_potential(torch.randn(basis.grid.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    batch = basis.batches[0]
    X = batch.clean(torch.randn(1, 6, batch.storage_length, dtype=basis.dtype, generator=torch.Generator().manual_seed(4)))
    Y = torch.empty_like(X)
    operator.apply(batch, X, Y)
    M = X[0].conj() @ Y[0].mT
    assert (M - M.mH).abs().max() < 1e-11 * M.abs().max()


def test_k_points_in_one_padded_batch_give_the_same():
    single, batched = make_basis("complex"), make_basis("complex", batch_size=2)
    assert batched.batches[0].mask is not None or len({len(s) for s in batched.spheres}) == 1
    potential = torch.randn(single.grid.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    one, two = PlainOperator(single), PlainOperator(batched)
    one.set_potential(potential)
    two.set_potential(potential)
    both = batched.batches[0]
    X = both.clean(torch.randn(2, 3, both.storage_length, dtype=torch.complex128, generator=torch.Generator().manual_seed(6)))
    Y = torch.empty_like(X)
    two.apply(both, X, Y)
    for i, batch in enumerate(single.batches):
        x = X[i:i + 1, :, :batch.n_pw].contiguous()
        y = torch.empty_like(x)
        one.apply(batch, x, y)
        assert torch.allclose(Y[i:i + 1, :, :batch.n_pw], y, rtol=0, atol=1e-12 * float(y.abs().max()))
        assert Y[i, :, batch.n_pw:].abs().sum() == 0


@pytest.mark.parametrize("kind", list(POINTS))
def test_storage_is_an_isometry_and_round_trips(kind):
    batch = make_basis(kind).batches[0]
    kind_of_number = torch.float64 if batch.half else torch.complex128
    X = batch.clean(torch.randn(1, 4, batch.storage_length, dtype=kind_of_number, generator=torch.Generator().manual_seed(7)))
    c = batch.coefficients(X)
    assert torch.allclose(batch.store(c), X, atol=1e-15)
    weight = torch.full((batch.n_pw,), 2.0 if batch.half else 1.0, dtype=torch.float64)
    weight[0] = 1.0
    assert torch.allclose((c.abs() ** 2 * weight).sum(-1), (X.abs() ** 2).sum(-1))


def tables(seed: int = 0):
    rng = np.random.default_rng(seed)
    places = np.stack([rng.permutation(60)[:11] for _ in range(2)])
    inverse = boxes.inverse_table(places[:, :6], [6, 5], 60, minus=places[:, 5:])
    values = rng.normal(size=(2, 3, 6)) + 1j * rng.normal(size=(2, 3, 6))
    return values, places[:, :6].astype(np.int64), inverse


def test_scatter_and_gather_on_the_cpu():
    values, places, inverse = tables()
    reference = boxes.scatter_torch(torch.from_numpy(values), torch.from_numpy(inverse))
    assert torch.equal(boxes.scatter(torch.from_numpy(values), torch.from_numpy(inverse)), reference)
    assert (inverse <= -2).any() and (inverse >= 0).any()
    back = boxes.gather(reference, torch.from_numpy(places))
    assert torch.equal(back, boxes.gather_torch(reference, torch.from_numpy(places)))
    assert np.array_equal(back[0].numpy(), values[0])


def pair_tables(bands: int):
    """A half sphere of 6 coefficients in a box of 60 cells: (stored (bands, 6), inverse (60,), plus, minus, kinetic (6,))."""
    rng = np.random.default_rng(bands)
    places = rng.permutation(60)[:11]
    plus, minus = places[:6], np.concatenate([places[:1], places[6:]])
    stored = rng.normal(size=(bands, 6)) + 1j * rng.normal(size=(bands, 6))
    stored[:, 0] = stored[:, 0].real
    return stored, boxes.inverse_table(plus[None], [6], 60, minus[None])[0], plus, minus, rng.uniform(size=6)


@pytest.mark.parametrize("bands", [1, 4, 5])
def test_two_real_bands_share_a_box(bands):
    stored, inverse, plus, minus, kinetic = map(torch.from_numpy, pair_tables(bands))
    fields = boxes.scatter_pairs(stored, inverse)
    assert fields.shape == (-(-bands // 2), 60) and torch.allclose(fields, boxes.scatter_pairs_torch(stored, inverse), atol=1e-15)
    one = boxes.scatter_torch((stored * torch.tensor([2**0.5, 1, 1, 1, 1, 1]))[None], inverse[None])[0]  # each band alone
    assert torch.allclose(fields, one[0::2] + 1j * torch.nn.functional.pad(one[1::2], (0, 0, 0, bands % 2)), atol=1e-14)
    out = torch.empty_like(stored)
    boxes.gather_pairs(fields, plus, minus, kinetic, stored, out)
    assert torch.allclose(out, boxes.gather_pairs_torch(fields, plus, minus, kinetic, stored), atol=1e-14)
    assert torch.allclose(out, (1 + kinetic) * stored, atol=1e-14)


def test_what_is_gathered_is_masked_and_gets_its_kinetic_energy():
    values, places, inverse = (torch.from_numpy(a) for a in tables())
    lengths, kinetic = torch.tensor([6, 5]), torch.rand(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    box = boxes.scatter(values, inverse)
    wide = torch.zeros(2, 7, 6, dtype=torch.complex128)
    for out in (torch.empty_like(values), wide[:, 2:5]):  # also where the result is a part of something
        boxes.gather_image(box, places, lengths, kinetic, values, out)
        assert torch.allclose(out, boxes.gather_image_torch(box, places, lengths, kinetic, values), atol=1e-15)
        assert out[1, :, 5].abs().max() == 0.0 < out[0, :, 5].abs().min()
    assert torch.equal(wide[:, :2].abs().sum() + wide[:, 5:].abs().sum(), torch.tensor(0.0, dtype=torch.float64))


SIMULATED = """
import importlib.util, numpy as np, torch
from numba import cuda
from solvers.dft.kernels import boxes, boxes_cuda
spec = importlib.util.spec_from_file_location("kernel_tests", {path!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
values, places, inverse = tests.tables()
scatter, gather = boxes_cuda.scatter, boxes_cuda.gather
out = np.full((2, 3, 60), np.nan + 0j)
blocks, threads = boxes.launch_grid(60, 3, 2, threads=32)
scatter[blocks, threads](values, inverse, out)
assert np.array_equal(out, boxes.scatter_torch(torch.from_numpy(values), torch.from_numpy(inverse)).numpy())
back = np.full((2, 3, 6), np.nan + 0j)
blocks, threads = boxes.launch_grid(6, 3, 2, threads=4)
gather[blocks, threads](out, places, back)
assert np.array_equal(back, boxes.gather_torch(torch.from_numpy(out), torch.from_numpy(places)).numpy())
lengths, kinetic = np.array([6, 5]), np.random.default_rng(1).uniform(size=(2, 6))
image = np.full((2, 3, 6), np.nan + 0j)
boxes_cuda.gather_image[blocks, threads](out, places, lengths, kinetic, values, image)
expected = boxes.gather_image_torch(*(torch.from_numpy(a) for a in (out, places, lengths, kinetic, values)))
assert np.abs(image - expected.numpy()).max() < 1e-14
stored, inverse, plus, minus, kinetic = tests.pair_tables(5)
out = np.full((3, 60), np.nan + 0j)
blocks, threads = boxes.launch_grid(60, 3, 1, threads=32)
boxes_cuda.scatter_pairs[blocks, threads](stored, inverse, out)
assert np.abs(out - boxes.scatter_pairs_torch(torch.from_numpy(stored), torch.from_numpy(inverse)).numpy()).max() < 1e-15
back = np.full((5, 6), np.nan + 0j)
blocks, threads = boxes.launch_grid(6, 5, 1, threads=4)
boxes_cuda.gather_pairs[blocks, threads](out, plus, minus, kinetic, stored, back)
assert np.abs(back - (1 + kinetic) * stored).max() < 1e-14
"""


def test_cuda_kernels_in_the_simulator(cuda_child):
    cuda_child.simulate(SIMULATED.format(path=__file__))


COMPILED = """
from numba import complex128, float64, int32, int64
from solvers.dft.kernels import boxes_cuda
array, flat, number, line = complex128[:, :, ::1], complex128[:, ::1], float64[::1], int64[::1]
compile_all(((boxes_cuda.scatter_body, (array, int32[:, ::1], array)), (boxes_cuda.gather_body, (array, int64[:, ::1], array)),
             (boxes_cuda.scatter_pairs_body, (flat, int32[::1], flat)), (boxes_cuda.gather_pairs_body, (flat, line, line, number, flat, flat)),
             (boxes_cuda.gather_image_body, (array, int64[:, ::1], line, float64[:, ::1], array, array))))
"""


def test_cuda_kernels_compile_to_ptx_without_a_device(cuda_child):
    cuda_child.compile(COMPILED)


def test_kernels_copy_rows_by_loops():
    """An array assigned to a slice makes Numba compile the text of a possible error: 3 s before the first step with an empty cache."""
    copies = []
    for path in Path(boxes.__file__).parent.glob("*.py"):
        functions = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]
        compiled = [node for node in functions if any(word in ast.unparse(item) for item in node.decorator_list for word in ("jit", "part_of"))]
        changes = [node for function in compiled for node in ast.walk(function) if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant)]
        copies += [f"{path.name}: {ast.unparse(node)}" for node in changes if ":" in "".join(ast.unparse(target) for target in node.targets)]
    assert copies == []
