"""Gaussian cube: a structure and a scalar field on a grid.

Layout (Gaussian's cubegen): two comment lines; number of atoms and origin; per axis the number of points and the step vector; per atom Z, charge, x, y, z;
then the values, z fastest. Lengths are in Bohr, or in Å where the numbers of points are negative. A negative number of atoms announces a line
with orbital numbers. Values have no unit in the file: densities are e/Bohr³, potentials Hartree. Our files name field and unit in the first comment.
"""
from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, SetupError
from ..core.fields import GridField
from ..core.sealed import write_file
from ..core.structure import Structure
from ..core.units import BOHR_ANGSTROM, HARTREE_EV

#: unit here -> (unit in the file, factor from here to the file)
_UNITS = {"e/Å³": ("e/bohr^3", BOHR_ANGSTROM**3), "eV": ("hartree", 1.0 / HARTREE_EV), "1": ("1", 1.0), "µ_B/Å³": ("muB/bohr^3", BOHR_ANGSTROM**3)}
_COMPONENTS = ("total", "up", "down", "spin")
MAX_POINTS = 2_000_000_000


def write_cube(path: Path | str, structure: Structure, field: GridField, *, component: str = "total") -> None:
    """Write structure and field, atomically.

    component: "total" (sum over spin), "up", "down" or "spin" (up − down) of a spin-resolved field. Fields in e/Å³ are written in e/Bohr³, eV in
    Hartree. Raises SetupError when structure and field have different cells, the unit has no cube convention, or the component does not exist.
    """
    write_file(Path(path), cube_text(structure, field, component=component).encode())


def cube_text(structure: Structure, field: GridField, *, component: str = "total") -> str:
    """The file that `write_cube` writes."""
    if field.unit not in _UNITS:
        raise SetupError(f"Field {field.name!r} is in {field.unit!r}, which a cube file cannot tell.", hint=f"Allowed units: {', '.join(_UNITS)}.")
    if not np.allclose(structure.cell, field.cell, rtol=0, atol=1e-6):
        raise SetupError(f"Field {field.name!r} belongs to another cell than the structure {structure.formula}.",
                         hint="Write it with the structure it was computed for.")
    if not np.isfinite(field.values).all():
        raise SetupError(f"Field {field.name!r} holds NaN or infinity.", hint="This is a failed calculation, not a result.")
    unit, factor = _UNITS[field.unit]
    values = _component(field, component) * factor
    origin = np.array(field.origin) / BOHR_ANGSTROM
    counts = field.shape
    steps = field.cell / np.array(counts)[:, None] / BOHR_ANGSTROM
    name = re.sub(r"[\s\[\]]+", "-", field.name)
    lines = [f"Q-CAD field [{name}] component [{component}] unit [{unit}]", structure.formula, f"{len(structure):5d}" + "%20.12f" * 3 % tuple(origin)]
    lines += [f"{count:5d}" + "%20.12f" * 3 % tuple(step) for count, step in zip(counts, steps, strict=True)]
    table = np.column_stack([structure.numbers, structure.numbers, structure.positions / BOHR_ANGSTROM])
    body = ("%5d%20.12f%20.12f%20.12f%20.12f\n" * len(table)) % tuple(table.ravel()) if len(table) else ""
    # one format string for a whole x-plane: each (x, y) row starts a new line and breaks after six values
    row = "".join(" %.10E" * min(6, counts[2] - start) + "\n" for start in range(0, counts[2], 6))
    plane = row * counts[1]
    return "\n".join(lines) + "\n" + body + "".join(plane % tuple(block.ravel()) for block in values)


def _component(field: GridField, component: str) -> np.ndarray:
    if component not in _COMPONENTS:
        raise SetupError(f"Component {component!r} does not exist.", hint=f"Allowed: {', '.join(_COMPONENTS)}.")
    if component == "total":
        return field.values.sum(axis=0)
    if field.values.shape[0] == 1:
        raise SetupError(f"Field {field.name!r} has no spin, so no component {component!r}.", hint="Use total.")
    up, down = field.values
    return {"up": up, "down": down, "spin": up - down}[component]


