"""Potential files of our own making: an analytic GTH potential put on a radial mesh, and written as psp8, UPF 2 or UPF 1.

The tests of the readers and the peers that read only some of these formats need no files of others. Hartree and bohr in `RadialPotential`, Rydberg in UPF.
"""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from solvers.dft.pseudo.data import Projectors, RadialPotential
from solvers.dft.pseudo.gth_table import GTHEntry

_PSPXC = {"LDA": -1012, "PBE": -101130, "PBEsol": -116133}
_UPF = {"LDA": "SLA  PW   NOGX NOGC", "PBE": "SLA  PW   PBX  PBC", "PBEsol": "SLA  PW   PSX  PSC"}


def linear_mesh(step: float = 0.01, end: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """(r, dr/di), equidistant from zero."""
    r = step * np.arange(round(end / step) + 1)
    return r, np.full(len(r), step)


def logarithmic_mesh(number: int, step: float = 0.0125, end: float = 60.0, start: float = -7.0) -> tuple[np.ndarray, np.ndarray]:
    """(r, dr/di) of r = e^{start + i step}/Z."""
    points = int((math.log(end * number) - start) / step)
    r = np.exp(start + step * np.arange(points)) / number
    return r, step * r


def on_mesh(entry: GTHEntry, mesh: tuple[np.ndarray, np.ndarray] | None = None) -> RadialPotential:
    """A table entry as numbers on a mesh, projectors rotated so that the couplings are diagonal. HGH 1998, eqs 1 and 3."""
    from scipy.special import erfc
    r, step = mesh or linear_mesh()
    x = r / entry.local_radius
    short = np.exp(-(x**2) / 2) * sum((c * x ** (2 * i) for i, c in enumerate(entry.local_coefficients)), np.zeros_like(r))
    screened = r * short + entry.charge * erfc(x / math.sqrt(2))
    channels = []
    for l, (radius, matrix) in enumerate(zip(entry.channel_radii, entry.channel_matrices, strict=True)):
        if not matrix:
            continue
        functions = []
        for i in range(len(matrix)):
            power = l + (4 * i + 3) / 2
            functions.append(math.sqrt(2) * r ** (l + 2 * i + 1) * np.exp(-((r / radius) ** 2) / 2) / (radius**power * math.sqrt(math.gamma(power))))
        energies, vectors = np.linalg.eigh(np.array(matrix))
        channels.append(Projectors(l, vectors.T @ np.array(functions), np.diag(energies)))
    core = None
    for radius, coefficients in entry.core:
        y = (r / radius) ** 2
        core = (0 if core is None else core) + np.exp(-y / 2) * sum(c * y**i for i, c in enumerate(coefficients)) / (4 * math.pi)
    return RadialPotential(entry.symbol, entry.name, entry.xc, float(entry.charge), r, step, screened, tuple(channels), core,
                           configuration=entry.configuration, source="GTH on a mesh")


def with_density(potential: RadialPotential, width: float = 1.0) -> RadialPotential:
    """The potential with a Gaussian for its valence density: readers need one, results do not depend on it."""
    density = potential.charge * np.exp(-((potential.r / width) ** 2)) / (math.pi**1.5 * width**3)
    return replace(potential, valence=density)


def _number(value: float) -> str:
    return f"{value:20.13E}"


def _rows(values: np.ndarray, columns: int = 4) -> str:
    words = [f"{value:.15E}" for value in values]
    return "\n".join(" " + " ".join(words[i:i + columns]) for i in range(0, len(words), columns))


def psp8_text(potential: RadialPotential, switch: int = 1) -> str:
    """The potential as psp8; its mesh must be equidistant from zero. switch: extension_switch; 2 and 3 add empty spin-orbit blocks."""
    from ase.data import atomic_numbers
    n = len(potential.r)
    full = {channel.l: channel for channel in potential.channels}
    lmax = max(full, default=0)
    counts = [len(full[l].functions) if l in full else 0 for l in range(lmax + 1)]
    core = potential.core if potential.core is not None else np.zeros(n)
    lines = [f"{potential.symbol}    {potential.source or 'converted'}",
             f"{atomic_numbers[potential.symbol]}.0 {potential.charge:.4f} 20261121 zatom,zion,pspd",
             f"8 {_PSPXC.get(potential.xc, 0)} {lmax} 4 {n} 0 pspcod,pspxc,lmax,lloc,mmax,r2well",
             f"{potential.r[-1]:.8f} {1.0 if potential.core is not None else 0.0:.8f} 0.0 rchrg fchrg qchrg",
             " ".join(map(str, [*counts, 0, 0, 0, 0][:5])) + " nproj",
             f"{switch} 1 extension_switch"]
    if switch in (2, 3):
        lines.append(" ".join(["1"] * lmax) + " nprojso")

    def table(columns: list[np.ndarray]) -> None:
        stacked = np.stack([potential.r, *columns], 1)
        lines.extend(f"{i + 1:6d} " + " ".join(map(_number, row)) for i, row in enumerate(stacked))

    for l in range(lmax + 1):
        channel = full.get(l)
        lines.append(f"{l} " + " ".join(map(_number, np.diag(channel.coupling) if channel else ())))
        table([_padded(function, n) for function in channel.functions] if channel else [])
    lines.append("4")
    with np.errstate(divide="ignore", invalid="ignore"):
        local = (_padded(potential.screened, n) - potential.charge) / potential.r
    local[0] = 3 * local[1] - 3 * local[2] + local[3] if potential.r[0] == 0 else local[0]  # a smooth even function by its neighbours
    table([local])
    if switch in (2, 3):
        for l in range(1, lmax + 1):
            lines.append(f"{l} {_number(0.0)}")
            table([np.zeros(n)])
    if potential.core is not None:
        density = 4 * math.pi * _padded(core, n)
        first = np.gradient(density, potential.r, edge_order=2)
        second = np.gradient(first, potential.r, edge_order=2)
        third = np.gradient(second, potential.r, edge_order=2)
        table([density, first, second, third, np.gradient(third, potential.r, edge_order=2)])
    if switch in (1, 3):
        valence = 4 * math.pi * _padded(potential.valence if potential.valence is not None else np.zeros(n), n)
        table([valence, valence, np.zeros(n)])
    return "\n".join(lines) + "\n<INPUT>\n# converted\n</INPUT>\n"


def upf2_text(potential: RadialPotential, info: str = "converted from an analytic potential") -> str:
    """The potential as UPF version 2."""
    r, step, n = potential.r, potential.step, len(potential.r)
    functions = [(channel.l, _padded(function, n)) for channel in potential.channels for function in channel.functions]
    coupling = _block_diagonal(potential)
    density = potential.valence if potential.valence is not None else np.zeros(n)
    parts = [f'<UPF version="2.0.1">\n<PP_INFO>\n{info}\n</PP_INFO>\n<PP_HEADER\n generated="{potential.source}" author="" date="20261121" comment=""',
             f' element="{potential.symbol}" pseudo_type="NC" relativistic="scalar" is_ultrasoft="F" is_paw="F" is_coulomb="F"',
             ' has_so="F" has_wfc="F" has_gipaw="F"',
             f' paw_as_gipaw="F" core_correction="{"T" if potential.core is not None else "F"}" functional="{_UPF.get(potential.xc, potential.xc)}"',
             f' z_valence="{potential.charge:.4f}" total_psenergy="0.0" wfc_cutoff="0.0" rho_cutoff="0.0" l_max="{max([l for l, _ in functions], default=0)}"',
             f' l_max_rho="0" l_local="-1" mesh_size="{n}" number_of_wfc="{len(potential.shells)}" number_of_proj="{len(functions)}"/>\n',
             f'<PP_MESH mesh="{n}" rmax="{r[-1]:.8f}">\n<PP_R type="real" size="{n}" columns="4">\n{_rows(r)}\n</PP_R>',
             f'<PP_RAB type="real" size="{n}" columns="4">\n{_rows(step)}\n</PP_RAB>\n</PP_MESH>']
    if potential.core is not None:
        parts.append(f'<PP_NLCC type="real" size="{n}" columns="4">\n{_rows(_padded(potential.core, n))}\n</PP_NLCC>')
    parts.append(f'<PP_LOCAL type="real" size="{n}" columns="4">\n{_rows(2 * _local(potential))}\n</PP_LOCAL>\n<PP_NONLOCAL>')
    for index, (l, function) in enumerate(functions, 1):
        parts.append(f'<PP_BETA.{index} type="real" size="{n}" columns="4" index="{index}" angular_momentum="{l}" cutoff_radius_index="{_end(function)}"'
                     f' cutoff_radius="{r[_end(function) - 1]:.6f}">\n{_rows(function)}\n</PP_BETA.{index}>')
    parts.append(f'<PP_DIJ type="real" size="{len(functions)**2}" columns="4">\n{_rows((2 * coupling).ravel())}\n</PP_DIJ>\n</PP_NONLOCAL>\n<PP_PSWFC>')
    for index, shell in enumerate(potential.shells, 1):
        parts.append(f'<PP_CHI.{index} type="real" size="{n}" columns="4" index="{index}" label="{shell.label.upper()}" l="{shell.l}"'
                     f' occupation="{shell.occupation:.4f}">\n{_rows(_padded(shell.radial, n))}\n</PP_CHI.{index}>')
    parts.append(f'</PP_PSWFC>\n<PP_RHOATOM type="real" size="{n}" columns="4">\n{_rows(4 * math.pi * r**2 * _padded(density, n))}\n</PP_RHOATOM>\n</UPF>')
    return "\n".join(parts) + "\n"


def upf1_text(potential: RadialPotential, info: str = "converted from an analytic potential") -> str:
    """The potential as UPF version 1."""
    r, n = potential.r, len(potential.r)
    functions = [(channel.l, _padded(function, n)) for channel in potential.channels for function in channel.functions]
    coupling = 2 * _block_diagonal(potential)
    density = potential.valence if potential.valence is not None else np.zeros(n)
    entries = [(i, j) for i in range(len(functions)) for j in range(i, len(functions)) if coupling[i, j]]
    parts = [f"<PP_INFO>\n{info}\n</PP_INFO>\n<PP_HEADER>\n   0                   Version Number\n  {potential.symbol}                   Element",
             "   NC                  Norm - Conserving pseudopotential",
             f"    {'T' if potential.core is not None else 'F'}                  Nonlinear Core Correction",
             f" {_UPF.get(potential.xc, potential.xc)}   Exchange-Correlation functional\n   {potential.charge:.11f}      Z valence\n    0.0      Total energy",
             f"  0.0  0.0     Suggested cutoff for wfc and rho\n    {max([l for l, _ in functions], default=0)}      Max angular momentum component",
             f"  {n}      Number of points in mesh\n  {len(potential.shells)}  {len(functions)}    Number of Wavefunctions, Number of Projectors",
             " Wavefunctions         nl  l   occ",
             *(f"                       {s.label.upper()}  {s.l}  {s.occupation:.2f}" for s in potential.shells), "</PP_HEADER>",
             f"<PP_MESH>\n  <PP_R>\n{_rows(r)}\n  </PP_R>\n  <PP_RAB>\n{_rows(potential.step)}\n  </PP_RAB>\n</PP_MESH>"]
    if potential.core is not None:
        parts.append(f"<PP_NLCC>\n{_rows(_padded(potential.core, n))}\n</PP_NLCC>")
    parts.append(f"<PP_LOCAL>\n{_rows(2 * _local(potential))}\n</PP_LOCAL>\n<PP_NONLOCAL>")
    for index, (l, function) in enumerate(functions, 1):
        parts.append(f"  <PP_BETA>\n    {index}    {l}             Beta    L\n   {_end(function)}\n{_rows(function[:_end(function)])}\n  </PP_BETA>")
    parts.append(f"  <PP_DIJ>\n    {len(entries)}                  Number of nonzero Dij")
    parts += [f"    {i + 1}    {j + 1}  {coupling[i, j]:.15E}" for i, j in entries]
    parts.append("  </PP_DIJ>\n</PP_NONLOCAL>\n<PP_PSWFC>")
    parts += [f"{s.label.upper()}    {s.l}  {s.occupation:.2f}          Wavefunction\n{_rows(_padded(s.radial, n))}" for s in potential.shells]
    parts.append(f"</PP_PSWFC>\n<PP_RHOATOM>\n{_rows(4 * math.pi * r**2 * _padded(density, n))}\n</PP_RHOATOM>")
    return "\n".join(parts) + "\n"


def _padded(values: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([values, np.zeros(n - len(values))]) if len(values) < n else values[:n].copy()


def _local(potential: RadialPotential) -> np.ndarray:
    """v_loc(r) in Ha; its value at r = 0 by its neighbours."""
    with np.errstate(divide="ignore", invalid="ignore"):
        local = (_padded(potential.screened, len(potential.r)) - potential.charge) / potential.r
    if potential.r[0] == 0:
        local[0] = 3 * local[1] - 3 * local[2] + local[3]
    return local


def _end(function: np.ndarray) -> int:
    """Points until a projector has ended, odd as `pw.x` wants it."""
    last = int(np.flatnonzero(np.abs(function) > 1e-13 * np.abs(function).max())[-1]) + 1 if np.any(function) else 21
    return min(len(function), last + 1 - last % 2)


def _block_diagonal(potential: RadialPotential) -> np.ndarray:
    from scipy.linalg import block_diag
    return block_diag(*(channel.coupling for channel in potential.channels)) if potential.channels else np.zeros((0, 0))
