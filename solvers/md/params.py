"""Parameters of relaxation and molecular dynamics."""
from __future__ import annotations

from dataclasses import dataclass

from solvers.core.errors import SetupError
from solvers.core.params import check, param


@dataclass(frozen=True)
class RelaxParams:
    """Relaxation of positions and cell."""

    cell: str = param("fixed", choices=("fixed", "full", "volume", "shape"), help="which cell changes are allowed: none, all, only the volume, only the shape")
    pressure: float = param(0.0, unit="GPa", low=-1000.0, high=10000.0, help="target hydrostatic pressure; only with a variable cell")
    force_tolerance: float = param(0.01, unit="eV/Å", low=1e-8, high=10.0, help="largest force left on a free atom")
    stress_tolerance: float = param(0.1, unit="GPa", low=1e-6, high=100.0, help="largest deviation of an allowed stress component from the target")
    max_steps: int = param(300, low=1, help="force evaluations before giving up")
    method: str = param("lbfgs", choices=("lbfgs", "fire"), help="preconditioned L-BFGS, or FIRE for rough landscapes")
    keep_symmetry: bool = param(True, help="keep the space group of the starting structure")
    symmetry_tolerance: float = param(1e-4, unit="Å", low=1e-8, high=0.5, help="distance within which atoms count as equivalent", advanced=True)
    max_displacement: float = param(0.2, unit="Å", low=1e-4, high=1.0, help="longest move of an atom in one step", advanced=True)
    max_strain: float = param(0.03, low=1e-5, high=0.2, help="largest strain component in one step", advanced=True)
    subtract_mean_force: bool = param(True, help="remove the mean force (egg-box effect); switch off in an external field", advanced=True)
    pulay_limit: float = param(0.5, unit="GPa", low=0.0, advanced=True,
                               help="variable cells are refused when the uncorrected Pulay stress exceeds this (with pulay_correction: four times this)")
    pulay_correction: bool = param(False, advanced=True, help="plane waves: add the estimated effect of the missing ones to the stress that the cell follows")

    def __post_init__(self):
        check(self)
        if self.cell == "fixed" and self.pressure:
            raise SetupError(f"pressure = {self.pressure:g} GPa has no meaning with cell = 'fixed'.",
                             hint="Use cell = 'full' or 'volume', or leave the pressure at 0.")
        if self.cell == "shape" and self.pressure:
            raise SetupError(f"pressure = {self.pressure:g} GPa has no meaning with cell = 'shape', which keeps the volume.",
                             hint="Use cell = 'full' or 'volume'.")


@dataclass(frozen=True)
class MDParams:
    """Molecular dynamics."""

    ensemble: str = param("nve", choices=("nve", "nvt"), help="nve: velocity Verlet; nvt: Langevin (BAOAB)")
    temperature: float = param(300.0, unit="K", low=0.0, high=1e6, help="thermostat's temperature, and that of the starting velocities")
    timestep: float = param(1.0, unit="fs", low=1e-4, high=20.0, help="time step")
    steps: int = param(1000, low=1, help="number of time steps")
    friction_time: float = param(100.0, unit="fs", low=0.1, high=1e7, help="Langevin: time in which a velocity is forgotten (1/friction)")
    interval: int = param(10, low=1, help="steps between samples and frames")
    seed: int = param(0, low=0, high=2**63 - 1, help="seed of starting velocities and thermostat: same seed, same trajectory")
    velocities: str = param("auto", choices=("auto", "keep", "draw"), help="starting velocities: the structure's own, drawn anew, or its own where it has any")
    remove_drift: bool = param(True, help="remove the motion of the centre of mass at the start and from the random forces", advanced=True)
    equilibration: int = param(0, low=0, help="first steps left out of averages and drift", advanced=True)

    def __post_init__(self):
        check(self)
        if self.equilibration >= self.steps:
            raise SetupError(f"equilibration = {self.equilibration} leaves nothing of {self.steps} steps.",
                             hint="Ask for more steps, or equilibrate for fewer.")
