"""Potentials as the peers get them: our GTH table entries in the text form that ABINIT reads as pspcod 10 (and `pw.x` when the file name ends in .gth), files
copied, psp8 files with one mark and, for high cutoffs, at half their step.

Why a mark. The projectors of psp8 files end with a jump (Fe, l = 2: 1e-4 of their size), and ABINIT 9 ends its radial integrals at the last point where any
projector exceeds 1e-10, with end corrections for smooth functions on both sides of that jump. A value of 2e-10 half a bohr further on moves it to where all
is zero; the corrections then do nothing, and the sum is the plain one over the file's points. Ours − ABINIT, Ha/atom, same file otherwise: Fe (one atom, 24 Ha)
6.7e-7 without and 1.2e-7 with the mark, Cu of SPMS (20 Ha) −6.2e-7 and 1.2e-7; of what is left 1.3e-7 is ABINIT's cubic interpolation of the core density
(Fe without core: −1.2e-8). Its q tables play no part (mqgrid 10001: 5e-12).

Why half the step. From 33.8 Ha on (step 0.01 bohr) ABINIT interpolates projectors to half the file's step by cubics from a neighbouring interval, 7e-7 of their
value at large q, and Fe at 36 Ha differs by 7e-7, Zn by 2.5e-6 Ha whatever the mark; at 33 Ha, where nothing is interpolated, by 1e-7. There its copy is
written at half the step, filled in so that sums over its points stay (`halved`), and has nothing to interpolate. Ours − ABINIT, ours on the file itself, 45 Ha:
AlAs (Γ) 1.56e-6 Ha/atom with the file's step and 8e-9 with half of it, Fe (2×2×2) 9e-9; AlAs at 30 Ha, where the file's step does, 1.3e-7.
"""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from solvers.dft.pseudo.gth_table import GTHEntry

    from ..cases.dft import Case

#: our functional -> ABINIT's number for the libxc pair
IXC = {"LDA": -1012, "PBE": -101130, "PBEsol": -116133, "revPBE": -102130, "r2SCAN": -497498}


#: points per wavelength at the end of ABINIT's q tables (2.4 times the largest |k+G|) below which it interpolates psp8 files: 200 in 2π wavelengths
_PER_WAVELENGTH = 100 / np.pi


def write(case: Case, symbol: str, folder: Path, suffix: str = "psp10") -> str:
    """Put the potential that `case` uses for `symbol` into `folder`; returns the file's name. Files are copied (psp8: `marked`, and
    `halved` where ABINIT would interpolate), table entries written as pspcod 10."""
    from solvers.dft.pseudo.library import entry
    selector = case.pseudos.get(symbol, "gth")
    if "/" in selector:
        name = f"{symbol}{Path(selector).suffix}"
        if selector.endswith(".psp8"):
            text = Path(selector).read_text()
            (folder / name).write_text(marked(halved(text) if interpolates(text, case.cutoff) else text))
        else:
            shutil.copy(selector, folder / name)
        return name
    name = f"{symbol}.{suffix}"
    (folder / name).write_text(pspcod10(entry(symbol, case.xc, selector), case.xc))
    return name


def marked(text: str) -> str:
    """A psp8 file whose first projector is 2e-10 instead of zero at half a bohr behind the end of all projectors; unchanged when its mesh ends before."""
    from solvers.dft.pseudo.psp8 import read_psp8
    potential = read_psp8(text, "psp8 file")
    end = max(int(np.flatnonzero(np.abs(function) > 1e-10)[-1]) for channel in potential.channels for function in channel.functions)
    place = end + round(0.5 / potential.step[0])
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if i > 5 and len(line.split()) > 1 and line.split()[0] == str(potential.channels[0].l))
    if place >= len(potential.r):
        return text
    words = lines[head + 1 + place].split()
    lines[head + 1 + place] = " ".join([*words[:2], "2.0E-10", *words[3:]])
    return "\n".join(lines) + "\n"


def interpolates(text: str, cutoff: float) -> bool:
    """Whether ABINIT fills in the mesh of a psp8 file at this cutoff (Ha): when a wavelength at 2.4 √(2 cutoff) has too few
    of its points; 33.8 Ha at a step of 0.01 bohr."""
    from solvers.dft.pseudo.psp8 import read_psp8
    return bool(read_psp8(text, "psp8 file").step[0] > 2 * np.pi / (_PER_WAVELENGTH * 2.4 * np.sqrt(2 * cutoff)))


