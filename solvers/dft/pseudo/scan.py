"""How many plane waves each potential needs: our own convergence scan, stored in resources/pseudo/gth/cutoffs.json.

The free pseudo-atom of every entry is solved in spherical waves up to a large wavenumber; at its self-consistent potential the energy E(k) in the waves
up to k is found for every k. Two figures follow at a cutoff E_cut = k²/2, both per atom:

* error = E(k) − E(∞), in meV per valence electron;
* slope = −dE/d ln E_cut, which is the Pulay pressure of a crystal at a fixed set of plane waves, P = (2/3Ω) slope (G. P. Francis, M. C. Payne,
  J. Phys.: Condens. Matter 2, 4395 (1990)), taken at the smallest volume per atom that the element has in common hard crystals.

The recommended cutoff is the lowest whole hartree at which the error is at most `ERROR` and the pressure at most `PRESSURE`; the latter keeps every
compound below the 0.5 GPa above which cell relaxations and elastic constants are refused. A core density must have ended within the density's sphere, too.

``python -m solvers.dft.pseudo.scan [SYMBOL …]`` scans what is missing in the file and rewrites it after every entry; with ``--crystals`` it holds the
recommendation against crystals: what energy and pressure still change from the recommended cutoff to 1.6 times it; with ``--file PATH`` it prints the row of a
potential file.
"""
from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solvers.core.paths import resource
from solvers.core.units import BOHR_ANGSTROM, HARTREE_EV, HARTREE_PER_BOHR3_GPA

from .entry import Entry
from .library import default_cutoff, entries, entry, live

ERROR = 5.0  # meV per valence electron
PRESSURE = 0.3  # GPa
CORE = 1e-3  # electrons of a core density beyond the density's sphere
VOLUMES = {"H": 5.0, "Be": 8.0, "B": 5.9, "C": 5.6, "N": 5.9, "O": 9.0, "F": 8.0, "": 10.0}  # Å³ per atom: diamond, BN, MgO, LiF …; "" all others
WAVENUMBERS = (40.0, 60.0)  # 1/bohr: the basis that stands for infinity, the second where the first is not enough


#: (crystal, ase.build.bulk arguments, chosen potentials, k-mesh): what the recommendation is held against
CRYSTALS = (("Si", {"name": "Si", "crystalstructure": "diamond", "a": 5.43}, {}, (2, 2, 2)),
            ("Al", {"name": "Al", "crystalstructure": "fcc", "a": 4.04}, {}, (4, 4, 4)),
            ("Mg", {"name": "Mg", "crystalstructure": "hcp", "a": 3.19, "c": 5.18}, {"Mg": "GTH-PBE-q2"}, (3, 3, 2)),
            ("GaAs", {"name": "GaAs", "crystalstructure": "zincblende", "a": 5.75}, {"Ga": "GTH-PBE-q3"}, (2, 2, 2)),
            ("C", {"name": "C", "crystalstructure": "diamond", "a": 3.567}, {}, (2, 2, 2)),
            ("MgO", {"name": "MgO", "crystalstructure": "rocksalt", "a": 4.259}, {"Mg": "GTH-PBE-q2"}, (2, 2, 2)),
            ("Cu", {"name": "Cu", "crystalstructure": "fcc", "a": 3.63}, {}, (3, 3, 3)),
            ("W", {"name": "W", "crystalstructure": "bcc", "a": 3.18}, {"W": "GTH-PBE-q6"}, (3, 3, 3)),
            ("Ba", {"name": "Ba", "crystalstructure": "bcc", "a": 5.02}, {}, (3, 3, 3)),
            ("NaCl", {"name": "NaCl", "crystalstructure": "rocksalt", "a": 5.70}, {"Na": "GTH-PBE-q1"}, (2, 2, 2)),
            ("Ge", {"name": "Ge", "crystalstructure": "diamond", "a": 5.76}, {}, (2, 2, 2)))


@dataclass(frozen=True)
class Curve:
    """Convergence of one potential: cutoffs (Ha), error (Ha per atom) and slope (Ha per atom) at each."""

    cutoff: np.ndarray
    error: np.ndarray
    slope: np.ndarray


