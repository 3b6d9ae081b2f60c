"""Elastic constants from model crystals whose answers are known in closed form, in any frame; refusals; resume."""
from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from scipy.spatial.transform import Rotation

from solvers.continuum import ElasticParams, Material, elastic_constants
from solvers.continuum.elastic import elastic
from solvers.continuum.tensor import rotate, voigt_stiffness
from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import RefusedError, SetupError
from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.validate import elastic as validate_elastic
from solvers.validate.cases import elastic as cases
from solvers.validate.peers.model_crystals import Springs, StillingerWeber, quartz, springs_stiffness, triclinic

TINY = cases.TINY


crystals = validate_elastic.model_crystals


def turned(atoms, seed):
    out = atoms.copy()
    r = Rotation.random(random_state=seed).as_matrix()
    out.set_cell(atoms.cell.array @ r.T)
    out.positions = atoms.positions @ r.T
    return out, r


def judged(rows):
    rows = list(rows)
    assert rows and all(row.tolerance is not None for row in rows)
    assert all(row.passed for row in rows), [row for row in rows if not row.passed]


def test_nearest_neighbour_springs_on_fcc():
    judged(validate_elastic.harmonic_fcc())


@pytest.mark.parametrize("name", ["fcc", "hcp", "quartz", "triclinic"])
@pytest.mark.parametrize("seed", [None, 11])
def test_springs_in_closed_form_and_any_frame(name, seed):
    atoms, reach = crystals()[name]
    if seed is not None:
        atoms, _ = turned(atoms, seed)
    springs = Springs(atoms, reach)
    relaxed, clamped = (voigt_stiffness(c) for c in springs_stiffness(springs, atoms))
    material = elastic_constants(atoms, springs, **TINY)
    scale = np.abs(relaxed).max()
    assert np.abs(material.stiffness_voigt - relaxed).max() < cases.MODEL * scale
    assert np.abs(np.array(material.provenance["clamped_stiffness_pa"]) - clamped).max() < cases.MODEL * scale
    if name != "fcc":
        assert np.abs(relaxed - clamped).max() > 1e-3 * scale  # the ions do matter here
    expected = {"fcc": 3, "hcp": 5, "quartz": 6, "triclinic": 21}
    result = drain(elastic(ElasticParams(**TINY), {"structure": Structure.coerce(atoms), "calculator": springs}))
    assert result.settings["n_independent"] == expected[name]


def test_a_rotated_crystal_has_the_rotated_tensor_and_the_rotated_lattice():
    atoms = quartz()
    other, r = turned(atoms, 5)
    one, two = (elastic_constants(a, Springs(a, 3.5), strain=5e-3, force_tolerance=1e-8, axes="structure") for a in (atoms, other))
    assert two.stiffness_voigt == pytest.approx(rotate(one.stiffness_voigt, r), rel=1e-6, abs=1e-6 * one.stiffness_voigt.max())
    assert np.abs(two.stiffness_voigt - one.stiffness_voigt).max() > 1e9
    assert two.young_modulus(two.axes) == pytest.approx(one.young_modulus(one.axes), rel=1e-6)


def test_any_cell_of_a_crystal_gives_the_constants_of_the_handbook():
    plain = elastic_constants(bulk("Cu", "fcc", a=3.59), EMT())
    atoms, r = turned(bulk("Cu", "fcc", a=3.59), 3)
    other = elastic_constants(atoms, EMT())
    free = elastic_constants(atoms, EMT(), axes="structure")
    assert np.abs(free.stiffness_voigt - plain.stiffness_voigt).max() > 1e9
    for material in (plain, other):
        c = material.stiffness_voigt
        assert np.abs(c[:3, 3:]).max() < 1e-6 * c[0, 0] and np.ptp(np.diag(c)[:3]) < 1e-6 * c[0, 0] and np.ptp(np.diag(c)[3:]) < 1e-6 * c[0, 0]
        assert material.lattice == pytest.approx(3.59 * np.eye(3), abs=1e-6) and material.name == "Cu"
    assert other.stiffness_voigt == pytest.approx(plain.stiffness_voigt, rel=1e-6, abs=1e-6 * c[0, 0])
    back = other.rotated(np.array(other.provenance["rotation_from_structure"]).T)
    assert back.stiffness_voigt == pytest.approx(free.stiffness_voigt, rel=1e-9, abs=1e-9 * c[0, 0])
    assert np.sqrt(np.diag(back.covariance["fit"])) == pytest.approx(np.sqrt(np.diag(free.covariance["fit"])), rel=1e-5, abs=1e3)


