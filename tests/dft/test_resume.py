"""What is stored and taken up again fits together: other batches of k-points, unconverged cycles, verdicts, files, devices."""
from __future__ import annotations

import errno
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import SetupError, StorageError
from solvers.core.job import drain
from solvers.core.params import from_dict
from solvers.core.structure import Structure
from solvers.dft import DFT, calculation, checkpoint, tasks_hubbard, tasks_surface
from solvers.dft import forces as forces_module
from solvers.dft.calculation import Calculation
from solvers.dft.extra import Term
from solvers.dft.forces import forces
from solvers.dft.nonscf import FixedPotential
from solvers.dft.params import DFTParams
from solvers.dft.params_electrons import StmParams
from solvers.dft.params_response import HubbardUParams
from solvers.dft.plan import make_plan
from solvers.dft.response import DielectricParams, dielectric
from solvers.phonons.supercell import frozen

SILICON = {"cutoff": 80.0, "kpts": "2x2x2", "xc": "LDA", "device": "cpu"}


def rattled():
    atoms = bulk("Si")
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.mark.parametrize("before, after", [(1, 2), (3, 1)])
def test_a_response_goes_on_with_other_batches_of_kpoints(monkeypatch, before, after):
    """As on another device, or on a card with other free memory."""
    params, inputs = DielectricParams(xc="LDA", cutoff=60.0, kpts="1x1x4", device="cpu"), {"structure": Structure.from_atoms(bulk("BN", "zincblende", a=3.6))}
    monkeypatch.setattr(calculation, "_batch_size", lambda *given: before)
    steps, states = dielectric(params, inputs), []
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            whole = stop.value
            break
        if step.kind == "dielectric":
            states.append(step.state())
    monkeypatch.setattr(calculation, "_batch_size", lambda *given: after)
    again = drain(dielectric(params, inputs, resume=states[1]))
    assert len(states) > 3 and again.values["iterations"] == whole.values["iterations"] == len(states)
    np.testing.assert_allclose(again.values["dielectric_tensor"], whole.values["dielectric_tensor"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(again.values["born_charges"], whole.values["born_charges"], atol=1e-6)
    assert abs(whole.values["dielectric_tensor"][0, 0]) > 1.5


@pytest.mark.parametrize("change, words", [({"hubbard": "Si-3p=2.0"}, r"not available with DFT\+U"), ({"xc": "HSE06"}, "not available with HSE06"),
                                           ({"xc": "PBE0"}, "not available with PBE0"), ({"xc": "r2SCAN"}, "not available with r2SCAN")])
def test_a_response_refuses_by_name_what_it_cannot_do(change, words):
    with pytest.raises(SetupError, match=words):
        next(dielectric(DielectricParams(**SILICON | change), {"structure": Structure.from_atoms(rattled())}))


def test_the_potential_of_an_unconverged_cycle_is_that_of_one_step():
    """Density and occupation matrices of the same input; the mixer has meanwhile made the next ones."""
    plan = make_plan(Structure.from_atoms(rattled()), DFTParams(**SILICON | {"kpts": "1x1x2", "hubbard": "Si-3p=3.0", "max_steps": 3}))
    unconverged = Calculation(plan)
    used, set_density = [], unconverged.problem.set_density
    unconverged.problem.set_density = lambda rho, unknowns: used.append((rho, unknowns)) or set_density(rho, unknowns)
    list(unconverged.run())
    fixed, (rho, unknowns) = FixedPotential.of(unconverged), used[2]
    assert not unconverged.ground.converged and len(used) == 3
    assert torch.equal(fixed.rho, rho) and torch.equal(fixed.unknowns[0], unknowns[0])
    assert not torch.equal(unconverged.state.unknowns[0], unknowns[0])


def test_a_cycle_that_did_not_converge_is_remembered_over_a_resume(monkeypatch):
    monkeypatch.setattr(tasks_hubbard, "pack", lambda state: {})
    params = HubbardUParams(**SILICON | {"kpts": "1x1x1", "shells": ("Si-3p",)})
    structure, params = tasks_hubbard._repeated(Structure.from_atoms(rattled()), params)
    work = tasks_hubbard._Work(structure, params, None)
    work.calculation = SimpleNamespace(state=None)
    for verdict in (True, False):
        work.converged = verdict
        assert tasks_hubbard._Work(structure, params, work._pack()).converged is verdict


def test_an_image_counts_every_spin_from_its_own_fermi_energy(monkeypatch):
    """Where the total moment is fixed the spins have two of them."""
    seen = []

    def settled(plan, workers, resume, share):
        yield from ()
        return SimpleNamespace(fixed=SimpleNamespace(fermi_energy=0.1, fermi_energies=np.array([0.1, -0.2])), n_filled=1)

    class Captured(Exception):
        pass

    def selected(base, kpoints, weights, group, n_bands, tolerance, filling, resume):
        seen.append(filling)
        raise Captured
    monkeypatch.setattr(tasks_surface, "settled", settled)
    monkeypatch.setattr(tasks_surface, "SelectedDensity", selected)
    slab = Atoms("H", [[0, 0, 4]], cell=[3, 3, 8], pbc=True)
    with pytest.raises(Captured):
        next(tasks_surface.stm(StmParams(cutoff=100.0, bias=-1.0, magmoms=(1.0,), device="cpu"), {"structure": Structure.from_atoms(slab)}))
    levels = np.array([[[0.1 - 0.018]], [[-0.2 - 0.018]]])  # half an eV below the Fermi energy of each spin
    np.testing.assert_allclose(seen[0](levels), np.ones((2, 1, 1)), atol=1e-3)
    np.testing.assert_allclose(seen[0](levels + 0.1), np.zeros((2, 1, 1)), atol=1e-3)


def test_a_density_that_cannot_be_written_leaves_nothing_behind(monkeypatch, tmp_path):
    fake = SimpleNamespace(problem=SimpleNamespace(grid=SimpleNamespace(volume=1.0, shape=(2, 2, 2))), ground=SimpleNamespace(rho=torch.ones(1, 2, 2, 2)),
                           bonding=torch.ones(1, 2, 2, 2), plan=make_plan(Structure.from_atoms(rattled()), DFTParams(**SILICON)))

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(checkpoint.np, "savez", full)
    with pytest.raises(StorageError, match="No space left"):
        checkpoint.save_density(str(tmp_path / "rho.npz"), fake)
    assert list(tmp_path.iterdir()) == []


def test_displaced_supercells_leave_the_file_of_the_unit_cell_alone(tmp_path):
    atoms = bulk("Si")
    live = frozen(CalculatorSpec("dft", {**SILICON, "checkpoint": str(tmp_path / "rho.npz")}), atoms, atoms.repeat((2, 1, 1)), np.diag([2, 1, 1]),
                  np.array([0, 1, 0, 1]))
    assert isinstance(live, DFT) and live.params.checkpoint is None


def test_a_term_without_unknowns_has_them_on_the_device_of_the_basis():
    term = Term(SimpleNamespace(basis=SimpleNamespace(device="meta")))
    assert term.start(torch.zeros(1)).device.type == term.output([], torch.zeros(1)).device.type == "meta"


def test_forces_of_a_magnet_that_is_not_yet_self_consistent_know_its_magnetisation(monkeypatch):
    """The moment rides on the atom like its electrons do: leaving that out makes the error of an early stop larger."""
    atoms = Atoms("H2", [[0, 0, 0], [0.02, 0.05, 1.3]], cell=[4.0, 4.2, 4.4], pbc=True)
    settings = {"xc": "LDA", "cutoff": 150.0, "device": "cpu", "magmoms": [1.0, 1.0], "total_moment": 2.0}

    def solved(**more):
        live = Calculation(make_plan(Structure.from_atoms(atoms), from_dict(DFTParams, settings | more)))
        list(live.run())
        return live
    whole = solved(tolerance=1e-10)
    exact = forces(whole.problem, whole.ground)
    early = solved(max_steps=2)
    assert not early.ground.converged and abs(whole.total_moment - 2.0) < 1e-6
    error = np.abs(forces(early.problem, early.ground) - exact).max()
    monkeypatch.setattr(forces_module, "local_moments", lambda problem, rho: np.zeros(2))
    without = np.abs(forces(early.problem, early.ground) - exact).max()
    assert error < 0.5 * without and without > 1e-5, (error, without)
