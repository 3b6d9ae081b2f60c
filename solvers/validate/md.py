"""Molecular dynamics beside its laws: order of the integrator, reversibility, canonical averages, conserved energy."""
from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from solvers.core.job import drain
from solvers.core.potential import Forces
from solvers.core.structure import Structure
from solvers.core.units import BOLTZMANN_EV

from .cases import md as cases
from .report import Row, compare


class Springs:
    """Every atom on a spring (eV/Å²) to its site, with a quartic term (eV/Å⁴): a crystal whose averages are known."""

    device = "numpy"

    def __init__(self, sites: np.ndarray, stiffness: float, quartic: float = 0.0):
        self.sites, self.stiffness, self.quartic = np.array(sites), stiffness, quartic

    def compute(self, state, *, virial: bool = False) -> Forces:
        """Energy and forces of the springs."""
        u = state.positions - self.sites
        return Forces(0.5 * self.stiffness * float((u**2).sum()) + 0.25 * self.quartic * float((u**4).sum()), -self.stiffness * u - self.quartic * u**3)


def copper(n: int) -> Structure:
    """n × n × n cubic cells of fcc copper."""
    from ase.build import bulk
    return Structure.from_atoms(bulk("Cu", cubic=True) * (n, n, n))


def run(full: bool = False) -> Iterable[Row]:
    """All rows; full: longer averages."""
    yield from order_rows()
    yield from reversal_rows()
    yield from canonical_rows(200_000 if full else 40_000)
    yield from drift_rows(20_000 if full else 500)


def order_rows() -> Iterator[Row]:
    """The fluctuation of the total energy of anharmonic springs falls with the square of the time step."""
    from solvers.md import MDParams
    from solvers.md import run as simulate
    structure = copper(1)
    spread = []
    for timestep in (4.0, 2.0, 1.0):
        energies: list[float] = []
        params = MDParams(timestep=timestep, steps=int(400 / timestep), interval=1, temperature=900.0, seed=3, remove_drift=False)
        drain(simulate(params, {"structure": structure, "calculator": Springs(structure.positions, 4.0, 8.0)}),
              lambda step, energies=energies: energies.append(step.values["total_energy"]))
        spread.append(np.std(energies))
    for coarse, fine, name in ((0, 1, "4 to 2 fs"), (1, 2, "2 to 1 fs")):
        order = np.log2(spread[coarse] / spread[fine])
        yield compare("md", f"anharmonic springs, {name}", "order of the energy error", order, 2.0, cases.ORDER, "1", "velocity Verlet")


def reversal_rows() -> Iterator[Row]:
    """As many steps back as forth lead to the start."""
    from ase.calculators.emt import EMT

    from solvers.md import MDParams
    from solvers.md import run as simulate
    structure = copper(2)
    there = drain(simulate(MDParams(timestep=3.0, steps=60, temperature=500.0, seed=2), {"structure": structure, "calculator": EMT()})).structure
    turned = there.with_(arrays={"velocities": -there.arrays["velocities"]})
    back = drain(simulate(MDParams(timestep=3.0, steps=60, velocities="keep"), {"structure": turned, "calculator": EMT()})).structure
    distance = float(np.abs(back.positions - structure.positions).max())
    yield compare("md", "Cu32 EMT, 60 steps of 3 fs and back", "largest distance from the start", distance, 0.0, cases.REVERSAL, "Å", "time reversal")


def canonical_rows(steps: int) -> Iterator[Row]:
    """Configurational temperature of harmonic springs under the Langevin thermostat."""
    from solvers.md import MDParams
    from solvers.md import run as simulate
    structure, stiffness, temperature = copper(3), 3.0, 300.0
    squares: list[float] = []

    def watch(step):
        if step.frame is not None and step.n > 1000:
            squares.append(float(((step.frame.positions - structure.positions) ** 2).mean()))

    params = MDParams(ensemble="nvt", temperature=temperature, timestep=5.0, friction_time=60.0, steps=steps, interval=50, seed=11, remove_drift=False)
    drain(simulate(params, {"structure": structure, "calculator": Springs(structure.positions, stiffness)}), watch)
    found = stiffness * np.mean(squares) / BOLTZMANN_EV
    yield compare("md", f"324 oscillators, BAOAB, {steps} steps of 5 fs", "configurational temperature", found, temperature,
                  cases.CONFIGURATIONAL_TEMPERATURE * temperature, "K", "equipartition")


def drift_rows(steps: int) -> Iterator[Row]:
    """Slope of the total energy of copper."""
    from ase.calculators.emt import EMT

    from solvers.md import MDParams
    from solvers.md import run as simulate
    params = MDParams(timestep=2.0, steps=steps, interval=5, temperature=600.0, seed=1, equilibration=steps // 10)
    result = drain(simulate(params, {"structure": copper(2), "calculator": EMT()}))
    error = result.settings["energy_drift_standard_error"]
    yield compare("md", f"Cu32 EMT, {2e-3 * steps:g} ps of 2 fs", "energy drift", float(result.values["energy_drift"]), 0.0, 3 * error + cases.DRIFT,
                  "eV/atom/ns", "conservation", f"standard error {error:.1e}")
