"""UPF version 1: sections between tags, but lines in them, not XML."""
from __future__ import annotations

import re

import numpy as np

from solvers.core.errors import ReadError

from .upf import _HINT, _MOST, Sections, numbers, refuse_kind


def sections(text: str, name: str) -> Sections:
    """The content of a version 1 file. Raises ReadError that names the section."""
    header = _header(_body(text, "PP_HEADER", name), name)
    if header.pop("version", "0") not in ("0", "1"):
        raise ReadError(f"{name} is of an unknown version of UPF.", hint="Versions 1 and 2 are read.")
    refuse_kind(name, header["pseudo_type"])
    if "<PP_ADDINFO" in text:
        raise ReadError(f"{name} is fully relativistic (PP_ADDINFO): its projectors depend on the spin's direction.",
                        hint="This program computes without spin-orbit coupling; take the scalar-relativistic file of the same set.")
    points = int(header["mesh_size"])
    mesh = _body(text, "PP_MESH", name)
    r = numbers(name, "PP_R", _body(mesh, "PP_R", name), points)
    step = numbers(name, "PP_RAB", _body(mesh, "PP_RAB", name), points)
    local = numbers(name, "PP_LOCAL", _body(text, "PP_LOCAL", name), points)
    count = int(header["number_of_proj"])
    projectors, coupling = _projectors(_body(text, "PP_NONLOCAL", name), count, name) if count else ([], np.zeros((0, 0)))
    core = numbers(name, "PP_NLCC", _body(text, "PP_NLCC", name), points) if header["core_correction"] == "t" else None
    density = numbers(name, "PP_RHOATOM", _body(text, "PP_RHOATOM", name), points) if "<PP_RHOATOM" in text else None
    orbitals = _orbitals(_body(text, "PP_PSWFC", name), int(header["number_of_wfc"]), points, name) if "<PP_PSWFC" in text else []
    info = re.search(r"<PP_INFO[^>]{0,200}>(.*?)</PP_INFO>", text, re.S)
    return Sections(name, header, r, step, local, projectors, coupling, core, density, orbitals, info[1] if info else "")


def _body(text: str, tag: str, name: str) -> str:
    start = re.search(rf"<{tag}(?:\s[^>]{{0,200}})?>", text)
    if start is None:
        raise ReadError(f"{name} has no section {tag}.", hint="It is not a UPF file, or it is damaged.")
    end = text.find(f"</{tag}>", start.end())
    if end < 0:
        raise ReadError(f"{name}: section {tag} does not end.", hint="The file is truncated. " + _HINT)
    return text[start.end():end]


def _header(body: str, name: str) -> dict[str, str]:
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < 11:
        raise ReadError(f"{name}: PP_HEADER has {len(lines)} lines; at least 11 were expected.", hint=_HINT)

    def words(row: int, count: int) -> list[str]:
        found = lines[row].split()
        if len(found) < count:
            raise ReadError(f"{name}: line {row + 1} of PP_HEADER is {lines[row].strip()[:60]!r}.", hint=_HINT)
        return found

    functional = lines[4].partition("Exchange")[0].rstrip()
    header = {"version": words(0, 1)[0], "element": words(1, 1)[0], "pseudo_type": words(2, 1)[0],
              "core_correction": "t" if words(3, 1)[0].strip(".").lower().startswith("t") else "f", "functional": functional, "z_valence": words(5, 1)[0],
              "wfc_cutoff": words(7, 1)[0], "mesh_size": words(9, 1)[0], "number_of_wfc": words(10, 2)[0], "number_of_proj": words(10, 2)[1]}
    for key, high in (("mesh_size", 200_000), ("number_of_wfc", _MOST), ("number_of_proj", _MOST)):
        if not re.fullmatch(r"\d{1,7}", header[key]) or int(header[key]) > high:
            raise ReadError(f"{name}: PP_HEADER says {key} = {header[key][:30]!r}.", hint=f"A whole number up to {high} was expected. " + _HINT)
    return header


