"""phonopy behind a few functions: displaced supercells in, force constants and frequencies out. The only importer of phonopy.

A. Togo, J. Phys. Soc. Jpn. 92, 012001 (2023); A. Togo et al., J. Phys.: Condens. Matter 35, 353001 (2023). eV, Å, amu; frequencies in THz, imaginary negative.
"""
from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from ..core.structure import Structure
from ..core.units import BOHR_ANGSTROM, HARTREE_EV, THZ_PER_ROOT


@dataclass(frozen=True)
class Bands:
    """q (Q, 3) fractions of the primitive reciprocal cell, distance (Q,) 1/Å with 2π, frequencies (Q, B) THz, labels [(place, name)], breaks: places where
    a new line begins."""

    q: np.ndarray
    distance: np.ndarray
    frequencies: np.ndarray
    labels: list[tuple[int, str]]
    breaks: list[int]


class Lattice:
    """Supercell, displacements and force constants of one crystal."""

    def __init__(self, structure: Structure, matrix: np.ndarray, tolerance: float):
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
        from phonopy.structure.cells import guess_primitive_matrix
        cell = np.asarray(structure.cell)
        masses = structure.to_atoms().get_masses()
        moments = structure.arrays.get("initial_magmoms")
        self.moments = None if moments is None or not np.any(moments) else np.asarray(moments, float)
        unit = PhonopyAtoms(numbers=list(structure.numbers), cell=cell, scaled_positions=structure.positions @ np.linalg.inv(cell), masses=masses,
                            magnetic_moments=self.moments)
        try:
            to_primitive = np.eye(3) if self.moments is not None else guess_primitive_matrix(unit, symprec=tolerance)
            if np.linalg.det(to_primitive) > 0.99:  # primitive already: its axes stay
                to_primitive = np.eye(3)
            self.phonopy = Phonopy(unit, np.asarray(matrix).T, primitive_matrix=to_primitive, symprec=tolerance, log_level=0)
        except (RuntimeError, ValueError) as error:
            raise SetupError(f"No phonon supercell could be made: {error}.", hint="Check the cell, the supercell and symmetry_tolerance.") from error
        self.phonopy.unit_conversion_factor = THZ_PER_ROOT
        self.pbc = structure.pbc

    # ---- cells ---------------------------------------------------------------------------------------------------------------------
    def _atoms(self, cell):
        from ase import Atoms
        return Atoms(numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, masses=cell.masses, pbc=self.pbc)

    @property
    def supercell(self):
        """The undisplaced supercell as ase.Atoms, with the starting moments of the given cell."""
        atoms = self._atoms(self.phonopy.supercell)
        if self.moments is not None:
            atoms.set_initial_magnetic_moments(self.moments[self.origin])
        return atoms

    @property
    def primitive(self):
        """The primitive cell that q-points refer to, as ase.Atoms."""
        return self._atoms(self.phonopy.primitive)

    @property
    def origin(self) -> np.ndarray:
        """The atom of the given cell that each atom of the supercell repeats (N,)."""
        return np.array([self.phonopy.supercell.u2u_map[i] for i in self.phonopy.supercell.s2u_map])

    @property
    def primitive_in_unit(self) -> np.ndarray:
        """The atom of the given cell that each atom of the primitive cell is (n,)."""
        return self.origin[self.phonopy.primitive.p2s_map]

    def displacements(self, distance: float, both: bool) -> np.ndarray:
        """The displacements that symmetry asks for, (D, N, 3) Å."""
        self.phonopy.generate_displacements(distance=distance, is_plusminus=True if both else "auto")
        found = np.zeros((len(self.phonopy.dataset["first_atoms"]), len(self.phonopy.supercell), 3))
        for row, item in zip(found, self.phonopy.dataset["first_atoms"], strict=True):
            row[item["number"]] = item["displacement"]
        return found

    # ---- force constants -----------------------------------------------------------------------------------------------------------------
    def set_forces(self, forces: np.ndarray) -> float:
        """Force constants from the forces (D, N, 3) of the displaced supercells; returns the largest violation of the acoustic sum rule (eV/Å²) before it is
        imposed together with the symmetry of the crystal."""
        self.phonopy.forces = forces
        self.phonopy.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
        drift = float(np.abs(self.phonopy.force_constants.sum(1)).max())
        limit = sys.getrecursionlimit()
        try:
            self.phonopy.symmetrize_force_constants(show_drift=False, use_symfc_projector=True)
        finally:
            sys.setrecursionlimit(limit)  # symfc raises it to 100 000 when imported: a nested JSON file would then crash the process instead of being refused
        return drift

    @property
    def force_constants(self) -> np.ndarray:
        """Φ (n, N, 3, 3) eV/Å² of every atom of the primitive cell with every atom of the supercell."""
        return np.array(self.phonopy.force_constants)

    def harmonic_forces(self, displacements: np.ndarray) -> np.ndarray:
        """−Φ u (N, 3) eV/Å for displacements u (N, 3) Å of the supercell."""
        from phonopy.harmonic.force_constants import compact_fc_to_full_fc
        full = compact_fc_to_full_fc(self.phonopy.primitive, self.phonopy.force_constants)
        return -np.einsum("ijab,jb->ia", full, displacements)

    def set_polar(self, born: np.ndarray, dielectric: np.ndarray) -> None:
        """Born charges (atoms of the given cell, 3, 3) in e, first index the field, and ε∞ (3, 3): from now on frequencies carry the dipole–dipole
        part of polar crystals (X. Gonze and C. Lee, Phys. Rev. B 55, 10355 (1997))."""
        self.phonopy.nac_params = {"born": np.asarray(born)[self.primitive_in_unit], "dielectric": np.asarray(dielectric),
                                   "factor": HARTREE_EV * BOHR_ANGSTROM, "method": "gonze"}

    # ---- frequencies ---------------------------------------------------------------------------------------------------------------------------
    def frequencies(self, q: np.ndarray, direction: np.ndarray | None = None) -> np.ndarray:
        """Frequencies (Q, B) at fractional q (Q, 3); direction: from where Γ is approached, in fractions, where polar terms matter."""
        return np.array(self.phonopy.run_qpoints(np.atleast_2d(q), nac_q_direction=direction).frequencies)

    def bands(self, path: str | None, spacing: float) -> Bands:
        """Frequencies along `path` (None: the standard path of the lattice), points at most `spacing` 1/Å apart; see `dft.kpath.band_path`."""
        from ..dft.kpath import band_path
        line = band_path(Structure.from_atoms(self.primitive), path, spacing)
        found = self.phonopy.run_band_structure([line.kpoints[part] for part in line.segments])
        frequencies = np.concatenate([np.asarray(part) for part in found.frequencies])
        return Bands(line.kpoints, line.distance, frequencies, list(line.labels), [part.start for part in line.segments[1:]])

    def mesh(self, length: float) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
        """(frequencies (Q, B), weights (Q,) that sum to 1, mesh) of a regular mesh of q-points; `length` in Å divided by the cell's edges is its fineness."""
        found = self.phonopy.run_mesh(length, is_mesh_symmetry=True)
        weights = np.array(found.weights, float)
        return np.array(found.frequencies), weights / weights.sum(), tuple(int(n) for n in found.mesh_numbers)

    def density_of_states(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """(frequencies (E,) THz, states per THz and primitive cell (E,)) by the tetrahedron method on the last `mesh`; its integral is 3 per atom."""
        f = np.array(self.phonopy.mesh.frequencies)
        margin = 0.02 * max(f.max() - f.min(), 1e-6)
        low, high = min(f.min() - margin, 0.0), f.max() + margin
        found = self.phonopy.run_total_dos(freq_min=low, freq_max=high, freq_pitch=(high - low) / (points - 1))
        x, y = np.array(found.frequency_points), np.array(found.dos)
        return x, y

    def text(self) -> str:
        """phonopy's own parameter file (YAML) with displacements, forces and force constants: other programs of its family go on from it."""
        return str(self.phonopy.to_phonopy_yaml(settings={"force_sets": True, "displacements": True, "force_constants": True, "born_effective_charge": True,
                                                          "dielectric_constant": True}))
