"""The keyword format that Abaqus and CalculiX share: one material, written, read back and compared.

CalculiX reads only the first 20 characters of a field and says nothing, so no field here is longer than 19 (`1.684000000000e+05`). Neither program knows
units: the system stands in the header. Keywords come from the Abaqus and CalculiX manuals; comments begin with ``**``.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, RefusedError
from .material import Material
from .material_file import MAX_BYTES, write_text
from .packing import PACKINGS, Packing
from .report import constants, frame_words, provenance_words, range_words, uncertainty_words
from .tensor import pack_21, unpack_21
from .unit_systems import UnitSystem, unit_system

MAX_FIELD = 19
_PER_LINE = 8
#: what 13 significant digits can lose
READ_BACK_TOLERANCE = 1e-11
_MATERIAL_KEYWORDS = ("*ELASTIC", "*DENSITY", "*EXPANSION", "*CONDUCTIVITY", "*SPECIFIC HEAT")


@dataclass(frozen=True)
class Dialect:
    """program: for the header; packing: order of the 21 constants; anisotropic: the keyword's TYPE."""

    program: str
    packing: Packing
    anisotropic: str


DIALECTS = {"calculix": Dialect("CalculiX", PACKINGS["calculix"], "ANISO"), "abaqus": Dialect("Abaqus", PACKINGS["abaqus"], "ANISOTROPIC")}


@dataclass(frozen=True)
class Deck:
    """A deck as read back, in SI: material name, unit system, stiffness (n_T, 6, 6) Pa, temperatures (n_T,) K or None, density (n_T,) kg/m³ or None.

    declared: the Voigt stiffness (n_T, 6, 6) in Pa that the header states, None in decks of other programs; orientation: as stated in the header;
    block: the lines of the material alone, which is all that a solver is given; specific_heat: rows (n, 2) of J/(kg K) and K, None where it states none.
    """

    name: str
    units: UnitSystem
    stiffness: np.ndarray
    temperatures: np.ndarray | None
    density: np.ndarray | None
    declared: np.ndarray | None
    orientation: str | None
    block: str
    specific_heat: np.ndarray | None = None


def number(value: float) -> str:
    """`value` with 13 significant digits in at most 19 characters."""
    text = f"{value:.12e}"
    if len(text) > MAX_FIELD:  # a three-digit exponent and a sign
        raise RefusedError(f"{value!r} needs {len(text)} characters in a field of {MAX_FIELD}.",
                           hint="Choose a unit system in which the numbers are of ordinary size.")
    return text


def material_name(text: str) -> str:
    """`text` as a material name both programs accept: at most 38 letters, digits, - and _, beginning with a letter."""
    name = re.sub(r"[^A-Z0-9_-]", "_", text.upper().encode("ascii", "replace").decode())[:38].strip("_")
    return name if name[:1].isalpha() else f"M_{name}".strip("_")[:38]


def comment(text: str) -> list[str]:
    """`text` as comment lines of at most 100 printable ASCII characters: nothing in it can become a keyword."""
    clean = re.sub(r"[^\x20-\x7e]", "?", " ".join(_ascii(text).split()))
    lines, line = [], ""
    for word in clean.split(" "):
        if line and len(line) + len(word) > 94:
            lines.append(line)
            line = "  " + word
        else:
            line = f"{line} {word}" if line else word
    chunks = [part[i:i + 96] for part in [*lines, line] for i in range(0, max(len(part), 1), 96)]
    return [f"** {chunk}" for chunk in chunks]


def _ascii(text: str) -> str:
    for symbol, plain in (("±", "+-"), ("≤", "<="), ("≥", ">="), ("Å", "Angstrom"), ("³", "^3"), ("²", "^2"), ("−", "-"), ("–", "-"), ("µ", "u"), ("ν", "nu")):
        text = text.replace(symbol, plain)
    return text


