"""Laws of lattice vibrations: sum rules, mass scaling, chains known in closed form, limits of the heat capacity, kill and resume."""
from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import SetupError
from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.core.units import BOLTZMANN_EV, PLANCK_EV_THZ, THZ_PER_ROOT
from solvers.dft import DFT
from solvers.phonons import PhononParams, phonons, thermal_properties
from solvers.phonons.lattice import Lattice
from solvers.phonons.study import Study
from solvers.phonons.supercell import choose, folded_mesh, frozen, shortest_vector
from solvers.phonons.thermal import debye_temperature
from solvers.testing import check_task
from solvers.validate.peers.model_crystals import Springs, StillingerWeber, triclinic


def run(atoms, calculator, **params):
    return drain(phonons(PhononParams(**{"mesh": 30.0, "t_step": 250.0} | params), {"structure": Structure.from_atoms(atoms), "calculator": calculator}))


@pytest.fixture(scope="module")
def silicon():
    return run(bulk("Si", a=5.431), StillingerWeber(), min_length=7.0)


def test_acoustic_modes_vanish_at_gamma_and_the_sum_rule_holds(silicon):
    gamma = silicon.values["phonon_gamma"]
    assert np.abs(gamma[:3]).max() < 1e-5 and gamma[3] > 10.0
    assert np.abs(silicon.values["force_constants"].sum(1)).max() < 1e-10
    # diamond: the optical modes at Γ are degenerate; Stillinger–Weber puts them near 17.8 THz
    assert np.ptp(gamma[3:]) < 1e-6
    assert silicon.settings["stable"] and silicon.values["lowest_frequency"] > -1e-3 and not silicon.warnings


def test_density_of_states_counts_three_modes_per_atom(silicon):
    x, y = silicon.values["phonon_dos_frequencies"], silicon.values["phonon_dos"]
    assert np.trapezoid(y, x) == pytest.approx(6.0, rel=0.01)
    assert (y > -1e-9).all()


def test_frequencies_scale_with_the_root_of_the_mass(silicon):
    heavy = bulk("Si", a=5.431)
    heavy.set_masses([4 * heavy.get_masses()[0]] * 2)
    other = run(heavy, StillingerWeber(), min_length=7.0)
    assert np.abs(2 * other.values["phonon_frequencies"] - silicon.values["phonon_frequencies"]).max() < 1e-6


def test_primitive_and_conventional_cell_agree(silicon):
    cubic = run(bulk("Si", a=5.431, cubic=True), StillingerWeber(), supercell="2x2x2", check_displacement=False)
    assert len(cubic.values["primitive_numbers"]) == 2
    assert cubic.values["phonon_gamma"] == pytest.approx(silicon.values["phonon_gamma"], abs=2e-3)
    assert cubic.values["debye_temperature"] == pytest.approx(silicon.values["debye_temperature"], rel=3e-3)


def test_checking_displacement_finds_noise(silicon):
    assert silicon.settings["checks"]["check_displacement"] < 0.02

    class Noisy(StillingerWeber):
        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            super().calculate(atoms, properties, system_changes)
            noise = np.random.default_rng(int(abs(self.results["energy"]) * 1e9) % 2**32).normal(size=self.results["forces"].shape)
            self.results["forces"] = self.results["forces"] + 0.05 * noise
    noisy = run(bulk("Si", a=5.431), Noisy(), min_length=7.0)
    assert noisy.settings["checks"]["check_displacement"] > 0.1 and any("random displacement" in text for text in noisy.warnings)
    assert np.abs(noisy.values["force_constants"].sum(1)).max() < 1e-10  # imposed whatever the forces


class Chain(Calculator):
    """Atoms in a row along x, 2 Å apart, each tied to its two neighbours by a spring of constant K; nothing else."""

    implemented_properties = ["energy", "free_energy", "forces"]
    K = 5.0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        order = np.argsort(self.atoms.positions[:, 0])
        x = self.atoms.positions[order]
        bond = np.roll(x, -1, axis=0) - x
        bond[-1] += self.atoms.cell.array[0]
        stretch = bond[:, 0] - 2.0
        force = np.zeros_like(x)
        force[:, 0] = self.K * (stretch - np.roll(stretch, 1))
        self.results = {"energy": 0.5 * self.K * (stretch**2).sum(), "forces": force[np.argsort(order)]}
        self.results["free_energy"] = self.results["energy"]


