"""Elastic constants with plane waves: one basis for all strains, error terms for cutoff and k-mesh, refusal of a small basis; silicon against ABINIT (slow)."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from solvers.continuum import ElasticParams, Material, basis_choice
from solvers.continuum.elastic import elastic
from solvers.core.calculators import CalculatorSpec
from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.dft import DFT
from solvers.validate import elastic as validate_elastic

COARSE = {"xc": "LDA", "cutoff": 200.0, "kpts": "2x2x2", "smearing": "none"}


def silicon(lattice=5.40):
    return Structure.coerce(bulk("Si", "diamond", a=lattice))


@pytest.fixture(scope="module")
def study():
    """A coarse calculation with all error terms, the DFT settings of every evaluation recorded."""
    seen = []
    calculate = DFT.calculate

    def recorded(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        calculate(self, atoms, properties, system_changes)
        plan = self.calculation.plan
        seen.append((tuple(plan.shape), tuple(plan.size), round(plan.cutoff, 9)))

    DFT.calculate = recorded
    try:
        params = ElasticParams(amplitudes=1, convergence=True, pulay_limit=50, check_strain=False)
        result = drain(elastic(params, {"structure": silicon(), "calculator": CalculatorSpec("dft", COARSE)}))
    finally:
        DFT.calculate = calculate
    return result, seen


def test_one_box_one_mesh_one_cutoff(study):
    _, seen = study
    assert len(set(seen)) == 3  # the study's own, the larger cutoff, the denser mesh
    assert len({box for box, size, cutoff in seen if (size, cutoff) == seen[0][1:]}) == 1
    assert {size for _, size, _ in seen} == {(2, 2, 2), (3, 3, 3)} and max(c for *_, c in seen) == pytest.approx(1.5 * min(c for *_, c in seen))


def test_error_terms_and_clamped_ions(study):
    result, _ = study
    assert not result.refused, result.refused
    material = Material.from_dict(result.material)
    assert set(material.covariance) == {"cutoff", "k-mesh"}  # one amplitude and no redundant strain: nothing scatters, and that is said
    assert "fit unknown, amplitude unknown" in material.table() and any("One amplitude" in text for text in result.warnings)
    assert material.error("k-mesh").max() > 1e9  # 2x2x2 is far from converged
    assert material.label == "0 K, static, LDA" and list(material.provenance["potentials"]) == ["GTH-PADE-q4"]
    assert len(next(iter(material.provenance["potentials"].values()))) == 64
    clamped = np.array(material.provenance["clamped_stiffness_pa"])
    assert clamped[3, 3] > material.stiffness_voigt[3, 3] + 5e9
    assert clamped[0, 0] == pytest.approx(material.stiffness_voigt[0, 0], rel=0.01)


def test_bulk_modulus_by_two_roads(study):
    """K = (C11 + 2 C12)/3 against the change of pressure with volume at the same basis."""
    result, _ = study
    c = result.values["stiffness"]
    atoms = silicon().to_atoms()
    calculator = basis_choice.fixed_calculator(CalculatorSpec("dft", COARSE), atoms, 0.01)
    pressures, volumes = [], []
    for factor in (0.995, 1.005):
        other = atoms.copy()
        other.set_cell(atoms.cell * factor, scale_atoms=True)
        other.calc = calculator
        pressures.append(-other.get_stress()[:3].mean() * 160.21766e9)
        volumes.append(other.get_volume())
    modulus = -(pressures[1] - pressures[0]) / np.log(volumes[1] / volumes[0])
    pressure = np.mean(pressures)
    # the coefficients belong to a crystal under pressure p: K = (C11 + 2 C12 + p)/3 there (Wallace); at this cutoff the jumps in the number of plane waves
    # between strains are worth 3 %
    assert (c[0, 0] + 2 * c[0, 1] + pressure) / 3 == pytest.approx(modulus, rel=0.05)


def test_a_small_basis_is_refused_after_one_point():
    seen = []
    result = drain(elastic(ElasticParams(), {"structure": silicon(), "calculator": DFT(**COARSE)}), seen.append)
    assert "Pulay stress" in result.refused and "Raise the cutoff" in result.refused and len(seen) == 1 and result.material is None


def test_an_unconverged_cycle_is_refused_and_flagged():
    result = drain(elastic(ElasticParams(pulay_limit=50, amplitudes=1, check_strain=False), {"structure": silicon(), "calculator": DFT(**COARSE, max_steps=2)}))
    assert not result.converged and "The electrons did not converge" in result.refused


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_silicon_against_abinit():
    rows = list(validate_elastic.silicon())
    assert sum(row.tolerance is not None for row in rows) == 4
    assert all(row.passed for row in rows), [row for row in rows if not row.passed]
