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


@pytest.mark.parametrize("options", [{}, GAMMA])
@pytest.mark.parametrize("lean", [False, True])
def test_a_small_subspace_is_collapsed_and_finds_the_same(lab, options, lean, monkeypatch):
    """What large blocks do on a card and, lean, on the CPU: three blocks at most, whatever the number of expansions."""
    from solvers.dft.eigen import davidson as module
    from solvers.dft.eigen import lean as other
    model = lab.model()
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    batch = problem.basis.batches[0]
    X = initial_orbitals(problem, batch, 6)
    monkeypatch.setattr(module, "_ROOMY", 0)
    monkeypatch.setattr(other, "_STRETCH", 64)
    kind = module.LeanSubspace if lean else module.Subspace
    if not lean:
        monkeypatch.setattr(module, "LeanSubspace", lambda *given: module.Subspace(*given, 3))
    collapses = []
    collapse = kind.collapse
    monkeypatch.setattr(kind, "collapse", lambda self, C: collapses.append(len(self.V) if lean else self.V.shape[1]) or collapse(self, C))
    for _ in range(5):
        bands = davidson(problem.hamiltonian, batch, X, expansions=6, tolerance=1e-9)
        X = bands.orbitals
    assert collapses and set(collapses) == {3 if lean else 18}
    assert torch.allclose(bands.eigenvalues[0, :5], dense(problem, batch)[:5], rtol=0, atol=1e-10)
    assert torch.allclose(X[0] @ X[0].mH, torch.eye(6, dtype=X.dtype), atol=1e-12)


@pytest.mark.parametrize("options", [{}, GAMMA])
@pytest.mark.parametrize("expansions", [1, 2, 4])
def test_the_lean_subspace_takes_the_same_steps(lab, options, expansions, monkeypatch):
    """Same eigenvalues, residuals and applications; the caller's orbitals are left alone, and no more blocks are made than promised."""
    from solvers.dft import projectors
    from solvers.dft.eigen import davidson as module
    from solvers.dft.eigen import lean
    model = lab.model()
    monkeypatch.setattr(projectors, "KEPT", 0)
    monkeypatch.setattr(projectors, "_PART", 1)
    monkeypatch.setattr(projectors, "_SHORTEST", 50)
    monkeypatch.setattr(lean, "_STRETCH", 64)
    problem = lab.problem(model, lab.basis(model, cutoff=5.0, **options))
    problem.set_density(atomic_density(problem))
    batch, H = problem.basis.batches[0], problem.hamiltonian
    assert len(list(H.projectors.parts(batch))) > 1
    X = initial_orbitals(problem, batch, 6)
    before = X.clone()
    found, kind = [], module.LeanSubspace
    monkeypatch.setattr(module, "_ROOMY", 0)
    for maker in (lambda *given: module.Subspace(*given, 3), kind):
        monkeypatch.setattr(module, "LeanSubspace", maker)
        started = H.applications
        bands = davidson(H, batch, X, expansions=expansions, tolerance=1e-4)
        found.append((bands, H.applications - started))
    (plain, count), (small, other) = found
    assert torch.equal(X, before) and small.orbitals.data_ptr() != X.data_ptr()
    assert count == other >= 6 * (1 + expansions)
    assert torch.allclose(plain.residuals, small.residuals, rtol=1e-9) and float(plain.residuals.max()) > 1e-4
    assert torch.allclose(plain.eigenvalues, small.eigenvalues, rtol=0, atol=1e-11)
    assert torch.allclose(small.orbitals[0] @ small.orbitals[0].mH, torch.eye(6, dtype=X.dtype), atol=1e-12)


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
