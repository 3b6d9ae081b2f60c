"""Small low-symmetry calculations shared by the tests of the plane-wave engine (Hartree and bohr)."""
from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

A_SILICON = 10.263141334  # bohr
DISTORTION = np.eye(3) + np.array([[0.01, 0.02, -0.01], [0.0, -0.02, 0.015], [0.03, 0.0, 0.005]])


class Lab:
    """Builds and converges models at fixed bases; `problem(...)` -> Problem, `ground(problem)` -> GroundState."""

    def __init__(self):
        from solvers.dft.parallel import Workers
        self.workers = Workers(2)

    def model(self, symbols=("Si", "Si"), scaled=((0.13, 0.12, 0.127), (-0.125, -0.125, -0.125)), a=A_SILICON, xc="PBE",
              smearing="none", width=0.02, pseudos=None):
        from solvers.dft.model import Model
        from solvers.dft.projectors import Species
        from solvers.dft.pseudo.library import find
        from solvers.dft.xc import functional
        cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) @ DISTORTION
        names = np.array(symbols)
        species = tuple(Species(find(s, xc, (pseudos or {}).get(s, "gth")), np.flatnonzero(names == s)) for s in dict.fromkeys(symbols))
        return Model(cell, np.array(scaled) @ cell, np.arange(len(names)), species, functional(xc), smearing, width)

    def basis(self, model, cutoff=8.0, kpoints=((0.1, 0.2, 0.3), (-0.3, 0.4, 0.05)), weights=(0.4, 0.6), **options):
        from solvers.dft.basis import Basis
        from solvers.dft.box import default_shape
        return Basis(model.cell, cutoff, np.array(kpoints), np.array(weights), options.pop("shape", None) or default_shape(model.cell, cutoff), **options)

    def problem(self, model, basis, **options):
        from solvers.dft.problem import Problem
        return Problem(model, basis, self.workers, **options)

    def ground(self, problem, tolerance=1e-14, max_steps=80, state=None):
        from solvers.dft.scf import SCFState, self_consistency
        from solvers.dft.start import atomic_density
        steps = self_consistency(problem, state or SCFState(atomic_density(problem)), tolerance=tolerance, max_steps=max_steps)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value

    def free_energy(self, model, basis):
        from solvers.dft.energy import energies
        problem = self.problem(model, basis)
        ground = self.ground(problem)
        assert ground.converged
        return energies(problem, ground).free

    replace = staticmethod(dataclasses.replace)


@pytest.fixture(scope="session")
def lab():
    return Lab()


class Child:
    """Kernels in a Python of their own: `simulate(code)` runs it in Numba's CUDA simulator, `compile(code)` with the PTX compiler and no device."""

    #: what a compiling child begins with: a device's architecture is named, because there may be none to ask
    BEGIN = """
import sys
from types import SimpleNamespace
from numba import cuda
from numba.cuda import dispatcher
dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(8, 0))
try:
    from numba.cuda.cudadrv.nvvm import NVVM
    NVVM()
except Exception as error:
    print("no compiler:", str(error)[:200])
    sys.exit()


def compile_all(kernels):
    for body, signature in kernels:
        text, _ = cuda.compile_ptx(body, signature, cc=(8, 0))
        assert ".entry" in text and "ld.global" in text and "st.global" in text
"""

    def __init__(self, folder: Path):
        self.folder = folder

    def simulate(self, code: str) -> None:
        self._run(code, "simulated", {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"})

    def compile(self, code: str) -> None:
        if self._run(self.BEGIN + code, "compiled", self._toolkit()).startswith("no compiler"):
            pytest.skip("no NVVM here (wheel nvidia-nvvm, extra 'gpu')")

    def _run(self, code: str, last: str, environment: dict[str, str]) -> str:
        done = subprocess.run([sys.executable, "-c", f"{code}\nprint({last!r})\n"], capture_output=True, text=True, timeout=240,
                              env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)})
        assert done.stdout.strip().endswith(last) or done.stdout.startswith("no compiler"), done.stderr[-2000:]
        return done.stdout

    def _toolkit(self) -> dict[str, str]:
        """CUDA_HOME with the compiler of the wheel nvidia-nvvm, where that wheel is installed."""
        for place in map(Path, sys.path):
            root = place / "nvidia" / "cu13"
            libraries = sorted((root / "lib").glob("libnvvm.so*"))
            if libraries:
                (self.folder / "nvvm" / "lib64").mkdir(parents=True)
                (self.folder / "nvvm" / "lib64" / "libnvvm.so").symlink_to(libraries[0])
                (self.folder / "nvvm" / "libdevice").symlink_to(root / "nvvm" / "libdevice")
                return {"CUDA_HOME": str(self.folder)}
        return {}


@pytest.fixture
def cuda_child(tmp_path):
    return Child(tmp_path)
