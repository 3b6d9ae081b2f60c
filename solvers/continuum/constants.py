"""Materials from typed-in constants: which constants a crystal class needs, and the Voigt matrix they make.

Standard settings of Nye (Physical Properties of Crystals, table 9): the high-symmetry axis is z; monoclinic crystals have their twofold axis along y.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from ..core.units import GPA_PASCAL
from .material import Material
from .tensor import NAMES_21, is_stable, mandel_eigenvalues, unpack_21


@dataclass(frozen=True)
class CrystalClass:
    """Names of the independent constants, and how the others follow: name -> ((factor, independent name), …)."""

    independent: tuple[str, ...]
    derived: Mapping[str, tuple[tuple[float, str], ...]]


def _same(pairs: str) -> dict[str, tuple[tuple[float, str], ...]]:
    return {left: ((1.0, right),) for left, right in (pair.split("=") for pair in pairs.split())}


_HALF = {"C66": ((0.5, "C11"), (-0.5, "C12"))}
CLASSES: dict[str, CrystalClass] = {
    "isotropic": CrystalClass(("E", "nu"), {}),
    "cubic": CrystalClass(("C11", "C12", "C44"), _same("C22=C11 C33=C11 C13=C12 C23=C12 C55=C44 C66=C44")),
    "hexagonal": CrystalClass(("C11", "C12", "C13", "C33", "C44"), {**_same("C22=C11 C23=C13 C55=C44"), **_HALF}),
    "trigonal": CrystalClass(("C11", "C12", "C13", "C14", "C33", "C44"),
                             {**_same("C22=C11 C23=C13 C55=C44"), **_HALF, "C24": ((-1.0, "C14"),), "C56": ((1.0, "C14"),)}),
    "trigonal-low": CrystalClass(("C11", "C12", "C13", "C14", "C15", "C33", "C44"),
                                 {**_same("C22=C11 C23=C13 C55=C44"), **_HALF, "C24": ((-1.0, "C14"),), "C56": ((1.0, "C14"),), "C25": ((-1.0, "C15"),),
                                  "C46": ((-1.0, "C15"),)}),
    "tetragonal": CrystalClass(("C11", "C12", "C13", "C33", "C44", "C66"), _same("C22=C11 C23=C13 C55=C44")),
    "tetragonal-low": CrystalClass(("C11", "C12", "C13", "C16", "C33", "C44", "C66"), {**_same("C22=C11 C23=C13 C55=C44"), "C26": ((-1.0, "C16"),)}),
    "orthorhombic": CrystalClass(("C11", "C12", "C13", "C22", "C23", "C33", "C44", "C55", "C66"), {}),
    "monoclinic": CrystalClass(("C11", "C12", "C13", "C15", "C22", "C23", "C25", "C33", "C35", "C44", "C46", "C55", "C66"), {}),
    "triclinic": CrystalClass(NAMES_21, {}),
}


def class_of(names) -> str:
    """The class whose independent constants are exactly `names`; the one with the fewest that holds them all otherwise. SetupError when none does."""
    names = set(names)
    exact = [key for key, item in CLASSES.items() if set(item.independent) == names]
    if exact:
        return exact[0]
    if not names <= set(NAMES_21):
        wrong = sorted(names - set(NAMES_21))
        if {"E", "nu"} & names:
            raise SetupError(f"The constants {', '.join(sorted(names))} do not go together.", hint="An isotropic body takes exactly E (GPa) and nu.")
        raise SetupError(f"Unknown elastic constant {', '.join(wrong)}.", hint="Known: C11 to C66 with the smaller index first, in GPa, or E (GPa) and nu.")
    return "triclinic"


def stiffness_from_constants(values: Mapping[str, float], symmetry: str | None = None) -> np.ndarray:
    """Voigt matrix (6, 6) in Pa of constants in GPa (E in GPa and nu for an isotropic body).

    symmetry: a key of CLASSES, None: from the names given; 21 constants make a triclinic crystal, of which those not named are zero.
    Raises SetupError for missing, surplus or contradicting constants, naming them.
    """
    values = dict(values)
    symmetry = class_of(values) if symmetry is None else symmetry
    if symmetry not in CLASSES:
        raise SetupError(f"Unknown crystal class {symmetry!r}.", hint=f"Allowed: {', '.join(CLASSES)}.")
    needed = CLASSES[symmetry]
    for name, value in values.items():
        if not np.isfinite(value):
            raise SetupError(f"{name} = {value} is not finite.", hint="Give a number.")
    unknown = sorted(set(values) - set(NAMES_21) - set(needed.independent))
    if unknown:
        raise SetupError(f"{', '.join(unknown)} is not a constant of a {symmetry} crystal.", hint=f"It has {', '.join(needed.independent)}.")
    missing = [name for name in needed.independent if name not in values and symmetry != "triclinic"]
    if missing:
        raise SetupError(f"A {symmetry} crystal needs {', '.join(needed.independent)}; {', '.join(missing)} is missing.",
                         hint="Add it, or name another symmetry.")
    if symmetry == "isotropic":
        return _isotropic(values)
    if symmetry == "triclinic" and not {"C11", "C22", "C33", "C44", "C55", "C66"} <= set(values):
        raise SetupError(f"The constants {', '.join(sorted(values))} fit no crystal class.",
                         hint="Cubic: C11 C12 C44. Hexagonal: C11 C12 C13 C33 C44. Without symmetry all of C11, C22 … C66 are needed.")
    all_21 = {name: float(values[name]) if name in needed.independent and name in values else 0.0 for name in NAMES_21}
    for name, terms in needed.derived.items():
        all_21[name] = sum(factor * float(values[source]) for factor, source in terms)
    for name, value in values.items():
        if abs(all_21[name] - value) > 1e-6 * max(map(abs, values.values())):
            raise SetupError(f"{name} = {value:g} GPa contradicts {symmetry} symmetry, which makes it {all_21[name]:g} GPa.",
                             hint="Leave it out, or name a lower symmetry.")
    return unpack_21(np.array([all_21[name] for name in NAMES_21])) * GPA_PASCAL


def _isotropic(values: Mapping[str, float]) -> np.ndarray:
    young, poisson = float(values["E"]) * GPA_PASCAL, float(values["nu"])
    if young <= 0 or not -1 < poisson < 0.5:
        raise SetupError(f"E = {values['E']:g} GPa, nu = {poisson:g} is not a stable solid.", hint="Allowed: E > 0 and −1 < nu < 0.5.")
    lame, shear = young * poisson / ((1 + poisson) * (1 - 2 * poisson)), young / (2 * (1 + poisson))
    c = np.zeros((6, 6))
    c[:3, :3] = lame
    c[range(3), range(3)] += 2 * shear
    c[range(3, 6), range(3, 6)] = shear
    return c


def material_from_constants(values: Mapping[str, float], symmetry: str | None = None, *, density: float | None = None, name: str = "material", source: str = "",
                            c_over_a: float | None = None) -> Material:
    """A `Material` from constants in GPa: ``{"C11": 168.4, "C12": 121.4, "C44": 75.4}`` or ``{"E": 210, "nu": 0.3}``.

    symmetry as in `stiffness_from_constants`; density in kg/m³; source: paper or data sheet; c_over_a: for lattice directions of hexagonal, trigonal and
    tetragonal crystals. Raises SetupError, also when Born's test fails: typed-in constants that are unstable are a slip of the pen.
    """
    symmetry = class_of(values) if symmetry is None else symmetry
    if c_over_a is not None and not 0.1 <= c_over_a <= 100:
        raise SetupError(f"c/a = {c_over_a:g} is out of range.", hint="Allowed: 0.1 to 100; close-packed spheres have 1.633.")
    stiffness = stiffness_from_constants(values, symmetry)
    if not is_stable(stiffness):
        raise SetupError(f"These constants describe no stable crystal: smallest Mandel eigenvalue {mandel_eigenvalues(stiffness)[0] / GPA_PASCAL:.4g} GPa.",
                         hint="All six must be positive (Born); check for a typing error.")
    return Material(stiffness, density=density, name=name, lattice=_lattice(symmetry, c_over_a),
                    provenance={"method": "typed in", "source": source or "unknown", "symmetry": symmetry, "conditions": "as typed in",
                                "constants_gpa": dict(values)})


def _lattice(symmetry: str, c_over_a: float | None) -> np.ndarray | None:
    """Conventional lattice of unit edge a; None where the constants alone do not fix the directions of lattice vectors."""
    if symmetry == "cubic":
        return np.eye(3)
    if symmetry.startswith(("hexagonal", "trigonal")) and c_over_a:
        return np.array([[1.0, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, c_over_a]])
    if symmetry.startswith("tetragonal") and c_over_a:
        return np.diag([1.0, 1.0, c_over_a])
    return None
