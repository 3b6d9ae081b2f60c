"""`DFT`, the ASE calculator: the border where eV and Å become Hartree and bohr and back."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from ..core.device import apply_threads
from ..core.device import resolve as resolve_device
from ..core.errors import NotConvergedError
from ..core.fields import GridField
from ..core.params import to_dict
from ..core.structure import Structure
from ..core.units import BOHR_ANGSTROM, HARTREE_EV, HARTREE_PER_BOHR3_EV_ANGSTROM3, HARTREE_PER_BOHR_EV_ANGSTROM
from .calculation import Calculation
from .checkpoint import load_density, save_density
from .extrapolation import Snapshot, pack, unpack
from .parallel import Workers
from .params import DFTParams
from .plan import Plan, make_plan
from .scf import SCFStep

#: bytes of orbitals that a checkpoint of dynamics or a relaxation keeps at most
_MOST_MEMORY = 256 * 2**20


class DFT(Calculator):
    """Plane-wave DFT as an ASE calculator: energy (at zero smearing), free_energy, forces, stress (Voigt xx yy zz yz xz xy, eV/Å³, positive in tension).

    Keywords are the fields of `DFTParams`. Between calls the density and the orbitals are carried over to the new positions and cell. `results` also holds
    pulay_stress (eV/Å³, estimate), mean_force (eV/Å), fermi_energy (eV), converged, iterations, grid and warnings. magmom and magmoms (µ_B) are zero without
    spin; starting moments are `magmoms`, else those of the atoms.
    watch: called with every `SCFStep`.

    Raises SetupError for settings and structures that cannot work, NotConvergedError when the cycle does not converge (`strict=False` returns the flagged
    numbers).
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress", "magmom", "magmoms"]

    def __init__(self, *, watch: Callable[[SCFStep], None] | None = None, strict: bool = True, **keywords: Any):
        super().__init__()
        self.params = keywords.pop("params", None) or _params(keywords)
        self.watch = watch
        self.strict = strict
        self.sphere_cell: np.ndarray | None = None  # Å; set by `fixed_basis_for`
        self.calculation: Calculation | None = None
        self._remembered: tuple[Snapshot, ...] = ()
        self._workers: Workers | None = None

    # ---- ASE ---------------------------------------------------------------------------------------------------------------
    def calculate(self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = tuple(all_changes)) -> None:
        """Run the cycle for `atoms` and fill `results`; forces and stress are computed when asked for."""
        super().calculate(atoms, properties, system_changes)
        if system_changes or self.calculation is None or self.calculation.ground is None:
            self._solve(Structure.from_atoms(self.atoms))
        calculation = self.calculation
        self._require_converged(calculation)
        energy, free = calculation.energy_at_zero, calculation.energies.free
        self.results.update(energy=energy * HARTREE_EV, free_energy=free * HARTREE_EV, fermi_energy=calculation.ground.fermi_energy * HARTREE_EV,
                            converged=calculation.ground.converged,
                            iterations=calculation.state.step, grid=calculation.plan.shape, warnings=calculation.warnings,
                            magmom=calculation.total_moment, magmoms=calculation.local_moments)
        if "forces" in properties:
            forces = calculation.forces * HARTREE_PER_BOHR_EV_ANGSTROM
            self.results.update(forces=forces, mean_force=forces.mean(0))
        if "stress" in properties:
            self.results.update(stress=voigt(calculation.stress) * HARTREE_PER_BOHR3_EV_ANGSTROM3,
                                pulay_stress=calculation.pulay_stress * HARTREE_PER_BOHR3_EV_ANGSTROM3)

    def _solve(self, structure: Structure) -> None:
        previous, self.calculation = self.calculation, None  # a refusal leaves none: ASE asks a second time as if the atoms had been solved
        remembered, self._remembered = self._remembered, ()
        plan = self.plan(structure)
        if self._workers is None:
            self._workers = Workers(apply_threads())
        start = load_density(self.params.checkpoint, plan) if previous is None and not remembered and self.params.checkpoint else None
        calculation = Calculation(plan, self._workers, previous or remembered, density=start)
        for step in calculation.run():
            if self.watch is not None:
                self.watch(step)
        self.calculation = calculation
        if self.params.checkpoint:
            save_density(self.params.checkpoint, calculation)

    def _require_converged(self, calculation: Calculation) -> None:
        """Asked at every call, not only after a run: a second question about the same atoms must not get the numbers that the first was refused."""
        if not calculation.ground.converged and self.strict:
            state = calculation.state
            raise NotConvergedError(f"Self-consistency was not reached in {state.step} steps: "
                                    f"the energy is uncertain by {state.accuracies[-1] * HARTREE_EV:.2g} eV.",
                                    hint="Raise max_steps, add smearing, or check the structure; DFT(strict=False) returns the flagged numbers.")

    def check_state(self, atoms: Any, tol: float = 1e-15) -> list[str]:
        """What changed since the last call; charges set on `atoms` do not enter, starting moments only where `magmoms` was left out."""
        relevant = ("positions", "numbers", "cell", "pbc") + (("initial_magmoms",) if self.params.magmoms is None else ())
        return [change for change in super().check_state(atoms, tol) if change in relevant]

    def todict(self, skip_default: bool = True) -> dict[str, Any]:
        """The keywords as plain values."""
        return to_dict(self.params)

    # ---- what a checkpoint keeps -----------------------------------------------------------------------------------------------
    def memory(self) -> dict[str, np.ndarray]:
        """What the next geometry starts from, as plain arrays for `remember`: resumed with it, a relaxation or dynamics takes the very path it would have
        taken. Empty before the first calculation and where it would be larger than 256 MiB: the next geometry then starts afresh, the same within tolerance."""
        if self.calculation is None or self.calculation.ground is None:
            return {}
        past = self.calculation.snapshots()
        size = sum(X.numel() * X.element_size() for snapshot in past for X in snapshot.orbitals)
        return pack(past) if size <= _MOST_MEMORY else {}

    def remember(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Start the next geometry, of the same atoms in the same order, from what `memory` returned."""
        self._remembered = unpack(arrays, resolve_device(self.params.device))
        self.calculation = None

    # ---- beyond ASE ----------------------------------------------------------------------------------------------------------
    def plan(self, atoms: Any) -> Plan:
        """Every open choice resolved for `atoms` (ase.Atoms or Structure), nothing computed."""
        plan = make_plan(Structure.coerce(atoms), self.params)
        return plan if self.sphere_cell is None else replace(plan, sphere_cell=self.sphere_cell / BOHR_ANGSTROM)

    def resolve(self, atoms: Any, strain: float = 0.0) -> dict[str, Any]:
        """{"grid", "kpts", "cutoff"} to give to `DFT` for a study of strained cells: one FFT box, large enough for cell vectors longer by the fraction
        `strain`, and one k-mesh for all of them."""
        return resolve(atoms, self.params, strain)

    def frozen_for(self, atoms: Any, strain: float = 0.0) -> DFT:
        """A calculator with the FFT box, k-mesh and cutoff of `resolve` fixed."""
        return DFT(**{**to_dict(self.params), **self.resolve(atoms, strain)}, watch=self.watch, strict=self.strict)

    def fixed_basis_for(self, atoms: Any) -> DFT:
        """A calculator that keeps the very plane waves, box and mesh of the cell of `atoms` while the cell changes: then stress is the exact derivative of the
        energy, and what a minimiser sees is smooth. At the cell of `atoms` itself it is this calculator."""
        calculator = self.frozen_for(atoms)
        calculator.sphere_cell = np.array(Structure.coerce(atoms).cell)
        return calculator

    def estimate(self, atoms: Any) -> dict[str, Any]:
        """n_plane_waves, n_kpoints, n_bands, grid, memory (bytes) and seconds (rough), without running."""
        return self.plan(atoms).estimate()

    def density(self) -> GridField:
        """Valence density of the last calculation, e/Å³."""
        if self.calculation is None or self.calculation.ground is None:
            raise NotConvergedError("There is no density yet.", hint="Ask for the energy first.")
        return density_field(self.calculation)


def _params(keywords: dict[str, Any]) -> DFTParams:
    from ..core.params import from_dict
    return from_dict(DFTParams, keywords)


def resolve(atoms: Any, params: DFTParams, strain: float = 0.0) -> dict[str, Any]:
    """See `DFT.resolve`."""
    from . import box
    plan = make_plan(Structure.coerce(atoms), params)
    shape = plan.shape if params.grid is not None else box.default_shape(plan.cell * (1.0 + abs(strain)), plan.cutoff, tuple(plan.group.equal_axes()))
    return {"grid": shape, "kpts": {"size": plan.size, "shift": plan.shift}, "cutoff": plan.cutoff * HARTREE_EV}


def voigt(tensor: np.ndarray) -> np.ndarray:
    """(6,) xx yy zz yz xz xy of a symmetric (3, 3)."""
    return np.array([tensor[0, 0], tensor[1, 1], tensor[2, 2], tensor[1, 2], tensor[0, 2], tensor[0, 1]])


def density_field(calculation: Calculation) -> GridField:
    """Valence density of a calculation as a field in e/Å³, with spin up and down apart."""
    return GridField(calculation.density() / BOHR_ANGSTROM**3, calculation.plan.structure.cell, "e/Å³", "valence density")
