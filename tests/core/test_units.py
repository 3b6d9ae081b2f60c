"""Factors against independent statements of CODATA 2022 and against each other."""
import math

import pytest

from solvers.core import units


def test_codata_2022():
    assert units.HARTREE_EV == pytest.approx(27.211386245981, rel=1e-12)
    assert units.BOHR_ANGSTROM == pytest.approx(0.529177210544, rel=1e-12)
    assert units.HARTREE_PER_BOHR3_GPA == pytest.approx(29421.0157, rel=1e-8)
    assert units.EV_PER_ANGSTROM3_GPA == pytest.approx(160.2176634, rel=1e-12)
    assert units.AMU_PER_ANGSTROM3_KG_M3 == pytest.approx(1660.53906892, rel=1e-10)


def test_factors_agree_with_each_other():
    bohr = units.HBAR / (units.ELECTRON_MASS_SI * units.LIGHT_SPEED * units.FINE_STRUCTURE)
    assert bohr == pytest.approx(units.BOHR_SI, rel=1e-9)
    assert units.ELECTRON_MASS_SI * (units.LIGHT_SPEED * units.FINE_STRUCTURE) ** 2 == pytest.approx(units.HARTREE_SI, rel=1e-9)
    one_fs = math.sqrt(units.ATOMIC_MASS_SI * 1e-20 / units.ELEMENTARY_CHARGE) * 1e15  # ASE's time unit in fs
    assert units.ACCELERATION == pytest.approx(one_fs**-2, rel=1e-12) and one_fs == pytest.approx(10.18, abs=0.01)
    assert units.ACCELERATION * units.KINETIC_EV == 1.0


def test_convert_refuses_other_dimensions():
    assert units.convert(1.0, "Ha", "eV") == units.HARTREE_EV and units.convert(10.0, "kbar", "GPa") == pytest.approx(1.0)
    with pytest.raises(ValueError, match="Cannot convert eV .* to K"):
        units.convert(1.0, "eV", "K")
    with pytest.raises(ValueError, match="Unknown unit 'furlong'"):
        units.convert(1.0, "furlong", "Å")
