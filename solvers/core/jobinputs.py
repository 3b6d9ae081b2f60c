"""Large inputs of a job beside its spec.json: training frames and big structures as arrays in the sealed file ``inputs.h5``.

JSON keeps small inputs readable; ten thousand frames in it would cost seconds at every look. What is in the file is read when somebody asks for it.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ReadError
from .job import JobSpec
from .sealed import seal, unseal
from .structure import Structure
from .trajectory import Frame, Trajectory

#: inputs with more atoms than this, in one structure or in a list of them, go to the file
SMALL = 500
FILE = "inputs.h5"


def write_inputs(folder: Path, spec: JobSpec) -> dict[str, Any]:
    """Plain JSON of `spec` for spec.json; large inputs are sealed into the folder and named in the JSON. StorageError when the disk refuses."""
    large = {name: value for name, value in spec.inputs.items() if _atoms(value) > SMALL}
    rest = {name: value for name, value in spec.inputs.items() if name not in large}
    data = replace(spec, inputs=rest).to_dict()
    if not large:
        return data
    arrays: dict[str, np.ndarray] = {}
    metas: dict[str, list] = {}
    for name, value in large.items():
        structures = [value] if isinstance(value, Structure) else value
        packed = list(Trajectory.from_frames(Frame(item, i) for i, item in enumerate(structures)).packed())
        metas[name] = [meta for _, meta in packed]
        arrays |= {f"{name}/{k}/{key}": array for k, (own, _) in enumerate(packed) for key, array in own.items()}
        data["inputs"][name] = {"$frames": len(structures), "single": isinstance(value, Structure)}
    seal(folder / FILE, arrays, {"parts": metas})
    return {**data, "inputs": {name: data["inputs"][name] for name in spec.inputs}}


class Inputs(Mapping):
    """Inputs by name; those in the file are read at the first look."""

    def __init__(self, folder: Path, small: Mapping[str, Any], large: Mapping[str, Mapping[str, Any]], order: list[str]):
        self._folder, self._small, self._large, self._order = folder, dict(small), dict(large), order
        self._file: tuple[dict, dict] | None = None

    def __getitem__(self, name: str) -> Any:
        if name not in self._small and name in self._large:
            self._small[name] = self._read(name)
        return self._small[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, name: object) -> bool:
        return name in self._order

    def _read(self, name: str) -> Any:
        self._file = self._file or unseal(self._folder / FILE)
        arrays, meta = self._file
        try:
            parts = [({key.removeprefix(f"{name}/{k}/"): value for key, value in arrays.items() if key.startswith(f"{name}/{k}/")}, own)
                     for k, own in enumerate(meta["parts"][name])]
            frames = Trajectory.from_packed(parts)
            structures = [frames.structure(i) for i in range(len(frames))]
        except (KeyError, IndexError) as error:
            raise ReadError(f"{self._folder / FILE} does not hold the input {name!r}.", hint="The job folder is incomplete; start the job anew.") from error
        return structures[0] if self._large[name].get("single") else structures


def read_inputs(folder: Path, data: Mapping[str, Any]) -> JobSpec:
    """The spec whose JSON `write_inputs` made."""
    inputs = data.get("inputs", {})
    large = {name: value for name, value in inputs.items() if isinstance(value, Mapping) and "$frames" in value}
    spec = JobSpec.from_dict({**data, "inputs": {name: value for name, value in inputs.items() if name not in large}})
    if not large:
        return spec
    return replace(spec, inputs=Inputs(folder, spec.inputs, large, list(inputs)))


def _atoms(value: Any) -> int:
    if isinstance(value, Structure):
        return len(value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, Structure) for item in value):
        return sum(map(len, value))
    return 0
