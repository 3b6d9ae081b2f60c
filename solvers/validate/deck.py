"""Decks in finite-element programs beside closed forms: rotated crystals, a tensor of 21 constants, and files that are wrong on purpose."""
from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from solvers.continuum.deck_check import TOLERANCE

from .report import Row

AREA = "deck"


def run(full: bool) -> Iterator[Row]:
    """Every case with CalculiX (where installed) and scikit-fem; `full` adds more random tensors."""
    from solvers.continuum import fe_ccx
    for solver in ("ccx", "skfem") if fe_ccx.find() else ("skfem",):
        for material, directions in ((copper(), ("[100]", "[110]", "[111]", "[124]")), (titanium(), ("[0001]", "[2-1-10]", "[2-1-13]"))):
            yield from along(material, solver, directions)
        for seed in range(7, 12 if full else 8):
            yield from random_tensor(seed, solver)
        yield from wrong_orders(solver)


def copper():
    """Copper, C11 168.4, C12 121.4, C44 75.4 GPa."""
    from solvers.continuum import material_from_constants
    return material_from_constants({"C11": 168.4, "C12": 121.4, "C44": 75.4}, density=8960.0, name="Cu")


def titanium():
    """Titanium (hcp), C11 162.4, C12 92.0, C13 69.0, C33 180.7, C44 46.7 GPa."""
    from solvers.continuum import material_from_constants
    return material_from_constants({"C11": 162.4, "C12": 92.0, "C13": 69.0, "C33": 180.7, "C44": 46.7}, density=4506.0, name="Ti", c_over_a=1.588)


def triclinic(seed: int):
    """A random stable material of 21 different constants of the order of 10 to 100 GPa."""
    from solvers.continuum import Material
    from solvers.continuum.tensor import from_mandel
    a = np.random.default_rng(seed).normal(size=(6, 6))
    return Material(10e9 * from_mandel(a @ a.T + 6 * np.eye(6)), density=3210.0, name=f"triclinic {seed}")


def along(material, solver: str, directions: tuple[str, ...]) -> Iterator[Row]:
    """Uniaxial traction and unit strains of the crystal turned to each direction."""
    from solvers.continuum import check_deck
    for row in check_deck(material, solver, directions=directions).rows:
        yield Row(AREA, f"{material.name}, {solver}", row.what, row.found, row.expected, row.relative_error, TOLERANCE, "GPa", "closed form",
                  "difference: relative")


def random_tensor(seed: int, solver: str) -> Iterator[Row]:
    """A written deck of 21 different constants."""
    from solvers.continuum import check_deck
    material = triclinic(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "deck.inp")
        material.export(path, format="calculix", units="mm-t-s")
        for row in check_deck(path, solver, material=material).rows:
            yield Row(AREA, f"21 constants, seed {seed}, {solver}", row.what, row.found, row.expected, row.relative_error, TOLERANCE, "GPa", "the material",
                      "difference: relative")


def unpermuted(material, order: str, path: Path) -> None:
    """Write a deck of `material` whose constants stand in the order of another dialect (a key of `packing.PACKINGS`)."""
    from solvers.continuum.packing import PACKINGS
    text = material.export(path, format="calculix")
    values = [f"{value:.12e}" for value in PACKINGS[order].pack(material.stiffness_voigt)]
    lines = [",".join(values[i:i + 8]) for i in (0, 8, 16)]
    path.write_text("\n".join([text[:text.index("*ELASTIC,")] + "*ELASTIC, TYPE=ANISO", *lines]) + "\n", encoding="utf-8")


def wrong_orders(solver: str) -> Iterator[Row]:
    """Files in another order must fail the check."""
    from solvers.continuum import check_deck
    for order in ("comsol-voigt", "ls-dyna", "moose"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "wrong.inp")
            unpermuted(triclinic(7), order, path)
            report = check_deck(path, solver)
        yield Row(AREA, f"order of {order}, {solver}", "found wrong (1 = yes)", float(not report.passed), 1.0, float(not report.passed) - 1.0, 0.0, "1",
                  "must fail",
                  f"relative error {report.max_relative_error:.2g}")
