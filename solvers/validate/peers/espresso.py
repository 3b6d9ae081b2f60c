"""Quantum ESPRESSO's `pw.x` as a peer: writes its input from a case, runs it, reads energies per step, forces and stress.

It reads our GTH files when their name ends in .gth. Its stress is wrong for l ≥ 1 GTH projectors (version 6.7, measured), so it judges
energies, forces and time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from solvers.core.errors import MissingError, ReadError, RunError
from solvers.core.units import HARTREE_PER_BOHR3_GPA

from . import potentials

if TYPE_CHECKING:
    from ..cases.dft import Case

_SMEARING = {"fermi-dirac": "fd", "gaussian": "gauss", "methfessel-paxton": "mp", "cold": "mv"}
_TIME_LIMIT = 3600  # s


def installed() -> bool:
    """Whether `pw.x` is on the path."""
    return shutil.which("pw.x") is not None


def version() -> str:
    """Name and version as `pw.x` prints them; "pw.x" when it prints none."""
    with tempfile.TemporaryDirectory() as folder:  # it leaves a file where it runs
        text = subprocess.run(["pw.x"], cwd=folder, input="", capture_output=True, text=True, check=False, timeout=60, env=_environment()).stdout
    match = re.search(r"PWSCF v\.?(\S+)", text)
    return f"Quantum ESPRESSO {match[1]}" if match else "pw.x"


def input_text(case: Case, files: dict[str, str], *, threshold: float = 1e-9, lines: str = "") -> str:
    """The `pw.x` input of a case; `files` maps symbols to potential files, threshold is the estimated energy error in Ry, `lines` are
    further ones of &system."""
    from ase.data import atomic_masses, atomic_numbers

    system = ["ibrav = 0", f"nat = {len(case.symbols)}", f"ntyp = {len(files)}", f"ecutwfc = {2 * case.cutoff!r}"]
    if case.box:
        system.append("nr1 = {}, nr2 = {}, nr3 = {}".format(*case.box))
    if case.smearing:
        system += ["occupations = 'smearing'", f"smearing = '{_SMEARING[case.smearing[0]]}'", f"degauss = {2 * case.smearing[1]!r}"]
    if not case.symmetry:
        system.append("nosym = .true.")
    if lines:
        system.append(lines)
    gamma = tuple(case.kpts) == (1, 1, 1) and not any(case.shift)
    shift = [int(round(2 * part)) for part in case.shift]
    points = "K_POINTS gamma" if gamma else "K_POINTS automatic\n" + " ".join(map(str, [*case.kpts, *shift]))
    rows = [
        "&control",
        "calculation = 'scf', pseudo_dir = '.', outdir = 'out', tprnfor = .true., tstress = .true., disk_io = 'none', verbosity = 'low'",
        "/",
        "&system",
        *system,
        "/",
        "&electrons",
        f"conv_thr = {threshold!r}, mixing_beta = 0.7, electron_maxstep = 200",
        "/",
        "ATOMIC_SPECIES",
        *(f"{symbol} {atomic_masses[atomic_numbers[symbol]]:.4f} {name}" for symbol, name in files.items()),
        "CELL_PARAMETERS bohr",
        *(" ".join(f"{value:.15f}" for value in row) for row in case.cell),
        "ATOMIC_POSITIONS crystal",
        *(f"{symbol} " + " ".join(f"{value:.15f}" for value in row) for symbol, row in zip(case.symbols, case.scaled, strict=True)),
        points,
    ]
    return "\n".join(rows) + "\n"


def ample_bands(electrons: float) -> int:
    """Bands that hold a metal's electrons and all of the smearing's tail. `pw.x` by itself takes a fifth more than half the electrons, at least four more:
    with Fermi–Dirac smearing of 0.01 Ha that left two iron atoms 1.6e-6 Ha/atom (5e-6 with U) and 2e-5 Ha/bohr high."""
    return int(0.6 * electrons) + 14


def spin_lines(case: Case) -> str:
    """Lines of &system for the starting moments of a case; empty without. Atoms of one element start alike here: the mean of their moments."""
    if case.moments is None:
        return ""
    from solvers.dft.pseudo.library import entry
    words = ["nspin = 2"]
    for number, symbol in enumerate(dict.fromkeys(case.symbols), 1):
        own = [moment for moment, other in zip(case.moments, case.symbols, strict=True) if other == symbol]
        charge = entry(symbol, case.xc, case.pseudos.get(symbol, "gth")).charge
        words.append(f"starting_magnetization({number}) = {max(-1.0, min(1.0, sum(own) / len(own) / charge)):.4f}")
    return ", ".join(words)


def run(case: Case, folder: Path | None = None, *, ranks: int = 1, threshold: float = 1e-9, lines: str = "",
        change: Callable[[str], str] | None = None) -> dict:
    """Results of `pw.x` for a case: energy (F, Ha), history of energies (Ha), forces (N, 3) Ha/bohr, stress (3, 3) GPa, box, wall seconds of the process.

    change: what is done to the input text. Raises MissingError when it is not installed, RunError when it fails, ReadError when its output is not understood.
    """
    if not installed():
        raise MissingError("Quantum ESPRESSO's pw.x is not installed.", hint="Install the Debian package quantum-espresso.")
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            return run(case, Path(name), ranks=ranks, threshold=threshold, lines=lines, change=change)
    files = {symbol: potentials.write(case, symbol, folder, "gth") for symbol in dict.fromkeys(case.symbols)}
    text = input_text(case, files, threshold=threshold, lines=lines)
    text = text if change is None else change(text)
    (folder / "run.in").write_text(text)
    started = time.perf_counter()
    output = execute(folder, case.name, ranks)
    wall = time.perf_counter() - started
    return {**parse(output, len(case.symbols)), "wall_s": wall, "input": text}


def execute(folder: Path, name: str, ranks: int = 1) -> str:
    """What `pw.x` prints for the input run.in in `folder`; RunError naming the case when it fails."""
    argv = ["pw.x", "-in", "run.in"]
    if ranks > 1:
        argv = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(ranks), *argv]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False, env=_environment())
    if done.returncode or "JOB DONE" not in done.stdout:
        tail = (done.stdout + done.stderr)[-600:]
        raise RunError(f"pw.x failed on {name} with status {done.returncode}: {tail}", hint="Run it by hand in a folder of its own.")
    return done.stdout


def parse(text: str, n_atoms: int) -> dict:
    """Numbers out of a `pw.x` output; raises ReadError naming what is missing."""
    import numpy as np

    final = re.search(r"^!\s+total energy\s+=\s+([-+0-9.Ee]+) Ry", text, re.M)
    if final is None:
        raise ReadError("pw.x's output has no final energy.", hint="It did not converge.")
    history = [float(value) / 2 for value in re.findall(r"^\s+total energy\s+=\s+([-+0-9.Ee]+) Ry", text, re.M)]
    box = re.search(r"FFT dimensions:\s*\(\s*(\d+),\s*(\d+),\s*(\d+)\)", text)
    forces = re.findall(r"^\s+atom\s+\d+ type\s+\d+\s+force =\s+([-+0-9.Ee]+)\s+([-+0-9.Ee]+)\s+([-+0-9.Ee]+)", text, re.M)[:n_atoms]
    moments = re.findall(r"^\s+total magnetization\s+=\s+([-+0-9.Ee]+) Bohr mag/cell", text, re.M)
    found = {"energy": float(final[1]) / 2, "history": history, "forces": np.array(forces, float) / 2, "box": tuple(map(int, box.groups())) if box else (),
             "moment": float(moments[-1]) if moments else None}
    if pressure := re.search(r"total   stress.*\n((?:.*\n){3})", text):  # Ry/bohr³, positive in compression
        found["stress"] = -0.5 * HARTREE_PER_BOHR3_GPA * np.array([[float(word) for word in line.split()[:3]] for line in pressure[1].strip().splitlines()])
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
