"""Positions and cell of a relaxing structure as one flat vector, with the exact gradient of the enthalpy in it.

x = (u, s H): positions are (r₀ + u) U and cell rows a₀ U with U = exp(H), H symmetric, so the cell never turns; s = √N Å makes a unit of
cell coordinate about as stiff as a unit of displacement. tr H = 0 keeps the volume exactly, H ∝ 1 the shape.
"""
from __future__ import annotations

import numpy as np

from solvers.core.errors import SetupError
from solvers.core.units import EV_PER_ANGSTROM3_GPA

from .symmetry import Symmetry, find_symmetry

_LINEAR = ("FixAtoms", "FixCartesian", "FixScaled", "FixedPlane", "FixedLine", "FixCom")  # constraints that are a linear projection of the move


class Coordinates:
    """The map between x and (positions, cell), for `atoms` as the reference.

    cell: "fixed", "full", "volume" or "shape"; pressure in GPa. Raises SetupError for cells that cannot relax and constraints that are no
    linear projection.
    """

    def __init__(self, atoms, cell: str = "fixed", pressure: float = 0.0, keep_symmetry: bool = True, tolerance: float = 1e-4):
        self.reference = atoms.copy()
        self.mode, self.pressure = cell, pressure / EV_PER_ANGSTROM3_GPA
        n_atoms = len(atoms)
        self.scale = np.sqrt(max(n_atoms, 1))
        periodic = atoms.cell.array[atoms.pbc]
        if cell != "fixed" and not len(periodic):
            raise SetupError("The cell of a structure without periodic directions cannot relax.", hint="Use cell = 'fixed'.")
        if not atoms.pbc.all() and (cell in ("volume", "shape") or (cell == "full" and pressure)):
            raise SetupError(f"cell = {cell!r}{' under pressure' if pressure else ''} needs three periodic directions; pbc is {atoms.pbc.tolist()}.",
                             hint="Use cell = 'full' without pressure: it changes the periodic directions only.")
        basis = np.linalg.svd(periodic)[2][: len(periodic)] if len(periodic) else np.zeros((0, 3))
        self.periodic = basis.T @ basis  # projector on the span of the periodic vectors
        for constraint in atoms.constraints:
            if type(constraint).__name__ not in _LINEAR:
                raise SetupError(f"The constraint {type(constraint).__name__} cannot be kept here.", hint=f"Allowed: {', '.join(_LINEAR)}.")
        self.constrained = bool(atoms.constraints)
        self.symmetry = self._find_symmetry(tolerance) if keep_symmetry else Symmetry(np.eye(3)[None], np.arange(n_atoms)[None], "P1")

    def _find_symmetry(self, tolerance: float) -> Symmetry:
        atoms = self.reference
        labels = [np.round(1e6 * np.asarray(atoms.get_initial_magnetic_moments())).astype(np.int64).reshape(len(atoms), -1)]
        fixed = np.zeros(len(atoms), np.int64)
        for constraint in atoms.constraints:
            if type(constraint).__name__ == "FixAtoms":
                fixed[constraint.index] = 1
            else:  # a direction is singled out: no operation may move these atoms
                fixed[constraint.get_indices()] = 2 + np.arange(len(constraint.get_indices()))
        return find_symmetry(atoms, tolerance, np.column_stack([*labels, fixed]))

    # ---- x <-> structure ---------------------------------------------------------------------------------------------------
    def start(self) -> np.ndarray:
        """The vector of the reference structure: all zero."""
        return np.zeros(3 * len(self.reference) + 9)

    def structure(self, x: np.ndarray):
        """The `Atoms` that x stands for."""
        atoms = self.reference.copy()
        stretch = _exponential(self._log_strain(x))
        atoms.set_cell(self.reference.cell.array @ stretch, scale_atoms=False)
        atoms.positions = (self.reference.positions + x[:-9].reshape(-1, 3)) @ stretch  # attribute, not set_positions: the move is projected already
        return atoms

    def _log_strain(self, x: np.ndarray) -> np.ndarray:
        return x[-9:].reshape(3, 3) / self.scale

    # ---- forces ------------------------------------------------------------------------------------------------------------
    def clean(self, forces: np.ndarray, stress: np.ndarray | None, subtract_mean: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Forces (N, 3) without their mean, with the crystal's symmetry and the constraints; stress (3, 3) with the crystal's symmetry."""
        if subtract_mean and not self.constrained and len(forces):
            forces = forces - forces.mean(axis=0)
        forces = self._constrain(self.symmetry.vectors(forces))
        return forces, None if stress is None else self.symmetry.tensor(stress)

    def stress_deviation(self, stress: np.ndarray) -> np.ndarray:
        """What of stress + pressure (eV/Å³) the allowed cell changes can relax, (3, 3)."""
        return self._allowed(stress + self.pressure * np.eye(3))

    def enthalpy(self, energy: float, volume: float) -> float:
        """energy + pressure × volume in eV."""
        return energy + (self.pressure * volume if self.mode != "fixed" else 0.0)

    def gradient(self, x: np.ndarray, forces: np.ndarray, stress: np.ndarray | None, volume: float) -> np.ndarray:
        """The gradient of the enthalpy with respect to x, for cleaned forces and stress."""
        log_strain = self._log_strain(x)
        stretch = _exponential(log_strain)
        result = np.zeros_like(x)
        result[:-9] = (-forces @ stretch).ravel()
        if self.mode != "fixed":
            with_stretch = volume * np.linalg.solve(stretch, stress + self.pressure * np.eye(3))  # dE = V σ : U⁻¹ dU
            with_stretch = 0.5 * (with_stretch + with_stretch.T)
            result[-9:] = (self._allowed(_through_exponential(log_strain, with_stretch)) / self.scale).ravel()
        return result

    def project(self, move: np.ndarray) -> np.ndarray:
        """The part of a step that symmetry, constraints and the cell mode allow."""
        result = np.zeros_like(move)
        result[:-9] = self._constrain(self.symmetry.vectors(move[:-9].reshape(-1, 3))).ravel()
        if self.mode != "fixed":
            cell = move[-9:].reshape(3, 3)
            result[-9:] = self._allowed(self.symmetry.tensor(0.5 * (cell + cell.T))).ravel()
        return result

    def step_limit(self, max_displacement: float, max_strain: float):
        """A function giving the factor (at most 1) that keeps a step within max_displacement (Å) and max_strain."""
        def limit(move: np.ndarray) -> float:
            atoms = np.linalg.norm(move[:-9].reshape(-1, 3), axis=1).max(initial=0.0) / max_displacement
            cell = np.abs(move[-9:]).max() / self.scale / max_strain
            return 1.0 / max(1.0, atoms, cell)
        return limit

    def _allowed(self, tensor: np.ndarray) -> np.ndarray:
        if self.mode == "volume":
            return np.trace(tensor) / 3.0 * np.eye(3)
        if self.mode == "shape":
            return tensor - np.trace(tensor) / 3.0 * np.eye(3)
        return self.periodic @ tensor @ self.periodic

    def _constrain(self, vectors: np.ndarray) -> np.ndarray:
        if not self.constrained:
            return vectors
        vectors = vectors.copy()
        for constraint in self.reference.constraints:
            constraint.adjust_forces(self.reference, vectors)
        return vectors


def _exponential(symmetric: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * np.exp(values)) @ vectors.T


def _through_exponential(symmetric: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """dE/dH from dE/dU at U = exp(H), both symmetric: divided differences of exp in the eigenbasis (Daleckii–Krein)."""
    values, vectors = np.linalg.eigh(symmetric)
    gap = values[:, None] - values[None]
    near = np.abs(gap) < 1e-7
    middle = np.exp(0.5 * (values[:, None] + values[None]))
    loewner = middle * np.where(near, 1.0 + gap**2 / 24.0, np.sinh(0.5 * gap) / np.where(near, 1.0, 0.5 * gap))
    return vectors @ (loewner * (vectors.T @ gradient @ vectors)) @ vectors.T
