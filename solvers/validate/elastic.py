"""Elastic constants beside closed forms of model crystals, Stillinger–Weber silicon, and ABINIT (full)."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from solvers.core.units import EV_PER_ANGSTROM3_PASCAL, GPA_PASCAL, HARTREE_EV

from .cases import elastic as cases
from .report import Row, compare

AREA = "elastic"


def run(full: bool) -> Iterator[Row]:
    """Model crystals; with `full` also silicon by plane-wave DFT (minutes)."""
    yield from harmonic_fcc()
    yield from springs()
    yield from cauchy()
    yield from stillinger_weber()
    if full:
        yield from silicon()


def harmonic_fcc() -> Iterator[Row]:
    """Nearest-neighbour springs on fcc: C11 = 2k/a, C12 = C44 = k/a."""
    from ase.build import bulk

    from solvers.continuum import elastic_constants

    from .peers.model_crystals import Springs
    k, a = 5.0, 3.6
    atoms = bulk("Cu", "fcc", a=a)
    c = elastic_constants(atoms, Springs(atoms, 2.9, k), **cases.TINY).stiffness_voigt / EV_PER_ANGSTROM3_PASCAL
    for name, ours, exact in (("C11 / (2k/a)", c[0, 0], 2 * k / a), ("C12 / (k/a)", c[0, 1], k / a), ("C44 / (k/a)", c[3, 3], k / a)):
        yield compare(AREA, "harmonic fcc", name, ours / exact, 1.0, cases.MODEL, "1", "closed form")


def model_crystals() -> dict:
    """name -> (atoms, reach of the springs in Å): fcc, hcp, trigonal, triclinic."""
    from ase.build import bulk

    from .peers.model_crystals import quartz, triclinic
    return {"fcc": (bulk("Cu", "fcc", a=3.6), 2.9), "hcp": (bulk("Ti", "hcp", a=2.95, c=4.70), 4.4), "quartz": (quartz(), 3.5), "triclinic": (triclinic(), 4.6)}


def springs() -> Iterator[Row]:
    """Spring crystals of every kind of symmetry, each turned at random: relaxed and clamped ions against Born and Huang's closed form."""
    from scipy.spatial.transform import Rotation

    from solvers.continuum import elastic_constants
    from solvers.continuum.tensor import voigt_stiffness

    from .peers.model_crystals import Springs, springs_stiffness
    for name, (atoms, reach) in model_crystals().items():
        r = Rotation.random(random_state=11).as_matrix()
        atoms.set_cell(atoms.cell.array @ r.T, scale_atoms=True)
        calculator = Springs(atoms, reach)
        relaxed, clamped = (voigt_stiffness(c) for c in springs_stiffness(calculator, atoms))
        material = elastic_constants(atoms, calculator, **cases.TINY)
        scale = np.abs(relaxed).max()
        for what, ours, exact in (("relaxed ions", material.stiffness_voigt, relaxed),
                                  ("clamped ions", np.array(material.provenance["clamped_stiffness_pa"]), clamped)):
            worst = float(np.abs(ours - exact).max() / scale)
            yield Row(AREA, f"springs, {name}, rotated", what, float(ours[0, 0] / GPA_PASCAL), float(exact[0, 0] / GPA_PASCAL), worst, cases.MODEL, "GPa",
                      "closed form",
                      "difference: largest of all constants, relative")


def cauchy() -> Iterator[Row]:
    """A pair potential at zero stress: C12 = C44."""
    from ase.build import bulk
    from scipy.optimize import brentq

    from solvers.continuum import elastic_constants
    from solvers.core.calculators import CalculatorSpec
    calculator = CalculatorSpec("lj").create()

    def argon(a):
        atoms = bulk("Ar", "fcc", a=a)
        atoms.calc = calculator
        return atoms

    a = brentq(lambda a: argon(a).get_stress()[0], 5.0, 5.5, xtol=1e-13)
    c = elastic_constants(argon(a), calculator, **cases.TINY).stiffness_voigt
    yield compare(AREA, "Lennard-Jones fcc, zero stress", "C12 / C44", c[0, 1] / c[3, 3], 1.0, cases.MODEL, "1", "Cauchy's relation")


def _four(material) -> dict[str, float]:
    c, clamped = material.stiffness_voigt / GPA_PASCAL, np.array(material.provenance["clamped_stiffness_pa"]) / GPA_PASCAL
    return {"C11": c[0, 0], "C12": c[0, 1], "C44": c[3, 3], "clamped C44": clamped[3, 3]}


def stillinger_weber() -> Iterator[Row]:
    """Silicon with internal relaxation: C44 falls from 110 to 56 GPa."""
    from ase.build import bulk

    from solvers.continuum import elastic_constants

    from .peers.model_crystals import StillingerWeber
    ours = _four(elastic_constants(bulk("Si", "diamond", a=5.43095), StillingerWeber(), strain=2e-3, force_tolerance=1e-7))
    for name, reference in cases.STILLINGER_WEBER.items():
        yield compare(AREA, "Stillinger-Weber Si", name, ours[name], reference, cases.STILLINGER_WEBER_TOLERANCE, "GPa",
                      "computed independently, ε = 2.1683 eV")


def silicon() -> Iterator[Row]:
    """Plane-wave silicon with relaxed and clamped ions beside ABINIT; literature printed."""
    from ase.build import bulk

    from solvers.continuum import elastic_constants
    from solvers.dft import DFT
    calculator = DFT(xc="PBE", cutoff=cases.SILICON_CUTOFF * HARTREE_EV, kpts=cases.SILICON_MESH, smearing=None)
    material = elastic_constants(bulk("Si", "diamond", a=cases.SILICON_LATTICE), calculator)
    ours = _four(material)
    note = f"our 95 % half width {material.error().max() / GPA_PASCAL:.2f} GPa (fit and amplitude)"
    for name, reference in cases.SILICON.items():
        yield compare(AREA, "Si, PBE, 25 Ha, 6x6x6", name, ours[name], reference, cases.SILICON_TOLERANCE, "GPa", "ABINIT, same potential, cutoff and mesh",
                      note)
    for source, constants in cases.SILICON_LITERATURE.items():
        for name, reference in constants.items():
            yield compare(AREA, "Si, PBE, 25 Ha, 6x6x6", name, ours[name], reference, None, "GPa", source)
