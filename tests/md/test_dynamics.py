"""Molecular dynamics: conservation and its order, reversibility, Langevin equilibrium, resume to the bit, failures."""
from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms, FixedPlane

from plugins.calculators.emt import effective_medium
from solvers.core.errors import NonFiniteError, SetupError
from solvers.core.job import drain
from solvers.core.potential import Forces
from solvers.core.structure import Structure
from solvers.core.units import ACCELERATION, BOLTZMANN_EV
from solvers.md import MDParams, run
from solvers.md.integrators import kinetic_energy
from solvers.md.statistics import Line


class Springs:
    """Every atom on a spring of `stiffness` eV/Å² to its site, with a quartic term; an exactly known crystal."""

    device = "numpy"

    def __init__(self, sites, stiffness=2.0, quartic=0.0):
        self.sites, self.stiffness, self.quartic, self.calls = np.array(sites), stiffness, quartic, 0

    def compute(self, state, *, virial=False):
        self.calls += 1
        u = state.positions - self.sites
        energy = 0.5 * self.stiffness * (u**2).sum() + 0.25 * self.quartic * (u**4).sum()
        return Forces(energy, -self.stiffness * u - self.quartic * u**3)


def copper(n=2):
    return Structure.from_atoms(bulk("Cu", cubic=True) * (n, n, n))


def simulate(structure, calculator, watch=None, **params):
    return drain(run(MDParams(**params), {"structure": structure, "calculator": calculator}), watch)


def test_energy_error_falls_with_the_square_of_the_time_step():
    structure = copper(1)
    errors = []
    for timestep in (4.0, 2.0, 1.0):
        energies = []
        simulate(structure, Springs(structure.positions, 4.0, 8.0), lambda step, energies=energies: energies.append(step.values["total_energy"]),
                 timestep=timestep, steps=int(400 / timestep), interval=1, temperature=900.0, seed=3, remove_drift=False)
        errors.append(np.std(energies))
    assert errors[-1] > 1e-8
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.15)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.1)


def test_copper_conserves_energy():
    result = simulate(copper(), effective_medium(), timestep=2.0, steps=400, interval=5, temperature=600.0, seed=1, equilibration=50)
    assert abs(result.values["energy_drift"]) < 3 * result.settings["energy_drift_standard_error"] + 5e-3
    assert 200 < result.values["temperature"] < 500  # half of the 600 K went into the lattice
    assert result.values["atom_steps_per_s"] > 0 and result.settings["samples"] == 70
    momentum = 63.546 * result.structure.arrays["velocities"].sum(axis=0)
    assert np.abs(momentum).max() < 1e-10


def test_reversed_velocities_lead_back():
    structure = copper()
    there = simulate(structure, effective_medium(), timestep=3.0, steps=60, temperature=500.0, seed=2)
    moved = np.abs(there.structure.positions - structure.positions).max()
    turned = there.structure.with_(arrays={"velocities": -there.structure.arrays["velocities"]})
    back = simulate(turned, effective_medium(), timestep=3.0, steps=60, velocities="keep")
    assert moved > 0.05
    assert np.abs(back.structure.positions - structure.positions).max() < 1e-9


def test_langevin_reaches_the_canonical_distribution():
    """Kinetic energy: mean and variance of a χ² distribution; configurational temperature: k⟨u²⟩ = kT, exact for BAOAB on a harmonic crystal."""
    structure = copper(3)  # 108 atoms: 324 independent oscillators
    temperature, stiffness = 300.0, 3.0
    kinetic, spread = [], []

    def watch(step):
        if step.n >= 1000 and step.frame is not None:
            kinetic.append(step.values["kinetic_energy"])
            spread.append(((step.frame.positions - structure.positions) ** 2).mean())

    simulate(structure, Springs(structure.positions, stiffness), watch, ensemble="nvt", temperature=temperature, timestep=5.0, friction_time=60.0, steps=41000,
             interval=50, seed=11, remove_drift=False)
    freedom = 3 * len(structure)
    kt = BOLTZMANN_EV * temperature
    n = len(kinetic)
    assert n > 700
    omega_dt = 5.0 * np.sqrt(stiffness * ACCELERATION / 63.546)
    assert omega_dt > 0.1  # a step long enough to see errors
    assert stiffness * np.mean(spread) == pytest.approx(kt, rel=4 * np.sqrt(2 / (n * freedom)) + 2e-3)
    assert np.mean(kinetic) == pytest.approx(0.5 * freedom * kt * (1 - omega_dt**2 / 4), rel=4 * np.sqrt(2 / (n * freedom)) + 2e-3)
    assert np.var(kinetic) == pytest.approx(0.5 * freedom * kt**2, rel=5 * np.sqrt(2 / n))