def _projectors(body: str, count: int, name: str) -> tuple[list, np.ndarray]:
    if "<PP_QIJ" in body:
        refuse_kind(name, "US")
    found = []
    blocks = re.findall(r"<PP_BETA>(.*?)</PP_BETA>", body, re.S)
    if len(blocks) != count:
        raise ReadError(f"{name}: PP_NONLOCAL has {len(blocks)} projectors; {count} were announced.", hint="The file is truncated. " + _HINT)
    for index, block in enumerate(blocks, 1):
        lines = block.strip("\n").splitlines()
        head = lines[0].split() if lines else []
        size = lines[1].split() if len(lines) > 1 else []
        if len(head) < 2 or not head[1].isdecimal() or int(head[1]) > 6 or not size or not size[0].isdecimal() or int(size[0]) > 200_000:
            raise ReadError(f"{name}: projector {index} does not begin with its number, l and number of points.", hint=_HINT)
        points = int(size[0])
        found.append((int(head[1]), _leading(name, f"projector {index}", lines[2:], points), points))
    rows = [line.split() for line in _body(body, "PP_DIJ", name).splitlines() if line.strip()]
    coupling = np.zeros((count, count))
    if not rows or not rows[0][0].isdecimal() or int(rows[0][0]) > len(rows) - 1:
        raise ReadError(f"{name}: PP_DIJ does not begin with its number of entries, or holds fewer.", hint=_HINT)
    for row in rows[1:int(rows[0][0]) + 1]:
        try:
            i, j, value = int(row[0]) - 1, int(row[1]) - 1, float(row[2].replace("D", "E").replace("d", "e"))
        except (ValueError, IndexError):
            raise ReadError(f"{name}: PP_DIJ has the line {' '.join(row)[:60]!r}.", hint="Two indices and a number were expected. " + _HINT) from None
        if not (0 <= i < count and 0 <= j < count):
            raise ReadError(f"{name}: PP_DIJ names projectors {i + 1} and {j + 1} of {count}.", hint=_HINT)
        coupling[i, j] = coupling[j, i] = value
    return found, coupling


def _leading(name: str, what: str, lines: list[str], points: int) -> np.ndarray:
    """The first `points` numbers of lines; whatever follows (radii in words) is left alone."""
    taken, total = [], 0
    for line in lines:
        if total >= points:
            break
        taken.append(line)
        total += len(line.split())
    return numbers(name, what, "\n".join(taken), points)


def _orbitals(body: str, count: int, points: int, name: str) -> list:
    found, lines, at = [], [line for line in body.splitlines() if line.strip()], 0
    for index in range(1, count + 1):
        head = lines[at].split() if at < len(lines) else []
        match = re.fullmatch(r"\s*(\S{1,8})\s+(\d)\s+([-+.\dEeDd]+)\s+.*", lines[at]) if head else None
        if match is None:
            raise ReadError(f"{name}: orbital {index} of PP_PSWFC does not begin with label, l and occupation.", hint=_HINT)
        start, total, at = at + 1, 0, at + 1
        while at < len(lines) and total < points:
            total += len(lines[at].split())
            at += 1
        values = numbers(name, f"orbital {index} of PP_PSWFC", "\n".join(lines[start:at]), points)
        try:
            occupation = float(match[3].replace("D", "E").replace("d", "e"))
        except ValueError:
            raise ReadError(f"{name}: orbital {index} of PP_PSWFC has the occupation {match[3]!r}.", hint=_HINT) from None
        if not np.isfinite(values).all():
            raise ReadError(f"{name}: orbital {index} of PP_PSWFC holds a value that is not a finite number.", hint=_HINT)
        label = match[1].lower() if re.fullmatch(r"\d[spdfSPDF]", match[1]) else ""
        found.append((label, int(match[2]), occupation, None, values))
    return found
