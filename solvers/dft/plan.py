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
from .counting import channel_electrons, count_bands
from .moments import Moments, choose_moments
from .params import DFTParams
from .pseudo import library
from .pseudo.entry import Entry
from .symmetry import SpaceGroup
from .terms import dispersion

#: distance in Å below which spglib calls two positions equal
SYMMETRY_TOLERANCE = 1e-5
#: functionals with exact exchange
HYBRIDS = frozenset(("PBE0", "HSE06", "HSE06-PBE"))

#: bytes of added vectors up to which a subspace keeps all of them (`eigen.davidson`), of orbitals from which they are of single precision (`hamiltonian`), and
#: of all projectors up to which they are kept (`projectors`)
_ROOMY, _SINGLE, _KEPT = 2**25, 2**18, 2**25


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
    n_spin: int = 1
    moments: np.ndarray | None = None  # starting moments (N,) in µB
    total_moment: float | None = None
    sphere_cell: np.ndarray | None = None  # cell (rows, bohr) whose cutoff spheres give the integer plane waves; None: this one

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
                "n_symmetry_operations": len(self.group), "tolerance": self.params.tolerance, "precision": self.params.precision,
                "spin": "collinear" if self.n_spin == 2 else "none", "magmoms": None if self.moments is None else self.moments.tolist(),
                "total_moment": self.total_moment, "charge": self.params.charge, "dipole": self.params.dipole, "dispersion": self.params.dispersion,
                **({"hubbard": str(self.params.hubbard), "hubbard_projection": self.params.hubbard_projection} if self.params.hubbard is not None else {}),
                **({"exchange_singularity": self.params.exchange_singularity} if self.params.xc in HYBRIDS else {})}

    def estimate(self, device: str = "cpu") -> dict[str, Any]:
        """n_plane_waves, n_kpoints, n_bands, grid, memory (bytes) on a device and seconds (rough), without running."""
        points, bands, waves = int(np.prod(self.shape)), self.n_bands, self.n_plane_waves
        rows = sum(self.entries[symbol].n_projectors for symbol in self.structure.symbols)
        size = 8 if self.real else 16
        threads = machine.threads()
        n_k = self.n_spin * len(self.kpoints)
        memory = self._memory(device, rows, size)
        # per band and application: pruned FFT pair and projector products; per band: subspace products. Rates of one core, from our own measurements
        flops = (16.0 * rows * waves + 60.0 * bands * waves) / (2.0 if self.real else 1.0)
        transforms = 4.0 if self.params.xc == "r2SCAN" else 1.0  # its operator works on three derivatives of every band
        seconds = n_k * bands * 26 * (9e-9 * transforms * points / (1.6 if self.real else 1.0) + flops / 1.5e10) / threads + 14 * 4e-7 * points
        if self.params.xc in HYBRIDS:  # a pair of transforms for every pair of a filled band of the whole mesh and a band, in about six renewals
            mesh, filled = int(np.prod(self.size)), int(np.ceil(self.n_electrons / 2))
            memory += n_k * waves * size * bands + min(threads, n_k) * (2 * bands * 16 * points + 48 * 2**20) + min(mesh * 8 * points, 512 * 2**20)
            seconds += 6 * n_k * mesh * filled * bands * 3e-8 * points / (4.0 if self.real else 1.0) / threads
        return {"n_plane_waves": waves, "n_kpoints": len(self.kpoints), "n_spin": self.n_spin, "n_bands": bands, "grid": self.shape, "memory": int(memory),
                "seconds": float(seconds)}

    def _memory(self, device: str, rows: int, size: int) -> float:
        """Bytes of a calculation without exact exchange: orbitals, projectors (`projectors.Projectors`), the threads' subspaces (`eigen`), fields on the box,
        and what a process has loaded. rows: projectors of all atoms; size: bytes per coefficient."""
        points, waves, n_k = int(np.prod(self.shape)), self.n_plane_waves, len(self.kpoints)
        all_rows = n_k * waves * size * rows
        if device == "cuda":
            return self.n_spin * n_k * waves * size * self.n_bands + all_rows + 7 * self.n_bands * waves * size + 40 * 8 * points + 250 * 2**20
        block = (self.n_bands + math.sqrt(self.n_bands)) * waves * size
        plain = self.params.xc == "r2SCAN" or self.params.xc in HYBRIDS or self.params.hubbard is not None
        width = 1.0 if plain or block < _SINGLE else 0.5
        roomy = 4 * width * block < _ROOMY
        subspace = (6 if roomy else 4) * 2 * width * block  # images of the orbitals, added vectors and theirs
        forms = n_k * waves * size / 2 * sum(entry.n_projectors for entry in self.entries.values())
        busy = min(machine.threads(), self.n_spin * n_k)
        return self.n_spin * n_k * block + busy * (subspace + 12 * 2**20) + (all_rows if all_rows <= _KEPT else forms) + 32 * 8 * points + 335 * 2**20