def curve(item: Entry, wavenumber: float = WAVENUMBERS[0]) -> Curve:
    """The convergence curve of an entry from the free atom, at whole hartrees from 2 to the end of the basis."""
    from solvers.dft.atom import radial_weights, self_consistent
    atom = self_consistent(live(item), wavenumber)
    weight = radial_weights()
    cutoff = np.arange(2.0, math.floor(0.9 * wavenumber**2 / 2))
    logarithm = np.log(cutoff)
    error, slope = np.zeros_like(cutoff), np.zeros_like(cutoff)
    for l, block in atom.blocks.items():
        matrix = block.fixed + block.basis.T @ ((atom.potential * weight)[:, None] * block.basis)
        counts = [(n, electrons) for shell, n, electrons in atom.occupied if shell == l]
        # every wave where the step from one to the next is large in energy, every third beyond
        sizes = np.unique(np.r_[len(counts) + 1:min(80, len(block.k)), 80:len(block.k):3])
        energies = np.array([sum(electrons * value for (_, electrons),
                                 value in zip(counts, np.linalg.eigvalsh(matrix[:size, :size]), strict=False)) for size in sizes])
        # waves up to the n-th stand for every cutoff between the n-th and the next wavenumber: their middle
        middle = 0.5 * (block.k[sizes - 1] + block.k[sizes])
        fall = np.maximum(energies - atom_limit(matrix, counts), 1e-14)
        # between the points the logarithm of the error is linear in the wavenumber
        fine = np.interp(np.sqrt(2 * cutoff), middle, np.log(fall))
        error += np.exp(fine)
        slope -= np.exp(fine) * np.gradient(fine, logarithm)
    return Curve(cutoff, error, slope)


def atom_limit(matrix: np.ndarray, counts: list[tuple[int, float]]) -> float:
    """Energy (Ha) of the occupied levels in the whole basis."""
    values = np.linalg.eigvalsh(matrix)
    return float(sum(electrons * value for (_, electrons), value in zip(counts, values, strict=False)))


def volume(symbol: str) -> float:
    """Smallest common volume per atom in Å³."""
    return VOLUMES.get(symbol, VOLUMES[""])


def pressure(slope: np.ndarray | float, volume_angstrom3: float) -> np.ndarray | float:
    """Pulay pressure in GPa of a slope (Ha per atom)."""
    return 2 / 3 * slope / (volume_angstrom3 / BOHR_ANGSTROM**3) * HARTREE_PER_BOHR3_GPA


def core_cutoff(item: Entry) -> float:
    """Lowest whole hartree at which a core density has ended within the density's sphere, |core(q)| < `CORE` from q = 2 √(2 E_cut) on; 0 without one."""
    if not item.has_core:
        return 0.0
    import torch
    cutoff = np.arange(1.0, 401.0)
    left = live(item).core(torch.as_tensor(2 * np.sqrt(2 * cutoff))).abs().numpy()
    above = np.flatnonzero(left >= CORE)
    return float(cutoff[min(above[-1] + 1, len(cutoff) - 1)]) if len(above) else 0.0


def recommend(item: Entry) -> dict:
    """The row of cutoffs.json for an entry: recommended cutoff (Ha) with error and pressure there, the cutoff that energies alone need, and the criterion."""
    for wavenumber in WAVENUMBERS:
        found = curve(item, wavenumber)
        error = found.error * HARTREE_EV * 1e3 / item.charge
        push = pressure(found.slope, volume(item.symbol))
        # the last cutoff at which a limit is broken decides, so that an accidental dip does not count; beyond the noise of the tail nothing is broken
        for_energy, for_both = error > ERROR, (error > ERROR) | (push > PRESSURE)
        if not for_both[-1]:
            break
    else:
        return {"cutoff_ha": None, "kind": "unknown", "reason": f"not converged at {found.cutoff[-1]:.0f} Ha"}
    first = int(np.nonzero(for_both)[0][-1]) + 1 if for_both.any() else 0
    only = int(np.nonzero(for_energy)[0][-1]) + 1 if for_energy.any() else 0
    for_core = core_cutoff(item)
    first = max(first, min(len(found.cutoff) - 1, int(np.searchsorted(found.cutoff, for_core))))
    return {"cutoff_ha": float(found.cutoff[first]), "kind": "scanned", "error_mev_per_electron": round(float(error[first]), 4),
            "pressure_gpa": round(float(push[first]), 4),
            "energy_cutoff_ha": float(found.cutoff[only]), "volume_ang3": volume(item.symbol), "reason": "free atom in spherical waves"}


