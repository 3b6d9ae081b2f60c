"""What the self-consistent cycle changes by itself is said in words, and the words reach the job's log."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase.build import bulk

from solvers import tasks
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.dft import scf
from solvers.dft.mixing import _DOWNHILL, AndersonMixer
from solvers.dft.preconditioners import Choice


def steps_of(**params):
    task, seen = tasks.get("scf"), []
    given = {"cutoff": 100, "kpts": "2x2x2", "smearing": "fermi-dirac:0.1eV", "device": "cpu", **params}
    result = drain(task.run(from_dict(task.params_class(), given), {"structure": Structure.from_atoms(bulk("Al", "fcc", a=4.05))}), watch=seen.append)
    return result, [step.text for step in seen]


@pytest.mark.parametrize(("kind", "then", "words"), [("none", "dielectric", "damping 0.5"), ("dielectric", "Kerker", "Kerker mixing"),
                                                     ("Kerker", "LDOS", "mixing by the local density of states"), ("LDOS", "LDOS", "damping 0.5")])
def test_a_growing_error_is_calmed_and_told(kind, then, words):
    forgotten = []
    state = SimpleNamespace(accuracies=[1e-6, 1e-5, 1e-4], renewed_at=0, step=5, choice=Choice(kind, "as it was", 1.0),
                            mixer=SimpleNamespace(damping=1.0, reset=lambda: forgotten.append(True)))
    text, = scf._steady(state)
    assert forgotten and state.mixer.damping == 0.5 and state.choice.kind == then
    assert text.startswith("the error grew from 1.0e-06 to 1.0e-04 Ha: history forgotten") and words in text
    state.accuracies = [1e-4, 1e-5, 1e-6]
    assert scf._steady(state) == []


def test_a_step_uphill_gives_way_to_a_plain_one(lab):
    """A moment whose residual grows with it stands on a saddle: the fit points back to it, the step taken does not."""
    problem = lab.problem(model := lab.model(), lab.basis(model))
    mixer = AndersonMixer(problem.grid)
    rho = torch.zeros(2, *problem.grid.mask.shape, dtype=torch.complex128)
    rho[1, 0, 0, 0] = 0.01
    point, growth = (rho, []), 0.5
    for uphill in (False, True):
        before = point[0]
        point = mixer.next((before, []), (before + growth * before, []), lambda r: r, 1.0)
        assert mixer.uphill is uphill and float(point[0][1, 0, 0, 0].real) > float(before[1, 0, 0, 0].real)
    assert float((point[0] / before)[1, 0, 0, 0].real) == pytest.approx(1 + _DOWNHILL * growth)


def test_a_plain_step_is_no_longer_than_the_history_allows(lab):
    """A saddle beside levels at the Fermi energy, whose answer turns a doubled plain step into fourteen times the residual (NiO with U)."""
    problem = lab.problem(model := lab.model(), lab.basis(model))
    mixer = AndersonMixer(problem.grid)
    places, one = mixer.inside[:2], torch.zeros(2, *problem.grid.mask.shape, dtype=torch.complex128)
    mixer.join((one, []))  # makes the metric
    weights = mixer.metric[len(mixer.inside):][:2].sqrt()
    turn = torch.tensor([[0.8, 0.6], [-0.6, 0.8]], dtype=torch.complex128)
    response = turn.mT @ torch.diag(torch.tensor([0.5, -8.0], dtype=torch.complex128)) @ turn  # residual of a change in two waves of the moment

    def field(waves):
        rho = one.clone()
        rho[1].view(-1)[places] = waves / weights
        return rho
    points = torch.tensor([[1.0, 0.1], [0.9, 0.4], [0.5, 0.1]], dtype=torch.complex128) @ turn  # saddle, stiff
    for waves in points[:2]:
        mixer.densities.append(mixer.join((field(waves), [])))
        mixer.residuals.append(mixer.join((field(response @ waves), [])))
    here, residual = points[2], response @ points[2]
    rho = mixer.next((field(here), []), (field(here + residual), []), lambda r: r, 1.0)[0]
    there = rho[1].view(-1)[places] * weights
    assert mixer.uphill and float(((there - here).conj() * residual).real.sum()) > 0.0
    assert torch.linalg.vector_norm(response @ there) < torch.linalg.vector_norm(residual)


def test_the_log_tells_every_change(monkeypatch):
    """Chosen mixing, added bands, calmed growth, replaced step: each in the text of the step where it happened."""
    asked, error, step = [], AndersonMixer.accuracy, AndersonMixer.next

    def missing(*args):
        asked.append(True)
        return 3 if len(asked) == 2 else 0

    def accuracy(self, before, after):
        self.count = getattr(self, "count", 0) + 1
        return error(self, before, after) if self.count < 4 or self.count > 6 else 10.0 ** (self.count - 8)

    def following(self, *args):
        point = step(self, *args)
        self.uphill = self.count == 3
        return point
    monkeypatch.setattr(scf, "missing_bands", missing)
    monkeypatch.setattr(AndersonMixer, "accuracy", accuracy)
    monkeypatch.setattr(AndersonMixer, "next", following)
    result, texts = steps_of()
    assert result.converged
    assert "mixing: Kerker (partly filled bands)" in texts[1]
    assert "3 bands added: the highest one was still partly filled" in texts[2]
    assert "the mixing's fitted step would have raised the energy: a plain step was taken" in texts[2]
    assert "to 1.0e-03 Ha: history forgotten, damping 0.5, mixing by the local density of states" in texts[4]
    assert "the error grew from 1.0e-04 to 1.0e-02 Ha: history forgotten, damping 0.25" in texts[5]
    assert not any(texts[6:])


def test_a_gap_that_opens_later_changes_the_mixing(monkeypatch):
    """The preconditioner is looked at again, and told only where it is another one."""
    kinds = iter(["Kerker", "Kerker", "dielectric", "dielectric"])
    monkeypatch.setattr(scf.preconditioners, "choose", lambda *args: Choice(next(kinds), "seen now", 2.0))
    monkeypatch.setattr(scf, "_LOOK_AGAIN", (4, 5))
    result, texts = steps_of()
    assert result.converged and np.isfinite(float(result.values["energy"]))
    assert ["mixing" in text for text in texts[:5]] == [False, True, False, True, False]
    assert "mixing: dielectric (seen now)" in texts[3]
