"""Reading files of others: the parent's side of the sandboxed reader child.

The program itself never parses a foreign file. A child without network, with limits on memory, time and files, does it and sends plain arrays back; a
crash, a hang or an exhausted memory is then one sentence. The format follows from the name alone and each has its own named reader.
"""
from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ReadError
from .fields import GridField
from .framing import FramingError, read_message, write_message
from .paths import reader_argv
from .process import child_environment, spawn
from .structure import Structure
from .trajectory import Trajectory

#: format -> (endings, what it is); the order is that of file dialogs
FORMATS: dict[str, tuple[tuple[str, ...], str]] = {
    "cif": ((".cif",), "Crystallographic information file"),
    "vasp": ((".vasp", ".poscar", ".contcar"), "VASP POSCAR"),
    "extxyz": ((".extxyz",), "Extended XYZ"),
    "xyz": ((".xyz",), "XYZ"),
    "traj": ((".traj",), "ASE trajectory"),
    "cube": ((".cube", ".cub"), "Gaussian cube"),
    "json": ((".json",), "Structure or ASE database as JSON"),
    "xsf": ((".xsf", ".axsf"), "XCrySDen"),
    "lammps-data": ((".data", ".lmp", ".lammps-data"), "LAMMPS data"),
    "lammps-dump": ((".dump", ".lammpstrj"), "LAMMPS text dump"),
}
_VASP_NAMES = re.compile(r"(POSCAR|CONTCAR)([._-].*)?", re.IGNORECASE)
LARGEST_FILE = 2 * 2**30
_BASE_MEMORY, _MEMORY_PER_BYTE, _MOST_MEMORY = 2**30, 30, 16 * 2**30


def format_of(path: Path | str) -> str:
    """The format that the name of `path` stands for. ReadError listing the known endings otherwise."""
    name = Path(path).name
    lower = name.lower()
    for kind, (endings, _) in FORMATS.items():
        if lower.endswith(endings):
            return kind
    if _VASP_NAMES.fullmatch(name):
        return "vasp"
    known = ", ".join(ending for endings, _ in FORMATS.values() for ending in endings)
    raise ReadError(f"The ending of {name!r} stands for no known format.", hint=f"Known: {known}, and files called POSCAR or CONTCAR.")


def read_structure(path: Path | str, index: int = -1, *, format: str | None = None) -> Structure:
    """Structure number `index` (from 0; -1 = last) of a foreign file. ReadError says what is wrong with the file."""
    return _frames(path, int(index), format).structure(0)


def read_trajectory(path: Path | str, *, format: str | None = None) -> Trajectory:
    """Every frame of a foreign file, with the energies, forces and stresses it holds, as a Trajectory in memory."""
    return _frames(path, ":", format)


def read_frames(path: Path | str, *, format: str | None = None) -> list[Structure]:
    """Every structure of a foreign file, in order."""
    trajectory = read_trajectory(path, format=format)
    return [trajectory.structure(i) for i in range(len(trajectory))]


def read_field(path: Path | str, *, format: str | None = None) -> tuple[Structure, GridField]:
    """The structure and the scalar field of a cube or XSF file. Densities come in e/Å³; the unit "" says that the file does not tell."""
    path = _checked(path)
    kind = format or format_of(path)
    if kind not in ("cube", "xsf"):
        raise ReadError(f"{path.name} ({kind}) holds no field.", hint="Fields are read from .cube and .xsf.")
    header, arrays = _ask({"do": "field", "path": str(path), "format": kind, "index": -1}, path)
    item = header["fields"][0]
    structure = Trajectory.from_packed(_parts(header, arrays), path.name).structure(0)
    return structure, GridField(arrays["field0/values"], arrays["field0/cell"], str(item["unit"]), str(item["name"]), tuple(map(float, item["origin"])))


def verify_sealed(paths: Iterable[Path]) -> int:
    """Check sealed files from somebody else in the child, before this process opens them; returns how many. ReadError names the first bad one."""
    paths = [str(Path(path).resolve()) for path in paths]
    if not paths:
        return 0
    size = sum(os.path.getsize(path) for path in paths)
    header, _ = _ask({"do": "verify", "paths": paths}, Path(paths[0]), size=size)
    return int(header["count"])


def _frames(path: Path | str, index: Any, kind: str | None) -> Trajectory:
    path = _checked(path)
    kind = kind or format_of(path)
    if kind not in FORMATS:
        raise ReadError(f"There is no reader called {kind!r}.", hint=f"Known: {', '.join(FORMATS)}.")
    header, arrays = _ask({"do": "frames", "path": str(path), "format": kind, "index": index}, path)
    return Trajectory.from_packed(_parts(header, arrays), path.name)


