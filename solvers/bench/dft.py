"""Plane-wave timings beside `pw.x`: whole self-consistency with forces and stress.

Ours runs in process after imports and one warm-up, `pw.x` as a process with 2 ranks.

The pairs are run in turn (ours, pw.x, ours, pw.x …) and the ratio is taken pair by pair, so that a machine that slows down slows both.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from ..core.units import BOHR_ANGSTROM, HARTREE_EV
from ..validate.cases.dft import Case
from ..validate.peers import espresso
from . import Row

PAIRS = 3
_THRESHOLD = 1e-9  # Ry, estimated energy error of the whole cell, on both sides


def cases() -> tuple[Case, ...]:
    """Si2 at 25 Ha, Si8 at 15 Ha and rattled at 20 Ha, Al1 at 15 Ha: perfect crystals use symmetry on both sides, the rattled one has none."""
    angstrom = 1 / BOHR_ANGSTROM
    fcc = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    diamond = np.array([[1, 1, 1], [-1, -1, -1]]) / 8
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    eight = np.concatenate([corners, corners + 0.25])
    rattled = eight + np.random.default_rng(8).normal(scale=0.01, size=eight.shape)
    return (
        Case("Si2 25 Ha 3x3x3", 10.263141334 * fcc, diamond, ("Si",) * 2, 25.0, (3, 3, 3), box=(36, 36, 36)),
        Case("Si8 15 Ha 3x3x3", 5.43 * angstrom * np.eye(3), eight, ("Si",) * 8, 15.0, (3, 3, 3), box=(36, 36, 36)),
        Case("Al1 15 Ha 12x12x12", 4.04 * angstrom * fcc, np.zeros((1, 3)), ("Al",), 15.0, (12, 12, 12), smearing=("fermi-dirac", 0.01), box=(20, 20, 20)),
        Case("Si8 rattled 20 Ha 4x4x4", 5.43 * angstrom * np.eye(3), rattled, ("Si",) * 8, 20.0, (4, 4, 4), box=(45, 45, 45), symmetry=False),
    )


def ours(case: Case, device: str) -> tuple[float, float]:
    """(wall seconds, free energy in Ha) of a fresh calculator on a case."""
    from ..dft import DFT

    atoms = case.atoms()
    atoms.calc = DFT(
        xc=case.xc,
        cutoff=case.cutoff * HARTREE_EV,
        kpts={"size": case.kpts, "shift": case.shift},
        grid=case.box,
        pseudos=case.pseudos or "gth",
        device=device,
        smearing=(case.smearing[0], case.smearing[1] * HARTREE_EV) if case.smearing else None,
        tolerance=_THRESHOLD / 2 * HARTREE_EV / len(atoms),
    )
    started = time.perf_counter()
    free = atoms.get_potential_energy(force_consistent=True)
    atoms.get_forces()
    atoms.get_stress()
    return time.perf_counter() - started, free / HARTREE_EV


def run(device: str) -> list[Row]:
    """One row per case; without pw.x the peer's columns stay empty."""
    rows = []
    for case in cases():
        first, _ = ours(case, device)
        mine, theirs, energies = [], [], []
        for _ in range(PAIRS):
            wall, energy = ours(case, device)
            mine.append(wall)
            if espresso.installed():
                result = espresso.run(case, ranks=2, threshold=_THRESHOLD)
                theirs.append(result["wall_s"])
                energies.append(abs(energy - result["energy"]) / len(case.symbols))
        ratios = [a / b for a, b in zip(mine, theirs, strict=False)]
        note = f"first run {first:.2f} s" + (f", energies differ by {max(energies):.1e} Ha/atom" if energies else "")
        rows.append(
            Row(
                case.name,
                statistics.median(mine),
                "pw.x, 2 ranks" if theirs else "pw.x not installed",
                statistics.median(theirs) if theirs else None,
                statistics.median(ratios) if ratios else None,
                len(mine),
                note,
            )
        )
    return rows
