"""Mixing of metals with vacuum: screening by the local density of states."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import fcc100

from solvers.core.structure import Structure
from solvers.dft import preconditioners, scf
from solvers.dft.calculation import Calculation
from solvers.dft.grid import FFTGrid
from solvers.dft.ldos import empty_share, local_density_of_states, screen
from solvers.dft.mixing import AndersonMixer
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
from solvers.dft.preconditioners import KERKER, Choice, operator


@pytest.fixture
def mixer():
    cell = np.array([[7.0, 0.3, 0.0], [0.0, 8.0, 0.0], [0.5, 0.0, 24.0]])
    return AndersonMixer(FFTGrid(cell, (18, 20, 60), 5.0))


def _residual(mixer, seed=7):
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=mixer.grid.shape))
    packed = mixer.pack(mixer.grid.to_fourier(values - values.mean()))
    return packed / (1.0 + mixer.pack(mixer.grid.G2))


def _norm(mixer, vector):
    return mixer.product(vector, vector) ** 0.5


def test_uniform_density_of_states_is_kerker(mixer):
    residual = _residual(mixer)
    uniform = torch.full(mixer.grid.shape, KERKER**2 / (4 * np.pi), dtype=torch.float64)
    expected = operator(Choice("Kerker", "", KERKER), mixer)(residual)
    assert _norm(mixer, screen(mixer, uniform, residual) - expected) < 0.02 * _norm(mixer, residual)
    assert _norm(mixer, expected - residual) > 0.2 * _norm(mixer, residual)


def test_slab_is_screened_and_vacuum_is_not(mixer):
    z = torch.linspace(0, 1, 61, dtype=torch.float64)[:60]
    slab = (0.1 / (1.0 + torch.exp((torch.abs(z - 0.5) - 0.25) / 0.01))).expand(mixer.grid.shape).contiguous()
    assert 0.3 < empty_share(slab) < 0.5
    residual = _residual(mixer)
    solved = screen(mixer, slab, residual)
    # the solution put back: x − χ₀ v_c x with the dense definition of χ₀
    potential = mixer.grid.to_real(mixer.unpack(mixer.pack(mixer.grid.coulomb) * solved))
    response = slab * (potential - (slab * potential).sum() / slab.sum())
    back = solved + mixer.pack(mixer.grid.to_fourier(response))
    assert _norm(mixer, back - residual) < 0.02 * _norm(mixer, residual)
    assert float(abs(solved[0])) < 1e-12  # no electron is made
    assert torch.equal(screen(mixer, torch.zeros_like(slab), residual), residual)


def test_density_of_states_counts_states_at_the_fermi_energy_and_a_slab_takes_few_steps(monkeypatch):
    def converge(kind):
        slab = fcc100("Al", (1, 1, 4), a=4.04, vacuum=9.0)
        slab.pbc = True
        params = DFTParams(cutoff=150.0, kpts="3x3x1", tolerance=1e-7, device="cpu")
        calculation = Calculation(make_plan(Structure.from_atoms(slab), params))
        for step in calculation.run():
            if step.n == 2:
                texts.append(step.text)
                if kind == "Kerker":
                    calculation.state.choice = Choice("Kerker", "", KERKER)
        return calculation
    texts = []
    chosen = converge("LDOS")
    monkeypatch.setattr(scf, "_LOOK_AGAIN", ())
    kerker = converge("Kerker")
    assert "LDOS" in texts[0] and "empty" in texts[0]
    assert chosen.ground.converged and chosen.state.step <= min(13, kerker.state.step - 3)
    assert abs(chosen.energies.free - kerker.energies.free) < 4 * 1e-7
    ground, grid = chosen.ground, chosen.problem.grid
    ldos = local_density_of_states(chosen.problem, ground.orbitals, ground.eigenvalues, ground.fermi_energy)
    x = (ground.fermi_energy - ground.eigenvalues.numpy()) / 50 / chosen.problem.model.width
    expected = 2 / 50 / chosen.problem.model.width / np.sqrt(np.pi) * (chosen.problem.basis.weights[:, None] * np.exp(-x**2)).sum()
    assert float(ldos.mean()) * grid.volume == pytest.approx(expected, rel=2e-3)
    assert expected > 5


def test_bulk_metal_keeps_kerker():
    atoms = Atoms("Al", cell=4.04 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), pbc=True)
    calculation = Calculation(make_plan(Structure.from_atoms(atoms), DFTParams(cutoff=150.0, kpts="3x3x3", tolerance=1e-6, device="cpu")))
    texts = [step.text for step in calculation.run()]
    assert "Kerker" in texts[1]


@pytest.mark.parametrize(("empty", "kind"), [(0.0, "Kerker"), (0.02, "Kerker"), (0.09, "LDOS"), (0.4, "LDOS")])
def test_a_thick_slab_is_still_a_slab(empty, kind):
    """32 layers of aluminium leave 9 % of their cell empty, densely packed crystals at most 2 %."""
    levels = torch.ones(1, 1, 1000, dtype=torch.float64)
    levels[..., :round(1000 * empty)] = 0.0
    choice = preconditioners._metal("partly filled bands", levels)
    assert choice.kind == kind and choice.reason.startswith("partly filled bands")
