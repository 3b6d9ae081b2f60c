"""The calculator, the task and the restart: symmetry on and off, resumed and uninterrupted runs, carried-over starts, refusals."""
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from solvers.core.errors import MissingError, NotConvergedError, ReadError, SetupError, StructureError
from solvers.core.job import drain
from solvers.core.structure import Structure
from solvers.core.units import BOHR_ANGSTROM, EV_PER_ANGSTROM3_GPA, HARTREE_EV
from solvers.dft import DFT
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
from solvers.dft.tasks_scf import scf

CUTOFF = 8 * HARTREE_EV


def silicon(**options) -> DFT:
    return DFT(**{"cutoff": CUTOFF, "kpts": (2, 2, 2), "smearing": None, "tolerance": 1e-9, **options})


@pytest.mark.parametrize("name", ["diamond", "hcp"])
def test_symmetry_changes_nothing_but_the_number_of_k_points(name):
    if name == "diamond":
        atoms, options = bulk("Si", "diamond", a=5.43), {"grid": (24, 24, 24)}
        atoms.positions += (0.11, 0.23, -0.31)
    else:
        atoms, options = bulk("Mg", "hcp", a=3.2, c=5.2), {"smearing": ("methfessel-paxton", 0.3), "kpts": (3, 3, 2), "grid": (24, 24, 36)}
        options["pseudos"] = {"Mg": "GTH-PBE-q2"}
        atoms.positions += (0.3, 0.1, 0.7)
    found = []
    for symmetry in (True, False):
        # a box that the translations (1/4, 1/2, 1/3) divide: otherwise the two discretisations differ by the egg-box
        calculator = silicon(symmetry=symmetry, tolerance=1e-11, max_steps=100, **options)
        calculator.calculate(atoms, ("energy", "forces", "stress"))
        calculation = calculator.calculation
        found.append((calculation.energies.free, calculator.results["forces"], calculator.results["stress"], len(calculation.plan.kpoints)))
    (e, f, s, n), (e0, f0, s0, n0) = found
    assert n < n0
    assert abs(e - e0) / len(atoms) < 1e-9
    assert np.abs(f - f0).max() < 1e-4  # eV/Å; forces of an unsymmetrised run are as good as the root of its energy tolerance
    assert np.abs(s - s0).max() * EV_PER_ANGSTROM3_GPA < 2e-4
    assert np.abs(s0).max() * EV_PER_ANGSTROM3_GPA > 0.01


def test_silicon_has_the_published_energy():
    """DFTK's test of silicon (two atoms, GTH-PBE, 25 Ha, 36³ box, 3×3×3): −7.854477356672080 Ha from ABINIT."""
    half = 10.263141334 * BOHR_ANGSTROM / 2
    atoms = Atoms("Si2", cell=half * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]]), scaled_positions=[[0.125] * 3, [-0.125] * 3], pbc=True)
    calculator = DFT(cutoff=25 * HARTREE_EV, kpts=(3, 3, 3), smearing=None, tolerance=1e-9)
    assert calculator.resolve(atoms)["grid"] == (36, 36, 36)
    energy = calculator.get_potential_energy(atoms) / HARTREE_EV
    assert abs(energy + 7.854477356672080) < 2e-9
    assert calculator.density().integral() == pytest.approx(8.0, abs=1e-9)


def test_next_geometry_starts_from_the_last_one_and_ends_like_a_fresh_run():
    atoms = bulk("Si", "diamond", a=5.43)
    calculator = silicon(grid=(24, 24, 24), symmetry=False)
    calculator.get_potential_energy(atoms)
    atoms.rattle(0.01, seed=1)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.004 * np.array([[1, 0.5, 0], [0.5, -1, 0], [0, 0, 1.0]])), scale_atoms=True)
    carried = calculator.get_potential_energy(atoms)
    fresh = silicon(grid=(24, 24, 24), symmetry=False)
    assert carried == pytest.approx(fresh.get_potential_energy(atoms), abs=4e-9)
    work = [item.calculation.problem.hamiltonian.applications for item in (calculator, fresh)]
    assert work[0] < work[1]