def test_conventional_lattice_goes_with_the_tensor():
    """[110] of a primitive fcc cell means the cubic [110]."""
    atoms = bulk("Cu", "fcc", a=3.59)
    material = elastic_constants(atoms, EMT())
    c = material.stiffness_voigt
    s11, s12, s44 = np.linalg.inv(c)[0, 0], np.linalg.inv(c)[0, 1], 1 / c[3, 3]
    assert material.rotated("[110],[001]").young_modulus(np.array([1, 0, 0])) == pytest.approx(1 / (s11 - (s11 - s12 - s44 / 2) / 2), rel=1e-9)
    assert np.linalg.norm(material.lattice, axis=1) == pytest.approx(3.59)


def test_pair_potential_at_zero_stress_obeys_cauchy():
    judged(validate_elastic.cauchy())


@pytest.mark.parametrize("cubic", [False, True])
def test_stillinger_weber_silicon(cubic):
    """Computed independently for ε = 2.1683 eV: 151.42, 76.42, 56.45 and clamped C44 109.76 GPa."""
    material = elastic_constants(bulk("Si", "diamond", a=5.43095, cubic=cubic), StillingerWeber(), strain=2e-3, force_tolerance=1e-7)
    c = material.stiffness_voigt / 1e9
    assert (c[0, 0], c[0, 1], c[3, 3]) == pytest.approx([cases.STILLINGER_WEBER[name] for name in ("C11", "C12", "C44")], abs=cases.STILLINGER_WEBER_TOLERANCE)
    clamped = np.array(material.provenance["clamped_stiffness_pa"]) / 1e9
    assert "clamped ions  C11" in material.table() and "clamped ions" not in material.rotated("[110]").table()
    assert clamped[3, 3] == pytest.approx(cases.STILLINGER_WEBER["clamped C44"], abs=cases.STILLINGER_WEBER_TOLERANCE) and clamped[0,
                                                                                                                                   0] == pytest.approx(c[0, 0],
                                                                                                                                                       abs=0.02)


def test_without_relaxation_the_constants_are_the_clamped_ones_and_say_so():
    material = elastic_constants(bulk("Si", "diamond", a=5.43095), StillingerWeber(), strain=2e-3, relax_ions=False)
    assert material.stiffness_voigt[3, 3] / 1e9 == pytest.approx(109.76, abs=0.02)
    assert "clamped" in material.label and "CLAMPED" in material.table()


def test_error_bar_covers_the_size_of_the_strain():
    """With large strains the truncation error is real, and the amplitude term must cover it."""
    atoms = bulk("Cu", "fcc", a=3.59)
    exact = elastic_constants(atoms, EMT(), strain=2e-4).stiffness_voigt
    for strain in (0.005, 0.01, 0.02):
        material = elastic_constants(atoms, EMT(), strain=strain)
        assert (np.abs(material.stiffness_voigt - exact) <= material.error() + 1e3).all()
        assert set(material.covariance) == {"fit", "amplitude"}
    assert material.error("amplitude").max() > 1e8


def test_one_amplitude_without_a_redundant_strain_has_no_error_bar_rather_than_zero():
    result = drain(elastic(ElasticParams(amplitudes=1, check_strain=False), {"structure": Structure.coerce(bulk("Cu", "fcc", a=3.59)), "calculator": EMT()}))
    assert "stiffness_error" not in result.values and not result.refused
    assert "uncertainty: unknown" in Material.from_dict(result.material).table()
    assert "fit" in elastic_constants(bulk("Cu", "fcc", a=3.59), EMT(), amplitudes=1).covariance


