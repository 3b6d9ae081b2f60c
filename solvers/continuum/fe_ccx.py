"""CalculiX runs of a small block made of a deck's material: what the program itself understands of the file.

A 2×2×2 block of C3D8 elements reproduces uniform strain exactly, so every difference is a difference of material. The deck's own text goes into the
input, so order of columns, field width and keyword are put to the test by the program that will use them. Results have the seven digits ccx prints.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from ..core.errors import MissingError, RunError
from ..core.process import spawn
from .tensor import strain_tensor

TIMEOUT = 120.0  # s; a run takes a fraction of a second
_N = 2
_NODES = np.array(list(product(range(_N + 1), repeat=3)), dtype=float) / _N
_PRINTED = {"xx": 0, "yy": 1, "zz": 2, "xy": 5, "xz": 4, "yz": 3}  # ccx prints in this order; values are Voigt indices


def find() -> str | None:
    """Path of the CalculiX program: QCAD_CCX, or ccx (ccx_2.20 …) on the PATH; None when there is none."""
    chosen = os.environ.get("QCAD_CCX", "")
    if chosen:
        return shutil.which(chosen)
    found = shutil.which("ccx")
    if found:
        return found
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for path in sorted(Path(folder or ".").glob("ccx_[0-9]*"), reverse=True):
            if re.fullmatch(r"ccx_[\d.]+", path.name) and os.access(path, os.X_OK):
                return str(path)
    return None


def stiffness(deck: str, material: str, temperature: float | None = None) -> np.ndarray:
    """Voigt stiffness (6, 6) in the deck's units as ccx applies it: stresses under six unit strains of the block. Raises RunError, MissingError."""
    outside = np.flatnonzero(((_NODES == 0) | (_NODES == 1)).any(axis=1))
    steps = []
    for strain in strain_tensor(np.eye(6)):
        moves = _NODES[outside] @ strain
        lines = [f"{node + 1},{axis + 1},{axis + 1},{move[axis]:.12e}" for node, move in zip(outside, moves, strict=True) for axis in range(3)]
        steps.append("\n".join(["*STEP", "*STATIC", "*BOUNDARY", *lines, "*EL PRINT, ELSET=EALL", "S", "*END STEP"]))
    printed = _run(_mesh(deck, material, temperature) + "\n".join(steps) + "\n", "stresses")
    if len(printed) != 6:
        raise RunError(f"CalculiX printed {len(printed)} of 6 stress tables.", hint="Run it by hand on the deck.")
    columns = []
    for table in printed:
        mean = table[:, 2:8].mean(axis=0)
        if np.ptp(table[:, 2:8], axis=0).max() > 1e-5 * np.abs(mean).max():
            raise RunError("The stress of a uniformly strained block is not uniform.", hint="The material in the deck is not homogeneous elastic.")
        columns.append(mean[np.argsort(list(_PRINTED.values()))])
    return np.stack(columns, axis=1)


def strain_under_traction(deck: str, material: str, temperature: float | None = None, traction: float = 1.0) -> np.ndarray:
    """Strain (3, 3) of the block under a uniform `traction` (deck's stress unit) on its two x faces, held by six isostatic supports.

    The origin is fixed, (1,0,0) in y and z, (0,1,0) in z, so that a rotated crystal may shear: roller planes would not let it.
    """
    weights = np.array([1, 2, 1]) / 4
    loads = []
    for node, (x, y, z) in enumerate(_NODES):
        if x in (0, 1):
            force = (1 if x else -1) * traction * weights[round(y * _N)] * weights[round(z * _N)]
            loads.append(f"{node + 1},1,{force:.12e}")
    names = {corner: 1 + int(np.flatnonzero((_NODES == corner).all(axis=1))[0]) for corner in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))}
    held = [f"{names[0, 0, 0]},1,3", f"{names[1, 0, 0]},2,3", f"{names[0, 1, 0]},3,3"]
    step = ["*BOUNDARY", *held, "*STEP", "*STATIC", "*CLOAD", *loads, "*NODE PRINT, NSET=NALL", "U", "*END STEP"]
    table = _run(_mesh(deck, material, temperature) + "\n".join(step) + "\n", "displacements")[-1]
    moves = {int(row[0]): row[1:4] for row in table}
    gradient = np.stack([moves[names[corner]] - moves[names[0, 0, 0]] for corner in ((1, 0, 0), (0, 1, 0), (0, 0, 1))], axis=1)
    return 0.5 * (gradient + gradient.T)


def _mesh(deck: str, material: str, temperature: float | None) -> str:
    """Nodes, elements, the deck's material and a section made of it."""
    index = {tuple(np.round(node * _N).astype(int)): n + 1 for n, node in enumerate(_NODES)}
    corners = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))
    lines = ["*NODE, NSET=NALL"] + [f"{n + 1},{x:.6f},{y:.6f},{z:.6f}" for n, (x, y, z) in enumerate(_NODES)]
    lines += ["*ELEMENT, TYPE=C3D8, ELSET=EALL"]
    for n, cell in enumerate(product(range(_N), repeat=3)):
        lines.append(",".join(map(str, [n + 1, *(index[tuple(np.add(cell, corner))] for corner in corners)])))
    lines += [deck.rstrip("\n"), f"*SOLID SECTION, ELSET=EALL, MATERIAL={material}"]
    if temperature is not None:
        lines += ["*INITIAL CONDITIONS, TYPE=TEMPERATURE", f"NALL,{temperature:.6f}"]
    return "\n".join(lines) + "\n"


def _run(text: str, heading: str) -> list[np.ndarray]:
    """Run ccx on `text` in a temporary folder; the printed tables under `heading`, one array per step. Raises MissingError, RunError."""
    program = find()
    if program is None:
        raise MissingError("CalculiX (ccx) is not installed.", hint="Install the package calculix-ccx, set QCAD_CCX, or check with --run skfem.")
    with tempfile.TemporaryDirectory(prefix="qcad-ccx-") as folder:
        Path(folder, "block.inp").write_text(text, encoding="ascii", errors="replace")
        with open(Path(folder, "log"), "wb") as log:
            child = spawn([program, "block"], folder=folder, environment={**os.environ, "OMP_NUM_THREADS": "1", "CCX_NPROC_STIFFNESS": "1"}, stdout=log,
                          stderr=log)
            try:
                code = child.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                raise RunError(f"CalculiX did not finish within {TIMEOUT:g} s.", hint="Try `qcad material check --run skfem`.") from None
            finally:
                if child.poll() is None:  # also after Ctrl-C, which does not reach the child's session
                    child.kill()
                    child.wait()
        said = Path(folder, "log").read_text(encoding="utf-8", errors="replace")
        result = Path(folder, "block.dat")
        if code or "*ERROR" in said or not result.is_file():
            why = [line.strip() for line in said.splitlines() if "*ERROR" in line or "error" in line.lower()]
            raise RunError(f"CalculiX refused the deck (exit code {code}): {why[0] if why else said.strip()[-200:] or 'it said nothing'}.",
                           hint="The deck cannot be used as it is.")
        return _tables(result.read_text(encoding="utf-8", errors="replace"), heading)


def _tables(text: str, heading: str) -> list[np.ndarray]:
    tables: list[list[list[float]]] = []
    inside = False
    for line in text.splitlines():
        words = line.split()
        try:
            row = [float(word) for word in words]
        except ValueError:
            inside = line.strip().startswith(heading)
            if inside:
                tables.append([])
            continue
        if row and inside:
            tables[-1].append(row)
    return [np.array(table) for table in tables if table]
