"""One evaluation of a calculator: forces and stress that belong to the free energy, checked, with the frame a `Step` shows."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.core.errors import NonFiniteError, SetupError


@dataclass(frozen=True)
class Evaluation:
    """energy and free_energy in eV, forces (N, 3) eV/Å, stress (3, 3) eV/Å³ or None, pulay_stress eV/Å³ or None (no plane-wave basis): its size; pulay_shift:
    what the missing plane waves add to the diagonal of the stress, eV/Å³, with its sign (0 where there is no estimate)."""

    energy: float
    free_energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    pulay_stress: float | None
    pulay_shift: float = 0.0
    magmom: float | None = None  # µ_B of the cell, None without spin


def live_calculator(value: Any) -> Any:
    """A live ASE calculator from a `CalculatorSpec` or from a live calculator; SetupError for anything else."""
    if hasattr(value, "create"):
        return value.create()
    if hasattr(value, "get_property") or hasattr(value, "get_potential_energy"):
        return value
    raise SetupError(f"{type(value).__name__} is not a calculator.", hint="Give a CalculatorSpec or an ASE calculator.")


def evaluate(atoms, calculator, *, stress: bool) -> Evaluation:
    """Evaluate `calculator` on `atoms` (constraints not applied).

    Raises SetupError when stress is needed and the calculator has none, NonFiniteError naming the first atom with a non-finite force.
    """
    offered = getattr(calculator, "implemented_properties", ())
    if stress and "stress" not in offered:
        raise SetupError(f"The cell cannot change with {type(calculator).__name__}: it offers no stress.", hint="Use cell = 'fixed' or another calculator.")
    atoms.calc = calculator
    forces = np.array(atoms.get_forces(apply_constraint=False), dtype=float)
    free_energy = float(atoms.get_potential_energy(force_consistent="free_energy" in offered))
    energy = float(atoms.get_potential_energy())
    tensor = np.array(atoms.get_stress(voigt=False, apply_constraint=False), dtype=float) if stress else None
    if not np.isfinite(forces).all():
        raise NonFiniteError(f"The force on atom {int(np.argwhere(~np.isfinite(forces))[0][0])} is not finite.",
                             hint="Look at the last good frame: atoms too close, or a step too long.")
    if not np.isfinite(free_energy) or (tensor is not None and not np.isfinite(tensor).all()):
        stated = "" if tensor is None else f" and stress {tensor.ravel()} eV/Å³"
        raise NonFiniteError(f"The calculator returned energy {free_energy} eV{stated}.", hint="Look at the last good frame.")
    results = getattr(calculator, "results", {})
    pulay = results.get("pulay_stress")
    moment = results.get("magmom") if np.any(results.get("magmoms", 0.0)) else None  # zeros are what a calculation without spin reports
    return Evaluation(energy, free_energy, forces, tensor, None if pulay is None else float(np.max(np.abs(pulay))),
                      0.0 if pulay is None else float(np.mean(pulay)), None if moment is None else float(moment))


def frame_of(atoms, evaluation: Evaluation, velocities: np.ndarray | None = None):
    """A copy of `atoms` whose SinglePointCalculator holds the evaluation (stress as Voigt xx yy zz yz xz xy)."""
    from ase.calculators.singlepoint import SinglePointCalculator
    frame = atoms.copy()
    stress = {} if evaluation.stress is None else {"stress": evaluation.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]}
    frame.calc = SinglePointCalculator(frame, energy=evaluation.energy, free_energy=evaluation.free_energy, forces=evaluation.forces, **stress)
    return frame


def memory_of(calculator: Any) -> dict[str, np.ndarray]:
    """What a calculator wants to find again after a resume, under names of its own; nothing for most calculators."""
    return {f"calculator.{name}": value for name, value in calculator.memory().items()} if hasattr(calculator, "memory") else {}


def remind(calculator: Any, state: Mapping[str, np.ndarray]) -> None:
    """Give back to a calculator what `memory_of` put into a state."""
    own = {name.removeprefix("calculator."): value for name, value in state.items() if name.startswith("calculator.")}
    if own and hasattr(calculator, "remember"):
        calculator.remember(own)
