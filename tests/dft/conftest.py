"""Small low-symmetry calculations shared by the tests of the plane-wave engine (Hartree and bohr)."""
from __future__ import annotations

import dataclasses

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
