"""Special functions without SciPy against SciPy's, and that a calculation's start imports none of it."""
from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.special

from solvers.core.structure import Structure
from solvers.dft import moments, special


@pytest.mark.parametrize("name", ["erf", "erfc", "expit"])
def test_functions_of_one_variable(name):
    x = np.linspace(-9, 9, 401).reshape(-1, 1)
    np.testing.assert_allclose(getattr(special, name)(x), getattr(scipy.special, name)(x), rtol=1e-13)
    assert getattr(special, name)(np.float64(0.3)).shape == ()


def test_x_log_y_is_zero_at_zero():
    x = np.array([0.0, 1e-300, 0.4])
    np.testing.assert_allclose(special.xlogy(x, x), scipy.special.xlogy(x, x), rtol=1e-14)


@pytest.mark.parametrize("n", [2, 7, 900])
def test_legendre_quadrature(n):
    x, weight = special.legendre_nodes(n)
    reference, weights = scipy.special.roots_legendre(n)
    np.testing.assert_allclose(x, reference, atol=1e-14)
    np.testing.assert_allclose(weight, weights, atol=1e-12)


def test_bernoulli_numbers():
    np.testing.assert_allclose(special.bernoulli_numbers(12), scipy.special.bernoulli(12), rtol=1e-10, atol=1e-15)


def test_running_integral_of_an_uneven_mesh():
    r = 14 * np.linspace(0.01, 1, 600) ** 2
    found = special.running_integral(np.exp(-r) * r**2, r)
    assert found == pytest.approx((np.exp(-r[0]) * (r[0] ** 2 + 2 * r[0] + 2)) - np.exp(-r) * (r**2 + 2 * r + 2), abs=1e-8)
    assert special.running_integral(r**2, r)[-1] == pytest.approx((r[-1] ** 3 - r[0] ** 3) / 3, rel=1e-14)  # exact for parabolas


def test_natural_cubic_spline():
    q = np.arange(0.0, 5.01, 0.02)
    values = np.exp(-q) * np.cos(3 * q)
    mine, reference = special.CubicSpline(0.02, values), scipy.interpolate.CubicSpline(q, values, bc_type="natural")
    x = np.random.default_rng(0).uniform(0, q[-1], (3, 50))
    np.testing.assert_allclose(mine.value(x), reference(x), atol=1e-14)
    np.testing.assert_allclose(mine.slope(x), reference.derivative()(x), atol=1e-12)
    assert mine.value(np.array([q[-1] + 0.1])) == 0.0 == mine.slope(np.array([q[-1] + 0.1]))


def test_neighbours_of_few_atoms_are_those_of_the_tree(monkeypatch):
    rng = np.random.default_rng(3)
    structure = Structure(np.full(9, 14), rng.uniform(0, 6, (9, 3)), 6.0 * np.eye(3) + 0.3, (True, True, False))
    direct = moments._neighbours(structure)
    monkeypatch.setattr(moments, "_FEW", 0)
    by_tree = moments._neighbours(structure)
    np.testing.assert_allclose(direct[0], by_tree[0])
    assert (direct[1] == by_tree[1]).all() and direct[1].any()


def test_the_first_step_imports_no_scipy():
    code = """
import json, sys
import numpy as np
from solvers.core.structure import Structure
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
from solvers.dft.calculation import Calculation
plan = make_plan(Structure([14, 14], [[0, 0, 0], [1.36, 1.36, 1.36]], 2.715 * (1 - np.eye(3)), True), DFTParams(cutoff=80, kpts=(1, 1, 1)))
step = next(Calculation(plan).run())
print(json.dumps([step.n, [name for name in sys.modules if name in ("scipy.linalg", "scipy.special", "scipy.spatial", "ase.neighborlist")]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "QCAD_THREADS": "1"})
    assert json.loads(done.stdout.splitlines()[-1]) == [1, []]
