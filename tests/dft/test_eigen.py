"""The eigensolver against dense diagonalisation, at a general k-point and at Γ in real and in complex storage."""
from __future__ import annotations

import pytest
import torch

from solvers.dft.eigen.algebra import lowest, orthonormalise
from solvers.dft.eigen.davidson import davidson
from solvers.dft.start import atomic_density, initial_orbitals


def dense(problem, batch):
    keep = [i for i in range(batch.storage_length) if not (batch.half and i == 1)]  # Im c(0) is no degree of freedom
    legal = torch.eye(batch.storage_length, dtype=problem.basis.dtype)[None, keep].contiguous()
    H = problem.hamiltonian.apply(batch, legal)[0].mT[keep]
    assert (H - H.mH).abs().max() < 1e-13
    return torch.linalg.eigvalsh(H)


GAMMA = {"kpoints": [[0.0, 0.0, 0.0]], "weights": [1.0]}


@pytest.mark.parametrize("options", [{}, GAMMA, {**GAMMA, "real_gamma": False}])
def test_davidson_finds_the_lowest_states(lab, options):
    model = lab.model()
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    for batch in problem.basis.batches:
        exact = dense(problem, batch)
        X = initial_orbitals(problem, batch, 6)
        for _ in range(12):
            bands = davidson(problem.hamiltonian, batch, X, expansions=3, tolerance=0.0)
            X = bands.orbitals
        assert torch.allclose(bands.eigenvalues[0, :5], exact[:5], rtol=0, atol=1e-10)
        assert torch.allclose(X[0] @ X[0].mH, torch.eye(6, dtype=X.dtype), atol=1e-12)
        if batch.half:
            assert X[..., 1].abs().max() == 0.0  # Im c(0): anything else is a ghost of eigenvalue zero


@pytest.mark.parametrize("options", [{}, GAMMA])
def test_final_residuals_are_those_of_the_orbitals_returned(lab, options):
    model = lab.model()
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    batch = problem.basis.batches[0]
    bands = davidson(problem.hamiltonian, batch, initial_orbitals(problem, batch, 6), expansions=2, tolerance=0.0, finish=True)
    HX = problem.hamiltonian.apply(batch, bands.orbitals)
    again = torch.linalg.vector_norm(HX - bands.eigenvalues[..., None] * bands.orbitals, dim=-1)
    assert torch.allclose(bands.final, again, rtol=1e-8, atol=1e-12)
    assert (bands.final < bands.residuals).all() and (bands.final > 1e-9).all()


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("options", [{}, GAMMA])
def test_a_full_subspace_is_compressed_and_finds_the_same(lab, options, single, monkeypatch):
    """What large blocks do: two blocks of added vectors, whatever the number of expansions."""
    from solvers.dft import hamiltonian
    from solvers.dft.eigen import davidson as module
    from solvers.dft.eigen import subspace
    model = lab.model()
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    batch = problem.basis.batches[0]
    X = initial_orbitals(problem, batch, 6)
    monkeypatch.setattr(module, "_ROOMY", 0)
    monkeypatch.setattr(subspace, "_STRETCH", 0)
    monkeypatch.setattr(subspace, "_SHORTEST", 64)
    monkeypatch.setattr(hamiltonian, "SINGLE_FROM", 0 if single else 2**62)
    held = []
    compress = subspace.Subspace.compress
    monkeypatch.setattr(subspace.Subspace, "compress", lambda self, C: held.append((self.W.shape[1], self.W.dtype)) or compress(self, C))
    for _ in range(6):
        bands = davidson(problem.hamiltonian, batch, X, expansions=6, tolerance=1e-9)
        X = bands.orbitals
    assert held and set(held) == {(12, hamiltonian.SINGLE[X.dtype] if single else X.dtype)}
    assert torch.allclose(bands.eigenvalues[0, :5], dense(problem, batch)[:5], rtol=0, atol=1e-10)
    assert torch.allclose(X[0] @ X[0].mH, torch.eye(6, dtype=X.dtype), atol=1e-8 if single else 1e-12)