def make_plan(structure: Structure, params: DFTParams) -> Plan:
    """Resolve every open choice of `params` for `structure`.

    Raises StructureError for structures no calculation can start from, MissingError for absent potentials, SetupError for combinations that cannot work.
    """
    require_calculable(structure)
    warnings = []
    symbols = list(dict.fromkeys(structure.symbols))
    strangers = [symbol for symbol, _ in params.pseudos.chosen if symbol not in symbols]
    if strangers:
        warnings.append(f"pseudos names {', '.join(strangers)}, which the structure does not contain.")
    entries = {symbol: library.entry(symbol, params.xc, params.pseudos.selector(symbol)) for symbol in symbols}
    for symbol, entry in entries.items():
        if entry.xc != library.made_for(params.xc):
            warnings.append(f"The potential {entry.name} of {symbol} was made for {entry.xc}, not for {params.xc}.")
        warnings += [f"{entry.name} of {symbol}: {note}" for note in entry.notes]
    if params.hubbard is not None:
        absent = sorted({symbol for symbol, _, _ in params.hubbard.values} - set(symbols))
        if absent:
            raise SetupError(f"hubbard names {', '.join(absent)}, which the structure does not contain.", hint=f"Allowed: {', '.join(symbols)}.")
    cutoff = (params.cutoff if params.cutoff is not None else library.default_cutoff(tuple(entries.values()))) / HARTREE_EV
    warnings += library.cutoff_notes(entries.values(), cutoff * HARTREE_EV)
    charges = {symbol: float(item.charge) for symbol, item in entries.items()}
    n_electrons = sum(charges[symbol] for symbol in structure.symbols) - params.charge
    if n_electrons <= 0:
        raise SetupError(f"A charge of {params.charge:g} e leaves {n_electrons:g} valence electrons.", hint="Give a smaller charge.")
    if params.charge:
        warnings.append(f"The cell carries {params.charge:g} e and is neutralised by a homogeneous background; the energy holds no correction for the "
                        "interaction of the charge with its periodic images (of order q² × 1.4 Ha·bohr / cell length) and no alignment of potentials.")
    if params.dispersion != "none":
        dispersion.check(params.dispersion, params.xc)
    magnetism, total_moment = _magnetism(structure, params, entries, charges, n_electrons)
    warnings += magnetism.notes
    open_shells = [f"{symbol}-{label}" for symbol, label, U in (params.hubbard.values if params.hubbard is not None else ()) if label[-1] in "df" and U]
    if open_shells and magnetism.n_spin == 1:
        warnings.append(f"U acts on {', '.join(open_shells)} without spin polarisation, where it mostly opens no gap: give magmoms, or spin = collinear.")
    if not structure.pbc.all():
        warnings.append("Plane waves are periodic along all three cell vectors; periodic images interact across the vacuum of this structure.")
    size, shift = params.kpts.mesh(structure.cell)
    cell, positions = structure.cell / BOHR_ANGSTROM, structure.positions / BOHR_ANGSTROM
    if params.symmetry:
        labels = _labels(structure, magnetism.values)
        group = SpaceGroup.find(cell, positions, labels, SYMMETRY_TOLERANCE / BOHR_ANGSTROM).compatible_with(size, shift)
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
    start = 0.0 if magnetism.values is None else float(magnetism.values.sum())
    n_bands = count_bands(channel_electrons(n_electrons, magnetism.n_spin, start if total_moment is None else total_moment), params.smearing.kind)
    return Plan(structure, params, cell, positions, entries, cutoff, size, shift, shape, group, kpoints, weights, n_electrons, n_bands, tuple(warnings),
                magnetism.n_spin, magnetism.values, total_moment)


def _magnetism(structure: Structure, params: DFTParams, entries: dict, charges: dict[str, float], n_electrons: float) -> tuple[Moments, float | None]:
    """Starting moments and the fixed total moment: the user's, or with fixed occupations the whole number nearest to the start's; refuses what whole bands
    cannot hold."""
    configurations = {symbol: tuple(getattr(item, "configuration", ())) for symbol, item in entries.items()}
    magnetism = choose_moments(structure, params.spin, params.magmoms, params.total_moment, configurations, charges)
    total = params.total_moment
    if total is not None and abs(total) > n_electrons:
        raise SetupError(f"total_moment = {total:g} µB needs more than the {n_electrons:g} valence electrons of the cell.", hint="Give a smaller moment.")
    if params.smearing.kind != "none":
        return magnetism, total
    if magnetism.n_spin == 1:
        if abs(n_electrons / 2 - round(n_electrons / 2)) > 1e-9:
            raise SetupError(f"{n_electrons:g} valence electrons cannot fill whole bands with fixed occupations.",
                             hint="Give a smearing, e.g. fermi-dirac:0.05eV, or spin = collinear.")
        return magnetism, None
    parity = round(n_electrons) % 2
    if total is None:
        start = float(np.clip(magnetism.values.sum(), -n_electrons, n_electrons))  # an ion has fewer electrons than its free atom
        total = 2.0 * round((start - parity) / 2) + parity
    if any(abs(n - round(n)) > 1e-9 for n in channel_electrons(n_electrons, 2, total)):
        raise SetupError(f"{n_electrons:g} valence electrons with a total moment of {total:g} µB cannot fill whole bands with fixed occupations.",
                         hint="Give a smearing, e.g. fermi-dirac:0.05eV, or a moment that leaves whole electrons in both spins.")
    return magnetism, total


def _labels(structure: Structure, moments: np.ndarray | None) -> np.ndarray:
    """Integers (N,) that differ where elements or starting moments differ: what the symmetry must keep."""
    if moments is None:
        return structure.numbers
    return np.unique(np.stack([structure.numbers, np.round(moments, 3)], 1), axis=0, return_inverse=True)[1].reshape(-1)
