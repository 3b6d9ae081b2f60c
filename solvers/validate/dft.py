"""Plane-wave engine beside ABINIT: energies, forces, stresses; and beside its own laws: symmetry, egg-box, finite differences."""
from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from solvers.core.units import HARTREE_EV, HARTREE_PER_BOHR3_GPA

from .cases import dft as cases
from .cases.dft import Case
from .cases.low_symmetry import MORE
from .cases.magnets import FILE_CASES, MAGNETS
from .peers import abinit, espresso, store
from .report import Row, compare

#: self-consistency of our side, eV/atom: far below every tolerance
TIGHT = 1e-11
_TERMS = ("kinetic", "hartree", "xc", "ewald", "alpha", "local", "nonlocal")
_VOIGT = (("xx", 0, 0), ("yy", 1, 1), ("zz", 2, 2), ("yz", 1, 2), ("xz", 0, 2), ("xy", 0, 1))


def keywords(case: Case, box: tuple[int, int, int] | None = None, **changes: Any) -> dict[str, Any]:
    """The keywords of `DFT` for a case."""
    smearing = None if case.smearing is None else (case.smearing[0], case.smearing[1] * HARTREE_EV)
    return {"xc": case.xc, "cutoff": case.cutoff * HARTREE_EV, "kpts": {"size": case.kpts, "shift": case.shift}, "grid": box or case.box,
            "smearing": smearing, "pseudos": case.pseudos or "gth", "magmoms": case.moments, "spin": "none" if case.moments is None else "collinear",
            "symmetry": True, "tolerance": TIGHT, "max_steps": 100, **changes}


def ours(case: Case, box: tuple[int, int, int] | None = None, atoms: Any = None, derivatives: bool = True, **changes: Any) -> dict[str, Any]:
    """Our result in the units of the peers: energy (F) and components in Ha, forces (N, 3) Ha/bohr, stress (3, 3) GPa, fermi in Ha, box, the
    free energies of the steps (Ha)."""
    from solvers.dft import DFT
    calculator = DFT(**keywords(case, box, **changes))
    calculator.calculate(case.atoms() if atoms is None else atoms, ("energy",))
    calculation = calculator.calculation
    terms = calculation.energies
    result = {"energy": terms.free, "components": {name: getattr(terms, {"nonlocal": "nonlocal_"}.get(name, name)) for name in (*_TERMS, "entropy")},
              "fermi": calculation.ground.fermi_energy, "box": tuple(calculation.plan.shape),
              "steps": calculation.state.step, "energies": list(calculation.state.energies), "moment": calculation.total_moment}
    if derivatives:
        result |= {"forces": calculation.forces, "stress": calculation.stress * HARTREE_PER_BOHR3_GPA}
    return result


def without_mean(forces: np.ndarray) -> np.ndarray:
    """Forces less their mean: the peers remove the mean force of the FFT box before they print."""
    return forces - forces.mean(0)


def energy_rows(case: Case, mine: dict, peer: dict, name: str) -> Iterator[Row]:
    """The free energy per atom."""
    n = len(case.symbols)
    yield compare("dft", case.name, "free energy", mine["energy"] / n, peer["energy"] / n, case.energy_tolerance, "Ha/atom", name,
                  "x".join(map(str, mine["box"])))


def moment_rows(case: Case, mine: dict, peer: dict, name: str) -> Iterator[Row]:
    """The total moment."""
    yield compare("dft", case.name, "total moment", mine["moment"], peer["moment"], cases.MOMENT, "µB", name)


def component_rows(case: Case, mine: dict, peer: dict, name: str) -> Iterator[Row]:
    """Energy terms per atom."""
    for term in _TERMS:
        yield compare("dft", case.name, term, mine["components"][term] / len(case.symbols), peer["components"][term] / len(case.symbols), cases.COMPONENT,
                      "Ha/atom", name)


def derivative_rows(case: Case, mine: dict, peer: dict, name: str) -> Iterator[Row]:
    """The force component that differs most, and the six stress components."""
    a, b = without_mean(mine["forces"]), without_mean(peer["forces"])
    worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
    yield compare("dft", case.name, f"force {worst[0]}{'xyz'[worst[1]]} (worst of {a.size})", a[worst], b[worst], cases.FORCE, "Ha/bohr", name)
    for label, i, j in _VOIGT:
        yield compare("dft", case.name, f"stress {label}", mine["stress"][i, j], peer["stress"][i, j], cases.STRESS, "GPa", name)