def test_diatomic_chain_in_closed_form():
    """ω² = K(1/m + 1/M) ± K√((1/m + 1/M)² − 4 sin²(qa/2)/(mM)); transverse modes cost nothing."""
    atoms = Atoms("SiGe", [[0, 0, 0], [2, 0, 0]], cell=[4, 9, 9], pbc=True)
    result = run(atoms, Chain(), supercell="4x1x1", path="[0 0 0][1/2 0 0]", path_spacing=0.05, check_displacement=False, mesh=60.0)
    m, M = atoms.get_masses()
    q = result.values["phonon_kpath"][:, 0]
    mean = 1 / m + 1 / M
    root = np.sqrt(mean**2 - 4 * np.sin(np.pi * q) ** 2 / (m * M))
    expected = THZ_PER_ROOT * np.sqrt(np.abs(Chain.K * (mean + np.outer([-1, 1], root))))
    found = result.values["phonon_frequencies"]
    assert len(q) > 7 and expected[1].max() > 5.0
    assert np.abs(found[:, -1] - expected[1]).max() < 1e-6
    assert np.abs(found[1:, -2] - expected[0][1:]).max() < 1e-6
    assert np.abs(found[:, :4]).max() < 1e-3


def test_heat_capacity_has_its_limits_and_derivatives(silicon):
    f, w = np.array([[2.0, 5.0, 9.0]]), np.ones(1)
    t = np.array([0.0, 1.0, 300.0, 300.1, 299.9, 50000.0])
    found = thermal_properties(f, w, t)
    assert found.heat_capacity[-1] == pytest.approx(3 * BOLTZMANN_EV, rel=1e-4) and found.heat_capacity[1] < 1e-20
    assert found.helmholtz[0] == found.zero_point == pytest.approx(0.5 * PLANCK_EV_THZ * 16.0)
    assert -(found.helmholtz[3] - found.helmholtz[4]) / 0.2 == pytest.approx(found.entropy[2], rel=1e-6)
    assert (found.internal[3] - found.internal[4]) / 0.2 == pytest.approx(found.heat_capacity[2], rel=1e-6)
    assert found.internal == pytest.approx(found.helmholtz + t * found.entropy)
    assert silicon.values["heat_capacity"][-1] < 6 * BOLTZMANN_EV
    # Dulong and Petit for silicon: 3 R / 28.0855 g/mol = 888 J/(kg K)
    assert 0.9 * 888 < silicon.values["specific_heat"][-1] < 888


def test_moments_go_into_the_supercell_and_lower_the_symmetry():
    atoms = bulk("Fe", "bcc", a=2.87, cubic=True)
    atoms.set_initial_magnetic_moments([2.0, -2.0])
    antiferromagnet = Lattice(Structure.from_atoms(atoms), np.diag([2, 2, 2]), 1e-4)
    assert len(antiferromagnet.primitive) == 2 and len(antiferromagnet.supercell) == 16
    assert sorted(antiferromagnet.supercell.get_initial_magnetic_moments()) == [-2.0] * 8 + [2.0] * 8
    assert np.array_equal(antiferromagnet.supercell.get_initial_magnetic_moments(), np.array([2.0, -2.0])[antiferromagnet.origin])
    plain = bulk("Fe", "bcc", a=2.87, cubic=True)
    plain.set_initial_magnetic_moments(None)
    assert len(Lattice(Structure.from_atoms(plain), np.diag([2, 2, 2]), 1e-4).primitive) == 1


def test_debye_temperature_of_a_debye_spectrum():
    top = 10.0
    f = top * ((np.arange(20000) + 0.5) / 20000) ** (1 / 3)  # density of states ∝ ν²
    assert debye_temperature(f[:, None], np.full(len(f), 1 / len(f))) == pytest.approx(PLANCK_EV_THZ * top / BOLTZMANN_EV, rel=1e-4)


def test_an_unstable_crystal_is_told():
    result = run(bulk("Cu", "bcc", a=2.9), CalculatorSpec("emt"), min_length=7.0, force_limit=1.0, check_displacement=False)
    assert not result.settings["stable"] and result.values["lowest_frequency"] < -0.5
    assert any("unstable" in text for text in result.warnings) and result.settings["checks"]["left_out"] > 0.01


def test_forces_left_in_the_crystal_are_told():
    atoms = triclinic()
    result = run(atoms, Springs(triclinic(seed=3), 4.5), supercell=(1, 1, 1), plus_minus="always", check_displacement=False)
    assert any("not at rest" in text for text in result.warnings)
    assert 0 < result.settings["checks"]["antisymmetry"] < 0.2


def test_resumes_bit_for_bit():
    inputs = {"structure": Structure.from_atoms(bulk("NiAl", "cesiumchloride", a=2.9)), "calculator": CalculatorSpec("emt")}
    done = check_task(phonons, PhononParams(min_length=5.0, mesh=20.0, force_limit=1.0), inputs)
    assert sum("resumed" in law for law in done) == 3


def test_supercells_are_large_enough_and_no_larger():
    for atoms, length in ((bulk("Si"), 10.0), (bulk("Ti"), 8.0), (bulk("NaCl", "rocksalt", a=5.64), 9.0), (triclinic(), 8.0)):
        structure = Structure.from_atoms(atoms)
        matrix = choose(structure, length, 1e-4)
        assert shortest_vector(matrix @ atoms.cell.array) >= length - 1e-6
    assert round(np.linalg.det(choose(Structure.from_atoms(bulk("Si")), 10.0, 1e-4))) == 27
    slab = bulk("Cu", cubic=True)
    slab.pbc = (True, True, False)
    assert np.diag(choose(Structure.from_atoms(slab), 7.0, 1e-4)).tolist() == [2, 2, 1]
    with pytest.raises(SetupError, match="more than 5000 atoms"):
        choose(Structure.from_atoms(bulk("Si")), 60.0, 1e-4)


