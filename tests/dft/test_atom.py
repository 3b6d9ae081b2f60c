"""Free pseudo-atoms: charge, known eigenvalues, bound and normalised orbitals, agreement of real and reciprocal space."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from solvers.dft.atom import bessel_zeros, shells, solve_atom
from solvers.dft.pseudo.library import find

ATOMS = [("H", "LDA", "gth"), ("Si", "LDA", "gth"), ("O", "PBE", "gth"), ("Mg", "PBE", "GTH-PBE-q2"), ("Mg", "PBE", "gth"), ("Cu", "PBE", "gth"),
         ("Ba", "PBE", "gth"),
         ("W", "PBE", "gth"), ("Lu", "PBE", "gth")]


def quadrature(n=1500, high=24.9):
    t, w = np.polynomial.legendre.leggauss(n)
    return torch.as_tensor(0.5 * high * (t + 1)), torch.as_tensor(0.5 * high * w)


@pytest.mark.parametrize(("symbol", "xc", "name"), ATOMS)
def test_charge_and_bound_states(symbol, xc, name):
    pseudo = find(symbol, xc, name)
    atom = solve_atom(pseudo)
    assert atom.converged
    assert float(atom.density(torch.zeros(1, dtype=torch.float64))[0]) == pytest.approx(pseudo.charge, abs=1e-10)
    assert sum(orbital.occupation for orbital in atom.orbitals) == pseudo.charge
    assert all(-25 < orbital.energy < -0.03 for orbital in atom.orbitals)
    q, w = quadrature()
    for orbital in atom.orbitals:
        radial = orbital.radial(q)
        assert float((radial**2 * q**2) @ w) / (2 * math.pi) ** 3 == pytest.approx(1, abs=3e-3)


@pytest.mark.parametrize(("symbol", "reference"), [
    ("H", {0: -0.2335}), ("He", {0: -0.5704}), ("C", {0: -0.5011, 1: -0.1992}), ("O", {0: -0.8713, 1: -0.3384}), ("Al", {0: -0.2868, 1: -0.1028}),
    ("Si", {0: -0.3998, 1: -0.1533}),
])
def test_eigenvalues_of_all_electron_atoms(symbol, reference):
    """NIST LDA (VWN) valence eigenvalues of neutral atoms, S. Kotochigova et al., Phys. Rev. A 55, 191 (1997); the potentials reproduce them to a few mHa."""
    for orbital in solve_atom(find(symbol, "LDA")).orbitals:
        assert orbital.energy == pytest.approx(reference[orbital.l], abs=4e-3)


def test_density_is_the_sum_of_orbitals():
    """n(q) of one s electron against the autocorrelation of its radial function, in real space."""
    atom = solve_atom(find("H", "LDA"))
    q, w = quadrature()
    r = np.linspace(0.02, 14, 1400)
    radial = np.array([(atom.orbitals[0].radial(q) * q**2 * torch.as_tensor(np.sinc(q.numpy() * x / math.pi))) @ w for x in r]) / (2 * math.pi**2)
    for wavenumber in (0.5, 1.5, 3.0):
        direct = np.trapezoid(radial**2 * r**2 * np.sinc(wavenumber * r / math.pi), r)
        assert float(atom.density(torch.tensor([wavenumber], dtype=torch.float64))[0]) == pytest.approx(direct, abs=2e-4)


def test_atoms_are_solved_once_and_tables_end_in_zero():
    pseudo = find("Si", "PBE")
    assert solve_atom(pseudo) is solve_atom(find("Si", "PBE"))
    atom = solve_atom(pseudo)
    far = torch.tensor([[30.0, 100.0]], dtype=torch.float64)
    assert not atom.density(far).any() and atom.density(far).shape == (1, 2)


def test_an_atom_in_few_waves():
    """What a basis with a low cutoff makes of a hard atom: the same charge in wider shells at higher levels; a sufficient cutoff changes nothing."""
    pseudo = find("Fe", "LDA", "GTH-PADE-q8")
    whole, few = solve_atom(pseudo), solve_atom(pseudo, 15.0)
    assert solve_atom(pseudo, 1e4) is whole and few.converged
    assert float(few.density(torch.zeros(1, dtype=torch.float64))[0]) == pytest.approx(8, abs=1e-10)
    level = [next(orbital.energy for orbital in atom.orbitals if orbital.l == 2) for atom in (whole, few)]
    assert level[1] > level[0] + 0.02
    edge = torch.tensor([math.sqrt(2 * 15.0) + 0.5], dtype=torch.float64)
    ends = [float(next(orbital for orbital in atom.orbitals if orbital.l == 2).radial(edge).abs()) for atom in (whole, few)]
    assert ends[1] < 0.1 * ends[0]


@pytest.mark.parametrize("l", range(4))
def test_bessel_zeros(l):
    zeros = bessel_zeros(l, 40)
    assert np.abs(spherical_jn(l, zeros)).max() < 1e-13 and (np.diff(zeros) > 3).all() and len(zeros) == 40
    if l == 1:
        assert zeros[0] == pytest.approx(4.493409457909064)


def test_shells_fill_from_below():
    assert shells((4, 6)) == [(0, 0, 2.0), (0, 1, 2.0), (1, 0, 6.0)]
    assert shells((2, 0, 4)) == [(0, 0, 2.0), (2, 0, 4.0)]
    assert sum(count for _, _, count in shells((6, 13, 10, 14))) == 43