def header(material: Material, dialect: Dialect, units: UnitSystem, orientation: str | None) -> list[str]:
    """Comment lines: what this is, units, frame, temperature range, method, uncertainty and runs."""
    # the first two are read back: they come before any text from outside
    lines = [f"UNIT SYSTEM: {units.name} ({units.words})"]
    if orientation is not None:
        lines.append(f"ORIENTATION: {orientation} along x and in the x-y plane; the constants below are already rotated")
    lines += [f"{dialect.program} material deck written by Q-CAD: {material.name}", material.label]
    lines += frame_words(material) + [range_words(material)] + provenance_words(material) + uncertainty_words(material)
    rows = constants(material)
    lines.append("constants in GPa" + (" with 95 % half widths" if rows[0][2] is not None else "") + " (Voigt xx yy zz yz xz xy): " +
                 ", ".join(f"{name} {value:.4f}" + ("" if error is None else f" +- {error:.4f}") for name, value, error in rows))
    lines.append(f"order of *ELASTIC: {' '.join(dialect.packing.labels)}, T (in the program's axes 11 22 33 12 13 23)")
    out = [row for line in lines for row in comment(line)]
    for index, tensor in enumerate(material.stiffness):
        out.append(f"** VOIGT STIFFNESS IN PA, ROW {index + 1}: C11 C12 ... C66, upper triangle by rows")
        out += ["** = " + " ".join(number(value) for value in row) for row in pack_21(tensor).reshape(3, 7)]
    return out


def deck_text(material: Material, dialect: Dialect, units: str = "SI", orientation: str | None = None, name: str | None = None) -> str:
    """The deck of `material`, rotated to `orientation`, in `units`."""
    system = unit_system(units)
    turned = _turned(material, orientation)
    lines = header(turned, dialect, system, orientation if orientation is None or isinstance(orientation, str) else "a rotation matrix")
    lines.append(f"*MATERIAL, NAME={material_name(name or material.name)}")
    temperatures = None if turned.temperatures is None or len(turned.temperatures) == 1 else turned.temperatures
    if turned.density is None:
        lines += comment("density: unknown, so no *DENSITY")
    else:
        # a density over temperature would count the change of volume twice without an expansion table, so the first row stands alone
        lines += ["*DENSITY", f"{number(float(np.ravel(turned.density)[0]) * system.density)},"]
    if turned.specific_heat is not None:
        lines += comment(turned.specific_heat.words)
        lines.append("*SPECIFIC HEAT")
        table = zip(turned.specific_heat.values, turned.specific_heat.temperatures, strict=True)
        lines += [f"{number(c * system.specific_heat)},{number(T)}" for c, T in table]
    lines.append(f"*ELASTIC, TYPE={dialect.anisotropic}")
    for index, packed in enumerate(dialect.packing.pack(turned.stiffness) * system.stress):
        fields = [number(value) for value in packed]
        if temperatures is not None:
            fields.append(number(temperatures[index]))
        lines += [",".join(fields[i:i + _PER_LINE]) for i in range(0, len(fields), _PER_LINE)]
    return "\n".join(lines) + "\n"


def _turned(material: Material, orientation) -> Material:
    """`material` in the part's axes, with the rounding noise of the rotation (1e-15 of the largest constant) set to zero."""
    if orientation is None:
        return material
    turned = material.rotated(orientation)
    c = turned.stiffness
    return replace(turned, stiffness=np.where(np.abs(c) < 1e-14 * np.abs(c).max(), 0.0, c))


