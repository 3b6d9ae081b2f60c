"""Extended XYZ, read and written frame by frame with whole columns at a time.

Energies, forces and stresses go to a SinglePointCalculator: energy eV, free_energy eV, forces eV/Å, stress eV/Å³ Voigt xx yy zz yz xz xy, positive in tension.
A `virial` (eV, 3×3) is read as stress = −virial / volume. Other per-frame entries go to `info`, other columns to `arrays`.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ReadError

if TYPE_CHECKING:
    from ase import Atoms

_ENTRY = re.compile(r"""([A-Za-z_][\w\-./]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|\{([^}]*)\}|(\[[^\]]*\]|\S+))|([A-Za-z_][\w\-./]*)""")
_RESULTS = ("energy", "free_energy", "stress", "magmom")
_ATOM_RESULTS = {"forces": "forces", "force": "forces", "energies": "energies", "local_energy": "energies", "magmoms": "magmoms"}
_ARRAY_NAMES = {"masses": "masses", "mass": "masses", "initial_magmoms": "initial_magmoms", "initial_charges": "initial_charges", "tags": "tags", "tag": "tags"}
_KINDS = {"S": str, "R": float, "I": int, "L": bool}
_TRUE = ("T", "True", "TRUE", "true")
_FALSE = ("F", "False", "FALSE", "false")


def read_extxyz(path: Path | str) -> list[Atoms]:
    """All frames of a file; see `iterate_extxyz`. ReadError for a file without frames."""
    frames = list(iterate_extxyz(path))
    if not frames:
        raise ReadError(f"{Path(path).name} holds no frames.", hint="The file is empty.")
    return frames


def iterate_extxyz(path: Path | str) -> Iterator[Atoms]:
    """The frames of an extended (or plain) XYZ file, one after another. ReadError names file, frame and line of what cannot be understood."""
    path = Path(path)
    try:
        with path.open(encoding="utf-8") as file:
            line, frame = 0, 0
            while first := file.readline():
                line += 1
                if not first.strip():
                    continue
                where = f"{path.name}, frame {frame}, line {line}"
                if not re.fullmatch(r"\s*\d+\s*", first):
                    raise ReadError(f"{where}: {first.strip()[:40]!r} should be the number of atoms.",
                                    hint="The file is truncated, damaged or of another kind.")
                count = int(first)
                comment = file.readline()
                rows = [row for _, row in zip(range(count), file, strict=False)]
                if len(rows) < count:
                    raise ReadError(f"{where}: {count} atoms are announced and {len(rows)} follow.", hint="The file is truncated.")
                yield _frame(comment, rows, where)
                line += 1 + count
                frame += 1
    except FileNotFoundError:
        raise ReadError(f"{path} is not there.", hint="Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path.name} is not a text file: {error}.", hint="An XYZ file is plain text.") from error


def parse_comment(comment: str) -> dict[str, Any]:
    """The entries of a comment line: numbers, booleans, arrays of them, or text; a bare word is true."""
    out: dict[str, Any] = {}
    for match in _ENTRY.finditer(comment):
        key, quoted, single, braced, plain, bare = match.groups()
        if bare is not None:
            out[bare] = True
        else:
            raw = next(text for text in (quoted, single, braced, plain) if text is not None)
            out[key] = raw.replace('\\"', '"') if key == "Properties" else _value(raw.replace('\\"', '"'))
    return out


def _value(text: str) -> Any:
    words = text.strip("[] ").replace(",", " ").split() if re.fullmatch(r"[\[\]\s,\-+\dEeTFalsruDd._]+", text) else []
    if not words:
        return text
    if all(word in (*_TRUE, *_FALSE) for word in words):
        flags = [word in _TRUE for word in words]
        return flags[0] if len(flags) == 1 else np.array(flags)
    for kind in (int, float):
        try:
            numbers = [kind(word) for word in words]
        except ValueError:
            continue
        return numbers[0] if len(numbers) == 1 and "[" not in text else np.array(numbers)
    return text


def _frame(comment: str, rows: list[str], where: str) -> Atoms:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.constraints import FixAtoms
    from ase.data import atomic_numbers
    extended = "Properties=" in comment or "Lattice=" in comment
    entries = parse_comment(comment) if extended else {}
    columns = _columns(str(entries.pop("Properties", "species:S:1:pos:R:3")), where)
    width = sum(count for _, _, count in columns)
    words = "".join(rows).split() if extended else [word for row in rows for word in row.split()[:width]]
    if len(words) != len(rows) * width:
        bad = next((i for i, row in enumerate(rows) if len(row.split()) < width or (extended and len(row.split()) != width)), 0)
        raise ReadError(f"{where}: atom {bad} has {len(rows[bad].split())} columns instead of {width}: {rows[bad].strip()[:60]!r}.",
                        hint="Properties in the comment line must describe every column.")
    own, start = {}, 0
    for name, kind, count in columns:
        try:
            own[name] = _convert([words[k::width] for k in range(start, start + count)], kind)
        except ValueError as error:
            raise ReadError(f"{where}: column {name!r}: {error}.", hint=f"The column is declared as {kind}.") from None
        start += count
        if count == 1:
            own[name] = own[name][:, 0]
    if "pos" not in own or not ("species" in own or "Z" in own):
        raise ReadError(f"{where}: the columns are {', '.join(own)}.", hint="At least species (or Z) and pos are needed.")
    if "Z" in own:
        numbers = own.pop("Z")
        own.pop("species", None)
    else:
        species = own.pop("species").tolist()
        table = {name: int(name) if name.isdigit() else atomic_numbers.get(name.capitalize()) for name in set(species)}
        unknown = [name for name, number in table.items() if number is None]
        if unknown:
            raise ReadError(f"{where}: there is no element {unknown[0]!r}.", hint="The first column holds element symbols such as Si.")
        numbers = np.array([table[name] for name in species], dtype=int)
    cell = np.zeros((3, 3))
    if "Lattice" in entries:
        cell = np.atleast_1d(np.asarray(entries.pop("Lattice"), dtype=object))
        if cell.size not in (3, 9) or any(isinstance(item, str) for item in cell):
            raise ReadError(f"{where}: Lattice should hold nine numbers.", hint="Example: Lattice=\"5.43 0 0 0 5.43 0 0 0 5.43\".")
        cell = np.diag(cell.astype(float)) if cell.size == 3 else cell.astype(float).reshape(3, 3)
    pbc = entries.pop("pbc", np.full(3, bool(cell.any())))
    positions = own.pop("pos")
    for what, value in (("position", positions), ("cell component", cell)):
        if not np.isfinite(value).all():
            raise ReadError(f"{where}: {what} {np.argwhere(~np.isfinite(value))[0].tolist()} is not finite.",
                            hint="The file is damaged or comes from a failed calculation.")
    atoms = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=pbc)
    results = {_ATOM_RESULTS[name]: own.pop(name) for name in [*own] if name in _ATOM_RESULTS}
    results |= {name: entries.pop(name) for name in _RESULTS if name in entries}
    if "virial" in entries and "stress" not in results and cell.any():
        results["stress"] = -np.asarray(entries.pop("virial"), float).ravel() / atoms.cell.volume
    if "stress" in results:
        results["stress"] = _voigt(results["stress"], where)
    if "momenta" in own:
        atoms.set_momenta(own.pop("momenta"))
    if "move_mask" in own and own["move_mask"].ndim == 1:
        held = np.flatnonzero(~own.pop("move_mask").astype(bool))
        if len(held):
            atoms.set_constraint(FixAtoms(held))
    for name, value in own.items():
        atoms.set_array(_ARRAY_NAMES.get(name, name), value)
    atoms.info = entries
    if results:
        plain = {name: float(value) if np.ndim(value) == 0 else np.asarray(value, float) for name, value in results.items()}
        atoms.calc = SinglePointCalculator(atoms, **plain)
    return atoms


def _voigt(value: Any, where: str) -> np.ndarray:
    stress = np.asarray(value, float).ravel()
    if stress.size == 6:
        return stress
    if stress.size != 9:
        raise ReadError(f"{where}: stress holds {stress.size} numbers.", hint="Allowed: nine (a 3×3 matrix) or six in Voigt order xx yy zz yz xz xy.")
    full = stress.reshape(3, 3)
    return np.array([full[0, 0], full[1, 1], full[2, 2], (full[1, 2] + full[2, 1]) / 2, (full[0, 2] + full[2, 0]) / 2, (full[0, 1] + full[1, 0]) / 2])


def _columns(properties: str, where: str) -> list[tuple[str, str, int]]:
    parts = properties.split(":")
    try:
        columns = [(parts[i], parts[i + 1], int(parts[i + 2])) for i in range(0, len(parts), 3)]
    except (IndexError, ValueError):
        columns = []
    if not columns or any(kind not in _KINDS or count < 1 for _, kind, count in columns):
        raise ReadError(f"{where}: Properties={properties!r} cannot be understood.", hint="Example: species:S:1:pos:R:3:forces:R:3.")
    return columns


def _convert(columns: list[list[str]], kind: str) -> np.ndarray:
    """(atoms, columns) array of one property from its columns of words."""
    if kind == "L":
        unknown = {word for column in columns for word in column} - {*_TRUE, *_FALSE, "1", "0"}
        if unknown:
            raise ValueError(f"{unknown.pop()!r} is neither T nor F")
        return np.array([[word in (*_TRUE, "1") for word in column] for column in columns]).T
    # float() on a list is twice as fast as NumPy's conversion of a text array
    return np.array([list(map(_KINDS[kind], column)) for column in columns]).T.copy()


# ---- writing --------------------------------------------------------------------------------------------------------------
def extxyz_text(atoms: Atoms) -> str:
    """One frame: positions, other per-atom arrays, results of an attached calculator (only what it already holds), info, and which
    atoms are fixed (move_mask). Numbers read back bit for bit; constraints of other kinds do not fit into the format.
    """
    from ase.constraints import FixAtoms
    species = np.array(atoms.get_chemical_symbols(), dtype=str).reshape(-1, 1)
    columns: list[tuple[str, str, np.ndarray]] = [("species", "S", species), ("pos", "R", atoms.positions)]
    for name, value in atoms.arrays.items():
        if name not in ("numbers", "positions") and value.dtype.kind in "fiubU" and value.ndim <= 2:
            columns.append((name, {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S"}[value.dtype.kind], value.reshape(len(atoms), -1)))
    held = [item.index for item in atoms.constraints if isinstance(item, FixAtoms)]
    if held:
        columns.append(("move_mask", "L", ~np.isin(np.arange(len(atoms)), np.concatenate(held)).reshape(-1, 1)))
    results = dict(getattr(atoms.calc, "results", None) or {})
    for name in ("forces", "energies", "magmoms"):
        if results.get(name) is not None:
            columns.append((name, "R", np.asarray(results[name], float).reshape(len(atoms), -1)))
    head = [] if not atoms.cell.any() else [f'Lattice="{_numbers(atoms.cell.array)}"']
    head.append("Properties=" + ":".join(f"{name}:{kind}:{value.shape[1]}" for name, kind, value in columns))
    for name in _RESULTS:
        if results.get(name) is not None:
            value = np.asarray(results[name], float)
            if name == "stress":
                xx, yy, zz, yz, xz, xy = value.ravel()
                value = np.array([xx, xy, xz, xy, yy, yz, xz, yz, zz])
            head.append(f"{name}={_numbers(value)}" if value.ndim == 0 else f'{name}="{_numbers(value)}"')
    for name, value in atoms.info.items():
        if re.fullmatch(r"[A-Za-z_][\w\-./]*", str(name)) and name not in _RESULTS:
            head.append(f"{name}={_info(value)}")
    head.append('pbc="' + " ".join("T" if flag else "F" for flag in atoms.pbc) + '"')
    words = np.concatenate([_words(kind, value) for _, kind, value in columns], axis=1)
    return f"{len(atoms)}\n{' '.join(head)}\n" + "".join(" ".join(row) + "\n" for row in words.tolist())


def _numbers(values: Any) -> str:
    return " ".join(repr(item) for item in np.asarray(values, float).ravel().tolist())


def _words(kind: str, value: np.ndarray) -> np.ndarray:
    if kind == "S":
        return np.char.replace(np.where(value == "", "-", value), " ", "_").astype(object)
    if kind == "L":
        return np.where(value, "T", "F").astype(object)
    return np.array([repr(item) for item in value.ravel().tolist()], dtype=object).reshape(value.shape)


def _info(value: Any) -> str:
    array = np.asarray(value)
    if array.dtype.kind == "b":
        text = " ".join("T" if flag else "F" for flag in array.ravel().tolist())
    elif array.dtype.kind in "iuf":
        text = " ".join(repr(item) for item in array.ravel().tolist())
    else:
        text = str(value).replace("\n", " ").replace('"', '\\"')
        return f'"{text}"'
    return text if array.ndim == 0 else f'"{text}"'
