"""Mixed precision beside double: whole calculations with the eigensolver's added vectors in single and in double precision."""
from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np

from solvers.core.errors import RunError

from .cases import dft as cases
from .cases import magnets
from .cases.dft import Case
from .dft import ours
from .report import Row, compare

#: insulator, semicore, metals, molecule, magnets
_NAMES = ("Si2 triclinic", "MgO sheared", "Al4 rattled", "Cu2 distorted", "H2O at Γ", "Fe2 distorted", "Cr2 antiferromagnetic")


@contextmanager
def added_vectors(single: bool) -> Iterator[None]:
    """All blocks of orbitals, large or small, get added vectors of single or of double precision; k-points are solved one by one, as large ones are."""
    from solvers.dft import calculation, hamiltonian
    before = hamiltonian.SINGLE_FROM, calculation._TOGETHER
    hamiltonian.SINGLE_FROM, calculation._TOGETHER = 0 if single else 2**62, 0
    try:
        yield
    finally:
        hamiltonian.SINGLE_FROM, calculation._TOGETHER = before


def rows_of(case: Case) -> Iterator[Row]:
    """Energy and the worst force of a case in mixed precision less those in double."""
    n = len(case.symbols)
    results = []
    for single in (True, False):
        with added_vectors(single):
            results.append(ours(case, case.box, symmetry=False))
    mixed, double = results
    if mixed["energies"] == double["energies"]:
        raise RunError(f"{case.name} ran in double both times: every step has the same energy to the last bit.", hint="See `Hamiltonian.added_dtype`.")
    yield compare("precision", case.name, "free energy", mixed["energy"] / n, double["energy"] / n, cases.MIXED_ENERGY, "Ha/atom", "itself in double",
                  f"{mixed['steps']} steps, {double['steps']} in double")
    worst = np.unravel_index(np.abs(mixed["forces"] - double["forces"]).argmax(), mixed["forces"].shape)
    yield compare("precision", case.name, f"force {worst[0]}{'xyz'[worst[1]]} (worst of {mixed['forces'].size})", mixed["forces"][worst],
                  double["forces"][worst], cases.MIXED_FORCE, "Ha/bohr", "itself in double")


def run(full: bool = False, only: Collection[str] | None = None) -> Iterator[Row]:
    """Every comparison, or those of the cases named."""
    known = {case.name: case for case in (*cases.CASES.values(), *magnets.MAGNETS)}
    for name in _NAMES if only is None else [name for name in _NAMES if name in only]:
        yield from rows_of(known[name])