@pytest.mark.parametrize("options", [{}, GAMMA])
@pytest.mark.parametrize("expansions", [1, 2, 4])
@pytest.mark.parametrize("single", [False, True])
def test_a_subspace_in_stretches_takes_the_same_steps(lab, options, expansions, single, monkeypatch):
    """Same eigenvalues, residuals and applications piece by piece, with projectors made on the fly, and with added vectors of single precision; the caller's
    orbitals are left alone."""
    from solvers.dft import hamiltonian, projectors
    from solvers.dft.eigen import subspace
    model = lab.model()
    monkeypatch.setattr(projectors, "KEPT", 0)
    monkeypatch.setattr(projectors, "_PART", 1)
    monkeypatch.setattr(projectors, "_SHORTEST", 50)
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    batch, H = problem.basis.batches[0], problem.hamiltonian
    assert len(list(H.projectors.parts(batch))) > 1
    X = initial_orbitals(problem, batch, 6)
    before = X.clone()
    found = []
    for stretch, least in ((2**21, 2**62), (0, 0 if single else 2**62)):
        monkeypatch.setattr(subspace, "_STRETCH", stretch)
        monkeypatch.setattr(subspace, "_SHORTEST", 64)
        monkeypatch.setattr(hamiltonian, "SINGLE_FROM", least)
        started = H.applications
        bands = davidson(H, batch, X, expansions=expansions, tolerance=1e-4, finish=True)
        found.append((bands, H.applications - started))
    (plain, count), (small, other) = found
    assert torch.equal(X, before) and small.orbitals.data_ptr() != X.data_ptr()
    assert count == other >= 6 * (1 + expansions)
    assert small.orbitals.dtype == plain.orbitals.dtype == X.dtype
    assert torch.allclose(plain.residuals, small.residuals, rtol=1e-9) and float(plain.residuals.max()) > 1e-4
    assert torch.allclose(plain.final, small.final, rtol=1e-2 if single else 1e-6)
    assert torch.allclose(plain.eigenvalues, small.eigenvalues, rtol=0, atol=1e-6 if single else 1e-11)
    assert torch.allclose(small.orbitals[0] @ small.orbitals[0].mH, torch.eye(6, dtype=X.dtype), atol=1e-6 if single else 1e-12)


@pytest.mark.parametrize("options", [{}, GAMMA])
def test_added_vectors_of_single_precision_do_not_limit_what_is_reached(lab, options, monkeypatch):
    """Residuals fall far below the rounding of single precision (6e-8 of several hartree), as fast as in double, and orbitals are orthonormal in double."""
    from solvers.dft import hamiltonian
    model = lab.model()
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    batch, histories = problem.basis.batches[0], []
    start = initial_orbitals(problem, batch, 6)
    for least in (2**62, 0):
        monkeypatch.setattr(hamiltonian, "SINGLE_FROM", least)
        X, history = start, []
        for _ in range(12):
            bands = davidson(problem.hamiltonian, batch, X, expansions=2, tolerance=0.0)
            X = bands.orbitals
            history.append(float(bands.residuals[0, :4].max()))
        histories.append(history)
        held = X[0, :4]  # the upper two are not converged
        assert torch.allclose(held @ held.mH, torch.eye(4, dtype=X.dtype), atol=1e-11)
        assert torch.allclose(bands.eigenvalues[0, :4], dense(problem, batch)[:4], rtol=0, atol=1e-11)
    double, single = histories
    assert single[-1] < 1e-9
    assert all(one < 2.0 * other + 1e-10 for one, other in zip(single, double, strict=True))


class _Matrix:
    """A Hamiltonian that is a matrix of given levels, with the little that an eigensolver asks of it."""

    device, half = "cpu", False

    def __init__(self, levels, seed=3):
        torch.manual_seed(seed)
        self.vectors = torch.linalg.qr(torch.randn(len(levels), len(levels), dtype=torch.float64))[0]
        self.matrix = self.vectors @ torch.diag(levels) @ self.vectors.mT
        self.applications = 0

    def __len__(self):
        return 1

    def clean(self, X):
        return X

    def added_dtype(self, batch, X):
        return X.dtype

    def apply(self, batch, X, out=None, spin=0):
        self.applications += X.shape[1]
        return torch.matmul(X, self.matrix) if out is None else out.copy_(torch.matmul(X, self.matrix))

    def residuals(self, batch, X, HX, e, out, first=0):
        R = HX - e[..., None] * X
        norms = torch.linalg.vector_norm(R, dim=-1)
        return out.copy_(R), norms


def test_bands_that_lag_behind_get_expansions_of_their_own(monkeypatch):
    """Two bands just below a level left out converge slowly; they get up to three expansions more, for at most an eighth of the bands."""
    from solvers.dft.eigen import davidson as module
    monkeypatch.setattr(module, "_MANY", 16)
    levels = torch.cat([torch.linspace(0.0, 0.05, 14), torch.tensor([2.9, 2.91]), torch.linspace(2.95, 4.0, 184)]).double()
    reached, counts = [], []
    for follow in (0, 3):
        monkeypatch.setattr(module, "_FOLLOW", follow)
        H = _Matrix(levels)
        X = orthonormalise(H.vectors.mT[None, :16] + 0.01 * torch.randn(1, 16, 200, dtype=torch.float64))
        for _ in range(3):
            bands = davidson(H, H, X, expansions=2, tolerance=1e-12, finish=True)
            X = bands.orbitals
        reached.append(bands.final[0])
        counts.append(H.applications)
    plain, followed = reached
    assert float(plain[14:].max()) > 10 * float(plain[:14].median())
    assert float(followed[14:].max()) < 0.3 * float(plain[14:].max())
    assert counts[0] == 3 * 3 * 16 and counts[0] < counts[1] <= counts[0] + 3 * 3 * 2


