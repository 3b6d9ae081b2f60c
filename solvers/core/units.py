"""The only conversion factors of the program: CODATA 2022.

Source: CODATA recommended values of the fundamental physical constants, 2022 adjustment (NIST, May 2024).
`ase.units` uses CODATA 2014 and stays outside; ASE's own time unit (10.18 fs) never appears in an API or a file.

Names read as "one X expressed in Y": ``HARTREE_EV`` is one hartree in electronvolt.
"""
from __future__ import annotations

import math

# exact by definition of the SI
ELEMENTARY_CHARGE = 1.602176634e-19  # C
PLANCK = 6.62607015e-34  # J s
BOLTZMANN_SI = 1.380649e-23  # J/K
AVOGADRO = 6.02214076e23  # 1/mol
LIGHT_SPEED = 299792458.0  # m/s
HBAR = PLANCK / (2.0 * math.pi)  # J s

# measured, CODATA 2022
BOHR_SI = 5.29177210544e-11  # m
HARTREE_SI = 4.3597447222060e-18  # J
ATOMIC_MASS_SI = 1.66053906892e-27  # kg
ELECTRON_MASS_SI = 9.1093837139e-31  # kg
FINE_STRUCTURE = 7.2973525643e-3

# atomic units <-> eV, angstrom
BOHR_ANGSTROM = BOHR_SI * 1e10
HARTREE_EV = HARTREE_SI / ELEMENTARY_CHARGE
HARTREE_PER_BOHR_EV_ANGSTROM = HARTREE_EV / BOHR_ANGSTROM
HARTREE_PER_BOHR3_EV_ANGSTROM3 = HARTREE_EV / BOHR_ANGSTROM**3

# eV, angstrom, amu <-> SI
EV_JOULE = ELEMENTARY_CHARGE
EV_PER_ANGSTROM3_PASCAL = ELEMENTARY_CHARGE * 1e30
EV_PER_ANGSTROM3_GPA = EV_PER_ANGSTROM3_PASCAL * 1e-9
EV_PER_ANGSTROM2_J_PER_M2 = ELEMENTARY_CHARGE * 1e20
AMU_PER_ANGSTROM3_KG_M3 = ATOMIC_MASS_SI * 1e30
HARTREE_PER_BOHR3_GPA = HARTREE_PER_BOHR3_EV_ANGSTROM3 * EV_PER_ANGSTROM3_GPA
GPA_PASCAL = 1e9
BOLTZMANN_EV = BOLTZMANN_SI / ELEMENTARY_CHARGE  # eV/K
BOLTZMANN_HARTREE = BOLTZMANN_SI / HARTREE_SI  # Ha/K

# dynamics in eV, angstrom, amu, fs:  a [angstrom/fs^2] = F [eV/angstrom] / m [amu] * ACCELERATION
ACCELERATION = ELEMENTARY_CHARGE / ATOMIC_MASS_SI * 1e-10  # (eV/angstrom)/amu in angstrom/fs^2
KINETIC_EV = 1.0 / ACCELERATION  # amu (angstrom/fs)^2 in eV

# vibrations: h·THz in eV; √((eV/angstrom^2)/amu)/2π in THz; THz in meV and 1/cm
PLANCK_EV_THZ = PLANCK / ELEMENTARY_CHARGE * 1e12
THZ_PER_ROOT = math.sqrt(ELEMENTARY_CHARGE * 1e20 / ATOMIC_MASS_SI) / (2.0 * math.pi) * 1e-12
THZ_MEV = PLANCK_EV_THZ * 1e3
THZ_INVERSE_CM = 1e12 / (LIGHT_SPEED * 100.0)

#: unit name -> (dimension, factor to the dimension's base unit); what forms, flags and tables may ask for
UNITS: dict[str, tuple[str, float]] = {
    "eV": ("energy", 1.0), "meV": ("energy", 1e-3), "Ha": ("energy", HARTREE_EV), "Ry": ("energy", HARTREE_EV / 2),
    "Å": ("length", 1.0), "A": ("length", 1.0), "bohr": ("length", BOHR_ANGSTROM), "nm": ("length", 10.0),
    "fs": ("time", 1.0), "ps": ("time", 1e3),
    "K": ("temperature", 1.0),
    "GPa": ("pressure", 1.0), "eV/Å³": ("pressure", EV_PER_ANGSTROM3_GPA), "kbar": ("pressure", 0.1), "Pa": ("pressure", 1e-9), "MPa": ("pressure", 1e-3),
    "eV/Å": ("force", 1.0), "Ha/bohr": ("force", HARTREE_PER_BOHR_EV_ANGSTROM),
    "1/Å": ("wavenumber", 1.0), "1/bohr": ("wavenumber", 1.0 / BOHR_ANGSTROM),
    "g/cm³": ("density", 1e3), "kg/m³": ("density", 1.0),
}


def convert(value, unit: str, to: str):
    """Return `value` given in `unit` expressed in `to`; raises ValueError when the dimensions differ or a unit is unknown."""
    for name in (unit, to):
        if name not in UNITS:
            raise ValueError(f"Unknown unit {name!r}. Known units: {', '.join(sorted(UNITS))}.")
    (dimension, factor), (target, divisor) = UNITS[unit], UNITS[to]
    if dimension != target:
        raise ValueError(f"Cannot convert {unit} ({dimension}) to {to} ({target}): the dimensions differ.")
    return value * (factor / divisor)
