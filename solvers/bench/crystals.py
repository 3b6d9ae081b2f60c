"""What `qcad bench dft` runs: crystals and molecules with potentials, cutoff, mesh and box fixed for every program (Hartree and bohr)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..core.units import BOHR_ANGSTROM
from ..validate.cases.dft import Case

_ANGSTROM = 1 / BOHR_ANGSTROM
_FCC = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
_CORNERS = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
_DIAMOND8 = np.concatenate([_CORNERS, _CORNERS + 0.25])


@dataclass(frozen=True)
class BenchCase:
    """key: what `--case` takes; source: the case, or what makes it where that needs heavy imports; aim: the ratio ours/peer (wall) the row is held against;
    group: "cpu" rows run beside peers, "cuda" rows alone; on_cores: a row of a card also runs on two cores of its host, where that takes minutes at most."""

    key: str
    source: Case | Callable[[], Case]
    aim: float = 1.0
    group: str = "cpu"
    on_cores: bool = False

    @cached_property
    def case(self) -> Case:
        """The case itself."""
        return self.source if isinstance(self.source, Case) else self.source()


def _rattled(scaled: np.ndarray, edges: float, width: float = 0.02, seed: int = 8) -> np.ndarray:
    """Positions shifted by normal deviates of `width` bohr in a cube of edge `edges` bohr."""
    return scaled + np.random.default_rng(seed).normal(scale=width, size=scaled.shape) / edges


def _tiled(scaled: np.ndarray, n: int) -> np.ndarray:
    shifts = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    return ((scaled[None] + shifts) / n).reshape(-1, 3)


def silicon(n: int, cutoff: float, kpts: int = 1, box: int | None = None) -> Case:
    """8 n³ rattled silicon atoms."""
    a = 5.43 * _ANGSTROM * n
    scaled = _rattled(_tiled(_DIAMOND8, n), a)
    return Case(f"Si{8 * n**3} rattled {cutoff:g} Ha {kpts}³", a * np.eye(3), scaled, ("Si",) * len(scaled), cutoff, (kpts,) * 3,
                box=None if box is None else (box,) * 3, symmetry=False)


def gallium_arsenide(n: int, cutoff: float, semicore: bool) -> Case:
    """4 n³ rattled formula units of GaAs, Ga with or without its 3d shell."""
    a = 5.75 * _ANGSTROM * n
    ga, arsenic = _tiled(_CORNERS, n), _tiled(_CORNERS + 0.25, n)
    scaled = _rattled(np.concatenate([ga, arsenic]), a)
    return Case(f"(GaAs){len(ga)} {cutoff:g} Ha Γ", a * np.eye(3), scaled, ("Ga",) * len(ga) + ("As",) * len(ga), cutoff, (1, 1, 1),
                pseudos={"Ga": "GTH-PBE-q13" if semicore else "GTH-PBE-q3"}, symmetry=False)


def aluminium(n: int, cutoff: float, kpts: int) -> Case:
    """4 n³ rattled aluminium atoms, Fermi–Dirac 0.01 Ha."""
    a = 4.04 * _ANGSTROM * n
    scaled = _rattled(_tiled(_CORNERS, n), a)
    return Case(f"Al{len(scaled)} {cutoff:g} Ha {kpts}³", a * np.eye(3), scaled, ("Al",) * len(scaled), cutoff, (kpts,) * 3,
                smearing=("fermi-dirac", 0.01), symmetry=False)


def copper(kpts: int) -> Case:
    """fcc copper, 11 electrons, cold smearing 0.01 Ha."""
    return Case(f"Cu1 q11 60 Ha {kpts}³ cold", 3.63 * _ANGSTROM * _FCC, np.zeros((1, 3)), ("Cu",), 60.0, (kpts,) * 3, smearing=("cold", 0.01), box=(36, 36, 36))


def water(cutoff: float, edge: float = 9.86) -> Case:
    """32 water molecules at the density of the liquid, their oxygens on a face-centred lattice in a cube of `edge` Å, turned at random."""
    centres = _tiled(_CORNERS, 2) * edge
    shape = np.array([[0.0, 0, 0], [0.7575, 0.5871, 0], [-0.7575, 0.5871, 0]])  # OH 0.958 Å, 104.5°
    turns = np.linalg.qr(np.random.default_rng(32).normal(size=(len(centres), 3, 3)))[0]
    atoms = (centres[:, None] + shape[None] @ turns).reshape(-1, 3)
    return Case(f"32 H2O {cutoff:g} Ha Γ", edge * _ANGSTROM * np.eye(3), atoms / edge, ("O", "H", "H") * 32, cutoff, (1, 1, 1), symmetry=False)


def acid_and_water() -> Case:
    """28 atoms of C, O and H in the box of a succinic acid crystal: two molecules of acetic acid, four of water."""
    from ase.build import molecule
    cell = np.diag([10.2, 16.7, 9.6])
    places = (("CH3COOH", (0.5, 0.25, 0.5)), ("CH3COOH", (0.5, 0.75, 0.5)), ("H2O", (0.0, 0.0, 0.0)), ("H2O", (0.5, 0.0, 0.0)), ("H2O", (0.0, 0.5, 0.0)),
              ("H2O", (0.5, 0.5, 0.0)))
    symbols, scaled = [], []
    for name, place in places:
        one = molecule(name)
        symbols += one.get_chemical_symbols()
        scaled.append((one.positions - one.positions.mean(0)) * _ANGSTROM @ np.linalg.inv(cell) + np.array(place))
    return Case("2 CH3COOH + 4 H2O 20 Ha Γ", cell, np.concatenate(scaled), tuple(symbols), 20.0, (1, 1, 1), symmetry=False)


def cases() -> tuple[BenchCase, ...]:
    """All of them; the first group has peers."""
    si2 = Case("Si2 25 Ha 3³", 10.263141334 * _FCC, np.array([[1, 1, 1], [-1, -1, -1]]) / 8, ("Si",) * 2, 25.0, (3, 3, 3), box=(36, 36, 36))
    si8 = Case("Si8 15 Ha 3³", 5.43 * _ANGSTROM * np.eye(3), _DIAMOND8, ("Si",) * 8, 15.0, (3, 3, 3), box=(36, 36, 36))
    al1 = Case("Al1 15 Ha 12³", 4.04 * _ANGSTROM * _FCC, np.zeros((1, 3)), ("Al",), 15.0, (12, 12, 12), smearing=("fermi-dirac", 0.01), box=(20, 20, 20))
    mgo = Case("MgO q10 60 Ha 4³", 4.259 * _ANGSTROM * _FCC, np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), ("Mg", "O"), 60.0, (4, 4, 4),
               pseudos={"Mg": "GTH-PBE-q10"}, box=(40, 40, 40))
    gaas = Case("GaAs q13 60 Ha 4³", 5.75 * _ANGSTROM * _FCC, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), ("Ga", "As"), 60.0, (4, 4, 4),
                pseudos={"Ga": "GTH-PBE-q13"}, box=(54, 54, 54))
    one = _tiled(_DIAMOND8, 2)
    one[0] += (0.004, 0.003, 0.0)
    si64 = Case("Si64 one atom displaced 15 Ha Γ", 10.86 * _ANGSTROM * np.eye(3), one, ("Si",) * 64, 15.0, (1, 1, 1), box=(72, 72, 72), symmetry=False)

    def low(case: Case, shift: float) -> Case:
        """The same crystal without symmetry: the second atom moved by `shift` bohr."""
        scaled = case.scaled.copy()
        scaled[-1] += np.array([1.0, -0.6, 0.3]) * shift @ np.linalg.inv(case.cell)
        return replace(case, name=case.name + " low symmetry", scaled=scaled, symmetry=False)
    return (
        BenchCase("si8", silicon(1, 20.0, 4, 45), 0.4), BenchCase("si64", silicon(2, 20.0, 1, 90), 0.4), BenchCase("gaas", low(gaas, 0.03), 0.4),
        BenchCase("mgo", low(mgo, 0.03), 0.4), BenchCase("cu", replace(copper(6), name="Cu1 q11 60 Ha 6³ cold, no symmetry", symmetry=False), 0.4),
        BenchCase("water32", water(35.0), 0.4),
        BenchCase("b1", si2), BenchCase("b2", si8), BenchCase("b3", al1), BenchCase("b4", mgo), BenchCase("b5", gaas), BenchCase("b6", copper(8)),
        BenchCase("b7", acid_and_water), BenchCase("b8", si64),
        BenchCase("gpu-si64", silicon(2, 15.0), group="cuda", on_cores=True), BenchCase("gpu-si216", silicon(3, 15.0), group="cuda"),
        BenchCase("gpu-si512", silicon(4, 15.0), group="cuda"), BenchCase("gpu-gaas108", gallium_arsenide(3, 15.0, False), group="cuda"),
        BenchCase("gpu-gaas256", gallium_arsenide(4, 15.0, False), group="cuda"), BenchCase("gpu-al108", aluminium(3, 15.0, 4), group="cuda"),
        BenchCase("gpu-cu", copper(16), group="cuda", on_cores=True),
    )
