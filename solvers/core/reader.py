"""The reader child: parses one foreign file under limits and sends plain arrays to its parent. ``python -P -m solvers.core.reader``

It opens the file, then gives up the network, the right to write files and further memory and processor time, and only then looks at the content. Every
format is read by a named reader; nothing is guessed from the content. See `bridge` for the parent's side.
"""
from __future__ import annotations

import ctypes
import io
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import registry
from .errors import QcadError, ReadError
from .framing import read_message, write_message
from .trajectory import Frame, pack

_BINARY = {"traj"}
_CONSTRAINTS = {"FixAtoms", "FixCartesian", "FixScaled", "FixedPlane", "FixedLine", "FixBondLengths"}
_MOST_ATOMS = 20_000_000


def main() -> int:
    """Answer one request on stdin with one message on stdout."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    request, _ = read_message(_exactly(sys.stdin.buffer), 2**24)
    try:
        if request["do"] == "verify":
            restrict(request)
            header, arrays = {"ok": True, **verify(request["paths"])}, {}
        else:
            data = _open(request["path"], request["cap"])
            import ase.io.formats  # noqa: F401  imported before the limits, which are meant for the file
            restrict(request)
            header, arrays = answer(request, data)
    except QcadError as error:
        header, arrays = {"ok": False, "message": error.message, "hint": error.hint}, {}
    except MemoryError:
        header, arrays = {"ok": False, "message": f"{request.get('name', 'The file')} needs more memory than a reader is given ({request['memory'] >> 20} MB).",
                          "hint": "The file may be damaged, or too large for this program."}, {}
    write_message(out, header, arrays)
    return 0


def restrict(request: dict[str, Any]) -> None:
    """Limits of this process from here on. What the system does not offer is left out: the parent's clock and the plain data format remain."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    for name, value in (("RLIMIT_AS", request["memory"]), ("RLIMIT_CPU", request["seconds"]), ("RLIMIT_FSIZE", 0), ("RLIMIT_NOFILE", 64), ("RLIMIT_CORE", 0)):
        if hasattr(resource, name):
            try:
                hard = resource.getrlimit(getattr(resource, name))[1]
                limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(getattr(resource, name), (limit, limit))
            except (ValueError, OSError):  # a stricter limit already holds
                continue
    if sys.platform.startswith("linux"):
        new_user, new_network, no_new_privileges = 0x10000000, 0x40000000, 38
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(no_new_privileges, 1, 0, 0, 0)
        if libc.unshare(new_network) != 0:
            libc.unshare(new_user | new_network)


