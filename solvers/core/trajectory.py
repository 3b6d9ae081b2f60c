"""`Trajectory`: frames with random access and columns of numbers, from sealed segments, from a job, or from a file of somebody else.

A segment is a run of frames with the same atoms: arrays ``numbers (N,)``, ``pbc (3,)``, ``positions (F, N, 3)`` Å, ``cell (F, 3, 3)`` Å, further per-atom
arrays ``atom:NAME (F, N, …)``, per-frame results ``column:NAME (F, …)`` and the step number ``step (F,)``. Missing numbers in a column are NaN.
"""
from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import NonFiniteError, ReadError, SetupError
from .properties import PROPERTIES
from .sealed import plain, seal, unseal
from .structure import Structure

if TYPE_CHECKING:
    from ase import Atoms

_RESULTS = ("energy", "free_energy", "stress", "magmom")  # per frame
_ATOM_RESULTS = ("forces", "energies", "magmoms")  # per atom
_ATOM_UNITS = {"forces": "eV/Å", "energies": "eV", "magmoms": "µ_B", "momenta": "amu·Å/(ASE time)", "velocities": "Å/fs", "masses": "amu"}
_CACHED_SEGMENTS = 4
_LONGEST = 60.0  # s of frames that may be lost


@dataclass(frozen=True)
class Frame:
    """One frame on its way into a segment: structure, step number, results per frame and per atom."""

    structure: Structure
    step: int
    columns: Mapping[str, Any] = field(default_factory=dict)
    atom_results: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, atoms: Atoms | Structure, step: int, values: Mapping[str, float] | None = None) -> Frame:
        """From Atoms (results of an attached, finished calculator are taken) or a Structure; `values` become columns.

        NonFiniteError names the first atom whose position or force is not finite: such a frame is never stored.
        """
        columns, atom_results = dict(values or {}), {}
        calculator = getattr(atoms, "calc", None)
        for name, value in (getattr(calculator, "results", None) or {}).items():
            if value is None:
                continue
            if name in _RESULTS:
                columns.setdefault(name, np.asarray(value, float))
            elif name in _ATOM_RESULTS:
                atom_results[name] = np.array(value, float)
        for name, value in {"position": getattr(atoms, "positions", np.zeros(0)), **atom_results}.items():
            if not np.isfinite(value).all():
                atom = int(np.argwhere(~np.isfinite(value))[0][0])
                raise NonFiniteError(f"Step {step}: {name} of atom {atom} is not finite.",
                                     hint="Look at the last good frame: atoms too close, or a time step too long.")
        for name, value in columns.items():
            if not np.isfinite(value).all():
                raise NonFiniteError(f"Step {step}: {name} is {value}.", hint="Nothing after this step can be trusted.")
        return cls(Structure.coerce(atoms), int(step), columns, atom_results)

    @property
    def layout(self) -> tuple:
        """Frames with equal layout fit into one segment."""
        s = self.structure
        return (s.numbers.tobytes(), s.pbc.tobytes(), tuple(sorted((name, value.dtype.str, value.shape) for name, value in s.arrays.items())),
                tuple(sorted((name, value.shape) for name, value in self.atom_results.items())), repr(s.constraints))

    @property
    def n_bytes(self) -> int:
        """Size in memory, roughly."""
        s = self.structure
        return 200 + s.positions.nbytes + sum(value.nbytes for value in (*s.arrays.values(), *self.atom_results.values()))


