"""What a calculation will do, decided before anything heavy is imported: potentials, cutoff, FFT box, k-points, bands, and an estimate of its cost.

Imports no torch. The border between Å, eV and atomic units for structures: everything a `Plan` holds is in Hartree and bohr unless it says otherwise.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import device as machine
from ..core.errors import SetupError
from ..core.structure import Structure, require_calculable
from ..core.units import BOHR_ANGSTROM, HARTREE_EV
from . import box
from .params import DFTParams
from .pseudo import library
from .pseudo.entry import Entry
from .symmetry import SpaceGroup

#: elements whose atoms or solids are usually magnetic: a non-magnetic result is flagged
OPEN_SHELL = frozenset("Cr Mn Fe Co Ni Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Pa U Np Pu Am Cm".split())
#: distance in Å below which spglib calls two positions equal
SYMMETRY_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Plan:
    """Resolved settings. cell (rows) and positions in bohr; entries: potential per element; cutoff in Ha; mesh size and shift (steps); box; irreducible
    kpoints (K, 3) with weights; group used for them (None without symmetry); exact_box: whether the box represents the density exactly."""

    structure: Structure
    params: DFTParams
    cell: np.ndarray
    positions: np.ndarray
    entries: dict[str, Entry]
    cutoff: float
    size: tuple[int, int, int]
    shift: tuple[float, float, float]
    shape: tuple[int, int, int]
    group: SpaceGroup
    kpoints: np.ndarray
    weights: np.ndarray
    n_electrons: float
    n_bands: int
    warnings: tuple[str, ...]

    @property
    def n_plane_waves(self) -> int:
        """Plane waves per k-point: Ω (2 E_cut)^{3/2} / 6π²."""
        return int(abs(np.linalg.det(self.cell)) * (2.0 * self.cutoff) ** 1.5 / (6.0 * math.pi**2))

    @property
    def real(self) -> bool:
        """Whether orbitals are real functions (Γ alone)."""
        return len(self.kpoints) == 1 and not self.kpoints.any()

    @property
    def settings(self) -> dict[str, Any]:
        """Everything needed to repeat the calculation, in user units."""
        return {"xc": self.params.xc, "cutoff": self.cutoff * HARTREE_EV, "kpts": {"size": self.size, "shift": self.shift}, "grid": self.shape,
                "smearing": str(self.params.smearing),
                "pseudos": {symbol: entry.selector for symbol, entry in self.entries.items()},
                "pseudo_origin": {symbol: {"name": entry.name, "source": entry.source, "licence": entry.licence, "sha256": entry.sha256}
                                  for symbol, entry in self.entries.items()}, "symmetry": self.params.symmetry, "space_group": self.group.name,
                "n_symmetry_operations": len(self.group), "tolerance": self.params.tolerance, "precision": self.params.precision}

    def estimate(self) -> dict[str, Any]:
        """n_plane_waves, n_kpoints, n_bands, grid, memory (bytes) and seconds (rough), without running."""
        points, bands, waves = int(np.prod(self.shape)), self.n_bands, self.n_plane_waves
        rows = sum(self.entries[symbol].n_projectors for symbol in self.structure.symbols)
        size = 8 if self.real else 16
        threads = machine.threads()
        n_k = len(self.kpoints)
        memory = n_k * waves * size * (bands + rows) + min(threads, n_k) * 7 * bands * waves * size + 40 * 8 * points + 250 * 2**20
        # per band and application: pruned FFT pair and projector products; per band: subspace products. Rates of one core, from our own measurements
        flops = (16.0 * rows * waves + 60.0 * bands * waves) / (2.0 if self.real else 1.0)
        seconds = n_k * bands * 26 * (9e-9 * points / (1.6 if self.real else 1.0) + flops / 1.5e10) / threads + 14 * 4e-7 * points
        return {"n_plane_waves": waves, "n_kpoints": n_k, "n_bands": bands, "grid": self.shape, "memory": int(memory), "seconds": float(seconds)}


def make_plan(structure: Structure, params: DFTParams) -> Plan:
    """Resolve every open choice of `params` for `structure`.

    Raises StructureError for structures no calculation can start from, MissingError for absent potentials, SetupError for combinations that cannot work.
    """
    require_calculable(structure)
    warnings = []
    symbols = list(dict.fromkeys(structure.symbols))
    if params.magmoms is not None and len(params.magmoms) != len(structure):
        raise SetupError(f"magmoms holds {len(params.magmoms)} moments for {len(structure)} atoms.", hint="Give one per atom or leave it out.")
    strangers = [symbol for symbol, _ in params.pseudos.chosen if symbol not in symbols]
    if strangers:
        warnings.append(f"pseudos names {', '.join(strangers)}, which the structure does not contain.")
    entries = {symbol: library.entry(symbol, params.xc, params.pseudos.selector(symbol)) for symbol in symbols}
    for symbol, entry in entries.items():
        if entry.xc != params.xc:
            warnings.append(f"The potential {entry.name} of {symbol} was made for {entry.xc}, not for {params.xc}.")
        warnings += [f"{entry.name} of {symbol}: {note}" for note in entry.notes]
    cutoff = (params.cutoff if params.cutoff is not None else library.default_cutoff(tuple(entries.values()))) / HARTREE_EV
    warnings += library.cutoff_notes(entries.values(), cutoff * HARTREE_EV)
    magnetic = sorted(set(symbols) & OPEN_SHELL)
    if magnetic:
        warnings.append(f"{', '.join(magnetic)}: usually magnetic, but this version has no spin polarisation; the result is that of the non-magnetic state.")
    n_electrons = float(sum(entries[symbol].charge for symbol in structure.symbols))
    if params.smearing.kind == "none" and round(n_electrons) % 2:
        raise SetupError(f"{n_electrons:g} valence electrons cannot fill whole bands with fixed occupations.", hint="Give a smearing, e.g. fermi-dirac:0.05eV.")
    if not structure.pbc.all():
        warnings.append("Plane waves are periodic along all three cell vectors; periodic images interact across the vacuum of this structure.")
    size, shift = params.kpts.mesh(structure.cell)
    cell, positions = structure.cell / BOHR_ANGSTROM, structure.positions / BOHR_ANGSTROM
    if params.symmetry:
        group = SpaceGroup.find(cell, positions, structure.numbers, SYMMETRY_TOLERANCE / BOHR_ANGSTROM).compatible_with(size, shift)
    else:
        group = SpaceGroup.identity(cell, positions, time_reversal=True).compatible_with(size, shift)
    if params.grid is not None:
        shape = params.grid
        box.check_shape(shape, cell, cutoff)
        group = group.compatible_with_box(shape)
        exact = box.smallest_shape(cell, cutoff)
        if any(n < m for n, m in zip(shape, exact, strict=True)):
            warnings.append(f"The FFT box {shape} is smaller than {exact}, which would represent the density exactly: "
                            "energies and forces carry aliasing errors.")
    else:
        shape = box.default_shape(cell, cutoff, tuple(group.equal_axes()))
    kpoints, weights = group.irreducible(size, shift)
    filled = math.ceil(n_electrons / 2 - 1e-9)
    n_bands = filled if params.smearing.kind == "none" else max(math.ceil(1.2 * filled), filled + 4)
    return Plan(structure, params, cell, positions, entries, cutoff, size, shift, shape, group, kpoints, weights, n_electrons, n_bands, tuple(warnings))
