"""Quantum ESPRESSO's `ph.x` as a peer for the response to a field: GTH tables as UPF files, `pw.x`, then `ph.x` with epsil and zeu."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from solvers.core.errors import MissingError, ReadError, RunError
from solvers.core.units import BOHR_ANGSTROM, HARTREE_EV
from solvers.dft.pseudo.library import find

from .espresso import _environment, version
from .upf_text import GaussianOrbital, upf_text

if TYPE_CHECKING:
    from ..cases.response import FieldCase

_FUNCTIONALS = {"LDA": "SLA PW NOGX NOGC", "PBE": "SLA PW PBX PBC"}
_SHELLS = "spd"
_TIME_LIMIT = 3600  # s


def installed() -> bool:
    """Whether `pw.x` and `ph.x` are on the path."""
    return shutil.which("pw.x") is not None and shutil.which("ph.x") is not None


def inputs(case: FieldCase) -> dict[str, str]:
    """File name -> text: both inputs and one potential per element."""
    atoms = case.atoms()
    files = {}
    for symbol in dict.fromkeys(atoms.get_chemical_symbols()):
        pseudo = find(symbol, case.xc, "gth")
        shells = [(l, electrons) for l, electrons in enumerate(pseudo.entry.configuration) if electrons]
        orbitals = [GaussianOrbital(f"{l + 1}{_SHELLS[l].upper()}", l, float(electrons), 1.0) for l, electrons in shells]
        files[f"{symbol}.UPF"] = upf_text(pseudo, orbitals, _FUNCTIONALS[case.xc])
    cell = "\n".join(" ".join(f"{x:.15f}" for x in row) for row in atoms.cell.array / BOHR_ANGSTROM)
    places = "\n".join(f"{s} " + " ".join(f"{x:.15f}" for x in row) for s, row in zip(atoms.get_chemical_symbols(), atoms.get_scaled_positions(), strict=True))
    kinds = "\n".join(f"{name[:-4]} 1.0 {name}" for name in files)
    box = ", ".join(f"nr{i + 1}={n}" for i, n in enumerate(case.grid))
    size, _, shift = case.kpts.partition("+")
    mesh = size.replace("x", " ") + (" 1 1 1" if shift else " 0 0 0")
    files["scf.in"] = (f"&control\ncalculation='scf', pseudo_dir='.', outdir='out', prefix='x'\n/\n&system\nibrav=0, nosym=.true., nat={len(atoms)}, "
                       f"ntyp={len(files)}, ecutwfc={2 * case.cutoff / HARTREE_EV!r}, {box}\n/\n&electrons\nconv_thr=1d-14\n/\nATOMIC_SPECIES\n{kinds}\n"
                       f"CELL_PARAMETERS bohr\n{cell}\nATOMIC_POSITIONS crystal\n{places}\nK_POINTS automatic\n{mesh}\n")
    files["ph.in"] = "x\n&inputph\noutdir='out', prefix='x', epsil=.true., trans=.false., zeu=.true., tr2_ph=1d-18\n/\n0 0 0\n"
    return files


def run(case: FieldCase) -> dict:
    """Results of `ph.x`: dielectric (3, 3), born (N, 3, 3) e with the field first, version.

    Raises MissingError when it is not installed, RunError when it fails, ReadError when its output is not understood.
    """
    if not installed():
        raise MissingError("Quantum ESPRESSO's pw.x and ph.x are not installed.", hint="Install the Debian package quantum-espresso.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in inputs(case).items():
            (folder / file).write_text(text)
        for program, file in (("pw.x", "scf.in"), ("ph.x", "ph.in")):
            done = subprocess.run([program, "-in", file], cwd=folder, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False, env=_environment())
            if done.returncode or "JOB DONE" not in done.stdout:
                raise RunError(f"{program} failed on {case.name}: {(done.stdout + done.stderr)[-600:]}", hint="Run it by hand in a folder of its own.")
        return {**parse(done.stdout), "version": version()}


def parse(text: str) -> dict:
    """Tensors out of the output of `ph.x`; ReadError naming what is missing."""
    tensor = re.search(r"Dielectric constant in cartesian axis(.*?)Effective charges", text, re.S)
    charges = re.search(r"Effective charges \(d Force / dE\) in cartesian axis(.*?)\n\s*\n\s*\S*[A-Z]{3}", text + "\n\nEND", re.S)
    if tensor is None or charges is None:
        raise ReadError("The output of ph.x lacks the dielectric constant or the effective charges.", hint="epsil and zeu must be on.")
    rows = [[float(x) for x in row.split()] for row in re.findall(r"\(([-\d.\s]+)\)", tensor[1])]
    fields = [[float(x) for x in row.split()] for row in re.findall(r"E[xyz]\s*\(([-\d.\s]+)\)", charges[1])]
    return {"dielectric": np.array(rows[-3:]), "born": np.array(fields).reshape(-1, 3, 3)}
