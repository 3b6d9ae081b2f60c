"""Eigenvalues of ABINIT at chosen k-points in the potential of its self-consistent density."""
from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from solvers.core.errors import ReadError

from ..cases.dft import Case
from . import abinit, potentials


def levels(case: Case, kpoints: np.ndarray, n_bands: int) -> np.ndarray:
    """Eigenvalues (K, n_bands) in Ha of a case without spin. Raises RunError when ABINIT fails, ReadError when its output is not understood."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [potentials.write(case, symbol, folder) for symbol in dict.fromkeys(case.symbols)]
        (folder / "run.abi").write_text(_input(case, files, kpoints, n_bands))
        return _parse(abinit.execute(folder, f"the bands of {case.name}"), len(kpoints), n_bands)


def _input(case: Case, files: list[str], kpoints: np.ndarray, n_bands: int) -> str:
    text = abinit.input_text(case, files)
    for word in ("kptopt 1", "iscf 7", "tolvrs 1.0d-15", "prtden 0", "optforces 1", "optstress 1"):
        if word not in text:
            raise ReadError(f"The input of ABINIT has no {word!r} to divide between the two parts.", hint="Follow the change in peers/abinit.py.")
        key, value = word.split()
        text = text.replace(word, f"{key}1 {value if key != 'prtden' else 1}")
    rows = "\n".join("  " + " ".join(f"{x:.12f}" for x in k) for k in kpoints)
    return text + (f"ndtset 2\ngetden2 -1\niscf2 -2\ntolwfr2 1.0d-20\nnbdbuf2 4\nnband2 {n_bands + 4}\nkptopt2 0\nnkpt2 {len(kpoints)}\n"
                   f"istwfk2 {len(kpoints)}*1\nkpt2\n{rows}\n")


def _parse(text: str, n_kpoints: int, n_bands: int) -> np.ndarray:
    part = text.rsplit("== DATASET  2", 1)[-1]
    blocks = re.findall(r"kpt#\s*\d+, nband=\s*\d+, wtk=[^\n]*reduced coord\)\n((?:\s+[-+.\dEe]+)+)", part)[:n_kpoints]
    found = [[float(word) for word in block.split()][:n_bands] for block in blocks]
    if len(found) != n_kpoints or any(len(row) < n_bands for row in found):
        raise ReadError(f"ABINIT's output holds {len(found)} of {n_kpoints} k-points.", hint="Version 9 prints all eigenvalues of up to 50 points.")
    return np.array(found)
