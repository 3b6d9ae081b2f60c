"""`Material`: an anisotropic elastic material over temperature with its crystal frame, uncertainty and provenance. SI.

What is not known is None or absent and is written as "unknown"; nothing is filled in.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ..core.errors import RefusedError, SetupError
from .heat import SpecificHeat
from .orientation import has_four_indices, orientation_matrix
from .tensor import UPPER, coerce_stiffness, is_stable, mandel_eigenvalues, pack_21, rotate, unpack_21

#: covariances are Gaussian-equivalent: the 95 % half width is this times the square root of the variance
COVERAGE_95 = 1.959963984540054


def _frozen(value: Any, shape: tuple, what: str, hint: str) -> np.ndarray:
    try:
        out = np.array(value, dtype=float)
    except (TypeError, ValueError):
        out = np.zeros(0)
    if out.shape != shape or not np.isfinite(out).all():
        found = f"has shape {out.shape}; needed is {shape}" if out.shape != shape else "holds NaN or infinity; every value must be a finite number"
        raise SetupError(f"{what} {found}.", hint=hint)
    out.setflags(write=False)
    return out


@dataclass(frozen=True, eq=False)
class Material:
    """stiffness: (6, 6) Voigt or (3, 3, 3, 3) in Pa, or one per temperature; kept as (n_T, 6, 6).

    density: kg/m³, a number or (n_T,); temperatures: (n_T,) K ascending, None for a single tensor; validity: (low, high) K within which the numbers may be
    used.
    lattice: conventional lattice vectors as rows in Å, and R_lattice_to_frame: the rotation that carries them into the frame of the tensor.
    covariance: source ("fit", "amplitude", "cutoff", …) -> (21, 21) in Pa², order of `tensor.NAMES_21`, or one per temperature;
    provenance: plain values: method, functional, conditions, potentials {name: sha256}, run_ids, source …
    atoms_per_volume: 1/m³; specific_heat: a table of its own temperatures. Raises SetupError with what is wrong.
    """

    stiffness: np.ndarray
    density: Any = None
    name: str = "material"
    temperatures: np.ndarray | None = None
    validity: tuple[float, float] | None = None
    lattice: np.ndarray | None = None
    R_lattice_to_frame: np.ndarray = field(default_factory=lambda: np.eye(3))
    covariance: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    atoms_per_volume: float | None = None
    specific_heat: SpecificHeat | None = None

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        stiffness = coerce_stiffness(self.stiffness)
        stiffness.setflags(write=False)
        put("stiffness", stiffness)
        n = len(stiffness)
        put("name", str(self.name))
        if self.temperatures is None:
            if n > 1:
                raise SetupError(f"{n} stiffness tensors came without temperatures.", hint=f"Give {n} temperatures in K.")
        else:
            put("temperatures", _frozen(np.atleast_1d(self.temperatures), (n,), "The list of temperatures", f"Give {n} temperatures in K."))
            if (self.temperatures < 0).any() or (np.diff(self.temperatures) <= 0).any():
                raise SetupError(f"The temperatures {self.temperatures.tolist()} K are negative or not ascending.", hint="Sort them, each once.")
        if self.density is not None:
            density = np.broadcast_to(_frozen(np.atleast_1d(self.density), np.shape(np.atleast_1d(self.density)), "The density", "Give kg/m³."), n)
            if (density <= 0).any() or (density < 1e-1).any() or (density > 1e6).any():
                raise SetupError(f"The density is {float(density.flat[0]):.4g} kg/m³.", hint="Allowed: 0.1 to 1e6 kg/m³; 1 g/cm³ is 1000 kg/m³.")
            put("density", float(density[0]) if n == 1 else _frozen(density, (n,), "The density", ""))
        if self.validity is not None:
            low, high = (float(value) for value in self.validity)
            if not 0 <= low <= high < 1e5:
                raise SetupError(f"The range of validity {low:g} to {high:g} K is empty or not a range of temperatures.", hint="Give (low, high) in K.")
            put("validity", (low, high))
        if self.lattice is not None:
            put("lattice", _frozen(self.lattice, (3, 3), "The lattice", "Give three vectors as rows, in Å."))
            if abs(np.linalg.det(self.lattice)) < 1e-6 * np.prod(np.linalg.norm(self.lattice, axis=1)):
                raise SetupError("The lattice vectors lie in one plane.", hint="Give three independent vectors as rows, in Å.")
        put("R_lattice_to_frame", _frozen(orientation_matrix(self.R_lattice_to_frame, np.eye(3)), (3, 3), "R_lattice_to_frame", ""))
        if self.atoms_per_volume is not None and not 0 < float(self.atoms_per_volume) < 1e32:
            raise SetupError(f"atoms_per_volume is {self.atoms_per_volume:.4g} 1/m³.", hint="A crystal has 1e28 to 2e29 atoms per m³.")
        covariance = {}
        for source, value in self.covariance.items():
            shape = (n, 21, 21) if np.ndim(value) == 3 else (21, 21)
            array = _frozen(value, shape, f"The covariance {source!r}", "Give (21, 21) in Pa², order C11 C12 … C16 C22 … C66.")
            variances = np.diagonal(array, axis1=-2, axis2=-1)
            rounding = 1e-9 * max(variances.max(), 1.0)
            if (variances < -rounding).any() or np.abs(array - np.swapaxes(array, -1, -2)).max() > rounding:
                raise SetupError(f"The covariance {source!r} is not a covariance: asymmetric or with a negative variance.",
                                 hint="Give a symmetric positive matrix.")
            covariance[str(source)] = array
        put("covariance", MappingProxyType(covariance))
        put("provenance", MappingProxyType(dict(self.provenance)))

    def __repr__(self) -> str:
        n = len(self.stiffness)
        return f"Material({self.name!r}, {n} temperature{'s' if n > 1 else ''}, {self.label})"

    # ---- what it says ----------------------------------------------------------------------------------------------------------
    @property
    def stiffness_voigt(self) -> np.ndarray:
        """(6, 6) in Pa; (n_T, 6, 6) for a material over temperature."""
        return self.stiffness[0] if len(self.stiffness) == 1 else self.stiffness

    @property
    def stable(self) -> bool:
        """Born's test at every temperature."""
        return is_stable(self.stiffness)

    @property
    def axes(self) -> np.ndarray:
        """Lattice vectors (3, 3) as rows in the tensor's frame, in Å; unit axes of that frame where no lattice is known."""
        return (np.eye(3) if self.lattice is None else self.lattice) @ self.R_lattice_to_frame.T

    @property
    def label(self) -> str:
        """Method and conditions in a few words: "0 K, static, PBE"."""
        parts = [str(self.provenance[key]) for key in ("conditions", "functional") if self.provenance.get(key)]
        return ", ".join(parts) or str(self.provenance.get("source") or "method unknown")

    def error(self, source: str | None = None) -> np.ndarray | None:
        """95 % half width (6, 6) (or (n_T, 6, 6)) in Pa of one source, or of all in quadrature; None when unknown. The model's own error is in no source."""
        if source is not None and source not in self.covariance:
            return None
        chosen = list(self.covariance.values()) if source is None else [self.covariance[source]]
        if not chosen:
            return None
        variance = sum(np.broadcast_to(np.diagonal(c, axis1=-2, axis2=-1), (len(self.stiffness), 21)) for c in chosen)
        out = unpack_21(COVERAGE_95 * np.sqrt(np.maximum(variance, 0.0)))
        return out[0] if len(out) == 1 else out

    def at(self, temperature: float) -> Material:
        """The material at one temperature in K, interpolated linearly. SetupError outside the table or the range of validity."""
        if self.temperatures is None:
            if self.validity is not None and not self.validity[0] <= temperature <= self.validity[1]:
                raise SetupError(f"{self.name} is one tensor ({self.label}), valid from {self.validity[0]:g} to {self.validity[1]:g} K, not {temperature:g} K.",
                                 hint="Use it as it is and say so, or compute constants at that temperature.")
            return self
        low, high = float(self.temperatures[0]), float(self.temperatures[-1])
        if not low <= temperature <= high:
            raise SetupError(f"{temperature:g} K lies outside the table of {self.name}, {low:g} to {high:g} K.", hint="Extrapolation is not offered.")

        def mix(values):
            i = int(np.clip(np.searchsorted(self.temperatures, temperature) - 1, 0, max(len(self.temperatures) - 2, 0)))
            if len(self.temperatures) == 1:
                return values[0]
            weight = (temperature - self.temperatures[i]) / (self.temperatures[i + 1] - self.temperatures[i])
            return (1 - weight) * values[i] + weight * values[i + 1]

        return replace(self, stiffness=mix(self.stiffness), density=self.density if np.ndim(self.density) == 0 else mix(self.density),
                       temperatures=np.array([float(temperature)]), covariance={source: value if value.ndim == 2 else mix(value) for source,
                                                                                value in self.covariance.items()})

    def with_specific_heat(self, phonons: Any, run: str = "") -> Material:
        """The material with the specific heat of a phonon `Result` (or with a `SpecificHeat`); run: id of the phonon job. Raises SetupError, RefusedError."""
        return replace(self, specific_heat=phonons if isinstance(phonons, SpecificHeat) else SpecificHeat.of_phonons(phonons, run))

    def rotated(self, orientation) -> Material:
        """The same material with the tensor in the part's axes: "[110],[001]" (see `orientation`), or a rotation whose rows are the new axes."""
        if self.lattice is None and isinstance(orientation, str) and has_four_indices(orientation):
            raise SetupError(f"{orientation!r} names directions of a hexagonal lattice, but the lattice of {self.name!r} is not known.",
                             hint="Make the material with its c/a (`qcad material new … --c-over-a 1.588`), or give three indices along its axes.")
        r = orientation_matrix(orientation, self.axes)
        linear = pack_21(rotate(unpack_21(np.eye(21)), r)).T  # how rotation acts on the 21 constants
        return replace(self, stiffness=rotate(self.stiffness, r), R_lattice_to_frame=_orthonormal(r @ self.R_lattice_to_frame),
                       covariance={source: _symmetric(linear @ value @ linear.T) for source, value in self.covariance.items()})

    # ---- derived quantities ------------------------------------------------------------------------------------------------------
    def averages(self):
        """Polycrystal averages: `averages.Averages`."""
        from .averages import averages
        return averages(self._single())

    def young_modulus(self, directions: np.ndarray) -> np.ndarray:
        """Young's modulus in Pa along `directions` (…, 3) of the tensor's frame."""
        from .directions import young_modulus
        return young_modulus(self._single(), directions)

    def extremes(self):
        """Extremes of E, G and ν over all directions."""
        from .directions import extremes
        return extremes(self._single())

    def debye_temperature(self) -> float:
        """Elastic Debye temperature in K."""
        from .waves import debye_temperature
        return debye_temperature(self._single())

    def _single(self) -> Material:
        if len(self.stiffness) > 1:
            raise SetupError(f"{self.name} holds {len(self.stiffness)} temperatures.", hint="Choose one: material.at(300).")
        return self

    def table(self) -> str:
        """The constants with error bars, averages and provenance as text for people."""
        from .report import table
        return table(self)

    # ---- files ---------------------------------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` restores an equal material bit for bit."""
        from .material_file import to_dict
        return to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Material:
        """The material that `to_dict` wrote; ReadError for anything else."""
        from .material_file import from_dict
        return from_dict(data)

    def save(self, path) -> None:
        """Write JSON, all or nothing."""
        from .material_file import save
        save(self, path)

    @classmethod
    def load(cls, path) -> Material:
        """The material in a JSON file; ReadError or MissingError otherwise."""
        from .material_file import load
        return load(path)

    def export(self, path, *, format: str, units: str = "SI", orientation=None, name: str | None = None) -> str:
        """Write a deck through the exporter plug-in `format` and return its text; it is read back and compared before it is left in place.

        units: SI, mm-t-s, mm-kg-ms, um-kg-s; orientation as in `rotated`. Raises RefusedError for a crystal that fails Born's test.
        """
        from ..core import registry
        if not self.stable:
            raise RefusedError(f"{self.name} fails Born's test: its smallest Mandel eigenvalue is {mandel_eigenvalues(self.stiffness).min() / 1e9:.4g} GPa.",
                               hint="No finite-element program can use it; check the structure.")
        return registry.get("exporter", format).load()(self, path, units=units, orientation=orientation, name=name)


def _orthonormal(r: np.ndarray) -> np.ndarray:
    u, _, vt = np.linalg.svd(r)
    return u @ vt


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


def packed_index(i: int, j: int) -> int:
    """Position of C_ij (zero-based Voigt indices) among the 21 constants."""
    rows, columns = UPPER
    return int(np.flatnonzero((rows == min(i, j)) & (columns == max(i, j)))[0])