def scan(path: Path, symbols: list[str]) -> None:
    """Scan the entries of `symbols` (all that the file lacks when empty) and rewrite the file after each."""
    for item in entries():
        key = f"{item.symbol} {item.name}"
        data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        known = data.get("entries", {})
        if (symbols and item.symbol not in symbols) or (not symbols and key in known):
            continue
        known[key] = {**recommend(item), "sha256": item.sha256}
        order = {f"{other.symbol} {other.name}": place for place, other in enumerate(entries())}
        data = {**data, "criterion": {"error_mev_per_electron": ERROR, "pressure_gpa": PRESSURE,
                              "method": "solvers/dft/pseudo/scan.py: free pseudo-atom, Slater + PW92"},
                "entries": {name: known[name] for name in sorted(known, key=order.__getitem__)}}
        _write(path, data)
        print(key, known[key]["cutoff_ha"], known[key].get("pressure_gpa"), file=sys.stderr, flush=True)


def crystal(arguments: dict, chosen: dict[str, str], mesh: tuple[int, int, int], factor: float = 1.6) -> dict:
    """What still changes in a PBE crystal from the recommended cutoff to `factor` times it: energy (mHa per atom) and mean stress (GPa)."""
    from ase.build import bulk

    from solvers.core.units import EV_PER_ANGSTROM3_GPA
    from solvers.dft import DFT
    atoms = bulk(**arguments)
    cutoff = default_cutoff([entry(symbol, "PBE", chosen.get(symbol, "gth")) for symbol in dict.fromkeys(atoms.symbols)])
    energies, pressures = [], []
    for value in (cutoff, factor * cutoff):
        atoms.calc = DFT(xc="PBE", cutoff=value, kpts=mesh, smearing=("fermi-dirac", 0.2), pseudos=chosen or "gth")
        energies.append(atoms.get_potential_energy(force_consistent=True) / len(atoms) / HARTREE_EV)
        pressures.append(float(atoms.get_stress()[:3].mean()) * EV_PER_ANGSTROM3_GPA)
    return {"potentials": {symbol: entry(symbol, "PBE", chosen.get(symbol, "gth")).name for symbol in dict.fromkeys(atoms.symbols)},
            "cutoff_ha": round(cutoff / HARTREE_EV, 6),
            "against_ha": round(factor * cutoff / HARTREE_EV, 6), "energy_mha_per_atom": round(1e3 * (energies[0] - energies[1]),
                                                                                     4), "pressure_gpa": round(pressures[0] - pressures[1], 4)}


def hold_against_crystals(path: Path) -> None:
    """Put the figures of every crystal of `CRYSTALS` that the file lacks into it."""
    for name, arguments, chosen, mesh in CRYSTALS:
        data = json.loads(path.read_text(encoding="utf-8"))
        if name not in data.setdefault("crystals", {}):
            data["crystals"][name] = crystal(arguments, chosen, mesh)
            _write(path, data)
            print(name, data["crystals"][name], file=sys.stderr, flush=True)


def _write(path: Path, data: dict) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    table = resource("pseudo", "gth") / "cutoffs.json"
    if sys.argv[1:2] == ["--file"]:
        from .files import file_entry
        print(json.dumps(recommend(file_entry(sys.argv[2]))))
    elif "--crystals" in sys.argv:
        hold_against_crystals(table)
    else:
        scan(table, sys.argv[1:])
