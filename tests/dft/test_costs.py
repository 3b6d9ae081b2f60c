"""What tasks will take, before they start: the counts are those of the tasks themselves."""
from __future__ import annotations

import subprocess
import sys

import pytest
from ase.build import bulk

from solvers import tasks
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.dft.costs import cost

SILICON = Structure.from_atoms(bulk("Si"))
CHEAP = {"cutoff": 90, "kpts": "2x2x2", "xc": "LDA", "smearing": "none", "tolerance": 1e-4, "device": "cpu"}


def params(task: str, **own):
    return from_dict(tasks.get(task).params_class(), {**CHEAP, **own})


def test_points_are_those_that_the_tasks_solve():
    bands = params("bands", path="LG", path_spacing=0.3, masses=False, band_tolerance=0.05)
    predicted, result = cost(bands, SILICON), drain(tasks.get("bands").run(bands, {"structure": SILICON}))
    assert predicted.kpoints == len(result.values["kpath"]) > 2 and predicted.cycles == (1, 1)
    states = params("dos", dos_kpts="3x3x3", projections="none", band_tolerance=0.05)
    steps: list = []
    drain(tasks.get("dos").run(states, {"structure": SILICON}), steps.append)
    assert cost(states, SILICON).kpoints == max(step.values.get("points", 0) for step in steps)


def test_more_work_costs_more_and_one_cycle_is_the_plan(monkeypatch):
    from solvers.dft.plan import make_plan
    plain = make_plan(SILICON, params("scf")).estimate()["seconds"]
    assert cost(params("charges"), SILICON).seconds == pytest.approx((plain, plain))
    coarse, fine = (cost(params("bands", path_spacing=spacing), SILICON) for spacing in (0.2, 0.05))
    assert fine.kpoints > 2 * coarse.kpoints and fine.seconds[0] > coarse.seconds[0] > plain
    big = cost(params("bands"), Structure.from_atoms(bulk("Si", cubic=True)))
    assert len(big.plan.structure) == 2, "bands of a supercell are those of its primitive cell"
    study = cost(params("converge", smearing="fermi-dirac:0.1eV"), SILICON)
    assert 6 <= study.cycles[0] < study.cycles[1] and study.seconds[1] > 2 * study.seconds[0] > 4 * plain
    assert cost(params("dielectric"), SILICON).seconds[0] > 3 * plain
    parts = cost(params("field", kind="difference", parts="0;1"), SILICON)
    assert parts.cycles == (3, 3) and parts.seconds[1] > 2 * plain


def test_hubbard_counts_one_series_per_class_of_atoms():
    nickel = Structure.from_atoms(bulk("NiO", "rocksalt", a=4.17))
    found = cost(params("hubbard", smearing="fermi-dirac:0.1eV", supercell=(2, 1, 1), points=2), nickel)
    assert found.cycles == (3, 3), "the nickel atoms are equivalent, oxygen has no d shell"
    assert found.seconds[1] > found.seconds[0] > 0


def test_no_torch_is_needed():
    """The window asks in a thread while somebody types."""
    code = "import sys; import solvers.dft.costs; assert 'torch' not in sys.modules and 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