def test_resumed_task_ends_like_the_uninterrupted_one():
    atoms = bulk("Al", "fcc", a=4.05)
    atoms.set_cell(atoms.cell.array * (1, 1, 1.02), scale_atoms=True)
    params = DFTParams(cutoff=CUTOFF, kpts=(4, 4, 4), smearing=("fermi-dirac", 0.2), tolerance=1e-9)
    inputs = {"structure": Structure.from_atoms(atoms)}
    states = []
    whole = drain(scf(params, inputs), watch=lambda step: states.append((step.n, step.state())))
    assert len(states) > 4
    for n, state in (states[0], states[3]):
        steps = []
        resumed = drain(scf(params, inputs, resume=state), watch=steps.append)
        assert steps[0].n == n + 1
        assert len(resumed.values["history"]) == len(whole.values["history"])
        for name in ("free_energy", "forces", "stress", "eigenvalues"):
            assert np.allclose(resumed.values[name], whole.values[name], rtol=0, atol=1e-10), name


def test_density_file_shortens_the_next_run(tmp_path):
    atoms = bulk("Si", "diamond", a=5.43)
    path = tmp_path / "density.npz"
    first = silicon(checkpoint=str(path))
    energy = first.get_potential_energy(atoms)
    second = silicon(checkpoint=str(path), cutoff=CUTOFF)
    assert second.get_potential_energy(atoms) == pytest.approx(energy, abs=4e-9)
    assert second.calculation.state.step < first.calculation.state.step
    path.write_bytes(b"not a density")
    with pytest.raises(ReadError, match="not a density file"):
        silicon(checkpoint=str(path)).get_potential_energy(atoms)


def test_not_converged_is_a_flag_in_the_task_and_an_error_in_the_calculator():
    atoms = bulk("Si", "diamond", a=5.43)
    result = drain(scf(DFTParams(cutoff=CUTOFF, smearing=None, max_steps=2), {"structure": atoms}))
    assert not result.converged and result.exit_code == 3 and len(result.values["history"]) == 2
    assert any("Not converged" in text for text in result.warnings)
    with pytest.raises(NotConvergedError, match="2 steps"):
        silicon(max_steps=2).get_potential_energy(atoms)
    assert np.isfinite(silicon(max_steps=2, strict=False).get_potential_energy(atoms))


def test_one_box_and_one_mesh_for_all_strains():
    atoms = bulk("Si", "diamond", a=5.43)
    frozen = DFT(cutoff=CUTOFF, kpts={"spacing": 0.5}, smearing=None).frozen_for(atoms, strain=0.02)
    reference = frozen.resolve(atoms)
    for strain in (-0.02, 0.02):
        other = atoms.copy()
        other.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
        assert frozen.resolve(other) == reference
        assert not any("aliasing" in text for text in frozen.plan(other).warnings)


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"atoms": Atoms("Al", cell=[4, 4, 4], pbc=True), "smearing": None}, SetupError, "3 valence electrons cannot fill"),
    ({"atoms": Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.1]], cell=[4, 4, 4], pbc=True)}, StructureError, "0.1 Å apart"),
    ({"atoms": Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]])}, StructureError, "cell is singular"),
    ({"atoms": Atoms("Fr", cell=[4, 4, 4], pbc=True)}, MissingError, "no potential for element 'Fr'"),
    ({"xc": "B3LYP"}, SetupError, "B3LYP"),
    ({"magmoms": (1.0,)}, SetupError, "1 moments for 2 atoms"),
    ({"magmoms": (5.0, 0.0)}, SetupError, "more than its 4 valence electrons"),
    ({"magmoms": (1.0, -1.0), "spin": "none"}, SetupError, "contradicts magnetic moments"),
    ({"total_moment": 9.0}, SetupError, "more than the 8 valence electrons"),
    ({"total_moment": 1.0}, SetupError, "cannot fill whole bands"),
    ({"charge": 1.0}, SetupError, "charged = background"),
    ({"grid": (6, 6, 6)}, SetupError, "too small for this cutoff"),
    ({"pseudos": {"Si": "GTH-PBE-q99"}}, MissingError, "no potential named"),
    ({"cutof": 300}, SetupError, "Did you mean 'cutoff'"),
])
def test_refusals_say_what_to_do(change, error, words):
    atoms = change.pop("atoms", None) or bulk("Si", "diamond", a=5.43)
    with pytest.raises(error, match=words):
        silicon(**change).get_potential_energy(atoms)