@pytest.mark.parametrize("options", [{}, GAMMA])
def test_a_cycle_with_added_vectors_of_single_precision_ends_at_the_same_energy(lab, options, monkeypatch):
    from solvers.dft import hamiltonian
    from solvers.dft.scf import SCFState, self_consistency
    from solvers.dft.start import atomic_density
    ends = []
    for least in (2**62, 0):
        monkeypatch.setattr(hamiltonian, "SINGLE_FROM", least)
        model = lab.model()
        problem = lab.problem(model, lab.basis(model, cutoff=8.0, **options))
        steps = self_consistency(problem, SCFState(atomic_density(problem)), tolerance=1e-11, max_steps=40)
        energies = []
        while True:
            try:
                energies.append(next(steps).free_energy)
            except StopIteration as stop:
                ends.append((energies, stop.value))
                break
    (double, first), (single, second) = ends
    assert first.converged and second.converged and len(single) == len(double)
    assert abs(double[-1] - single[-1]) < 1e-10
    assert torch.allclose(first.rho, second.rho, atol=1e-8)


@pytest.mark.parametrize("options", [{}, GAMMA, {"batch_size": 2}])
def test_ppcg_finds_the_lowest_states(lab, options):
    """Eleven bands are two groups, the second not full; the same states as dense diagonalisation, with one application per band and step."""
    from solvers.dft.eigen.ppcg import GROUP, ppcg
    model = lab.model()
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    batch = problem.basis.batches[0]
    X = initial_orbitals(problem, batch, 11)
    assert GROUP < 11 < 2 * GROUP
    before = problem.hamiltonian.applications
    bands = ppcg(problem.hamiltonian, batch, X, expansions=4, tolerance=0.0)
    assert problem.hamiltonian.applications - before == 5 * 11 * len(batch)
    for _ in range(5):
        bands = ppcg(problem.hamiltonian, batch, bands.orbitals, expansions=10, tolerance=0.0)
    single = lab.problem(model, lab.basis(model, cutoff=5.0, **{**options, "batch_size": 1}))
    single.set_density(atomic_density(single))
    for i, one in enumerate(single.basis.batches[:len(batch)]):
        assert torch.allclose(bands.eigenvalues[i, :9], dense(single, one)[:9], rtol=0, atol=1e-9)
        assert torch.allclose(bands.orbitals[i] @ bands.orbitals[i].mH, torch.eye(11, dtype=X.dtype), atol=1e-11)


def test_a_whole_cycle_with_ppcg_ends_at_the_same_energy(lab, monkeypatch):
    from solvers.dft import scf
    from solvers.dft.eigen.choose import block_solver
    from solvers.dft.eigen.davidson import davidson
    from solvers.dft.eigen.ppcg import WORTHWHILE, ppcg
    assert block_solver("cpu", WORTHWHILE) is davidson and block_solver("cuda", WORTHWHILE) is ppcg and block_solver("cuda", 50) is davidson
    model = lab.model(smearing="gaussian", width=0.01)
    basis = lab.basis(model, cutoff=6.0)
    usual = lab.free_energy(model, basis)
    monkeypatch.setattr(scf, "block_solver", lambda device, n_bands: ppcg)
    assert lab.free_energy(model, basis) == pytest.approx(usual, abs=1e-10)


def test_gamma_in_real_and_complex_storage_is_one_physics(lab):
    model = lab.model(smearing="gaussian", width=0.01)
    energies = []
    for real in (True, False):
        basis = lab.basis(model, cutoff=6.0, kpoints=[[0.0, 0.0, 0.0]], weights=[1.0], real_gamma=real)
        assert basis.half is real
        energies.append(lab.free_energy(model, basis))
    assert energies[0] == pytest.approx(energies[1], abs=1e-11)


def test_dependent_vectors_do_not_break_the_small_problem():
    generator = torch.Generator().manual_seed(0)
    V = torch.randn(6, 40, dtype=torch.complex128, generator=generator)
    V[5] = V[4] + 1e-13 * V[3]
    V[:2] = orthonormalise(V[None, :2])[0]
    H = torch.diag(torch.linspace(-1, 1, 40, dtype=torch.float64)).to(V.dtype)
    e, C = lowest((V.conj() @ H @ V.mT)[None], (V.conj() @ V.mT)[None], 2)
    X = C[0] @ V
    assert torch.allclose(X.conj() @ X.mT, torch.eye(2, dtype=V.dtype), atol=1e-8)
    assert torch.allclose((X.conj() @ H @ X.mT).diagonal().real, e[0], atol=1e-8)


def test_batched_k_points_end_at_the_same_energy(lab):
    """Several k-points in one padded tensor, with plain transforms as on a GPU and with those of the CPU."""
    from solvers.dft.energy import energies
    from solvers.dft.kernels.local import PlainOperator
    model = lab.model(smearing="gaussian", width=0.01)
    looped, batched = (lab.basis(model, cutoff=6.0, batch_size=size) for size in (1, 2))
    assert len(batched.batches) == 1
    plain = lab.problem(model, batched, local=PlainOperator(batched))
    expected = lab.free_energy(model, looped)
    assert energies(plain, lab.ground(plain)).free == pytest.approx(expected, abs=1e-11)
    assert lab.free_energy(model, batched) == pytest.approx(expected, abs=1e-11)
