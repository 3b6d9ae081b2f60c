"""Our GTH table entries in the text form that ABINIT reads as pspcod 10 (and `pw.x` when the file name ends in .gth)."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solvers.dft.pseudo.gth_table import GTHEntry

    from ..cases.dft import Case

#: our functional -> ABINIT's number for the libxc pair
IXC = {"LDA": -1012, "PBE": -101130, "PBEsol": -116133, "revPBE": -102130, "r2SCAN": -497498}


def write(case: Case, symbol: str, folder: Path, suffix: str = "psp10") -> str:
    """Put the potential that `case` uses for `symbol` into `folder`; returns the file's name. Files are copied, table entries written as pspcod 10."""
    from solvers.dft.pseudo.library import entry
    selector = case.pseudos.get(symbol, "gth")
    if "/" in selector:
        name = f"{symbol}{Path(selector).suffix}"
        shutil.copy(selector, folder / name)
        return name
    name = f"{symbol}.{suffix}"
    (folder / name).write_text(pspcod10(entry(symbol, case.xc, selector), case.xc))
    return name


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
