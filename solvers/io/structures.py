"""Writing structures and trajectories: complete under a temporary name first, then renamed into place."""
from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import SetupError, StructureError
from ..core.sealed import write_file
from ..core.structure import Structure

if TYPE_CHECKING:
    from ase import Atoms

#: format -> (ASE's name or "" for our own writers, file name endings)
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cif": ("cif", (".cif",)),
    "vasp": ("vasp", (".vasp", ".poscar", "poscar", "contcar")),
    "extxyz": ("", (".extxyz",)),
    "xyz": ("xyz", (".xyz",)),
    "json": ("", (".json",)),
}
_NEEDS_CELL = ("cif", "vasp")


def format_of(path: Path | str) -> str:
    """The format that a file name says; SetupError when it says none."""
    name = Path(path).name.lower()
    for kind, (_, endings) in FORMATS.items():
        if any(name.endswith(ending) if ending.startswith(".") else name.startswith(ending) for ending in endings):
            return kind
    known = ", ".join(ending for _, endings in FORMATS.values() for ending in endings if ending.startswith("."))
    raise SetupError(f"{Path(path).name!r} does not say in which format to write.", hint=f"End the name in {known}, or give the format.")


def write_structure(structure: Structure | Atoms, path: Path | str, format: str | None = None) -> None:
    """Write one structure as cif, vasp (POSCAR), extxyz, xyz or json, chosen by the file name unless `format` says it.

    cif and vasp need a cell; json keeps everything (arrays, info, constraints) bit for bit; extxyz keeps arrays and info; xyz keeps
    elements and positions. Cube files carry a field: see `cube.write_cube`. SetupError for an unknown format, StorageError when the disk refuses.
    """
    write_file(Path(path), structure_text(structure, format or format_of(path)).encode("utf-8"))


def structure_text(structure: Structure | Atoms, format: str) -> str:
    """The file that `write_structure` writes."""
    from ase.io import write
    if format not in FORMATS:
        raise SetupError(f"Structures cannot be written as {format!r}.", hint=f"Allowed: {', '.join(FORMATS)}; cube is for densities.")
    structure = Structure.coerce(structure)
    if not len(structure):
        raise StructureError("The structure holds no atoms.", hint="There is nothing to write.")
    if format in _NEEDS_CELL and structure.volume < 1e-6:
        raise StructureError(f"{format} describes crystals, and this structure has a cell of {structure.volume:.3g} Å³.",
                             hint="Give it a cell, or write xyz, extxyz or json.")
    if format == "json":
        return json.dumps({"format": "qcad-structure", "version": 1, **structure.to_dict()}, indent=1, ensure_ascii=False) + "\n"
    if format == "extxyz":
        from .extxyz import extxyz_text
        return extxyz_text(structure.to_atoms())
    atoms = structure.to_atoms()
    atoms.info = {}
    if format == "cif":
        raw = io.BytesIO()
        write(raw, atoms, format="cif")
        return raw.getvalue().decode()
    out = io.StringIO()
    # ASE's default of eight decimals is kept by VASP users' tools; fifteen read back exactly
    options = {"vasp": {"direct": True, "vasp5": True}, "xyz": {"fmt": "%22.15f"}}[format]
    write(out, atoms, format=FORMATS[format][0], **options)
    return out.getvalue()


def read_json(path: Path | str) -> Structure:
    """The structure of a json file that `write_structure` wrote; ReadError for anything else."""
    from ..core.errors import ReadError
    from ..core.sealed import read_json as read
    data = read(Path(path))
    if not isinstance(data, dict) or data.get("format") != "qcad-structure":
        raise ReadError(f"{Path(path).name} is not a structure file of this program.", hint='It should hold "format": "qcad-structure".')
    if data.get("version") != 1:
        raise ReadError(f"{Path(path).name} has version {data.get('version')!r} of the structure format.",
                        hint="This program reads version 1: use a newer one.")
    return Structure.from_dict(data)


def write_frames(frames: Iterable[Structure | Atoms], path: Path | str, format: str | None = None) -> int:
    """Write a trajectory as extxyz (with energies, forces, stresses where frames carry them) or xyz; returns the number of frames."""
    from .extxyz import extxyz_text
    kind = format or format_of(path)
    if kind not in ("extxyz", "xyz"):
        raise SetupError(f"A trajectory cannot be written as {kind!r}.", hint="Allowed: extxyz, xyz.")
    parts = []
    for frame in frames:
        atoms = frame.to_atoms() if isinstance(frame, Structure) else frame
        if not np.isfinite(atoms.positions).all():
            raise StructureError(f"Frame {len(parts)} holds a position that is not finite.", hint="Write the frames before it.")
        parts.append(extxyz_text(atoms) if kind == "extxyz" else structure_text(Structure.from_atoms(atoms), "xyz"))
    if not parts:
        raise SetupError("The trajectory holds no frames.", hint="There is nothing to write.")
    write_file(Path(path), "".join(parts).encode("utf-8"))
    return len(parts)
