"""Response to an electric field beside Quantum ESPRESSO's `ph.x`: dielectric tensor and Born charges."""
from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from solvers.core.job import drain
from solvers.core.structure import Structure

from .cases import response as cases
from .peers import phonon_espresso
from .report import Row, compare


def run(full: bool = False) -> Iterable[Row]:
    """All rows beside the stored values; full: beside `ph.x` itself where it is installed."""
    for case in cases.CASES:
        yield from rows(case, live=full and phonon_espresso.installed())


def ours(case: cases.FieldCase) -> tuple[np.ndarray, np.ndarray]:
    """(ε∞ (3, 3), Born charges (N, 3, 3) with their sum left in) of a case."""
    from solvers.dft.response import DielectricParams, dielectric
    # the peer runs without symmetry; where the box does not hold the crystal's translations, symmetrising is itself a change of 1e-5
    symmetry = "+" not in case.kpts
    params = DielectricParams(xc=case.xc, cutoff=case.cutoff, kpts=case.kpts, grid=case.grid, symmetry=symmetry, response_tolerance=1e-7, device="cpu")
    result = drain(dielectric(params, {"structure": Structure.from_atoms(case.atoms())}))
    return result.values["dielectric_tensor"], result.values["born_charges"] + result.values["born_charge_sum"] / len(case.born)


def rows(case: cases.FieldCase, live: bool = False) -> Iterator[Row]:
    """Largest deviations of a case from the peer's tensors."""
    def tensor(diagonal: float, other: float) -> np.ndarray:
        return diagonal * np.eye(3) + other * (1 - np.eye(3))
    epsilon, born = tensor(*case.dielectric), np.array([tensor(*charge) for charge in case.born])
    name = cases.VERSION
    if live:
        found = phonon_espresso.run(case)
        epsilon, born, name = found["dielectric"], found["born"], f"{found['version']} ph.x"
    own_epsilon, own_born = ours(case)
    for quantity, mine, theirs, tolerance, unit in (("dielectric tensor", own_epsilon, epsilon, cases.DIELECTRIC_TOLERANCE * np.abs(epsilon).max(), "1"),
                                                    ("Born charges", own_born, born, cases.BORN_TOLERANCE, "e")):
        worst = np.unravel_index(np.abs(mine - theirs).argmax(), mine.shape)
        yield compare("response", f"{case.name} {case.xc} {case.kpts}", f"{quantity}, worst component", mine[worst], theirs[worst], tolerance, unit, name)
