"""The memory model speaks before a calculation starts."""
from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
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


def test_the_estimate_knows_what_the_engine_keeps():
    """The plan imports no torch, so three limits stand twice; projectors of all k-points are not counted where they are made again, on a card they are."""
    from solvers.dft import hamiltonian, projectors
    from solvers.dft import plan as planning
    from solvers.dft.eigen import davidson
    assert (planning._ROOMY, planning._SINGLE, planning._KEPT) == (davidson._ROOMY, hamiltonian.SINGLE_FROM, projectors.KEPT)
    large = make_plan(Structure.from_atoms(bulk("Si", "diamond", a=5.43, cubic=True).repeat(3)), DFTParams(cutoff=300.0, device="cpu"))
    rows = 216 * 5 * large.n_plane_waves * 8
    assert large.real and rows > 2**28
    assert large.estimate("cuda")["memory"] - large.estimate("cpu")["memory"] > 0.3 * rows


def test_too_large_a_run_is_refused_with_both_figures(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda device: machine.Memory(total=2**27, free=2**26))
    for device, text in (("cpu", r"computer has 0\.1 GiB"), ("cuda", r"card has 0\.1 GiB")):
        with pytest.raises(OutOfMemoryError, match=text) as caught:
            require_memory(plan(), device)
        assert "cutoff" in caught.value.hint
    with pytest.raises(OutOfMemoryError):
        Calculation(plan())


@pytest.mark.parametrize("error, words", [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), r"memory of the graphics card ran out \(CUDA out of memory.*--device cpu"),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
     "memory of the computer ran out .*fewer threads"),
    (MemoryError("Unable to allocate 7.45 GiB for an array"), r"allocate 7.45 GiB.*the estimate for \d+ plane waves, 3 k-points and 8 bands was 0\.\d GiB"),
])
def test_memory_that_runs_out_is_told_with_the_estimate_and_advice(monkeypatch, error, words):
    calculation = Calculation(plan())

    def fail(rho, unknowns):
        raise error
    monkeypatch.setattr(calculation.problem, "set_density", fail)
    monkeypatch.setattr(machine, "memory", lambda device: machine.Memory(total=2**33, free=2**30))
    with pytest.raises(OutOfMemoryError, match=words) as caught:
        list(calculation.run())
    assert "a cutoff of 105 eV instead of 150 eV about 0." in caught.value.hint and "half as many k-points" in caught.value.hint
    with pytest.raises(RuntimeError, match="something else"):
        monkeypatch.setattr(calculation.problem, "set_density", lambda rho, unknowns: (_ for _ in ()).throw(RuntimeError("something else")))
        list(calculation.run())


LIMITED = """
import resource, sys
from ase.build import bulk
from solvers.core.worker import explain
from solvers.core.structure import Structure
from solvers.dft.calculation import Calculation
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
list(Calculation(make_plan(Structure.from_atoms(bulk("Si")), DFTParams(cutoff=60.0, kpts="1x1x1", device="cpu"))).run())  # libraries have what they need
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 12 * 2**20,) * 2)
try:
    live = Calculation(make_plan(Structure.from_atoms(bulk("Si", cubic=True)), DFTParams(cutoff=400.0, kpts="3x3x3", symmetry=False, device="cpu")))
    list(live.run())
except BaseException as error:
    told = explain(error)
    print(type(told).__name__, told)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_a_worker_that_hits_its_limit_says_so():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "QCAD_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=300, env=environment)
    assert done.stdout.startswith("OutOfMemoryError") and "memory" in done.stdout and "k-points" in done.stdout, (done.stdout, done.stderr[-500:])