def peer_rows(case: Case, live: bool) -> Iterator[Row]:
    """All comparisons of a case with ABINIT, run now (`live`) or stored."""
    peer = abinit.run(case) if live else store.result("abinit", case.name)
    mine = ours(case, peer["box"], symmetry=not case.forces)  # where ABINIT uses none, ours uses none: a box that breaks symmetry costs 1e-7 Ha
    name = peer["version"] + ("" if live else " (stored)")
    yield from energy_rows(case, mine, peer, name)
    if case.name == "Si2":
        yield from component_rows(case, mine, peer, name)
    if case.moments is not None:
        yield from moment_rows(case, mine, peer, name)
    if case.forces:
        yield from derivative_rows(case, mine, peer, name)


def espresso_rows(case: Case, live: bool) -> Iterator[Row]:
    """Energy and the worst force beside `pw.x` (its stress of l ≥ 1 GTH projectors is wrong in 6.7)."""
    peer = {"version": espresso.version(), **espresso.run(case)} if live else store.result("espresso", case.name)
    mine = ours(case, peer["box"], symmetry=not case.forces)
    name, n = peer["version"] + ("" if live else " (stored)"), len(case.symbols)
    yield compare("dft", case.name, "free energy", mine["energy"] / n, peer["energy"] / n, cases.ESPRESSO_ENERGY, "Ha/atom", name)
    if case.forces:
        a, b = without_mean(mine["forces"]), without_mean(peer["forces"])
        worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
        yield compare("dft", case.name, f"force {worst[0]}{'xyz'[worst[1]]} (worst of {a.size})", a[worst], b[worst], cases.ESPRESSO_FORCE, "Ha/bohr", name)


def symmetry_row(case: Case) -> Row:
    """Energy with symmetry against energy without, on a box that the crystal's translations fit."""
    box = case.box
    n = len(case.symbols)
    on, off = (ours(case, box, derivatives=False, symmetry=symmetry) for symmetry in (True, False))
    return compare("dft", case.name, "symmetry on - off", on["energy"] / n, off["energy"] / n, cases.SYMMETRY, "Ha/atom", "itself without symmetry",
                   "x".join(map(str, box)))


def egg_box_rows(case: Case, shifts: int = 3, seed: int = 20261121) -> Iterator[Row]:
    """How much the energy changes when all atoms move together by random vectors."""
    rng = np.random.default_rng(seed)
    n = len(case.symbols)
    reference = ours(case, derivatives=False)
    tolerance = cases.EGG_BOX_SILICON if set(case.symbols) == {"Si"} else None
    for number in range(shifts):
        atoms = case.atoms()
        atoms.set_scaled_positions(case.scaled + rng.random(3))
        moved = ours(case, reference["box"], atoms, derivatives=False)
        yield compare("dft", case.name, f"egg-box, shift {number + 1}", moved["energy"] / n, reference["energy"] / n, tolerance, "Ha/atom",
                      "itself before the shift",
                      "x".join(map(str, reference["box"])))


def run(full: bool = False, only: Collection[str] | None = None) -> Iterator[Row]:
    """Every comparison; full adds the large cases, `only` takes those of these names. ABINIT is run where it is installed, else stored results are taken."""
    live = abinit.installed()
    for case in (*cases.ENERGY_CASES, *cases.FORCE_CASES, *MAGNETS, *FILE_CASES, *MORE):
        wanted = case.quick or full if only is None else case.name in only
        if wanted and all(Path(selector).is_file() for selector in case.pseudos.values() if "/" in selector):
            yield from peer_rows(case, live)
    for case in cases.ESPRESSO_CASES.values():
        if only is None or case.name in only:
            yield from espresso_rows(case, espresso.installed())
    if only is not None:
        return
    for case in cases.SYMMETRY_CASES:
        yield symmetry_row(case)
    for name in cases.EGG_BOX_CASES:
        yield from egg_box_rows(cases.CASES[name])
