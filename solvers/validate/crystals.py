"""Equations of state of cubic crystals beside ABINIT with the same psp8 potentials: energies at every volume, V0, B0; V0 and B0 of some beside Elk.

Published all-electron values are printed beside. Energies are stored: `python -m solvers.validate.peers.store abinit:crystals`, `elk:crystals`.
"""
from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from solvers.core.units import EV_PER_ANGSTROM3_GPA, HARTREE_EV

from .cases import crystals as cases
from .cases.crystals import Crystal
from .peers import abinit, elk, store
from .report import Row, compare


def birch_murnaghan(volumes: np.ndarray, energies: np.ndarray) -> tuple[float, float, float]:
    """(V0, B0, B1) of a third-order Birch–Murnaghan fit by linear least squares: E is a cubic polynomial in V^(−2/3).

    volumes (n,), energies (n,), n ≥ 4; B0 in the unit of energy per volume. F. Birch, Phys. Rev. 71, 809 (1947). Raises ValueError when the curve has no
    minimum inside the volumes.
    """
    x = np.asarray(volumes, float) ** (-2 / 3)
    middle, scale = x.mean(), np.ptp(x) / 2
    c = np.polynomial.Polynomial(np.polynomial.polynomial.polyfit((x - middle) / scale, energies, 3))
    roots = [r.real for r in c.deriv().roots() if abs(r.imag) < 1e-9 and abs(r.real) <= 1 and c.deriv(2)(r.real) > 0]
    if not roots:
        raise ValueError("The energies have no minimum inside the volumes.")
    x0 = roots[0] * scale + middle
    d2, d3 = c.deriv(2)(roots[0]) / scale**2, c.deriv(3)(roots[0]) / scale**3
    v0 = x0 ** (-3 / 2)
    # with x = V^(−2/3): E'' = (4/9) x⁵ E_xx at the minimum; B1 from the third derivative
    b0 = 4 / 9 * x0**5 * d2 * v0
    b1 = 4 + 2 / 3 * x0 * d3 / d2
    return v0, b0, b1


def _ours(crystal: Crystal, strain: float, box: tuple[int, int, int]) -> float:
    from .dft import ours
    return ours(crystal.case(strain), box, derivatives=False, tolerance=1e-9)["energy"]


def rows_of(crystal: Crystal, live: bool, elk_live: bool = False) -> Iterator[Row]:
    """All comparisons of a crystal."""
    volumes, mine, peers, worst, name = [], [], [], (0.0, 0.0, 0.0), ""
    n = len(crystal.symbols)
    for strain in cases.STRAINS:
        case = crystal.case(strain)
        peer = abinit.run(case) if live else store.result("abinit", case.name, "crystals")
        name = peer["version"] + ("" if live else " (stored)")
        energy = _ours(crystal, strain, peer["box"])
        volumes.append(strain * crystal.volume)
        mine.append(energy)
        peers.append(peer["energy"])
        if abs(energy - peer["energy"]) / n >= worst[0]:
            worst = (abs(energy - peer["energy"]) / n, energy / n, peer["energy"] / n)
    smooth = all(_smooth(volumes, energies) for energies in (mine, peers))
    yield compare("crystals", crystal.name, "free energy (worst of 7 volumes)", worst[1], worst[2], cases.ENERGY, "Ha/atom", name,
                  "" if smooth else "no curve: the energies jump with the number of plane waves, the cutoff is too low for a volume")
    if not smooth:
        return
    v, b = _fit(volumes, mine)
    yield from _fit_rows(crystal, (v, b), _fit(volumes, peers), cases.VOLUME, cases.MODULUS, name)
    if crystal.name in cases.BESIDE_ELK and (elk_live or all(store.known("elk", crystal.case(strain).name, "crystals") for strain in cases.STRAINS)):
        curve = [elk.run(case) if elk_live else store.result("elk", case.name, "crystals") for case in map(crystal.case, cases.STRAINS)]
        yield from _fit_rows(crystal, (v, b), _fit(volumes, [row["energy"] for row in curve]), cases.ALL_ELECTRON_VOLUME, cases.ALL_ELECTRON_MODULUS,
                             f"{curve[0]['version']}, all electrons" + ("" if elk_live else " (stored)"))
    if crystal.all_electron is not None:
        yield from _fit_rows(crystal, (v, b), crystal.all_electron, None, None, "all-electron average")


def _smooth(volumes: list[float], energies: list[float]) -> bool:
    """Whether a cubic in V^(−2/3) with a minimum inside the volumes misses no energy by more than `cases.ROUGH` of their spread."""
    x = np.array(volumes) ** (-2 / 3)
    x = (x - x.mean()) / np.ptp(x)
    rest = np.array(energies) - np.polynomial.Polynomial.fit(x, energies, 3)(x)
    try:
        birch_murnaghan(np.array(volumes), np.array(energies))
    except ValueError:
        return False
    return bool(np.abs(rest).max() <= cases.ROUGH * np.ptp(energies))


def _fit(volumes: list[float], energies: list[float]) -> tuple[float, float]:
    """V0 (Å³) and B0 (GPa) of energies in Ha."""
    v, b, _ = birch_murnaghan(np.array(volumes), np.array(energies) * HARTREE_EV)
    return v, b * EV_PER_ANGSTROM3_GPA


def _fit_rows(crystal: Crystal, mine: tuple[float, float], theirs: tuple[float, float], volume: float | None, modulus: float | None,
              name: str) -> Iterator[Row]:
    """V0 and B0 beside a reference; lines relative to it, None = printed."""
    for quantity, own, reference, line, unit in (("V0", mine[0], theirs[0], volume, "Å³"), ("B0", mine[1], theirs[1], modulus, "GPa")):
        yield compare("crystals", crystal.name, quantity, own, reference, None if line is None else line * reference, unit, name,
                      f"{100 * (own / reference - 1):+.4f} %")


def run(full: bool = False, only: Collection[str] | None = None) -> Iterator[Row]:
    """Every crystal whose potentials are installed (Debian's abinit-data); the quick ones unless `full`, those named in `only` whatever they are.

    Stored energies of ABINIT and Elk are taken where they exist; with `full` Elk runs where it is installed.
    """
    for crystal in cases.CRYSTALS:
        if crystal.available and (crystal.quick or full if only is None else crystal.name in only):
            stored = all(store.known("abinit", crystal.case(strain).name, "crystals") for strain in cases.STRAINS)
            if stored or abinit.installed():
                yield from rows_of(crystal, live=not stored, elk_live=full and elk.installed())