def test_open_shell_elements_start_with_moments():
    """Parallel where nobody says anything, else the parameter's, else the structure's own; zeros mean non-magnetic."""
    iron = Structure.from_atoms(Atoms("Fe", cell=bulk("Fe", "bcc", a=2.83).cell, pbc=True))
    plan = make_plan(iron, DFTParams(cutoff=400.0))
    assert plan.n_spin == 2 and plan.moments.tolist() == [4.0] and any("no moments were given" in text for text in plan.warnings)
    assert make_plan(iron, DFTParams(cutoff=400.0, magmoms=(0.0,))).n_spin == 1
    own = make_plan(Structure.from_atoms(Atoms("Fe", cell=iron.cell, pbc=True, magmoms=[1.5])), DFTParams(cutoff=400.0))
    assert own.moments.tolist() == [1.5] and not any("moments" in text for text in own.warnings)
    assert make_plan(Structure.from_atoms(bulk("K", "bcc", a=5.3)), DFTParams(cutoff=400.0)).n_spin == 1
    oxygen = Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.2]], cell=[7, 7, 8], pbc=True)
    assert make_plan(Structure.from_atoms(oxygen), DFTParams(cutoff=400.0, smearing=None)).total_moment == 2.0


def test_estimate_needs_no_engine_and_matches_the_run():
    code = """
import sys
from ase.build import bulk
from solvers.core.structure import Structure
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan
e = make_plan(Structure.from_atoms(bulk('Si', 'diamond', a=5.43)), DFTParams(cutoff=300.0, kpts='3x3x3')).estimate()
assert 'torch' not in sys.modules and 'numba' not in sys.modules, 'heavy import'
print(e['n_kpoints'], e['n_plane_waves'])
"""
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert out.returncode == 0, out.stderr
    n_k, n_pw = map(int, out.stdout.split())
    calculator = DFT(cutoff=300.0, kpts="3x3x3", smearing=None, tolerance=1e-5)
    calculator.get_potential_energy(bulk("Si", "diamond", a=5.43))
    basis = calculator.calculation.problem.basis
    assert len(basis.kpoints) == n_k and abs(basis.n_plane_waves - n_pw) < 0.1 * n_pw


def test_pulay_estimate_follows_the_true_derivative():
    """Against (2/3Ω) dE/d ln E_cut by central differences over ±12 %, a deliberately small cutoff: within 40 %."""
    atoms = bulk("C", "diamond", a=3.57)
    options = {"kpts": (3, 3, 3), "smearing": None, "tolerance": 1e-8}
    middle = 22 * HARTREE_EV
    calculator = DFT(cutoff=middle, **options)
    calculator.calculate(atoms, ("energy", "stress"))
    low, high = (DFT(cutoff=middle * factor, **options).get_potential_energy(atoms) for factor in (0.88, 1.12))
    expected = 2 / (3 * atoms.get_volume()) * (high - low) / np.log(1.12 / 0.88)
    assert abs(expected) * EV_PER_ANGSTROM3_GPA > 5.0
    assert calculator.results["pulay_stress"] == pytest.approx(expected, rel=0.4)


def test_a_refused_structure_never_gets_the_numbers_of_the_one_before():
    calculator = DFT(cutoff=60, smearing=None, spin="none", tolerance=1e-3)
    helium, odd = (Atoms(name, cell=[4, 4, 4], pbc=True) for name in ("He", "H"))
    assert np.isfinite(calculator.get_potential_energy(helium))
    for _ in range(2):
        with pytest.raises(SetupError, match="1 valence electrons cannot fill"):
            calculator.get_potential_energy(odd)
    assert np.isfinite(calculator.get_potential_energy(helium))
