"""Elk as a peer: all-electron energies (full-potential linearised augmented plane waves) of a crystal, beside which a potential file is judged as physics.

Its total energy holds the core, so only curves compare: volumes and moduli. Cutoffs were tried on silicon (RGKMAX 7 and 8, GMAX 14 and 18): the energy
difference between 94 % and 106 % of the volume moves by 4e-6 Ha, which is 0.005 % of the volume. Finer radial meshes, more angular momenta and linearisation
energies found by the program itself (nrmtscf 2, lradstp 1, lmaxapw 10, lmaxo 8, autolinengy) make aluminium's volume 0.23 % and diamond's 0.04 % smaller at
several times the cost: what the default settings here leave open. Muffin-tin radii are fixed per element, the same at every volume.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from solvers.core.errors import MissingError, ReadError, RunError, SetupError

if TYPE_CHECKING:
    from ..cases.dft import Case

_PROGRAM = "elk-lapw"
_SPECIES = Path("/usr/share/elk-lapw/species")
_TIME_LIMIT = 3600  # s
#: our functional -> Elk's own number: Perdew–Wang 92, PBE, PBEsol
XCTYPE = {"LDA": 3, "PBE": 20, "PBEsol": 22}
SMEARING = {"gaussian": 0, "fermi-dirac": 3}
#: smallest muffin-tin radius times largest |G + k|; largest |G| of density and potential, 1/bohr
RGKMAX, GMAX = 7.5, 16.0
#: muffin-tin radii in bohr: spheres of neighbours do not touch at the smallest volume of any crystal they are used in
RADII = {"Si": 2.1, "Al": 2.0, "C": 1.35, "B": 1.35, "N": 1.35, "Mg": 1.9, "O": 1.6, "Ca": 2.2, "Cu": 2.1}


def installed() -> bool:
    """Whether Debian's `elk-lapw` and its species files are here."""
    return shutil.which(_PROGRAM) is not None and _SPECIES.is_dir()


def input_text(case: Case) -> str:
    """Elk's input of a case; raises SetupError for what it is not asked here: spin, forces, other functionals and smearings, elements without a radius."""
    kinds = list(dict.fromkeys(case.symbols))
    if case.xc not in XCTYPE or case.moments is not None or (case.smearing and case.smearing[0] not in SMEARING):
        raise SetupError(f"Elk is not asked for {case.name}: {case.xc}, smearing {case.smearing}, moments {case.moments}.",
                         hint=f"Functionals {', '.join(XCTYPE)}; smearing {', '.join(SMEARING)} or none; no spin.")
    if missing := [kind for kind in kinds if kind not in RADII]:
        raise SetupError(f"No muffin-tin radius is chosen for {', '.join(missing)}.", hint=f"Add it to {__name__}.RADII; there are {', '.join(RADII)}.")
    smearing, width = case.smearing or ("fermi-dirac", 1e-3)
    blocks: list[tuple[str, list[str]]] = [
        ("tasks", ["0"]), ("xctype", [str(XCTYPE[case.xc])]), ("mixtype", ["3"]), ("rgkmax", [repr(RGKMAX)]), ("gmaxvr", [repr(GMAX)]), ("nxlo", ["1"]),
        ("epsengy", ["1.0e-7"]), ("epspot", ["1.0e-6"]), ("stype", [str(SMEARING[smearing])]), ("swidth", [repr(width)]), ("nempty", ["6"]),
        ("avec", [" ".join(f"{value:.12f}" for value in row) for row in case.cell]), ("ngridk", [" ".join(map(str, case.kpts))]),
        ("vkloff", [" ".join(map(str, case.shift))]), ("sppath", ["'./'"])]
    atoms = [str(len(kinds))]
    for kind in kinds:
        places = [row for row, symbol in zip(case.scaled, case.symbols, strict=True) if symbol == kind]
        atoms += [f"'{kind}.in'", str(len(places)), *(" ".join(f"{value:.12f}" for value in row) + "  0 0 0" for row in places)]
    blocks.append(("atoms", atoms))
    return "\n".join(f"{name}\n" + "\n".join("  " + line for line in lines) + "\n" for name, lines in blocks)


def species_text(symbol: str) -> str:
    """Debian's species file of an element with our muffin-tin radius; raises ReadError where it looks otherwise than expected."""
    path = _SPECIES / f"{symbol}.in"
    lines = path.read_text(encoding="utf-8").splitlines()
    where = [number for number, line in enumerate(lines) if "rminsp, rmt, rmaxsp, nrmt" in line]
    if len(where) != 1:
        raise ReadError(f"{path} has no line of muffin-tin radii.", hint="Install Debian's elk-lapw again.")
    words = lines[where[0]].split(":")[0].split()
    lines[where[0]] = f"  {words[0]}  {RADII[symbol]:.4f}  {words[2]}  {words[3]}  : rminsp, rmt, rmaxsp, nrmt"
    return "\n".join(lines) + "\n"


def run(case: Case, folder: Path | None = None) -> dict:
    """Free energy (Ha, all electrons) and version for a case; no FFT box to speak of.

    Raises MissingError when Elk is not installed, RunError when it fails, ReadError when its output is not understood or its spheres were made smaller.
    """
    if not installed():
        raise MissingError("Elk is not installed.", hint="Install the Debian package elk-lapw, or use the stored values.")
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            return run(case, Path(name))
    (folder / "elk.in").write_text(input_text(case))
    for symbol in dict.fromkeys(case.symbols):
        (folder / f"{symbol}.in").write_text(species_text(symbol))
    done = subprocess.run([_PROGRAM], cwd=folder, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False, env=_environment())
    info, totals = folder / "INFO.OUT", folder / "TOTENERGY.OUT"
    if done.returncode or not info.is_file() or not totals.is_file():
        raise RunError(f"Elk failed on {case.name} with status {done.returncode}: {(done.stdout + done.stderr)[-600:]}",
                       hint="Run it by hand in a folder of its own.")
    return parse(info.read_text(encoding="utf-8"), [RADII[symbol] for symbol in dict.fromkeys(case.symbols)])


def parse(info: str, radii: list[float]) -> dict:
    """Energy and version out of INFO.OUT; radii: those that were asked for."""
    version = re.search(r"Elk version (\S+)", info)
    energies = re.findall(r"^ total energy\s*:\s*([-+0-9.Ee]+)", info, re.M)
    if "Convergence targets achieved" not in info or not energies:
        raise ReadError("Elk's INFO.OUT has no converged total energy.", hint="It did not converge.")
    used = [float(value) for value in re.findall(r"muffin-tin radius\s*:\s*([0-9.]+)", info)]
    if not np.allclose(used, radii, atol=1e-6):
        raise ReadError(f"Elk used muffin-tin radii {used} instead of {radii} bohr.", hint="They touch: choose smaller ones.")
    return {"version": f"Elk {version[1].removesuffix('.')}" if version else "Elk", "energy": float(energies[-1])}


def version() -> str:
    """The name; the number stands in the output of a run."""
    return "Elk"


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
