"""Model files ``.qff``: the safetensors container (a JSON header and raw arrays, no code) with our description in its metadata.

A model file from somebody else is hostile until `load` returns: size, header, shapes and finiteness are checked and a SHA-256 over header and
arrays must agree, so that no altered byte goes unnoticed.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from solvers.core.errors import QcadError, ReadError

from .basis import Basis
from .model import LinearModel, Posterior

FORMAT, VERSION = "qcad-force-field", 1
LARGEST_FILE = 1 << 30
_LARGEST_HEADER = 1 << 20


def to_bytes(model: LinearModel) -> bytes:
    """The content of a model file."""
    from safetensors.numpy import save
    tensors = {"weights": np.ascontiguousarray(model.weights, "<f8")}
    description: dict[str, Any] = {"format": FORMAT, "version": VERSION, "kind": "linear", "basis": asdict(model.basis), "repulsion": model.repulsion,
                                   "info": dict(model.info)}
    if model.posterior is not None:
        tensors["whitening"] = np.ascontiguousarray(model.posterior.whitening, "<f8")
        description["posterior"] = {"energy_scale": model.posterior.energy_scale, "force_scale": model.posterior.force_scale}
    return save(tensors, {"qcad": signed(description, tensors)})


def signed(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    """The metadata: description and checksum as one text, because the container does not keep the order of several entries."""
    return json.dumps({"model": description, "sha256": _digest(description, tensors)}, sort_keys=True)


def from_bytes(content: bytes, name: str = "model") -> LinearModel:
    """The model in `content`; ReadError in words for anything that is not an intact model file of a known version."""
    from safetensors import SafetensorError
    from safetensors.numpy import load
    if len(content) > LARGEST_FILE:
        raise ReadError(f"{name} has {len(content) / 2**30:.1f} GB.", hint=f"A force field has at most {LARGEST_FILE / 2**30:.0f} GB.")
    size = int.from_bytes(content[:8], "little") if len(content) >= 8 else -1
    if not 2 <= size <= min(_LARGEST_HEADER, len(content) - 8):
        raise ReadError(f"{name} is not a force field of this program: it has no readable header.", hint="Choose a .qff file made by `qcad train`.")
    try:
        header = json.loads(content[8:8 + size])
        metadata = json.loads(header["__metadata__"]["qcad"])
        description, digest = metadata["model"], metadata["sha256"]
        tensors = load(content)
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise ReadError(f"{name} is not a force field of this program ({type(error).__name__}).", hint="Choose a .qff file made by `qcad train`.") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ReadError(f"{name} is not a force field of this program.", hint="Choose a .qff file made by `qcad train`.")
    if digest != _digest(description, tensors):
        raise ReadError(f"{name} was damaged or altered: its checksum does not agree.", hint="Copy it again from where it was made.")
    if description.get("version") != VERSION or description.get("kind") != "linear":
        raise ReadError(f"{name} is a {description.get('kind')!r} force field of version {description.get('version')!r}; known: 'linear', {VERSION}.",
                        hint="Use the program's version that made it.")
    try:
        return _build(description, tensors)
    except (KeyError, TypeError, ValueError, QcadError) as error:
        raise ReadError(f"{name} describes no possible model: {error}", hint="Train it again.") from error


def save(model: LinearModel, path: Path | str) -> None:
    """Write `model` to `path`."""
    Path(path).write_bytes(to_bytes(model))


def load(path: Path | str) -> LinearModel:
    """The model in file `path`; ReadError when it is missing, too large, damaged or something else."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ReadError(f"{path.name} has {path.stat().st_size / 2**30:.1f} GB.", hint=f"A force field has at most {LARGEST_FILE / 2**30:.0f} GB.")
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path} cannot be read: {error.strerror or error}.", hint="Check the path.") from error
    return from_bytes(content, path.name)


def _build(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> LinearModel:
    sizes = description["basis"]
    integers = {item.name: item.type in ("int", int) for item in fields(Basis)}
    if set(sizes) != set(integers):
        raise ValueError(f"the descriptor's entries are {sorted(sizes)}")
    values = {name: (int(value) if integers[name] else value) for name, value in sizes.items()}
    values["species"] = tuple(int(z) for z in sizes["species"])
    values |= {name: float(sizes[name]) for name in ("radial_cutoff", "angular_cutoff")}
    basis = Basis(**values)
    for name, tensor in tensors.items():
        if tensor.dtype != np.dtype("<f8") or not np.isfinite(tensor).all():
            raise ValueError(f"array {name!r} holds {tensor.dtype} or numbers that are not finite")
    posterior = None
    if "posterior" in description:
        scales = {name: float(description["posterior"][name]) for name in ("energy_scale", "force_scale")}
        white = tensors["whitening"]
        if white.ndim != 2 or len(white) != basis.n_features or not all(np.isfinite(value) and value >= 0 for value in scales.values()):
            raise ValueError(f"the error bar's array has shape {white.shape} and scales {scales}")
        posterior = Posterior(np.array(white), **scales)
    return LinearModel(basis, np.array(tensors["weights"]), bool(description["repulsion"]), posterior, dict(description.get("info", {})))


def _digest(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name}:{tensors[name].dtype.str}:{tensors[name].shape}".encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
