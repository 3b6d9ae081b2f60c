"""Formulas as people write them."""
from __future__ import annotations

import pytest
from ase.data import chemical_symbols
from ase.symbols import string2symbols

from solvers.core.formula import _NEGATIVE_FIRST, formula

WRITTEN = ("SiO2 TiN NaCl NH3 H2O CO2 CH4 CH4O C6H6 Ni3Al GaAs SrTiO3 LiCoO2 CaCO3 Mg2SiO4 SiC TiAl Si8").split()


@pytest.mark.parametrize("written", WRITTEN)
def test_order(written):
    assert formula(reversed(string2symbols(written))) == written


def test_empirical_and_nothing():
    assert formula(string2symbols("Ti2O4")) == "Ti2O4" and formula(string2symbols("Ti2O4"), empirical=True) == "TiO2" and formula([]) == ""


def test_every_element_has_its_place_once():
    assert sorted(_NEGATIVE_FIRST) == sorted(chemical_symbols[1:])