def test_density_and_provenance():
    atoms = bulk("Si", "diamond", a=5.431)
    material = elastic_constants(atoms, StillingerWeber(), strain=2e-3)
    assert material.density == pytest.approx(2329, abs=2) and material.atoms_per_volume == pytest.approx(8 / 5.431e-10**3)
    assert material.label == "0 K, static" and material.validity == (0, 0)
    assert material.provenance["space_group"] == "Fd-3m (227)"
    assert Material.from_dict(material.to_dict()).to_dict() == material.to_dict()
    assert "model error not included: the interatomic potential StillingerWeber" in material.table()


def test_a_calculator_spec_works_like_a_live_calculator():
    atoms = bulk("Al", "fcc", a=3.995)
    live, spec = elastic_constants(atoms, EMT()), elastic_constants(atoms, CalculatorSpec("emt"))
    assert live.stiffness_voigt == pytest.approx(spec.stiffness_voigt, rel=1e-9, abs=1)
    assert elastic_constants(atoms, "emt").stiffness_voigt == pytest.approx(spec.stiffness_voigt, rel=1e-9, abs=1)


# ---- killed and resumed ------------------------------------------------------------------------------------------------------------------------
def test_killed_at_any_step_and_resumed():
    atoms = bulk("Si", "diamond", a=5.43095)
    inputs = {"structure": Structure.coerce(atoms), "calculator": StillingerWeber()}
    params = ElasticParams(strain=5e-3)
    whole, states = [], []
    steps = elastic(params, inputs)
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            reference = stop.value
            break
        whole.append(step)
        states.append(step.state())
    assert len(whole) == 1 + 4 + 2 and [step.n for step in whole] == list(range(1, 8)) and whole[-1].progress == 1
    for n, state in enumerate(states, 1):
        rest = []
        result = drain(elastic(params, {"structure": inputs["structure"], "calculator": StillingerWeber()}, resume=state), rest.append)
        assert [step.n for step in rest] == list(range(n + 1, 8))
        assert np.array_equal(result.values["stiffness"], reference.values["stiffness"])
        assert result.material == reference.material
    with pytest.raises(SetupError, match="other strains"):
        next(elastic(params, {"structure": Structure.coerce(triclinic()), "calculator": StillingerWeber()}, resume=states[0]))


def test_steps_carry_frames_with_forces_and_stress():
    step = next(elastic(ElasticParams(), {"structure": Structure.coerce(bulk("Cu", "fcc", a=3.59)), "calculator": EMT()}))
    assert step.kind == "elastic" and step.frame.get_forces().shape == (1, 3) and step.frame.get_stress().shape == (6,)


# ---- gates ----------------------------------------------------------------------------------------------------------------------------------------
def test_unstable_crystal_is_refused_in_words():
    # bcc springs between first neighbours alone do not resist shear along (110)[1-10]
    atoms = bulk("Fe", "bcc", a=2.87)
    with pytest.raises(RefusedError, match="unstable \\(Born\\)"):
        elastic_constants(bulk("Cu", "bcc", a=2.87), EMT())
    result = drain(elastic(ElasticParams(check_strain=False, **TINY), {"structure": Structure.coerce(atoms), "calculator": Springs(atoms, 2.6)}))
    assert "unstable" in result.refused or np.linalg.eigvalsh(result.values["stiffness"])[0] < 1e-3 * result.values["stiffness"].max()