def read_cube(path: Path | str, *, unit: str | None = None) -> tuple[Structure, GridField]:
    """Structure and field of a cube file with one value per point.

    unit: what the numbers mean once they are here ("e/Å³", "eV", "1"); left out, the unit that our own files state, else "e/Å³" (density).
    Raises ReadError naming the line for anything that is not a cube file.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="strict")
    except FileNotFoundError:
        raise ReadError(f"{path} is not there.", hint="Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} is not a text file: {error}.", hint="A cube file is plain text.") from error
    return parse_cube(text, path.name, unit=unit)


def parse_cube(text: str, name: str, *, unit: str | None = None) -> tuple[Structure, GridField]:
    """`read_cube` on text; `name` appears in messages."""
    head = text.split("\n", 6)
    if len(head) < 7:
        raise ReadError(f"{name} has {len(text.splitlines())} lines; a cube file has a header of six.", hint="The file is empty, truncated or of another kind.")
    first = _numbers(head[2], name, 3, 4)
    n_atoms, orbitals = abs(int(first[0])), first[0] < 0
    if len(first) > 4 and first[4] != 1:
        raise ReadError(f"{name}, line 3: {first[4]:g} values per point.", hint="Only cube files with one value per point can be read.")
    axes = np.array([_numbers(head[line], name, line + 1, 4)[:4] for line in (3, 4, 5)])
    counts = np.abs(axes[:, 0]).astype(int)
    if (counts < 1).any() or np.prod(counts.astype(float)) > MAX_POINTS:
        raise ReadError(f"{name}, lines 4 to 6: a grid of {' × '.join(map(str, counts))} points.",
                        hint=f"Allowed: at least 1 along each axis, {MAX_POINTS:,} in all.")
    scale = 1.0 if (axes[:, 0] < 0).all() else BOHR_ANGSTROM
    cell = axes[:, 1:] * counts[:, None] * scale
    lines = head[6].split("\n", n_atoms) if n_atoms <= len(head[6]) else []
    if len(lines) < n_atoms + 1:
        raise ReadError(f"{name} announces {n_atoms} atoms and ends before them.", hint="The file is truncated.")
    atoms = np.array([_numbers(line, name, 7 + i, 5)[:5] for i, line in enumerate(lines[:n_atoms])]).reshape(-1, 5)
    body = lines[n_atoms]
    if orbitals:
        label, _, body = body.partition("\n")
        if int(_numbers(label, name, 7 + n_atoms, 1)[0]) != 1:
            raise ReadError(f"{name}, line {7 + n_atoms}: several orbitals in one file.", hint="Only cube files with one value per point can be read.")
    words = body.replace("D", "E").replace("d", "e").split() if "D" in body or "d" in body else body.split()
    if len(words) != np.prod(counts):
        raise ReadError(f"{name} holds {len(words)} values for a grid of {' × '.join(map(str, counts))} = {np.prod(counts)} points.",
                        hint="The file is truncated or damaged.")
    try:
        values = np.array(words, dtype=float).reshape(counts)
    except ValueError as error:
        raise ReadError(f"{name}: {error}.", hint="A value of the grid is not a number.") from None
    if not np.isfinite(values).all():
        raise ReadError(f"{name} holds NaN or infinity.", hint="The file is damaged or comes from a failed calculation.")
    stated = re.search(r"Q-CAD field \[(.*?)\] component \[(.*?)\] unit \[(.*?)\]", head[0])
    by_file = {file_unit: own for own, (file_unit, _) in _UNITS.items()}
    unit = unit or (by_file.get(stated.group(3)) if stated else None) or "e/Å³"
    if unit not in _UNITS:
        raise SetupError(f"Unit {unit!r} is not known for cube files.", hint=f"Allowed: {', '.join(_UNITS)}.")
    structure = Structure(atoms[:, 0].astype(int), atoms[:, 2:] * scale, cell, (True, True, True))
    field_name = stated.group(1) if stated else Path(name).stem
    return structure, GridField(values / _UNITS[unit][1], cell, unit, field_name, tuple(float(x) for x in np.array(first[1:4]) * scale))


def _numbers(line: str, name: str, number: int, at_least: int) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if len(values) < at_least or not np.isfinite(values).all():
        raise ReadError(f"{name}, line {number}: {line.strip()[:60]!r} should hold {at_least} numbers.", hint="This is not a cube file, or it is damaged.")
    return values
