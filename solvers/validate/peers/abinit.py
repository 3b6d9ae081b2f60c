"""ABINIT as a peer: writes its input from a case, runs it, reads energies, forces and stress. The stress oracle for GTH potentials."""
from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from solvers.core.errors import MissingError, ReadError, RunError
from solvers.dft.pseudo.library import entry

from . import potentials
from .potentials import IXC

if TYPE_CHECKING:
    from ..cases.dft import Case

#: our smearing -> ABINIT's number; its two cold smearings are other polynomials than ours
OCCOPT = {"fermi-dirac": 3, "methfessel-paxton": 6, "gaussian": 7}
_COMPONENTS = {"kinetic": "kinetic", "hartree": "hartree", "xc": "xc", "Ewald energy": "ewald", "psp_core": "alpha", "local_psp": "local",
               "non_local_psp": "nonlocal", "internal": "internal", "-kT*entropy": "entropy"}
_TIME_LIMIT = 3600  # s


def installed() -> bool:
    """Whether `abinit` is on the path."""
    return shutil.which("abinit") is not None


def version() -> str:
    """What `abinit --version` says."""
    return "ABINIT " + subprocess.run(["abinit", "--version"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def input_text(case: Case, files: list[str]) -> str:
    """The ABINIT input of a case; `files` are potential files in the order of first appearance of the elements."""
    from ase.data import atomic_numbers
    kinds = list(dict.fromkeys(case.symbols))

    def rows(array: np.ndarray) -> str:
        return "\n".join("  " + " ".join(f"{value:.15f}" for value in row) for row in array)

    lines = [f"pseudos \"{', '.join(files)}\"", f"ecut {case.cutoff!r}", f"ixc {IXC[case.xc]}", "acell 3*1.0", "rprim", rows(case.cell),
             f"natom {len(case.symbols)}", f"ntypat {len(kinds)}", "znucl " + " ".join(str(atomic_numbers[kind]) for kind in kinds),
             "typat " + " ".join(str(kinds.index(symbol) + 1) for symbol in case.symbols), "xred", rows(case.scaled),
             "ngkpt " + " ".join(map(str, case.kpts)), "nshiftk 1", "shiftk " + " ".join(map(str, case.shift)), "kptopt 1",
             "nstep 100", "toldfe 0", "tolvrs 1.0d-15", "iscf 7", "optforces 1", "optstress 1",
             "prtwf 0", "prtden 0", "prteig 0", "prtebands 0", "chkprim 0", "chksymbreak 0"]
    if case.xc == "r2SCAN":
        lines.append("usekden 1")
    if any("/" in selector for selector in case.pseudos.values()) and case.xc != "r2SCAN":
        lines.append("nc_xccc_gspace 1")  # core densities filtered like the valence density, as here; in real space they cost up to 1e-3 Ha at low cutoffs
    if case.box:
        lines.append("ngfft " + " ".join(map(str, case.box)))
    if not case.symmetry or case.forces:
        lines.append("nsym 1")
    if case.moments is not None:
        lines += ["nsppol 2", "spinat", *(f"  0 0 {moment!r}" for moment in case.moments)]
    if case.smearing:
        lines += [f"occopt {OCCOPT[case.smearing[0]]}", f"tsmear {case.smearing[1]!r}"]
        electrons = sum(entry(symbol, case.xc, case.pseudos.get(symbol, "gth")).charge for symbol in case.symbols)
        lines.append(f"nband {int(0.6 * electrons) + 14}")  # ABINIT's own number is too small for some metals: the cycle then wanders
    return "\n".join(lines) + "\n"


def run(case: Case, folder: Path | None = None) -> dict:
    """Results of ABINIT for a case: energy (F, Ha), components (Ha), forces (N, 3) Ha/bohr, stress (3, 3) GPa, fermi (Ha), box, version, input.

    Raises MissingError when ABINIT is not installed, RunError when it fails, ReadError when its output is not understood.
    """
    if not installed():
        raise MissingError("ABINIT is not installed.", hint="Install the Debian package abinit, or use the stored values.")
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            return run(case, Path(name))
    files = [potentials.write(case, symbol, folder) for symbol in dict.fromkeys(case.symbols)]
    text = input_text(case, files)
    (folder / "run.abi").write_text(text)
    return {**parse(execute(folder, case.name), len(case.symbols)), "version": version(), "input": text}


def execute(folder: Path, name: str) -> str:
    """The main output of ABINIT for ``run.abi`` in `folder`; raises RunError naming the case when it fails."""
    done = subprocess.run(["abinit", "run.abi"], cwd=folder, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False, env=_environment())
    output = folder / "run.abo"
    if done.returncode or not output.is_file():
        raise RunError(f"ABINIT failed on {name} with status {done.returncode}: {(done.stdout + done.stderr)[-600:]}",
                       hint="Run it by hand in a folder of its own.")
    return output.read_text()


def parse(text: str, n_atoms: int) -> dict:
    """Numbers out of an ABINIT main output; raises ReadError naming what is missing."""
    def block(start: str, count: int, columns: slice) -> np.ndarray:
        if start not in text:
            raise ReadError(f"ABINIT's output has no {start!r}.", hint="Check that it ran to its end.")
        lines = text.rsplit(start, 1)[1].splitlines()[1:count + 1]
        return np.array([[float(word) for word in line.split()[columns]] for line in lines])

    if "nstep=" in text and "was not enough SCF cycles" in text:
        raise ReadError("ABINIT did not converge.", hint="Raise nstep.")
    box = re.findall(r"^\s*ngfft\s+(\d+)\s+(\d+)\s+(\d+)", text, re.M)
    section = text.rsplit("--- !EnergyTerms", 1)[-1]
    components = {ours: float(match[1]) for theirs, ours in _COMPONENTS.items()
                  if (match := re.search(rf"^{re.escape(theirs)}\s*:\s*([-+0-9.Ee]+)", section, re.M))}
    total = re.search(r"^total_energy\s*:\s*([-+0-9.Ee]+)", section, re.M)
    stress = re.findall(r"sigma\((\d) (\d)\)=\s*([-+0-9.Ee]+)", text.rsplit("Cartesian components of stress tensor (GPa)", 1)[-1])[:6]
    fermi = re.findall(r"Fermi energy \(hartree\) =\s*([-+0-9.Ee]+)", text) or re.findall(r"fermie\s*:\s*([-+0-9.Ee]+)", text)
    if total is None or len(stress) != 6 or not box:
        raise ReadError("ABINIT's output lacks the energy, the stress or ngfft.", hint="Version 9 prints all three.")
    tensor = np.zeros((3, 3))
    for i, j, value in stress:
        tensor[int(i) - 1, int(j) - 1] = tensor[int(j) - 1, int(i) - 1] = float(value)
    moment = re.findall(r"Total magnetization \(exact up - dn\):\s*([-+0-9.Ee]+)", text)
    forces = block("cartesian forces (hartree/bohr) at end:", n_atoms, slice(1, 4))
    return {"energy": float(total[1]), "components": components, "forces": forces, "stress": tensor,
            "fermi": float(fermi[-1]) if fermi else None, "moment": float(moment[-1]) if moment else None, "box": tuple(int(n) for n in box[-1])}


def _environment() -> dict[str, str]:
    import os
    return {**os.environ, "OMP_NUM_THREADS": "1"}
