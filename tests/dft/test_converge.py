"""The convergence study: its errors are true, its proposal goes into `DFT`, it goes on after a kill."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from solvers import tasks
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.testing import check_task

COARSE = {"xc": "LDA", "device": "cpu", "tolerance": 1e-6, "cutoff": 150, "kpts": "3x3x3", "smearing": "none", "energy_error": 0.06, "force_error": 0.3,
          "pressure_error": 2.0, "cutoff_factor": 1.3, "spacing_factor": 0.7}


def run(atoms, **own):
    task = tasks.get("converge")
    return drain(task.run(from_dict(task.params_class(), {**COARSE, **own}), {"structure": Structure.from_atoms(atoms)}))


def test_proposal_holds_its_error_and_can_be_used():
    from solvers.dft import DFT
    result = run(bulk("Si"), energy_error=0.2, pressure_error=4.0)
    v, proposed = result.values, result.settings["proposed"]
    assert set(v["ladder_stages"]) == {"cutoff", "mesh", "check"} and len(v["ladder_cutoffs"]) >= 6
    assert (v["proposed_errors"] >= 0).all() and v["proposed_errors"][0] <= 0.2
    assert any("forces zero" in warning for warning in result.warnings)
    assert np.diff(v["ladder_cutoffs"][v["ladder_stages"] == "cutoff"]).min() > 0
    assert v["ladder_seconds"].min() > 0
    tight = {"xc": "LDA", "smearing": None, "tolerance": 1e-6}
    atoms = result.structure.to_atoms()
    atoms.calc = DFT(**{**tight, **proposed})
    here = atoms.get_potential_energy()
    assert here == pytest.approx(float(v["energy"]), abs=1e-4)
    atoms.calc = DFT(**{**tight, "cutoff": 400, "kpts": (7, 7, 7)})
    there = atoms.get_potential_energy()
    assert abs(here - there) / 2 <= v["proposed_errors"][0] and abs(here - there) / 2 > 1e-4


def test_rattled_atoms_have_forces_widths_are_compared_and_missed_goals_told():
    result = run(bulk("Al", "bcc", a=3.2, cubic=True), rattle=0.2, kpts="2x2x2", cutoff=100, max_rungs=3, smearing="fermi-dirac:0.5eV", energy_error=1e-6)
    assert result.values["proposed_errors"][1] > 0.0 and np.abs(result.values["ladder_forces"]).max() > 0.05
    assert not any("forces zero" in warning for warning in result.warnings)
    assert sum("did not reach" in warning for warning in result.warnings) == 2
    assert any("lower bound" in warning for warning in result.warnings) and any("narrower smearing" in warning for warning in result.warnings)
    np.testing.assert_allclose(result.values["smearing_energies"][:, 0], [0.25, 0.5, 1.0])
    assert result.settings["proposed"]["smearing"] == "fermi-dirac:0.5eV"


def test_study_resumes():
    """A rung starts from the density of the one before, in another process too."""
    task = tasks.get("converge")
    params = from_dict(task.params_class(), {**COARSE, "max_rungs": 3, "energy_error": 0.5, "pressure_error": 15.0, "tolerance": 1e-10})
    laws = check_task(task.run, params, {"structure": Structure.from_atoms(bulk("Si"))}, kills=2, tolerance=1e-11)
    assert sum("resumed" in law for law in laws) == 2
