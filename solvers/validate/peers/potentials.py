"""Our GTH table entries in the text form that ABINIT reads as pspcod 10 (and `pw.x` when the file name ends in .gth)."""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solvers.dft.pseudo.gth_table import GTHEntry

#: our functional -> ABINIT's number for the libxc pair
IXC = {"LDA": -1012, "PBE": -101130, "PBEsol": -116133}


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