def answer(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays for a request to read; ReadError in words for whatever is wrong with the content."""
    kind, name = request["format"], request["name"]
    try:
        if request["do"] == "field":
            if kind == "cube":
                _text(data, name)
            frame, fields = _cube(request["path"]) if kind == "cube" else _xsf_grid(data, name)
            frames = [frame]
        else:
            frames, fields = [Frame.of(atoms, i) for i, atoms in enumerate(_images(kind, request["path"], data, request["index"], name))], []
        if not frames:
            raise ReadError(f"{name} holds no structure.", hint="The file may be truncated.")
        for frame in frames:
            _reasonable(frame, name)
        return _message(frames, fields)
    except (ReadError, MemoryError):
        raise
    except QcadError as error:
        raise ReadError(f"{name}: {error.message}", hint=error.hint) from error
    except RecursionError:
        raise ReadError(f"{name} is nested too deeply.", hint="The file is damaged.") from None
    except Exception as error:  # a parser of others may raise anything on damaged text; its words are passed on
        reason = str(error).strip().splitlines()
        said = f": {reason[0][:160]}" if reason else ""
        raise ReadError(f"{name} cannot be read as {kind} ({type(error).__name__}{said}).",
                        hint="The file may be truncated, damaged, or of another format.") from error


def verify(paths: list[str]) -> dict[str, Any]:
    """Read every sealed file and check its checksum, and the database of a project; ReadError names the first bad one."""
    import h5py

    from .project_store import verify_database
    from .sealed import unseal
    while h5py.h5pl.size():
        h5py.h5pl.remove(0)  # filters are shared objects that HDF5 would load
    for path in map(Path, paths):
        if path.suffix == ".sqlite":
            verify_database(path)
        else:
            unseal(path)
    return {"count": len(paths)}


# ---- bytes ---------------------------------------------------------------------------------------------------------------------------------
def _open(path: str, cap: int) -> bytes:
    name = os.path.basename(path)
    try:
        # a FIFO must not block, and what is checked must be what is read
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise ReadError(f"{path} is not there.", hint="Check the path.") from None
    except OSError as error:
        raise ReadError(f"{path} cannot be opened: {error.strerror}.", hint="Check its permissions.") from error
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ReadError(f"{path} is not a regular file.", hint="Folders, pipes and devices cannot be read as structures.")
        if status.st_size == 0:
            raise ReadError(f"{name} is empty.", hint="Was the program that wrote it interrupted?")
        if status.st_size > cap:
            raise ReadError(f"{name} has {status.st_size / 2**20:.0f} MB.", hint=f"At most {cap >> 20} MB are read at once; split the file.")
        return file.read(cap + 1)


def _text(data: bytes, name: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ReadError(f"{name} is UTF-16 text.", hint="Save it as UTF-8.")
    if b"\0" in data:
        raise ReadError(f"{name} is a binary file.", hint="A text file was expected for this ending.")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ReadError(f"{name} holds only blank lines.", hint="Was the program that wrote it interrupted?")
    if max(map(len, text.split("\n", 1000)[:1000])) > 2_000_000:
        raise ReadError(f"{name} has a line of more than two million characters.", hint="It is not a structure file.")
    return text


# ---- formats -------------------------------------------------------------------------------------------------------------------------------
def _images(kind: str, path: str, data: bytes, index: Any, name: str) -> list:
    wanted = slice(None) if index == ":" else int(index)
    if kind in _BINARY:
        from ase.io.trajectory import read_traj
        found = list(read_traj(io.BytesIO(data), wanted if isinstance(wanted, slice) else slice(None)))
    else:
        found = _text_images(kind, path, _text(data, name), name)
    if isinstance(wanted, slice) or not found:
        return found
    try:
        return [found[wanted]]
    except IndexError:
        raise ReadError(f"{name} has {len(found)} structures; number {wanted} was asked for.", hint="Count from 0, or from the end with -1.") from None


def _text_images(kind: str, path: str, text: str, name: str) -> list:
    stream = io.StringIO(text)
    if kind in ("xyz", "extxyz"):
        return _xyz(path, text, name)
    if kind == "cif":
        return [_crystal(atoms, name) for atoms in _cif(text)]
    if kind == "vasp":
        from ase.io.vasp import read_vasp
        return [read_vasp(stream)]
    if kind == "json":
        return _json(text)
    if kind == "cube":
        return [_cube(path)[0].structure.to_atoms()]
    if kind == "xsf":
        from ase.io.xsf import read_xsf
        return list(read_xsf(stream, index=slice(None)))
    if kind == "lammps-data":
        from ase.io.lammpsdata import read_lammps_data
        return [read_lammps_data(stream)]
    if kind == "lammps-dump":
        from ase.io.lammpsrun import read_lammps_dump_text
        return list(read_lammps_dump_text(stream, index=slice(None)))
    raise ReadError(f"There is no reader called {kind!r}.", hint="See the list of formats.")


def _cif(text: str) -> list:
    from ase.io.cif import read_cif
    return list(read_cif(io.BytesIO(text.encode()), slice(None), subtrans_included=True))


def _crystal(atoms: Any, name: str) -> Any:
    """`atoms` without what ASE's reader leaves behind; ReadError for partly occupied sites, which it would read as full ones."""
    for site in (atoms.info.get("occupancy") or {}).values():
        if any(share < 1.0 - 1e-6 for share in site.values()) or len(site) > 1:
            words = ", ".join(f"{symbol} {share:g}" for symbol, share in site.items())
            raise ReadError(f"{name} has a partly occupied site ({words}).", hint="Write an ordered cell first, for example with `qcad build substitute`.")
    atoms.info = {}
    if "spacegroup_kinds" in atoms.arrays:
        del atoms.arrays["spacegroup_kinds"]
    return atoms


def _xyz(path: str, text: str, name: str) -> list:
    first = text.lstrip("\n").split("\n", 1)[0].strip()
    if not re.fullmatch(r"[0-9]{1,18}", first):
        raise ReadError(f"{name} does not begin with a number of atoms, but with {first[:40]!r}.", hint="The first line of an xyz file is the number of atoms.")
    if int(first) * 4 > len(text):
        raise ReadError(f"{name} announces {int(first)} atoms but holds only {len(text)} bytes.", hint="The file is truncated or its first line is wrong.")
    return list(registry.get("importer", "extxyz").load()(path))


def _json(text: str) -> list:
    """A structure of this program, or ASE's JSON database."""
    from .structure import Structure
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("the outermost value is not an object")
    if "numbers" in data and "positions" in data and isinstance(data["numbers"], list):
        return [Structure.from_dict(data).to_atoms()]
    from ase.db.row import AtomsRow
    from ase.io.jsonio import decode
    if "ids" not in data:
        raise ValueError("neither a structure of this program nor a database of ASE")
    data = decode(text)
    return [AtomsRow(data[int(key)]).toatoms() for key in data["ids"]]


def _cube(path: str) -> tuple[Frame, list]:
    """Structure and field of a cube file, by our own reader."""
    structure, field = registry.get("importer", "cube").load()(path)
    return Frame.of(structure, 0), [({"name": field.name, "unit": field.unit, "origin": list(field.origin)}, field.values, field.cell)]


def _xsf_grid(data: bytes, name: str) -> tuple[Frame, list]:
    """The 3D grid of an XSF file; its repeated last planes are dropped. XSF states no unit."""
    from ase.io.xsf import iread_xsf
    *images, (values, origin, spans) = iread_xsf(io.StringIO(_text(data, name)), read_data=True)
    values = np.asarray(values, float)[:-1, :-1, :-1]
    if values.size == 0:
        raise ReadError(f"{name} holds no grid.", hint="Only 3D grids are read.")
    return Frame.of(images[-1], 0), [({"name": name, "unit": "", "origin": np.asarray(origin, float).tolist()}, values[None], np.asarray(spans, float))]


# ---- sending -------------------------------------------------------------------------------------------------------------------------------
def _reasonable(frame: Frame, name: str) -> None:
    if len(frame.structure) > _MOST_ATOMS:
        raise ReadError(f"{name} holds {len(frame.structure)} atoms.", hint=f"At most {_MOST_ATOMS} can be handled.")
    if len(frame.structure) == 0:
        raise ReadError(f"{name} holds a structure without atoms.", hint="The file may be truncated.")
    largest = max(float(np.abs(frame.structure.positions).max()), float(np.abs(frame.structure.cell).max()))
    if largest > 1e8:
        raise ReadError(f"{name} holds a length of {largest:.3g} Å.", hint="The file is damaged, or in other units.")


def _message(frames: list[Frame], fields: list) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    arrays: dict[str, np.ndarray] = {}
    parts = []
    start = 0
    for stop in range(1, len(frames) + 1):
        if stop == len(frames) or frames[stop].layout != frames[start].layout:
            packed, meta = pack(frames[start:stop])
            meta["constraints"] = [item for item in meta["constraints"] if item.get("name") in _CONSTRAINTS]
            arrays |= {f"{len(parts)}/{key}": value for key, value in packed.items() if value.dtype.kind in "biufcU"}
            parts.append(_finite(meta))
            start = stop
    described = []
    for k, (field, values, cell) in enumerate(fields):
        arrays |= {f"field{k}/values": values, f"field{k}/cell": cell}
        described.append(field)
    return {"ok": True, "parts": parts, "fields": described}, arrays


def _finite(value: Any) -> Any:
    from .sealed import plain
    return plain(value)


def _exactly(stream: Any):
    def read(n: int) -> bytes:
        data = stream.read(n)
        if len(data) != n:
            raise EOFError
        return data
    return read


if __name__ == "__main__":
    sys.exit(main())