def test_meshes_fold():
    cell = bulk("Si").cell.array
    kpts = {"size": (4, 4, 4), "shift": (0.0, 0.0, 0.0)}
    assert folded_mesh(kpts, cell, np.diag([2, 2, 3]))["size"] == (2, 2, 2)
    conventional = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    assert min(folded_mesh(kpts, cell, conventional)["size"]) >= 3


@pytest.mark.parametrize("value", ["2x2", "0x1x1", "a,b,c", (1.5, 1, 1), (1, 0, 0, 0, 1, 0, 0, 0, -1)])
def test_bad_supercells_are_refused(value):
    with pytest.raises(SetupError, match="is not a supercell"):
        PhononParams(supercell=value)


def test_polar_terms_need_the_plane_wave_calculator():
    with pytest.raises(SetupError, match="Born charges"):
        run(bulk("Cu"), CalculatorSpec("emt"), nac=True, min_length=4.0)


def test_longitudinal_modes_of_an_ionic_crystal_split_off():
    """One click: Born charges and ε∞ first, then ω_LO² = ω_TO² + 4π Z*² e²/(Ω ε∞ μ) at Γ of a cubic binary; resumable on the way."""
    from solvers.core.units import BOHR_ANGSTROM, HARTREE_EV
    atoms = bulk("AlP", "zincblende", a=5.4)
    settings = {"xc": "LDA", "cutoff": 100.0, "kpts": "2x2x2", "smearing": "none", "device": "cpu"}
    params = PhononParams(supercell=(1, 1, 1), nac=True, mesh=10.0, check_displacement=False, path="GX", path_spacing=0.2, t_step=500.0)
    inputs = {"structure": Structure.from_atoms(atoms), "calculator": CalculatorSpec("dft", settings)}
    steps, states = [], []
    result = drain(phonons(params, inputs), lambda step: (steps.append(step), states.append(step.state())))
    kinds = [step.kind for step in steps]
    assert {"scf", "dielectric", "phonons"} == set(kinds) and [step.n for step in steps] == list(range(1, len(steps) + 1))
    m = atoms.get_masses()
    charge, epsilon = result.values["born_charges"][0, 0, 0], result.values["dielectric_tensor"][0, 0]
    assert charge > 1.0 and epsilon > 3.0
    stiffer = 4 * np.pi * HARTREE_EV * BOHR_ANGSTROM * charge**2 / (atoms.get_volume() * epsilon) * (1 / m[0] + 1 / m[1])
    transverse, longitudinal = result.values["phonon_gamma"][3:], result.values["phonon_frequencies"][0, -1]
    assert np.ptp(transverse) < 1e-4 and np.abs(transverse).min() > 3.0
    assert longitudinal**2 == pytest.approx(transverse[0] * abs(transverse[0]) + THZ_PER_ROOT**2 * stiffer, rel=1e-4)
    middle = kinds.index("dielectric") + 2
    again = drain(phonons(params, inputs, resume=states[middle]))
    assert again.values["phonon_frequencies"] == pytest.approx(result.values["phonon_frequencies"], abs=1e-5)


def test_charge_and_moment_of_a_cell_are_multiplied_in_the_supercell():
    unit = bulk("Fe", a=2.87)
    lattice = Lattice(Structure.from_atoms(unit), np.diag([2, 1, 1]), 1e-5)
    calculator = DFT(cutoff=100, kpts=(2, 2, 2), total_moment=2.0, charge=0.5, charged="background", magmoms=[2.0])
    large = frozen(calculator, unit, lattice.supercell, np.diag([2, 1, 1]), lattice.origin)
    assert (large.params.total_moment, large.params.charge, large.params.magmoms) == (4.0, 1.0, (2.0, 2.0))


def test_moments_of_the_calculator_are_part_of_the_symmetry():
    """Antiferromagnetic chromium has two kinds of atoms, whoever named the moments."""
    chromium = bulk("Cr", cubic=True)
    marked = chromium.copy()
    marked.set_initial_magnetic_moments([2.0, -2.0])
    params = PhononParams(supercell="1x1x1", check_displacement=False)
    own, given, alike = (Study(Structure.from_atoms(atoms), DFT(cutoff=100, kpts=(2, 2, 2), **extra), params)
                         for atoms, extra in ((marked, {}), (chromium, {"magmoms": [2.0, -2.0]}), (chromium, {"magmoms": [2.0, 2.0]})))
    assert len(own.lattice.primitive) == len(given.lattice.primitive) == 2 > len(alike.lattice.primitive) == 1
    np.testing.assert_allclose(given.lattice.supercell.get_initial_magnetic_moments(), own.lattice.supercell.get_initial_magnetic_moments())
