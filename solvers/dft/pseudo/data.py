"""A numerical potential as numbers on a radial mesh: what every reader of files (psp8, UPF) produces. Hartree and bohr; no torch."""
from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from solvers.core.errors import ReadError

#: (n, l) of atomic shells in the order in which a core takes them in
_CORE_ORDER = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2), (4, 3), (5, 0), (5, 1), (5, 2), (5, 3), (6, 0), (6, 1))
#: shells in the order in which neutral atoms fill them
_FILLING = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (3, 2), (4, 1), (5, 0), (4, 2), (5, 1), (6, 0), (4, 3), (5, 2), (6, 1), (7, 0), (5, 3), (6, 2))
#: electrons of neutral atoms that sit in another shell than the order of filling says: number -> ((from, to, electrons), …)
_MOVED = {**{z: (((4, 0), (3, 2), 1),) for z in (24, 29)}, **{z: (((5, 0), (4, 2), 1),) for z in (41, 42, 44, 45, 47)}, 46: (((5, 0), (4, 2), 2),),
          **{z: (((6, 0), (5, 2), 1),) for z in (78, 79)}, **{z: (((4, 3), (5, 2), 1),) for z in (57, 58, 64)},
          **{z: (((5, 3), (6, 2), 1),) for z in (89, 91, 92, 93, 96)}, 90: (((5, 3), (6, 2), 2),)}


@dataclass(frozen=True, eq=False)
class Projectors:
    """All projectors of one l: `functions` (n, points) = r p(r) on the first points of the mesh, `coupling` (n, n) Ha; the operator is Σ |p_i⟩ D_ij ⟨p_j|."""

    l: int
    functions: np.ndarray
    coupling: np.ndarray


@dataclass(frozen=True, eq=False)
class Shell:
    """An atomic orbital of the file: `radial` = r R(r) on the first points of the mesh, electrons in it, energy in Ha or None, label like "3d"."""

    label: str
    l: int
    occupation: float
    energy: float | None
    radial: np.ndarray


@dataclass(frozen=True, eq=False)
class RadialPotential:
    """One norm-conserving potential. r (N,) bohr and its step dr/di (N,); `screened` = r v_loc(r) + Z on the first points, zero beyond;
    core: density for exchange and correlation (e/bohr³) or None; valence: pseudo-atomic density (e/bohr³) or None; shells: orbitals of the file.
    """

    symbol: str
    name: str
    xc: str
    charge: float
    r: np.ndarray
    step: np.ndarray
    screened: np.ndarray
    channels: tuple[Projectors, ...]
    core: np.ndarray | None = None
    valence: np.ndarray | None = None
    shells: tuple[Shell, ...] = ()
    configuration: tuple[int, ...] = ()
    relativity: str = "not stated"
    source: str = ""
    licence: str = "not stated"
    hint: float | None = None  # Ha
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def n_projectors(self) -> int:
        """Projector functions per atom."""
        return sum(len(channel.functions) * (2 * channel.l + 1) for channel in self.channels)