def _parts(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[tuple[dict, dict]]:
    return [({name.partition("/")[2]: value for name, value in arrays.items() if name.startswith(f"{k}/")}, meta) for k, meta in enumerate(header["parts"])]


def _checked(path: Path | str) -> Path:
    """An absolute path of a regular file. ReadError for standard input, addresses, folders, pipes, devices and what is not there."""
    text = str(path)
    if text == "-" or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise ReadError(f"{text!r} is not a file.", hint="Save it to a file first.")
    if "\0" in text:
        raise ReadError(f"{text!r} is not a file name.", hint="It holds a NUL character.")
    path = Path(text).expanduser()
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ReadError(f"{path} is not there.", hint="Check the path.") from None
    except OSError as error:
        raise ReadError(f"{path} cannot be opened: {error.strerror}.", hint="Check the path and its permissions.") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise ReadError(f"{path} is {what}, not a file.", hint="Choose a structure file.")
    if path.stat().st_size == 0:
        raise ReadError(f"{path.name} is empty.", hint="Was the program that wrote it interrupted?")
    if path.stat().st_size > LARGEST_FILE:
        raise ReadError(f"{path.name} has {path.stat().st_size / 2**30:.1f} GB.",
                        hint=f"At most {LARGEST_FILE / 2**30:.0f} GB are read at once; split the file.")
    return path.resolve()


def _ask(request: dict[str, Any], path: Path, size: int | None = None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Run the child on one request; its answer, or ReadError in words for every way it can fail."""
    size = path.stat().st_size if size is None else size
    seconds = 10 + size // 2**20
    request = {**request, "name": path.name, "cap": LARGEST_FILE, "memory": min(_BASE_MEMORY + _MEMORY_PER_BYTE * size, _MOST_MEMORY), "seconds": seconds}
    folder = Path(tempfile.mkdtemp(prefix="qcad-read-"))
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = child_environment({**threads, "TMPDIR": str(folder), "HOME": str(folder), "ASE_CONFIG_PATH": os.devnull})
    try:
        with open(folder / "stderr", "w+b") as stderr:
            child = spawn(reader_argv(), folder=folder, environment=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
            try:
                return _exchange(child, request, path, 3 * seconds + 30)
            except FramingError as error:
                raise ReadError(f"The reader of {path.name} broke down (it answered with {error}).", hint="The file is probably damaged.") from error
            except (EOFError, BrokenPipeError) as error:
                try:
                    code = child.wait(timeout=5)  # it closed its end, so it is on its way out
                except subprocess.TimeoutExpired:
                    code = 0
                stderr.seek(0)
                raise _death(code, path, request, stderr.read()[-2000:].decode(errors="replace")) from error
            finally:
                child.kill()
                child.wait()
                for stream in (child.stdin, child.stdout):
                    with contextlib.suppress(BrokenPipeError):  # closing flushes what a dead child never took
                        stream.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exchange(child: subprocess.Popen, request: dict[str, Any], path: Path, patience: float) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    write_message(child.stdin, request)
    deadline = time.monotonic() + patience
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        handle = child.stdout.fileno()

        def read(n: int) -> bytes:
            data = bytearray()
            while len(data) < n:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise ReadError(f"Reading {path.name} took longer than {patience:.0f} s.", hint="The file may be damaged, or too large for this format.")
                chunk = os.read(handle, min(n - len(data), 1 << 20))
                if not chunk:
                    raise EOFError
                data += chunk
            return bytes(data)

        header, arrays = read_message(read, request["memory"])
    if not header.get("ok"):
        raise ReadError(str(header.get("message", f"{path.name} cannot be read.")), hint=str(header.get("hint", "")))
    return header, arrays


def _death(code: int, path: Path, request: dict[str, Any], said: str) -> ReadError:
    """The sentence for a child that died without an answer."""
    import signal
    if code == -getattr(signal, "SIGXCPU", 24) or (code == -9 and "MemoryError" not in said):
        return ReadError(f"Reading {path.name} took more than {request['seconds']} s of processor time.",
                         hint="The file may be damaged, or too large for this format.")
    if "MemoryError" in said or "std::bad_alloc" in said:
        return ReadError(f"{path.name} needs more memory than a reader is given ({request['memory'] >> 20} MB).",
                         hint="The file may be damaged, or too large for this program.")
    last = said.strip().splitlines()[-1] if said.strip() else f"exit code {code}"
    return ReadError(f"The reader of {path.name} broke down ({last[:200]}).", hint="The file is probably damaged; this program is not affected.")