def test_hidden_low_symmetry_is_caught_by_the_redundant_strain():
    """Told that an almost hexagonal crystal is hexagonal, the fit looks perfect; the redundant strain says no."""
    atoms, reach = crystals()["triclinic"]
    springs = Springs(atoms, reach)

    class Skewed(Springs):
        pass

    cubic = bulk("Cu", "fcc", a=3.6, cubic=True)
    skewed = Skewed(cubic, 2.9)
    skewed.k = skewed.k * (1 + 0.5 * (np.abs(skewed.vectors[:, 2]) < 1e-6))  # bonds in the xy plane are stiffer: tetragonal, though the atoms look cubic
    with pytest.raises(RefusedError, match="redundant strain.*differs from the fitted tensor by"):
        elastic_constants(cubic, skewed, strain=2e-3)
    assert elastic_constants(atoms, springs, strain=2e-3) is not None


class Wrapped(Calculator):
    """A calculator with something wrong: noise on the stress, a Pulay estimate, or a cycle that does not converge."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, inner, noise=0.0, pulay=None, converged=True, stress=True):
        super().__init__()
        self.inner, self.noise, self.pulay, self.ok = inner, noise, pulay, converged
        self.rng = np.random.default_rng(0)
        if not stress:
            self.implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        copy = self.atoms.copy()
        copy.calc = self.inner
        self.results = {"energy": copy.get_potential_energy(), "free_energy": copy.get_potential_energy(), "forces": copy.get_forces(),
                        "stress": copy.get_stress() + self.noise * self.rng.normal(size=6), "converged": self.ok}
        if self.pulay is not None:
            self.results["pulay_stress"] = self.pulay


def refusal(calculator, **params):
    result = drain(elastic(ElasticParams(**params), {"structure": Structure.coerce(bulk("Cu", "fcc", a=3.59)), "calculator": calculator}))
    assert result.exit_code == 3 and result.material is None
    return result


def test_large_pulay_stress_is_refused_at_once():
    seen = []
    result = drain(elastic(ElasticParams(), {"structure": Structure.coerce(bulk("Cu", "fcc", a=3.59)), "calculator": Wrapped(EMT(), pulay=0.01)}), seen.append)
    assert "1.60 GPa (Pulay stress); at most 0.5 GPa" in result.refused and len(seen) == 1
    elastic_constants(bulk("Cu", "fcc", a=3.59), Wrapped(EMT(), pulay=0.001))


def test_unconverged_cycles_are_refused_and_flagged():
    result = refusal(Wrapped(EMT(), converged=False))
    assert not result.converged and "The electrons did not converge at 7 of 7 strains (unstrained" in result.refused


def test_unconverged_ions_are_refused():
    result = drain(elastic(ElasticParams(force_tolerance=1e-9, max_ion_steps=1),
                           {"structure": Structure.coerce(bulk("Si", "diamond", a=5.43)), "calculator": StillingerWeber()}))
    assert "The ions did not converge" in result.refused and not result.converged


def test_noise_is_refused():
    assert "unexplained" in refusal(Wrapped(EMT(), noise=2e-3)).refused


def test_what_cannot_work_is_said_before_anything_runs():
    with pytest.raises(SetupError, match="offers no stress"):
        elastic_constants(bulk("Cu", "fcc", a=3.59), Wrapped(EMT(), stress=False))
    molecule = Atoms("CO", [[0, 0, 0], [0, 0, 1.1]], cell=[8, 8, 8], pbc=[True, True, False])
    with pytest.raises(SetupError, match="periodic in 2 of 3 directions"):
        elastic_constants(molecule, EMT())
    with pytest.raises(SetupError, match="strain = 0.5 is out of range"):
        elastic_constants(bulk("Cu", "fcc", a=3.59), EMT(), strain=0.5)
    with pytest.raises(SetupError, match="Did you mean 'strain'"):
        elastic_constants(bulk("Cu", "fcc", a=3.59), EMT(), strian=0.01)


def test_a_force_field_that_never_saw_a_stress_is_refused():
    class Blind(EMT):
        trained_on = frozenset(("energy", "forces"))

    with pytest.raises(RefusedError, match="trained without stresses.*frames that carry a stress"):
        elastic_constants(bulk("Cu", "fcc", a=3.59), Blind())