def test_conserved_energy_of_langevin_runs_accounts_for_the_heat():
    structure = copper(1)
    totals, conserved = [], []

    def watch(step):
        totals.append(step.values["total_energy"])
        conserved.append(step.values["conserved_energy_ev"])

    simulate(structure, Springs(structure.positions), watch, ensemble="nvt", temperature=600.0, timestep=1.0, steps=2000, friction_time=50.0, seed=4)
    assert np.std(totals) > 0.05 > 20 * np.std(conserved)


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_resumed_runs_give_the_same_bits(ensemble):
    structure = copper()
    params = MDParams(ensemble=ensemble, steps=60, interval=7, temperature=700.0, seed=5, timestep=4.0, equilibration=10)
    states = {}
    inputs = {"structure": structure, "calculator": effective_medium()}
    whole = drain(run(params, inputs), lambda step: states.__setitem__(step.n, step.state()))
    assert {7, 56, 60} <= set(states)
    for n in (7, 35, 60):
        stored = {name: np.array(value) for name, value in states[n].items()}
        seen = []
        again = drain(run(params, {**inputs, "calculator": effective_medium()}, resume=stored), lambda step, seen=seen: seen.append(step.n))
        assert min(seen, default=61) > n
        for name in set(whole.values) - {"wall_s", "atom_steps_per_s"}:
            assert np.array_equal(again.values[name], whole.values[name]), name
        assert again.structure == whole.structure


def test_seeds_decide_everything():
    structure = copper(1)
    runs = [simulate(structure, effective_medium(), ensemble="nvt", steps=20, seed=seed).structure for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_fixed_atoms_do_not_move():
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.set_constraint(FixAtoms([0, 3]))
    result = simulate(Structure.from_atoms(atoms), effective_medium(), ensemble="nvt", steps=50, temperature=800.0)
    moved = np.abs(result.structure.positions - atoms.positions).max(axis=1)
    assert (moved[[0, 3]] == 0).all() and (moved[[1, 2, 4, 5, 6, 7]] > 1e-3).all()
    assert result.settings["degrees_of_freedom"] == 18
    atoms.set_constraint(FixedPlane([0], (0, 0, 1)))
    with pytest.raises(SetupError, match="FixedPlane"):
        simulate(Structure.from_atoms(atoms), effective_medium())


def test_velocities_of_ase_are_understood():
    atoms = bulk("Cu", cubic=True)
    atoms.set_momenta(np.random.default_rng(0).normal(size=(4, 3)))
    structure = Structure.from_atoms(atoms)
    steps = run(MDParams(steps=1, timestep=1e-4, interval=1, remove_drift=False), {"structure": structure, "calculator": effective_medium()})
    first = next(steps)
    assert first.values["kinetic_energy"] == pytest.approx(atoms.get_kinetic_energy(), rel=1e-6)
    assert kinetic_energy(atoms.get_masses(), first.frame.arrays["velocities"]) == pytest.approx(atoms.get_kinetic_energy(), rel=1e-6)


def test_nan_stops_with_atom_and_last_good_frame():
    structure = copper(1)

    class Breaks(Springs):
        def compute(self, state, *, virial=False):
            found = super().compute(state)
            if self.calls > 14:
                found.forces[2, 1] = np.nan
            return found

    steps = run(MDParams(steps=100, interval=10), {"structure": structure, "calculator": Breaks(structure.positions)})
    seen = []
    with pytest.raises(NonFiniteError, match=r"Step 14: The force on atom 2.*Step 13 is the last good frame"):
        for step in steps:
            seen.append(step)
    assert [step.n for step in seen if step.frame is not None] == [10, 13]
    assert np.isfinite(seen[-1].frame.positions).all()


def test_bad_input_is_named():
    with pytest.raises(SetupError, match="no velocities to keep"):
        simulate(copper(1), effective_medium(), velocities="keep")
    with pytest.raises(SetupError, match="leaves nothing"):
        MDParams(steps=10, equilibration=10)
    with pytest.raises(SetupError, match="timestep = 50"):
        MDParams(timestep=50.0)


def test_line_agrees_with_polyfit():
    rng = np.random.default_rng(1)
    t = 1e6 + np.arange(50.0)
    y = -4e5 + 3e-4 * t + rng.normal(0, 1e-3, 50)
    line = Line()
    for pair in zip(t[:20], y[:20], strict=True):
        line.add(*pair)
    line = Line.from_array(line.to_array())
    for pair in zip(t[20:], y[20:], strict=True):
        line.add(*pair)
    slope, error = line.slope()
    fit, covariance = np.polyfit(t - t[0], y - y[0], 1, cov=True)
    assert slope == pytest.approx(fit[0], rel=1e-6) and error == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-4)


def test_frames_carry_the_static_stress_where_the_calculator_has_one():
    from ase.calculators.emt import EMT
    atoms = bulk("Cu", cubic=True)
    steps = list(run(MDParams(steps=20, interval=10, timestep=2.0, temperature=300.0), {"structure": Structure.from_atoms(atoms), "calculator": EMT()}))
    frames = [step.frame for step in steps if step.frame is not None]
    assert len(frames) == 2
    for frame in frames:
        again = frame.copy()
        again.calc = EMT()
        assert frame.get_stress() == pytest.approx(again.get_stress(), abs=1e-12) and np.abs(frame.get_stress()).max() > 1e-5
