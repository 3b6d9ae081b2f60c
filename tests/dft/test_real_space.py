"""Localisation, charges of atoms, dipoles, densities of bands and differences: known limits and sums."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from solvers import tasks
from solvers.core.errors import SetupError
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.dft.plan import make_plan
from solvers.dft.real_space import localisation
from solvers.dft.tasks_fields import _part
from solvers.testing import check_task

QUICK = {"xc": "LDA", "device": "cpu", "tolerance": 1e-7, "smearing": "none"}


def run(name, atoms, **own):
    task = tasks.get(name)
    return drain(task.run(from_dict(task.params_class(), {**QUICK, **own}), {"structure": Structure.from_atoms(atoms)}))


def hydrogen(length=5.0):
    return Atoms("H2", positions=[[2, 2, 2], [2, 2, 2.75]], cell=[length] * 3, pbc=True)


def test_localisation_of_the_uniform_gas_is_one_half():
    n = torch.tensor([0.01, 0.3], dtype=torch.float64)
    tau = 0.3 * (3 * math.pi**2) ** (2 / 3) * n ** (5 / 3)
    for channels, density, kinetic in ((1, n, tau), (2, n / 2, tau / 2)):
        np.testing.assert_allclose(localisation(density, torch.zeros_like(n), kinetic, channels), 0.5, atol=1e-12)


def test_localisation_of_one_orbital_is_one():
    result = run("field", hydrogen(), cutoff=200, kind="elf")
    elf, density = result.fields["elf"], run("field", hydrogen(), cutoff=200, kind="density").fields["density"]
    where = density.values[0] > 0.02 * density.values.max()
    assert where.mean() > 0.02
    assert elf.values[0][where].min() > 0.999
    assert elf.values.max() <= 1.0 and elf.values.min() >= 0.0 and elf.unit == "1"


def test_bonds_of_silicon_are_localised_and_the_field_has_the_symmetry():
    elf = run("field", bulk("Si"), cutoff=150, kpts="2x2x2", kind="elf", grid="16,16,16").fields["elf"].values[0]
    assert elf[2, 2, 2] > 0.8 and elf[8, 8, 8] < 0.4  # middle of the bond at (1/8, 1/8, 1/8) and of the void
    np.testing.assert_allclose(elf, elf.transpose(1, 2, 0), atol=1e-9)


def test_density_of_all_filled_bands_is_the_density():
    own = {"cutoff": 120, "kpts": "2x2x2"}
    whole = run("field", bulk("Si"), kind="density", **own).fields["density"]
    parts = [run("field", bulk("Si"), kind="bands", bands=bands, **own) for bands in ("1-3", "4")]
    np.testing.assert_allclose(sum(part.fields["bands"].values for part in parts), whole.values, atol=2e-5 * whole.values.max())
    assert parts[1].values["field_integral"] == pytest.approx(2.0, abs=1e-9)
    window = run("field", bulk("Si"), kind="bands", window="-30,0", **own)
    assert window.values["field_integral"] == pytest.approx(8.0, abs=1e-9)


def test_difference_holds_no_charge_and_bonding_gathers_it():
    atoms = hydrogen()
    free = run("field", atoms, cutoff=150, kind="difference")
    parts = run("field", atoms, cutoff=150, kind="difference", parts="0;1")
    for result in (free, parts):
        assert result.values["field_integral"] == pytest.approx(0.0, abs=1e-8)
        values = result.fields["difference"].values[0]
        n = np.array(values.shape)
        bond = tuple(np.round(np.array([2, 2, 2.375]) / 5 * n).astype(int))
        assert values[bond] > 0.3 * values.max() > 0.0


def test_difference_resumes_between_the_parts():
    task = tasks.get("field")
    params = from_dict(task.params_class(), {**QUICK, "cutoff": 80, "kind": "difference", "parts": "0;1"})
    laws = check_task(task.run, params, {"structure": Structure.from_atoms(hydrogen(4.0))}, kills=3, tolerance=1e-5,
                      tolerances={"field_integral": np.inf})  # zero up to rounding
    assert sum("resumed" in law for law in laws) == 3


def test_charges_add_up_and_follow_electronegativity():
    atoms = Atoms("LiH", positions=[[4, 4, 3.2], [4, 4, 4.8]], cell=[8, 8, 8], pbc=True)
    v = run("charges", atoms, cutoff=150, pseudos={"Li": "GTH-PADE-q1"}).values
    assert v["hirshfeld_charges"].sum() == pytest.approx(0.0, abs=1e-6) and v["hirshfeld_charges"][0] > 0.2
    assert np.sign(v["lowdin_charges"][0]) == 1
    moment = v["dipole_moment"]
    # the dipole is that of the charges plus those of the deformed atoms
    np.testing.assert_allclose(v["hirshfeld_charges"] @ atoms.positions + v["hirshfeld_dipoles"].sum(0), moment, atol=0.04)
    np.testing.assert_allclose(moment[:2], 0, atol=1e-3)
    assert moment[2] < -0.8  # e·Å, from hydrogen to lithium: 5.9 D in experiment


def test_moments_of_atoms_add_up():
    v = run("charges", bulk("H", "sc", a=3.5), cutoff=80, kpts="2x2x2", smearing="fermi-dirac:0.05eV", magmoms=(1.0,)).values
    assert v["hirshfeld_moments"].sum() == pytest.approx(float(v["magmom"]), abs=1e-6) and v["magmom"] > 0.5
    assert "dipole_moment" not in v  # a crystal has none
    spin = run("field", bulk("H", "sc", a=3.5), cutoff=80, kpts="2x2x2", smearing="fermi-dirac:0.05eV", magmoms=(1.0,), kind="spin")
    assert spin.values["field_integral"] == pytest.approx(float(v["magmom"]), abs=1e-4) and spin.fields["spin"].unit == "µ_B/Å³"


@pytest.mark.parametrize("own, message", [
    ({"kind": "spin"}, "without spin"), ({"kind": "bands"}, "either bands or a window"), ({"kind": "bands", "bands": "0"}, "no band number"),
    ({"kind": "bands", "window": "2,1"}, "not an energy window"), ({"kind": "difference", "parts": "0;0"}, "does not divide the 2 atoms"),
    ({"kind": "difference", "parts": "0;x"}, "parts holds 'x'")])
def test_mistakes(own, message):
    with pytest.raises(SetupError, match=message):
        run("field", hydrogen(4.0), cutoff=80, **own)


def test_parts_without_the_corrected_element_and_of_a_charged_whole():
    whole = from_dict(tasks.get("field").params_class(), {**QUICK, "cutoff": 80, "kind": "difference", "parts": "0;1", "charge": 1.0, "charged": "background",
                                                          "hubbard": "O-2p=2", "smearing": "fermi-dirac:0.1eV"})
    plan = make_plan(Structure.from_atoms(Atoms("OH", positions=[[0, 0, 0], [0, 0, 1.0]], cell=[5, 5, 5], pbc=True)), whole)
    oxygen, hydrogen_atom = (_part(whole, plan, np.array([i])) for i in (0, 1))
    assert (oxygen.n_electrons, hydrogen_atom.n_electrons) == (6.0, 1.0)
    assert oxygen.params.hubbard == whole.hubbard and not hydrogen_atom.params.hubbard.values
