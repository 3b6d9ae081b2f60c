"""London dispersion of atoms: D3 with rational damping and D4, through their authors' libraries. Hartree atomic units.

S. Grimme, J. Antony, S. Ehrlich, H. Krieg, J. Chem. Phys. 132, 154104 (2010); S. Grimme, S. Ehrlich, L. Goerigk, J. Comput. Chem. 32, 1456 (2011);
E. Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019), periodic: Phys. Chem. Chem. Phys. 22, 8499 (2020).
It depends on the atoms alone, so the self-consistent cycle never sees it.

Sums end at fixed distances (D3 `CUTOFFS`; D4 pairs 60, triples 40 bohr), so energies jump by 1e-6 of themselves when atoms cross them.
`d3bj` counts pairs only, as most programs do under this name; `d3bj-abc` adds the three-body (Axilrod–Teller–Muto) energy, as `pw.x`
does unless told not to; `d4` always has it.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.core.errors import MissingError, SetupError

if TYPE_CHECKING:
    from ..extra import StaticTerm

#: functional -> its name in both libraries, which hold the damping parameters published for it
PARAMETRISED = {"PBE": "pbe", "PBEsol": "pbesol", "revPBE": "revpbe", "r2SCAN": "r2scan", "PBE0": "pbe0", "HSE06": "hse06", "HSE06-PBE": "hse06"}
KINDS = ("d3bj", "d3bj-abc", "d4")
#: heaviest element with reference data in both libraries; beyond it they return zero or crash
HEAVIEST = 103
#: ends of D3's sums in bohr (pairs, triples, coordination numbers), those of the first D3 program, which `pw.x` carries
CUTOFFS = (9000.0**0.5, 40.0, 40.0)


def check(kind: str, xc: str) -> None:
    """Raises SetupError for an unknown kind or a functional without published parameters, MissingError where the library is not installed."""
    if kind not in KINDS:
        raise SetupError(f"Unknown dispersion correction {kind!r}.", hint=f"Allowed: none, {', '.join(KINDS)}.")
    if xc not in PARAMETRISED:
        raise SetupError(f"There are no {kind} parameters for {xc}.", hint=f"Functionals with parameters: {', '.join(PARAMETRISED)}.")
    _library(kind)


def dispersion(kind: str, xc: str, numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, charge: float = 0.0) -> StaticTerm:
    """Energy, forces and stress of one periodic cell: atomic numbers (N,), positions (N, 3) bohr, cell (3, 3) rows in bohr, total charge (only D4 sees it).

    Raises what `check` raises, and SetupError for elements without reference data.
    """
    from ..extra import StaticTerm  # a plan checks what is asked for without torch
    check(kind, xc)
    if (heavy := int(np.max(numbers))) > HEAVIEST:
        raise SetupError(f"{kind} has no data for the element of atomic number {heavy}.", hint=f"Allowed: 1 to {HEAVIEST}.")
    library = _library(kind)
    periodic = np.array([True, True, True])
    try:
        if kind == "d4":
            model = library.DispersionModel(np.asarray(numbers), np.asarray(positions, float), float(charge), np.asarray(cell, float), periodic)
            damping = library.DampingParam(method=PARAMETRISED[xc])
        else:
            model = library.DispersionModel(np.asarray(numbers), np.asarray(positions, float), np.asarray(cell, float), periodic)
            model.set_realspace_cutoff(*CUTOFFS)
            damping = library.RationalDampingParam(method=PARAMETRISED[xc], atm=kind == "d3bj-abc")
        found = model.get_dispersion(damping, grad=True)
    except RuntimeError as problem:
        raise SetupError(f"{kind} refuses this structure: {problem}.", hint="Look for atoms on top of each other.") from problem
    volume = abs(float(np.linalg.det(cell)))
    stress = np.asarray(found["virial"], float) / volume
    return StaticTerm("dispersion", float(found["energy"]), -np.asarray(found["gradient"], float), 0.5 * (stress + stress.T))


def _library(kind: str):
    try:
        if kind == "d4":
            from dftd4 import interface
        else:
            from dftd3 import interface
    except ImportError as problem:
        package = "dftd4" if kind == "d4" else "dftd3"
        hint = 'pip install "qcad-workbench[dispersion]".'
        raise MissingError(f"Dispersion {kind} needs the package {package}, which is not installed.", hint=hint) from problem
    return interface