def read_back(text: str, dialect: Dialect) -> Deck:
    """The first material of a deck in SI. Raises ReadError naming the line: unknown units, over-long fields, a wrong count of constants."""
    units, orientation, declared = None, None, []
    name, keyword, block = "", "", []
    rows: dict[str, list[float]] = {"*ELASTIC": [], "*DENSITY": [], "*SPECIFIC HEAT": []}
    for n, line in enumerate(text.splitlines(), 1):
        if line.startswith("**"):
            if found := re.match(r"\*\* UNIT SYSTEM: (\S+)", line):
                units = units or unit_system(found.group(1))
            elif found := re.match(r"\*\* ORIENTATION: (\[.*\]) along x", line):
                orientation = orientation or found.group(1)
            elif line.startswith("** = ") and not name:
                declared += [_field(word, n) for word in line[5:].split()]
            continue
        if line.startswith("*"):
            keyword = line.split(",")[0].strip().upper()
            if name and keyword not in _MATERIAL_KEYWORDS:
                break
            if keyword == "*MATERIAL":
                name = _option(line, "NAME")
            if keyword == "*ELASTIC" and not _option(line, "TYPE").upper().startswith("ANISO"):
                raise ReadError(f"Line {n}: {line.strip()!r} is not an anisotropic table.", hint="Only TYPE=ANISO can be checked.")
        elif line.strip() and keyword in rows:
            rows[keyword] += [_field(word, n) for word in line.rstrip().rstrip(",").split(",")]
        if name:
            block.append(line)
    if units is None:
        raise ReadError("The deck does not say its unit system.", hint='Decks of this program carry a comment "** UNIT SYSTEM: …".')
    if not name or not rows["*ELASTIC"]:
        raise ReadError("The deck holds no *MATERIAL with *ELASTIC.", hint="Export it again.")
    values = np.array(rows["*ELASTIC"])
    if len(values) == 21:
        table, temperatures = values[None], None
    elif len(values) % 22 == 0:
        table, temperatures = values.reshape(-1, 22)[:, :21], values.reshape(-1, 22)[:, 21]
    else:
        raise ReadError(f"The table of *ELASTIC holds {len(values)} numbers.", hint="21 constants, or 22 with each temperature, are needed.")
    if declared and len(declared) != 21 * len(table):
        raise ReadError(f"The header states {len(declared)} constants for {len(table)} rows of *ELASTIC.", hint="Export the deck again.")
    stiffness = np.stack([dialect.packing.unpack(row) for row in table]) / units.stress
    return Deck(name, units, stiffness, temperatures, np.array(rows["*DENSITY"]) / units.density if rows["*DENSITY"] else None,
                unpack_21(np.reshape(declared, (len(table), 21))) if declared else None, orientation, "\n".join(block) + "\n",
                _pairs(rows["*SPECIFIC HEAT"], units.specific_heat))


def _pairs(values: list[float], unit: float) -> np.ndarray | None:
    if len(values) % 2:
        raise ReadError(f"The table of *SPECIFIC HEAT holds {len(values)} numbers.", hint="Pairs of value and temperature are needed.")
    return np.reshape(values, (-1, 2)) / [unit, 1.0] if values else None


def _option(line: str, key: str) -> str:
    found = re.search(rf",\s*{key}\s*=\s*([^,\s]+)", line, re.IGNORECASE)
    return found.group(1) if found else ""


def _field(word: str, n: int) -> float:
    if len(word.strip()) > MAX_FIELD:
        raise ReadError(f"Line {n}: the field {word.strip()!r} has {len(word.strip())} characters.",
                        hint=f"CalculiX reads 20 and drops the rest; at most {MAX_FIELD} are allowed.")
    try:
        return float(word)
    except ValueError:
        raise ReadError(f"Line {n}: {word.strip()!r} is not a number.", hint="Export the deck again.") from None


def load_deck(path: str | Path, dialect: Dialect) -> Deck:
    """`read_back` of a file. Raises ReadError."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"{path} is {path.stat().st_size} bytes long.", hint=f"A material deck is at most {MAX_BYTES}.")
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} cannot be read as a deck: {error}.", hint="Check the path.") from error
    return read_back(text, dialect)


def write_deck(material: Material, path: str | Path, dialect: Dialect, *, units: str = "SI", orientation=None, name: str | None = None) -> str:
    """Write the deck and return its text; nothing is written unless reading the text back gives the tensor and density that went in.

    Raises RefusedError when the read-back differs, SetupError for unknown units or orientation, StorageError when the file cannot be written.
    """
    text = deck_text(material, dialect, units, orientation, name)
    deck = read_back(text, dialect)
    wanted = material.stiffness if orientation is None else material.rotated(orientation).stiffness
    difference = max(np.abs(found - wanted).max() for found in (deck.stiffness, deck.declared)) / np.abs(wanted).max()
    density = 0.0 if material.density is None else abs(deck.density[0] / np.ravel(material.density)[0] - 1)
    if material.specific_heat is not None:
        heat = np.stack([material.specific_heat.values, material.specific_heat.temperatures], 1)
        if deck.specific_heat is None or deck.specific_heat.shape != heat.shape:
            raise RefusedError("The specific heat is not in the deck that was read back.", hint="This is a fault of the exporter; the file was not written.")
        difference = max(difference, float((np.abs(deck.specific_heat - heat) / np.maximum(np.abs(heat).max(0), 1e-300)).max()))
    if not max(difference, density) < READ_BACK_TOLERANCE:
        raise RefusedError(f"The deck read back differs from the material by {max(difference, density):.1e}.",
                           hint="This is a fault of the exporter; the file was not written.")
    write_text(path, text)
    return text
