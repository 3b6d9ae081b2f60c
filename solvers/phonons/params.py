"""Parameters of the phonon task. Imports neither torch nor numba."""
from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from ..core.params import check, param


@dataclass(frozen=True)
class PhononParams:
    """Phonons by finite displacements in a supercell."""

    supercell: tuple | None = param(None, group="supercell", help="multiples of the cell, 2x2x2, or nine whole numbers of a matrix, row by row; "
                                    "empty = the smallest one whose images are `min_length` apart")
    min_length: float = param(10.0, unit="Å", low=2.0, high=100.0, group="supercell",
                              help="least distance of an atom to its own image, where no supercell is given")
    displacement: float = param(0.01, unit="Å", low=1e-5, high=0.2, group="supercell", help="length of the displacements")
    plus_minus: str = param("auto", choices=("auto", "always"), group="supercell", advanced=True,
                            help="displace both ways: only where symmetry does not make the second one redundant, or always")
    check_displacement: bool = param(True, group="supercell",
                                    help="one more supercell with all atoms displaced at random, whose forces check the force constants")
    nac: bool = param(False, group="physics", help="splitting of longitudinal and transverse modes (LO–TO): Born charges and dielectric tensor are computed "
                      "first; needs the plane-wave calculator and an insulator")
    path: str | None = param(None, group="analysis", help="path of the bands, like GXWKG|L; empty = the standard path of the lattice")
    path_spacing: float = param(0.02, unit="1/Å", low=1e-3, high=0.5, group="analysis", help="step along the band path, 2π included")
    mesh: float = param(80.0, unit="Å", low=1.0, high=1000.0, group="analysis",
                        help="fineness of the q-mesh of the density of states: this length divided by the cell's edges gives its points")
    t_min: float = param(0.0, unit="K", low=0.0, high=1e5, group="analysis", help="lowest temperature of the thermal properties")
    t_max: float = param(1000.0, unit="K", low=0.0, high=1e5, group="analysis", help="highest temperature of the thermal properties")
    t_step: float = param(10.0, unit="K", low=1e-3, high=1e4, group="analysis", help="step in temperature")
    force_limit: float = param(0.02, unit="eV/Å", low=0.0, group="gates",
                               help="forces left in the undisplaced crystal above which the result says it is not at rest")
    imaginary_limit: float = param(0.1, unit="THz", low=0.0, group="gates", help="an imaginary frequency larger than this counts as an instability")
    check_limit: float = param(0.05, low=0.0, group="gates", advanced=True,
                               help="deviation of the checking displacement's forces, relative, above which the result carries a warning")
    symmetry_tolerance: float = param(1e-4, unit="Å", low=1e-8, high=0.5, advanced=True, group="supercell",
                                      help="distance within which atoms count as equivalent")

    def __post_init__(self):
        check(self)
        if self.supercell is not None:
            object.__setattr__(self, "supercell", _numbers(self.supercell))
        if self.t_max < self.t_min:
            raise SetupError(f"t_max = {self.t_max:g} K is below t_min = {self.t_min:g} K.", hint="Give a range that goes upwards.")
        if (self.t_max - self.t_min) / self.t_step > 1e5:
            raise SetupError(f"{(self.t_max - self.t_min) / self.t_step:.0f} temperatures are too many.", hint="At most 100000: take a larger t_step.")

    @property
    def matrix(self) -> np.ndarray | None:
        """The supercell given, as a matrix (3, 3) whose rows are supercell vectors in cell vectors; None where it is to be chosen."""
        if self.supercell is None:
            return None
        return np.diag(self.supercell) if len(self.supercell) == 3 else np.reshape(self.supercell, (3, 3))

    @property
    def temperatures(self) -> np.ndarray:
        """Temperatures (T,) in K."""
        return self.t_min + self.t_step * np.arange(int(np.floor((self.t_max - self.t_min) / self.t_step + 1e-9)) + 1)


def _numbers(value: tuple) -> tuple[int, ...]:
    parts = [part for item in value for part in (re.split(r"[x×\s]+", item.strip()) if isinstance(item, str) else np.ravel(item))]
    try:
        numbers = tuple(int(part) for part in parts)
        whole = all(float(part) == number for part, number in zip(parts, numbers, strict=True))
    except (TypeError, ValueError, OverflowError):
        numbers, whole = (), False
    fine = whole and len(numbers) in (3, 9) and max(map(abs, numbers)) <= 100
    if fine:
        volume = round(float(np.linalg.det(np.diag(numbers) if len(numbers) == 3 else np.reshape(numbers, (3, 3)))))
        fine = volume > 0 and (len(numbers) == 9 or min(numbers) > 0)
    if not fine:
        raise SetupError(f"supercell = {value!r} is not a supercell.",
                         hint="Give three multiples (2x2x2) or nine whole numbers of a matrix with a positive determinant, up to 100 each.")
    return numbers