def pack(frames: Sequence[Frame]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, meta) of one segment from frames of equal layout."""
    first = frames[0].structure
    arrays = {"numbers": first.numbers, "pbc": first.pbc, "step": np.array([frame.step for frame in frames], np.int64),
              "positions": np.stack([frame.structure.positions for frame in frames]), "cell": np.stack([frame.structure.cell for frame in frames])}
    for name in first.arrays:
        arrays[f"atom:{name}"] = np.stack([frame.structure.arrays[name] for frame in frames])
    for name in frames[0].atom_results:
        arrays[f"atomresult:{name}"] = np.stack([frame.atom_results[name] for frame in frames])
    names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    for name in names:
        shape = next(np.shape(frame.columns[name]) for frame in frames if name in frame.columns)
        arrays[f"column:{name}"] = np.stack([np.broadcast_to(np.asarray(frame.columns.get(name, np.nan), float), shape) for frame in frames])
    infos = [plain(frame.structure.info) for frame in frames] if any(frame.structure.info for frame in frames) else []
    meta = {"count": len(frames), "units": {name: unit_of(name) for name in names}, "info": infos, "constraints": plain(first.constraints)}
    return arrays, meta


def unit_of(name: str) -> str:
    """Unit of a column: from the vocabulary of properties, else from a suffix such as `_ev`; "" when neither says."""
    if name in PROPERTIES:
        return PROPERTIES[name].unit
    if name in _ATOM_UNITS:
        return _ATOM_UNITS[name]
    suffixes = {"_ev_per_angstrom": "eV/Å", "_ev_per_atom": "eV/atom", "_ev": "eV", "_gpa": "GPa", "_fs": "fs", "_kelvin": "K", "_angstrom": "Å", "_s": "s"}
    return next((unit for suffix, unit in suffixes.items() if name.endswith(suffix)), "")


class TrajectoryWriter:
    """Collects frames in memory and seals them as ``seg-000001.h5``… in `folder` when `count` frames, `n_bytes` or `seconds` are reached.

    `seconds` grows to 1 % of the run's age, at most a minute, so that a long run has thousands of segments and not tens of thousands. `committed` counts
    the frames that are safe on disk.
    """

    def __init__(self, folder: Path, *, count: int = 5000, n_bytes: int = 16 * 2**20, seconds: float = 5.0):
        self.folder = Path(folder)
        self.count, self.n_bytes, self.seconds = count, n_bytes, seconds
        self.committed = 0
        self._buffer: list[Frame] = []
        self._size = 0
        self._since = self._begun = time.monotonic()
        self._segment = len(list(self.folder.glob("seg-*.h5")))

    def append(self, atoms: Atoms | Structure, step: int, values: Mapping[str, float] | None = None) -> None:
        """Add a frame; may seal a segment. NonFiniteError for NaN, StorageError when the disk refuses."""
        frame = Frame.of(atoms, step, values)
        if self._buffer and frame.layout != self._buffer[0].layout:
            self.flush()
        if not self._buffer:
            self._since = time.monotonic()
        self._buffer.append(frame)
        self._size += frame.n_bytes
        now = time.monotonic()
        patience = max(self.seconds, min(0.01 * (now - self._begun), _LONGEST))
        if len(self._buffer) >= self.count or self._size >= self.n_bytes or now - self._since >= patience:
            self.flush()

    def flush(self) -> None:
        """Seal what is in memory."""
        if not self._buffer:
            return
        arrays, meta = pack(self._buffer)
        seal(self.folder / f"seg-{self._segment + 1:06d}.h5", arrays, meta)
        self._segment += 1
        self.committed += len(self._buffer)
        self._buffer, self._size = [], 0

    def __len__(self) -> int:
        return self.committed + len(self._buffer)


@dataclass
class _Segment:
    """Frames `start`…`start + count - 1` with columns `units`; from a sealed file, or held in memory."""

    start: int
    count: int
    units: Mapping[str, str]
    path: Path | None = None
    data: tuple[dict, dict] | None = None

    @classmethod
    def held(cls, start: int, data: tuple[dict, dict]) -> _Segment:
        return cls(start, int(data[1]["count"]), data[1].get("units", {}), data=data)

    def values(self, key: str) -> np.ndarray | None:
        """One array of the segment, without reading the rest of a file; None when it has none."""
        arrays = self.data[0] if self.data is not None else unseal(self.path, only=(key,))[0]
        return arrays[key][:self.count] if key in arrays else None


class Trajectory:
    """Read-only frames: `len`, `frame(i)`, `structure(i)`, `column(name)`, `columns`, `steps`; negative indices count from the end."""

    def __init__(self, segments: Iterable[_Segment] = (), name: str = ""):
        self.name = name
        self._segments = [segment for segment in segments if segment.count]
        self._starts = np.array([segment.start for segment in self._segments], np.int64)
        self._cache: OrderedDict[int, tuple[dict, dict]] = OrderedDict()
        self._columns: dict[str, np.ndarray] = {}

    # ---- making ------------------------------------------------------------------------------------------------------------
    @classmethod
    def open(cls, path: Path | str) -> Trajectory:
        """From a job folder, an attempt's folder, or a file (extxyz, xyz, traj, …; read in the sandboxed child). ReadError when that fails."""
        path = Path(path)
        if (path / "spec.json").is_file():
            from .jobfolder import JobFolder
            return JobFolder(path).trajectory()
        if path.is_dir():
            return cls.from_segments(sorted(path.glob("seg-*.h5")), name=path.name)
        from .bridge import read_trajectory
        return read_trajectory(path)

    @classmethod
    def from_segments(cls, paths: Iterable[Path], name: str = "") -> Trajectory:
        """From sealed segment files in order."""
        return cls(_segments_of(list(paths)), name)

    @classmethod
    def from_parts(cls, parts: Sequence[tuple[Sequence[Path], int | None]], name: str = "") -> Trajectory:
        """From the attempts of a job: (segment files, how many of their frames count; None = all)."""
        segments: list[_Segment] = []
        total = 0
        for paths, limit in parts:
            left = limit
            for segment in _segments_of(list(paths)):
                count = segment.count if left is None else min(segment.count, left)
                segments.append(replace(segment, start=total, count=count))
                total += count
                left = None if left is None else left - count
        return cls(segments, name)

    @classmethod
    def from_frames(cls, frames: Iterable[Atoms | Structure | Frame], name: str = "") -> Trajectory:
        """In memory, from Atoms, Structures or Frames in order."""
        segments: list[_Segment] = []
        run: list[Frame] = []
        total = 0
        for i, item in enumerate(frames):
            frame = item if isinstance(item, Frame) else Frame.of(item, i)
            if run and frame.layout != run[0].layout:
                segments.append(_Segment.held(total, pack(run)))
                total += len(run)
                run = []
            run.append(frame)
        if run:
            segments.append(_Segment.held(total, pack(run)))
        return cls(segments, name)

    @classmethod
    def from_packed(cls, packed: Iterable[tuple[dict[str, np.ndarray], dict[str, Any]]], name: str = "") -> Trajectory:
        """In memory, from what `pack` made."""
        segments, total = [], 0
        for arrays, meta in packed:
            segments.append(_Segment.held(total, (arrays, meta)))
            total += int(meta["count"])
        return cls(segments, name)

    # ---- reading -----------------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return sum(segment.count for segment in self._segments)

    def __iter__(self) -> Iterator[Atoms]:
        return (self.frame(i) for i in range(len(self)))

    def __getitem__(self, i: int) -> Atoms:
        return self.frame(i)

    def structure(self, i: int) -> Structure:
        """Frame `i` as a Structure; per-atom results (forces eV/Å …) are in its `arrays`."""
        arrays, meta, row = self._locate(i)
        own = {name[5:]: value[row] for name, value in arrays.items() if name.startswith("atom:")}
        info = meta["info"][row] if meta.get("info") else {}
        return Structure(arrays["numbers"], arrays["positions"][row], arrays["cell"][row], arrays["pbc"], own, info, tuple(meta.get("constraints", ())))

    def frame(self, i: int) -> Atoms:
        """Frame `i` as Atoms, with its results in a SinglePointCalculator where there are any. IndexError out of range."""
        from ase.calculators.singlepoint import SinglePointCalculator
        arrays, _, row = self._locate(i)
        atoms = self.structure(i).to_atoms()
        results = {name: arrays[f"column:{name}"][row] for name in _RESULTS if f"column:{name}" in arrays and np.isfinite(arrays[f"column:{name}"][row]).all()}
        results = {name: float(value) if np.ndim(value) == 0 else np.array(value) for name, value in results.items()}
        results |= {name[11:]: np.array(value[row]) for name, value in arrays.items() if name.startswith("atomresult:")}
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms

    @property
    def columns(self) -> dict[str, str]:
        """Column name -> unit."""
        out: dict[str, str] = {}
        for segment in self._segments:
            out |= segment.units
        return out

    def column(self, name: str) -> np.ndarray:
        """Values of `name` in every frame, (F, …); NaN where a frame has none. `column("step")` gives step numbers. SetupError for an unknown name."""
        if name == "step":
            return self.steps
        known = self.columns
        if name not in known:
            raise SetupError(f"This trajectory has no column {name!r}.", hint=f"It has: step, {', '.join(sorted(known)) or 'nothing else'}.")
        if name not in self._columns:
            found = [segment.values(f"column:{name}") if name in segment.units else None for segment in self._segments]
            shape = next(values.shape[1:] for values in found if values is not None)
            self._columns[name] = np.concatenate([np.full((segment.count, *shape), np.nan) if values is None or values.shape[1:] != shape else values
                                                  for values, segment in zip(found, self._segments, strict=True)])
        return self._columns[name].copy()

    @property
    def steps(self) -> np.ndarray:
        """Step number of every frame."""
        if "step" not in self._columns:
            self._columns["step"] = np.concatenate([np.zeros(0, np.int64), *(segment.values("step") for segment in self._segments)])
        return self._columns["step"].copy()

    def packed(self) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Any]]]:
        """Arrays and meta of every segment in order, cut to the frames that count."""
        for k, segment in enumerate(self._segments):
            arrays, meta = self._load(k)
            if meta["count"] != segment.count:
                per_frame = {name for name in arrays if name in ("positions", "cell", "step") or ":" in name}
                arrays = {name: value[:segment.count] if name in per_frame else value for name, value in arrays.items()}
                meta = {**meta, "count": segment.count, "info": meta.get("info", [])[:segment.count]}
            yield arrays, meta

    def _locate(self, i: int) -> tuple[dict, dict, int]:
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"frame {i} of a trajectory with {n} frames")
        i %= n
        k = int(np.searchsorted(self._starts, i, side="right")) - 1
        arrays, meta = self._load(k)
        return arrays, meta, i - self._segments[k].start

    def _load(self, k: int) -> tuple[dict, dict]:
        segment = self._segments[k]
        if segment.data is not None:
            return segment.data
        if k not in self._cache:
            self._cache[k] = unseal(segment.path)
            while len(self._cache) > _CACHED_SEGMENTS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(k)
        return self._cache[k]


def _segments_of(paths: Sequence[Path]) -> list[_Segment]:
    segments, total = [], 0
    for path in paths:
        meta = unseal(path, only=())[1]
        if "count" not in meta:
            raise ReadError(f"{path} is not a trajectory segment.", hint="It says nothing about its frames.")
        segments.append(_Segment(total, int(meta["count"]), meta.get("units", {}), path))
        total += int(meta["count"])
    return segments
