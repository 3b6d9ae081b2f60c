"""A `Material` as JSON: versioned, written all or nothing, and read as a file from a stranger: sizes, types and numbers are checked before use."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import MissingError, QcadError, ReadError, SetupError
from ..core.sealed import write_file
from ..core.structure import jsonable
from .heat import SpecificHeat
from .material import Material

FORMAT = "qcad-material"
VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
_DEEPEST = 200
_KEYS = {"format", "version", "name", "stiffness_pa", "temperatures_k", "density_kg_m3", "validity_k", "lattice_angstrom", "R_lattice_to_frame",
         "covariance_pa2", "provenance",
         "atoms_per_m3", "specific_heat"}


def to_dict(material: Material) -> dict[str, Any]:
    """Plain JSON values, units in the names."""
    def plain(value):
        return None if value is None else np.asarray(value).tolist()

    return {"format": FORMAT, "version": VERSION, "name": material.name, "stiffness_pa": plain(material.stiffness),
            "temperatures_k": plain(material.temperatures),
            "density_kg_m3": plain(material.density), "validity_k": plain(material.validity), "lattice_angstrom": plain(material.lattice),
            "R_lattice_to_frame": plain(material.R_lattice_to_frame), "covariance_pa2": {source: plain(value) for source, value in material.covariance.items()},
            "provenance": jsonable(material.provenance, _refuse_object), "atoms_per_m3": material.atoms_per_volume,
            **({} if material.specific_heat is None else {"specific_heat": material.specific_heat.to_dict()})}


def from_dict(data: Mapping[str, Any]) -> Material:
    """The material of `to_dict`'s values. Raises ReadError naming what is wrong."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise ReadError("This is not a Q-CAD material.", hint=f'It must be a JSON object with "format": "{FORMAT}".')
    if not isinstance(data.get("version"), int) or not 1 <= data["version"] <= VERSION:
        raise ReadError(f"This material has version {data.get('version')!r}; this program reads up to {VERSION}.", hint="Update the program.")
    unknown = set(data) - _KEYS
    if unknown:
        raise ReadError(f"The material holds the unknown entry {sorted(unknown)[0]!r}.", hint=f"Allowed: {', '.join(sorted(_KEYS))}.")
    if "stiffness_pa" not in data:
        raise ReadError("The material has no stiffness_pa.", hint="Give the Voigt matrix in Pa.")
    for key in ("covariance_pa2", "provenance"):
        if not isinstance(data.get(key, {}), Mapping):
            raise ReadError(f"{key} of the material is not an object.", hint="Write {} when there is nothing to say.")
    if not isinstance(data.get("name", ""), str) or len(data.get("name", "")) > 500:
        raise ReadError("The material's name is not a text of at most 500 characters.", hint="Shorten it.")
    _check_provenance(data.get("provenance", {}))
    arrays = {key: _numbers(data.get(key), key) for key in ("stiffness_pa", "temperatures_k", "density_kg_m3", "validity_k", "lattice_angstrom",
                                                            "R_lattice_to_frame", "atoms_per_m3")}
    if arrays["validity_k"] is not None and arrays["validity_k"].shape != (2,):
        raise ReadError("validity_k is not a pair of temperatures.", hint="Write [low, high] in K, or null.")
    if arrays["atoms_per_m3"] is not None and arrays["atoms_per_m3"].shape != ():
        raise ReadError("atoms_per_m3 is not one number.", hint="Write a number in 1/m³, or null.")
    try:
        return Material(
            stiffness=arrays["stiffness_pa"], density=arrays["density_kg_m3"], name=data.get("name", "material"), temperatures=arrays["temperatures_k"],
            validity=None if arrays["validity_k"] is None else tuple(arrays["validity_k"]), lattice=arrays["lattice_angstrom"],
            R_lattice_to_frame=np.eye(3) if arrays["R_lattice_to_frame"] is None else arrays["R_lattice_to_frame"],
            covariance={source: _numbers(value, f"covariance_pa2[{source}]") for source, value in data.get("covariance_pa2", {}).items()},
            provenance=data.get("provenance", {}), atoms_per_volume=None if arrays["atoms_per_m3"] is None else float(arrays["atoms_per_m3"]),
            specific_heat=None if data.get("specific_heat") is None else SpecificHeat.from_dict(data["specific_heat"]))
    except SetupError as error:
        raise ReadError(f"The material cannot be used: {error.message}", hint=error.hint) from error


