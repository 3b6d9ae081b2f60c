"""A `Result` as rows for people: quantity, value, 95 % error bar, unit, meaning. The table and the CSV file are made from the same rows."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.core.job import Result
from solvers.core.properties import PROPERTIES
from solvers.core.units import GPA_PASCAL

from .forms import label_of
from .translate import tr

_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
#: what stands first, if it is there
_ORDER = (
    "energy",
    "free_energy",
    "stiffness",
    "bulk_modulus",
    "shear_modulus",
    "young_modulus",
    "poisson_ratio",
    "pressure",
    "max_force",
    "max_stress",
    "volume",
    "density",
    "temperature",
)
_HIDDEN = (
    "positions",
    "cell",
    "history",
    "residual_history",
    "eigenvalues",
    "occupations",
    "kpoints",
    "kpoint_weights",
    "stiffness_covariance",
    "stiffness_error",
    "kpath",
    "distance",
    "labels",
    "dos",
    "integrated_dos",
    "projected",
    "projections",
    "band_projections",
    "phonon_frequencies",
    "phonon_kpath",
    "phonon_distance",
    "phonon_dos",
    "phonon_dos_frequencies",
    "temperatures",
    "helmholtz_energy",
    "internal_energy",
    "entropy",
    "heat_capacity",
    "force_constants",
    "primitive_cell",
    "profile_positions",
    "potential_profile",
    "potential_smoothed",
    "stm_image",
    "ladder_stages",
    "ladder_cutoffs",
    "ladder_meshes",
    "ladder_widths",
    "ladder_forces",
    "ladder_seconds",
    "ladder_energies",
    "ladder_pressures",
    "primitive_numbers",
)
MANY = 400  # components shown of one array; the CSV has all of them


@dataclass(frozen=True)
class Row:
    """error: 95 % half width, None = unknown; children: the components of an array."""

    name: str
    title: str
    value: float | None
    error: float | None
    unit: str
    meaning: str
    children: tuple[Row, ...] = ()

    def text(self) -> str:
        """The value as shown: digits follow the error bar where there is one."""
        if self.value is None:
            return ""
        if self.error:
            digits = max(0, min(10, 1 - int(np.floor(np.log10(abs(self.error))))))
            return f"{self.value:.{digits}f}"
        return str(int(self.value)) if float(self.value).is_integer() and abs(self.value) < 1e6 and self.unit in ("1", "") else f"{self.value:.8g}"

    def error_text(self) -> str:
        """± half width, "unknown" where nobody knows it, nothing for counts and headings."""
        if self.value is None or self.name in ("iterations", "grid", "wall_s", "cutoff", "n_parameters", "converged"):
            return ""
        return tr("unknown") if self.error is None else f"± {self.error:.2g}"


def rows(result: Result) -> list[Row]:
    """The rows of a result, most telling first; pascals are shown in GPa."""
    hidden = {*_HIDDEN, *(("energies",) if "dos" in result.values else ())}
    names = [name for name in (*_ORDER, *result.values) if name in result.values and name not in hidden]
    return [_row(name, result.values[name], _error_of(name, result)) for name in dict.fromkeys(names)]


def _error_of(name: str, result: Result) -> np.ndarray | None:
    error = result.values.get(f"{name}_error")
    return None if error is None else np.asarray(error, float)


def _row(name: str, value: Any, error: np.ndarray | None) -> Row:
    declared = PROPERTIES[name]
    array = np.asarray(value)
    factor, unit = (1 / GPA_PASCAL, "GPa") if declared.unit == "Pa" else (1.0, declared.unit)
    meaning = tr(declared.meaning)
    if array.dtype.kind not in "iufb":
        return Row(name, label_of(name), None, None, "", f"{meaning}: {array}")
    array = array * factor
    error = None if error is None else error * factor
    if array.ndim == 0:
        return Row(name, label_of(name), float(array), None if error is None else float(error), unit, meaning)
    if name == "stiffness":
        children = tuple(
            Row(name, f"C{i + 1}{j + 1}", float(array[i, j]), None if error is None else float(error[i, j]), unit, f"{_VOIGT[i]}, {_VOIGT[j]}")
            for i in range(6)
            for j in range(i, 6)
            if abs(array[i, j]) > 1e-5 * np.abs(array).max()
        )
    else:
        children = tuple(
            Row(name, _component(name, place, array.shape), float(item), None if error is None else float(error[place]), unit, "")
            for place, item in list(np.ndenumerate(array))[:MANY]
        )
    size = "×".join(map(str, array.shape))
    return Row(name, label_of(name), None, None, unit, f"{meaning} ({size})", children)


def _component(name: str, place: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if shape == (6,) and name == "stress":
        return _VOIGT[place[0]]
    if shape[-1:] == (3,) and len(place) == 2:
        return f"{place[0]} {'xyz'[place[1]]}"
    return " ".join(map(str, place))


def to_csv(result: Result, *, job: str, title: str) -> str:
    """Every number of a result with unit, error ("unknown" where it is), method and the id of its run; values in the units of the vocabulary."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["property", "component", "value", "error_95", "unit", "converged", "method", "title", "job"])
    method = "; ".join(f"{key}={value}" for key, value in result.settings.items() if isinstance(value, (str, int, float, bool)))
    for name, value in result.values.items():
        array = np.asarray(value)
        error = _error_of(name, result)
        for place, item in np.ndenumerate(array):
            known = "unknown" if error is None else repr(float(error[place]))
            shown = repr(float(item)) if array.dtype.kind in "iufb" else str(item)
            writer.writerow([name, " ".join(map(str, place)), shown, known, PROPERTIES[name].unit, result.converged, method, title, job])
    return out.getvalue()
