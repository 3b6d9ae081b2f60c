"""Band energies at k-points off the mesh beside ABINIT's, same potential, cutoff, mesh and box; masses and work functions of textbooks, printed only.

`python -m solvers.validate.bands` runs ABINIT on all cases and stores what it says.
"""
from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from solvers.core.errors import MissingError

from .cases.dft import Case, fcc
from .dft import keywords
from .peers import abinit, store
from .report import Row, compare

LEVEL = 6e-6  # Ha, of every band and k-point: ABINIT prints five decimals, half a unit of the last one is 5e-6
N_BANDS = 8
KPOINTS = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.11, 0.23, -0.37], [0.5, 0.5, 0.5], [0.4, 0.05, 0.4]])
_STORED = store.FOLDER / "bands_abinit.json"
_RATTLED = np.array([[0.13, 0.12, 0.127], [-0.125, -0.125, -0.125]])
CASES = (Case("Si2 rattled", fcc(10.263141334), _RATTLED, ("Si", "Si"), 12.0, (3, 3, 3), xc="LDA", box=(24, 24, 24), forces=True),
         Case("GaAs", fcc(10.68), np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]]), ("Ga", "As"), 12.0, (3, 3, 3), pseudos={"Ga": "GTH-PBE-q3"}, box=(27, 27, 27)),
         Case("Al", fcc(7.6344), np.zeros((1, 3)), ("Al",), 12.0, (6, 6, 6), smearing=("fermi-dirac", 0.01), box=(18, 18, 18)))


def ours(case: Case) -> np.ndarray:
    """Our eigenvalues (K, N_BANDS) in Ha at `KPOINTS`."""
    from solvers.dft import DFT
    from solvers.dft.nonscf import FixedPotential
    calculator = DFT(**keywords(case))
    calculator.calculate(case.atoms(), ("energy",))
    return FixedPotential.of(calculator.calculation).solve(KPOINTS, N_BANDS, 1e-8)["eigenvalues"][0]


def rows_of(case: Case, live: bool) -> Iterator[Row]:
    """Worst of the filled and of all bands, and the gap."""
    peer = {"version": abinit.version(), "levels": peer_levels(case)} if live else _stored(case.name)
    mine, theirs = ours(case), np.array(peer["levels"])
    worst = np.unravel_index(np.abs(mine - theirs).argmax(), mine.shape)
    yield compare("bands", case.name, f"band {worst[1] + 1} at k-point {worst[0] + 1} (worst of {mine.size})", mine[worst], theirs[worst], LEVEL, "Ha",
                  peer["version"] + ("" if live else " (stored)"), "x".join(map(str, case.box)))


def peer_levels(case: Case) -> list:
    """ABINIT's eigenvalues at `KPOINTS`."""
    from .peers.abinit_bands import levels
    return levels(case, KPOINTS, N_BANDS).tolist()


def _stored(name: str) -> dict[str, Any]:
    rows = json.loads(_STORED.read_text(encoding="utf-8")) if _STORED.is_file() else {}
    if name not in rows:
        raise MissingError(f"No stored ABINIT bands for {name!r}.", hint="Run python -m solvers.validate.bands where ABINIT is installed.")
    return rows[name]


def effective_mass_rows() -> Iterator[Row]:
    """Masses of silicon's conduction band (PBE, this cutoff) beside the measured ones: printed, since the functional is not exact."""
    from ase.build import bulk

    from solvers import tasks
    from solvers.core.job import drain
    from solvers.core.params import from_dict
    from solvers.core.structure import Structure
    task = tasks.get("bands")
    params = from_dict(task.params_class(), {"cutoff": 330, "kpts": "5x5x5", "smearing": "none", "path": "LGX", "path_spacing": 0.1})
    result = drain(task.run(params, {"structure": Structure.from_atoms(bulk("Si", a=5.431))}))
    masses = np.sort(1.0 / np.linalg.eigvalsh(result.values["inverse_mass"][0]))
    for name, value, measured in (("transverse", masses[0], 0.1905), ("longitudinal", masses[2], 0.9163)):
        yield compare("bands", "Si", f"{name} electron mass", value, measured, None, "mₑ", "cyclotron resonance, J. C. Hensel et al. (1965)")


def run(full: bool = False) -> Iterator[Row]:
    """Every comparison; ABINIT is run where it is installed, else its stored results are taken. full adds masses."""
    live = abinit.installed()
    for case in CASES:
        yield from rows_of(case, live)
    if full:
        yield from effective_mass_rows()


if __name__ == "__main__":
    table = {case.name: {"version": abinit.version(), "levels": peer_levels(case)} for case in CASES}
    _STORED.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"stored {len(table)} cases", file=sys.stderr)
