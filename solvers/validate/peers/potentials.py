"""Potentials as the peers get them: our GTH table entries in the text form that ABINIT reads as pspcod 10 (and `pw.x` when the file name ends in .gth), files
copied, psp8 files with one mark.

Why a mark. The projectors of psp8 files end with a jump (Fe, l = 2: 1e-4 of their size), and ABINIT 9 ends its radial integrals at the last point where any
projector exceeds 1e-10, with end corrections for smooth functions on both sides of that jump. A value of 2e-10 half a bohr further on moves it to where all
is zero; the corrections then do nothing, and the sum is the plain one over the file's points. Ours − ABINIT, Ha/atom, same file otherwise: Fe (one atom, 24 Ha)
6.7e-7 without and 1.2e-7 with the mark, Cu of SPMS (20 Ha) −6.2e-7 and 1.2e-7; of what is left 1.3e-7 is ABINIT's cubic interpolation of the core density
(Fe without core: −1.2e-8). Its q tables play no part (mqgrid 10001: 5e-12). From 33.8 Ha on ABINIT interpolates projectors to half the file's step by cubics
from a neighbouring interval, 7e-7 of their value at large q, and Fe at 36 Ha differs by 7e-7, Zn by 2.5e-6 Ha whatever the mark; at 33 Ha, where nothing is
interpolated, by 1e-7.
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


def write(case: Case, symbol: str, folder: Path, suffix: str = "psp10") -> str:
    """Put the potential that `case` uses for `symbol` into `folder`; returns the file's name. Files are copied (psp8: `marked`), table entries written
    as pspcod 10."""
    from solvers.dft.pseudo.library import entry
    selector = case.pseudos.get(symbol, "gth")
    if "/" in selector:
        name = f"{symbol}{Path(selector).suffix}"
        if selector.endswith(".psp8"):
            (folder / name).write_text(marked(Path(selector).read_text()))
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
