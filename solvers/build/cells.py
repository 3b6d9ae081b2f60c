"""Changes of the cell: supercell, strain, new lengths and angles, standard settings, wrapping and shifting."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import SetupError, StructureError
from ..core.params import check, param
from .picking import chosen, editable
from .values import CellMatrix, Indices, StrainTensor, Vector

if TYPE_CHECKING:
    from ase import Atoms

MAX_ATOMS = 5_000_000  # a supercell beyond this is a typing mistake on any machine we know


@dataclass(frozen=True)
class Supercell:
    """Parameters of `supercell`."""

    size: CellMatrix = param(help="repeats 2x2x2, or new cell vectors in units of the old ones: -1 1 1; 1 -1 1; 1 1 -1")

    def __post_init__(self):
        check(self)


def supercell(atoms: Atoms, params: Supercell) -> Atoms:
    """The supercell with rows `size` @ cell; per-atom arrays and constraints are repeated, atoms ordered copy by copy.

    Raises StructureError where a direction without period would be repeated or the result is too large.
    """
    from ase.build import make_supercell
    atoms, matrix = editable(atoms), params.size.array
    count = round(float(np.linalg.det(matrix)))
    still = ~atoms.pbc
    if (matrix[still] != np.eye(3, dtype=int)[still]).any() or (matrix[:, still] != np.eye(3, dtype=int)[:, still]).any():
        raise StructureError(f"Supercell {params.size} repeats a direction that is not periodic (pbc = {atoms.pbc.tolist()}).",
                             hint="Use 1 there, or make the direction periodic.")
    if count * len(atoms) > MAX_ATOMS:
        raise StructureError(f"Supercell {params.size} of {len(atoms)} atoms has {count * len(atoms):,} atoms.", hint=f"Allowed: up to {MAX_ATOMS:,}.")
    _need_cell(atoms, "a supercell")
    constraints, info = atoms.constraints, dict(atoms.info)
    atoms.set_constraint()
    out = make_supercell(atoms, matrix, wrap=bool((matrix != np.diag(np.diag(matrix))).any()))
    out.info = info
    # copies come one after another, which is the order that `repeat` of every ASE constraint assumes
    out.set_constraint([item.repeat((count, 1, 1), len(atoms)) for item in constraints])
    return out


@dataclass(frozen=True)
class Strain:
    """Parameters of `strain`."""

    strain: StrainTensor = param(help="xx yy zz yz xz xy with engineering shears, or nine numbers row by row")
    kind: str = param("small", choices=("small", "green-lagrange"), help="small: F = 1 + strain; green-lagrange: the symmetric F with (FᵀF − 1)/2 = strain")

    def __post_init__(self):
        check(self)


def deformation(params: Strain) -> np.ndarray:
    """Deformation gradient F, (3, 3), with x → F x. Green–Lagrange: the symmetric root of 1 + 2E, so no rotation is added.

    Raises StructureError for a strain that turns the crystal inside out.
    """
    e = params.strain.array
    if params.kind == "small":
        gradient = np.eye(3) + e
    else:
        if not np.allclose(e, e.T, rtol=0, atol=1e-12):
            raise SetupError(f"Green–Lagrange strain {params.strain} is not symmetric.", hint="Give six numbers or a symmetric matrix.")
        values, vectors = np.linalg.eigh(np.eye(3) + 2.0 * e)
        if values[0] <= 0:
            raise StructureError(f"Green–Lagrange strain {params.strain} has the eigenvalue {(values[0] - 1) / 2:.4g}.",
                                 hint="Every eigenvalue must be above −0.5.")
        gradient = (vectors * np.sqrt(values)) @ vectors.T
    if np.linalg.det(gradient) <= 1e-3:
        raise StructureError(f"Strain {params.strain} leaves a volume ratio of {np.linalg.det(gradient):.3g}.", hint="Use a smaller strain.")
    return gradient


def strain(atoms: Atoms, params: Strain) -> Atoms:
    """The structure with cell and atoms carried along by the strain (fractional coordinates stay)."""
    out = editable(atoms)
    _need_cell(out, "a strain")
    gradient = deformation(params)
    constraints = out.constraints
    out.set_constraint()
    out.set_cell(out.cell.array @ gradient.T, scale_atoms=True)
    out.set_constraint(constraints)
    return out


@dataclass(frozen=True)
class SetCell:
    """Parameters of `set_cell`."""

    a: float = param(unit="Å", low=0.1, high=1e5, help="length of the first cell vector")
    b: float = param(unit="Å", low=0.1, high=1e5, help="length of the second")
    c: float = param(unit="Å", low=0.1, high=1e5, help="length of the third")
    alpha: float = param(90.0, unit="°", low=1.0, high=179.0, help="angle between the second and the third")
    beta: float = param(90.0, unit="°", low=1.0, high=179.0, help="angle between the first and the third")
    gamma: float = param(90.0, unit="°", low=1.0, high=179.0, help="angle between the first and the second")
    scale_atoms: bool = param(True, help="keep fractional coordinates; no: keep Cartesian ones")
    periodic: bool = param(True, help="periodic in all three directions")

    def __post_init__(self):
        check(self)


def set_cell(atoms: Atoms, params: SetCell) -> Atoms:
    """The structure in a cell with these lengths and angles, a along x, b in the xy plane."""
    from ase.geometry import cellpar_to_cell
    ca, cb, cg = np.cos(np.radians([params.alpha, params.beta, params.gamma]))
    if 1 - ca * ca - cb * cb - cg * cg + 2 * ca * cb * cg <= 1e-9:
        raise StructureError(f"Angles {params.alpha:g}, {params.beta:g}, {params.gamma:g}° enclose no volume.",
                             hint="Each must be smaller than the sum of the other two, all three together below 360°.")
    out = editable(atoms)
    scale = params.scale_atoms and abs(out.cell.volume) > 0
    constraints = out.constraints
    out.set_constraint()
    out.set_cell(cellpar_to_cell([params.a, params.b, params.c, params.alpha, params.beta, params.gamma]), scale_atoms=scale)
    out.set_constraint(constraints)
    out.pbc = params.periodic
    return out


@dataclass(frozen=True)
class Standardise:
    """Parameters of `standardise`."""

    symprec: float = param(1e-4, unit="Å", low=1e-8, high=0.5, help="how far atoms may be off their symmetric places")
    idealise: bool = param(True, help="rotate to the standard frame and remove the small deviations")

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Primitive(Standardise):
    """Parameters of `primitive`."""


def standardise(atoms: Atoms, params: Standardise) -> Atoms:
    """The conventional standard cell of the space group (spglib); other per-atom arrays, constraints and moments are not carried over."""
    return _standard(atoms, params, to_primitive=False)


def primitive(atoms: Atoms, params: Primitive) -> Atoms:
    """The primitive standard cell of the space group (spglib); other per-atom arrays, constraints and moments are not carried over."""
    return _standard(atoms, params, to_primitive=True)


def _standard(atoms: Atoms, params: Standardise, *, to_primitive: bool) -> Atoms:
    import spglib
    from ase import Atoms
    _need_cell(atoms, "a space group")
    if not atoms.pbc.all():
        raise StructureError(f"The structure is not periodic in all directions (pbc = {atoms.pbc.tolist()}).",
                             hint="Space groups belong to crystals: make it periodic first.")
    lattice = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    try:
        found = spglib.standardize_cell(lattice, to_primitive=to_primitive, no_idealize=not params.idealise, symprec=params.symprec)
    except spglib.error.SpglibError as error:
        raise StructureError(f"No space group was found: {error}.", hint="Change symprec, or look for overlapping atoms.") from error
    if found is None:
        raise StructureError(f"No space group was found within {params.symprec:g} Å.", hint="Change symprec, or look for overlapping atoms.")
    cell, scaled, numbers = found
    return Atoms(numbers=numbers, scaled_positions=scaled, cell=cell, pbc=True, info={k: v for k, v in atoms.info.items() if k != "spacegroup_number"})


@dataclass(frozen=True)
class Wrap:
    """Parameters of `wrap`: none."""


def wrap(atoms: Atoms, params: Wrap) -> Atoms:
    """The structure with every atom inside the cell along periodic directions."""
    out = editable(atoms)
    _need_cell(out, "wrapping")
    constraints = out.constraints
    out.set_constraint()
    out.wrap()
    out.set_constraint(constraints)
    return out


@dataclass(frozen=True)
class Translate:
    """Parameters of `translate`."""

    vector: Vector = param(help="shift x y z")
    fractional: bool = param(False, help="vector in units of the cell vectors instead of Å")
    indices: Indices = param(Indices((), True), help="which atoms: 0,3,5-9 or all")

    def __post_init__(self):
        check(self)


def translate(atoms: Atoms, params: Translate) -> Atoms:
    """The structure with the chosen atoms shifted (Å, or cell vectors); constraints do not hold atoms back."""
    out = editable(atoms)
    if params.fractional:
        _need_cell(out, "a fractional shift")
    shift = params.vector.array @ out.cell.array if params.fractional else params.vector.array
    out.positions[chosen(out, params.indices)] += shift
    return out


def _need_cell(atoms: Atoms, what: str) -> None:
    if abs(atoms.cell.volume) < 1e-6:
        raise StructureError(f"The cell has a volume of {abs(atoms.cell.volume):.3g} Å³, and {what} needs a cell.",
                             hint="Give the structure a cell first (set_cell).")
