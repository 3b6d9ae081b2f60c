"""The memory model speaks before a calculation starts."""
from __future__ import annotations

import pytest
from ase.build import bulk

from solvers.core import device as machine
from solvers.core.errors import OutOfMemoryError
from solvers.core.structure import Structure
from solvers.dft.calculation import Calculation
from solvers.dft.memory import require_memory
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan


def plan(**options):
    return make_plan(Structure.from_atoms(bulk("Si", "diamond", a=5.43)), DFTParams(cutoff=150.0, kpts="2x2x2", device="cpu", **options))


def test_need_grows_with_the_cell_and_small_runs_pass():
    assert require_memory(plan(), "cpu") < require_memory(make_plan(Structure.from_atoms(bulk("Si", "diamond", a=5.43).repeat(2)),
                                                                     DFTParams(cutoff=150.0, kpts="2x2x2", device="cpu")), "cpu")


def test_too_large_a_run_is_refused_with_both_figures(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda device: machine.Memory(total=2**27, free=2**26))
    for device, text in (("cpu", r"computer has 0\.1 GiB"), ("cuda", r"card has 0\.1 GiB")):
        with pytest.raises(OutOfMemoryError, match=text) as caught:
            require_memory(plan(), device)
        assert "cutoff" in caught.value.hint
    with pytest.raises(OutOfMemoryError):
        Calculation(plan())