def halved(text: str) -> str:
    """A psp8 file at half its step: its own numbers and new ones between them. Projectors are filled in by their Fourier series, so that plain sums over the
    points are what they were for every q below π/step (those of Fe bend within three points of their end: polynomials there cost 1.9e-5 Ha); potentials and
    densities, which are smooth and do not end, by polynomials through the eight nearest points."""
    lines = text.splitlines()
    head = lines[2].split()
    local, n = int(head[3]), int(head[4])
    lines[2] = " ".join([*head[:4], str(2 * n - 1), *head[5:]])
    new, at = [], 0
    while at < len(lines):
        if at < 6 or [line.split()[:1] for line in lines[at:at + n]] != [[str(i + 1)] for i in range(n)]:
            new.append(lines[at])
            at += 1
            continue
        table = np.array([[float(word.replace("D", "E")) for word in line.split()[1:]] for line in lines[at:at + n]])
        above = new[-1].split()  # l and energies of projectors, the local potential's number, or the last row of another table
        l = int(above[0]) if int(above[0]) < min(local, 4) else None
        columns = [table[1, 0] / 2 * np.arange(2 * n - 1)]
        columns += [_between(values) if l is None else _series(values, (-1) ** (l + 1)) for values in table[:, 1:].T]
        new += [f"{i + 1} " + " ".join(f"{value:.13E}" for value in row) for i, row in enumerate(np.stack(columns, 1))]
        at += n
    return "\n".join(new) + "\n"


def _series(values: np.ndarray, parity: int) -> np.ndarray:
    """(n,) values of an even (parity 1) or odd (−1) function that vanishes at its end -> (2n − 1,) with those half-way between by its Fourier series."""
    n = len(values)
    whole = np.concatenate([values, parity * values[-2:0:-1]])
    return 2 * np.fft.irfft(np.fft.rfft(whole), 2 * len(whole))[:2 * n - 1]


def _between(values: np.ndarray, points: int = 8) -> np.ndarray:
    """(n,) values of a smooth function -> (2n − 1,) with those half-way between by polynomials."""
    filled = np.zeros(2 * len(values) - 1)
    filled[::2] = values
    for i in range(len(values) - 1):
        start = min(max(i + 1 - points // 2, 0), len(values) - points)
        x = np.arange(start, start + points)
        weights = [np.prod([(i + 0.5 - other) / (own - other) for other in x if other != own]) for own in x]
        filled[2 * i + 1] = np.dot(weights, values[x])
    return filled


def pspcod10(entry: GTHEntry, xc: str | None = None) -> str:
    """The potential as a pspcod 10 file; spin-orbit matrices are written as zeros. `xc` overrides the functional named in the header."""
    from ase.data import atomic_numbers
    lines = [f"GTH {entry.symbol} {entry.name}",
             f" {atomic_numbers[entry.symbol]} {entry.charge} 20261121   zatom, zion, date",
             f" 10 {IXC[xc or entry.xc]} {max(0, len(entry.channel_radii) - 1)} 0 2002 0   pspcod, pspxc, lmax, lloc, mmax, r2well",
             " ".join([f" {entry.local_radius!r} {len(entry.local_coefficients)}", *map(repr, entry.local_coefficients)]),
             f" {max(1, len(entry.channel_radii))}"]
    if not entry.channel_radii:
        lines.append(f" {entry.local_radius!r} 0")  # a purely local potential still has to name one empty shell
    for l, (radius, matrix) in enumerate(zip(entry.channel_radii, entry.channel_matrices, strict=True)):
        rows = [" ".join(map(repr, row[i:])) for i, row in enumerate(matrix)]
        lines.append(f" {radius!r} {len(matrix)} " + (rows[0] if rows else ""))
        lines += ["    " + row for row in rows[1:]]
        if l > 0:  # the spin-orbit triangle follows every shell but s
            lines += ["    " + " ".join(["0.0"] * (len(matrix) - i)) for i in range(len(matrix))]
    return "\n".join(lines) + "\n"
