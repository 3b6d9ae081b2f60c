"""Starting from earlier geometries: exact combinations, alignment, less work in dynamics, nothing lost on resume."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.dft import DFT, calculation
from solvers.dft.extrapolation import aligned, weights_of
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
from solvers.md import MDParams, run

CELL = 5.0 * np.eye(3)


def past(*places):
    return [SimpleNamespace(fractional=place @ np.linalg.inv(CELL)) for place in places]


def test_weights_are_exact_for_a_parabola_and_see_through_wrapping():
    rng = np.random.default_rng(0)
    start, velocity, bend = rng.uniform(0, 5, (4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def at(t):
        return start + 0.1 * t * velocity + 0.01 * t**2 * bend
    weights = weights_of((at(3) @ np.linalg.inv(CELL)) % 1.0, CELL, past(at(2), at(1), at(0)))
    assert weights == pytest.approx([3, -3, 1], abs=1e-6) and weights.sum() == pytest.approx(1)
    assert weights_of(at(1) @ np.linalg.inv(CELL), CELL, past(at(0))) == pytest.approx([1])
    assert weights_of(at(2) @ np.linalg.inv(CELL), CELL, past(at(0) + 0.1 * velocity, at(0), at(0))).sum() == pytest.approx(1)  # a move of zero length


def test_weights_are_harmless_where_moves_have_nothing_in_common():
    places = np.zeros((4, 2, 3))
    places[1, 0, 0], places[2, 0, 1], places[3, 0, 2] = 0.1, 0.1, 0.1
    weights = weights_of(places[3] @ np.linalg.inv(CELL), CELL, past(places[2], places[1], places[0]))
    assert weights.sum() == pytest.approx(1) and np.abs(weights).max() < 2.0
    far = weights_of(places[1] @ np.linalg.inv(CELL), CELL, past(places[1] / 100, places[0]))
    assert far == pytest.approx([1, 0])  # a hundred times the last move: not an extrapolation


@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
def test_orbitals_are_aligned(kind):
    generator = torch.Generator().manual_seed(3)
    X = torch.linalg.qr(torch.randn(2, 30, 6, dtype=kind, generator=generator))[0].mT.contiguous()
    U = torch.linalg.qr(torch.randn(2, 6, 6, dtype=kind, generator=generator))[0]
    assert float((aligned(X, U @ X) - X).abs().max()) < 1e-12 < float((U @ X - X).abs().max())


class Counting(DFT):
    """Keeps steps and applications per band of every geometry."""

    def _solve(self, structure):
        super()._solve(structure)
        own = self.calculation
        self.work = [*getattr(self, "work", []), (own.state.step, own.problem.hamiltonian.applications / own.problem.model.n_bands)]


def silicon():
    atoms = bulk("Si", a=5.43, cubic=True)
    atoms.rattle(0.03, seed=3)
    return Structure.from_atoms(atoms)


def dynamics(steps=12, resume=None, watch=None):
    calculator = Counting(xc="LDA", cutoff=90.0, kpts=1, smearing="fermi-dirac:0.1eV", device="cpu")
    params = MDParams(steps=steps, timestep=1.0, temperature=600.0, interval=1)
    return drain(run(params, {"structure": silicon(), "calculator": calculator}, resume=resume), watch), np.array(getattr(calculator, "work", []))


def test_dynamics_costs_less_and_drifts_little(monkeypatch):
    energies, states = [], []

    def watch(step):
        energies.append(step.values["total_energy"])
        states.append(step.state())
    whole, with_history = dynamics(watch=watch)
    monkeypatch.setattr(calculation, "DEPTH", 1)
    _, without = dynamics()
    monkeypatch.undo()
    assert len(with_history) == len(without) == 13
    assert with_history[4:, 1].mean() < 0.75 * without[4:, 1].mean()  # applications per band
    assert with_history[4:, 0].mean() < without[4:, 0].mean()  # self-consistent steps
    slope = abs(np.polyfit(1e-3 * np.arange(len(energies)), np.array(energies) / 8, 1)[0])
    assert slope < 2e-3 and np.ptp(energies) > 0  # eV/atom/ps over 12 fs
    later, _ = dynamics(resume=states[5])  # the history is lost on the way: nothing but work changes
    assert later.values["positions"] == pytest.approx(whole.values["positions"], abs=1e-6)


@pytest.mark.parametrize("own", [{"xc": "r2SCAN"}, {"hubbard": "H-1s=3", "magmoms": (1.0, 0.5)}], ids=["kinetic density", "occupations"])
def test_unknowns_of_terms_come_from_the_former_geometry(own):
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.9]], cell=[4, 4, 4.5], pbc=True)
    params = DFTParams(cutoff=100, kpts=(1, 1, 1), smearing="none" if "xc" in own else ("fermi-dirac", 0.1), tolerance=1e-8, **own)
    former = calculation.Calculation(make_plan(Structure.from_atoms(atoms), params))
    list(former.run())
    atoms.positions[1, 2] += 0.03
    present = calculation.Calculation(make_plan(Structure.from_atoms(atoms), params), previous=former)
    term, carried = present.problem.terms[0], present.state.unknowns[0]
    fresh = term.start(present.superposed)
    list(present.run())
    found = term.output(present.ground.orbitals, present.ground.occupations)
    assert float((carried - found).abs().max()) < 0.3 * float((fresh - found).abs().max())