def _check_provenance(origin: Mapping[str, Any]) -> None:
    """Known entries have the shape that the reports rely on; others are free."""
    shapes = {"clamped_stiffness_pa": (6, 6), "zero_strain_stress_gpa": (6,)}
    for key, value in origin.items():
        if value is None:
            continue
        if key in shapes and _numbers(value, f"provenance.{key}").shape != shapes[key]:
            raise ReadError(f"provenance.{key} has the wrong shape.", hint=f"Needed: {shapes[key]}.")
        if (key == "potentials" and not isinstance(value, Mapping)) or (key in ("run_ids", "error_sources") and not isinstance(value, list)):
            raise ReadError(f"provenance.{key} is {type(value).__name__}.", hint="potentials is an object {name: sha256}; run_ids and error_sources are lists.")


def save(material: Material, path: str | Path) -> None:
    """Write `material` to `path`: all or nothing. Raises StorageError."""
    write_text(path, json.dumps(to_dict(material), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def load(path: str | Path) -> Material:
    """The material in the JSON file `path`. Raises MissingError, ReadError."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"{path} is {path.stat().st_size} bytes long; a material is at most {MAX_BYTES}.", hint="This is another kind of file.")
        content = path.read_bytes()
        if _depth(content) > _DEEPEST:  # the reader recurses; where a library has raised Python's limit the process would die
            raise ReadError(f"{path} is not a material: its lists are nested more than {_DEEPEST} deep.", hint="A material needs six levels.")
        data = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise MissingError(f"There is no file {path}.", hint="Check the path.") from None
    except QcadError:
        raise
    except OSError as error:
        raise ReadError(f"{path} cannot be read: {error.strerror}.", hint="Check that it is a file you may read.") from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ReadError(f"{path} is not a material: {str(error)[:200]}.",
                        hint="A material is a JSON file written by `qcad material new` or `qcad elastic`.") from error
    try:
        return from_dict(data)
    except ReadError as error:
        raise ReadError(f"{path}: {error.message}", hint=error.hint) from error


def _depth(content: bytes) -> int:
    """Most brackets that are open at once, those in texts included."""
    marks = np.frombuffer(content, np.uint8)
    steps = np.isin(marks, [ord("["), ord("{")]).astype(np.int8) - np.isin(marks, [ord("]"), ord("}")]).astype(np.int8)
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def write_text(path: str | Path, text: str) -> None:
    """Replace `path` by `text` in one step; the old file stays whole if anything fails. Raises StorageError."""
    write_file(Path(path), text.encode("utf-8"))


def _numbers(value: Any, key: str) -> np.ndarray | None:
    if value is None:
        return None
    try:
        array = np.array(value)
    except (ValueError, TypeError):
        array = np.array(None)
    if array.dtype.kind not in "iuf" or array.size == 0 or not np.isfinite(array.astype(float)).all():
        raise ReadError(f"{key} of the material is not an array of finite numbers.", hint="Check the file; ragged rows, texts and empty lists are not allowed.")
    return array.astype(float)


def _refuse_constant(text: str):
    raise ReadError(f"The file holds {text}, which is not a number.", hint="Unknown values are written as null.")


def _refuse_object(value: Any):
    raise SetupError(f"Provenance holds {value!r}, which is not plain data.", hint="Use texts, numbers, lists and dictionaries.")