def check(potential: RadialPotential, name: str) -> RadialPotential:
    """`potential` when its numbers can belong to one; ReadError that names file, field and remedy otherwise."""
    r, step = potential.r, potential.step
    hint = "The file is damaged, or not a norm-conserving potential."
    if not 0.25 <= potential.charge <= 60:
        raise ReadError(f"{name} has a valence charge of {potential.charge:g}.", hint="Allowed: 0.25 to 60 electrons. " + hint)
    if len(r) < 20 or len(r) > 200_000:
        raise ReadError(f"{name} has a radial mesh of {len(r)} points.", hint="Allowed: 20 to 200000. " + hint)
    arrays = {"the radial mesh": r, "the step of the mesh": step, "the local potential": potential.screened}
    arrays |= {"the core density": potential.core, "the valence density": potential.valence}
    arrays |= {f"a projector of l = {channel.l}": channel.functions for channel in potential.channels}
    arrays |= {f"the coupling of l = {channel.l}": channel.coupling for channel in potential.channels}
    for what, array in arrays.items():
        if array is not None and not np.isfinite(array).all():
            raise ReadError(f"{name}: {what} holds a value that is not a finite number.", hint=hint)
    if r[0] < 0 or not (np.diff(r) > 0).all() or not (step > 0).all() or r[0] > 0.1 or not 0.5 < r[-1] < 1000:
        raise ReadError(f"{name}: the radial mesh from {r[0]:.3g} to {r[-1]:.3g} bohr does not rise from the nucleus outwards.", hint=hint)
    if abs(float(np.sum(step)) / float(r[-1] - r[0]) - 1) > 0.2:
        raise ReadError(f"{name}: the step of the radial mesh does not belong to the mesh.", hint=hint)
    for channel in potential.channels:
        if channel.l > 3:
            raise ReadError(f"{name} has projectors of l = {channel.l}.", hint="This program has l = 0 to 3.")
        norms = np.sqrt((channel.functions**2) @ step[:channel.functions.shape[1]])
        if norms.max() > 1e6 or norms.min() < 1e-12:
            raise ReadError(f"{name}: a projector of l = {channel.l} has the norm {norms.max() if norms.max() > 1e6 else norms.min():.2g}.", hint=hint)
        strength = np.abs(channel.coupling * np.outer(norms, norms)).max()
        if strength > 1e5:
            raise ReadError(f"{name}: the coupling of l = {channel.l} is {strength:.3g} Ha.", hint="Physical ones stay below 100000 Ha. " + hint)
    if np.abs(potential.screened).max() > 1e4:
        raise ReadError(f"{name}: the local potential reaches {np.abs(potential.screened).max():.3g} Ha bohr beyond its Coulomb tail.", hint=hint)
    if abs(potential.screened[-1]) > 0.05 * potential.charge:
        raise ReadError(f"{name}: the local potential does not become -Z/r; at {r[len(potential.screened) - 1]:.2f} bohr r v + Z is still "
                        f"{potential.screened[-1]:.3g} Ha bohr.", hint=hint)
    if potential.core is not None and (potential.core.max() > 1e7 or potential.core.min() < -1e2):
        raise ReadError(f"{name}: the core density reaches {np.abs(potential.core).max():.3g} electrons/bohr³.", hint=hint)
    return potential


def valence_configuration(number: int, charge: float) -> tuple[int, ...]:
    """Valence electrons per l of the neutral atom with `charge` valence electrons, by filling shells and leaving out the innermost ones."""
    left, occupied = number, {}
    for shell in _FILLING:
        occupied[shell] = min(left, 4 * shell[1] + 2)
        left -= occupied[shell]
    for giver, taker, count in _MOVED.get(number, ()):
        occupied[giver] -= count
        occupied[taker] = occupied.get(taker, 0) + count
    core = number - round(charge)
    for shell in _CORE_ORDER:
        taken = min(core, occupied.get(shell, 0))
        occupied[shell] = occupied.get(shell, 0) - taken
        core -= taken
    per_l = [sum(count for (_, l), count in occupied.items() if l == wanted) for wanted in range(4)]
    while per_l and per_l[-1] == 0:
        per_l.pop()
    return tuple(per_l)


def highest_shell(number: int, l: int) -> int:
    """Principal quantum number of the outermost shell of this l that the neutral atom fills, 0 when it has none."""
    highest = 0
    for n, own in _FILLING:
        if number <= 0:
            break
        number -= 4 * own + 2
        highest = max(highest, n) if own == l else highest
    return highest


def electrons(potential: RadialPotential) -> float:
    """Integral of the file's valence density over its mesh; nan when it has none."""
    if potential.valence is None:
        return math.nan
    n = len(potential.valence)
    return float(4 * math.pi * (potential.valence * potential.r[:n] ** 2) @ potential.step[:n])
