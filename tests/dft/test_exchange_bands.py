"""Bands of hybrids off the mesh: they join those of the mesh, whatever stands in for the singularity, and are smooth between."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from solvers import tasks
from solvers.core.errors import SetupError
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.core.units import HARTREE_EV
from solvers.dft import DFT
from solvers.dft.nonscf import FixedPotential
from solvers.testing import check_task

CASES = [{"xc": "PBE0"}, {"xc": "HSE06"}, {"xc": "PBE0", "smearing": "fermi-dirac:0.3eV", "spin": "collinear", "magmoms": (0.2, 0.2)}]


def silicon():
    atoms = bulk("Si")
    atoms.rattle(0.02, seed=1)
    return atoms


@pytest.mark.parametrize("keywords", CASES, ids=str)
def test_bands_join_those_of_the_mesh(keywords):
    calculator = DFT(**{"cutoff": 90, "kpts": "2x1x1", "smearing": None, "tolerance": 1e-10, "device": "cpu", **keywords})
    calculator.calculate(silicon(), ("energy",))
    calculation = calculator.calculation
    fixed = FixedPotential.of(calculation)
    k, known = calculation.plan.kpoints[:1], calculation.ground.eigenvalues.numpy()[:, :1, :4] * HARTREE_EV

    def bands(points):
        return fixed.solve(points, 4, 1e-6)["eigenvalues"] * HARTREE_EV
    assert np.abs(bands(k) - known).max() < 1e-4
    step = np.array([1e-3, 0.0, 0.0])
    near = bands(k + step)
    assert np.abs(near - known).max() < 2e-3  # no jump
    assert np.abs(bands(k + 100 * step) - known).max() > 0.05
    if keywords == CASES[0]:
        again = FixedPotential.unpack(fixed.pack(), calculation.plan, calculation.workers)
        assert np.abs(again.solve(k + step, 4, 1e-6)["eigenvalues"] * HARTREE_EV - near).max() < 1e-9


def test_treatments_that_live_on_the_mesh_are_refused():
    task = tasks.get("bands")
    params = from_dict(task.params_class(), {"cutoff": 90, "kpts": "2x2x2", "xc": "PBE0", "exchange_singularity": "extrapolated"})
    with pytest.raises(SetupError, match="no meaning off the k-mesh"):
        next(task.run(params, {"structure": Structure.from_atoms(bulk("Si"))}))


def test_the_task_bands_takes_a_hybrid_and_resumes():
    task = tasks.get("bands")
    params = from_dict(task.params_class(), {"cutoff": 80, "kpts": "2x1x1", "xc": "HSE06", "smearing": "none", "path": "GX", "path_spacing": 1.2,
                                             "masses": False, "empty_bands": 1, "device": "cpu"})
    done = check_task(task.run, params, {"structure": Structure.from_atoms(silicon())}, last_tolerance=3e-4)
    assert sum("resumed" in law for law in done) == 3
